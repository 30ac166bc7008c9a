"""The tiers as sums that are made as large as possible, and what the plan at hand reaches of each.

A tier of many values is several sums, one after the other: of `fairness` with the rule `maxmin` how many have more than
each share, from the smallest on; of `ranked` how many of the next projects have more than the plan gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, lcm

from kalloc.certificate.case import Bundle, Case
from kalloc.certificate.rows import Box, Name, Row
from kalloc.instance import Tier
from kalloc.instance.policy import decimal, nepers, steps_around
from kalloc.verify import Score, dues

Adds = Callable[[str, Bundle], int]
"""What a project with a bundle adds, a whole number."""


@dataclass(frozen=True)
class Aim:
    """A sum over projects and over what rows speak of, in whole units; the more the better."""

    name: str
    adds: Adds = lambda project, bundle: 0
    terms: Mapping[Name, int] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    """What the terms have to do with what projects get."""
    boxes: Mapping[Name, Box] = field(default_factory=dict)
    unit: int = 1
    """The tier's value is the sum, or less the sum, divided by this."""
    reached: int = 0
    """The sum of the plan at hand."""
    parties: frozenset[str] = frozenset()
    """Projects that are counted otherwise than those alike, if there are any."""


def merit(case: Case, tier: Tier) -> Aim:
    """Σ merit · value · GPUs."""
    return Aim(tier.name, case.merit, unit=case.unit)


def served(case: Case, tier: Tier) -> Aim:
    """The projects that have anything."""
    return Aim(tier.name, lambda project, bundle: int(bool(bundle)))


def utilisation(case: Case, tier: Tier) -> Aim:
    """Σ GPUs, or GPUs · performance."""
    weigh = case.instance.performance.items()
    factor = {kind: decimal(worth) if tier.unit == "performance" else Fraction(1) for kind, worth in weigh}
    unit = lcm(*(of.denominator for of in factor.values()))
    whole = {kind: int(of * unit) for kind, of in factor.items()}
    return Aim(tier.name, lambda project, bundle: sum(whole[kind] * x for kind, x in bundle.items()), unit=unit)


def guarantees(case: Case, tier: Tier) -> Aim:
    """Less the GPUs by which projects and pools stay under what they are promised."""
    rows, boxes = [], dict[Name, Box]()
    for of in case.instance.guarantees:
        if of.pool is not None:
            got: Iterable[Name] = case.usage(case.tree.below[of.pool], of.kind)
        else:
            got = [("got", of.project, kind) for kind in case.asks[of.project or ""] if of.kind in (kind, "*")]
        missing = ("missing", of.guarantee)
        boxes[missing] = (0, of.gpus)
        rows.append(Row((of.guarantee,), dict.fromkeys([*got, missing], -1), -of.gpus))
    return Aim(tier.name, terms=dict.fromkeys(boxes, -1), rows=rows, boxes=boxes)


def balance(case: Case, tier: Tier) -> Aim:
    """Less the GPUs by which groups are off their share beyond their tolerance."""
    shares = [(of, of.share) for of in case.instance.groups if of.share is not None]
    groups = [(of, decimal(share) / 100, decimal(of.tolerance) / 100) for of, share in shares]
    unit = lcm(*(part.denominator for _, *parts in groups for part in parts))
    total, rows, boxes = case.usage(case.pools, "*"), [], dict[Name, Box]()
    most = sum(max(sum(some.values()) for some in case.bundles(project)) for project in case.asks)
    for of, share, tolerance in groups:
        mine = [project for project, row in case.instance.project_of.items() if row.group == of.group]
        boxes["off", of.group] = (0, 2 * unit * most)
        for sign in (1, -1):
            terms: dict[Name, int] = {name: int(-unit * (sign * share + tolerance)) for name in total}
            terms |= {("got", project, kind): sign * unit for project in mine for kind in case.asks[project]}
            rows.append(Row((of.group, sign), {**terms, ("off", of.group): -1}, 0))
    return Aim(tier.name, terms=dict.fromkeys(boxes, -1), rows=rows, boxes=boxes, unit=unit)


def reserve(case: Case, tier: Tier) -> Aim:
    """The domains that nobody holds anything of; here all count that nobody keeps anything in."""
    empty = len(case.instance.policy.empty_domains[tier.level or ""])
    return Aim(tier.name, terms={("kept",): 1}, boxes={("kept",): (0, min(tier.count or 0, empty))})


def fairness(case: Case, tier: Tier) -> Aim:
    """Σ weight · logarithm, of projects or of what pools use: for those, every line between its steps is above it."""
    due = dues(case.instance, tier)
    steps = [0]
    while steps[-1] < case.instance.gpus_requested:
        steps.append(steps_around(steps[-1])[1])
    widest = max(high - low for low, high in pairwise([*steps, steps[-1] + 1]))
    unit = 10**6 * widest * lcm(*(weight.denominator for weight, _ in due.values()))

    def worth(who: str, gpus: int) -> int:
        return int(due[who][0] * nepers(gpus) * unit)

    if tier.by == "project":
        return Aim(tier.name, lambda p, bundle: worth(p, sum(bundle.values())) if p in due else 0, unit=unit)
    rows, boxes = [], dict[Name, Box]()
    for pool in due:
        logarithm = ("logarithm", pool)
        boxes[logarithm] = (0, worth(pool, steps[-1]))
        for low, high in pairwise(steps):
            slope = (worth(pool, high) - worth(pool, low)) // (high - low)
            most = max(worth(pool, step) - slope * step for step in steps)
            use = dict.fromkeys(case.usage(case.tree.below[pool], "*"), -slope)
            rows.append(Row((pool, low), {**use, logarithm: 1}, most))
    return Aim(tier.name, terms=dict.fromkeys(boxes, 1), rows=rows, boxes=boxes, unit=unit)


SUMS: dict[str, Callable[[Case, Tier], Aim]] = {
    tier.__name__: tier for tier in (merit, served, utilisation, guarantees, balance, reserve, fairness)
}
"""The tiers that are one sum."""


def share(case: Case, tier: Tier, score: Score, number: int) -> tuple[Aim, Aim]:
    """Return two sums for a share of the tier `fairness`, of which 0 is the smallest.

    Of the first a plan as good as the one at hand has no less: how many have such a share at least. The second is how
    many have more than that.
    """
    due = case.due(tier)

    def gpus(share: Fraction, more: bool) -> dict[str, int]:
        bounds = [(floor(share * whole) + 1 if more else ceil(share * whole), some) for whole, some in due.items()]
        return {who: bound for bound, some in bounds for who in some}

    def count_of(name: str, base: Mapping[str, int], gpus: Mapping[str, int], reached: int) -> Aim:
        told = f"{tier.name} {number} {name}"
        return _projects(told, gpus, reached) if tier.by == "project" else _pools(case, base, told, gpus, reached)

    least, base = gpus(score.profile[number][0], False), gpus(score.profile[0][0], False)
    left = len(base) - sum(count for _, count in score.profile[:number])
    at_least = count_of("at least", base if number else dict.fromkeys(base, 0), least, left)
    more = count_of("more", base, gpus(score.profile[number][0], True), left - score.profile[number][1])
    return at_least, more


def _projects(name: str, gpus: Mapping[str, int], reached: int) -> Aim:
    """Return how many projects have so many GPUs."""
    return Aim(name, lambda p, bundle: int(p in gpus and sum(bundle.values()) >= gpus[p]), reached=reached)


def _pools(case: Case, base: Mapping[str, int], name: str, gpus: Mapping[str, int], reached: int) -> Aim:
    """Return how many pools use so many GPUs, where all use a base; both are rounded up to what usage can be."""
    boxes, rows = dict[Name, Box](), []
    for pool, fewest in gpus.items():
        over, step = (name, pool), case.step(case.tree.below[pool], "*")
        least, start = (-(-some // step) * step for some in (fewest, base[pool]))
        boxes[over] = (0, 1)
        use = dict.fromkeys(case.usage(case.tree.below[pool], "*"), -1)
        rows.append(Row((pool,), {**use, over: least - start}, -start))
    return Aim(name, terms=dict.fromkeys(boxes, 1), rows=rows, boxes=boxes, reached=reached)


def worths(case: Case, project: str, bundle: Bundle) -> Fraction:
    """Return what a project gets, as it values its kinds itself."""
    rows = case.instance.requests_of[project]
    return sum((decimal(case.instance.value(row)) * bundle.get(row.kind, 0) for row in rows), Fraction(0))
