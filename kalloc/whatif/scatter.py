"""What fragmentation is proven of the grants of a plan, in a part of its instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalloc.naming import plan_of
from kalloc.place.rooms import Rooms
from kalloc.place.workers import Workers
from kalloc.solving import Decision, Run, bound_levels
from kalloc.verify import score

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan
    from kalloc.solver import Limits


def least_scattering(part: Instance, plan: Plan, limits: Limits) -> int:
    """Return a bound of the fragmentation of the projects of a part, for what a plan grants them; 0 if all else fails.

    All that the plan seats them on must be nodes of the part.
    """
    mine, node_ids = part.project_of, part.topology.node_ids
    granted = {(row.project, row.kind): row.gpus for row in plan.grants if row.gpus and row.project in mine}
    seats = {(seat.project, node_ids[seat.node]): seat.gpus for seat in plan.seats if seat.project in mine}
    run, value = Run(part, limits, None, explains=False), score(part, plan_of(part, granted, seats))
    with Workers(limits.threads, Rooms.of(part).relaxed) as workers:
        return bound_levels(run, workers, Decision(granted, seats, []), value)[1]
