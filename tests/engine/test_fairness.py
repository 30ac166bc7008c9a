"""Lexicographic max-min of shares against every allocation of tiny instances, by project and by pool, with weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction

import pytest

from kalloc.allocate import tiers
from kalloc.allocate.build import build
from kalloc.allocate.fairness import Sharer, sharers
from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.maxmin import maxmin
from kalloc.allocate.tiers import prepare
from kalloc.instance import Objective, Pool, Project, Tier
from kalloc.place.rooms import Rooms
from kalloc.solver import Answer, Limits, Model, solve_scip
from tests.benchmarks.fair import crowd
from tests.engine.counting import best, counted, drawn, tier
from tests.models.small import ask, make, nodes

BY_PROJECT = tier("fairness", by="project")
BY_ASKED = tier("fairness", by="pool", of="asked")
BY_QUOTA = tier("fairness", by="pool", of="quota")
KINDS = pytest.mark.parametrize("fair", [BY_PROJECT, BY_ASKED, BY_QUOTA], ids=["projects", "asked", "quota"])


def shares(seed: int, *tiers: Tier) -> tuple[Fraction, ...] | None:
    """Check the tiers of an instance of which the first is fairness, all shares included; return the shares."""
    instance = drawn(seed, tiers)
    expected, found = best(instance), counted(instance)
    assert (expected is None) == (found is None), seed
    if expected is None or found is None:
        return None
    settled, reached = found
    assert reached == expected, seed
    fair = settled[0]
    assert fair.complete
    assert fair.value == fair.bound == (expected[0][0] if expected[0] else 0), seed
    assert tuple(share for share, count in fair.profile for _ in range(count)) == expected[0], seed
    assert [share for share, _ in fair.profile] == sorted({share for share, _ in fair.profile})
    return expected[0]


@KINDS
def test_all_shares_are_the_best_of_all_allocations(fair: Tier) -> None:
    """On over a hundred instances every share, from the smallest on, is as large as any allocation can make it."""
    found = [shares(seed, fair) for seed in range(120)]
    profiles = [profile for profile in found if profile]
    assert len(profiles) > 70
    assert sum(len(set(profile)) > 1 for profile in profiles) > 25
    assert sum(0 < profile[0] < 1 for profile in profiles) > 25


@KINDS
def test_a_tier_after_fairness_leaves_all_shares_alone(fair: Tier) -> None:
    """What follows is the best among the allocations with the very same shares."""
    for seed in range(500, 530):
        shares(seed, fair, tier("utilisation", unit="performance"), tier("served"))


def test_shares_of_many_alike_projects_differ_by_a_step_at_most() -> None:
    """Of 1,000 GPUs for 300 alike projects of up to 8, 100 have 4 and 200 have 3, whoever they are."""
    names = [f"p{number}" for number in range(300)]
    instance = make(
        objective=Objective(tiers=(BY_PROJECT,)),
        inventory=(nodes("r", 8, count=125),),
        projects=tuple(Project(project=name, pool="top") for name in names),
        requests=tuple(ask(name, 1, 8) for name in names),
    )
    found = counted(instance)
    assert found is not None
    assert found[0][0].profile == ((Fraction(3, 8), 200), (Fraction(4, 8), 100))


def test_shares_of_pools_are_told_apart_to_the_last_gpu() -> None:
    """Seven pools of 10,000 GPUs asked each share 12,345: at four 1,764 and at three 1,763 of them."""
    pools = [f"a{number}" for number in range(7)]
    instance = make(
        objective=Objective(tiers=(BY_ASKED,)),
        pools=(Pool(pool="top"), *(Pool(pool=name, parent="top") for name in pools)),
        inventory=(nodes("r", 5, count=2469),),
        projects=tuple(Project(project=name, pool=name) for name in pools),
        requests=tuple(ask(name, 1, 10_000) for name in pools),
    )
    found = counted(instance)
    assert found is not None
    few, many = Fraction(1763, 10_000), Fraction(1764, 10_000)
    assert found[0][0].profile == ((few, 3), (many, 4))


def test_time_that_runs_out_leaves_no_share_worse_and_claims_nothing() -> None:
    """Once no time is left the tier is not complete, it has no bound, and nobody falls below what was reached."""
    instance = drawn(3, [BY_PROJECT])
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    search = Search(allocation, Limits())
    search.maximise([])
    before = sorted(share for one in sharers(allocation, BY_PROJECT) for share in one.held(search).elements())
    search.limits = Limits(deadline=0.0)
    settled = maxmin(search, sharers(allocation, BY_PROJECT))
    assert not settled.complete and settled.bound is None
    assert settled.value >= before[0]
    search.limits = Limits()
    search.maximise([(variable, -1) for variable in allocation.served.values()])
    after = sorted(share for one in sharers(allocation, BY_PROJECT) for share in one.held(search).elements())
    assert after >= before


def test_a_tier_of_many_values_leaves_time_to_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fairness may use four fifths of the time where a tier comes after it, all of it where none does."""
    seconds: list[float] = []

    def timed(search: Search, everyone: Sequence[Sharer]) -> Settled:
        seconds.append(search.limits.seconds)
        return maxmin(search, everyone)

    monkeypatch.setattr(tiers, "maxmin", timed)
    for following in ((), (tier("served"),)):
        instance = drawn(3, [BY_PROJECT, *following])
        allocation = build(instance, Rooms.of(instance))
        prepare(allocation)
        search = Search(allocation, Limits(deadline=time.monotonic() + 1000))
        tiers.settle(search, instance.objective.tiers, {})
        assert search.limits.seconds > 900
    assert seconds[0] > 900 > 800 >= seconds[1]


def test_steps_of_one_size_need_hardly_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everybody asks in nodes, nearly all levels of 300 projects are proven by their linear relaxation alone."""
    trees: list[int] = []

    def counting(model: Model, limits: Limits, nodes: int | None = None) -> Answer:
        trees.append(model.size)
        return solve_scip(model, limits, nodes)

    monkeypatch.setattr("kalloc.allocate.lexicographic.solve_scip", counting)
    instance = crowd(300, 1)
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    fair = maxmin(Search(allocation, Limits()), sharers(allocation, BY_PROJECT))
    assert fair.complete and fair.value == fair.bound
    assert len(fair.profile) > 5 and len(trees) < 4
