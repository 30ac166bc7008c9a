"""What domains can hold of a form, and what completes it, against every seating of tiny trees; seats that keep it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest

from kalloc.errors import InstanceError
from kalloc.instance import Hierarchy, Instance, NodeGroup, Placed, Project, Shape
from kalloc.instance.policy import Form
from kalloc.place.forms import form_of, kept_by, lacking, offers
from kalloc.place.items import Item, items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating
from kalloc.place.shaping import seat_formed
from tests.models.small import ask, make

Ways = list[tuple[int, ...]]
"""GPUs of a project by node, each way to seat some."""


def tree(dice: random.Random, even: bool = False, **changes: Any) -> Instance:
    """Return halls, racks and four nodes of up to four GPUs, and a project p of one shape or two.

    With ``even`` all nodes have the same GPUs.
    """
    for _ in range(100):
        with suppress(InstanceError):
            return _draw(dice, even, **changes)
    raise AssertionError("a hundred draws without a sound instance")


def _draw(dice: random.Random, even: bool, **changes: Any) -> Instance:
    size = dice.randint(2, 4)
    inventory = tuple(
        NodeGroup(
            path=(dice.choice("xy"), dice.choice("12")),
            node=f"n{number}",
            kind="h",
            gpus=size if even else dice.randint(1, 4),
            owner="top",
        )
        for number in range(4)
    )
    drawn = (_shape(dice, name) for name in dice.sample(["segment", "segment", "spread", "whole"], dice.choice([1, 2])))
    shapes = {(row.shape, row.level): row for row in drawn}
    fields: dict[str, Any] = {
        "hierarchy": Hierarchy(levels=("hall", "rack")),
        "inventory": inventory,
        "projects": (Project(project="p", pool="top"),),
        "requests": (ask("p", 1, 16),),
        "shapes": tuple(shapes.values()),
    }
    return make(**{**fields, **changes})


def _shape(dice: random.Random, name: str) -> Shape:
    level = "node" if name == "whole" else dice.choice(["hall", "rack", "node"])
    return Shape(project="p", shape=name, level=level, amount=None if name == "whole" else dice.randint(1, 4))


def allowed(instance: Instance, own: Sequence[int]) -> bool:
    """Tell whether GPUs by node have all the shapes of p, read word for word."""
    levels = (*instance.hierarchy.levels, "node")
    for row in instance.shapes:
        here: dict[object, int] = {}
        for node, gpus in enumerate(own):
            where = node if row.level == "node" else instance.inventory[node].path[: levels.index(str(row.level)) + 1]
            here[where] = here.get(where, 0) + gpus
        if row.shape == "segment" and any(gpus % int(row.amount or 1) for gpus in here.values()):
            return False
        if row.shape == "spread" and any(gpus > int(row.amount or 0) for gpus in here.values()):
            return False
        if row.shape == "whole" and any(
            gpus not in (0, group.gpus) for gpus, group in zip(own, instance.inventory, strict=True)
        ):
            return False
    return True


def ways(instance: Instance, held: Mapping[int, int]) -> Ways:
    """Return every way to seat GPUs of p that its shapes allow, of which it keeps some."""
    ranges = [range(held.get(node, 0), row.gpus + 1) for node, row in enumerate(instance.inventory)]
    return [own for own in product(*ranges) if allowed(instance, own)]


def cases(count: int, even: bool) -> Iterator[tuple[int, Instance, Form, Ways]]:
    """Yield instances with the form of p and every way to seat it."""
    for seed in range(count):
        instance = tree(random.Random(seed), even)
        form = form_of(instance, "p")
        assert form is not None
        yield seed, instance, form, ways(instance, {})


@pytest.mark.parametrize("even", [False, True])
def test_a_domain_offers_the_most_that_any_seating_has_in_it(even: bool) -> None:
    """No seating within a domain has more than it offers, and but for unlike nodes as a whole one has as much."""
    for seed, instance, form, every in cases(60, even):
        topology = instance.topology
        found = offers(topology, topology.gpus, form)
        for level in range(len(topology.levels)):
            for at, offer in enumerate(found[level].tolist()):
                best = max(map(sum, _inside(instance, level, at)))
                assert best <= offer, (seed, level)
                assert (form.whole and not even) or best == offer, (seed, level)
        assert max(map(sum, every)) <= found[0].sum()


def _inside(instance: Instance, level: int, domain: int) -> Iterator[tuple[int, ...]]:
    """Yield the seatings in one domain that the shapes of its level and finer ones allow."""
    levels = (*instance.hierarchy.levels, "node")
    finer = instance.replace(shapes=tuple(row for row in instance.shapes if levels.index(row.level or "") >= level))
    where = instance.topology.domain[level].tolist()
    ranges = [range(row.gpus + 1 if where[n] == domain else 1) for n, row in enumerate(instance.inventory)]
    yield from (own for own in product(*ranges) if allowed(finer, own))


def test_kept_by_is_what_the_shapes_say() -> None:
    """Whatever lies on the nodes has the form exactly when it has all the shapes."""
    for _, instance, form, every in cases(40, even=False):
        ranges = [range(row.gpus + 1) for row in instance.inventory]
        for own in product(*ranges):
            assert kept_by(instance.topology, form, np.array(own)) == (own in set(every))


def test_what_is_lacking_is_the_least_that_completes_what_is_kept() -> None:
    """The smallest seating that keeps a GPU has that and what it lacks, and none has more than all domains offer."""
    met = 0
    for seed, instance, form, _ in cases(120, even=True):
        held = {0: 1}
        every = ways(instance, held)
        own = np.array([held.get(node, 0) for node in range(4)])
        lacks = int(lacking(instance.topology, form, own)[0].sum())
        more = int(offers(instance.topology, instance.topology.gpus - own, form, own)[0].sum())
        if every:
            met += 1
            assert min(map(sum, every)) == 1 + lacks, seed
            assert max(map(sum, every)) <= 1 + more, seed
    assert met > 60


def seated(instance: Instance, gpus: int) -> dict[int, int] | None:
    """Return the GPUs of p by node, what it keeps included, None where it is said to have no room."""
    rooms = Rooms.of(instance)
    items: tuple[Item, ...] = items_of(instance, rooms, {("p", "h"): gpus})
    seating = Seating(rooms)
    try:
        for item in items:
            seat_formed(seating, item)
    except NoRoomError:
        return None
    found = dict(rooms.stays.get("p", {}))
    for (_, node), amount in seating.seats.items():
        found[node] = found.get(node, 0) + amount
    return found


@pytest.mark.parametrize("keeps", [False, True])
def test_alone_it_is_seated_exactly_where_a_seating_has_its_form(keeps: bool) -> None:
    """Any amount of like nodes is seated in its form where that can be, whatever it keeps, and refused where not."""
    placed = (Placed(project="p", node="n0", gpus=1),) if keeps else ()
    for seed in range(80):
        instance = tree(random.Random(1000 + seed), even=True, placed=placed)
        possible = {sum(own) for own in ways(instance, {0: 1} if keeps else {})}
        for gpus in range(2, 17):
            found = seated(instance, gpus)
            assert (found is not None) == (gpus in possible), (seed, gpus)
            if found is not None:
                assert sum(found.values()) == gpus
                assert allowed(instance, [found.get(node, 0) for node in range(4)]), (seed, gpus)
