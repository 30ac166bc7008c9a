"""What a model answers: allocation, seats and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat
from models.program import Status

Allocation = Mapping[tuple[str, str], int]
"""GPUs by project and kind."""

Seats = Mapping[tuple[str, int], int]
"""GPUs by project and node id."""


@dataclass(frozen=True)
class TierValue:
    """What a plan is worth on a tier, exactly."""

    name: str
    value: Fraction
    profile: tuple[Fraction, ...] = ()
    """All shares, from the smallest, where the tier is `fairness` with the rule `maxmin`."""


@dataclass(frozen=True)
class Outcome:
    """A status and, when a solution was found, what was decided. ``seats`` is empty for the allocation alone."""

    status: Status
    allocation: Allocation = field(default_factory=dict)
    seats: Seats = field(default_factory=dict)
    merit: Fraction | None = None
    fragmentation: int | None = None
    spans: Mapping[str, int] = field(default_factory=dict)
    """Domains that projects span, per level."""
    need: Mapping[str, int] = field(default_factory=dict)
    """Domains that projects need, per level."""
    tiers: tuple[TierValue, ...] = ()
    """The tiers that the model decides, in the order of the instance."""


def to_plan(instance: Instance, outcome: Outcome) -> Plan:
    """Return the outcome as a plan, for ``kalloc.verify``."""
    topology = instance.topology
    grants = tuple(
        Grant(
            project=row.project,
            pool=instance.project_of[row.project].pool,
            kind=row.kind,
            gpus=outcome.allocation.get((row.project, row.kind), 0),
            requested_min=row.min,
            requested_max=row.max,
            reason="",
        )
        for row in instance.requests
    )
    seats = (
        Seat(project, topology.row(node).kind, topology.row(node).path, topology.names[node], gpus)
        for (project, node), gpus in outcome.seats.items()
    )
    ordered = tuple(sorted(seats, key=lambda seat: (seat.project, seat.node)))
    return Plan(instance.name, instance.sha256, instance.hierarchy.levels, grants, ordered)
