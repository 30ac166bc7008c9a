"""Each rule of the reference on an instance whose optimum is worked out by hand in the test's own sentence."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from kalloc.instance import (
    Budget,
    Cap,
    Group,
    Hierarchy,
    Instance,
    Kind,
    Limit,
    Objective,
    Placed,
    Pool,
    Power,
    Project,
    Quota,
    Rate,
    Shape,
)
from models import allocation, joint, placement
from models.outcome import Outcome
from models.program import Status
from tests.models.small import ask, make, nodes

P, Q = Project(project="p", pool="top"), Project(project="q", pool="top")
FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"), Pool(pool="c", parent="top"))


def gets(outcome: Outcome) -> dict[str, int]:
    """Return the GPUs of kind h by project."""
    return {project: gpus for (project, kind), gpus in outcome.allocation.items() if kind == "h"}


@pytest.mark.parametrize(("free", "expected"), [(8, 7), (6, 5), (4, 3), (2, 0)])
def test_request_is_nothing_or_min_and_steps(free: int, expected: int) -> None:
    """3, 5 or 7 GPUs are accepted of 3 to 8 in steps of 2, and the largest that fits is granted, or nothing."""
    instance = make(inventory=(nodes("r", free),), projects=(P,), requests=(ask("p", 3, 8, step=2),))
    assert gets(joint.solve(instance)) == {"p": expected}
    assert gets(allocation.solve(instance)) == {"p": expected}


@pytest.mark.parametrize(("mix", "expected"), [("one", {"h": 0, "b": 4}), ("any", {"h": 4, "b": 4})])
def test_mix_of_one_takes_the_kind_that_is_worth_more(mix: str, expected: dict[str, int]) -> None:
    """Of 4 GPUs of each of two kinds, one kind only means the 4 that are worth double; any mix means all 8."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2)),
        inventory=(nodes("r", 4), nodes("r", 4, kind="b")),
        projects=(Project(project="p", pool="top", mix=mix),),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
    )
    assert joint.solve(instance).allocation == {("p", kind): gpus for kind, gpus in expected.items()}


def test_cap_of_a_pool_above_binds() -> None:
    """A cap of 5 on the root holds a project of a pool below it to the 4 that steps of 2 allow."""
    instance = make(
        pools=FAMILY,
        caps=(Cap(pool="top", kind="h", gpus=5),),
        inventory=(nodes("r", 8),),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 2, 8, step=2),),
    )
    assert gets(joint.solve(instance)) == {"p": 4}


def test_mandatory_comes_before_merit() -> None:
    """The only 4 GPUs go to the mandatory project, though the other has ten times its merit."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", merit=0.1, mandatory=True), Q),
        requests=(ask("p", 4, 4), ask("q", 4, 4)),
    )
    outcome = joint.solve(instance)
    assert gets(outcome) == {"p": 4, "q": 0}
    assert outcome.merit == Fraction(2, 5)


@pytest.mark.parametrize(("least", "status"), [(5, Status.INFEASIBLE), (0, Status.OPTIMAL)])
def test_mandatory_beyond_the_supply_is_infeasible(least: int, status: Status) -> None:
    """Where 4 GPUs are free, a mandatory min of 5 excludes every plan, and a min of 0 is met by nothing."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", mandatory=True),),
        requests=(ask("p", least, 10, step=5),),
    )
    assert joint.solve(instance).status == status
    assert allocation.solve(instance).status == status


def test_mandatory_without_any_request_is_infeasible() -> None:
    """A mandatory project that asks for nothing has no request to be met."""
    instance = make(inventory=(nodes("r", 4),), projects=(Project(project="p", pool="top", mandatory=True),))
    assert joint.solve(instance).status == Status.INFEASIBLE


@pytest.mark.parametrize(("kind", "expected"), [("h", {"h": 3, "b": 4}), ("*", {"h": 0, "b": 3})])
def test_quota_counts_one_kind_or_all(kind: str, expected: dict[str, int]) -> None:
    """A row of 3 for kind h leaves kind b alone; a row of 3 for all kinds goes to the kind that is worth double."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2)),
        quotas=(Quota(pool="top", kind=kind, gpus=3),),
        inventory=(nodes("r", 4), nodes("r", 4, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
    )
    assert joint.solve(instance).allocation == {("p", kind): gpus for kind, gpus in expected.items()}


@pytest.mark.parametrize(("asked", "expected"), [(0, 6), (2, 6), (3, 5), (4, 4)])
def test_borrowing_takes_what_siblings_lend_and_do_not_use(asked: int, expected: int) -> None:
    """Pool a has 4 and borrows up to 4; pool b has 4, lends up to 2, and first uses what it asks for itself."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=4, borrow=4), Quota(pool="b", kind="h", gpus=4, lend=2)),
        inventory=(nodes("r", 16),),
        projects=(Project(project="p", pool="a"), Project(project="q", pool="b", merit=2)),
        requests=(ask("p", 1, 8), *([ask("q", asked, asked)] if asked else [])),
    )
    assert gets(joint.solve(instance))["p"] == expected
    assert gets(allocation.solve(instance))["p"] == expected


def test_eligible_nodes_are_up_and_serve_the_pool() -> None:
    """Of four nodes only those of the own pool and of the one above count: one is down, one is a sibling's."""
    instance = make(
        pools=FAMILY,
        inventory=(
            nodes("r", 4, node="own", owner="a"),
            nodes("r", 4, node="above"),
            nodes("r", 4, node="down", state="down"),
            nodes("r", 4, node="sibling", owner="b"),
        ),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 16),),
    )
    outcome = joint.solve(instance)
    assert outcome.seats == {("p", 0): 4, ("p", 1): 4}
    assert gets(allocation.solve(instance)) == {"p": 8}


def test_lend_bounds_outsiders_on_the_lender_s_nodes() -> None:
    """Two siblings lend 3 each, but all nodes are of one of them: outsiders get 3 there, not 6."""
    instance = make(
        pools=FAMILY,
        quotas=(
            Quota(pool="a", kind="h", gpus=0, borrow=8),
            Quota(pool="b", kind="h", gpus=8, lend=3),
            Quota(pool="c", kind="h", gpus=8, lend=3),
        ),
        inventory=(nodes("r", 8, owner="b"),),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 8),),
    )
    assert gets(joint.solve(instance)) == {"p": 3}
    assert gets(allocation.solve(instance)) == {"p": 3}


def test_room_is_what_background_leaves_and_is_shared() -> None:
    """Of a node of 8 background holds 3, so two projects that ask 3 and 2 fill it, and a third gets nothing."""
    instance = make(
        inventory=(nodes("r", 8, node="n"),),
        projects=(P, Q, Project(project="late", pool="top", merit=0.5)),
        requests=(ask("p", 3, 3), ask("q", 2, 2), ask("late", 1, 1)),
        placed=(Placed(project="other", node="n", gpus=3, movable=True),),
    )
    assert joint.solve(instance).seats == {("p", 0): 3, ("q", 0): 2}


@pytest.mark.parametrize(("level", "expected"), [(None, 7), ("rack", 4), ("node", 3)])
def test_level_holds_the_whole_project_in_one_domain(level: str | None, expected: int) -> None:
    """Of racks with nodes of 2 + 2 and of 3, all 7 GPUs may be had, 4 in one rack, 3 on one node."""
    instance = make(
        inventory=(nodes("r", 2, count=2), nodes("s", 3)),
        projects=(Project(project="p", pool="top", level=level),),
        requests=(ask("p", 1, 8),),
    )
    assert gets(joint.solve(instance)) == {"p": expected}


def test_stays_holds_gpus_that_merit_would_take_away() -> None:
    """A project without merit keeps the 2 GPUs that stay; the movable ones of another may go anywhere."""
    instance = make(
        inventory=(nodes("r", 4, node="n"), nodes("s", 4, node="m")),
        projects=(Project(project="p", pool="top", merit=0), Q),
        requests=(ask("p", 1, 4), ask("q", 1, 8)),
        placed=(
            Placed(project="p", node="n", gpus=2),
            Placed(project="q", node="n", gpus=2, movable=True),
        ),
    )
    outcome = joint.solve(instance)
    assert outcome.seats == {("p", 0): 2, ("q", 0): 2, ("q", 1): 4}
    assert gets(allocation.solve(instance)) == {"p": 2, "q": 6}


@pytest.mark.parametrize(("weights", "expected"), [({}, 2), ({"rack": 10, "node": 1}, 11), ({"rack": 0, "node": 0}, 0)])
def test_spans_cost_their_weight_beyond_need(weights: dict[str, int], expected: int) -> None:
    """Three projects of 2 GPUs fill two racks of one node of 3: one must be split, a rack and a node too many."""
    instance = make(
        hierarchy=Hierarchy(levels=("rack",), weights=weights),
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(P, Q, Project(project="o", pool="top")),
        requests=(ask("p", 2, 2), ask("q", 2, 2), ask("o", 2, 2)),
    )
    outcome = joint.solve(instance)
    assert (outcome.status, outcome.fragmentation) == (Status.OPTIMAL, expected)
    assert outcome.need == {"rack": 3, "node": 3}
    if expected:
        assert outcome.spans == {"rack": 4, "node": 4}


def test_need_forgives_what_background_and_stays_force() -> None:
    """4 GPUs need two nodes where background leaves 3 and another's stay leaves 2: nothing of it is avoidable."""
    instance = make(
        inventory=(nodes("r", 4, node="n"), nodes("r", 4, node="m")),
        projects=(P, Q),
        requests=(ask("p", 4, 4), ask("q", 2, 2)),
        placed=(Placed(project="other", node="n", gpus=1), Placed(project="q", node="m", gpus=2)),
    )
    outcome = joint.solve(instance)
    assert gets(outcome) == {"p": 4, "q": 2}
    assert (outcome.fragmentation, outcome.need["node"]) == (0, 3)


def test_merit_is_never_given_up_for_fragmentation() -> None:
    """A third project of 2 GPUs is worth a thousandth and costs a split of weight 1000: it is granted all the same."""
    instance = make(
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 0, "node": 1000}),
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(P, Q, Project(project="o", pool="top", merit=0.0005)),
        requests=(ask("p", 2, 2), ask("q", 2, 2), ask("o", 2, 2)),
    )
    outcome = joint.solve(instance)
    assert (outcome.merit, outcome.fragmentation) == (Fraction("4.001"), 1000)


def test_one_tier_decides_merit_alone() -> None:
    """With merit as the only tier the plan has all the merit there is, and its fragmentation is still counted."""
    instance = make(
        objective=Objective(tiers=("merit",)),
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(P, Q),
        requests=(ask("p", 2, 3), ask("q", 2, 3)),
    )
    outcome = joint.solve(instance)
    assert outcome.merit == 6
    assert outcome.fragmentation == sum(outcome.spans.values()) - sum(outcome.need.values())


def test_merit_is_the_decimal_that_is_written() -> None:
    """0.1 a GPU for 3 GPUs is 3/10, not the sum of three binary fractions."""
    instance = make(
        inventory=(nodes("r", 3),),
        projects=(Project(project="p", pool="top", merit=0.1),),
        requests=(ask("p", 3, 3),),
    )
    assert joint.solve(instance).merit == Fraction(3, 10)


def test_seated_is_what_was_granted() -> None:
    """5 GPUs over nodes of 4, 3 and 2 sit on two nodes; 10 have no seats."""
    instance = make(
        inventory=(nodes("r", 4), nodes("r", 3), nodes("s", 2)),
        projects=(P,),
        requests=(ask("p", 1, 20),),
    )
    outcome = placement.solve(instance, {("p", "h"): 5})
    assert (outcome.fragmentation, outcome.spans) == (0, {"rack": 1, "node": 2})
    assert placement.solve(instance, {("p", "h"): 10}).status == Status.INFEASIBLE


def both(instance: Instance) -> dict[str, int]:
    """Return the GPUs of kind h by project, which the joint model and the allocation alone must agree on."""
    together = gets(joint.solve(instance))
    assert gets(allocation.solve(instance)) == together
    return together


@pytest.mark.parametrize(("day", "expected"), [(None, 2), (3, 0), (4, 2), (28, 2), (29, 0)])
def test_call_refuses_who_applied_outside_it(day: int | None, expected: int) -> None:
    """The call of the pool above is from the 4th to the 28th: a day outside gets nothing, no day is inside."""
    above = Pool(pool="top", opens=date(2026, 1, 4), closes=date(2026, 1, 28))
    instance = make(
        pools=(above, Pool(pool="a", parent="top")),
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="a", applied=None if day is None else date(2026, 1, day)), Q),
        requests=(ask("p", 1, 2), ask("q", 1, 2)),
    )
    assert both(instance) == {"p": expected, "q": 2}


def test_call_leaves_a_mandatory_project_without_a_plan() -> None:
    """A mandatory project that applied too late cannot be met."""
    instance = make(
        pools=(Pool(pool="top", closes=date(2026, 1, 28)),),
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", mandatory=True, applied=date(2026, 1, 29)),),
        requests=(ask("p", 1, 2),),
    )
    assert joint.solve(instance).status == Status.INFEASIBLE


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, {"h": 8, "b": 0}), (3, {"h": 2, "b": 3}), (2.1, {"h": 2, "b": 3}), (1.9, {"h": 8, "b": 0})],
)
def test_limit_exchanges_kinds_at_their_rates(value: float, expected: dict[str, int]) -> None:
    """8 h, or 4 b, or a mix at 2 : 1: of 8 h and 3 b the b come first exactly when one is worth more than two h."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        limits=(Limit(limit="mix", per="project", most=8),),
        rates=(Rate(limit="mix", kind="h", rate=1), Rate(limit="mix", kind="b", rate=2)),
        inventory=(nodes("r", 8), nodes("r", 3, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 8), ask("p", 1, 4, kind="b", value=value)),
    )
    assert joint.solve(instance).allocation == {("p", kind): gpus for kind, gpus in expected.items()}
    assert allocation.solve(instance).allocation == {("p", kind): gpus for kind, gpus in expected.items()}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"per": "project", "most": 3}, {"p": 3, "q": 3, "o": 3}),
        ({"per": "applicant", "most": 3}, {"p": 3, "q": 0, "o": 4}),
        ({"per": "applicant", "of": "v", "most": 3}, {"p": 4, "q": 4, "o": 4}),
        ({"per": "group", "most": 5}, {"p": 4, "q": 4, "o": 4}),
        ({"per": "region", "most": 5}, {"p": 4, "q": 4, "o": 1}),
        ({"per": "region", "of": "busan", "most": 5}, {"p": 4, "q": 4, "o": 4}),
        ({"per": "all", "most": 5}, {"p": 4, "q": 1, "o": 0}),
        ({"per": "all", "pool": "a", "most": 5}, {"p": 4, "q": 4, "o": 1}),
    ],
)
def test_limit_counts_each_set_of_projects_for_itself(limit: dict[str, Any], expected: dict[str, int]) -> None:
    """p and q are of applicant u, p and o of region seoul and pool a; o has no applicant, and nobody has a group.

    Of merits 3, 2 and 1 and 4 GPUs each, a limit takes away from those with the least merit that it counts.
    """
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        limits=(Limit(limit="cap", kind="h", **{"of": None, **limit}),),
        groups=(Group(group="g"),),
        inventory=(nodes("r", 12),),
        projects=(
            Project(project="p", pool="a", merit=3, applicant="u", region="seoul"),
            Project(project="q", pool="top", merit=2, applicant="u", region="busan"),
            Project(project="o", pool="a", merit=1, region="seoul"),
            Project(project="n", pool="top", merit=1, applicant="v"),
        ),
        requests=(ask("p", 1, 4), ask("q", 1, 4), ask("o", 1, 4)),
    )
    assert both(instance) == expected


@pytest.mark.parametrize(("least", "expected"), [(3, {"p": 1, "q": 3}), (4, {"p": 0, "q": 4}), (5, None)])
def test_limit_demands_its_least_for_a_region(least: int, expected: dict[str, int] | None) -> None:
    """Of 4 GPUs the region of the project with less merit gets its least, and beyond 4 there is no plan."""
    instance = make(
        limits=(Limit(limit="floor", per="region", of="busan", kind="*", least=least),),
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", merit=9), Project(project="q", pool="top", region="busan")),
        requests=(ask("p", 1, 4), ask("q", 1, 5)),
    )
    outcome = joint.solve(instance)
    assert outcome.status == (Status.INFEASIBLE if expected is None else Status.OPTIMAL)
    assert gets(outcome) == (expected or {})


@pytest.mark.parametrize(("won", "expected"), [(84, {"p": 3, "q": 1}), (85, {"p": 3, "q": 2}), (14, {"p": 0, "q": 0})])
def test_budget_prices_kinds_less_the_discount(won: int, expected: dict[str, int]) -> None:
    """A GPU costs 20 won, 15 with 25 % off: three at 15 leave 39 or 40 won, for one or two at 20; 14 buy none."""
    instance = make(
        kinds=(Kind(kind="h", won=20),),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        groups=(Group(group="g", discount=25),),
        budgets=(Budget(budget="term", pool="top", won=won),),
        inventory=(nodes("r", 9),),
        projects=(Project(project="p", pool="a", merit=2, group="g"), Project(project="q", pool="top")),
        requests=(ask("p", 1, 3), ask("q", 1, 4)),
    )
    assert both(instance) == expected


@pytest.mark.parametrize(("kw", "expected"), [(0.299, 0), (0.3, 1), (0.399, 1), (0.4, 2), (0.8, 3)])
def test_power_counts_idle_nodes_background_and_gpus(kw: float, expected: int) -> None:
    """Two nodes of 2 idle at 50 W and draw 250 W loaded: 200 W are gone with one of background, each more is 100."""
    instance = make(
        power=(Power(power="feed", level="rack", kw=kw),),
        inventory=tuple(nodes("r", 2, node=name, idle_watts=50, loaded_watts=250) for name in ("n", "m")),
        projects=(P,),
        requests=(ask("p", 1, 4),),
        placed=(Placed(project="other", node="n", gpus=1),),
    )
    assert gets(joint.solve(instance)) == {"p": expected}


def test_power_of_one_domain_moves_projects_to_another() -> None:
    """Rack r may draw 200 W and a GPU draws 100: of 4 GPUs 2 sit in r and 2 in s, and r alone never holds 4."""
    instance = make(
        kinds=(Kind(kind="h", watts=100),),
        power=(Power(power="feed", level="rack", domain="r", kw=0.2),),
        inventory=(nodes("r", 4), nodes("s", 2)),
        projects=(P,),
        requests=(ask("p", 1, 8),),
    )
    assert joint.solve(instance).seats == {("p", 0): 2, ("p", 1): 2}
    assert placement.solve(instance, {("p", "h"): 5}).status == Status.INFEASIBLE


def test_power_that_idle_nodes_exceed_has_no_plan() -> None:
    """A node that idles at 500 W breaks a limit of 400 W whatever is granted, unless it is down."""
    power = (Power(power="feed", level="node", kw=0.4),)
    for state, status in (("up", Status.INFEASIBLE), ("down", Status.OPTIMAL)):
        instance = make(power=power, inventory=(nodes("r", 1, idle_watts=500, state=state),), projects=(P,))
        assert joint.solve(instance).status == status


@pytest.mark.parametrize(
    ("sizes", "expected"), [({}, 10), ({"rack": 2}, 8), ({"rack": 4}, 8), ({"node": 2}, 8), ({"rack": 4, "node": 2}, 8)]
)
def test_segment_lies_whole_in_one_domain(sizes: dict[str, int], expected: int) -> None:
    """Racks of 3 + 2 and of 2 + 3 hold 2 segments of 2 each, or one of 4, made of segments of 2 on nodes or not."""
    instance = make(
        shapes=tuple(Shape(project="p", shape="segment", level=level, amount=size) for level, size in sizes.items()),
        inventory=(nodes("r", 3), nodes("r", 2), nodes("s", 2), nodes("s", 3)),
        projects=(P,),
        requests=(ask("p", 1, 10),),
    )
    outcome = joint.solve(instance)
    assert gets(outcome) == {"p": expected}
    if "node" in sizes:
        assert set(outcome.seats.values()) == {2}


def test_segment_of_two_layers_is_stricter_than_each() -> None:
    """Nodes of 3 + 3 in a rack hold a segment of 6, or two of 3, but of segments of 2 made into 6 there are none."""
    instance = make(
        inventory=(nodes("r", 3), nodes("r", 3)),
        projects=(P,),
        requests=(ask("p", 1, 6),),
    )
    layers = [("rack", 6), ("node", 2)]
    found = []
    for chosen in (layers[:1], layers[1:], layers):
        shapes = tuple(Shape(project="p", shape="segment", level=level, amount=size) for level, size in chosen)
        found.append(gets(joint.solve(instance.replace(shapes=shapes)))["p"])
    assert found == [6, 4, 0]


@pytest.mark.parametrize(("level", "amount", "expected"), [("rack", 3, 5), ("rack", 1, 2), ("node", 2, 6)])
def test_spread_bounds_what_one_domain_holds(level: str, amount: int, expected: int) -> None:
    """Racks of 4 + 3 and of 2 hold 3 + 2 at most 3 to a rack, 1 + 1 one to a rack, 2 + 2 + 2 two to a node."""
    instance = make(
        shapes=(Shape(project="p", shape="spread", level=level, amount=amount),),
        inventory=(nodes("r", 4), nodes("r", 3), nodes("s", 2)),
        projects=(P,),
        requests=(ask("p", 1, 9),),
    )
    assert gets(joint.solve(instance)) == {"p": expected}


@pytest.mark.parametrize(("held", "expected"), [(0, {"p": 8, "q": 2}), (1, {"p": 6, "q": 3})])
def test_whole_takes_all_of_a_node_or_nothing(held: int, expected: dict[str, int]) -> None:
    """p takes of nodes of 4, 4 and 2 the first two, or the last two where background has a GPU of the first."""
    instance = make(
        shapes=(Shape(project="p", shape="whole"),),
        inventory=(nodes("r", 4, node="n"), nodes("r", 4), nodes("s", 2)),
        projects=(Project(project="p", pool="top", merit=5), Q),
        requests=(ask("p", 1, 9), ask("q", 1, 9)),
        placed=(Placed(project="other", node="n", gpus=1),) if held else (),
    )
    assert gets(joint.solve(instance)) == expected


@pytest.mark.parametrize(("level", "expected"), [(None, 5), ("node", 4), ("rack", 2)])
def test_exclusive_keeps_others_and_background_away(level: str | None, expected: int) -> None:
    """p has one GPU on a node of 2 in rack s of two such; rack r has 2 of 3 beside background, where p cannot be.

    q gets all 5 that are left, all but the other GPU of the node of p, or only those of rack r.
    """
    instance = make(
        shapes=(Shape(project="p", shape="exclusive", level=level),) if level else (),
        inventory=(nodes("r", 3, node="n"), nodes("s", 2), nodes("s", 2)),
        projects=(Project(project="p", pool="top", merit=9), Q),
        requests=(ask("p", 1, 1), ask("q", 1, 9)),
        placed=(Placed(project="other", node="n", gpus=1),),
    )
    assert gets(joint.solve(instance)) == {"p": 1, "q": expected}
