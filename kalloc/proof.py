"""What is proven of a plan, said exactly: values, bounds, what they take as given, and how the solve ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from kalloc.allocate.model import Allocation
from kalloc.instance import Instance, Request
from kalloc.plan import Termination, TierResult
from kalloc.solver import Limits
from kalloc.verify import Score

Granted = Mapping[tuple[str, str], int]
"""GPUs by project and kind."""


class Bounds(Protocol):
    """What is proven for every plan: None where nothing is."""

    @property
    def merit_bound(self) -> int | None:
        """Upper bound in the units of the allocation model."""

    @property
    def fragmentation_bound(self) -> int | None:
        """Lower bound over every plan of the same merit."""


@dataclass(frozen=True)
class Proof:
    """The tiers of a plan, and the best bound on its fragmentation."""

    tiers: tuple[TierResult, ...]
    fragmentation_bound: int

    @property
    def complete(self) -> bool:
        """Whether value and bound meet on every tier, for every plan."""
        return all(tier.bound == tier.value and tier.given is None for tier in self.tiers)


def proof_of(
    instance: Instance, allocation: Allocation, bounds: Bounds, granted: Granted, value: Score, by_level: int
) -> Proof:
    """Put together the bounds of every plan and that of the levels, which takes the allocation as given.

    Where no other allocation has as much merit, what holds for this one holds for every plan.
    """
    everywhere = bounds.fragmentation_bound or 0
    if everywhere >= by_level or alone(instance, granted):
        best, given = max(everywhere, by_level), None
    else:
        best, given = by_level, "allocation"
    tiers = {
        "merit": merit_tier(allocation, bounds.merit_bound, value.merit),
        "fragmentation": TierResult("fragmentation", value.fragmentation, best, given),
    }
    return Proof(tuple(tiers[name] for name in instance.objective.names), best)


def alone(instance: Instance, granted: Granted) -> bool:
    """Tell whether every project gets the one bundle that has most merit for it, whatever others get.

    Then any other allocation has less merit. It is a sufficient condition, not a necessary one.
    """
    def worth(request: Request) -> Fraction:
        return Fraction(repr(float(instance.value(request)))) * request.max

    for project in instance.projects:
        rows = instance.requests_of[project.project]
        full = [row for row in rows if granted.get((row.project, row.kind), 0) == row.max and row.max > 0]
        if rows and (project.merit <= 0 or not full or any(worth(row) <= 0 for row in full)):
            return False
        others = [row for row in rows if row not in full]
        if project.mix == "any" and others:
            return False
        if project.mix == "one" and rows and (len(full) != 1 or any(worth(row) >= worth(full[0]) for row in others)):
            return False
    return True


def merit_tier(allocation: Allocation, bound: int | None, value: Fraction) -> TierResult:
    """Return the tier `merit`; a bound is rounded so that it stays one."""
    if bound is None:
        return TierResult("merit", float(value), None, None)
    exact = Fraction(bound, allocation.unit)
    shown = float(exact)
    if Fraction(shown) < exact and exact != value:
        shown = math.nextafter(shown, math.inf)
    return TierResult("merit", float(value), max(shown, float(value)), None)


def termination_of(proof: Proof, limits: Limits, cut_short: bool) -> Termination:
    """Say why the solve ended: ``optimal`` only where that is proven for every plan.

    A method that has nothing left to try ends at the gap that it reached.
    """
    if proof.complete:
        return Termination.OPTIMAL
    if limits.stop is not None and limits.stop.is_set():
        return Termination.INTERRUPTED
    if cut_short or limits.seconds <= 0:
        return Termination.TIME_LIMIT
    return Termination.GAP_REACHED


def facts_of(instance: Instance) -> dict[str, Any]:
    """Return the name, fingerprint and size of an instance."""
    return {
        "name": instance.name,
        "sha256": instance.sha256,
        "gpus": sum(row.gpus * row.count for row in instance.inventory),
        "nodes": instance.topology.node_count,
        "projects": len(instance.projects),
    }


def gpus_of(instance: Instance, allocated: int) -> dict[str, int]:
    """Return the GPUs that there are, that are asked for, and that are given."""
    return {
        "available": instance.gpus_available,
        "requested": instance.gpus_requested,
        "allocated": allocated,
    }
