"""Projects that are alike change places so that those with a preference sit best."""

from __future__ import annotations

import random
from itertools import permutations

from kalloc.errors import InstanceError
from kalloc.instance import Instance, Shape
from kalloc.naming import plan_of
from kalloc.place.alone import preferred
from kalloc.place.engine import seat_all, seat_first
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, Seats, with_kept
from kalloc.place.spans import exchanged, paid, scattering, spans_of
from kalloc.solver import Limits
from kalloc.verify import score, verify
from tests.engine.test_moving import drawn
from tests.engine.test_place import asking, items
from tests.engine.test_runs import needs
from tests.models.small import nodes


def preferring(seed: int) -> Instance:
    """Return an instance of projects of two sizes, with and without forms, of which some prefer one rack or node."""
    dice, instance = random.Random(seed), drawn(seed)
    wishes = tuple(
        Shape(project=row.project, shape="prefer", level=level, amount=dice.choice((1, 5, 20)))
        for row in instance.projects
        for level in ("rack", "node")
        if dice.random() < 0.4
    )
    requests = tuple(
        row.model_copy(update=dict.fromkeys(("min", "max"), dice.choice((4, 8)))) for row in instance.requests
    )
    return instance.replace(shapes=(*instance.shapes, *wishes), requests=requests)


def test_who_prefers_one_rack_takes_the_place_of_one_who_does_not() -> None:
    """Two projects of two nodes each, the first over two racks: it pays for that, the other does not, so they swap."""
    inventory = tuple(nodes(rack, 4, node=f"{rack}{number}") for rack in "rs" for number in range(2))
    shapes = (Shape(project="p0", shape="prefer", level="rack", amount=5),)
    instance = asking([8, 8], (*inventory[:3], nodes("t", 4, node="t0")), shapes=shapes)
    rooms, waiting = Rooms.of(instance), list(items(instance))
    seats: Seats = {("p0", 2): 4, ("p0", 3): 4, ("p1", 0): 4, ("p1", 1): 4}
    better = exchanged(rooms, waiting, seats, preferred(instance))
    assert better == {("p1", 2): 4, ("p1", 3): 4, ("p0", 0): 4, ("p0", 1): 4}
    assert exchanged(rooms, waiting, better, preferred(instance)) == better
    assert exchanged(rooms, waiting, seats, {}) == seats


def test_no_other_order_of_those_alike_is_cheaper() -> None:
    """Every rule is still kept, what the weights come to is the same, and no change of two places makes it cheaper."""
    changed = sound = 0
    for seed in range(200):
        try:
            instance = preferring(seed)
            rooms, waiting = Rooms.of(instance), list(items(instance))
            begun = seat_first(Seating(rooms), waiting)
        except (InstanceError, NoRoomError):
            continue
        assert begun is not None
        more, before = preferred(instance), begun.seats
        after = exchanged(rooms, waiting, before, more)
        granted = {(row.project, row.kind): row.max for row in instance.requests}
        assert verify(instance, plan_of(instance, granted, with_kept(rooms, after))) == [], seed
        assert scattering(rooms, after, {}) == scattering(rooms, before, {}), seed
        cost, spans = scattering(rooms, after, more), spans_of(rooms, after)
        assert cost <= scattering(rooms, before, more), seed
        for one, other in permutations(waiting, 2):
            if one.shape == other.shape and one.shape.anchor is None:
                swapped = {**spans, one.project: spans[other.project], other.project: spans[one.project]}
                assert paid(rooms, swapped, more) >= cost, seed
        changed, sound = changed + (after != before), sound + 1
    assert sound >= 60 and changed >= 10


def test_what_is_told_is_the_score() -> None:
    """Placement tells of ever better seats, and what it tells last is the score of its seats, preferences included."""
    sound = 0
    for seed in range(150):
        try:
            instance = preferring(seed)
            rooms, waiting, told = Rooms.of(instance), list(items(instance)), list[int]()
            need, more = needs(instance), preferred(instance)
            seats = seat_all(rooms, waiting, need, more, Limits(), told.append)
        except (InstanceError, NoRoomError):
            continue
        granted = {(row.project, row.kind): row.max for row in instance.requests}
        exact = score(instance, plan_of(instance, granted, seats)).fragmentation
        assert told == sorted(set(told), reverse=True), seed
        assert told[-1] - paid(rooms, need, more) == exact, seed
        sound += 1
    assert sound >= 40
