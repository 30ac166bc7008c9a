"""Limits on power as placement sees them: what is taken off nodes keeps every limit, and no more where that is said."""

from __future__ import annotations

import random
from itertools import product

import pytest

from kalloc.instance import Hierarchy, Instance, NodeGroup, Placed, Power, Project
from kalloc.place.power import Grid
from kalloc.place.rooms import Rooms
from tests.models import brute_policy as rules
from tests.models.small import ask, make


def drawn(seed: int) -> Instance:
    """Return two halls of racks of nodes of up to three GPUs with limits on power, some GPUs kept, some background."""
    dice = random.Random(seed)
    alike = dice.random() < 0.5
    watts = dice.choice([100, 250])
    inventory = tuple(
        NodeGroup(
            path=(dice.choice("xy"), dice.choice("12")),
            node=f"n{number}",
            kind="h",
            gpus=dice.randint(1, 3) if not alike else 3,
            owner="top",
            idle_watts=dice.choice([0, 50]),
            loaded_watts=dice.choice([50, 250, 1000]) if not alike else 50 + 3 * watts,
            state="down" if dice.random() < 0.1 else "up",
        )
        for number in range(5)
    )
    up = [row for row in inventory if row.state == "up" and row.node is not None]
    return make(
        hierarchy=Hierarchy(levels=("hall", "rack")),
        inventory=inventory,
        power=tuple(
            Power(power=f"w{number}", level=level, kw=dice.choice([0.3, 0.5, 0.8, 1.2, 2.0]))
            for number, level in enumerate(dice.sample(["hall", "rack", "node"], dice.choice([1, 2])))
        ),
        projects=(Project(project="p", pool="top"),),
        requests=(ask("p", 1, 15),),
        placed=tuple(
            Placed(project=name, node=row.node or "", gpus=1)
            for name, row in zip(("p", "other"), dice.sample(up, min(2, len(up))), strict=False)
            if dice.random() < 0.3
        ),
    )


def kept(instance: Instance) -> list[int]:
    """Return the GPUs of p that stay, by node."""
    return [instance.stays.get("p", {}).get(node, 0) for node in range(instance.topology.node_count)]


def within(instance: Instance, more: list[int]) -> bool:
    """Tell whether limits hold when p has so many GPUs more on each node."""
    used = [gpus + stay for gpus, stay in zip(more, kept(instance), strict=True)]
    return rules.power(instance, {"p": {node: gpus for node, gpus in enumerate(used) if gpus}})


def test_what_is_left_of_the_rooms_keeps_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the nodes are filled up to what is left, no domain draws too much, where it does not without anybody."""
    monkeypatch.setattr("kalloc.place.power.MOST_METERS", 0)
    lessened = even = 0
    for seed in range(150):
        instance = drawn(seed)
        rooms = Rooms.of(instance)
        grid = Grid(instance, rooms.unlimited)
        left, room = rooms.room.tolist(), rooms.unlimited.tolist()
        assert all(0 <= less <= gpus for less, gpus in zip(left, room, strict=True))
        assert grid.meters == ()
        possible = within(instance, [0] * len(room))
        assert bool(rooms.overdrawn) == (not possible), seed
        if not possible:
            continue
        assert within(instance, left), seed
        lessened += left != room
        if grid.even(rooms.zone):
            even += 1
            every = product(*(range(gpus + 1) for gpus in room))
            best = max(sum(more) for more in every if within(instance, list(more)))
            assert sum(left) == best == sum(rooms.zone_room), seed
        else:
            assert sum(rooms.zone_room) == sum(room), seed
    assert lessened > 30 and even > 30


def test_meters_are_the_domains_that_could_draw_too_much() -> None:
    """Few domains are metered one by one: those that break their limit with all their GPUs in use, and no others."""
    for seed in range(150):
        instance = drawn(seed)
        rooms = Rooms.of(instance)
        assert rooms.room is rooms.unlimited and rooms.overdrawn == ()
        full = within(instance, rooms.unlimited.tolist())
        assert (rooms.meters == ()) == full, seed
        assert all(meter.left < sum(rooms.unlimited[list(meter.nodes)]) * 1000 for meter in rooms.meters)
