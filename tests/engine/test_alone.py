"""What a project pays at least if it is alone: never more than its best seating, over all seatings of tiny trees."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from kalloc.instance import Hierarchy, Instance
from kalloc.place.alone import Alone, Preferred, preferred
from kalloc.place.forms import form_of
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms
from kalloc.place.shaping import at_least
from tests.engine.test_forms import tree, ways
from tests.engine.test_place import asking, items
from tests.models.small import nodes

WEIGHTS = {"hall": 7, "rack": 3, "node": 2}


def best(instance: Instance, seatings: Sequence[Sequence[int]], levels: Sequence[int], paid: Sequence[int]) -> int:
    """Return the least that any of some seatings pays over some levels."""
    domains = instance.topology.domain
    return min(
        sum(paid[level] * len(set(domains[level][np.flatnonzero(own)].tolist())) for level in levels)
        for own in seatings
    )


def bounded(instance: Instance, size: int, levels: Sequence[int], more: Preferred) -> int:
    """Return what p pays at least for so many GPUs."""
    rooms = Rooms.of(instance)
    shape = Shape((("h", size),), (rooms.zones_for("top", "h"),), None, None, None, form_of(instance, "p"))
    waiting = [Item("p", shape)]
    forced = at_least(rooms, waiting, {"p": (1, 1, 1)})
    return Alone(rooms).costs(waiting, forced, levels, more)["p"]


def test_nobody_pays_less_than_it_does_alone() -> None:
    """Over all seatings that its shapes allow, whatever the size, levels and preference, none pays less."""
    met = seen = 0
    for seed in range(60):
        dice = random.Random(seed)
        instance = tree(dice, hierarchy=Hierarchy(levels=("hall", "rack"), weights=WEIGHTS))
        every = ways(instance, {})
        more: Mapping[str, list[int]] = {"p": [0, dice.choice([0, 5]), dice.choice([0, 1])]}
        for size in sorted({sum(own) for own in every} - {0}):
            of_size = [own for own in every if sum(own) == size]
            for levels in ([0, 1], [1, 2], [0, 1, 2]):
                least = best(instance, of_size, levels, [7, 3 + more["p"][1], 2 + more["p"][2]])
                found = bounded(instance, size, levels, more)
                assert found <= least, (seed, size, levels)
                met, seen = met + (found == least), seen + 1
    assert met >= 0.7 * seen


def test_one_hall_or_two_by_hand() -> None:
    """Two halls of racks of 4, 2 and 2: a project of 8 takes two racks in two halls, or three in one hall."""
    racks = tuple(
        nodes(f"{hall}{rack}", gpus, path=(hall, f"{hall}{rack}"))
        for hall in "xy"
        for rack, gpus in enumerate((4, 2, 2))
    )
    for hall, alone in ((2, 2 + 3), (100, 100 + 3)):
        weights = {"hall": hall, "rack": 1, "node": 0}
        instance = asking([8], racks, hierarchy=Hierarchy(levels=("hall", "rack"), weights=weights))
        waiting, rooms = items(instance), Rooms.of(instance)
        assert Alone(rooms).costs(waiting, {"p0": (1, 2, 2)}, [0, 1], {}) == {"p0": alone}
        assert Alone(rooms).costs(waiting, {"p0": (1, 2, 2)}, [0, 1], {"p0": [0, 10, 0]}) == {
            "p0": hall * 1 + 33 if hall > 2 else 2 * hall + 22
        }


def test_what_is_preferred_stands_in_the_shapes() -> None:
    """A shape `prefer` adds its amount at its level."""
    instance = tree(random.Random(1))
    shape = instance.shapes[0].model_copy(update={"shape": "prefer", "level": "rack", "amount": 4})
    assert preferred(instance.replace(shapes=(shape,))) == {"p": [0, 4, 0]}
