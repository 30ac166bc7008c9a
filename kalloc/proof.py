"""What is proven of a plan, said exactly: values, bounds, what they take as given, and how the solve ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from kalloc.allocate.lexicographic import Settled
from kalloc.instance import Instance, Project, Request, Tier
from kalloc.instance.objective import SENSES
from kalloc.instance.policy import decimal
from kalloc.plan import Termination, TierResult
from kalloc.solver import Limits
from kalloc.verify import Score

Granted = Mapping[tuple[str, str], int]
"""GPUs by project and kind."""
MOST_WAYS = 10_000
"""Bundles of one project that are compared to tell whether it has another one as good."""


@dataclass(frozen=True)
class Proof:
    """The tiers of a plan, and the best bound on its fragmentation."""

    tiers: tuple[TierResult, ...]
    fragmentation_bound: int

    @property
    def complete(self) -> bool:
        """Whether value and bound meet on every tier, for every plan."""
        return all(tier.bound == tier.value and tier.given is None and tier.complete for tier in self.tiers)


def proof_of(instance: Instance, settled: Sequence[Settled], granted: Granted, value: Score, by_level: int) -> Proof:
    """Put together the bounds of every plan and that of the levels, which takes the allocation as given.

    Where no other allocation has as much merit, what holds for this one holds for every plan.
    """
    known = {one.name: one for one in settled}
    tiers = []
    scattered, given = by_level, "allocation" if by_level else None
    everywhere = known.get("fragmentation")
    if everywhere is not None and everywhere.bound is not None and everywhere.bound >= by_level:
        scattered, given = int(everywhere.bound), None
    elif alone(instance, known, granted) and not _any_short(instance, known, value):
        given = None
    short = False
    for tier in instance.objective.tiers:
        settled_one = known.get(tier.name)
        if tier.name == "fragmentation":
            tiers.append(TierResult(tier.name, value.fragmentation, scattered, given))
        else:
            if short and settled_one is not None:
                settled_one = replace(settled_one, bound=settled_one.anyhow)
            tiers.append(_tier(instance, tier, settled_one, value))
        short |= settled_one is not None and _falls_short(tier, settled_one, value)
    return Proof(tuple(tiers), scattered)


def _any_short(instance: Instance, known: Mapping[str, Settled], value: Score) -> bool:
    tiers = instance.objective.tiers
    return any(_falls_short(tier, known[tier.name], value) for tier in tiers if tier.name in known)


def _falls_short(tier: Tier, settled: Settled, value: Score) -> bool:
    """Tell whether a plan is worse than what was settled: bounds of later tiers build on that, and do not hold then."""
    less = (value.tiers[tier.name] - settled.value) * (1 if SENSES[tier.name] == "max" else -1) < 0
    if tier.rule == "maxmin":
        return _listed(value.profile) < _listed(settled.profile)
    return less or (tier.name == "ranked" and not settled.complete)


def _listed(profile: Sequence[tuple[Fraction, int]]) -> list[Fraction]:
    return [share for share, count in profile for _ in range(count)]


def _tier(instance: Instance, tier: Tier, settled: Settled | None, value: Score) -> TierResult:
    """Return a tier whose bound holds for every plan; without a settled one, what can be counted bounds it."""
    exact = value.tiers[tier.name]
    profile = tuple((float(share), count) for share, count in value.profile) if tier.rule == "maxmin" else ()
    if settled is None and tier.name == "reserve":
        bound: Fraction | None = reservable(instance, tier)
    else:
        bound = None if settled is None else settled.bound
    complete = settled is None or settled.complete
    gap = None
    if profile and settled is not None and _listed(value.profile) >= _listed(settled.profile):
        gap = None if settled.gap is None else float(settled.gap)
    if tier.name == "ranked" and bound != exact:
        bound = None
    shown = None if bound is None else _outward(tier.name, bound, exact)
    return TierResult(tier.name, float(exact), shown, None, profile, complete, gap)


def reservable(instance: Instance, tier: Tier) -> Fraction:
    """Return how many domains the tier `reserve` could keep free if nobody but those who stay were there."""
    return Fraction(min(tier.count or 0, len(instance.policy.empty_domains[tier.level or ""])))


def _outward(name: str, bound: Fraction, exact: Fraction) -> float:
    """Return a bound as a float that is still one."""
    up = SENSES[name] == "max"
    if bound == exact or (bound < exact) == up:
        return float(exact)
    shown = float(bound)
    if up and Fraction(shown) < bound:
        return math.nextafter(shown, math.inf)
    return math.nextafter(shown, -math.inf) if not up and Fraction(shown) > bound else shown


def proven(instance: Instance, value: Score, settled: Sequence[Settled]) -> bool:
    """Tell whether a plan meets what bounds every plan, on every tier."""
    known = {one.name: one for one in settled}
    for tier in instance.objective.tiers:
        if tier.name == "fragmentation":
            bound: Fraction | None = Fraction(0)
        elif tier.name == "reserve":
            bound = reservable(instance, tier)
        else:
            bound = known[tier.name].bound
        complete = tier.name not in known or known[tier.name].complete
        if value.tiers[tier.name] != bound or not complete:
            return False
        if tier.rule == "maxmin" and value.profile != known[tier.name].profile:
            return False
    return True


def standing(instance: Instance, value: Score, granted: Granted) -> tuple[object, ...]:
    """Return what plans are compared by: the more the better, an earlier tier first."""
    found: list[object] = []
    for tier in instance.objective.tiers:
        if tier.name == "ranked":
            found.append(tuple(_worths(instance, granted)))
        elif tier.rule == "maxmin":
            found.append(tuple(share for share, count in value.profile for _ in range(count)))
        else:
            found.append(value.tiers[tier.name] * (1 if SENSES[tier.name] == "max" else -1))
    return tuple(found)


def _worths(instance: Instance, granted: Granted) -> Iterator[Fraction]:
    """Yield what each project gets is worth to it, in the order in which they are served."""
    for row in sorted(instance.projects, key=lambda row: -row.merit):
        asked = instance.requests_of[row.project]
        shares = (granted.get((row.project, ask.kind), 0) * decimal(instance.value(ask)) for ask in asked)
        yield sum(shares, Fraction(0))


def alone(instance: Instance, settled: Mapping[str, Settled], granted: Granted) -> bool:
    """Tell whether the tiers before fragmentation leave no other allocation than this one.

    By merit, where every project gets the one bundle that has most for it; by rank, where no other bundle is worth as
    much to it as the one that it gets. Each is a sufficient condition, not a necessary one.
    """
    names = instance.objective.names
    before = names[: names.index("fragmentation")] if "fragmentation" in names else ()
    if "merit" in before and all(_best(instance, project, granted) for project in instance.projects):
        return True
    by_rank = "ranked" in before and "ranked" in settled and settled["ranked"].complete
    return by_rank and all(_single(instance, project, granted) for project in instance.projects)


def _best(instance: Instance, project: Project, granted: Granted) -> bool:
    """Tell whether a project gets the one bundle that has most merit for it."""

    def worth(request: Request) -> Fraction:
        return decimal(instance.value(request)) * request.max

    rows = instance.requests_of[project.project]
    full = [row for row in rows if granted.get((row.project, row.kind), 0) == row.max and row.max > 0]
    if not rows:
        return True
    if project.merit <= 0 or not full or any(worth(row) <= 0 for row in full):
        return False
    others = [row for row in rows if row not in full]
    if project.mix == "any":
        return not others
    return len(full) == 1 and all(worth(row) < worth(full[0]) for row in others)


def _single(instance: Instance, project: Project, granted: Granted) -> bool:
    """Tell whether a project may have no other bundle that is worth as much to it as the one that it gets."""
    policy = instance.policy
    own = (one.limit for one in policy.subjects if one.limit.per == "project" and one.name == project.project)
    limits = [(policy.rates[row.limit], row.most) for row in own if row.most is not None]
    nothing = (Fraction(0), (Fraction(0),) * len(limits))
    ways: Counter[tuple[Fraction, tuple[Fraction, ...]]] = Counter([nothing])
    got = Fraction(0)
    for row in instance.requests_of[project.project]:
        value, amounts = decimal(instance.value(row)), instance.amounts(row)
        got += granted.get((row.project, row.kind), 0) * value
        if len(amounts) * len(ways) > MOST_WAYS:
            return False
        for (worth, loads), count in list(ways.items()) if project.mix == "any" else [(nothing, 1)]:
            for gpus in amounts:
                more = (load + rates.get(row.kind, 0) * gpus for load, (rates, _) in zip(loads, limits, strict=True))
                ways[worth + gpus * value, tuple(more)] += count
    fitting = (
        count
        for (worth, loads), count in ways.items()
        if worth == got and all(load <= most for load, (_, most) in zip(loads, limits, strict=True))
    )
    return sum(fitting) == 1


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
