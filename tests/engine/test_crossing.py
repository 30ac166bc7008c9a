"""An item that two zones share is cut where that leaves least for others to share."""

from __future__ import annotations

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request
from kalloc.place.crossing import seat_crossing
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.solver import Limits

LEVELS = ("site", "fabric", "su", "rack")
WEIGHTS = {"site": 1000, "fabric": 100, "su": 10, "rack": 1, "node": 10}


def sites(rooms: dict[str, list[list[int]]]) -> Instance:
    """Return a site for every owner, with fabrics of one unit each, whose nodes have so much room."""
    rows, placed = [], []
    for owner, fabrics in rooms.items():
        for fabric, nodes in enumerate(fabrics):
            for at, room in enumerate(nodes):
                name, path = f"{owner}{fabric}{at}", (owner, f"f{fabric}", "u", "r")
                rows.append(NodeGroup(path=path, count=1, kind="K", gpus=8, owner=owner, node=name))
                placed += [Placed(project="running", node=name, gpus=8 - room)] if room < 8 else []
    return Instance(
        name="sites",
        hierarchy=Hierarchy(levels=LEVELS, weights=WEIGHTS),
        kinds=(Kind(kind="K"),),
        pools=tuple(Pool(pool=owner) for owner in rooms),
        inventory=tuple(rows),
        projects=tuple(Project(project=owner, pool=owner) for owner in rooms),
        requests=tuple(Request(project=owner, kind="K", min=8, max=8) for owner in rooms),
        placed=tuple(placed),
    )


def item(name: str, *parts: tuple[int, int]) -> Item:
    """Return an item with so many GPUs in each of some zones."""
    amounts, zones = tuple(("K", gpus) for _, gpus in parts), tuple(frozenset([zone]) for zone, _ in parts)
    return Item(name, Shape(amounts, zones, None, None, None))


def seated(rooms: Rooms, items: list[Item]) -> tuple[dict[str, int], list[str]]:
    """Return who has how much on which node, by the room that it had, and who is still to be seated."""
    seating = Seating(rooms)
    left = seat_crossing(seating, items, Limits())
    names = rooms.topology.names
    return {names[node]: gpus for (_, node), gpus in seating.seats.items()}, [one.project for one in left]


def test_the_cut_leaves_least_to_share() -> None:
    """Of rooms of 1 and 3 and of 7 it takes 1 and 7: with 4 and 4 it would be in both fabrics of its first site."""
    rooms = Rooms.of(sites({"a": [[8, 8, 1], [8, 8, 3]], "b": [[8, 8, 7]]}))
    seats, left = seated(
        rooms, [item("cut", (0, 4), (1, 4)), item("x", (0, 16)), item("y", (0, 16)), item("z", (1, 16))]
    )
    assert seats == {"a02": 1, "b02": 7}
    assert left == ["x", "y", "z"]


def test_what_need_not_be_shared_is_left_alone() -> None:
    """Nobody is seated where rooms are multiples, where an item has a zone of its own, or where it is cut anywhere."""
    rooms = Rooms.of(sites({"a": [[8, 8], [8, 8]], "b": [[8, 8]]}))
    items = [item("cut", (0, 4), (1, 4)), item("x", (0, 16)), item("z", (1, 8))]
    assert seated(rooms, items) == ({}, ["cut", "x", "z"])
    assert seated(rooms, items[1:]) == ({}, ["x", "z"])
