"""A decision by names: the rows of a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat


def plan_of(instance: Instance, granted: Mapping[tuple[str, str], int], seats: Mapping[tuple[str, int], int]) -> Plan:
    """Return the plan of GPUs by project and kind, and by project and node; its reasons are left empty."""
    topology = instance.topology
    grants = tuple(
        Grant(
            row.project,
            instance.project_of[row.project].pool,
            row.kind,
            granted.get((row.project, row.kind), 0),
            row.min,
            row.max,
            reason="",
        )
        for row in instance.requests
    )
    names, row = topology.names, topology.row
    held: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (project, node), gpus in seats.items():
        held[project].append((node, int(gpus)))
    places = tuple(
        Seat(project, row(node).kind, row(node).path, names[node], gpus)
        for project in sorted(held)
        for node, gpus in sorted(held[project])
    )
    return Plan(instance.name, instance.sha256, instance.hierarchy.levels, grants, places)
