"""What a model answers: allocation, seats and scores, counted again from the answer itself."""

from __future__ import annotations

import math
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


def worth(instance: Instance) -> dict[tuple[str, str], Fraction]:
    """Return merit × value of one GPU by project and kind, as the decimal numbers that were written."""
    return {
        (row.project, row.kind): Fraction(repr(instance.project_of[row.project].merit))
        * Fraction(repr(instance.value(row)))
        for row in instance.requests
    }


def scaled(numbers: Mapping[tuple[str, str], Fraction]) -> dict[tuple[str, str], int]:
    """Return the smallest integers in the same proportions."""
    parts = math.lcm(*(number.denominator for number in numbers.values()))
    common = math.gcd(*(int(number * parts) for number in numbers.values())) or 1
    return {key: int(number * parts) // common for key, number in numbers.items()}


def merit_of(instance: Instance, allocation: Allocation) -> Fraction:
    """Return Σ merit · value · GPUs, exactly."""
    numbers = worth(instance)
    return sum((numbers[key] * gpus for key, gpus in allocation.items()), Fraction(0))


def spans_of(instance: Instance, seats: Seats) -> dict[str, int]:
    """Return per level the domains that projects span, summed over projects."""
    topology = instance.topology
    return {
        level: len({(project, int(topology.domain[depth][node])) for project, node in seats})
        for depth, level in enumerate(topology.levels)
    }


def scored(
    instance: Instance, status: Status, allocation: Allocation, seats: Seats, need: Mapping[str, int]
) -> Outcome:
    """Return the outcome of an allocation and its seats, scored from these alone."""
    spans = spans_of(instance, seats)
    levels = zip(instance.topology.levels, instance.topology.weights, strict=True)
    fragmentation = sum(weight * (spans[level] - need[level]) for level, weight in levels)
    return Outcome(status, allocation, seats, merit_of(instance, allocation), fragmentation, spans, need)


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
