"""Reasons: each code where it is true, its figures, both languages, and what nobody may say of a best plan."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.explain import REASONS, Reason, check, explained, reasons
from kalloc.instance import Cap, Hierarchy, Instance, Kind, Placed, Pool, Project, Quota
from kalloc.plan import Plan, Seat
from kalloc.verify import verify
from tests.models.small import ask, make, nodes, sow

PAIR = (Kind(kind="h"), Kind(kind="b", performance=2))
FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))
P, Q = Project(project="p", pool="a"), Project(project="q", pool="b", merit=9)
CASES: dict[str, tuple[Instance, str]] = {
    "full": (
        make(pools=FAMILY, inventory=(nodes("r", 8),), projects=(P,), requests=(ask("p", 1, 4),)),
        "All 4 h asked for are granted.",
    ),
    "step": (
        make(pools=FAMILY, inventory=(nodes("r", 8),), projects=(P,), requests=(ask("p", 2, 5, step=2),)),
        "Of 5 h asked for, 4 are granted. One step of 2 more would be over what was asked for.",
    ),
    "cap": (
        make(
            pools=FAMILY,
            caps=(Cap(pool="top", kind="h", gpus=3), Cap(pool="a", kind="h", gpus=4), Cap(pool="b", kind="h", gpus=1)),
            inventory=(nodes("r", 8),),
            projects=(P,),
            requests=(ask("p", 1, 5),),
        ),
        "Of 5 h asked for, 3 are granted. Pool top caps each project at 3 h.",
    ),
    "other_kind": (
        make(
            kinds=PAIR,
            pools=FAMILY,
            inventory=(nodes("r", 8), nodes("r", 8, kind="b")),
            projects=(P,),
            requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
        ),
        "Instead of the 4 h asked for, 4 b are granted: the project takes one kind.",
    ),
    "no_nodes": (
        make(
            pools=FAMILY,
            inventory=(nodes("r", 8, owner="b", count=2), nodes("r", 8, state="down")),
            projects=(P,),
            requests=(ask("p", 1, 5),),
        ),
        "None of the 5 h asked for are granted. None of the 2 nodes of h that are up serves pool a.",
    ),
    "quota": (
        make(
            pools=FAMILY,
            quotas=(Quota(pool="a", kind="*", gpus=3),),
            inventory=(nodes("r", 8),),
            projects=(P, Project(project="o", pool="a", merit=2.5)),
            requests=(ask("p", 1, 5), ask("o", 2, 2)),
        ),
        "Of 5 h asked for, 1 are granted. Pool a uses 3 of the 3 GPUs that it may use, and 1 more are needed. "
        "The least merit that was served there is 2.5; this project has 1.",
    ),
    "borrowing": (
        make(
            pools=FAMILY,
            quotas=(Quota(pool="a", kind="h", gpus=2, borrow=9), Quota(pool="b", kind="h", gpus=4, lend=3)),
            inventory=(nodes("r", 8),),
            projects=(P, Q),
            requests=(ask("p", 1, 5), ask("q", 3, 3)),
        ),
        "Of 5 h asked for, 3 are granted. With 1 more, pool a would borrow 2 h; under top, other pools lend 1 and "
        "0 of them are borrowed already.",
    ),
    "room": (
        make(
            pools=FAMILY,
            inventory=(nodes("r", 8),),
            projects=(P,),
            requests=(ask("p", 1, 5),),
            placed=(Placed(project="old", node="r/n1", gpus=6),),
        ),
        "Of 5 h asked for, 2 are granted. Nodes that serve pool a have 2 h beside what stays, and 3 are needed.",
    ),
    "outranked": (
        make(pools=FAMILY, inventory=(nodes("r", 8),), projects=(P, Q), requests=(ask("p", 3, 5), ask("q", 6, 6))),
        "None of the 5 h asked for are granted. Of h on the nodes that serve pool a, 2 are left, and 3 more are "
        "needed. The least merit that was served there is 9; this project has 1.",
    ),
    "lend": (
        make(
            pools=FAMILY,
            quotas=(Quota(pool="a", kind="*", gpus=9, borrow=9), Quota(pool="b", kind="*", gpus=9, lend=2)),
            inventory=(nodes("r", 8, owner="b"), nodes("r", 1, owner="a")),
            projects=(P,),
            requests=(ask("p", 1, 5),),
        ),
        "Of 5 h asked for, 3 are granted. On the nodes that serve pool a, 6 h are left, but their owners lend only "
        "0 of them, and 1 more are needed.",
    ),
    "level": (
        make(
            pools=FAMILY,
            inventory=(nodes("r", 3), nodes("s", 2, count=2)),
            projects=(Project(project="p", pool="a", level="rack"), Q),
            requests=(ask("p", 5, 5), ask("q", 1, 1)),
        ),
        "None of the 5 h asked for are granted. The whole project must sit in one rack; none has more than 4 h for "
        "it, and 5 are needed.",
    ),
    "no_merit": (
        make(
            pools=FAMILY,
            inventory=(nodes("r", 8),),
            projects=(Project(project="p", pool="a", merit=0),),
            requests=(ask("p", 1, 5),),
        ),
        "None of the 5 h asked for are granted. GPUs of this kind add nothing to the merit of the plan: merit 0, "
        "value 1.",
    ),
}


@cache
def solved(code: str) -> tuple[Instance, Plan]:
    """Return the instance of a code with its plan."""
    return CASES[code][0], kalloc.solve(CASES[code][0], threads=1).plan


@pytest.mark.parametrize("code", CASES)
def test_reason(code: str) -> None:
    """Each code is given to a request that it is true of, with the figures that a hand finds."""
    grant = solved(code)[1].grants[0]
    assert (grant.reason, grant.sentence) == (code, CASES[code][1])


def test_spare() -> None:
    """A plan that leaves GPUs which a project could have says so."""
    instance, plan = solved("full")
    idle = replace(plan, seats=(), grants=(replace(plan.grants[0], gpus=0),))
    why = reasons(instance, idle)["p", "h"]
    assert (why.code, why.sentence.count("Another 1 would fit into the 8 that are left")) == ("spare", 1)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_both_languages_say_the_same(reason: Reason) -> None:
    """The Korean sentence has the figures of the English one, and ends as public notices do."""
    for en, ko in ((reason.en, reason.ko), *reason.variants):
        assert {name.removesuffix("_ko") for name in figures(ko)} == figures(en)
        assert re.search(r"니다(\([^)]*\)|\{[^}]*\})?\.$", ko)


def figures(template: str) -> set[str]:
    """Return the names of the figures of a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_korean() -> None:
    """Sentences as they are sent: whole, in part, and not at all."""
    assert solved("full")[1].grants[0].sentence_ko == "요청하신 h 4장을 전량 배정하였습니다."
    assert solved("cap")[1].grants[0].sentence_ko == (
        "요청하신 h 5장 중 3장을 배정하였습니다. top 풀의 과제당 h 상한은 3장입니다."
    )
    assert solved("outranked")[1].grants[0].sentence_ko == (
        "요청하신 h 5장을 배정하지 못하였습니다. a 풀에 제공되는 노드에 남은 h 물량은 2장으로, 추가로 필요한 3장에 "
        "미치지 못합니다. 해당 물량을 배정받은 과제 중 최저 평가 점수는 9점이며, 이 과제의 평가 점수는 1점입니다."
    )


def test_kinds_of_other_value() -> None:
    """Where the last one served was granted a kind of other value, what a GPU adds is compared, and shown."""
    instance = make(
        kinds=PAIR,
        quotas=(Quota(pool="top", kind="*", gpus=4),),
        inventory=(nodes("r", 8), nodes("r", 8, kind="b")),
        projects=(Project(project="p", pool="top", merit=3), Project(project="q", pool="top", merit=2.5)),
        requests=(ask("p", 4, 4), ask("q", 4, 4, kind="b")),
    )
    grant = kalloc.solve(instance, threads=1).plan.grants[0]
    rank = "A GPU of the least that was served there adds 5 (merit 2.5 × value 2); one of this project 3 (3 × 1)."
    assert (grant.reason, grant.sentence.endswith(rank)) == ("quota", True)
    assert grant.sentence_ko.endswith("최저 5점(2.5 × 2)이며, 이 과제는 3점(3 × 1)입니다.")


def test_names_with_braces() -> None:
    """Names are never read as templates."""
    instance = make(
        pools=(Pool(pool="{x}"),),
        inventory=(nodes("r", 8, owner="{x}"),),
        caps=(Cap(pool="{x}", kind="h", gpus=1),),
        projects=(Project(project="p", pool="{x}"),),
        requests=(ask("p", 1, 5),),
    )
    assert "Pool {x} caps" in kalloc.solve(instance, threads=1).plan.grants[0].sentence


def test_a_level_of_two_kinds() -> None:
    """Where a project mixes kinds in one domain, a domain counts only if it has the other kind, too."""
    instance = make(
        kinds=PAIR,
        pools=FAMILY,
        inventory=(nodes("r", 4, kind="b"), nodes("r", 1), nodes("s", 8)),
        projects=(Project(project="p", pool="a", level="rack", mix="any"),),
        requests=(ask("p", 2, 5), ask("p", 4, 4, kind="b", value=9)),
    )
    why = kalloc.solve(instance, threads=1).plan.grants[0]
    assert why.reason == "level"
    assert "none has more than 1 h for it, and 2 are needed" in why.sentence


def test_check_finds_what_is_not_true() -> None:
    """Any code or sentence that arithmetic does not bear out is found, with its row and column."""
    instance, plan = solved("quota")
    assert check(instance, plan) == []
    for column in ("reason", "sentence", "sentence_ko"):
        changes: dict[str, Any] = {column: "because"}
        said = replace(plan, grants=(replace(plan.grants[0], **changes), *plan.grants[1:]))
        (found,) = check(instance, said)
        assert str(found).startswith(f"reason: allocations row 2: {column} is 'because', not ")
        assert explained(instance, said) == plan


RULE_OF = {"step": "request", "cap": "cap", "other_kind": "mix", "quota": "quota", "borrowing": "borrowing"}


@pytest.mark.parametrize("seed", range(60))
def test_reasons_of_best_plans_are_true(seed: int) -> None:
    """In random best plans nobody could simply have had more, and each barred step breaks the rule that is named."""
    instance = sow(seed, nodes=5, gpus=4, projects=5, levels=2)
    try:
        result = kalloc.solve(instance, threads=1, time_limit=None)
    except (InfeasibleError, NoPlanError):
        return
    assert check(instance, result.plan) == []
    for grant in result.plan.grants:
        assert grant.reason != "spare" or result.tiers[0].gap
        if grant.reason in RULE_OF:
            request = next(row for row in instance.requests_of[grant.project] if row.kind == grant.kind)
            more = grant.gpus + instance.step(request) if grant.gpus else request.min or instance.step(request)
            grants = tuple(replace(row, gpus=more) if row is grant else row for row in result.plan.grants)
            broken = {violation.rule for violation in verify(instance, replace(result.plan, grants=grants))}
            assert RULE_OF[grant.reason] in broken
        if grant.reason == "outranked":
            assert addable(instance, result.plan, grant.project, grant.kind) < int(said(grant.sentence)[-1])


def said(sentence: str) -> list[str]:
    """Return the figures before ``more are needed``."""
    return re.findall(r"(\d+) more are needed", sentence)


def addable(instance: Instance, plan: Plan, project: str, kind: str) -> int:
    """Return the GPUs that a project could have beside the plan on nodes that serve it, node by node, as verified."""
    total = 0
    for node, name in enumerate(instance.topology.names):
        row = instance.topology.row(node)
        if row.kind != kind:
            continue
        had = next((seat.gpus for seat in plan.seats if (seat.project, seat.node) == (project, name)), 0)
        others = tuple(seat for seat in plan.seats if (seat.project, seat.node) != (project, name))
        for gpus in range(row.gpus - had, 0, -1):
            seats = (*others, Seat(project, kind, row.path, name, had + gpus))
            granted = tuple(
                replace(grant, gpus=grant.gpus + gpus) if (grant.project, grant.kind) == (project, kind) else grant
                for grant in plan.grants
            )
            broken = {v.rule for v in verify(instance, replace(plan, seats=seats, grants=granted))}
            if not broken & {"room", "eligible"}:
                total += gpus
                break
    return total


def test_large_sums_have_commas() -> None:
    """Figures of thousands are set apart by commas in both languages."""
    instance = make(
        hierarchy=Hierarchy(levels=("rack",)),
        inventory=(nodes("r", 8, count=500),),
        projects=(Project(project="p", pool="top"),),
        requests=(ask("p", 1600, 1600),),
    )
    grant = kalloc.solve(instance, threads=1).plan.grants[0]
    assert grant.sentence == "All 1,600 h asked for are granted."
    assert grant.sentence_ko == "요청하신 h 1,600장을 전량 배정하였습니다."
