"""A model that is solved again and again, each time with what was decided before kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from kalloc.allocate.goals import Goal
from kalloc.allocate.model import Allocation
from kalloc.solver import Answer, Ids, Limits, Status, Terms, solve_cp_sat, solve_relaxed, solve_scip

Profile = tuple[tuple[Fraction, int], ...]
"""Shares from the smallest, and how many have each."""


@dataclass(frozen=True)
class Settled:
    """What one tier came to. ``bound`` holds for every plan as good on the earlier tiers; None where nothing is proven.

    ``complete`` tells whether the whole of a tier of many values is proven, not its first value alone.
    """

    name: str
    value: Fraction
    bound: Fraction | None
    complete: bool = True
    profile: Profile = ()
    gap: Fraction | None = Fraction(0)
    """Of a tier of many values: the largest relative gap of any of them, None where one has no bound."""
    anyhow: Fraction | None = None
    """A bound of every plan at all, where one is known: for a plan that falls short on an earlier tier."""


class NoAnswerError(Exception):
    """No plan was found: none exists where ``infeasible``."""

    def __init__(self, infeasible: bool) -> None:
        self.infeasible = infeasible
        super().__init__("no plan exists" if infeasible else "no plan was found within the limits")


@dataclass
class Search:
    """The model of an allocation and the best point so far."""

    allocation: Allocation
    limits: Limits
    nodes: int | None = None
    """Nodes of the branch-and-bound tree, where that is limited."""
    values: Ids | None = None
    cut_short: bool = False
    hedged: bool = False
    """Whether there is a plan to fall back on, so that a stop ends the search at once."""
    loose: list[tuple[int, int]] = field(default_factory=list)
    """Rows that keep more than what every plan has that is as good on the tiers settled, with what such plans have."""

    def maximise(self, terms: Terms) -> Answer:
        """Return the best point for a sum, as an answer whose value and bound are those of the sum.

        The point becomes the best so far. Without one, nothing else can be said.

        Raises:
            NoAnswerError: when there never was a point.
        """
        answer = self.solve([(variable, -factor) for variable, factor in terms])
        if answer.values is None and self.values is None:
            raise NoAnswerError(answer.status is Status.INFEASIBLE)
        return answer

    def solve(self, cost: Terms) -> Answer:
        """Minimise a sum; a point becomes the best so far."""
        answer = self._minimise(cost, self.nodes)
        if answer.values is None and answer.status is not Status.INFEASIBLE and self.values is None:
            answer = answer if self.limits.over else solve_cp_sat(self.allocation.model, self.limits)
        if answer.values is not None:
            self.values = answer.values
        self.cut_short |= answer.status not in (Status.OPTIMAL, Status.INFEASIBLE)
        return answer

    def propose(self, cost: Terms, nodes: int | None) -> Answer:
        """Look for a point with a small sum within a small tree; the best so far is left alone where there is none."""
        answer = self._minimise(cost, nodes)
        if answer.values is not None:
            self.values = answer.values
        return answer

    def relax(self, cost: Terms) -> Answer:
        """Minimise a sum by its linear relaxation; a point that is whole by itself becomes the best so far."""
        self._price(cost)
        answer = solve_relaxed(self.allocation.model, self.limits)
        if answer.values is not None:
            self.values = answer.values
        return answer

    def bound(self, terms: Terms) -> int | None:
        """Return an upper bound of a sum over all plans as good on the tiers settled: some rows keep more than that."""
        model = self.allocation.model
        kept = [(row, model.row_lower[row]) for row, _ in self.loose]
        for row, lower in self.loose:
            model.row_lower[row] = lower
        answer = self._minimise([(variable, -factor) for variable, factor in terms], self.nodes)
        for row, before in kept:
            model.row_lower[row] = before
        return None if answer.bound is None else -answer.bound

    def _minimise(self, cost: Terms, nodes: int | None) -> Answer:
        self._price(cost)
        return solve_scip(self.allocation.model, self.limits, nodes=nodes)

    def _price(self, cost: Terms) -> None:
        if self.hedged and self.limits.stopped:
            raise NoAnswerError(infeasible=False)
        model = self.allocation.model
        model.cost[:] = [0] * model.size
        for variable, factor in cost:
            model.cost[variable] += factor

    def forget(self, rows: int, size: int) -> None:
        """Drop the rows and variables of the model after the first so many, and what the best point says of them."""
        self.allocation.model.truncate(rows, size)
        if self.values is not None:
            self.values = self.values[:size]

    def of(self, terms: Terms) -> int:
        """Return a sum at the best point so far; variables made later count as 0."""
        assert self.values is not None
        known = len(self.values)
        return sum(factor * int(self.values[variable]) for variable, factor in terms if variable < known)

    def settle(self, name: str, goal: Goal) -> Settled:
        """Make a goal as large as possible and keep it there."""
        answer = self.maximise(goal.terms)
        reached = self.of(goal.terms) if answer.value is None else -answer.value
        most = self.bound(goal.terms) if self.loose else None if answer.bound is None else -answer.bound
        bound = None if most is None else goal.value(most)
        self.allocation.model.row(goal.terms, reached, None)
        return Settled(name, goal.value(reached), bound, complete=goal.exact)
