"""The tiers that are one sum: what is made as large or as small as possible, in exact whole units."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from kalloc.allocate.model import Allocation
from kalloc.allocate.policy import Shares, weighted
from kalloc.instance import Tier
from kalloc.instance.policy import decimal, nepers, steps_around
from kalloc.solver import Terms, whole_row

MAX_UNITS = 2**50
"""A sum is counted in whole units of its smallest part, up to this many: solvers in floating point tell no more."""


@dataclass(frozen=True)
class Goal:
    """A sum to be made as large as possible; its value in the tier's own unit is ``sense`` · sum / ``unit``."""

    terms: Terms
    unit: int = 1
    sense: int = 1
    exact: bool = True
    """Whether the sum is exact, or rounded up."""

    def value(self, units: int) -> Fraction:
        """Return the tier's value of a sum."""
        return Fraction(self.sense * units, self.unit)


def merit(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier `merit`: Σ merit · value · GPUs."""
    return _sum(allocation, lambda index, offer: allocation.classes[index].offers[offer].worth)


def utilisation(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier `utilisation`: Σ GPUs, or Σ performance · GPUs."""
    performance = allocation.instance.performance
    if tier.unit == "gpus":
        return _sum(allocation, lambda index, offer: Fraction(1))
    return _sum(allocation, lambda index, offer: decimal(performance[allocation.classes[index].offers[offer].kind]))


def served(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier `served`: the number of projects that get anything."""
    terms: Terms = []
    for index, members in enumerate(allocation.classes):
        counts = [(allocation.served[index, offer], 1) for offer in range(len(members.offers))]
        if not members.amount_is_one:
            any_kind = allocation.model.variable(0, members.size)
            allocation.model.row([(any_kind, 1), *((count, -1) for count, _ in counts)], None, 0)
            counts = [(any_kind, 1)]
        terms += counts
    return Goal(terms)


def guarantees(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier `guarantees`: the GPUs missing from what was promised."""
    instance, terms = allocation.instance, []
    for row in instance.guarantees:
        if row.pool is not None:
            usage = allocation.usage(instance.pool_tree.below[row.pool], row.kind)
        else:
            mine = [number for number, members in enumerate(allocation.classes) if row.project in members.members]
            usage = [term for number in mine for term in allocation.total(number, row.kind)]
        missing = allocation.model.variable(0, row.gpus)
        allocation.model.row([*usage, (missing, 1)], row.gpus, None)
        terms.append((missing, -1))
    return Goal(terms, sense=-1)


def balance(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier `balance`: the GPUs that groups are off their shares beyond the tolerance."""
    instance = allocation.instance
    rows = [(row, row.share) for row in instance.groups if row.share is not None]
    shares = [(row.group, decimal(share) / 100, decimal(row.tolerance) / 100) for row, share in rows]
    unit = math.lcm(*(part.denominator for _, *parts in shares for part in parts))
    kinds = {kind.kind: Fraction(1) for kind in instance.kinds}
    everyone = range(len(allocation.classes))
    total = dict(weighted(allocation, everyone, kinds))
    most = sum(allocation.most(index) for index in everyone)
    terms: Terms = []
    for group, share, tolerance in shares:
        mine = [n for n in everyone if instance.project_of[allocation.classes[n].members[0]].group == group]
        own = dict(weighted(allocation, mine, kinds))
        off = allocation.model.variable(0, most * unit)
        for sign in (1, -1):
            excess: Shares = [(off, Fraction(-1, unit))]
            excess += [(v, sign * (own.get(v, Fraction(0)) - share * f) - tolerance * f) for v, f in total.items()]
            whole_row(allocation.model, excess, None, Fraction(0))
        terms.append((off, -1))
    return Goal(terms, unit, sense=-1)


def logarithms(allocation: Allocation, sums: Iterable[tuple[Terms, int, Fraction]]) -> Shares:
    """Return Σ weight · logarithm of some sums of GPUs, as the tier `fairness` has it.

    Each sum comes with the most that it can be and its weight. It is cut at 1, 2, 3, 4, 6, 8 …; as the logarithm
    flattens, the best plan fills the cuts in their order.
    """
    shares: Shares = []
    for terms, most, weight in sums:
        parts = []
        for low, high in pairwise(_cuts(most)):
            part = allocation.model.variable(0, min(high, most) - low)
            parts.append((part, -1))
            slope = (nepers(high) - nepers(low)) / (high - low)
            shares.append((part, weight * slope))
        allocation.model.row([*terms, *parts], 0, 0)
    return shares


def _cuts(most: int) -> list[int]:
    cuts = [0]
    while cuts[-1] < most:
        cuts.append(steps_around(cuts[-1])[1])
    return cuts


def _sum(allocation: Allocation, factor: Callable[[int, int], Fraction]) -> Goal:
    """Return Σ factor · GPUs over all offers."""
    shares = [
        (variable, gpus * factor(index, offer))
        for index, offer in allocation.served
        for variable, gpus in allocation.gpus(index, offer)
    ]
    every = allocation.served
    total = sum((factor(index, offer) * _most(allocation, index, offer) for index, offer in every), Fraction(0))
    return goal_of(shares, total)


def _most(allocation: Allocation, index: int, offer: int) -> int:
    members = allocation.classes[index]
    return members.size * members.offers[offer].amounts[-1]


def goal_of(shares: Shares, total: Fraction) -> Goal:
    """Return a goal in the smallest whole unit, or in one that ``total`` still fits in, rounded up."""
    unit = math.lcm(*(factor.denominator for _, factor in shares)) if shares else 1
    if total * unit <= MAX_UNITS:
        return Goal([(variable, int(factor * unit)) for variable, factor in shares], unit)
    coarse = max(1, MAX_UNITS // max(1, math.ceil(total)))
    return Goal([(variable, math.ceil(factor * coarse)) for variable, factor in shares], coarse, exact=False)


GOALS: Mapping[str, Callable[[Allocation, Tier], Goal]] = {
    "merit": merit,
    "utilisation": utilisation,
    "served": served,
    "guarantees": guarantees,
    "balance": balance,
}
"""The tiers of the allocation that are one sum, by name."""
