"""What a plan says of itself: reasons put into it, and whether those that it has are true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kalloc.explain.books import Books
from kalloc.explain.cases import Case
from kalloc.explain.reasons import REASONS, Why
from kalloc.verify import Records, Violation

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

FIRST_ROW = 2
"""Row of the first record in a table: the header is row 1."""


def reasons(instance: Instance, plan: Plan, records: Records | None = None) -> Mapping[tuple[str, str], Why]:
    """Return why each request gets what it gets, by project and kind: the first reason that applies.

    The plan must keep the rules; of one that breaks them the sentences say nothing. ``records`` are those of the plan,
    where they are at hand.
    """
    books = Books(instance, plan, records)
    return {(row.project, row.kind): _why(Case(books, row)) for row in instance.requests}


def explained(instance: Instance, plan: Plan, records: Records | None = None) -> Plan:
    """Return a plan whose grants say why they are what they are."""
    why = reasons(instance, plan, records)
    rows = ((grant, why[grant.project, grant.kind]) for grant in plan.grants)
    grants = (
        replace(grant, reason=said.code, sentence=said.sentence, sentence_ko=said.sentence_ko) for grant, said in rows
    )
    return replace(plan, grants=tuple(grants))


def check(instance: Instance, plan: Plan) -> list[Violation]:
    """Return every reason of a plan that keeps the rules which is not what arithmetic gives anew."""
    found = []
    for row, (said, true) in enumerate(zip(plan.grants, explained(instance, plan).grants, strict=True), FIRST_ROW):
        for column in ("reason", "sentence", "sentence_ko"):
            if getattr(said, column) != getattr(true, column):
                message = f"allocations row {row}: {column} is {getattr(said, column)!r}, not {getattr(true, column)!r}"
                found.append(Violation("reason", message))
    return found


def _why(case: Case) -> Why:
    for reason in REASONS:
        facts = reason.applies(case)
        if facts is not None:
            return reason.why(case, facts)
    raise AssertionError("the last reason applies always")
