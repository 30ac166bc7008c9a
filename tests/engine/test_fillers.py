"""Larger items that take up part-taken nodes: all of a group's nodes, whole nodes enough for the others."""

from __future__ import annotations

import random

import pytest

from kalloc.instance import Hierarchy, Instance, NodeGroup, Placed
from kalloc.place import parts
from kalloc.place.items import items_of
from kalloc.place.parts import seat_on_parts
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.place.spans import scattering
from kalloc.solver import Limits
from tests.halls import hall

WEIGHTS = {"site": 1000, "fabric": 100, "su": 10, "rack": 1, "node": 10}


def fabrics(rooms: list[list[list[int]]], sizes: list[int]) -> Instance:
    """Return fabrics of units, each with nodes of so much room in racks of four, and projects of so many nodes."""
    nodes = [
        ((f"f{fabric}", f"u{unit}", f"r{at // 4}"), f"{fabric}-{unit}-{at}", room)
        for fabric, units in enumerate(rooms)
        for unit, inside in enumerate(units)
        for at, room in enumerate(inside)
    ]
    return hall({}, {f"p{at}": 8 * size for at, size in enumerate(sizes)}).replace(
        hierarchy=Hierarchy(levels=("site", "fabric", "su", "rack"), weights=WEIGHTS),
        inventory=tuple(
            NodeGroup(path=("s", *path), node=name, kind="H200", gpus=8, owner="all") for path, name, _ in nodes
        ),
        placed=tuple(Placed(project="running", node=name, gpus=8 - room) for _, name, room in nodes if room < 8),
    )


def seated(instance: Instance) -> tuple[Seating, int, int]:
    """Return a seating after part-taken nodes were used, whole nodes that are left, and those that others ask for."""
    seating = Seating(Rooms.of(instance))
    items = items_of(instance, seating.rooms, {(row.project, row.kind): row.max for row in instance.requests})
    left = seat_on_parts(seating, 0, items, Limits())
    return seating, int((seating.room == 8).sum()), sum(item.shape.gpus for item in left) // 8


def test_one_item_takes_eight_nodes_of_two_units() -> None:
    """Eight nodes of one free GPU in two units are no groups of four: one item takes them all, and nobody else."""
    rooms = [[[1, 1, 1, 8, 8, 8, 8, 8], [1, 1, 1, 1, 1, 8, 8, 8]], [[8] * 8, [8] * 8]]
    seating, whole, asked = seated(fabrics(rooms, [8, 8, 4, 4, 1]))
    assert whole == asked
    assert len({project for project, _ in seating.seats}) == 1
    assert sum(gpus for (_, node), gpus in seating.seats.items() if seating.rooms.room[node] < 8) == 8


def drawn(dice: random.Random) -> Instance:
    """Draw two fabrics of three units with some part-taken nodes, all asked for but for less than a node."""
    rooms = [
        [[dice.choice([8, 8, 8, dice.randint(1, 7)]) for _ in range(dice.choice([4, 8]))] for _ in range(3)]
        for _ in range(2)
    ]
    left, sizes = sum(room for units in rooms for inside in units for room in inside) // 8, []
    while left:
        sizes.append(min(left, dice.choice([1, 2, 3, 4, 6, 8])))
        left -= sizes[-1]
    return fabrics(rooms, sizes)


def test_fillers_cost_no_more_than_groups_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole nodes are enough for the others, and what is seated costs less where larger items may be fillers."""
    better = 0
    for seed in range(40):
        instance = drawn(random.Random(seed))
        seating, whole, asked = seated(instance)
        with monkeypatch.context() as patch:
            patch.setattr(parts, "fillers", lambda *_: [])
            other, less, more = seated(instance)
        ours, theirs = (beyond(found) for found in (seating, other))
        if whole >= asked and less >= more:
            assert ours <= theirs
            better += ours < theirs
    assert better > 5


def beyond(seating: Seating) -> int:
    """Return what those who are seated pay beyond the fewest domains of so much room."""
    asked: dict[str, int] = {}
    for (project, _), gpus in seating.seats.items():
        asked[project] = asked.get(project, 0) + gpus
    least = sum(1110 + -(-gpus // 32) + 10 * (gpus // 8) for gpus in asked.values())
    return scattering(seating.rooms, seating.seats, {}) - least
