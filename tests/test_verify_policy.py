"""The checker and the policy: each new rule broken alone is named, with the row that says so and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalloc.instance import (
    Budget,
    Group,
    Hierarchy,
    Instance,
    Kind,
    Limit,
    NodeGroup,
    Placed,
    Pool,
    Power,
    Project,
    Rate,
    Request,
    Shape,
)
from kalloc.verify import verify
from tests.seats import Seats, broken, plan_of


def _node(name: str, rack: str, kind: str = "h", state: Any = "up") -> NodeGroup:
    return NodeGroup(
        path=(name[0], rack),
        node=name,
        kind=kind,
        gpus=8,
        owner="nation",
        state=state,
        idle_watts=1000,
        loaded_watts=5000 if kind == "h" else None,
    )


def _ask(project: str, kind: str, most: int) -> Request:
    return Request(project=project, kind=kind, min=1, max=most, step=1)


CALL = {"opens": date(2026, 1, 5), "closes": date(2026, 1, 28)}
BASE = Instance(
    name="policy",
    hierarchy=Hierarchy(levels=("site", "rack")),
    kinds=(Kind(kind="h", watts=700, won=100), Kind(kind="b", performance=2.25, watts=1000, won=250)),
    pools=(Pool(pool="nation"), Pool(pool="lab", parent="nation"), Pool(pool="firm", parent="nation")),
    inventory=(
        _node("a1", "r1"),
        _node("a2", "r1"),
        _node("a3", "r2"),
        _node("a4", "r2"),
        _node("b1", "r1", "b"),
        _node("b2", "r1", "b"),
        _node("b3", "r1", "b", "down"),
    ),
    projects=(
        Project(project="p", pool="lab", mix="any", applicant="x", group="uni", region="north"),
        Project(project="q", pool="lab", mix="any", applicant="x", region="south"),
        Project(project="r", pool="firm", mix="any", applicant="y", group="sme", region="south"),
    ),
    requests=tuple(_ask(project, kind, most) for project in "pqr" for kind, most in (("h", 32), ("b", 16))),
    groups=(Group(group="uni", discount=12.5), Group(group="sme")),
)


def _limit(**columns: Any) -> dict[str, Any]:
    return {"limits": (Limit(limit="top", **columns),)}


def _shape(**columns: Any) -> dict[str, Any]:
    return {"shapes": (Shape(project="p", **columns),)}


def _applied(**days: date) -> tuple[Project, ...]:
    return tuple(row.model_copy(update={"applied": days.get(row.project)}) for row in BASE.projects)


def _call_of(pool: str, **call: date) -> tuple[Pool, ...]:
    return tuple(row.model_copy(update=call if row.pool == pool else {}) for row in BASE.pools)


@dataclass(frozen=True)
class Case:
    """An instance with a rule, a plan that keeps it to the last GPU, one that breaks it, and what is said then."""

    changes: dict[str, Any]
    keeps: Seats
    breaks: Seats
    message: str

    def check(self, rule: str) -> None:
        """The first plan is clean; the second breaks this rule, and no other, and is told so once."""
        instance = BASE.replace(**self.changes)
        assert verify(instance, plan_of(instance, self.keeps)) == []
        found = verify(instance, plan_of(instance, self.breaks))
        assert [str(violation) for violation in found] == [f"{rule}: {self.message}"]


CALLS = {
    "late": Case(
        {"pools": _call_of("lab", **CALL), "projects": _applied(p=date(2026, 1, 28), q=date(2026, 1, 30))},
        {"p": {"a1": 8}},
        {"q": {"a1": 4, "b1": 2}},
        "project 'q' applied on 2026-01-30, 2 days after the call of pool 'lab' closed, but gets 6 GPUs",
    ),
    "early": Case(
        {"pools": _call_of("lab", **CALL), "projects": _applied(p=date(2026, 1, 5), q=date(2026, 1, 4))},
        {"p": {"a1": 8}},
        {"q": {"a1": 4}},
        "project 'q' applied on 2026-01-04, 1 day before the call of pool 'lab' opens, but gets 4 GPUs",
    ),
    "above": Case(
        {"pools": _call_of("nation", closes=CALL["closes"]), "projects": _applied(r=date(2026, 2, 1))},
        {"p": {"a1": 8}},
        {"r": {"a1": 4}},
        "project 'r' applied on 2026-02-01, 4 days after the call of pool 'nation' closed, but gets 4 GPUs",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_call(case: str) -> None:
    """Who applied on the first or the last day may get GPUs; a day outside, of any pool above, is told."""
    CALLS[case].check("call")


RATES = {"rates": (Rate(limit="top", kind="h", rate=1), Rate(limit="top", kind="b", rate=2.5))}
LIMITS = {
    "project": Case(
        _limit(per="project", kind="h", most=8),
        {"p": {"a1": 8, "b1": 8}, "q": {"a2": 8}},
        {"p": {"a1": 8, "a2": 1}, "q": {"a3": 8}},
        "limit 'top': project 'p' gets 9 h, over its most of 8 by 1",
    ),
    "rates": Case(
        _limit(per="project", most=18) | RATES,
        {"p": {"a1": 8, "b1": 4}},
        {"p": {"a1": 8, "b1": 5}},
        "limit 'top': project 'p' gets 20.5 GPUs at its rates, over its most of 18 by 2.5",
    ),
    "applicant": Case(
        _limit(per="applicant", kind="*", most=16),
        {"p": {"a1": 8}, "q": {"b1": 8}, "r": {"a3": 8, "a4": 8}},
        {"p": {"a1": 8}, "q": {"b1": 8, "a2": 4}},
        "limit 'top': applicant 'x' gets 20 GPUs, over its most of 16 by 4",
    ),
    "one group": Case(
        _limit(per="group", of="sme", kind="h", most=4),
        {"p": {"a1": 8}, "r": {"a3": 4}},
        {"p": {"a1": 8}, "r": {"a3": 5}},
        "limit 'top': group 'sme' gets 5 h, over its most of 4 by 1",
    ),
    "floor of a region": Case(
        _limit(per="region", of="south", kind="*", least=12),
        {"q": {"a1": 8}, "r": {"b1": 4}},
        {"p": {"a1": 8}, "r": {"b1": 4}},
        "limit 'top': region 'south' gets 4 GPUs, below its least of 12 by 8",
    ),
    "all of a pool": Case(
        _limit(per="all", pool="lab", kind="*", most=16),
        {"p": {"a1": 8}, "q": {"a2": 8}, "r": {"a3": 8}},
        {"p": {"a1": 8}, "q": {"a2": 8, "a3": 2}, "r": {"a4": 8}},
        "limit 'top': all projects in pool 'lab' get 18 GPUs, over its most of 16 by 2",
    ),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limit(case: str) -> None:
    """A limit adds up those whom it counts together, and no others, at its rates; the row is cited by name."""
    LIMITS[case].check("limit")


def test_limit_that_holds_for_each() -> None:
    """With `of` empty every region has a floor of its own, told one by one; who has no region is not counted."""
    nowhere = Project(project="s", pool="lab")
    limit = Limit(limit="floor", per="region", kind="h", least=4)
    instance = BASE.replace(
        projects=(*BASE.projects, nowhere), requests=(*BASE.requests, _ask("s", "h", 8)), limits=(limit,)
    )
    found = verify(instance, plan_of(instance, {"s": {"a1": 8}, "r": {"a2": 3}}))
    assert [violation.message for violation in found] == [
        "limit 'floor': region 'north' gets 0 h, below its least of 4 by 4",
        "limit 'floor': region 'south' gets 3 h, below its least of 4 by 1",
    ]


def test_budget() -> None:
    """Prices with the discount of the group, 87.5 and 218.75 won for p, 100 for r, add up over the pools below."""
    Case(
        {"budgets": (Budget(budget="term", pool="nation", won=1375),)},
        {"p": {"a1": 4, "b1": 1}, "r": {"a2": 8}},
        {"p": {"a1": 4, "b1": 2}, "r": {"a2": 8}},
        "budget 'term': the projects of pool 'nation' cost 1,587.5 won, over its 1,375 by 212.5",
    ).check("budget")


def test_budget_of_another_pool() -> None:
    """A budget does not count the projects of other pools."""
    instance = BASE.replace(budgets=(Budget(budget="term", pool="firm", won=800),))
    assert broken(instance, {"p": {"a1": 8}, "r": {"a2": 8}}) == set()
    assert broken(instance, {"r": {"a2": 8, "a3": 1}}) == {"budget"}


POWERS = {
    "each rack": Case(
        {"power": (Power(power="feed", level="rack", kw=6.25),)},
        {"p": {"a1": 8}, "q": {"a3": 4, "a4": 4}},
        {"p": {"a1": 8, "a2": 1}, "q": {"a3": 4, "a4": 4}},
        "power 'feed': rack 'a/r1' draws 6.5 kW, over its 6.25 by 0.25",
    ),
    "one site": Case(
        {"power": (Power(power="grid", level="site", domain="b", kw=10),)},
        {"p": {"a1": 8, "a2": 8, "b1": 8}, "q": {"b2": 1}},
        {"p": {"a1": 8, "a2": 8, "b1": 8}, "q": {"b2": 2}},
        "power 'grid': site 'b' draws 10.75 kW, over its 10 by 0.75",
    ),
    "background": Case(
        {"power": (Power(power="feed", level="node", kw=4),), "placed": (Placed(project="old", node="a1", gpus=4),)},
        {"p": {"a1": 2}},
        {"p": {"a1": 3}},
        "power 'feed': node 'a1' draws 4.5 kW, over its 4 by 0.5",
    ),
}


@pytest.mark.parametrize("case", POWERS)
def test_power(case: str) -> None:
    """Nodes draw 1 kW and a GPU in use 0.5 (h) or 0.875 (b) more; what is down draws nothing, background does."""
    POWERS[case].check("power")


def test_power_of_idle_nodes() -> None:
    """Nodes that are up draw their idle power in an empty plan too; a loaded node below its idle power adds nothing."""
    instance = BASE.replace(power=(Power(power="feed", level="site", domain="a", kw=3.5),))
    [found] = verify(instance, plan_of(instance, {}))
    assert str(found) == "power: power 'feed': site 'a' draws 4 kW, over its 3.5 by 0.5"


SHAPES = {
    "segment": Case(
        _shape(shape="segment", level="rack", amount=6),
        {"p": {"a1": 8, "a2": 4, "a3": 6}, "q": {"a4": 5}},
        {"p": {"a1": 8, "a2": 4, "a3": 5}, "q": {"a4": 5}},
        "project 'p' has 5 GPUs in rack 'a/r2', 5 over whole segments of 6",
    ),
    "spread": Case(
        _shape(shape="spread", level="rack", amount=10),
        {"p": {"a1": 8, "a2": 2, "a3": 6}, "q": {"b1": 8, "b2": 8}},
        {"p": {"a1": 8, "a2": 4, "a3": 6}, "q": {"b1": 8, "b2": 8}},
        "project 'p' has 12 GPUs in rack 'a/r1', over its spread of 10 by 2",
    ),
    "whole": Case(
        _shape(shape="whole"),
        {"p": {"a1": 8, "b1": 8}, "q": {"a2": 3}},
        {"p": {"a1": 8, "b1": 7}, "q": {"a2": 3}},
        "project 'p' takes whole nodes but has 7 of the 8 GPUs of node 'b1'",
    ),
    "exclusive": Case(
        _shape(shape="exclusive", level="rack"),
        {"p": {"a1": 4, "b1": 1}, "q": {"a3": 8}},
        {"p": {"a1": 4, "b1": 1}, "q": {"a1": 1, "a3": 7}, "r": {"a2": 2}},
        "project 'p' must be alone in rack 'a/r1', but others ('q', 'r') hold 3 GPUs there",
    ),
}


def test_segment() -> None:
    """In every domain of the level a project has whole segments, however they lie on its nodes; others are free."""
    SHAPES["segment"].check("segment")


def test_spread() -> None:
    """In no domain of the level has a project more than the amount, though it may have more in all."""
    SHAPES["spread"].check("spread")


def test_whole() -> None:
    """A project that takes whole nodes has all their GPUs, of every kind; others may share nodes."""
    SHAPES["whole"].check("whole")


def test_exclusive() -> None:
    """Nobody else has a GPU in a domain that the project spans; beside it, in other domains, they may."""
    SHAPES["exclusive"].check("exclusive")


def test_segment_in_two_layers() -> None:
    """Segments of 8 made of segments of 4 hold at both levels: 8 in a rack as 6 and 2 break the inner one only."""
    rows = (
        Shape(project="p", shape="segment", level="rack", amount=8),
        Shape(project="p", shape="segment", level="node", amount=4),
    )
    instance = BASE.replace(shapes=rows)
    assert broken(instance, {"p": {"a1": 4, "a2": 4, "a3": 8}}) == set()
    assert [v.message for v in verify(instance, plan_of(instance, {"p": {"a1": 6, "a2": 2}}))] == [
        "project 'p' has 6 GPUs in node 'a1', 2 over whole segments of 4",
        "project 'p' has 2 GPUs in node 'a2', 2 over whole segments of 4",
    ]
    assert len(verify(instance, plan_of(instance, {"p": {"a1": 4, "a3": 4}}))) == 2


def test_exclusive_of_background_and_of_several() -> None:
    """Background is somebody else, even on another node of the domain; of many neighbours three are named."""
    more = tuple(Project(project=f"s{i}", pool="lab") for i in range(4))
    instance = BASE.replace(
        **_shape(shape="exclusive", level="site"),
        projects=(*BASE.projects, *more),
        requests=(*BASE.requests, *(_ask(row.project, "h", 8) for row in more)),
        placed=(Placed(project="old", node="a4", gpus=2),),
    )
    message = "project 'p' must be alone in site 'a', but others (what is not listed) hold 2 GPUs there"
    assert [v.message for v in verify(instance, plan_of(instance, {"p": {"a1": 4}}))] == [message]
    seats = {"p": {"a1": 4}, **{row.project: {"a2": 1} for row in more}}
    [found] = verify(instance, plan_of(instance, seats))
    assert found.message.endswith("but others (what is not listed, 's0', 's1', 2 more) hold 6 GPUs there")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=6, max_size=6),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 60),
    st.integers(2, 5),
)
def test_limit_scales(gpus: list[int], rates: tuple[int, int], most: int, factor: int) -> None:
    """Rates and bound times a whole number are the same limit: it holds just when the weighted sums say so."""
    places = (("p", "a1"), ("p", "b1"), ("q", "a2"), ("q", "b2"), ("r", "a3"), ("r", "a4"))
    seats: dict[str, dict[str, int]] = {}
    for (project, node), amount in zip(places, gpus, strict=True):
        if amount:
            seats.setdefault(project, {})[node] = amount
    verdicts = []
    for times in (1, factor):
        rows = tuple(
            Rate(limit="top", kind=kind, rate=rate * times / 8) for kind, rate in zip("hb", rates, strict=True)
        )
        instance = BASE.replace(**_limit(per="applicant", most=most * times), rates=rows)
        verdicts.append(broken(instance, seats))
    x = Fraction((gpus[0] + gpus[2]) * rates[0] + (gpus[1] + gpus[3]) * rates[1], 8)
    y = Fraction((gpus[4] + gpus[5]) * rates[0], 8)
    assert verdicts == [{"limit"} if max(x, y) > most else set()] * 2
