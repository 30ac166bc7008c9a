"""Items that fill several domains to the last GPU: homes for as many as can be, and what the others pay at least."""

from __future__ import annotations

import random

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Pool, Project, Request
from kalloc.place.homeless import Asked, homeless
from kalloc.place.homes import homes_of, narrowed, seat_at_home
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.solver import Limits
from tests.engine.test_runs import asked, least, only, run_bound

LEVELS = ("site", "fabric", "su", "rack")
ALL = frozenset([0])


def fabrics(units: list[list[int]], sizes: list[int]) -> Instance:
    """Return fabrics of units of so many racks of one node of 2 GPUs, and projects of so many GPUs."""
    rows = tuple(
        NodeGroup(path=("s", f"f{fabric}", f"u{unit}", f"r{rack}"), count=1, kind="K", gpus=2, owner="P")
        for fabric, racks in enumerate(units)
        for unit, count in enumerate(racks)
        for rack in range(count)
    )
    return Instance(
        name="fabrics",
        hierarchy=Hierarchy(levels=LEVELS, weights={"site": 1000, "fabric": 100, "su": 10, "rack": 1, "node": 1}),
        kinds=(Kind(kind="K"),),
        pools=(Pool(pool="P"),),
        inventory=rows,
        projects=tuple(Project(project=f"p{at}", pool="P") for at in range(len(sizes))),
        requests=tuple(Request(project=f"p{at}", kind="K", min=n, max=n) for at, n in enumerate(sizes)),
    )


def test_a_fabric_of_three_full_units_is_one_home() -> None:
    """Two items of two full units each: with three in a fabric and one in another, one of them pays for a unit more."""
    rooms = Rooms.of(fabrics([[2, 2, 2, 1, 1], [2, 1]], [8, 8]))
    assert homeless(rooms, ALL, {Asked(8, ALL): 1}, 1, 2, Limits()) == 0
    assert homeless(rooms, ALL, {Asked(8, ALL): 2}, 1, 2, Limits()) == 10


def test_whoever_finds_no_room_in_a_fabric_pays_for_another() -> None:
    """Where no fabric has room for both, one is in two."""
    rooms = Rooms.of(fabrics([[2, 2, 2], [2]], [8, 8]))
    assert homeless(rooms, ALL, {Asked(8, ALL): 2}, 1, 2, Limits()) == 100


def drawn(dice: random.Random) -> Instance:
    """Draw a few fabrics of full and smaller units, and items of which many fill full ones."""
    units = [[dice.choice([1, 2, 2, 2]) for _ in range(dice.randint(1, 4))] for _ in range(dice.randint(1, 3))]
    left, sizes = 2 * sum(map(sum, units)), list[int]()
    while left > 0 and len(sizes) < 5:
        sizes.append(min(left, dice.choice([1, 2, 4, 8, 8, 8, 12])))
        left -= sizes[-1]
    return fabrics(units, sizes)


def test_no_bound_is_above_the_textbook() -> None:
    """Fabrics and units together are never bounded above the text-book's optimum, and some of these are by homes."""
    by_homes = 0
    for seed in range(25):
        instance = drawn(random.Random(seed))
        found, best = sum(run_bound(instance, (1, 2)).values()), least(only(instance, (1, 2)))
        assert found <= best
        rooms = Rooms.of(instance)
        sizes = [row.max for row in instance.requests]
        by_homes += homeless(rooms, ALL, {Asked(n, ALL): sizes.count(n) for n in sizes}, 1, 2, Limits()) > 0
    assert by_homes > 1


def test_items_are_seated_at_home() -> None:
    """Three full units go to the item that fills three, two to one of two; the other has four smaller ones."""
    instance = fabrics([[2, 2, 2], [2, 2, 1, 1], [1, 1, 1, 1]], [12, 8, 8, 2])
    rooms = Rooms.of(instance)
    items = items_of(instance, rooms, asked(instance))
    homes = homes_of(rooms, items, Limits())
    seating = Seating(rooms)
    left = seat_at_home(seating, narrowed(items, homes), homes)
    assert [item.project for item in left] == ["p3"]
    units = {
        project: {int(rooms.topology.domain[2][node]) for name, node in seating.seats if name == project}
        for project in ("p0", "p1", "p2")
    }
    assert sorted(map(len, units.values())) == [2, 3, 4]
    fabric = {project: {int(rooms.above(2, 1)[unit]) for unit in of} for project, of in units.items()}
    assert all(len(of) == 1 for of in fabric.values())
