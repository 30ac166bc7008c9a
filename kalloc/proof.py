"""What is proven of a plan, said exactly: values, bounds, what they take as given, and how the solve ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from kalloc.allocate.model import Allocation
from kalloc.instance import Instance
from kalloc.plan import Termination, TierResult
from kalloc.solver import Limits
from kalloc.verify import Score


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
    instance: Instance, allocation: Allocation, bounds: Bounds, value: Score, by_level: int
) -> Proof:
    """Put together the bounds of every plan and that of the levels, which takes the allocation as given."""
    everywhere = bounds.fragmentation_bound or 0
    best, given = (everywhere, None) if everywhere >= by_level else (by_level, "allocation")
    tiers = {
        "merit": merit_tier(allocation, bounds.merit_bound, value.merit),
        "fragmentation": TierResult("fragmentation", value.fragmentation, best, given),
    }
    return Proof(tuple(tiers[name] for name in instance.objective.tiers), best)


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
