"""The public local search ``rebalancer``, in a process of its own: ``python -m tests.benchmarks.localsearch FILE``.

It loads neither kalloc nor OR-Tools, whose libraries need not agree with those that ``rebalancer`` brings. FILE has
the problems as JSON; the container of every object is printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ABSOLUTE = 1
"""The type of a limit; rebalancer 1.0.4 takes its number, not the name that its stubs give."""

LARGEST_BUNDLE = 31
"""Shares that change places at once, at most: with nodes as shares, all of a unit but one."""


def search(problem: dict[str, Any]) -> dict[str, str]:
    """Return the container of every object: from the assignment that is given, fewer domains for every group."""
    from rebalancer import ProblemSolver

    solver = ProblemSolver("rebalancer", "kalloc")
    solver.disable_solution_summary().set_log_level("ERROR")
    solver.set_object_name("share").set_container_name(problem["level"])
    solver.set_assignment(problem["assignment"])
    solver.add_partition("project", problem["groups"])
    solver.add_object_dimension("gpus", {}, float(problem["grain"]))
    solver.add_container_dimension("gpus", {name: float(gpus) for name, gpus in problem["room"].items()})
    solver.add_constraint({"capacitySpec": {"name": "room", "scope": problem["level"], "dimension": "gpus"}})
    for level, domains in problem["scopes"].items():
        if level != problem["level"]:
            solver.add_scope(level, domains)
    for level, weight in problem["weights"].items():
        limits = {"type": ABSOLUTE, "globalLimit": 1.0, "groupLimits": problem["needs"][level]}
        colocate = {"name": level, "scope": level, "partitionName": "project", "limits": limits}
        solver.add_goal({"colocateGroupsSpec": colocate}, float(weight), 0)
    local = {"solveTime": max(1, round(problem["seconds"])), "randomSeed": 0, "moveTypeList": _moves(problem)}
    solver.add_solver({"localSearchSolverSpec": local})
    assignment: dict[str, str] = solver.solve()["assignment"]
    return assignment


def _moves(problem: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the moves to try: one share, two that change places, and bundles of a project's shares that do.

    Without bundles the search ends in a moment, since no single share of a project is worth moving.
    """
    single: list[dict[str, Any]] = [{"singleMoveTypeSpec": {}}, {"swapMoveTypeSpec": {}}]
    return single + [_bundles(problem, size) for size in range(2, LARGEST_BUNDLE + 1)]


def _bundles(problem: dict[str, Any], size: int) -> dict[str, Any]:
    groups = {"objectsFromGroupsSpec": {"groupList": {"partitionName": "project"}, "bundleSize": size}}
    hints = {
        "scopeName": problem["level"],
        "scopeItemToObjectsToExploreOptions": dict.fromkeys(problem["room"], groups),
        "adjustBundleSizeForIncompleteBundles": True,
    }
    return {"swapMoveTypeSpec": {"objectBundleFormationHints": hints}}


if __name__ == "__main__":
    problems = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps([search(problem) for problem in problems]))
