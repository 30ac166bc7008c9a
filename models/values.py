"""What a plan is worth on every tier, counted from the plan itself, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from kalloc.instance import Instance, Tier
from kalloc.instance.policy import decimal, nepers
from models.asked import Key, grouped, guaranteed, requests, worth
from models.outcome import Allocation, Seats, TierValue
from models.shares import parties

Needs = Mapping[tuple[str, int], int]
"""Domains that a project needs, by project and depth of the level."""


def merit_of(instance: Instance, allocation: Allocation) -> Fraction:
    """Return Σ merit · value · GPUs, exactly."""
    numbers = worth(instance)
    return sum((numbers[key] * gpus for key, gpus in allocation.items()), Fraction(0))


def weight(instance: Instance, project: str, depth: int) -> int:
    """Return what a domain more than needed costs: the weight of the level and what the project's `prefer` adds."""
    policy = instance.policy
    preferred = (row for row in policy.shapes_of.get(project, ()) if row.shape == "prefer")
    return instance.topology.weights[depth] + sum(row.amount or 0 for row in preferred if policy.level(row) == depth)


def spans_of(instance: Instance, seats: Seats) -> dict[tuple[str, int], int]:
    """Return the domains that a project spans, by project and depth of the level."""
    projects = dict.fromkeys(project for project, _ in seats)
    return {
        (project, depth): len({int(domain_of[node]) for one, node in seats if one == project})
        for project in projects
        for depth, domain_of in enumerate(instance.topology.domain)
    }


def fragmentation_of(instance: Instance, seats: Seats, needs: Needs) -> int:
    """Return Σ weight · (spans − need) over projects and levels."""
    spans = spans_of(instance, seats)
    return sum(weight(instance, *key) * (spanned - needs[key]) for key, spanned in spans.items())


def reserve_of(instance: Instance, tier: Tier, seats: Seats) -> int:
    """Return how many domains with GPUs that are up hold neither a project nor background, as far as they count."""
    topology = instance.topology
    domain_of = topology.domain[topology.levels.index(tier.level or "")]
    alive = {int(domain_of[node]) for node, gpus in enumerate(topology.gpus) if gpus}
    used = {int(domain_of[node]) for node in (*instance.background, *(node for _, node in seats))}
    return min(tier.count or 0, len(alive - used))


def _got(allocation: Allocation, keys: Iterable[Key]) -> int:
    return sum(allocation.get(key, 0) for key in keys)


def _merit(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    return merit_of(instance, allocation)


def profile_of(instance: Instance, tier: Tier, allocation: Allocation) -> tuple[Fraction, ...]:
    """Return the shares of a tier ``fairness``, from the smallest."""
    return tuple(sorted(party.share(_got(allocation, party.keys)) for party in parties(instance, tier)))


def _fairness(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    if tier.rule == "maxmin":
        return min(profile_of(instance, tier, allocation), default=Fraction(0))
    having = parties(instance, tier)
    return sum((party.weight * nepers(_got(allocation, party.keys)) for party in having), Fraction(0))


def _served(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    return Fraction(sum(_got(allocation, requests(instance, [row.project])) > 0 for row in instance.projects))


def _utilisation(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    rates = {
        kind: decimal(number) if tier.unit == "performance" else 1 for kind, number in instance.performance.items()
    }
    return Fraction(sum(rates[kind] * gpus for (_, kind), gpus in allocation.items()))


def _guarantees(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    return Fraction(sum(max(0, row.gpus - _got(allocation, guaranteed(instance, row))) for row in instance.guarantees))


def _balance(instance: Instance, tier: Tier, allocation: Allocation) -> Fraction:
    everything, off = sum(allocation.values()), Fraction(0)
    for row in instance.groups:
        if row.share is not None:
            wanted = decimal(row.share) / 100 * everything
            beside = abs(_got(allocation, grouped(instance, row.group)) - wanted)
            off += max(Fraction(0), beside - decimal(row.tolerance) / 100 * everything)
    return off


COUNT: Mapping[str, Callable[[Instance, Tier, Allocation], Fraction]] = {
    "merit": _merit,
    "ranked": _merit,
    "fairness": _fairness,
    "served": _served,
    "utilisation": _utilisation,
    "guarantees": _guarantees,
    "balance": _balance,
}
"""The tiers that an allocation alone decides."""


def value(instance: Instance, tier: Tier, allocation: Allocation) -> TierValue:
    """Return what an allocation is worth on a tier that needs no seats."""
    profile = profile_of(instance, tier, allocation) if tier.rule == "maxmin" else ()
    return TierValue(tier.name, COUNT[tier.name](instance, tier, allocation), profile)


def values(instance: Instance, allocation: Allocation, seats: Seats, needs: Needs) -> tuple[TierValue, ...]:
    """Return what a plan is worth on every tier of its instance, in their order."""
    found = []
    for tier in instance.objective.tiers:
        if tier.name == "fragmentation":
            found.append(TierValue(tier.name, Fraction(fragmentation_of(instance, seats, needs))))
        elif tier.name == "reserve":
            found.append(TierValue(tier.name, Fraction(reserve_of(instance, tier, seats))))
        else:
            found.append(value(instance, tier, allocation))
    return tuple(found)
