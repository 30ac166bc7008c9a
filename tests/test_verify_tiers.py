"""The exact value of every tier: worked out by hand, and what must hold of it for any plan."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import log1p
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from kalloc.instance import (
    Group,
    Guarantee,
    Hierarchy,
    Instance,
    Kind,
    NodeGroup,
    Objective,
    Placed,
    Pool,
    Project,
    Quota,
    Request,
    Shape,
    Tier,
)
from kalloc.instance.objective import SENSES, TIERS
from kalloc.slots import block_rows, slot_rows
from kalloc.verify import TIER_VALUES, Score, Violation, claims, score
from tests.seats import Seats, plan_of


def _node(name: str, kind: str = "h", state: Any = "up") -> NodeGroup:
    return NodeGroup(path=(name[:1], name[:2]), node=name, kind=kind, gpus=8, owner="nation", state=state)


def _ask(project: str, kind: str, most: int, value: float | None = None) -> Request:
    return Request(project=project, kind=kind, min=1, max=most, step=1, value=value)


BASE = Instance(
    name="tiers",
    hierarchy=Hierarchy(levels=("site", "rack"), weights={"site": 100, "rack": 10}),
    kinds=(Kind(kind="h"), Kind(kind="b", performance=2.25)),
    pools=(
        Pool(pool="nation"),
        Pool(pool="lab", parent="nation", weight=2),
        Pool(pool="dept", parent="lab"),
        Pool(pool="firm", parent="nation", weight=0.5),
        Pool(pool="idle", parent="nation"),
    ),
    quotas=(
        Quota(pool="nation", kind="h", gpus=40),
        Quota(pool="nation", kind="b", gpus=24),
        Quota(pool="lab", kind="*", gpus=32),
        Quota(pool="lab", kind="h", gpus=24),
        Quota(pool="idle", kind="*", gpus=8),
        Quota(pool="firm", kind="h", gpus=0, borrow=8),
    ),
    inventory=(
        *map(_node, ("ar1", "ar2", "as1", "as2")),
        _node("bt1"),
        _node("bt2", "b"),
        _node("bu1", "b"),
        _node("cv1", state="down"),
    ),
    projects=(
        Project(project="p", pool="lab", merit=2, group="uni"),
        Project(project="q", pool="dept", merit=0.1, mix="any", group="uni", weight=4),
        Project(project="r", pool="firm", merit=3, group="sme"),
        Project(project="s", pool="firm", merit=5),
        Project(project="t", pool="idle"),
    ),
    requests=(
        *(_ask("p", "h", 16), _ask("p", "b", 8)),
        *(_ask("q", "h", 8), _ask("q", "b", 12, 0.3)),
        *(_ask("r", "h", 8), _ask("s", "h", 6)),
    ),
    groups=(Group(group="uni", share=50, tolerance=10), Group(group="sme", share=37.5), Group(group="none")),
    guarantees=(
        Guarantee(guarantee="g1", project="q", kind="b", gpus=12),
        Guarantee(guarantee="g2", pool="lab", kind="*", gpus=30),
        Guarantee(guarantee="g3", pool="firm", kind="h", gpus=8),
        Guarantee(guarantee="g4", project="s", kind="*", gpus=5),
    ),
    shapes=(Shape(project="p", shape="prefer", level="rack", amount=7), Shape(project="r", shape="whole")),
    placed=(Placed(project="old", node="bt1", gpus=1),),
)
SEATS: Seats = {"p": {"ar1": 4, "as1": 6, "as2": 2}, "q": {"ar2": 2, "bu1": 8}, "r": {"ar1": 4}}
"""p has 12 h, q 2 h and 8 b, r 4 h; s and t have nothing: 26 GPUs in all."""


def _score(tier: Tier, instance: Instance = BASE, seats: Seats = SEATS) -> Score:
    with_tier = instance.replace(objective=Objective(tiers=(tier,)))
    return score(with_tier, plan_of(with_tier, seats))


def _fairness(**given: Any) -> Tier:
    return Tier.model_validate({"name": "fairness", **given})


def _reserve(level: str, count: int) -> Tier:
    return Tier(name="reserve", level=level, count=count)


WORKED: dict[str, tuple[Tier, Fraction]] = {
    "merit": (Tier(name="merit"), 2 * 12 + Fraction(1, 10) * (2 + 8 * Fraction(3, 10)) + 3 * 4),
    "ranked": (Tier(name="ranked"), Fraction("36.44")),
    "smallest share": (_fairness(rule="maxmin", by="project"), Fraction(0)),
    "smallest share of a pool": (_fairness(by="pool", of="asked"), Fraction(22, 2 * 36)),
    "smallest share of a quota": (_fairness(by="pool", of="quota"), Fraction(0)),
    "served": (Tier(name="served"), Fraction(3)),
    "GPUs": (Tier(name="utilisation"), Fraction(26)),
    "performance": (Tier(name="utilisation", unit="performance"), 18 + 8 * Fraction(9, 4)),
    "guarantees": (Tier(name="guarantees"), Fraction(4 + 8 + 4 + 5)),
    "balance": (Tier(name="balance"), (22 - 13 - Fraction("2.6")) + (Fraction("9.75") - 4)),
    "fragmentation": (Tier(name="fragmentation"), Fraction((10 + 7) + 1 + (100 + 10))),
    "racks": (_reserve("rack", 9), Fraction(0)),
    "nodes": (_reserve("node", 9), Fraction(1)),
    "sites": (_reserve("site", 1), Fraction(0)),
}


@pytest.mark.parametrize("case", WORKED)
def test_worked_out(case: str) -> None:
    """The value of a tier is what its definition gives by hand, as a fraction; the fields of old say the same.

    p spans one rack and one node more than it needs, and its rack costs 7 more; q would fit into rack bt of site b,
    which has 7 h beside background and 8 b, and spans a site and a rack more.
    """
    tier, value = WORKED[case]
    found = _score(tier)
    assert found.tiers == {tier.name: value}
    assert (found.merit, found.fragmentation, found.gpus) == (Fraction("36.44"), 128, 26)


def test_every_tier_has_its_function() -> None:
    """The mapping has the tiers of the format in their order, each under its own name, and each has a sense."""
    assert list(TIER_VALUES) == list(TIERS) == list(SENSES)
    assert all(name == value.__name__ for name, value in TIER_VALUES.items())
    assert {name for name, sense in SENSES.items() if sense == "min"} == {"guarantees", "balance", "fragmentation"}


def test_in_the_order_of_the_objective() -> None:
    """A score has the tiers that the objective names, in its order, and no other."""
    tiers = (Tier(name="served"), _reserve("node", 9), Tier(name="merit"))
    found = score(BASE.replace(objective=Objective(tiers=tiers)), plan_of(BASE, SEATS))
    assert list(found.tiers.items()) == [("served", 3), ("reserve", 1), ("merit", Fraction("36.44"))]


def test_profile_of_projects() -> None:
    """Shares of what was asked by weight: p 12 of 16, q 10 of 20 at weight 4, r 4 of 8, s none; t asks for nothing."""
    shares = _score(_fairness()).profile
    assert shares == ((Fraction(0), 1), (Fraction(1, 8), 1), (Fraction(1, 2), 1), (Fraction(3, 4), 1))
    assert _score(Tier(name="served")).profile == ()


def test_profile_of_pools() -> None:
    """Usage by what is asked below: lab 22 of 36 at weight 2, dept 10 of 20, firm 4 of 14 at weight 1/2."""
    shares = _score(_fairness(by="pool")).profile
    assert shares == ((Fraction(11, 36), 1), (Fraction(1, 2), 1), (Fraction(4, 7), 1))


def test_profile_of_quotas() -> None:
    """Usage by quota: nation 26 of 40 + 24, lab 22 of its 32 for all kinds, idle 0 of 8; firm has none over 0."""
    shares = _score(_fairness(by="pool", of="quota")).profile
    assert shares == ((Fraction(0), 1), (Fraction(22, 2 * 32), 1), (Fraction(26, 64), 1))


def test_whom_a_call_refuses_has_no_share() -> None:
    """Were r and s too late, only p and q would have shares, and only their pools; were all, there would be none."""
    late = tuple(
        row.model_copy(update={"applied": date(2026, 1, 29) if row.pool == "firm" else None}) for row in BASE.projects
    )
    closed = tuple(row.model_copy(update={"closes": date(2026, 1, 28)}) for row in BASE.pools)
    instance = BASE.replace(pools=closed, projects=late)
    seats = {project: nodes for project, nodes in SEATS.items() if project != "r"}
    assert _score(_fairness(), instance, seats).profile == ((Fraction(1, 8), 1), (Fraction(3, 4), 1))
    assert _score(_fairness(by="pool"), instance, seats).profile == ((Fraction(11, 36), 1), (Fraction(1, 2), 1))
    all_late = tuple(row.model_copy(update={"applied": date(2026, 1, 29)}) for row in BASE.projects)
    nobody = BASE.replace(pools=closed, projects=all_late)
    assert [_score(_fairness(by=by), nobody, {}).profile for by in ("project", "pool")] == [(), ()]
    assert _score(_fairness(by="pool", of="quota"), nobody, {}).profile == ()


def test_equal_shares_are_counted_together() -> None:
    """Projects with the same share stand in one entry of the profile."""
    shares = _score(_fairness(), seats={"p": {"ar1": 8}, "r": {"ar2": 4}}).profile
    assert shares == ((Fraction(0), 2), (Fraction(1, 2), 2))


def test_fairness_among_nobody() -> None:
    """Where nobody asks for anything the smallest share is 0, and so is the sum of logarithms."""
    nobody = BASE.replace(requests=(), guarantees=(), shapes=())
    assert _score(_fairness(), nobody, {}).tiers == {"fairness": 0}
    assert _score(_fairness(rule="proportional"), nobody, {}).tiers == {"fairness": 0}


def test_proportional() -> None:
    """Weighted logarithms at steps and straight between: ln 13 at 12; 10 lies halfway between 8 and 12; ln 5 at 4."""
    halfway = (Fraction("2.197225") + Fraction("2.564949")) / 2
    value = Fraction("2.564949") + 4 * halfway + Fraction("1.609438")
    assert _score(_fairness(rule="proportional")).tiers == {"fairness": value}
    pools = 2 * (Fraction("2.833213") + (Fraction("3.218876") - Fraction("2.833213")) * Fraction(22 - 16, 8))
    pools += halfway + Fraction(1, 2) * Fraction("1.609438")
    assert _score(_fairness(rule="proportional", by="pool")).tiers == {"fairness": pools}


def test_reserve_counts_up_to_the_count() -> None:
    """Only domains with GPUs that are up count, those with background never, and no more than asked."""
    free = BASE.replace(placed=())
    assert [_score(_reserve("rack", count), free, {}).tiers["reserve"] for count in (1, 3, 9)] == [1, 3, 4]
    assert _score(_reserve("rack", 9), BASE, {}).tiers["reserve"] == 3
    assert _score(_reserve("site", 9), free, {}).tiers["reserve"] == 2


def _any_seats(gpus: list[int]) -> Seats:
    places = (("p", "ar1"), ("p", "as1"), ("q", "ar2"), ("q", "bu1"), ("r", "as2"), ("s", "bt1"))
    seats: dict[str, dict[str, int]] = {}
    for (project, node), amount in zip(places, gpus, strict=True):
        if amount:
            seats.setdefault(project, {})[node] = amount
    return seats


PLANS = st.lists(st.integers(0, 7), min_size=6, max_size=6).map(_any_seats)
EASY = hypothesis.settings(max_examples=60, deadline=None)


@EASY
@hypothesis.given(PLANS, st.integers(1, 9))
def test_weights_scale(seats: Seats, factor: int) -> None:
    """Weights times a number divide every share by it, and multiply the sum of logarithms."""
    heavier = BASE.replace(
        projects=tuple(row.model_copy(update={"weight": row.weight * factor}) for row in BASE.projects)
    )
    before, after = (_score(_fairness(), instance, seats).profile for instance in (BASE, heavier))
    assert [(share / factor, count) for share, count in before] == list(after)
    tier = _fairness(rule="proportional")
    assert _score(tier, heavier, seats).tiers["fairness"] == factor * _score(tier, BASE, seats).tiers["fairness"]


@EASY
@hypothesis.given(PLANS)
def test_tiers_of_any_plan(seats: Seats) -> None:
    """What must be so of every plan: tiers that count the same GPUs agree, and none leaves its range."""
    value = {name: score(*_with(tier, seats)).tiers[tier.name] for name, (tier, _) in WORKED.items()}
    gpus = sum(sum(nodes.values()) for nodes in seats.values())
    assert (value["GPUs"], value["served"]) == (Fraction(gpus), Fraction(len(seats)))
    assert value["ranked"] == value["merit"]
    assert value["GPUs"] <= value["performance"] <= Fraction(9, 4) * gpus
    assert 0 <= value["smallest share"] <= 1
    assert 0 <= value["guarantees"] <= 12 + 30 + 8 + 5
    assert 0 <= value["balance"] <= 2 * gpus
    assert value["fragmentation"] >= 0
    assert value["sites"] <= 1


def _with(tier: Tier, seats: Seats) -> Any:
    instance = BASE.replace(objective=Objective(tiers=(tier,)))
    return instance, plan_of(instance, seats)


@EASY
@hypothesis.given(PLANS)
def test_profile_of_any_plan(seats: Seats) -> None:
    """Shares ascend from the value of the tier, each stands once, and everybody who asks is counted."""
    found = _score(_fairness(), seats=seats)
    shares = [share for share, _ in found.profile]
    assert shares == sorted(set(shares))
    assert shares[0] == found.tiers["fairness"]
    assert sum(count for _, count in found.profile) == 4


@EASY
@hypothesis.given(PLANS)
def test_proportional_is_near_the_logarithm(seats: Seats) -> None:
    """The sum is at most 0.8 % below that of the very logarithms, and never above it but for the rounding."""
    weight = {"p": 1, "q": 4, "r": 1, "s": 1}
    true = sum(weight[project] * log1p(sum(nodes.values())) for project, nodes in seats.items())
    value = float(_score(_fairness(rule="proportional"), seats=seats).tiers["fairness"])
    assert 0.992 * true - 1e-5 <= value <= true + 1e-5


CLAIMED = BASE.replace(
    objective=Objective(
        tiers=(
            *map(Tier.model_validate, ("ranked", "guarantees", "served", "utilisation", "balance", "fragmentation")),
            _fairness(),
            _reserve("node", 2),
        )
    ),
    shapes=BASE.shapes[:1],
    quotas=(),
)


def _claims(changes: dict[str, Any]) -> list[Violation]:
    """Check what is true of the worked example, with some entries of tiers changed, a value None left out."""
    plan = plan_of(CLAIMED, SEATS)
    values = {"ranked": 36.44, "guarantees": 21.0, "served": 3, "utilisation": 26, "balance": 12.15}
    values |= {"fragmentation": 128, "fairness": 0.0, "reserve": 1}
    tiers: dict[str, dict[str, Any]] = {
        name: {"name": name, "value": value, "bound": value, "gap": 0.0, "given": None}
        for name, value in values.items()
    }
    tiers["fairness"]["profile"] = [[0.0, 1], [0.125, 1], [0.5, 1], [0.75, 1]]
    for path, value in changes.items():
        name, key = path.split(".")
        tiers[name][key] = value
    levels = {"site": (4, 3), "rack": (5, 3), "node": (6, 5)}
    summary = {
        "instance": {"name": "tiers", "sha256": CLAIMED.sha256, "gpus": 64, "nodes": 8, "projects": 5},
        "termination": "optimal",
        "solution": "feasible",
        "verified": True,
        "tiers": list(tiers.values()),
        "gpus": {"available": 55, "requested": 50, "allocated": 26},
        "fragmentation": {
            "score": 128,
            "bound": None,
            "levels": {name: {"spans": s, "need": n, "bound": None} for name, (s, n) in levels.items()},
        },
        "slots": slot_rows(CLAIMED, plan),
        "blocks": block_rows(CLAIMED, plan),
    }
    return claims(CLAIMED, plan, summary)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"served.bound": 5, "served.gap": 2 / 3, "served.given": "allocation"},
        {"guarantees.bound": 20, "guarantees.gap": 1 / 21},
        {"balance.bound": 0, "balance.gap": 1.0},
        {"reserve.bound": 2, "reserve.gap": 1.0},
        {"ranked.bound": None, "ranked.gap": None},
        {"fairness.profile": None},
        {"fairness.profile": ((0, 1), (0.125, 1.0), (0.5, 1), (0.75, 1))},
    ],
)
def test_true_claims(changes: dict[str, Any]) -> None:
    """Values that are exact and bounds on the right side by the sense of the tier are accepted."""
    assert _claims(changes) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"served.value": 4}, "tiers.served.value is 4, not 3.0"),
        ({"served.bound": 2, "served.gap": 1 / 3}, "tiers.served.bound is 2, below the value 3.0 that was reached"),
        ({"guarantees.bound": 22, "guarantees.gap": 1 / 21}, "tiers.guarantees.bound is 22, above the value 21.0"),
        ({"balance.bound": 12.2, "balance.gap": 0.05 / 12.15}, "tiers.balance.bound is 12.2, above the value 12.15"),
        ({"reserve.bound": 0, "reserve.gap": 1.0}, "tiers.reserve.bound is 0, below the value 1.0"),
        ({"ranked.bound": 40.0, "ranked.gap": 3.56 / 36.44}, "tiers.ranked.bound is 40.0, not null or the value 36.44"),
        ({"utilisation.gap": 0.5}, "tiers.utilisation.gap is 0.5, not 0.0"),
        ({"utilisation.given": "luck"}, "tiers.utilisation.given is 'luck', not null or 'allocation'"),
        ({"fairness.value": 0.125, "fairness.bound": 1.0, "fairness.gap": 1.0}, "tiers.fairness.value is 0.125"),
        ({"fairness.profile": [[0.0, 1], [0.125, 2]]}, "tiers.fairness.profile: entry 2 is [0.125, 2], not [0.125, 1]"),
        ({"fairness.profile": [[0.0, 1], [0.125, 1], [0.5, 1]]}, "entry 4 is None, not [0.75, 1]"),
        ({"fairness.profile": [[False, 1], [0.125, 1], [0.5, 1], [0.75, 1]]}, "entry 1 is [False, 1], not [0.0, 1]"),
        ({"fairness.profile": "all"}, "tiers.fairness.profile is 'all', not a list"),
        ({"served.profile": [[1.0, 3]]}, "tiers.served has a profile, but only fairness with the rule maxmin has one"),
    ],
)
def test_false_claims(changes: dict[str, Any], message: str) -> None:
    """A wrong value, a bound on the wrong side, a wrong gap and a wrong profile are each told, once."""
    [found] = _claims(changes)
    assert message in found.message
