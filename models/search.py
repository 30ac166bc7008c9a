"""Tier after tier on one program: the optimum of each becomes a row before the next is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pulp

from kalloc.instance import Tier
from models.outcome import Outcome
from models.program import Answer, Expression, InexactError, Program, Status


class Unproven(Exception):
    """A solve ended without a proven optimum: no later one can be asked for."""


class Search:
    """Solves of one program within one limit of time; ``answer`` is the latest of them."""

    def __init__(self, program: Program, solver: str | None = None, seconds: float | None = None) -> None:
        self.program = program
        self.answer = Answer(Status.UNKNOWN, {})
        self._solver = solver
        self._end = None if seconds is None else time.monotonic() + seconds
        self._held = ""
        self._rows: list[tuple[str, tuple[object, ...], Expression]] = []

    def most(self, label: str, *keys: object, of: Expression) -> int:
        """Return the most that an expression can have; every later answer has as much."""
        best = self.largest(label, of)
        self.hold(label, *keys, row=of >= best)
        return best

    def least(self, label: str, *keys: object, of: Expression) -> int:
        """Return the least that an expression can have; no later answer has more."""
        best = self._solve(label, self.program.minimise, of)
        self.hold(label, *keys, row=of <= best)
        return best

    def largest(self, label: str, of: Expression) -> int:
        """Return the most that an expression can have, without holding later answers to it."""
        return self._solve(label, self.program.maximise, of)

    def hold(self, label: str, *keys: object, row: Expression) -> None:
        """Have every later answer keep a row of the tier ``label``, as the latest does; after the last none must."""
        self._rows.append((label, keys, row))
        self._held = label

    def _solve(self, label: str, solve: Callable[..., Answer], of: Expression) -> int:
        if self.answer.found and not pulp.LpAffineExpression(of):
            return self.answer(of)
        for tier, keys, row in self._rows:
            self.program.rule(tier, *keys, row=row)
        self._rows.clear()
        left = None if self._end is None else max(0.1, self._end - time.monotonic())
        found = solve(of, self._solver, left)
        if found.status == Status.INFEASIBLE and self.answer.found:
            raise InexactError(f"the solver's own plan, best on {self._held}, breaks a row when {label} is asked for")
        if found.status != Status.OPTIMAL:
            best = found if found.found else self.answer
            self.answer = Answer(Status.FEASIBLE, best.values) if best.found else found
            raise Unproven(label)
        self.answer = found
        return found(of)


def decide(
    search: Search, tiers: Iterable[tuple[Tier, Callable[[], object]]], count: Callable[[Answer], Outcome]
) -> Outcome:
    """Decide tiers in order and return what came of it: every tier has in the end the value that it had at its turn.

    Raises:
        InexactError: when a later tier changed the value of an earlier one: the solver missed an optimum.
    """
    reached = []
    try:
        search.largest("plan", pulp.lpSum([]))
        for tier, ask in tiers:
            ask()
            reached += [found for found in count(search.answer).tiers if found.name == tier.name]
    except Unproven:
        if not search.answer.found:
            return Outcome(search.answer.status)
    outcome = count(search.answer)
    for found in reached:
        if found not in outcome.tiers:
            raise InexactError(
                f"tier {found.name} was {found.value} at its turn, and is not in the end: {outcome.tiers}"
            )
    return outcome
