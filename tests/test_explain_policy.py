"""Reasons that the policy gives: each on a hand-derived instance in both languages, and none that is not true."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import event, given

import kalloc
from kalloc.errors import InfeasibleError, InstanceError, NoPlanError
from kalloc.explain import REASONS, Why, check, reasons
from kalloc.explain.orders import TIER_WORDS
from kalloc.instance import (
    Budget,
    Group,
    Instance,
    Kind,
    Limit,
    Placed,
    Pool,
    Power,
    Project,
    Rate,
    Request,
    Shape,
)
from kalloc.plan import Grant, Plan
from kalloc.report.words import Words
from kalloc.verify import verify
from tests.engine.drawing import Size
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often
from tests.models.small import ask, deciding, make, nodes
from tests.seats import plan_of
from tests.test_explain import CASES as PLAIN

P, Q = Project(project="p", pool="top"), Project(project="q", pool="top", merit=9)
NONE = ("None of the 5 h asked for are granted. ", "요청하신 h 5장을 배정하지 못하였습니다. ")
TWO = ("Of 5 h asked for, 2 are granted. ", "요청하신 h 5장 중 2장을 배정하였습니다. ")


def posed(*projects: Project, tiers: tuple[str, ...] = ("merit", "fragmentation"), **changes: Any) -> Instance:
    """Return an instance with a node of 8 GPUs in which p asks for 1 to 5."""
    given = {"inventory": (nodes("r", 8),), "requests": (ask("p", 1, 5),), **changes}
    return make(projects=projects or (P,), objective=deciding(*tiers), **given)


CASES: dict[str, tuple[Instance, str, str]] = {
    "call": (
        posed(
            P.model_copy(update={"applied": date(2026, 1, 30)}),
            pools=(Pool(pool="top", opens=date(2026, 1, 5), closes=date(2026, 1, 28)),),
        ),
        NONE[0] + "It applied on 2026-01-30; the call of pool top is open from 2026-01-05 to 2026-01-28.",
        NONE[1] + "이 과제의 신청일은 2026년 1월 30일로, top 풀의 공모 기간(2026년 1월 5일부터 2026년 1월 28일까지)에 "
        "해당하지 않습니다.",
    ),
    "limit": (
        posed(
            P.model_copy(update={"applicant": "kaist"}),
            Q.model_copy(update={"applicant": "kaist"}),
            kinds=(Kind(kind="h"), Kind(kind="b", performance=2)),
            inventory=(nodes("r", 8), nodes("r", 8, kind="b")),
            limits=(Limit(limit="institute", per="applicant", most=8),),
            rates=(Rate(limit="institute", kind="h", rate=2), Rate(limit="institute", kind="b", rate=1)),
            requests=(ask("p", 1, 5), ask("q", 3, 3, kind="b", value=1)),
        ),
        TWO[0]
        + "Limit institute allows applicant kaist 8 GPUs at its exchange rates: 7 are used, and 1 h more count 2. "
        "The least merit that was served there is 9; this project has 1.",
        TWO[1] + "‘institute’ 한도에 따른 신청기관 kaist의 GPU 환산 물량 상한 8장 중 7장이 배정되어, h 1장(환산 2장)을 "
        "추가로 배정할 수 없습니다. 해당 물량을 배정받은 과제 중 최저 평가 점수는 9점이며, 이 과제의 평가 점수는 "
        "1점입니다.",
    ),
    "budget": (
        posed(
            P.model_copy(update={"group": "startup"}),
            kinds=(Kind(kind="h", won=2_000_000),),
            groups=(Group(group="startup", discount=50),),
            budgets=(Budget(budget="year", pool="top", won=2_500_000),),
        ),
        TWO[0] + "Of the 2,500,000 won of budget year of pool top, 2,000,000 are spent, and 1 h more cost 1,000,000 "
        "(1,000,000 each, 50 % off).",
        TWO[1]
        + "top 풀의 ‘year’ 예산 2,500,000원 중 2,000,000원이 사용되어, h 1장의 비용 1,000,000원(장당 1,000,000원, "
        "할인율 50% 적용)을 충당할 수 없습니다.",
    ),
    "power": (
        posed(kinds=(Kind(kind="h", watts=500),), power=(Power(power="feed", level="rack", kw=1.2),)),
        TWO[0]
        + "On the nodes that serve pool top, 6 h are left, but limits on power let only 0 of them be used (feed: "
        "rack r has 0.2 kW left), and 1 more are needed.",
        TWO[1] + "top 풀에 제공되는 노드에 h 6장이 남아 있으나 전력 한도에 따라 사용할 수 있는 수량은 0장(feed: rack r "
        "잔여 전력 0.2kW)으로, 추가로 필요한 1장에 미치지 못합니다.",
    ),
    "shape": (
        posed(
            inventory=(nodes("r", 3), nodes("s", 3)),
            shapes=(Shape(project="p", shape="segment", level="rack", amount=2),),
            requests=(ask("p", 2, 6),),
        ),
        "Of 6 h asked for, 4 are granted. Its seats must have this shape: segments of 2 in one rack. Even without any "
        "other project that moves, 2 of the 2 domains of level rack that serve it have room, for 4 h in all, and 6 are "
        "needed.",
        "요청하신 h 6장 중 4장을 배정하였습니다. 배치 조건은 다음과 같습니다: rack 내 2장 단위 묶음. 기존 사용분만 "
        "고려하더라도 rack 계층의 구역 2곳 중 2곳에 h 4장까지 배치할 수 있어, 필요한 6장에 미치지 못합니다.",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_reason(code: str) -> None:
    """Each code is given where it is true, with the figures that a hand finds, in both languages."""
    instance, en, ko = CASES[code]
    grant = kalloc.solve(instance, threads=1).plan.grants[0]
    assert (grant.reason, grant.sentence, grant.sentence_ko) == (code, en, ko)


def test_every_code_has_its_case() -> None:
    """No reason is without a test, codes are unique, a call comes first, and what applies always last."""
    codes = [reason.code for reason in REASONS]
    assert sorted(codes) == sorted([*PLAIN, *CASES, "spare"])
    assert (codes[0], codes[-1]) == ("call", "spare")


def said(instance: Instance, project: str = "p") -> Grant:
    """Return what the best plan grants a project."""
    return next(grant for grant in kalloc.solve(instance, threads=1).plan.grants if grant.project == project)


def test_no_amount_makes_a_multiple() -> None:
    """Where whole nodes of 8 are asked for and 5 is the most, no amount will do."""
    grant = said(posed(shapes=(Shape(project="p", shape="whole"),)))
    assert (grant.reason, grant.sentence) == (
        "shape",
        NONE[0]
        + "Its seats must have this shape: whole nodes. All that it has is then a multiple of 8, and no amount of "
        "h over 0 that it asked for makes one.",
    )


def test_a_step_leads_to_the_next_amount_of_its_shape() -> None:
    """With 2 of 5 GPUs and segments of 2 the next amount is 4, so that 2 more are needed; and 6 would be too many."""
    shapes = (Shape(project="p", shape="segment", level="rack", amount=2),)
    limits = (Limit(limit="two", per="project", kind="h", most=3),)
    grant = said(posed(shapes=shapes, limits=limits))
    assert (grant.reason, grant.gpus, "2 are used, and 2 h more are needed" in grant.sentence) == ("limit", 2, True)


def test_shape_beside_others() -> None:
    """Alone p could have both nodes of rack r whole; beside q, on one GPU of each, no node is whole."""
    instance = posed(
        P,
        Q,
        inventory=(nodes("r", 4, count=2),),
        requests=(ask("p", 4, 4), ask("q", 2, 2)),
        shapes=(Shape(project="p", shape="whole"), Shape(project="q", shape="spread", level="node", amount=1)),
    )
    grant = said(instance)
    assert grant.reason == "shape"
    assert (
        "Beside the other projects, 0 of the 2 domains of level node that serve it have room, for 0 h in all, and 4"
        in (grant.sentence)
    )
    assert "다른 과제의 배치를 고려하면 node 계층의 구역 2곳 중 0곳에 h 0장까지" in grant.sentence_ko


def test_who_must_be_alone_shuts_others_out() -> None:
    """GPUs that are free in a rack which q has to itself are none that p could take, and are named."""
    grant = said(
        posed(
            P,
            Q,
            requests=(ask("p", 1, 5), ask("q", 2, 2)),
            shapes=(Shape(project="q", shape="exclusive", level="rack"),),
        )
    )
    assert grant.reason == "outranked"
    assert "0 are left (6 more are where others must be alone), and 1 more are needed" in grant.sentence
    assert "남은 h 물량은 0장(다른 과제가 단독으로 사용하는 구역의 6장 제외)으로" in grant.sentence_ko


def test_open_ended_calls() -> None:
    """A call without an end is open from a day on, one without a beginning to a day."""
    late = P.model_copy(update={"applied": date(2026, 1, 30)})
    early = posed(late, pools=(Pool(pool="top", opens=date(2026, 2, 1)),))
    assert said(early).sentence.endswith("is open from 2026-02-01.")
    assert said(posed(late, pools=(Pool(pool="top", closes=date(2026, 1, 28)),))).sentence.endswith(
        "open to 2026-01-28."
    )


@pytest.mark.parametrize(
    ("tiers", "rank"),
    [
        (("merit",), "The least merit that was served there is 9; this project has 1."),
        (
            ("fairness", "utilisation"),
            "Who gets them is decided by the tiers, in this order: fairness; utilisation.",
        ),
    ],
)
def test_merit_is_named_where_it_decides(tiers: tuple[str, ...], rank: str) -> None:
    """Where merit is no tier, the sentence names the tiers, and no merit."""
    instance = posed(P, Q, tiers=tiers, requests=(ask("p", 5, 5), ask("q", 5, 5)))
    plan = plan_of(instance, {"q": {"r/n1": 5}})
    (sentence, *_) = (why.sentence for why in sentences(instance, plan))
    assert sentence.endswith(rank)
    assert ("merit" in sentence) == ("merit" in tiers)


def sentences(instance: Instance, plan: Plan) -> list[Why]:
    """Return why each request gets what it gets."""
    return list(reasons(instance, plan).values())


def test_what_comes_before_merit_is_named() -> None:
    """Where somebody of less merit is served, tiers before merit and floors are named; ties of `ranked`, too."""
    south = Limit(limit="south", per="region", of="south", kind="*", least=5)
    instance = posed(
        P.model_copy(update={"merit": 9.0}),
        Q.model_copy(update={"merit": 1.0, "region": "south"}),
        tiers=("served", "merit"),
        limits=(south,),
        requests=(ask("p", 5, 5), ask("q", 5, 5)),
    )
    grant = said(instance)
    assert grant.sentence.endswith("Decided before merit: the floors of limits.csv; projects served.")
    assert grant.sentence_ko.endswith("평가 점수보다 먼저 적용되는 기준: 최소 배정 한도, 선정 과제 수.")
    tied = posed(Q, P.model_copy(update={"merit": 9.0}), tiers=("ranked",), requests=(ask("p", 5, 5), ask("q", 5, 5)))
    assert said(tied).sentence.endswith("Of projects with the same merit, the earlier in projects.csv is served first.")


@pytest.mark.parametrize(("tiers", "code"), [(("merit",), "no_merit"), (("merit", "served"), "spare")])
def test_no_merit_only_where_no_other_tier_wants_them(tiers: tuple[str, ...], code: str) -> None:
    """A project without merit gets nothing for merit's sake; where the number served counts, that is no reason."""
    instance = posed(P.model_copy(update={"merit": 0.0}), tiers=tiers)
    assert sentences(instance, plan_of(instance, {}))[0].code == code


def test_spare_of_a_balance() -> None:
    """Half and half: with 2 of each, a third of p makes 3 of 5, half a GPU too many, and q half a GPU too few."""
    instance = posed(
        P.model_copy(update={"group": "industry"}),
        Q.model_copy(update={"group": "academia"}),
        tiers=("balance", "utilisation"),
        groups=(Group(group="industry", share=50), Group(group="academia", share=50)),
        requests=(ask("p", 1, 5), ask("q", 1, 2)),
    )
    grant = said(instance)
    assert (grant.reason, grant.gpus) == ("spare", 2)
    assert "the GPUs off the target shares of groups would rise from 0 to 1, and no tier before" in grant.sentence
    assert "목표 비율과의 차이가 0장에서 1장으로 늘어나며" in grant.sentence_ko


def test_tiers_are_named_as_in_the_report() -> None:
    """The tiers have the same names in reasons and in the report."""
    for place, lang in enumerate(("en", "ko")):
        assert {name: words[place] for name, words in TIER_WORDS.items()} == Words.of(lang).table["tier"]


BY_AMOUNT = {"call", "cap", "limit", "budget"}
BY_PLACE = {"shape", "power", "outranked", "lend", "level", "room"}


@given(instance=policies(Size(nodes=5, gpus=4, projects=4, levels=2)))
@often(150)
def test_reasons_of_policy_plans_are_true(instance: Instance) -> None:
    """In random best plans a step breaks the rule that is named, and where no place is said to be left none is."""
    try:
        result = kalloc.solve(instance, threads=1, time_limit=None)
    except (InfeasibleError, NoPlanError):
        return
    assert verify(instance, result.plan) == check(instance, result.plan) == []
    for grant in result.plan.grants:
        event(grant.reason)
        request = next(row for row in instance.requests_of[grant.project] if row.kind == grant.kind)
        amounts = [gpus for gpus in range(grant.gpus + 1, request.max + 1) if asked(instance, request, gpus)]
        if grant.reason in BY_AMOUNT:
            assert all(grant.reason in broken(result.plan, instance, grant, gpus) for gpus in amounts)
        if grant.reason in BY_PLACE and grant.project not in instance.stays:
            assert not any(seatable(instance, result.plan, grant, gpus) for gpus in amounts[:2])


def asked(instance: Instance, request: Request, gpus: int) -> bool:
    """Tell whether a request accepts an amount."""
    step = instance.step(request)
    first = request.min or step
    return gpus >= first and (gpus - first) % step == 0


def broken(plan: Plan, instance: Instance, grant: Grant, gpus: int) -> set[str]:
    """Return the rules that a plan breaks with another amount in one grant, wherever it sits."""
    grants = tuple(replace(row, gpus=gpus) if row is grant else row for row in plan.grants)
    return {violation.rule for violation in verify(instance, replace(plan, grants=grants))}


def seatable(instance: Instance, plan: Plan, grant: Grant, gpus: int) -> bool:
    """Tell whether a project can have an amount of a kind alone, where all others stay in their seats."""
    held = {row.kind: row.gpus for row in plan.grants if row.project == grant.project and row.gpus} | {grant.kind: gpus}
    if len(held) > 1:
        return False
    background = tuple(row for row in instance.placed if row.project not in instance.project_of)
    others = tuple(
        Placed(project=seat.project, node=seat.node, gpus=seat.gpus)
        for seat in plan.seats
        if seat.project != grant.project
    )
    requests = tuple(row for row in instance.requests if row.project != grant.project)
    projects = tuple(row.model_copy(update={"mandatory": row.project == grant.project}) for row in instance.projects)
    own = Request(project=grant.project, kind=grant.kind, min=gpus, max=gpus, step=gpus)
    try:
        fixed = instance.replace(placed=(*background, *others), requests=(*requests, own), projects=projects)
        kalloc.solve(fixed, threads=1, time_limit=None)
    except (InstanceError, InfeasibleError, NoPlanError):
        return False
    return True
