"""Plans with less scattering, made of one plan by taking projects out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.instance.policy import decimal
from kalloc.verify import Records, scattered, score

if TYPE_CHECKING:
    from kalloc.instance import Instance, Tier
    from kalloc.plan import Plan

THINNED = ("merit", "served", "utilisation")
"""Tiers to which each project adds by itself."""


def thinned(instance: Instance, plan: Plan, tier: Tier, allowed: Sequence[int]) -> Iterator[tuple[Fraction, int]]:
    """Yield, for each allowance of fragmentation, the value of a tier and the fragmentation of a plan within it.

    Projects are taken out, those first that scatter most for what they add; what the others hold and need stays as it
    is. Those that must be served, stay, or are promised something by a limit are left in, as long as that may be.
    """
    records = Records.of(instance, plan)
    excess, worth = {project: scattered(records, project) for project in records.seats}, _worth(records, tier)
    promised = {name for one in instance.policy.subjects if one.limit.least is not None for name in one.projects}
    free = [name for name in excess if excess[name] > 0 and name not in instance.stays and name not in promised]
    order = sorted(
        (name for name in free if not instance.project_of[name].mandatory),
        key=lambda name: (worth[name] / excess[name], name),
    )
    before = score(instance, plan)
    left, value = before.fragmentation, before.tiers[tier.name]
    taken = iter(order)
    for most in sorted(allowed, reverse=True):
        while left > most and (name := next(taken, None)) is not None:
            left -= excess[name]
            value -= worth[name]
        yield value, left


def _worth(records: Records, tier: Tier) -> Mapping[str, Fraction]:
    """Return what each project adds to a tier."""
    instance, found = records.instance, defaultdict[str, Fraction](Fraction)
    for row in instance.requests:
        gpus = records.held.get(row.project, {}).get(row.kind, 0)
        if tier.name == "merit":
            found[row.project] += gpus * decimal(instance.project_of[row.project].merit) * decimal(instance.value(row))
        elif tier.name == "served":
            found[row.project] = max(found[row.project], Fraction(gpus > 0))
        else:
            each = decimal(instance.performance[row.kind]) if tier.unit == "performance" else Fraction(1)
            found[row.project] += gpus * each
    return found
