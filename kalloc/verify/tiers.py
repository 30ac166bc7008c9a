"""One function per tier, with the tier's name: the exact value of a plan, counted from its seats.

Each takes the records of a plan and the tier with its settings. None looks at how a plan was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kalloc.verify.records import Records

if TYPE_CHECKING:
    from kalloc.instance import Instance, Tier

Profile = tuple[tuple[Fraction, int], ...]
"""Shares, ascending, and how many have each."""


class Party(NamedTuple):
    """A project or a pool that the tier ``fairness`` looks at."""

    got: int
    weight: Fraction
    due: int
    """What was asked, or the quota, in GPUs; over 0."""


def merit(records: Records, tier: Tier) -> Fraction:
    """Return Σ merit · value · GPUs."""
    from kalloc.instance.policy import decimal

    instance = records.instance
    numerators = Counter[int]()
    for row in instance.requests:
        gpus = records.held.get(row.project, {}).get(row.kind, 0)
        if gpus:
            each, value = decimal(instance.project_of[row.project].merit), decimal(instance.value(row))
            numerators[each.denominator * value.denominator] += gpus * each.numerator * value.numerator
    return sum((Fraction(above, below) for below, above in numerators.items()), Fraction(0))


def ranked(records: Records, tier: Tier) -> Fraction:
    """Return Σ merit · value · GPUs: that of every plan that serves projects in order is the same."""
    return merit(records, tier)


def fairness(records: Records, tier: Tier) -> Fraction:
    """Return the smallest share, 0 when nobody has one, or with ``proportional`` Σ weight · nepers."""
    from kalloc.instance.policy import nepers

    if tier.rule == "proportional":
        return sum((party.weight * nepers(party.got) for party in _parties(records, tier)), Fraction(0))
    shares = profile(records, tier)
    return shares[0][0] if shares else Fraction(0)


def profile(records: Records, tier: Tier) -> Profile:
    """Return all shares of the tier ``fairness``, ascending, and how many have each."""
    alike = Counter((got, *weight.as_integer_ratio(), due) for got, weight, due in _parties(records, tier))
    shares = Counter[Fraction]()
    for (got, above, below, due), count in alike.items():
        shares[Fraction(got * below, above * due)] += count
    return tuple(sorted(shares.items()))


def served(records: Records, tier: Tier) -> Fraction:
    """Return the number of projects that have anything."""
    return Fraction(len(records.seats))


def utilisation(records: Records, tier: Tier) -> Fraction:
    """Return the GPUs in use, or their performance."""
    from kalloc.instance.policy import decimal

    total = sum((Counter(bundle) for bundle in records.held.values()), Counter[str]())
    if tier.unit == "performance":
        performance = records.instance.performance
        return sum((decimal(performance[kind]) * gpus for kind, gpus in total.items()), Fraction(0))
    return Fraction(total.total())


def guarantees(records: Records, tier: Tier) -> Fraction:
    """Return the GPUs by which projects and pools stay under what they are promised."""
    missing = 0
    for row in records.instance.guarantees:
        bundle = records.held.get(row.project, {}) if row.project is not None else records.used[row.pool or ""]
        missing += max(0, row.gpus - _of_kind(bundle, row.kind))
    return Fraction(missing)


def balance(records: Records, tier: Tier) -> Fraction:
    """Return the GPUs by which groups are off their share, beyond their tolerance."""
    from kalloc.instance.policy import decimal

    got: Counter[str | None] = Counter()
    for project, bundle in records.held.items():
        got[records.instance.project_of[project].group] += sum(bundle.values())
    off = Fraction(0)
    for row in records.instance.groups:
        if row.share is not None:
            share, tolerance = decimal(row.share) / 100, decimal(row.tolerance) / 100
            off += max(Fraction(0), abs(got[row.group] - share * got.total()) - tolerance * got.total())
    return off


def fragmentation(records: Records, tier: Tier) -> Fraction:
    """Return Σ (weight + prefer) · (spans − need) over projects and levels.

    Raises:
        ValueError: when a project holds more than the nodes have.
    """
    return Fraction(sum(scattered(records, project) for project in records.spans))


def scattered(records: Records, project: str) -> int:
    """Return Σ (weight + prefer) · (spans − need) of a project with seats over the levels.

    Raises:
        ValueError: when a project holds more than the nodes have.
    """
    policy, weights = records.instance.policy, records.instance.topology.weights
    beyond = [span - need for span, need in zip(records.spans[project], records.needs[project], strict=True)]
    preferred = (row for row in policy.shapes_of.get(project, ()) if row.shape == "prefer")
    score = sum(weight * more for weight, more in zip(weights, beyond, strict=True))
    return score + sum((row.amount or 0) * beyond[policy.level(row)] for row in preferred)


def reserve(records: Records, tier: Tier) -> Fraction:
    """Return the domains of the level that nobody has a GPU in, up to the count."""
    topology = records.instance.topology
    domain = topology.domain[topology.levels.index(tier.level or "")].tolist()
    alive = {at for at, gpus in zip(domain, topology.gpus.tolist(), strict=True) if gpus}
    taken = {domain[node] for nodes in (records.instance.background, *records.seats.values()) for node in nodes}
    return Fraction(min(tier.count or 0, len(alive - taken)))


def dues(instance: Instance, tier: Tier) -> Mapping[str, tuple[Fraction, int]]:
    """Return the weight and the GPUs due of every project or pool whose share the tier ``fairness`` compares."""
    from kalloc.instance.policy import decimal

    if tier.by == "project":
        asked = ((row, instance.policy.asked(row.project)) for row in instance.projects)
        return {row.project: (decimal(row.weight), due) for row, due in asked if due}
    found = _quotas(instance) if tier.of == "quota" else _asked(instance)
    weighed = ((row, found.get(row.pool, 0)) for row in instance.pools)
    return {row.pool: (decimal(row.weight), due) for row, due in weighed if due}


def _parties(records: Records, tier: Tier) -> Iterable[Party]:
    """Return whose shares the tier ``fairness`` compares."""
    for who, (weight, due) in dues(records.instance, tier).items():
        held = records.held.get(who, {}) if tier.by == "project" else records.used[who]
        yield Party(sum(held.values()), weight, due)


def _asked(instance: Instance) -> Mapping[str, int]:
    """Return what is asked in and below every pool with a project of its own that asks for something and may get it."""
    below: Counter[str] = Counter()
    own = set()
    for row in instance.projects:
        if asked := instance.policy.asked(row.project):
            own.add(row.pool)
            below.update(dict.fromkeys(instance.pool_tree.line(row.pool), asked))
    return {pool: asked for pool, asked in below.items() if pool in own}


def _quotas(instance: Instance) -> Mapping[str, int]:
    """Return the quota of every pool with a project in or below it that no call refuses: its row `*`, or their sum."""
    admitted = (row for row in instance.projects if row.project not in instance.policy.refused)
    peopled = {pool for row in admitted for pool in instance.pool_tree.line(row.pool)}
    found: Counter[str] = Counter()
    for row in instance.quotas:
        together = (row.pool, "*") in instance.pool_tree.quotas
        if row.pool in peopled and together == (row.kind == "*"):
            found[row.pool] += row.gpus
    return found


def _of_kind(bundle: Mapping[str, int], kind: str) -> int:
    return sum(gpus for held, gpus in bundle.items() if kind in (held, "*"))


TIER_VALUES: Mapping[str, Callable[[Records, Tier], Fraction]] = {
    tier.__name__: tier
    for tier in (merit, ranked, fairness, served, utilisation, guarantees, balance, fragmentation, reserve)
}
"""Every tier, in the order of the reference."""
