"""Projects of whole nodes in single domains, by counts."""

from __future__ import annotations

import random
from collections import Counter

from kalloc.instance import Instance, Project
from kalloc.place.fitting import fitted_whole
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating, Seats
from kalloc.place.spans import spans_of
from tests.models.small import ask, make, nodes


def asking(racks: list[int], gpus: list[int]) -> Instance:
    """Return racks of so many nodes of 8 GPUs, and projects that ask for so many GPUs."""
    names = [f"p{number}" for number in range(len(gpus))]
    return make(
        inventory=tuple(nodes(f"r{rack}", 8, count=count) for rack, count in enumerate(racks)),
        projects=tuple(Project(project=name, pool="top") for name in names),
        requests=tuple(ask(name, most, most) for name, most in zip(names, gpus, strict=True)),
    )


def fitted(racks: list[int], gpus: list[int]) -> tuple[Rooms, Seats | None]:
    """Return the rooms of some racks, and seats of all projects that ask for GPUs there."""
    instance = asking(racks, gpus)
    rooms = Rooms.of(instance)
    items = items_of(instance, rooms, {(f"p{number}", "h"): most for number, most in enumerate(gpus)})
    return rooms, fitted_whole(Seating(rooms), {0: items})


def test_nobody_spans_two_racks() -> None:
    """Of racks of four and three nodes the one takes two projects of two, the other the one of three."""
    rooms, seats = fitted([4, 3], [16, 24, 16])
    assert seats is not None
    assert spans_of(rooms, seats) == {"p0": (1, 2), "p1": (1, 3), "p2": (1, 2)}


def test_what_does_not_fit_is_left_to_others() -> None:
    """A project larger than a rack, one too many, or one of half a node leaves nothing."""
    assert [fitted([4, 3], gpus)[1] for gpus in ([40], [24, 24, 16], [12])] == [None, None, None]


def test_seats_are_whole_nodes_of_one_rack_each() -> None:
    """On random racks everybody has all its GPUs, on nodes that nobody else has, in one rack."""
    done = 0
    for seed in range(60):
        dice = random.Random(seed)
        racks = [dice.randint(2, 8) for _ in range(5)]
        gpus = [8 * dice.randint(1, 4) for _ in range(dice.randint(3, 10))]
        rooms, seats = fitted(racks, gpus)
        if seats is None:
            continue
        done += 1
        held: Counter[str] = Counter()
        for (project, _), have in seats.items():
            held[project] += have
        assert [held[f"p{number}"] for number in range(len(gpus))] == gpus
        assert len({node for _, node in seats}) == len(seats) and set(seats.values()) == {8}
        assert all(spans[0] == 1 for spans in spans_of(rooms, seats).values())
    assert done > 20
