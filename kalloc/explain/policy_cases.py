"""The arithmetic of the reasons that the policy gives: calls, limits, budgets, power and shapes."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.explain.cases import Case, Facts, lend, level, outranked, score
from kalloc.instance import ALL_KINDS

if TYPE_CHECKING:
    from kalloc.instance import Limit
    from kalloc.instance.policy import Subject

NAMED = 3
"""Domains that a sentence names."""
WHOSE = {"applicant": "신청기관", "group": "신청자 유형", "region": "지역", "project": "과제"}


def call(case: Case) -> Facts | None:
    """Its project applied outside a call."""
    instance, applied = case.books.instance, case.project.applied
    if case.project.project not in instance.policy.refused or applied is None:
        return None
    rows = {row.pool: row for row in instance.pools}
    for row in (rows[pool] for pool in instance.pool_tree.line(case.pool)):
        if (row.opens and applied < row.opens) or (row.closes and applied > row.closes):
            parts = ((f"from {row.opens}", row.opens), (f"to {row.closes}", row.closes))
            parts_ko = ((_day(row.opens) + "부터", row.opens), (_day(row.closes) + "까지", row.closes))
            span, span_ko = (" ".join(part for part, day in listed if day) for listed in (parts, parts_ko))
            days = {"applied": str(applied), "applied_ko": _day(applied), "span": span, "span_ko": span_ko}
            return {"caller": row.pool, **days}
    return None


def limit(case: Case) -> Facts | None:
    """One step more would be over a limit of those whom it counts together."""
    ledgers, policy = case.books.ledgers, case.books.instance.policy
    for number, subject in ledgers.subjects(case.project.project):
        row, rates = subject.limit, policy.rates[subject.limit.limit]
        rate, used = rates.get(case.kind, Fraction(0)), ledgers.used(number)
        needed = rate * case.step
        if rate and row.most is not None and used + needed > row.most:
            return {
                "limit": row.limit,
                **_whose(subject),
                **_counted(row),
                "ceiling": row.most,
                "used": score(used),
                "needed": f" more count {score(needed)}" if rate != 1 else " more are needed",
                "needed_ko": f"(환산 {score(needed)}장)" if rate != 1 else "",
                "last": ledgers.last_on_limit(number, case.project.project),
            }
    return None


def budget(case: Case) -> Facts | None:
    """One step more would cost more than a budget has left."""
    ledgers, instance = case.books.ledgers, case.books.instance
    price = instance.policy.price(case.project.project, case.kind)
    cost = price * case.step
    for row in ledgers.budgets(case.pool):
        spent = ledgers.spent(row)
        if cost and spent + cost > row.won:
            discount = next((group.discount for group in instance.groups if group.group == case.project.group), 0)
            off = {"discount": f", {score(discount)} % off", "discount_ko": f", 할인율 {score(discount)}% 적용"}
            figures = {"won": row.won, "spent": score(spent), "cost": score(cost), "price": score(price)}
            last = ledgers.last_on_budget(row, case.project.project)
            off = off if discount else dict.fromkeys(off, "")
            return {"budget": row.budget, "holder": row.pool, **figures, **off, "last": last}
    return None


def power(case: Case) -> Facts | None:
    """Nodes are free, but the power that is left does not do for one step."""
    if not case.books.instance.power:
        return None
    usable, short = case.books.seats.powered(case.pool, case.kind)
    if usable >= case.step:
        return None
    left = [(feed.domain, score(feed.watts / 1000)) for feed in short[:NAMED]]
    names = [(f"{one.power.power}: {one.power.level} {one.name}", kw) for one, kw in left]
    more = len(short) - NAMED
    powers = [*(f"{name} has {kw} kW left" for name, kw in names), *([f"{more} more"] if more > 0 else [])]
    powers_ko = [*(f"{name} 잔여 전력 {kw}kW" for name, kw in names), *([f"외 {more}건"] if more > 0 else [])]
    free = case.books.free(case.pool, case.kind)
    texts = {"powers": "; ".join(powers), "powers_ko": ", ".join(powers_ko)}
    last = case.books.last_on_nodes(case.pool, case.kind, case.project.project)
    return {"free": free, "usable": usable, **texts, "last": last}


def shape(case: Case) -> Facts | None:
    """No further amount is what its shapes allow, or the next one cannot be seated so."""
    instance, project = case.books.instance, case.project
    if case.next_amount is None:
        multiple = case.books.seats.multiple(project.project, case.kind, case.single)
        beside = f" beside {case.others:,} of other kinds" if case.others else ""
        beside_ko = f"(다른 종류 {case.others:,}장 포함)" if case.others else ""
        return {"variant": 1, "multiple": multiple, "beside": beside, "beside_ko": beside_ko, **_shapes(case)}
    if not _formed(case) and (project.level is None or any(rule(case) for rule in (outranked, power, lend, level))):
        return None
    within = None if project.level is None else instance.topology.levels.index(project.level)
    form = case.books.seats.form(project.project, case.kind, case.single)
    needed = case.gets + case.step
    for others, powered in ((False, False), (True, False), (True, True)):
        if (others and outranked(case)) or (powered and (not instance.power or power(case))):
            return None
        room = case.books.seats.room(project.project, case.kind, form, within, others, powered)
        if room.gpus < needed:
            figures = {"open": room.open, "domains": room.domains, "room": room.gpus, "needed": needed}
            beside, beside_ko = ALONE if not others else BESIDE
            where = {"level": instance.topology.levels[room.level], "beside": beside, "beside_ko": beside_ko}
            last = case.books.last_on_nodes(case.pool, case.kind, project.project) if others else None
            return {"variant": 2 if powered else 0, **figures, **where, **_shapes(case), "last": last}
    return None


ALONE = ("Even without any other project that moves", "기존 사용분만 고려하더라도")
BESIDE = ("Beside the other projects", "다른 과제의 배치를 고려하면")


def _formed(case: Case) -> bool:
    """Tell whether a shape forbids its project some seats."""
    shapes = case.books.instance.policy.shapes_of.get(case.project.project, ())
    return any(row.shape != "prefer" for row in shapes)


def _shapes(case: Case) -> Facts:
    """Return how the GPUs of a project must lie, in both languages."""
    found = []
    for row in case.books.instance.policy.shapes_of.get(case.project.project, ()):
        found += {
            "segment": [(f"segments of {row.amount} in one {row.level}", f"{row.level} 내 {row.amount}장 단위 묶음")],
            "spread": [(f"at most {row.amount} in one {row.level}", f"{row.level}당 최대 {row.amount}장")],
            "whole": [("whole nodes", "노드 전체 사용")],
            "exclusive": [(f"alone in every {row.level} that it uses", f"{row.level} 단독 사용")],
        }.get(row.shape, [])
    if case.project.level is not None:
        found.append((f"all in one {case.project.level}", f"하나의 {case.project.level} 안에 전량 배치"))
    if not found:
        found.append(("on nodes that serve it", "사용할 수 있는 노드에 배치"))
    return {"shapes": ", ".join(en for en, _ in found), "shapes_ko": ", ".join(ko for _, ko in found)}


def _whose(subject: Subject) -> Facts:
    row = subject.limit
    if row.per == "all":
        who, who_ko = "all projects", "전체 과제"
    else:
        who, who_ko = f"{row.per} {subject.name}", f"{WHOSE[row.per]} {subject.name}"
    if row.pool is None:
        return {"who": who, "who_ko": who_ko}
    return {"who": f"{who} in pool {row.pool}", "who_ko": f"{row.pool} 풀 {who_ko}"}


def _counted(row: Limit) -> Facts:
    if row.kind is None:
        return {"what": "GPUs at its exchange rates", "what_ko": "GPU 환산 물량"}
    return {"what": "GPUs", "what_ko": "GPU"} if row.kind == ALL_KINDS else {"what": row.kind, "what_ko": row.kind}


def _day(day: date | None) -> str:
    return "" if day is None else f"{day.year}년 {day.month}월 {day.day}일"
