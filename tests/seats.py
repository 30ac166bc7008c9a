"""Plans written down by hand: who has how many GPUs on which node."""

from __future__ import annotations

from collections.abc import Mapping

from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat
from kalloc.verify import verify

Seats = Mapping[str, Mapping[str, int]]
"""GPUs by project and node name."""


def plan_of(instance: Instance, seats: Seats, granted: Mapping[tuple[str, str], int] | None = None) -> Plan:
    """Return a plan with these seats; it grants what is seated but for ``granted``."""
    topology, rows = instance.topology, []
    held = {(row.project, row.kind): 0 for row in instance.requests}
    for project, nodes in seats.items():
        for name, gpus in nodes.items():
            row = topology.row(topology.node_ids[name])
            rows.append(Seat(project, row.kind, row.path, name, gpus))
            held[project, row.kind] = held.get((project, row.kind), 0) + gpus
    held.update(granted or {})
    asked = {(row.project, row.kind): (row.min, row.max) for row in instance.requests}
    grants = [
        Grant(project, instance.project_of[project].pool, kind, gpus, *asked.get((project, kind), (0, 0)), "test")
        for (project, kind), gpus in held.items()
    ]
    return Plan(instance.name, instance.sha256, instance.hierarchy.levels, tuple(grants), tuple(rows))


def broken(instance: Instance, seats: Seats, granted: Mapping[tuple[str, str], int] | None = None) -> set[str]:
    """Return the names of the rules that a plan breaks."""
    return {violation.rule for violation in verify(instance, plan_of(instance, seats, granted))}
