"""The only door to OR-Tools: integer linear models in, checked integer answers and proven bounds out.

Every answer is rounded and checked against the model in exact integers before it leaves this module. CP-SAT and SCIP
do the integer work; the bound of a linear relaxation is proven from its duals in exact integers, whatever the solver.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Terms = list[tuple[int, int]]
"""(variable, factor) pairs of a row."""

INTEGRALITY = 1e-5
"""How far from an integer a solver's value may lie before its answer is refused."""
BOUND_SLACK = 1e-6
RELATIVE_SLACK = 1e-10
"""Slack taken off a floating-point bound before it is rounded to the next integer: absolute, and by its size."""
DUAL_SCALE = 2**36
"""Duals are rounded to multiples of 1 / DUAL_SCALE before they prove a bound."""
POLL_SECONDS = 0.05


class Stop(Protocol):
    """Anything that can say that the work should end, such as a ``threading.Event``."""

    def is_set(self) -> bool:
        """Tell whether to stop."""


class Status(Enum):
    """What is known of a model after a solve."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """An answer that was checked in integers.

    ``values`` has one integer per variable, or is None without a solution. ``bound`` is a proven lower bound of the
    objective (models minimise), or None.
    """

    status: Status
    values: Ids | None
    value: int | None
    bound: int | None

    @classmethod
    def nothing(cls, status: Status) -> Answer:
        """Return an answer that has no point and no bound."""
        return cls(status, None, None, None)


@dataclass(frozen=True)
class Limits:
    """How long a solve may take. ``deadline`` is on the clock of ``time.monotonic``; ``effort`` is reproducible.

    ``effort`` counts CP-SAT's deterministic seconds; the same model and effort give the same answer on any machine.
    """

    deadline: float = math.inf
    effort: float = math.inf
    stop: Stop | None = None
    seed: int = 0
    threads: int = 1
    gap: float = 0.0
    """Relative gap at which a solve may stop."""

    @property
    def seconds(self) -> float:
        """Seconds left before the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def over(self) -> bool:
        """Tell whether the deadline has passed or somebody said stop."""
        return self.seconds <= 0 or (self.stop is not None and self.stop.is_set())


@dataclass
class Model:
    """An integer linear program, minimised. Variables and rows are numbered from 0; coefficients are integers."""

    lower: list[int] = field(default_factory=list)
    upper: list[int] = field(default_factory=list)
    cost: list[int] = field(default_factory=list)
    row_lower: list[int | None] = field(default_factory=list)
    row_upper: list[int | None] = field(default_factory=list)
    row_columns: list[list[int]] = field(default_factory=list)
    row_factors: list[list[int]] = field(default_factory=list)
    offset: int = 0

    def variable(self, lower: int, upper: int, cost: int = 0) -> int:
        """Add an integer variable and return its number."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.cost.append(cost)
        return len(self.lower) - 1

    def row(self, terms: Iterable[tuple[int, int]], lower: int | None, upper: int | None) -> int:
        """Add lower ≤ Σ factor · variable ≤ upper over (variable, factor) pairs and return its number."""
        merged: dict[int, int] = {}
        for column, factor in terms:
            merged[column] = merged.get(column, 0) + factor
        self.row_columns.append([column for column, factor in merged.items() if factor])
        self.row_factors.append([factor for factor in merged.values() if factor])
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.row_lower) - 1

    @property
    def size(self) -> int:
        """Number of variables."""
        return len(self.lower)

    def value(self, values: Ids) -> int:
        """Return the objective of a point, exactly."""
        return self.offset + sum(cost * int(value) for cost, value in zip(self.cost, values, strict=True) if cost)

    def admits(self, values: Ids) -> bool:
        """Tell whether a point satisfies every bound and row, exactly."""
        point = [int(value) for value in values]
        inside = all(low <= x <= high for low, x, high in zip(self.lower, point, self.upper, strict=True))
        return inside and all(self._satisfied(row, point) for row in range(len(self.row_lower)))

    def _satisfied(self, row: int, point: Sequence[int]) -> bool:
        total = sum(f * point[c] for c, f in zip(self.row_columns[row], self.row_factors[row], strict=True))
        low, high = self.row_lower[row], self.row_upper[row]
        return (low is None or total >= low) and (high is None or total <= high)


def _checked(model: Model, raw: Sequence[float], bound: int | None, closed: bool) -> Answer:
    """Round a solver's point, check it in integers and say what it proves."""
    rounded = np.rint(np.asarray(raw, dtype=float))
    if np.abs(rounded - raw).max(initial=0.0) > INTEGRALITY:
        return Answer(Status.UNKNOWN, None, None, bound)
    values = rounded.astype(np.int64)
    if not model.admits(values):
        return Answer(Status.UNKNOWN, None, None, bound)
    value = model.value(values)
    if bound is not None and closed:
        bound = min(bound, value)
    proven = bound is not None and bound >= value
    return Answer(Status.OPTIMAL if proven else Status.FEASIBLE, values, value, bound)


@contextlib.contextmanager
def _watched(limits: Limits, interrupt: Callable[[], None]) -> Iterator[None]:
    """Call ``interrupt`` again and again once somebody says stop; some solvers ignore it before their search begins."""
    if limits.stop is None:
        yield
        return
    done = threading.Event()

    def watch(stop: Stop) -> None:
        while not done.wait(POLL_SECONDS):
            if stop.is_set():
                interrupt()

    watcher = threading.Thread(target=watch, args=(limits.stop,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _abandonable(run: Callable[[], Any], limits: Limits) -> Any:
    """Return what ``run`` returns, or None once somebody says stop.

    SCIP and GLOP do not heed an interrupt, so the call is left behind: its thread ends with its own time limit.
    """
    if limits.stop is None:
        return run()
    found: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            found.put((run(), None))
        except BaseException as error:
            found.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    while not limits.stop.is_set():
        with contextlib.suppress(queue.Empty):
            result, error = found.get(timeout=POLL_SECONDS)
            if error is not None:
                raise error
            return result
    return None


def solve_cp_sat(model: Model, limits: Limits, hint: Ids | None = None) -> Answer:
    """Solve with CP-SAT, whose arithmetic is in integers. Reproducible for a given seed, effort and threads."""
    from ortools.sat.python import cp_model

    program = cp_model.CpModel()
    columns = [program.new_int_var(low, high, "") for low, high in zip(model.lower, model.upper, strict=True)]
    for row, (low, high) in enumerate(zip(model.row_lower, model.row_upper, strict=True)):
        members = [columns[column] for column in model.row_columns[row]]
        expression = cp_model.LinearExpr.weighted_sum(members, model.row_factors[row])
        least = cp_model.INT_MIN if low is None else low
        most = cp_model.INT_MAX if high is None else high
        program.add_linear_constraint(expression, least, most)
    program.minimize(cp_model.LinearExpr.weighted_sum(columns, model.cost))
    if hint is not None:
        for column, value in zip(columns, hint, strict=True):
            program.add_hint(column, int(value))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = limits.threads
    solver.parameters.interleave_search = limits.threads > 1
    solver.parameters.random_seed = limits.seed
    solver.parameters.catch_sigint_signal = False
    solver.parameters.relative_gap_limit = limits.gap
    if math.isfinite(limits.deadline):
        solver.parameters.max_time_in_seconds = limits.seconds
    if math.isfinite(limits.effort):
        solver.parameters.max_deterministic_time = limits.effort
    with _watched(limits, solver.stop_search):
        status = solver.solve(program)
    if status == cp_model.INFEASIBLE:
        return Answer.nothing(Status.INFEASIBLE)
    bound = model.offset + int(solver.response_proto.inner_objective_lower_bound)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Status.UNKNOWN, None, None, bound)
    return _checked(model, [solver.value(column) for column in columns], bound, status == cp_model.OPTIMAL)


def _integer_bound(bound: float) -> int | None:
    """Round a floating-point lower bound of an integer objective up, after taking off the solver's tolerance."""
    if not math.isfinite(bound) or abs(bound) > 2**52:
        return None
    return math.ceil(bound - BOUND_SLACK - RELATIVE_SLACK * abs(bound))


def _proto(model: Model, integer: bool) -> Any:
    """Return the model, or its linear relaxation, as MathOpt's protocol buffer."""
    from ortools.math_opt import model_pb2

    proto = model_pb2.ModelProto()
    columns, rows = proto.variables, proto.linear_constraints
    columns.ids.extend(range(model.size))
    columns.lower_bounds.extend(map(float, model.lower))
    columns.upper_bounds.extend(map(float, model.upper))
    columns.integers.extend([integer] * model.size)
    costs = proto.objective.linear_coefficients
    costs.ids.extend(column for column, cost in enumerate(model.cost) if cost)
    costs.values.extend(float(cost) for cost in model.cost if cost)
    proto.objective.offset = float(model.offset)
    rows.ids.extend(range(len(model.row_lower)))
    rows.lower_bounds.extend(-math.inf if low is None else float(low) for low in model.row_lower)
    rows.upper_bounds.extend(math.inf if high is None else float(high) for high in model.row_upper)
    matrix = proto.linear_constraint_matrix
    for row, (members, factors) in enumerate(zip(model.row_columns, model.row_factors, strict=True)):
        pairs = sorted(zip(members, factors, strict=True))
        matrix.row_ids.extend([row] * len(pairs))
        matrix.column_ids.extend(column for column, _ in pairs)
        matrix.coefficients.extend(float(factor) for _, factor in pairs)
    return proto


def solve_scip(model: Model, limits: Limits, nodes: int | None = None) -> Answer:
    """Solve with SCIP, one thread, on floating point; its answer is checked in integers, its bound taken with slack.

    ``nodes`` limits the branch-and-bound tree, which is reproducible where a time limit is not.
    """
    import datetime

    from ortools.math_opt.python import mathopt

    program = mathopt.Model.from_model_proto(_proto(model, integer=True))
    parameters = mathopt.SolveParameters(
        absolute_gap_tolerance=0.0, relative_gap_tolerance=limits.gap, random_seed=limits.seed, node_limit=nodes
    )
    if math.isfinite(limits.deadline):
        parameters.time_limit = datetime.timedelta(seconds=limits.seconds)

    def run() -> Any:
        return mathopt.solve(program, mathopt.SolverType.GSCIP, params=parameters)

    result = _abandonable(run, limits)
    if result is None:
        return Answer.nothing(Status.UNKNOWN)
    if result.termination.reason == mathopt.TerminationReason.INFEASIBLE:
        return Answer.nothing(Status.INFEASIBLE)
    bound = _integer_bound(result.termination.objective_bounds.dual_bound)
    if not result.has_primal_feasible_solution():
        return Answer(Status.UNKNOWN, None, None, bound)
    found = result.variable_values()
    raw = [found[column] for column in program.variables()]
    return _checked(model, raw, bound, result.termination.reason == mathopt.TerminationReason.OPTIMAL)


def relaxed_bound(model: Model, limits: Limits) -> int | None:
    """Return a lower bound from the linear relaxation, proven in exact integers from rounded duals.

    For any multipliers y, min c·x ≥ Σ y·(side of each row) + Σ min over the box of (c − y·A)·x. GLOP only proposes
    the multipliers, so nothing of its floating point is trusted (weak duality; Neumaier and Shcherbina, 2004).
    """
    import datetime

    from ortools.math_opt.python import mathopt

    program = mathopt.Model.from_model_proto(_proto(model, integer=False))
    parameters = mathopt.SolveParameters()
    if math.isfinite(limits.deadline):
        parameters.time_limit = datetime.timedelta(seconds=limits.seconds)

    def run() -> Any:
        return mathopt.solve(program, mathopt.SolverType.GLOP, params=parameters)

    result = _abandonable(run, limits)
    if result is None or not result.has_dual_feasible_solution():
        return None
    duals = result.dual_values()
    multipliers = [round(duals[row] * DUAL_SCALE) for row in program.linear_constraints()]
    return dual_bound(model, multipliers)


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
