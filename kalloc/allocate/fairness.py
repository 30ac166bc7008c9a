"""The tier `fairness`: whose shares it compares, and the lexicographic max-min of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from kalloc.allocate.goals import Goal, goal_of, logarithms
from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.instance import ALL_KINDS, Instance, Tier
from kalloc.instance.policy import decimal, nepers
from kalloc.solver import Status, Terms

SCALE = 1000
"""Shares are pushed up together in steps of 1 / SCALE before they are told apart exactly."""


@dataclass
class Sharer:
    """Some that have one share each: alike projects, or one project or pool whose GPUs are a sum.

    ``whole`` is the GPUs that make a share of 1: what is asked, or the quota, times the weight.
    """

    whole: Fraction
    count: int
    weight: Fraction
    most: int
    terms: Terms
    """All its GPUs."""
    rungs: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Per offer, GPUs and the variable that counts who has at least as many; empty for a sum."""
    over: dict[int, int] = field(default_factory=dict)
    """Of a sum: a variable that is 1 only where it is at least so many GPUs."""

    def at_least(self, allocation: Allocation, share: Fraction) -> Terms:
        """Return how many have at least a share over 0, as terms."""
        gpus = math.ceil(share * self.whole)
        if self.rungs:
            firsts = [next((rung for amount, rung in rungs if amount >= gpus), None) for rungs in self.rungs]
            return [(rung, 1) for rung in firsts if rung is not None]
        if gpus > self.most:
            return []
        if gpus not in self.over:
            self.over[gpus] = allocation.model.variable(0, 1)
            allocation.model.row([*self.terms, (self.over[gpus], -gpus)], 0, None)
        return [(self.over[gpus], 1)]

    def shares(self, search: Search) -> list[Fraction]:
        """Return the shares at the best point so far."""
        if not self.rungs:
            return [search.of(self.terms) / self.whole]
        found: list[Fraction] = []
        for rungs in self.rungs:
            counts = [search.of([(rung, 1)]) for _, rung in rungs]
            for (gpus, _), here, above in zip(rungs, counts, [*counts[1:], 0], strict=True):
                found += [gpus / self.whole] * (here - above)
        return found + [Fraction(0)] * (self.count - len(found))

    def steps(self) -> set[Fraction]:
        """Return the shares that alike projects can have."""
        return {gpus / self.whole for rungs in self.rungs for gpus, _ in rungs}

    def above(self, share: Fraction) -> Fraction:
        """Return the smallest share over another that it could have: one GPU more, or the next rung."""
        if self.rungs:
            return min((step for step in self.steps() if step > share), default=share + 1)
        return (math.floor(share * self.whole) + 1) / self.whole


def sharers(allocation: Allocation, tier: Tier) -> list[Sharer]:
    """Return those whose shares the tier compares; projects need the ladder of the allocation."""
    if tier.by == "pool":
        return list(_pools(allocation, tier))
    return list(_projects(allocation))


def _projects(allocation: Allocation) -> Iterator[Sharer]:
    instance = allocation.instance
    for index, members in enumerate(allocation.classes):
        asked = instance.most_requested(members.members[0])
        if not asked:
            continue
        weight = decimal(instance.project_of[members.members[0]].weight)
        rungs: tuple[tuple[tuple[int, int], ...], ...] = ()
        if members.amount_is_one and members.offers:
            rungs = tuple(
                tuple(zip(offer.amounts, allocation.ladder[index, number], strict=True))
                for number, offer in enumerate(members.offers)
            )
        size = members.size if rungs else 1
        for _ in range(members.size // size):
            yield Sharer(weight * asked, size, weight, allocation.most(index), allocation.total(index), rungs)


def _pools(allocation: Allocation, tier: Tier) -> Iterator[Sharer]:
    instance = allocation.instance
    for pool, whole in wholes(instance, tier).items():
        weight = decimal(next(row.weight for row in instance.pools if row.pool == pool))
        terms = allocation.usage(instance.pool_tree.below[pool], ALL_KINDS)
        most = sum(factor * allocation.model.upper[variable] for variable, factor in terms)
        yield Sharer(weight * whole, 1, weight, most, terms)


def wholes(instance: Instance, tier: Tier) -> dict[str, int]:
    """Return the pools that the tier compares, with the GPUs asked below each, or its quota."""
    asked: dict[str, int] = defaultdict(int)
    for row in instance.projects:
        for pool in instance.pool_tree.line(row.pool):
            asked[pool] += instance.most_requested(row.project)
    own = {row.pool for row in instance.projects if instance.most_requested(row.project)}
    if tier.of == "asked":
        return {row.pool: asked[row.pool] for row in instance.pools if row.pool in own}
    quotas: dict[str, dict[str, int]] = defaultdict(dict)
    for quota in instance.quotas:
        quotas[quota.pool][quota.kind] = quota.gpus
    totals = {pool: kinds.get(ALL_KINDS, sum(kinds.values())) for pool, kinds in quotas.items()}
    return {row.pool: totals[row.pool] for row in instance.pools if totals.get(row.pool) and row.pool in asked}


def proportional(allocation: Allocation, tier: Tier) -> Goal:
    """Return the tier with the rule `proportional`: alike projects by their rungs, sums cut into pieces."""
    everyone = sharers(allocation, tier)
    shares = logarithms(allocation, ((one.terms, one.most, one.weight) for one in everyone if not one.rungs))
    shares += [
        (rung, one.weight * (nepers(gpus) - nepers(before)))
        for one in everyone
        for rungs in one.rungs
        for (before, _), (gpus, rung) in pairwise([(0, -1), *rungs])
    ]
    most = sum((factor * allocation.model.upper[variable] for variable, factor in shares), Fraction(0))
    return goal_of(shares, most)


def maxmin(search: Search, everyone: Sequence[Sharer]) -> Settled:
    """Raise the smallest share as far as possible, then the second, and so on.

    On finite sets the sorted shares are compared like the numbers of those with more than each share, from the
    smallest share on: so a share is proven when no plan has more above it (Ogryczak and Śliwiński, 2006).
    """
    left = sum(one.count for one in everyone)
    profile: list[tuple[Fraction, int]] = []
    if not left:
        return Settled("fairness", Fraction(0), Fraction(0))
    if search.values is None:
        search.maximise([])
    complete = True
    while left and complete:
        _push(search, everyone, left)
        share = _smallest(search, everyone, left)
        search.allocation.model.row(_at_least(search, everyone, share), left if share else 0, None)
        more = _at_least(search, everyone, _above(everyone, share))
        answer = search.maximise(more)
        complete = answer.status is Status.OPTIMAL and answer.value is not None
        if complete and -(answer.value or 0) < left:
            profile.append((share, left + (answer.value or 0)))
            left = -(answer.value or 0)
            search.allocation.model.row(more, left, None)
    if not complete:
        _keep(search, everyone)
    found = sorted(share for one in everyone for share in one.shares(search))
    bound = found[0] if profile else None
    return Settled("fairness", found[0], bound, complete, tuple(profile))


def _at_least(search: Search, everyone: Iterable[Sharer], share: Fraction) -> Terms:
    """Return how many have at least a share over 0, as terms."""
    return [term for one in everyone for term in one.at_least(search.allocation, share)]


def _smallest(search: Search, everyone: Sequence[Sharer], left: int) -> Fraction:
    """Return the smallest of the ``left`` largest shares."""
    return sorted((share for one in everyone for share in one.shares(search)), reverse=True)[left - 1]


def _above(everyone: Iterable[Sharer], share: Fraction) -> Fraction:
    """Return a share such that whoever has more than the given one has at least this."""
    return min(one.above(share) for one in everyone)


def _push(search: Search, everyone: Sequence[Sharer], left: int) -> None:
    """Find a point where those that sit above the smallest share left have more, all of them together.

    It only proposes a point: what is settled is proven afterwards. Alike projects need no push.
    """
    share = _smallest(search, everyone, left)
    sums = [one for one in everyone if not one.rungs and one.shares(search)[0] >= share]
    if not sums or len(sums) < left:
        return
    model = search.allocation.model
    rows, size = len(model.row_lower), model.size
    level = model.variable(0, SCALE * max(math.ceil(one.most / one.whole) for one in sums))
    for one in sums:
        whole = one.whole
        factors = [(variable, factor * SCALE * whole.denominator) for variable, factor in one.terms]
        model.row([*factors, (level, -whole.numerator)], 0, None)
    search.solve([(level, -1)])
    model.truncate(rows, size)
    if search.values is not None:
        search.values = search.values[:size]


def _keep(search: Search, everyone: Sequence[Sharer]) -> None:
    """Let nobody fall below the share it has, where time did not suffice to prove the rest."""
    for one in everyone:
        sums = [[(rung, 1)] for rungs in one.rungs for _, rung in rungs] or [one.terms]
        for terms in sums:
            search.allocation.model.row(terms, search.of(terms), None)
