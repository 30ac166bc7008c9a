"""Plans with less scattering that keep the first levels of a tier of many values, made of one plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kalloc.verify import Records, scattered
from kalloc.verify.tiers import Profile, profile

if TYPE_CHECKING:
    from kalloc.instance import Instance, Tier
    from kalloc.plan import Plan


class Trimmed(NamedTuple):
    """A plan that some projects were taken out of."""

    kept: int
    """First levels of the tier that it keeps."""
    fragmentation: int


def trimmed(instance: Instance, plan: Plan, tier: Tier, points: int) -> tuple[int, list[Trimmed]]:
    """Return the number of levels of a tier of many values, and plans that keep fewer and fewer of them.

    The plan must be the best by the tier. Projects that are scattered are taken out: of `ranked` those of the last
    turns first, of `fairness` those that scatter most for their GPUs. What the others hold and need stays as it is.
    Those that must be served, stay, or are promised something by a limit are left in.
    """
    records = Records.of(instance, plan)
    excess = {project: scattered(records, project) for project in records.seats}
    promised = {name for one in instance.policy.subjects if one.limit.least is not None for name in one.projects}
    fixed = promised | instance.stays.keys() | {row.project for row in instance.projects if row.mandatory}
    free = [name for name, more in excess.items() if more > 0 and name not in fixed]
    if tier.name == "ranked":
        turns = {row.project: n for n, row in enumerate(sorted(instance.projects, key=lambda row: -row.merit))}
        order = sorted(free, key=lambda name: -turns[name])
        kept = partial(_served, turns)
    else:
        best = profile(records, tier)
        order = sorted(free, key=lambda name: (-excess[name] / sum(records.held[name].values()), name))
        kept = partial(_kept, records, tier, best)
    found, total = [], sum(excess.values())
    for step in range(points):
        out = order[: len(order) * step // max(1, points - 1)]
        found.append(Trimmed(kept(out), total - sum(excess[name] for name in out)))
    return kept(()), found


def _served(turns: Mapping[str, int], out: Collection[str]) -> int:
    """Return the turns before the first of those that are taken out."""
    return min((turns[name] for name in out), default=len(turns))


def _kept(records: Records, tier: Tier, best: Profile, out: Collection[str]) -> int:
    """Return how many of its first levels the best profile keeps: no more have less than the share of any."""
    granted = {name: bundle for name, bundle in records.granted.items() if name not in out}
    seats = {name: nodes for name, nodes in records.seats.items() if name not in out}
    now = profile(Records(records.instance, granted, seats), tier)
    for level, (share, _) in enumerate(best):
        if sum(count for had, count in now if had < share) > sum(count for had, count in best if had < share):
            return level
    return len(best)
