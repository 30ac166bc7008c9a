"""Kinds share no nodes: what several levels prove of each adds up, whatever is proven of the others."""

from __future__ import annotations

import random
from math import inf

import pytest

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Pool, Project, Request
from kalloc.place.bounds import components_at
from kalloc.place.contests import Contest, contests_of, proven_of
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.workers import Workers
from kalloc.solver import Limits
from tests.engine.test_runs import asked, needs, run_bound

RUN = (0, 1)


def drawn(dice: random.Random) -> Instance:
    """Draw racks of nodes of two kinds, projects of one kind each, and one of both that links them."""
    rows, sizes = [], list[dict[str, int]]()
    for kind, racks in (("a", 2), ("b", 3)):
        counts = [dice.randint(1, 3) for _ in range(racks)]
        rows += [
            NodeGroup(path=(f"{kind}{rack}",), count=count, kind=kind, gpus=2, owner="P")
            for rack, count in enumerate(counts)
        ]
        left = 2 * sum(counts) - 1
        while left > 0:
            sizes.append({kind: min(left, dice.randint(1, 4))})
            left -= sizes[-1][kind]
    sizes.append({"a": 1, "b": 1})
    names = [f"p{at}" for at in range(len(sizes))]
    return Instance(
        name="two",
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 5, "node": 2}),
        kinds=(Kind(kind="a"), Kind(kind="b")),
        pools=(Pool(pool="P"),),
        inventory=tuple(rows),
        projects=tuple(Project(project=name, pool="P") for name in names),
        requests=tuple(
            Request(project=name, kind=kind, min=n, max=n)
            for name, of in zip(names, sizes, strict=True)
            for kind, n in of.items()
        ),
    )


def contests(instance: Instance) -> tuple[Rooms, list[Contest]]:
    """Return the rooms, and what racks and nodes together see of each kind."""
    rooms, weights = Rooms.of(instance), instance.topology.weights
    cost_of = {name: sum(weights[at] * counts[at] for at in RUN) for name, counts in needs(instance).items()}
    [component] = components_at(rooms, items_of(instance, rooms, asked(instance)), RUN[0])
    return rooms, contests_of(rooms, component, RUN, cost_of, {}, 0)


def test_kinds_add_up() -> None:
    """A bound is the sum of those of its kinds, and more than the need in some cases."""
    more = 0
    for seed in range(60):
        instance = drawn(random.Random(seed))
        rooms, found = contests(instance)
        beyond = sum(contest.bound(rooms, Limits()) - contest.least for contest in found)
        assert len(found) == 2 and sum(run_bound(instance, RUN).values()) == beyond
        more += beyond > 0
    assert more > 5


def test_what_is_proven_of_one_kind_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small kind has its turn first; where nothing is found of the other it counts with what it needs."""
    order, prices = [], Contest._by_prices

    def small_alone(contest: Contest, rooms: Rooms, limits: Limits) -> int:
        order.append(contest.room)
        return prices(contest, rooms, limits) if len(order) % 2 else 0

    raised = 0
    for seed in range(60):
        rooms, found = contests(drawn(random.Random(seed)))
        small = min(found, key=lambda contest: contest.room)
        expected = small.bound(rooms, Limits()) - small.least + sum(contest.least for contest in found)
        with monkeypatch.context() as patch:
            patch.setattr(Contest, "_by_prices", small_alone)
            patch.setattr(Contest, "_shared", lambda *_: 0)
            patch.setattr("kalloc.place.contests.homeless", lambda *_: 0)
            [total] = proven_of(found, Limits(), Workers(1, rooms)).values()
        assert total <= expected
        raised += total > sum(contest.least for contest in found)
    assert raised > 1
    assert all(first <= second for first, second in zip(order[::2], order[1::2], strict=True))


def test_without_time_everybody_counts_with_the_need() -> None:
    """Where the time is over from the start, the total is what all need."""
    rooms, found = contests(drawn(random.Random(1)))
    totals = proven_of(found, Limits(deadline=-inf), Workers(1, rooms))
    assert totals.total() == sum(contest.least for contest in found)
