"""What it takes to serve a project beside a plan: by hand for every rule, and each way checked from outside."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

import kalloc
from kalloc.instance import Budget, Cap, Group, Instance, Kind, Limit, Pool, Power, Project, Quota, Rate, Shape
from kalloc.solver import Limits
from kalloc.verify import Records, verify
from kalloc.whatif.alone import alone
from kalloc.whatif.beside import Beside, beside
from kalloc.whatif.changes import changes_for
from kalloc.whatif.phrases import Language
from kalloc.whatif.story import story
from tests.models.small import ask, make, nodes

FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))
P, Q = Project(project="p", pool="a", merit=2), Project(project="q", pool="b", merit=9)
KINDS = (Kind(kind="h", won=100, watts=500),)


def hall(**changes: object) -> Instance:
    """Return two racks of two nodes of 4, where q has 4 and p wants 4 more."""
    fields: dict[str, object] = {
        "kinds": KINDS,
        "pools": FAMILY,
        "inventory": (nodes("r", 4, count=2), nodes("s", 4, count=2)),
        "projects": (P, Q),
        "requests": (ask("p", 4, 4), ask("q", 4, 4)),
    }
    return make(**{**fields, **changes})


def ways(instance: Instance, project: str = "p") -> list[Beside]:
    """Return the ways to give a project more than the plan of a solve; each keeps all others as they are."""
    plan = kalloc.solve(instance, threads=1).plan
    found = list(beside(instance, plan, project, Limits()))
    for way in found:
        assert verify(way.instance, way.plan) == []
        assert sum(seat.gpus for seat in way.plan.seats if seat.project == project) == way.gpus
        others = ({seat for seat in one.seats if seat.project != project} for one in (way.plan, plan))
        assert next(others) == next(others)
    return found


CASES = {
    "quota": (
        hall(quotas=(Quota(pool="top", kind="*", gpus=7),)),
        ("quota", {"pool": "top", "what": "GPUs", "what_ko": "GPU", "was": 7, "now": 8, "gpus": 1}),
    ),
    "limit": (
        hall(limits=(Limit(limit="all", per="all", most=15),), rates=(Rate(limit="all", kind="h", rate=2.0),)),
        ("limit", {"limit": "all", "was": 15, "now": 16, "more": 1}),
    ),
    "budget": (
        hall(
            budgets=(Budget(budget="year", pool="top", won=700),),
            groups=(Group(group="firm", discount=50),),
            projects=(P, Q.model_copy(update={"group": "firm"})),
            requests=(ask("p", 6, 6), ask("q", 4, 4)),
        ),
        ("budget", {"budget": "year", "was": 700, "now": 800, "more": 100}),
    ),
    "power": (
        hall(power=(Power(power="rack", level="rack", kw=2.5),), requests=(ask("p", 8, 8), ask("q", 4, 4))),
        ("power", {"power": "rack", "was": 2.5, "now": 4.0, "more": 1.5}),
    ),
    "call": (
        hall(
            pools=(FAMILY[0], FAMILY[1].model_copy(update={"closes": date(2026, 1, 1)}), FAMILY[2]),
            projects=(P.model_copy(update={"applied": date(2026, 1, 2)}), Q),
        ),
        ("admit", {"applied": date(2026, 1, 2)}),
    ),
    "spread": (
        hall(shapes=(Shape(project="p", shape="spread", level="rack", amount=1),)),
        ("drop_spread", {"level": "rack", "amount": 1}),
    ),
    "level": (
        hall(projects=(P.model_copy(update={"level": "node"}), Q), requests=(ask("p", 6, 6), ask("q", 4, 4))),
        ("no_level", {"level": "node"}),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_by_hand(case: str) -> None:
    """Just the row at fault gives way, by just what is missing."""
    instance, need = CASES[case]
    assert [way.needs for way in ways(instance)] == [(need,)]


def test_all_that_is_in_the_way() -> None:
    """A limit and a budget at once are told together."""
    instance = hall(
        limits=(Limit(limit="each", per="project", kind="h", most=3),),
        budgets=(Budget(budget="year", pool="a", won=399),),
        projects=(P,),
        requests=(ask("p", 4, 4),),
    )
    assert [[code for code, _ in way.needs] for way in ways(instance)] == [["limit", "budget"]]


def test_one_step_more() -> None:
    """Who has what its cap allows gets one step more with a higher cap, seated anew; others stay."""
    capped = hall(caps=(Cap(pool="a", kind="h", gpus=4),), requests=(ask("p", 2, 8, step=2), ask("q", 4, 4)))
    [way] = ways(capped)
    facts = {"pool": "a", "what": "h", "what_ko": "h", "was": 4, "now": 6, "gpus": 2}
    assert (way.gpus, way.needs) == (6, (("cap", facts),))


def test_nothing_is_in_the_way_but_others() -> None:
    """Where no seat is free nothing is told; beside those who want a rack to themselves no seat is."""
    assert ways(hall(inventory=(nodes("r", 4),), projects=(P, Q))) == []
    shy = hall(inventory=(nodes("r", 4, count=2),), shapes=(Shape(project="q", shape="exclusive", level="rack"),))
    assert ways(shy) == []
    plan = kalloc.solve(shy, threads=1).plan
    assert not alone(shy, Records.of(shy, plan), "p", {"h": 4}).topology.gpus.sum() - 8


def test_levers_of_policy() -> None:
    """Solved anew and proven: one GPU more of a limit, its price of a budget, its power, and a shape less."""
    two = Limit(limit="a", per="all", pool="a", kind="h", most=2)
    limit = hall(limits=(two,), requests=(ask("p", 1, 3), ask("q", 4, 4)))
    found = {change.code: change for change in changes_for(limit, "p", Limits()).found}
    assert found["limit"].facts == {"limit": "a", "was": 2, "now": 3, "more": 1} and found["limit"].gets == 3
    budget = hall(budgets=(Budget(budget="year", pool="a", won=250),), requests=(ask("p", 1, 4), ask("q", 4, 4)))
    found = {change.code: change for change in changes_for(budget, "p", Limits()).found}
    assert found["budget"].facts == {"budget": "year", "was": 250, "now": 350, "more": 100}
    cold = hall(power=(Power(power="rack", level="rack", kw=1.25),), requests=(ask("p", 1, 6), ask("q", 1, 1)))
    found = {change.code: change for change in changes_for(cold, "p", Limits()).found}
    assert found["power"].facts == {"power": "rack", "was": 1.25, "now": 1.75, "more": 0.5}
    found = {change.code: change for change in changes_for(CASES["spread"][0], "p", Limits()).found}
    assert found["drop_spread"].gets == 4 and found["drop_spread"].gpus is None


def test_tiers_other_than_merit() -> None:
    """Where projects are ranked, changes are confirmed too: a limit on the better one's pool serves the other."""
    instance = hall(
        inventory=(nodes("r", 4),),
        objective=kalloc.load("instances/tiny/ranked").objective,
        limits=(Limit(limit="a", per="all", pool="b", kind="h", least=4, most=4),),
    )
    changes = changes_for(instance, "p", Limits())
    assert changes.proven
    nodes_more = next(change for change in changes.found if change.code == "nodes")
    assert (nodes_more.gpus, nodes_more.gets, nodes_more.merit) == (4, 4, Fraction(8))


@pytest.mark.parametrize("language", Language)
def test_story(language: Language) -> None:
    """The story tells what has to give way, that it was solved anew, and what was checked."""
    instance = CASES["budget"][0]
    lines = list(story(instance, kalloc.solve(instance, threads=1).plan, "p", language))
    at = next(number for number, line in enumerate(lines) if "done" in line or "조치" in line)
    assert "700" in lines[at + 1] and "800" in lines[at + 1]
    assert "proven best: it gets 6" in lines[at + 2] or "증명됨), 이 과제에 6장" in lines[at + 2]
