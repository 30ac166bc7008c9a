"""The reasons in words: a code, its arithmetic, and a sentence in English and in Korean.

A new rule adds one function to :mod:`kalloc.explain.cases`, or :mod:`kalloc.explain.policy_cases`, and one entry to
:data:`REASONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kalloc.explain import cases, policy_cases
from kalloc.explain.books import Served
from kalloc.explain.cases import Case, Facts, score
from kalloc.explain.orders import before_merit, order_of


@dataclass(frozen=True)
class Why:
    """Why a request gets what it gets: a stable code and a sentence in English and in Korean."""

    code: str
    sentence: str
    sentence_ko: str


@dataclass(frozen=True)
class Reason:
    """A stable code, what tells whether it applies, and its sentence; figures stand in braces."""

    code: str
    applies: Callable[[Case], Facts | None]
    """The figures where it applies, None where it does not."""
    en: str
    ko: str
    variants: tuple[tuple[str, str], ...] = ()
    """Other sentences: the figure ``variant`` says which, counted from 1; 0 or none for the one above."""
    whole: bool = False
    """Whether the sentence says by itself how much is granted; otherwise that stands before it."""

    def why(self, case: Case, facts: Facts) -> Why:
        """Return the sentences with their figures."""
        request = case.request
        known = {
            "pool": case.pool,
            "kind": case.kind,
            "gets": case.gets,
            "step": case.step,
            "least": request.min,
            "most": request.max,
            **facts,
        }
        heads = ("", "") if self.whole else PART if case.gets else NONE
        value = case.books.instance.value(request)
        known |= {"merit": score(case.project.merit), "value": score(value), "worth": score(case.worth)}
        last, ranks = facts.get("last"), ("", "")
        if isinstance(last, Served):
            ranks = _ranks(case, last)
            known |= {"last": score(last.merit), "last_value": score(last.value), "last_worth": score(last.worth)}
            known |= {**order_of(case.books.instance), **before_merit(case.books.instance)}
        sentences = [(self.en, self.ko), *self.variants][int(str(facts.get("variant", 0)))]
        parts = zip(heads, sentences, ranks, strict=True)
        en, ko = (" ".join(part for part in sentence if part).format_map(known) for sentence in parts)
        return Why(self.code, en, ko)


def _ranks(case: Case, last: Served) -> tuple[str, str]:
    """Return the sentences that compare a request with the last one served, as far as merit decides."""
    books = case.books
    if books.deciding is None:
        return DECIDED
    ranked = books.deciding == "ranked"
    value, other = (case.books.instance.value(case.request), last.value) if not ranked else (1.0, 1.0)
    mine, theirs = (case.project.merit, last.merit) if ranked else (case.worth, last.worth)
    found = [RANK if value == other else WEIGHED]
    if theirs <= mine and before_merit(books.instance)["before"]:
        found.append(BEFORE)
    elif theirs == mine and ranked:
        found.append(TIE)
    return " ".join(en for en, _ in found), " ".join(ko for _, ko in found)


PART = (
    "Of {most:,} {kind} asked for, {gets:,} are granted.",
    "요청하신 {kind} {most:,}장 중 {gets:,}장을 배정하였습니다.",
)
NONE = ("None of the {most:,} {kind} asked for are granted.", "요청하신 {kind} {most:,}장을 배정하지 못하였습니다.")
RANK = (
    "The least merit that was served there is {last}; this project has {merit}.",
    "해당 물량을 배정받은 과제 중 최저 평가 점수는 {last}점이며, 이 과제의 평가 점수는 {merit}점입니다.",
)
WEIGHED = (
    "A GPU of the least that was served there adds {last_worth} (merit {last} × value {last_value}); one of this "
    "project {worth} ({merit} × {value}).",
    "해당 물량을 배정받은 과제의 GPU 1장당 환산점수(평가 점수 × GPU 가치)는 최저 {last_worth}점({last} × "
    "{last_value})이며, 이 과제는 {worth}점({merit} × {value})입니다.",
)
DECIDED = (
    "Who gets them is decided by the tiers, in this order: {order}.",
    "배정 대상은 다음 목표의 순서에 따라 결정하였습니다: {order_ko}.",
)
BEFORE = ("Decided before merit: {before}.", "평가 점수보다 먼저 적용되는 기준: {before_ko}.")
TIE = (
    "Of projects with the same merit, the earlier in projects.csv is served first.",
    "평가 점수가 같은 과제는 projects.csv에 기재된 순서에 따라 배정하였습니다.",
)
"""What stands before and after the sentence of a reason; values matter only where they differ."""

REASONS = (
    Reason(
        "call",
        policy_cases.call,
        "It applied on {applied}; the call of pool {caller} is open {span}.",
        "이 과제의 신청일은 {applied_ko}로, {caller} 풀의 공모 기간({span_ko})에 해당하지 않습니다.",
    ),
    Reason(
        "full",
        cases.full,
        "All {gets:,} {kind} asked for are granted.",
        "요청하신 {kind} {gets:,}장을 전량 배정하였습니다.",
        whole=True,
    ),
    Reason(
        "step",
        cases.step,
        "One step of {step:,} more would be over what was asked for.",
        "배정 단위가 {step:,}장이므로 한 단위를 더하면 요청 수량을 초과합니다.",
    ),
    Reason(
        "cap",
        cases.cap,
        "Pool {capping} caps each project at {cap:,} {kind}.",
        "{capping} 풀의 과제당 {kind} 상한은 {cap:,}장입니다.",
    ),
    Reason(
        "other_kind",
        cases.other_kind,
        "Instead of the {most:,} {kind} asked for, {other_gpus:,} {other} are granted: the project takes one kind.",
        "한 종류의 GPU만 사용하는 과제로서, 요청하신 {kind} {most:,}장 대신 {other} {other_gpus:,}장을 배정하였습니다.",
        whole=True,
    ),
    Reason(
        "no_nodes",
        cases.no_nodes,
        "None of the {nodes:,} nodes of {kind} that are up serves pool {pool}.",
        "가동 중인 {kind} 노드 {nodes:,}대 중 {pool} 풀에 제공되는 노드가 없습니다.",
    ),
    Reason(
        "limit",
        policy_cases.limit,
        "Limit {limit} allows {who} {ceiling:,} {what}: {used} are used, and {step:,} {kind}{needed}.",
        "‘{limit}’ 한도에 따른 {who_ko}의 {what_ko} 상한 {ceiling:,}장 중 {used}장이 배정되어, {kind} "
        "{step:,}장{needed_ko}을 추가로 배정할 수 없습니다.",
    ),
    Reason(
        "budget",
        policy_cases.budget,
        "Of the {won:,} won of budget {budget} of pool {holder}, {spent} are spent, and {step:,} {kind} more cost "
        "{cost} ({price} each{discount}).",
        "{holder} 풀의 ‘{budget}’ 예산 {won:,}원 중 {spent}원이 사용되어, {kind} {step:,}장의 비용 {cost}원(장당 "
        "{price}원{discount_ko})을 충당할 수 없습니다.",
    ),
    Reason(
        "quota",
        cases.quota,
        "Pool {holder} uses {used:,} of the {limit:,} {what} that it may use{shares}, and {step:,} more are needed.",
        "{holder} 풀의 {what_ko} 할당량 {limit:,}장{shares_ko} 중 {used:,}장이 배정되어, 필요한 {step:,}장을 추가로 "
        "배정할 수 없습니다.",
    ),
    Reason(
        "borrowing",
        cases.borrowing,
        "With {step:,} more, pool {borrower} would borrow {after:,} {what}; under {parent}, other pools lend {lent:,} "
        "and {others:,} of them are borrowed already.",
        "{step:,}장을 추가로 배정하려면 {borrower} 풀이 {what_ko} {after:,}장을 차용하여야 합니다. {parent} 소속의 "
        "다른 풀이 대여하는 수량은 {lent:,}장이고, 그중 {others:,}장은 이미 차용되었습니다.",
    ),
    Reason(
        "room",
        cases.room,
        "Nodes that serve pool {pool} have {room:,} {kind} beside what stays, and {needed:,} are needed.",
        "{pool} 풀에 제공되는 노드의 {kind} 물량은 기존 사용분을 제외하고 {room:,}장으로, 필요한 {needed:,}장에 "
        "미치지 못합니다.",
    ),
    Reason(
        "shape",
        policy_cases.shape,
        "Its seats must have this shape: {shapes}. {beside}, {open:,} of the {domains:,} domains of level {level} "
        "that serve it have room, for {room:,} {kind} in all, and {needed:,} are needed.",
        "배치 조건은 다음과 같습니다: {shapes_ko}. {beside_ko} {level} 계층의 구역 {domains:,}곳 중 {open:,}곳에 "
        "{kind} {room:,}장까지 배치할 수 있어, 필요한 {needed:,}장에 미치지 못합니다.",
        variants=(
            (
                "Its seats must have this shape: {shapes}. All that it has is then a multiple of {multiple:,}, and no "
                "amount of {kind} over {gets:,} that it asked for makes one{beside}.",
                "배치 조건은 다음과 같습니다: {shapes_ko}. 이 조건에서는 총 배정량이 {multiple:,}의 배수여야 하며, "
                "이를 충족하는 {gets:,}장 초과의 {kind} 신청 수량이 없습니다{beside_ko}.",
            ),
            (
                "Its seats must have this shape: {shapes}. Beside the other projects and within the limits on power "
                "there is room for {room:,} {kind}, and {needed:,} are needed.",
                "배치 조건은 다음과 같습니다: {shapes_ko}. 다른 과제의 배치와 전력 한도를 고려하면 {kind} "
                "{room:,}장까지 배치할 수 있어, 필요한 {needed:,}장에 미치지 못합니다.",
            ),
        ),
    ),
    Reason(
        "outranked",
        cases.outranked,
        "Of {kind} on the nodes that serve pool {pool}, {free:,} are left{beside}, and {step:,} more are needed.",
        "{pool} 풀에 제공되는 노드에 남은 {kind} 물량은 {free:,}장{beside_ko}으로, 추가로 필요한 {step:,}장에 미치지 "
        "못합니다.",
    ),
    Reason(
        "power",
        policy_cases.power,
        "On the nodes that serve pool {pool}, {free:,} {kind} are left, but limits on power let only {usable:,} of "
        "them be used ({powers}), and {step:,} more are needed.",
        "{pool} 풀에 제공되는 노드에 {kind} {free:,}장이 남아 있으나 전력 한도에 따라 사용할 수 있는 수량은 "
        "{usable:,}장({powers_ko})으로, 추가로 필요한 {step:,}장에 미치지 못합니다.",
    ),
    Reason(
        "lend",
        cases.lend,
        "On the nodes that serve pool {pool}, {free:,} {kind} are left, but their owners lend only {usable:,} of them, "
        "and {step:,} more are needed.",
        "{pool} 풀에 제공되는 노드에 {kind} {free:,}장이 남아 있으나 대여 한도에 따라 사용할 수 있는 수량은 "
        "{usable:,}장으로, 추가로 필요한 {step:,}장에 미치지 못합니다.",
    ),
    Reason(
        "level",
        cases.level,
        "The whole project must sit in one {level}; none has more than {there:,} {kind} for it, and {needed:,} are "
        "needed.",
        "전량을 하나의 {level} 안에 배치하여야 하나, 한 {level} 안에서 확보할 수 있는 {kind} 물량은 최대 "
        "{there:,}장으로 필요한 {needed:,}장에 미치지 못합니다.",
    ),
    Reason(
        "no_merit",
        cases.no_merit,
        "GPUs of this kind add nothing to the merit of the plan: merit {merit}, value {value}.",
        "이 종류의 GPU를 배정하여도 계획의 평가 점수 합이 늘지 않습니다(평가 점수 {merit}점, GPU당 가치 {value}).",
    ),
    Reason(
        "spare",
        cases.spare,
        "Another {step:,} would fit into the {free:,} that are left, but would not make the plan better by the order "
        "of the tiers ({order}), or the plan ended before it was proven best.",
        "남은 {free:,}장에서 {step:,}장을 추가로 배정할 수 있으나, 목표의 우선순위({order_ko})에 따른 이득이 없거나 "
        "최적으로 증명되기 전에 계획이 확정되었습니다.",
        variants=(
            (
                "Of the {free:,} that are left, no rule by itself forbids another {step:,}. They would not make the "
                "plan better by the order of the tiers ({order}), there is no place that keeps all rules together, or "
                "the plan ended before it was proven best.",
                "남은 {free:,}장에서 {step:,}장을 추가로 배정하는 것을 단독으로 제한하는 규칙은 없습니다. 다만 목표의 "
                "우선순위({order_ko})에 따른 이득이 없거나, 모든 규칙을 함께 충족하는 자리가 없거나, 최적으로 증명되기 "
                "전에 계획이 확정되었습니다.",
            ),
            (
                "Of the {free:,} that are left, no rule by itself forbids another {step:,}, but with them the GPUs off "
                "the target shares of groups would rise from {off} to {then}, and no tier before that one would gain.",
                "남은 {free:,}장에서 {step:,}장을 추가로 배정하는 것을 단독으로 제한하는 규칙은 없으나, 추가로 "
                "배정하면 신청자 유형별 목표 비율과의 차이가 {off}장에서 {then}장으로 늘어나며, 이보다 우선하는 "
                "목표에는 이득이 없습니다.",
            ),
        ),
    ),
)
"""Every reason, in the order in which they are tried; the last applies always."""
