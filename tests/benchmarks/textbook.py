"""The text-book model of models/placement, handed to a solver of OR-Tools: as a process, and what came of it.

``python -m tests.benchmarks.textbook INSTANCE PLAN OUT SOLVER SECONDS MEBIBYTES`` seats the allocation of a plan.
"""

from __future__ import annotations

import datetime
import json
import math
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# OR-Tools first: PuLP loads HiGHS where it is installed, and OR-Tools cannot be loaded after it.
from ortools.math_opt.io.python import mps_converter  # isort: skip
from ortools.math_opt.python import mathopt  # isort: skip

import pulp

from kalloc.instance import Instance
from kalloc.io import load, read_plan
from kalloc.plan import Plan
from models.outcome import Allocation, to_plan
from models.placement import Model, build
from models.placement.model import outcome
from models.program import Answer, Status
from tests.benchmarks.cases import granted, write_plan

THREADS = {"CP-SAT": 2, "SCIP": 1}
"""Solvers, and the threads that each is given: SCIP, as it comes with OR-Tools, has one."""
TOLERANCE = 1e-6
"""Taken off a solver's bound before it is rounded to the next integer."""


@dataclass(frozen=True)
class Solved:
    """What a solver says: the value of every variable by name, where it found any, and its bound."""

    values: dict[str, int] | None
    bound: int | None
    proven: bool


def size(instance: Instance, allocation: Allocation) -> int:
    """Return the number of variables that the model would have: GPUs by project and node, spans by project and domain.

    It is counted before the model is built, since a large one cannot be.
    """
    topology, total = instance.topology, 0
    kinds = [row.kind for row in topology.groups]
    domains = {}
    for kind in {kind for _, kind in allocation}:
        nodes = [node for node in range(topology.node_count) if kinds[topology.group[node]] == kind]
        domains[kind] = len(nodes) + sum(len(set(domain[nodes].tolist())) for domain in topology.domain)
    for _, kind in allocation:
        total += domains[kind]
    return total


def solve(model: Model, solver: str, seconds: float) -> Solved:
    """Hand a model of PuLP to a solver of OR-Tools, as MPS."""
    program = mathopt.Model.from_model_proto(mps_converter.mps_to_model_proto(_mps(model)))
    kind = {"CP-SAT": mathopt.SolverType.CP_SAT, "SCIP": mathopt.SolverType.GSCIP}[solver]
    parameters = mathopt.SolveParameters(
        threads=THREADS[solver],
        time_limit=datetime.timedelta(seconds=seconds),
        absolute_gap_tolerance=0.0,
        relative_gap_tolerance=0.0,
    )
    result = mathopt.solve(program, kind, params=parameters)
    # MPS has no constant: what PuLP's objective adds to its terms is added here.
    constant = int(model.fragmentation.constant)
    dual = result.termination.objective_bounds.dual_bound
    # A solver that has not got far may know less than that nobody spans fewer domains than needed.
    bound = max(0, math.ceil(dual - TOLERANCE) + constant) if math.isfinite(dual) else None
    proven = result.termination.reason == mathopt.TerminationReason.OPTIMAL
    if not result.has_primal_feasible_solution():
        return Solved(None, bound, proven)
    values: dict[Any, float] = result.variable_values()
    return Solved({variable.name: round(value) for variable, value in values.items()}, bound, proven)


def _mps(model: Model) -> str:
    problem = model.program.problem
    problem.sense = pulp.LpMinimize
    problem.setObjective(model.fragmentation)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.mps"
        problem.writeMPS(str(path))
        return path.read_text(encoding="utf-8")


def seat(instance: Instance, plan: Plan, solver: str, seconds: float) -> tuple[Plan | None, Solved]:
    """Return the plan's allocation seated by the text-book model, where seats were found, and what is proven."""
    allocation = granted(plan)
    model = build(instance, allocation)
    assert model is not None, "a plan exists, so everybody fits"
    solved = solve(model, solver, seconds)
    if solved.values is None:
        return None, solved
    answer = Answer(Status.OPTIMAL if solved.proven else Status.FEASIBLE, solved.values)
    seats = to_plan(instance, outcome(instance, answer, allocation, model.seating)).seats
    return replace(plan, seats=seats), solved


def main(instance_path: str, plan_path: str, out: str, solver: str, seconds: str, mebibytes: str) -> int:
    """Seat, write the plan where there is one, and print what is proven; never hold more memory than is allowed."""
    most = int(mebibytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    instance = load(instance_path)
    found, solved = seat(instance, read_plan(Path(plan_path)), solver, float(seconds))
    if found is not None:
        write_plan(instance, found, Path(out), solved.bound)
    print(json.dumps({"found": found is not None, "bound": solved.bound, "proven": solved.proven}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
