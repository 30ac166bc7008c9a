"""Items on part-taken nodes: groups that add up, the cheapest of them, and whole nodes enough for all others."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from kalloc.instance import Hierarchy, Instance, NodeGroup, Placed
from kalloc.place import parts as parts_module
from kalloc.place.items import Item, items_of
from kalloc.place.parts import seat_on_parts
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.place.spans import spans_of
from kalloc.solver import Limits
from tests.engine.test_against_reference import often
from tests.halls import hall

WEIGHTS = {"unit": 100, "rack": 10, "node": 1}


def units(rooms: list[list[int]], sizes: list[int]) -> Instance:
    """Return units, each of racks of one node of 8 GPUs with so much room, and projects of so many nodes."""
    names = [(f"u{unit}", f"r{rack}", room) for unit, racks in enumerate(rooms) for rack, room in enumerate(racks)]
    return hall({}, {f"p{at}": 8 * size for at, size in enumerate(sizes)}).replace(
        hierarchy=Hierarchy(levels=("unit", "rack"), weights=WEIGHTS),
        inventory=tuple(
            NodeGroup(path=(unit, rack), node=f"{unit}/{rack}", kind="H200", gpus=8, owner="all")
            for unit, rack, _ in names
        ),
        placed=tuple(
            Placed(project="background", node=f"{unit}/{rack}", gpus=8 - room) for unit, rack, room in names if room < 8
        ),
    )


def seated(instance: Instance) -> tuple[Seating, list[Item], list[Item]]:
    """Return a seating after the part-taken nodes were used, all items, and those that are left."""
    seating = Seating(Rooms.of(instance))
    items = list(items_of(instance, seating.rooms, {(row.project, row.kind): row.max for row in instance.requests}))
    return seating, items, seat_on_parts(seating, 0, items, Limits())


def cost(seating: Seating) -> int:
    """Return Σ weight · spans beyond those of whole nodes side by side."""
    needed = Counter[str]()
    for (project, _), gpus in seating.seats.items():
        needed[project] += gpus
    found = spans_of(seating.rooms, seating.seats)
    weights = seating.rooms.topology.weights
    return sum(
        sum(w * s for w, s in zip(weights, [spans[0] - 1, spans[1] - 1, spans[2] - needed[project] // 8], strict=True))
        for project, spans in found.items()
    )


def least(rooms: list[list[int]], missing: int, sizes: Counter[int]) -> float:
    """Return what groups of up to four part-taken nodes cost at least that hold so much, by trying all."""
    nodes = [(unit, rack, room) for unit, racks in enumerate(rooms) for rack, room in enumerate(racks) if 0 < room < 8]

    def best(free: frozenset[int], missing: int, left: Counter[int]) -> float:
        if missing <= 0:
            return 0
        found = float("inf")
        for count in range(2, 5):
            for group in combinations(sorted(free), count):
                size = sum(nodes[at][2] for at in group) // 8
                if sum(nodes[at][2] for at in group) % 8 or not left[size]:
                    continue
                units = len({nodes[at][0] for at in group})
                here = 100 * (units - 1) + 10 * (count - 1) + count - size
                found = min(found, here + best(free - set(group), missing - 8 * size, left - Counter([size])))
        return found

    return best(frozenset(range(len(nodes))), missing, sizes)


@given(
    rooms=st.lists(st.lists(st.sampled_from([8, 4, 5, 3, 2, 6, 1, 7]), min_size=1, max_size=3), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 2), min_size=1, max_size=6),
)
@often(80)
def test_the_cheapest_groups_hold_what_whole_nodes_cannot(rooms: list[list[int]], sizes: list[int]) -> None:
    """On random units the groups cost what the best of all choices costs, and whole nodes hold all that is left."""
    whole = sum(room == 8 for racks in rooms for room in racks)
    missing = 8 * (sum(sizes) - whole)
    assume(8 * sum(sizes) <= sum(map(sum, rooms)))
    seating, items, left = seated(units(rooms, sizes))
    best = least(rooms, missing, Counter(sizes))
    event("nothing to piece" if missing <= 0 else "no groups" if best == float("inf") else "pieced")
    if missing <= 0:
        assert left == items and not seating.seats
    elif best < float("inf"):
        assert sum(item.shape.gpus for item in left) <= 8 * whole
        assert cost(seating) == best
        assert not {project for project, _ in seating.seats} & {item.project for item in left}


def test_groups_lie_in_one_unit_where_they_can() -> None:
    """Rooms of 5 and 3 in either unit hold one node's worth each; crossing them would cost a unit more for both."""
    seating, _, left = seated(units([[5, 3], [5, 3]], [1, 1]))
    assert not left and cost(seating) == 2 * (10 + 1)


def test_what_does_not_add_up_is_left() -> None:
    """Two rooms of 5 hold no whole node to the last GPU: the item is left for others to seat."""
    seating, items, left = seated(units([[5, 5]], [1]))
    assert left == items and not seating.seats


@pytest.mark.parametrize("limit", ["MOST_GROUPS", "MOST_LOOKED_AT"])
def test_few_groups_to_choose_from_lose_nobody(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only few groups are looked at, those that are seated sit rightly, and the others are left."""
    monkeypatch.setattr(parts_module, limit, 3)
    seating, items, left = seated(units([[5, 3, 4], [4, 6, 2]], [1, 1, 1]))
    placed = Counter[str]()
    for (project, _), gpus in seating.seats.items():
        placed[project] += gpus
    assert placed == {item.project: item.shape.gpus for item in items if item not in left}
