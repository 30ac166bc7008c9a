"""Second thoughts: seats stay a plan that keeps every rule, and cost no more."""

from __future__ import annotations

import random

import pytest

from kalloc.errors import InstanceError
from kalloc.instance import Hierarchy, Instance, Placed, Shape
from kalloc.naming import plan_of
from kalloc.place.engine import seat_all, seat_first
from kalloc.place.moving import Moving, seated, widened
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, with_kept
from kalloc.place.shaping import at_least, seat_any
from kalloc.place.spans import scattering
from kalloc.solver import Limits
from kalloc.verify import verify
from tests.engine.test_place import asking, items
from tests.engine.test_runs import needs
from tests.models.small import nodes

SHAPES = (("segment", "rack", 2), ("spread", "rack", 4), ("spread", "node", 2), ("whole", "node", None))


def drawn(seed: int) -> Instance:
    """Return two halls of racks of nodes of 4, projects of which some demand a form, and a little background."""
    dice = random.Random(seed)
    names = [f"n{number}" for number in range(dice.randint(6, 12))]
    inventory = tuple(nodes(dice.choice(("x1", "x2", "y1", "y2")), 4, node=name) for name in names)
    inventory = tuple(row.model_copy(update={"path": (row.path[0][0], row.path[0])}) for row in inventory)
    sizes = [dice.choice([2, 4, 4, 8, dice.randint(1, 9)]) for _ in range(dice.randint(4, 9))]
    shapes = []
    for number in range(len(sizes)):
        shape, level, amount = dice.choice((*SHAPES, ("exclusive", "node", None)))
        if dice.random() < 0.5:
            shapes.append(Shape(project=f"p{number}", shape=shape, level=level, amount=amount))
    placed = tuple(Placed(project="other", node=name, gpus=dice.randint(1, 3)) for name in dice.sample(names, 2))
    hierarchy = Hierarchy(levels=("hall", "rack"), weights={"hall": 100, "rack": 10, "node": 1})
    return asking(sizes, inventory, placed=placed, shapes=tuple(shapes), hierarchy=hierarchy)


def test_seats_keep_every_rule_and_cost_no_more() -> None:
    """From seats that were given one by one in any order, changes lead to a plan that is sound and no dearer."""
    better = sound = 0
    for seed in range(150):
        try:
            instance = drawn(seed)
        except InstanceError:
            continue
        rooms, waiting = Rooms.of(instance), list(items(instance))
        try:
            before = seat_first(Seating(rooms), waiting)
        except NoRoomError:
            continue
        assert before is not None
        cost = scattering(rooms, with_kept(rooms, before.seats), {})
        wide = widened(rooms, waiting, waiting)
        moving = Moving(seated(rooms, wide, before.seats), wide, {})
        after = moving.improve(at_least(rooms, waiting, needs(instance)), Limits())
        granted = {(row.project, row.kind): row.max for row in instance.requests}
        assert verify(instance, plan_of(instance, granted, with_kept(rooms, after))) == [], seed
        assert scattering(rooms, with_kept(rooms, after), {}) <= cost, seed
        better += scattering(rooms, with_kept(rooms, after), {}) < cost
        sound += 1
    assert sound >= 40 and better >= 3


def test_others_make_room_for_who_finds_none() -> None:
    """Two racks of two nodes of 4, each with a project of 4: the one of 8 in one rack is seated once they share one."""
    inventory = tuple(nodes(rack, 4, node=f"{rack}{number}") for rack in "rs" for number in range(2))
    instance = asking([4, 4, 8], inventory)
    projects = tuple(
        row.model_copy(update={"level": "rack" if row.project == "p2" else None}) for row in instance.projects
    )
    instance = instance.replace(projects=projects)
    rooms, waiting = Rooms.of(instance), list(items(instance))
    seating = Seating(rooms)
    for item, node in zip(waiting[:2], (0, 2), strict=True):
        seating.put(item, node, 4)
    with pytest.raises(NoRoomError):
        seat_any(seating.copy(), waiting[2])
    moving = Moving(seating, waiting[:2], {})
    assert moving.squeeze(waiting[2])
    assert {gpus for _, gpus in seating.held("p2")} == {4} and int(seating.room.sum()) == 0


def test_nobody_moves_where_there_is_no_room_at_all() -> None:
    """A project that is larger than what is free finds no seat, and the others keep theirs."""
    instance = asking([4, 3, 5], (nodes("r", 4, node="a"), nodes("r", 4, node="b")))
    rooms, waiting = Rooms.of(instance), list(items(instance))
    seating = Seating(rooms)
    seating.put(waiting[0], 0, 4)
    seating.put(waiting[1], 1, 3)
    moving = Moving(seating, waiting[:2], {})
    assert not moving.squeeze(waiting[2])
    assert dict(seating.seats) == {("p0", 0): 4, ("p1", 1): 3} and seating.room.tolist() == [0, 1]


def test_nothing_is_left_to_move_after_all_ways() -> None:
    """Where forms are asked for, what placement returns cannot be made cheaper by another round."""
    for seed in range(40):
        try:
            instance = drawn(seed)
            rooms, waiting = Rooms.of(instance), list(items(instance))
            seats = seat_all(rooms, waiting, needs(instance), {}, Limits(), lambda cost: None)
        except (InstanceError, NoRoomError):
            continue
        moving = Moving(seated(rooms, waiting, seats), waiting, {})
        again = moving.improve(at_least(rooms, waiting, needs(instance)), Limits())
        formed = any(item.shape.form is not None for item in waiting)
        assert not formed or scattering(rooms, again, {}) == scattering(rooms, seats, {})
