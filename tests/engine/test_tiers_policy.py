"""Each tier on an instance whose value is worked out by hand, for both engines."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

import kalloc
from kalloc.instance import (
    Group,
    Guarantee,
    Instance,
    Kind,
    Pool,
    Project,
    Quota,
)
from kalloc.plan import TierResult
from tests.models.small import ask, deciding, make, nodes

pytestmark = pytest.mark.usefixtures("both_engines")


def decided(*tiers: str | dict[str, Any], **changes: Any) -> Instance:
    """Return an instance with some tiers."""
    return make(objective=deciding(*tiers), **changes)


def proven(instance: Instance) -> tuple[dict[str, TierResult], dict[str, int]]:
    """Return the tiers of a plan that is proven best on all of them, and the GPUs by project, without zeros."""
    result = kalloc.solve(instance, threads=1)
    assert result.solution == "proven"
    assert all(tier.bound == tier.value and tier.gap == 0 and tier.given is None for tier in result.tiers)
    granted: dict[str, int] = {}
    for grant in result.plan.grants:
        if grant.gpus:
            granted[grant.project] = granted.get(grant.project, 0) + grant.gpus
    return {tier.name: tier for tier in result.tiers}, granted


def projects(**merits: float) -> tuple[Project, ...]:
    """Return projects of one pool by merit."""
    return tuple(Project(project=name, pool="top", merit=merit) for name, merit in merits.items())


def test_merit() -> None:
    """4 GPUs: 3 to the project of merit 2, whose GPUs are worth 0.5, and 1 to that of merit 0.7: 3 + 0.7."""
    instance = decided(
        "merit",
        inventory=(nodes("r", 4),),
        projects=projects(p=0.7, q=2),
        requests=(ask("p", 1, 4), ask("q", 1, 3, value=0.5)),
    )
    tiers, granted = proven(instance)
    assert (tiers["merit"].value, granted) == (3.7, {"p": 1, "q": 3})


def test_ranked_serves_the_first_though_two_others_are_worth_more() -> None:
    """The project of merit 5 takes 3 of 4 GPUs all or nothing; two of merit 4 that ask 2 each would be worth 16."""
    instance = decided(
        "ranked",
        inventory=(nodes("r", 4),),
        projects=projects(a=4, b=4, p=5),
        requests=(ask("a", 2, 2), ask("b", 2, 2), ask("p", 3, 3)),
    )
    tiers, granted = proven(instance)
    assert (tiers["ranked"].value, granted) == (15, {"p": 3})


def test_ranked_goes_on_to_those_who_can_use_the_rest() -> None:
    """Of 5 GPUs the first takes 3; the second, of 3 or more, nothing; the next two one each, the last nothing."""
    instance = decided(
        "ranked",
        inventory=(nodes("r", 5),),
        projects=projects(late=1, p=5, q=4, r=2, s=2),
        requests=(ask("late", 1, 1), ask("p", 1, 3), ask("q", 3, 4), ask("r", 1, 1), ask("s", 1, 1)),
    )
    tiers, granted = proven(instance)
    assert (tiers["ranked"].value, granted) == (19, {"p": 3, "r": 1, "s": 1})


@pytest.mark.parametrize(("first", "expected"), [("p", {"p": 3, "q": 1}), ("q", {"q": 3, "p": 1})])
def test_ranked_decides_ties_by_the_order_of_the_table(first: str, expected: dict[str, int]) -> None:
    """Of two of the same merit who stands first in projects.csv takes 3 of 4 GPUs, whatever comes first in requests."""
    rows = projects(p=1, q=1)
    instance = decided(
        "ranked",
        inventory=(nodes("r", 4),),
        projects=rows if first == "p" else rows[::-1],
        requests=(ask("q", 1, 3), ask("p", 1, 3)),
    )
    assert proven(instance)[1] == expected


def test_ranked_takes_the_kind_that_is_worth_most_and_leaves_the_other() -> None:
    """Worth is value times GPUs: 2 GPUs of kind b at 3 come before 5 of kind h, which the next project gets."""
    instance = decided(
        "ranked",
        kinds=(Kind(kind="h"), Kind(kind="b", performance=3)),
        inventory=(nodes("r", 5), nodes("r", 2, kind="b")),
        projects=projects(p=2, q=1),
        requests=(ask("p", 1, 5), ask("p", 1, 2, kind="b"), ask("q", 1, 5), ask("q", 1, 2, kind="b")),
    )
    tiers, granted = proven(instance)
    assert (tiers["ranked"].value, granted) == (2 * 6 + 5, {"p": 2, "q": 5})


def test_fairness_by_project() -> None:
    """9 GPUs for asks of 4, 8 and 8: shares 1/2, 3/8, 3/8 fill 8, and the ninth raises one of the eighths to 4/8."""
    instance = decided(
        "fairness",
        inventory=(nodes("r", 9),),
        projects=projects(p=1, q=9, o=3),
        requests=(ask("p", 1, 4), ask("q", 1, 8), ask("o", 1, 8)),
    )
    tiers, granted = proven(instance)
    assert tiers["fairness"].value == 3 / 8
    assert tiers["fairness"].profile == ((3 / 8, 1), (1 / 2, 2))
    assert sorted(granted.items())[1] == ("p", 2) and sorted(granted.values()) == [2, 3, 4]


def test_fairness_by_project_with_weights() -> None:
    """A weight of 2 makes half of a share: of 9 GPUs, with asks of 6 each, 6 of the weighty and 3 of the other."""
    instance = decided(
        "fairness",
        inventory=(nodes("r", 9),),
        projects=(Project(project="p", pool="top", weight=2), Project(project="q", pool="top")),
        requests=(ask("p", 1, 6), ask("q", 1, 6)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fairness"].profile, granted) == (((0.5, 2),), {"p": 6, "q": 3})


def test_fairness_leaves_who_can_have_nothing_and_raises_the_rest() -> None:
    """Who asks for more than there is has share 0; the other two still get 4 of 4 each of what they ask."""
    instance = decided(
        "fairness",
        inventory=(nodes("r", 8),),
        projects=projects(p=1, q=1, big=99),
        requests=(ask("p", 1, 4), ask("q", 1, 4), ask("big", 9, 9)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fairness"].profile, granted) == (((0.0, 1), (1.0, 2)), {"p": 4, "q": 4})


TREE = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top", weight=2))


@pytest.mark.parametrize(
    ("of", "profile", "expected"),
    [
        ("asked", ((0.5, 1), (0.5, 1)), {"p": 2, "q": 4}),
        ("quota", ((0.375, 1), (0.5, 1)), {"p": 3, "q": 3}),
    ],
)
def test_fairness_by_pool(of: str, profile: tuple[tuple[float, int], ...], expected: dict[str, int]) -> None:
    """6 GPUs for pool a, which asks 4 and owns 6, and pool b of weight 2, which asks 4 and owns 4.

    Of asked, 2/4 and 4/(2 · 4) are alike. Of quota, 3/6 and 3/(2 · 4) leave 3/8 as the smallest: 2 and 4 leave 2/6.
    """
    instance = decided(
        {"name": "fairness", "by": "pool", "of": of},
        pools=TREE,
        quotas=(Quota(pool="a", kind="h", gpus=6), Quota(pool="b", kind="h", gpus=4)),
        inventory=(nodes("r", 6),),
        projects=(Project(project="p", pool="a"), Project(project="q", pool="b")),
        requests=(ask("p", 1, 4), ask("q", 1, 4)),
    )
    tiers, granted = proven(instance)
    flat = tuple(share for share, count in tiers["fairness"].profile for _ in range(count))
    assert (flat, granted) == (tuple(share for share, _ in profile), expected)


@pytest.mark.parametrize("by", [{}, {"by": "pool"}, {"by": "pool", "of": "quota"}], ids=["project", "asked", "quota"])
def test_fairness_does_not_compare_whom_a_call_refuses(by: dict[str, str]) -> None:
    """Who applied too late has no share, and a pool that has only such projects has none: p has 4 of 4, or of 8."""
    instance = decided(
        {"name": "fairness", **by},
        pools=(TREE[0], Pool(pool="a", parent="top", closes=date(2026, 1, 28)), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="h", gpus=6), Quota(pool="b", kind="h", gpus=8)),
        inventory=(nodes("r", 4),),
        projects=(Project(project="late", pool="a", applied=date(2026, 1, 29)), Project(project="p", pool="b")),
        requests=(ask("late", 1, 4), ask("p", 1, 4)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fairness"].profile, granted) == (((0.5 if "of" in by else 1.0, 1),), {"p": 4})


def test_fairness_by_pool_of_what_it_asked_counts_all_below() -> None:
    """The share of the parent, 4 of 8, counts what is below: its children get all 4, and its own project nothing."""
    instance = decided(
        {"name": "fairness", "by": "pool"},
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        inventory=(nodes("r", 4),),
        projects=tuple(Project(project=f"p{pool}", pool=pool) for pool in ("top", "a", "b")),
        requests=(ask("ptop", 1, 4), ask("pa", 1, 2), ask("pb", 1, 2)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fairness"].profile, granted) == (((0.5, 1), (1.0, 2)), {"pa": 2, "pb": 2})


def test_fairness_proportional() -> None:
    """Of 6 GPUs one of weight 2 gets 4 and one of weight 1 gets 2: 2 ln 5 + ln 3, over 2 ln 4 + ln 4 and the next."""
    instance = decided(
        {"name": "fairness", "rule": "proportional"},
        inventory=(nodes("r", 6),),
        projects=(Project(project="p", pool="top", weight=2), Project(project="q", pool="top")),
        requests=(ask("p", 1, 6), ask("q", 1, 6)),
    )
    tiers, granted = proven(instance)
    one, two, three, four, six = (round(10**6 * math.log1p(gpus)) for gpus in (1, 2, 3, 4, 6))
    best = 2 * four + two
    assert best > max(2 * three + three, four + six + one, 2 * six)
    assert (tiers["fairness"].value, granted) == (best / 10**6, {"p": 4, "q": 2})


def test_served() -> None:
    """Four projects of one GPU come before one of 3 with all the merit; who gets a GPU of either kind counts once."""
    instance = decided(
        "served",
        "merit",
        kinds=(Kind(kind="h"), Kind(kind="b")),
        inventory=(nodes("r", 5), nodes("r", 1, kind="b")),
        projects=(
            *projects(big=99, p=1, q=1, r=1, s=1),
            Project(project="two", pool="top", mix="any", merit=2),
        ),
        requests=(
            *(ask(name, 1, 1) for name in "pqrs"),
            *(ask("big", 3, 3), ask("two", 1, 1), ask("two", 1, 1, kind="b")),
        ),
    )
    tiers, granted = proven(instance)
    assert (tiers["served"].value, tiers["merit"].value) == (5, 4 + 2 * 2)
    assert granted == {"p": 1, "q": 1, "r": 1, "s": 1, "two": 2}


@pytest.mark.parametrize(("unit", "value", "expected"), [("gpus", 5, {"p": 5}), ("performance", 7.5, {"p": 3})])
def test_utilisation(unit: str, value: float, expected: dict[str, int]) -> None:
    """5 GPUs of kind h are more GPUs, 3 of kind b at 2.5 are more performance, whatever the merit."""
    instance = decided(
        {"name": "utilisation", "unit": unit},
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2.5)),
        inventory=(nodes("r", 5), nodes("r", 3, kind="b")),
        projects=projects(p=0),
        requests=(ask("p", 1, 5), ask("p", 1, 3, kind="b", value=0)),
    )
    tiers, granted = proven(instance)
    assert (tiers["utilisation"].value, granted) == (value, expected)


def test_guarantees() -> None:
    """Of 5 GPUs floors of 4 for p and of 3 for pool a miss 2, whoever misses them; merit then says that pool a does."""
    instance = decided(
        "guarantees",
        "merit",
        pools=TREE,
        guarantees=(
            Guarantee(guarantee="of p", project="p", kind="*", gpus=4),
            Guarantee(guarantee="of a", pool="a", kind="h", gpus=3),
        ),
        inventory=(nodes("r", 5),),
        projects=(
            Project(project="p", pool="top", merit=2),
            Project(project="q", pool="a"),
            Project(project="rich", pool="top", merit=9),
        ),
        requests=(ask("p", 1, 8), ask("q", 1, 8), ask("rich", 1, 8)),
    )
    tiers, granted = proven(instance)
    assert (tiers["guarantees"].value, granted) == (2, {"p": 4, "q": 1})


@pytest.mark.parametrize(
    ("tolerance", "value", "expected"),
    [(0, 0, {"p": 3, "q": 3}), (10, 0, {"p": 6, "q": 4}), (25, 0, {"p": 9, "q": 3})],
)
def test_balance(tolerance: float, value: float, expected: dict[str, int]) -> None:
    """Half of all for each of two groups. Of 12 GPUs p has all the merit, q takes 3 or 4 or nothing.

    Without a tolerance only 3 and 3 or 4 and 4 are balanced: but for p steps of 3, so 3 and 3. With 10 % of all it is 6
    and 4, one over half of ten; with 25 % 9 and 3, three over half of twelve.
    """
    instance = decided(
        "balance",
        "merit",
        groups=(
            Group(group="g", share=50, tolerance=tolerance),
            Group(group="i", share=50, tolerance=tolerance),
        ),
        inventory=(nodes("r", 12),),
        projects=(
            Project(project="p", pool="top", merit=9, group="g"),
            Project(project="q", pool="top", merit=1, group="i"),
        ),
        requests=(ask("p", 3, 12, step=3), ask("q", 3, 4)),
    )
    tiers, granted = proven(instance)
    assert (tiers["balance"].value, granted) == (value, expected)


def test_balance_that_cannot_be_met() -> None:
    """6 of 8 GPUs must go to a group with a share of 50 %, 2 over it; the other, at 30 ± 10 %, gets 2, near enough."""
    instance = decided(
        "balance",
        groups=(Group(group="g", share=50), Group(group="i", share=30, tolerance=10)),
        inventory=(nodes("r", 8),),
        projects=(
            Project(project="p", pool="top", mandatory=True, group="g"),
            Project(project="q", pool="top", group="i"),
        ),
        requests=(ask("p", 6, 6), ask("q", 1, 2)),
    )
    tiers, granted = proven(instance)
    assert (tiers["balance"].value, granted) == (2, {"p": 6, "q": 2})
