"""Linear programs: bounds proven from their duals in exact integers, and programs that grow by columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from kalloc.solver.calls import abandonable, proto_of, solved_by_glop
from kalloc.solver.model import Limits, Model

DUAL_SCALE = 2**36
"""Duals are rounded to multiples of 1 / DUAL_SCALE before they prove a bound."""
AS_IT_STANDS = "use_preprocessing: false use_scaling: false"
"""GLOP goes on from its last basis only where the matrix has but gained columns; scaled anew, it has not."""


def relaxed_bound(model: Model, limits: Limits) -> int | None:
    """Return a lower bound from the linear relaxation, proven in exact integers from rounded duals."""
    return relaxed(model, limits)[0]


def relaxed(model: Model, limits: Limits) -> tuple[int | None, list[float] | None]:
    """Return a lower bound from the linear relaxation, proven in exact integers, and the point that it was found at.

    For any multipliers y, min c·x ≥ Σ y·(side of each row) + Σ min over the box of (c − y·A)·x. GLOP only proposes
    the multipliers, so nothing of its floating point is trusted (weak duality; Neumaier and Shcherbina, 2004).
    """
    from ortools.math_opt import solution_pb2

    if limits.stopped:
        return None, None
    result = abandonable(lambda: solved_by_glop(proto_of(model, integer=False), limits), limits)
    if result is None or not result.solutions:
        return None, None
    found, feasible = result.solutions[0], solution_pb2.SOLUTION_STATUS_FEASIBLE
    if found.dual_solution.feasibility_status != feasible:
        return None, None
    duals = found.dual_solution.dual_values
    multipliers = [0] * len(model.row_lower)
    for row, dual in zip(duals.ids, duals.values, strict=True):
        multipliers[row] = round(dual * DUAL_SCALE)
    bound, values = dual_bound(model, multipliers), found.primal_solution.variable_values
    if found.primal_solution.feasibility_status != feasible:
        return bound, None
    point = [0.0] * model.size
    for column, value in zip(values.ids, values.values, strict=True):
        point[column] = value
    return bound, point


def dual_bound(model: Model, multipliers: Sequence[int]) -> int:
    """Return the bound that row multipliers (in units of 1 / DUAL_SCALE) prove, in exact integers, rounded up."""
    reduced = [cost * DUAL_SCALE for cost in model.cost]
    total = 0
    for row, multiplier in enumerate(multipliers):
        side = model.row_lower[row] if multiplier > 0 else model.row_upper[row]
        if multiplier == 0 or side is None:
            continue
        total += multiplier * side
        for column, factor in zip(model.row_columns[row], model.row_factors[row], strict=True):
            reduced[column] -= multiplier * factor
    for column, price in enumerate(reduced):
        total += price * (model.lower[column] if price > 0 else model.upper[column])
    return model.offset + -(-total // DUAL_SCALE)


class ColumnProgram:
    """A linear program that is minimised again and again while columns are added, each time from where it stood.

    What it answers only proposes prices and columns: nothing is proven by it.
    """

    def __init__(self, rows: Sequence[tuple[float, float]]) -> None:
        """Start with rows that have a lower and an upper side, and no columns."""
        from ortools.linear_solver import pywraplp

        self._solver = pywraplp.Solver.CreateSolver("GLOP")
        self._solver.SetSolverSpecificParametersAsString(AS_IT_STANDS)
        self._rows = [self._solver.Constraint(low, high) for low, high in rows]
        self._solver.Objective().SetMinimization()
        self._columns: list[Any] = []

    def __len__(self) -> int:
        return len(self._columns)

    def add(self, cost: float, terms: Iterable[tuple[int, float]], upper: float = math.inf) -> int:
        """Add a column of non-negative values with (row, factor) pairs and return its number."""
        column = self._solver.NumVar(0.0, upper, "")
        self._solver.Objective().SetCoefficient(column, cost)
        for row, factor in terms:
            self._rows[row].SetCoefficient(column, factor)
        self._columns.append(column)
        return len(self._columns) - 1

    def row(self) -> int:
        """Add a row without sides or terms and return its number."""
        self._rows.append(self._solver.Constraint(-math.inf, math.inf))
        return len(self._rows) - 1

    def limit(self, row: int, low: float, high: float) -> None:
        """Change the sides of a row."""
        self._rows[row].SetBounds(low, high)

    def set(self, row: int, column: int, factor: float) -> None:
        """Change the factor of a column in a row."""
        self._rows[row].SetCoefficient(self._columns[column], factor)

    def reprice(self, column: int, cost: float) -> None:
        """Change the cost of a column."""
        self._solver.Objective().SetCoefficient(self._columns[column], cost)

    def duals(self, limits: Limits) -> tuple[float, list[float]] | None:
        """Return value and duals of the rows; None where the limits leave no time."""
        if limits.over:
            return None
        if math.isfinite(limits.deadline):
            self._solver.SetTimeLimit(max(1, int(1000 * limits.seconds)))
        status = abandonable(self._solver.Solve, limits)
        if status != self._solver.OPTIMAL:
            return None
        return self._solver.Objective().Value(), [row.dual_value() for row in self._rows]

    def solve(self, limits: Limits) -> tuple[float, list[float], list[float]] | None:
        """Return value, duals of the rows and values of the columns; None where the limits leave no time."""
        answer = self.duals(limits)
        return None if answer is None else (*answer, [column.solution_value() for column in self._columns])
