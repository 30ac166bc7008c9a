"""Each tier alone on an instance whose optimum is worked out by hand, tiers in order, and what a limit leaves."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from kalloc.instance import (
    Group,
    Guarantee,
    Hierarchy,
    Instance,
    Kind,
    Objective,
    Placed,
    Pool,
    Project,
    Quota,
    Shape,
)
from models import allocation, joint, placement
from models.outcome import Outcome, TierValue
from models.program import Answer, InexactError, Program, Status
from tests.models.small import ask, make, nodes


@pytest.fixture
def instance() -> Instance:
    """Return two projects of 2 GPUs and two nodes of 3."""
    return make(
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(Project(project="p", pool="top"), Project(project="q", pool="top")),
        requests=(ask("p", 2, 2), ask("q", 2, 2)),
    )


def test_a_limit_in_the_second_tier_leaves_the_first(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found for fragmentation leaves the plan of most merit, which is feasible and not proven."""
    monkeypatch.setattr(Program, "minimise", lambda *arguments: Answer(Status.UNKNOWN, {}))
    outcome = joint.solve(instance)
    assert outcome.status == Status.FEASIBLE
    assert outcome.merit == 4
    assert outcome.fragmentation is not None and sum(outcome.seats.values()) == 4


def test_a_second_tier_without_plans_is_no_answer(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that finds no plan as good as its own contradicts itself."""
    monkeypatch.setattr(Program, "minimise", lambda *arguments: Answer(Status.INFEASIBLE, {}))
    with pytest.raises(InexactError, match="merit"):
        joint.solve(instance)


def test_the_time_limit_is_for_both_tiers(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second tier gets what the first left, and no limit when there is none."""
    given: list[float | None] = []

    def minimise(program: Program, objective: object, solver: str | None, seconds: float | None) -> Answer:
        given.append(seconds)
        return Answer(Status.UNKNOWN, {})

    monkeypatch.setattr(Program, "minimise", minimise)
    joint.solve(instance, time_limit=60)
    joint.solve(instance)
    assert given[0] is not None and 0 < given[0] < 60
    assert given[1] is None


def project(name: str, **more: Any) -> Project:
    """Return a project of the pool ``top``."""
    return Project(**{"project": name, "pool": "top", **more})


def decided(instance: Instance, *tiers: str | dict[str, Any]) -> Outcome:
    """Return the joint model's outcome on some tiers; the allocation alone must agree on those that need no seats."""
    instance = instance.replace(objective=Objective(tiers=tiers))
    outcome = joint.solve(instance)
    alone = allocation.solve(instance)
    assert (outcome.status, alone.status) == (Status.OPTIMAL, Status.OPTIMAL)
    assert [tier.name for tier in outcome.tiers] == list(instance.objective.names)
    assert alone.tiers == tuple(tier for tier in outcome.tiers if tier.name not in ("fragmentation", "reserve"))
    return outcome


def by_project(outcome: Outcome) -> dict[str, int]:
    """Return the GPUs by project, over all kinds."""
    found: dict[str, int] = {}
    for (name, _), gpus in outcome.allocation.items():
        found[name] = found.get(name, 0) + gpus
    return found


def ranking() -> Instance:
    """Return four projects, listed out of the order of their merits, and 6 GPUs."""
    return make(
        inventory=(nodes("r", 6),),
        projects=(
            project("fourth", merit=0.5),
            project("first", merit=2.5),
            project("second", merit=2),
            project("third", merit=2),
        ),
        requests=(ask("first", 4, 4), ask("second", 3, 3), ask("third", 3, 3), ask("fourth", 1, 2)),
    )


def test_merit() -> None:
    """Of 6 GPUs two projects of 3 and merit 2 are worth 12; 4 of merit 2.5 and 2 of merit 0.5 only 11."""
    outcome = decided(ranking(), "merit")
    assert by_project(outcome) == {"first": 0, "second": 3, "third": 3, "fourth": 0}
    assert outcome.tiers[0].value == 12


def test_ranked() -> None:
    """By falling merit: the first takes 4 of 6, the second and the third, of 3, none, and the fourth the 2 left."""
    outcome = decided(ranking(), "ranked")
    assert by_project(outcome) == {"first": 4, "second": 0, "third": 0, "fourth": 2}
    assert outcome.tiers[0].value == 11


def test_ranked_ties_are_broken_by_the_table() -> None:
    """Of two projects of one merit the one that is listed first takes all 3 GPUs, though the other values them more."""
    instance = make(
        inventory=(nodes("r", 3),),
        projects=(project("b"), project("a")),
        requests=(ask("a", 1, 3), ask("b", 2, 3, value=0.5)),
    )
    assert by_project(decided(instance, "ranked")) == {"a": 0, "b": 3}


def test_ranked_counts_worth_not_gpus() -> None:
    """One kind only: 2 GPUs of value 3 are more to the project than 4 of value 1."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        inventory=(nodes("r", 4), nodes("r", 2, kind="b")),
        projects=(project("a"),),
        requests=(ask("a", 1, 4), ask("a", 1, 2, kind="b", value=3)),
    )
    assert by_project(decided(instance, "ranked")) == {"a": 2}


MAXMIN = {"name": "fairness", "rule": "maxmin"}
PROPORTIONAL = {"name": "fairness", "rule": "proportional"}


@pytest.mark.parametrize(
    ("free", "expected", "profile"),
    [
        (6, {"a": 3, "b": 2, "c": 1}, "1/2 1/2 1/2"),
        (7, {"a": 3, "b": 2, "c": 2}, "1/2 1/2 1"),
        (5, {"a": 2, "b": 2, "c": 1}, "1/3 1/2 1/2"),
        (1, {"a": 0, "b": 0, "c": 1}, "0 0 1/2"),
        (20, {"a": 6, "b": 4, "c": 2}, "1 1 1"),
    ],
)
def test_fairness_maxmin_by_project(free: int, expected: dict[str, int], profile: str) -> None:
    """Projects ask 6, 4 and 2: of 6 GPUs each gets half, the seventh makes most of the share of c, the sixth is
    missed least by a, and a single one makes the largest share where it is half of what is asked.
    """
    instance = make(
        inventory=(nodes("r", free),),
        projects=(project("a"), project("b"), project("c")),
        requests=(ask("a", 1, 6), ask("b", 1, 4), ask("c", 1, 2)),
    )
    outcome = decided(instance, MAXMIN)
    shares = tuple(map(Fraction, profile.split()))
    assert (outcome.tiers[0].value, outcome.tiers[0].profile) == (shares[0], shares)
    assert by_project(outcome) == expected


def test_fairness_maxmin_goes_on_beyond_who_gets_nothing() -> None:
    """One asks for more than there is and stays at 0, and one asks nothing: the others are still as even as can be."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(project("a"), project("b"), project("c"), project("idle")),
        requests=(ask("a", 5, 5), ask("b", 1, 4), ask("c", 1, 4)),
    )
    assert decided(instance, MAXMIN).tiers[0].profile == (Fraction(0), Fraction(1, 2), Fraction(1, 2))


@pytest.mark.parametrize("by", [{}, {"by": "pool", "of": "asked"}, {"by": "pool", "of": "quota"}])
def test_fairness_maxmin_leaves_out_whom_a_call_refuses(by: dict[str, str]) -> None:
    """One of two pools has only a project that applied too late: the other's alone has a share, 4 of 4."""
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top", closes=date(2026, 1, 28)), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="h", gpus=4), Quota(pool="b", kind="h", gpus=4)),
        inventory=(nodes("r", 4),),
        projects=(project("late", pool="a", applied=date(2026, 1, 29)), project("p", pool="b")),
        requests=(ask("late", 1, 4), ask("p", 1, 4)),
    )
    assert decided(instance, {**MAXMIN, **by}).tiers[0].profile == (Fraction(1),)


def test_fairness_maxmin_divides_by_the_weight() -> None:
    """Of 6 GPUs, asked 6 each, a weight of 2 gets 4, a share of a third like the 2 of weight 1."""
    instance = make(
        inventory=(nodes("r", 6),),
        projects=(project("a", weight=2), project("b")),
        requests=(ask("a", 1, 6), ask("b", 1, 6)),
    )
    outcome = decided(instance, MAXMIN)
    assert by_project(outcome) == {"a": 4, "b": 2}
    assert outcome.tiers[0].profile == (Fraction(1, 3), Fraction(1, 3))


def test_fairness_maxmin_asks_for_all_kinds_of_a_mix() -> None:
    """A mix of 4 h and 4 b asks 8, one kind of them 4: of 4 h and 2 b, 4 and 2 are half of each."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        inventory=(nodes("r", 4), nodes("r", 2, kind="b")),
        projects=(project("any", mix="any"), project("one")),
        requests=(ask("any", 1, 4), ask("any", 1, 4, kind="b"), ask("one", 1, 4), ask("one", 1, 3, kind="b")),
    )
    outcome = decided(instance, MAXMIN)
    assert by_project(outcome) == {"any": 4, "one": 2}
    assert outcome.tiers[0].profile == (Fraction(1, 2), Fraction(1, 2))


def test_fairness_maxmin_of_nobody_is_nothing() -> None:
    """Where nobody asks there is no share, and the value is 0."""
    outcome = decided(make(inventory=(nodes("r", 6),), projects=(project("a"),)), MAXMIN)
    assert outcome.tiers == (TierValue("fairness", Fraction(0), ()),)


@pytest.mark.parametrize(("of", "gpus", "profile"), [("asked", 4, "1/2 1/2 1"), ("quota", 3, "3/8 1/2 3/4")])
def test_fairness_maxmin_by_pool(of: str, gpus: int, profile: str) -> None:
    """Pool a asks 8, b and the pool c below it 2 each: of 6 GPUs 4 and 2 are half of what a and b with c ask, and
    both of the 2 go to c, which counts twice.

    The quotas are 16 at the top, by the row for all kinds, 6 for a and 4 for b, and none for c: whoever has what, the
    top has 6/16, and 3/6 with 3/4 is better than 4/6 with 2/4.
    """
    family = (("a", "top"), ("b", "top"), ("c", "b"))
    instance = make(
        pools=(Pool(pool="top"), *(Pool(pool=pool, parent=above) for pool, above in family)),
        quotas=(
            Quota(pool="top", kind="*", gpus=16),
            Quota(pool="top", kind="h", gpus=6),
            Quota(pool="a", kind="h", gpus=6),
            Quota(pool="b", kind="*", gpus=4),
        ),
        inventory=(nodes("r", 6),),
        projects=(project("p", pool="a"), project("q", pool="b"), project("o", pool="c")),
        requests=(ask("p", 1, 8), ask("q", 1, 2), ask("o", 1, 2)),
    )
    outcome = decided(instance, {**MAXMIN, "by": "pool", "of": of})
    assert outcome.tiers[0].profile == tuple(map(Fraction, profile.split()))
    assert by_project(outcome)["p"] == gpus


@pytest.mark.parametrize(("weight", "expected", "value"), [(1, (2, 2), 2197224), (3, (3, 1), 4852029)])
def test_fairness_proportional(weight: float, expected: tuple[int, int], value: int) -> None:
    """Of 4 GPUs, 2 and 2 have 2 · ln 3; with a weight of 3, 3 and 1 have 3 · ln 4 + ln 2, in millionths of each ln."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(project("a", weight=weight), project("b")),
        requests=(ask("a", 1, 8), ask("b", 1, 8)),
    )
    outcome = decided(instance, PROPORTIONAL)
    assert by_project(outcome) == dict(zip("ab", expected, strict=True))
    assert (outcome.tiers[0].value, outcome.tiers[0].profile) == (Fraction(value, 10**6), ())


def test_fairness_proportional_is_straight_between_its_steps() -> None:
    """5 GPUs of a project alone are worth half of ln 5 + ln 7."""
    instance = make(inventory=(nodes("r", 5),), projects=(project("a"),), requests=(ask("a", 5, 5),))
    assert decided(instance, PROPORTIONAL).tiers[0].value == Fraction(1609438 + 1945910, 2 * 10**6)


def test_fairness_proportional_by_pool() -> None:
    """Of 4 GPUs each of two pools gets 2, ln 3 each, where a pool of two projects would get more by project."""
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        inventory=(nodes("r", 4),),
        projects=(project("p", pool="a"), project("q", pool="b"), project("o", pool="b")),
        requests=(ask("p", 1, 4), ask("q", 1, 4), ask("o", 1, 4)),
    )
    outcome = decided(instance, {**PROPORTIONAL, "by": "pool", "of": "asked"})
    assert by_project(outcome)["p"] == 2
    assert outcome.tiers[0].value == Fraction(2 * 1098612, 10**6)


def test_served() -> None:
    """Of 4 GPUs one project could have all, but 2 and 2 serve two, whatever their merit."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(project("a", merit=9), project("b", merit=0), project("c", merit=0)),
        requests=(ask("a", 4, 4), ask("b", 1, 2), ask("c", 2, 2)),
    )
    outcome = decided(instance, "served")
    assert outcome.tiers[0].value == 2
    assert by_project(outcome)["a"] == 0


@pytest.mark.parametrize(("unit", "kind", "value"), [("gpus", "h", 3), ("performance", "b", Fraction("4.5"))])
def test_utilisation(unit: str, kind: str, value: Fraction) -> None:
    """One kind only: 3 h are more GPUs, 2 b of 2.25 are more performance."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2.25)),
        inventory=(nodes("r", 3), nodes("r", 2, kind="b")),
        projects=(project("a"),),
        requests=(ask("a", 1, 3), ask("a", 1, 3, kind="b", value=0)),
    )
    outcome = decided(instance, {"name": "utilisation", "unit": unit})
    assert outcome.tiers[0].value == value
    assert outcome.allocation["a", kind] > 0


def test_guarantees() -> None:
    """Of 4 GPUs a project is guaranteed 3 and a pool 4, so 3 are missing in any case, and nobody else gets any.

    A guarantee of 2 GPUs of a kind that nobody asks for is missed by both.
    """
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        guarantees=(
            Guarantee(guarantee="one", project="p", kind="h", gpus=3),
            Guarantee(guarantee="two", pool="a", kind="*", gpus=4),
            Guarantee(guarantee="three", pool="top", kind="b", gpus=2),
        ),
        inventory=(nodes("r", 4),),
        projects=(project("p"), project("q", pool="a"), project("o", merit=9)),
        requests=(ask("p", 1, 4), ask("q", 1, 3), ask("o", 1, 4)),
    )
    outcome = decided(instance, "guarantees")
    assert outcome.tiers[0].value == 5
    assert by_project(outcome)["o"] == 0


@pytest.mark.parametrize(("tolerance", "value"), [(0, Fraction("1.2")), (10, Fraction("0.4")), (15, 0)])
def test_balance(tolerance: float, value: Fraction) -> None:
    """Two groups should have 65 % and 35 % and must have 2 GPUs each: both are 0.6 off, less a tenth of 4, or 0.6."""
    instance = make(
        groups=(
            Group(group="i", share=65, tolerance=tolerance),
            Group(group="c", share=35, tolerance=tolerance),
            Group(group="n"),
        ),
        inventory=(nodes("r", 4),),
        projects=(project("p", group="i", mandatory=True), project("q", group="c", mandatory=True)),
        requests=(ask("p", 2, 2), ask("q", 2, 2)),
    )
    assert decided(instance, "balance").tiers[0].value == value


def test_balance_counts_who_has_no_group() -> None:
    """A group of a third gets 1 of 3 GPUs where 2 go to a mandatory project without a group: 0 or 2 are further off."""
    instance = make(
        groups=(Group(group="g", share=33.3),),
        inventory=(nodes("r", 9),),
        projects=(project("p", mandatory=True), project("q", group="g", merit=9)),
        requests=(ask("p", 2, 2), ask("q", 1, 7)),
    )
    outcome = decided(instance, "balance")
    assert by_project(outcome) == {"p": 2, "q": 1}
    assert outcome.tiers[0].value == Fraction("0.001")


@pytest.mark.parametrize(("prefer", "expected", "where"), [(0, 0, {"r", "s"}), (1, 1, {"r", "s"}), (3, 2, {"r"})])
def test_fragmentation_adds_what_a_project_prefers(prefer: int, expected: int, where: set[str]) -> None:
    """4 GPUs need two nodes, of 3 and of 2, in two racks, one rack more than needed, of weight 0.

    With a preference of 3 for one rack a third node of weight 2 is the lesser cost.
    """
    instance = make(
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 0, "node": 2}),
        shapes=(Shape(project="p", shape="prefer", level="rack", amount=prefer),) if prefer else (),
        inventory=(nodes("r", 2), nodes("r", 1), nodes("r", 1), nodes("s", 3)),
        projects=(project("p"),),
        requests=(ask("p", 4, 4),),
    )
    outcome = decided(instance, "utilisation", "fragmentation")
    assert outcome.tiers[1].value == outcome.fragmentation == expected
    assert {instance.topology.row(node).path[0] for _, node in outcome.seats} == where


@pytest.mark.parametrize(("count", "expected"), [(9, 2), (1, 1)])
def test_reserve(count: int, expected: int) -> None:
    """Of five racks one is down, one has background and one must hold the project: two stay free, of which count says
    how many are of use.
    """
    instance = make(
        inventory=(
            nodes("down", 2, state="down"),
            nodes("held", 2, node="n"),
            *(nodes(rack, 2) for rack in "abc"),
        ),
        projects=(project("p", mandatory=True),),
        requests=(ask("p", 2, 2),),
        placed=(Placed(project="other", node="n", gpus=1),),
    )
    outcome = decided(instance, {"name": "reserve", "level": "rack", "count": count})
    assert outcome.tiers[0].value == expected
    taken = {instance.topology.row(node).path[0] for _, node in outcome.seats}
    assert count == 1 or len(taken & set("abc")) == 1


def test_reserve_in_the_placement_alone() -> None:
    """Two projects of one GPU sit on one node so that the other stays free; nothing else asks for that."""
    instance = make(
        objective=Objective(tiers=("merit", {"name": "reserve", "level": "node", "count": 2})),
        inventory=(nodes("r", 2), nodes("s", 2)),
        projects=(project("p"), project("q")),
        requests=(ask("p", 1, 1), ask("q", 1, 1)),
    )
    outcome = placement.solve(instance, {("p", "h"): 1, ("q", "h"): 1})
    assert outcome.tiers == (TierValue("merit", Fraction(2)), TierValue("reserve", Fraction(1)))
    assert outcome.fragmentation == 0


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        (("merit", "served"), {"a": 4, "b": 0, "c": 0}),
        (("served", "merit"), {"a": 0, "b": 2, "c": 2}),
        (("served", "utilisation", "merit"), {"a": 0, "b": 2, "c": 2}),
    ],
)
def test_tiers_in_the_order_that_is_written(tiers: tuple[str, ...], expected: dict[str, int]) -> None:
    """Merit first leaves one project served; served first takes the two whose merit is less."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(project("a", merit=9), project("b", merit=1), project("c", merit=2)),
        requests=(ask("a", 4, 4), ask("b", 1, 2), ask("c", 2, 2)),
    )
    assert by_project(decided(instance, *tiers)) == expected


def test_a_tier_on_seats_may_come_first() -> None:
    """A free rack comes first: one of two projects of a rack each is granted; alone, the allocation grants both."""
    instance = make(
        objective=Objective(tiers=({"name": "reserve", "level": "rack", "count": 1}, "merit")),
        inventory=(nodes("r", 2), nodes("s", 2)),
        projects=(project("p"), project("q", merit=2)),
        requests=(ask("p", 2, 2), ask("q", 2, 2)),
    )
    outcome = joint.solve(instance)
    assert by_project(outcome) == {"p": 0, "q": 2}
    assert [tier.value for tier in outcome.tiers] == [1, 4]
    assert [tier.value for tier in allocation.solve(instance).tiers] == [6]


def test_an_allocation_without_tiers_of_its_own_is_any(instance: Instance) -> None:
    """Where the instance names tiers on seats alone, the allocation alone has nothing to decide and is some plan."""
    reserve = instance.replace(objective=Objective(tiers=({"name": "reserve", "level": "rack", "count": 2},)))
    outcome = allocation.solve(reserve)
    assert (outcome.status, outcome.tiers) == (Status.OPTIMAL, ())
    assert outcome.allocation.keys() == {("p", "h"), ("q", "h")}


def test_a_missed_optimum_is_no_answer(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that calls any plan one of most merit, while a later tier finds more, contradicts itself."""
    largest = Program.maximise
    calls: list[object] = []

    def maximise(program: Program, objective: object, *more: Any) -> Answer:
        calls.append(objective)
        return largest(program, 0 if len(calls) == 2 else objective, *more)

    monkeypatch.setattr(Program, "maximise", maximise)
    with pytest.raises(InexactError, match="tier merit"):
        joint.solve(instance.replace(objective=Objective(tiers=("merit", "utilisation"))))
