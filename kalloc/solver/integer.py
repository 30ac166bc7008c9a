"""Integer programs: CP-SAT and SCIP, whose answers are rounded and checked in exact integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kalloc.solver.calls import abandonable, proto_of, watched
from kalloc.solver.linear import relaxed
from kalloc.solver.model import Answer, Ids, Limits, Model, Status

INTEGRALITY = 1e-5
"""How far from an integer a solver's value may lie before its answer is refused."""
BOUND_SLACK = 1e-6
RELATIVE_SLACK = 1e-10
"""Slack taken off a floating-point bound before it is rounded to the next integer: absolute, and by its size."""


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


def solve_cp_sat(model: Model, limits: Limits, hint: Ids | None = None) -> Answer:
    """Solve with CP-SAT, whose arithmetic is in integers. Reproducible for a given seed, effort and threads."""
    from ortools.sat.python import cp_model

    if limits.stopped:
        return Answer.nothing(Status.UNKNOWN)
    if model.absurd:
        return Answer.nothing(Status.INFEASIBLE)
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
    with watched(limits, solver.stop_search):
        status = solver.solve(program)
    if status == cp_model.INFEASIBLE:
        return Answer.nothing(Status.INFEASIBLE)
    bound = model.offset + int(solver.response_proto.inner_objective_lower_bound)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Status.UNKNOWN, None, None, bound)
    return _checked(model, [solver.value(column) for column in columns], bound, status == cp_model.OPTIMAL)


def solve_relaxed(model: Model, limits: Limits) -> Answer:
    """Return what the linear relaxation says: its bound, and its point where that is whole by itself."""
    if model.absurd:
        return Answer.nothing(Status.INFEASIBLE)
    bound, point = relaxed(model, limits)
    return Answer(Status.UNKNOWN, None, None, bound) if point is None else _checked(model, point, bound, closed=False)


def _integer_bound(bound: float) -> int | None:
    """Round a floating-point lower bound of an integer objective up, after taking off the solver's tolerance."""
    if not math.isfinite(bound) or abs(bound) > 2**52:
        return None
    return math.ceil(bound - BOUND_SLACK - RELATIVE_SLACK * abs(bound))


def solve_scip(model: Model, limits: Limits, nodes: int | None = None, eager: bool = False) -> Answer:
    """Solve with SCIP, one thread, on floating point; its answer is checked in integers, its bound taken with slack.

    ``nodes`` limits the branch-and-bound tree, which is reproducible where a time limit is not. ``eager`` spends the
    effort on points rather than on the bound.
    """
    import datetime

    from ortools.math_opt.python import mathopt

    if limits.stopped:
        return Answer.nothing(Status.UNKNOWN)
    if model.absurd:
        return Answer.nothing(Status.INFEASIBLE)
    program = mathopt.Model.from_model_proto(proto_of(model, integer=True))
    parameters = mathopt.SolveParameters(
        absolute_gap_tolerance=0.0, relative_gap_tolerance=limits.gap, random_seed=limits.seed, node_limit=nodes
    )
    if eager:
        parameters.heuristics, parameters.cuts = mathopt.Emphasis.HIGH, mathopt.Emphasis.OFF
    if math.isfinite(limits.deadline):
        parameters.time_limit = datetime.timedelta(seconds=limits.seconds)

    def run() -> Any:
        return mathopt.solve(program, mathopt.SolverType.GSCIP, params=parameters)

    result = abandonable(run, limits)
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
