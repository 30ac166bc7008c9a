"""The tier `fairness`: whose shares it compares, and the sum of their logarithms."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from kalloc.allocate.goals import Goal, goal_of, logarithms
from kalloc.allocate.lexicographic import Search
from kalloc.allocate.model import Allocation
from kalloc.instance import ALL_KINDS, Instance, Tier
from kalloc.instance.policy import decimal, nepers
from kalloc.solver import Terms


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
            places = ((bisect_left(rungs, (gpus, -1)), rungs) for rungs in self.rungs)
            return [(rungs[place][1], 1) for place, rungs in places if place < len(rungs)]
        if gpus > self.most:
            return []
        if gpus not in self.over:
            self._climb(allocation, gpus)
        return [(self.over[gpus], 1)]

    def _climb(self, allocation: Allocation, gpus: int) -> None:
        """Make the variable of so many GPUs, a rung among those that there are: the sum is at least all their steps."""
        self.over[gpus] = allocation.model.variable(0, 1)
        rungs = sorted(self.over.items())
        steps = [(rung, before - at) for (before, _), (at, rung) in pairwise([(0, -1), *rungs])]
        allocation.model.row([*self.terms, *steps], 0, None)
        for (_, below), (_, above) in pairwise(rungs):
            if self.over[gpus] in (below, above):
                allocation.model.row([(above, 1), (below, -1)], None, 0)

    def held(self, search: Search) -> Counter[Fraction]:
        """Return how many have each share at the best point so far."""
        assert search.values is not None
        if not self.rungs:
            return Counter({search.of(self.terms) / self.whole: 1})
        found: Counter[Fraction] = Counter()
        for offer, rungs in enumerate(self.rungs):
            counts = [int(search.values[rung]) for _, rung in rungs]
            for share, here, above in zip(self.ladder[offer], counts, [*counts[1:], 0], strict=True):
                found[share] += here - above
        found[Fraction(0)] += self.count - found.total()
        return +found

    def share(self, search: Search) -> Fraction:
        """Return the share of a sum at the best point so far."""
        return search.of(self.terms) / self.whole

    @cached_property
    def ladder(self) -> tuple[tuple[Fraction, ...], ...]:
        """Per offer, the shares that alike projects can have."""
        return tuple(tuple(gpus / self.whole for gpus, _ in rungs) for rungs in self.rungs)

    @cached_property
    def steps(self) -> list[Fraction]:
        """The shares that alike projects can have, ascending."""
        return sorted({share for shares in self.ladder for share in shares})

    def above(self, share: Fraction) -> Fraction:
        """Return the smallest share over another that it could have: one GPU more, or the next rung."""
        if self.rungs:
            place = bisect_right(self.steps, share)
            return self.steps[place] if place < len(self.steps) else share + 1
        return (math.floor(share * self.whole) + 1) / self.whole


def sharers(allocation: Allocation, tier: Tier) -> list[Sharer]:
    """Return those whose shares the tier compares; projects need the ladder of the allocation."""
    if tier.by == "pool":
        return list(_pools(allocation, tier))
    return list(_projects(allocation))


def _projects(allocation: Allocation) -> Iterator[Sharer]:
    instance = allocation.instance
    for index, members in enumerate(allocation.classes):
        asked = instance.policy.asked(members.members[0])
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
    own = set()
    for row in instance.projects:
        if gpus := instance.policy.asked(row.project):
            own.add(row.pool)
        for pool in instance.pool_tree.line(row.pool) if row.project not in instance.policy.refused else ():
            asked[pool] += gpus
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
