"""What a plan is worth: every tier, merit and fragmentation, exact, counted from its seats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kalloc.verify.records import Records
from kalloc.verify.tiers import TIER_VALUES, Profile, fragmentation, merit, profile

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


class LevelScore(NamedTuple):
    """Spans of all projects at one level, and the spans that they need."""

    spans: int
    need: int


@dataclass(frozen=True)
class Score:
    """The exact value of a plan."""

    tiers: Mapping[str, Fraction]
    """Value of each tier, in the order of the objective."""
    profile: Profile
    """The shares of the tier ``fairness`` with the rule ``maxmin``, ascending, and how many have each; else empty."""
    merit: Fraction
    fragmentation: int
    """With what shapes ``prefer`` add."""
    levels: Mapping[str, LevelScore]
    """Per level, coarse to fine, ``node`` last."""
    gpus: int
    """GPUs that are seated."""


def score(instance: Instance, plan: Plan, records: Records | None = None) -> Score:
    """Return the exact value of a plan that :func:`kalloc.verify.verify` finds clean.

    ``records`` are those of the plan, where they are at hand.

    Raises:
        ValueError: for a plan that is not clean and holds more than the nodes have.
    """
    from kalloc.instance.objective import Tier

    records = records or Records.of(instance, plan)
    depths = range(len(instance.topology.levels))
    spans = [sum(counts[depth] for counts in records.spans.values()) for depth in depths]
    needs = [sum(counts[depth] for counts in records.needs.values()) for depth in depths]
    tiers = instance.objective.tiers
    maxmin = next((tier for tier in tiers if tier.rule == "maxmin"), None)
    return Score(
        tiers={tier.name: TIER_VALUES[tier.name](records, tier) for tier in tiers},
        profile=profile(records, maxmin) if maxmin is not None else (),
        merit=merit(records, Tier(name="merit")),
        fragmentation=int(fragmentation(records, Tier(name="fragmentation"))),
        levels=dict(zip(instance.topology.levels, map(LevelScore, spans, needs), strict=True)),
        gpus=sum(sum(bundle.values()) for bundle in records.held.values()),
    )
