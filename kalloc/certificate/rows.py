"""The rules that projects share, as rows: one function per rule, each row a sum that may not be more than a limit.

What the rows speak of: ``("use", pool, kind)``, GPUs that projects of a pool get; ``("got", project, kind)``, those of
one project; ``("seat", pool, *zone)``, those of a pool that sit anew in a zone; ``("over", pool, kind)``, what a pool
uses beyond its quota. A zone is the nodes of an owner and a kind; where sites have limits on power, those of a site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from math import floor, gcd, lcm
from typing import Any, NamedTuple

from kalloc.certificate.case import Case, covers
from kalloc.instance import Quota

Name = tuple[Any, ...]
Box = tuple[int, int]
"""The least and the most that something can be."""


class Row(NamedTuple):
    """Σ factor · name ≤ most; or = most."""

    key: Name
    """What the rule speaks of here: a pool or an owner, and a kind or ``*``."""
    terms: Mapping[Name, int]
    most: int
    equal: bool = False


def whole_row(key: Name, terms: Mapping[Name, Fraction | int], most: Fraction | int, case: Case | None = None) -> Row:
    """Return a row of rational factors as one of whole numbers that admits the same whole numbers.

    With a case, what projects get is known to be a multiple of something, and the limit is rounded down accordingly.
    """
    scale = lcm(*(factor.denominator for factor in terms.values()))
    factors = {name: int(factor * scale) for name, factor in terms.items()}
    common = gcd(*factors.values()) or 1
    step = common if case is None else gcd(*(f * case.multiple(name) for name, f in factors.items())) or common
    limit = floor(Fraction(most) * scale / step) * (step // common)
    return Row(key, {name: factor // common for name, factor in factors.items()}, limit)


def quota(case: Case) -> Iterator[Row]:
    """A pool uses at most what it owns and may borrow."""
    for row in case.instance.quotas:
        yield whole_row((row.pool, row.kind), _usage(case, row), row.gpus + row.borrow, case)


def borrowing(case: Case) -> Iterator[Row]:
    """What children of one parent use beyond their own, less what others leave and lend, is no more than nothing."""
    parents: dict[Name, dict[Name, int]] = {}
    for row in case.instance.quotas:
        parent, over = case.tree.parent[row.pool], ("over", row.pool, row.kind)
        if parent is not None:
            yield Row((row.pool, row.kind), {**_usage(case, row), over: -1}, row.gpus)
            parents.setdefault((parent, row.kind, "children"), {})[over] = 1
    for key, terms in parents.items():
        yield Row(key, terms, 0)


def limit(case: Case) -> Iterator[Row]:
    """Those whom a limit counts together get no more and no less than it says; projects choose within their own."""
    for subject in case.instance.policy.subjects:
        row, rates = subject.limit, case.instance.policy.rates[subject.limit.limit]
        counted = {("got", p, kind): rates[kind] for p in subject.projects for kind in case.asks[p] if kind in rates}
        if row.per != "project" and row.most is not None:
            yield whole_row((row.limit, subject.name, "most"), counted, row.most, case)
        if row.per != "project" and row.least is not None:
            less = {name: -rate for name, rate in counted.items()}
            yield whole_row((row.limit, subject.name, "least"), less, -row.least, case)


def budget(case: Case) -> Iterator[Row]:
    """The projects of a pool cost no more than its budget."""
    for row in case.instance.budgets:
        below, price = case.tree.below[row.pool], case.instance.policy.price
        payers = [project for project, of in case.instance.project_of.items() if of.pool in below]
        cost = {("got", p, kind): price(p, kind) for p in payers for kind in case.asks[p]}
        yield whole_row((row.budget,), cost, row.won, case)


def seated(case: Case) -> Iterator[Row]:
    """What projects of a pool get beyond what they keep sits on nodes of owners that serve it."""
    pool_of = {project: case.instance.project_of[project].pool for project in case.instance.stays}
    for pool in case.pools:
        for kind in case.instance.performance:
            kept = sum(case.kept_gpus(project, kind) for project in pool_of if pool_of[project] == pool)
            terms: dict[Name, int] = {("seat", pool, *zone): -1 for zone in case.zones if _open(case, pool, kind, zone)}
            yield Row((pool, kind), {("use", pool, kind): 1, **terms}, kept)


def room(case: Case) -> Iterator[Row]:
    """The nodes of a zone hold no more than they have free, and than they may draw power for; so do all together."""
    for zone, (most, _) in case.zones.items():
        terms = {("seat", pool, *zone): 1 for pool in case.pools if _open(case, pool, zone[1], zone)}
        yield Row(zone, terms, most)
    for kind in case.instance.performance:
        for pools in case.neighbours(kind):
            most = sum(of for zone, (of, _) in case.zones.items() if any(_open(case, p, kind, zone) for p in pools))
            stays = [project for project in case.instance.stays if case.instance.project_of[project].pool in pools]
            kept = sum(case.kept_gpus(project, kind) for project in stays)
            yield whole_row((kind, *pools), {("use", pool, kind): 1 for pool in pools}, most + kept, case)


def power(case: Case) -> Iterator[Row]:
    """What sits in a site draws no more than a limit on its power leaves; every GPU as much as the thriftiest there."""
    for number, domain in case.sites.items():
        within = {zone: watts for zone, (_, watts) in case.zones.items() if zone[2] == number}
        drawn = {("seat", pool, *z): w for z, w in within.items() for pool in case.pools if _open(case, pool, z[1], z)}
        yield whole_row((domain.power.power, number), drawn, domain.left - case.drawn(domain))


def lend(case: Case) -> Iterator[Row]:
    """Outsiders sit on no more of a pool's nodes than it lends, what they keep there included."""
    for row in case.instance.quotas:
        inside = case.tree.below[row.pool]
        zones = [zone for zone in case.zones if zone[0] in inside and covers(row.kind, zone[1])]
        outside = [pool for pool in case.pools if pool not in inside]
        terms = {("seat", pool, *z): 1 for z in zones for pool in outside if _open(case, pool, z[1], z)}
        yield Row((row.pool, row.kind), terms, row.lend - kept_by_others(case, row))


def kept_by_others(case: Case, row: Quota) -> int:
    """Return the GPUs of a kind that projects of other pools keep on the nodes of a pool."""
    inside, kept = case.tree.below[row.pool], 0
    for project in case.instance.stays:
        nodes = case.kept(project) if case.instance.project_of[project].pool not in inside else {}
        group = {node: case.instance.topology.row(node) for node in nodes}
        kept += sum(nodes[n] for n, of in group.items() if of.owner in inside and covers(row.kind, of.kind))
    return kept


RULES: dict[str, Callable[[Case], Iterator[Row]]] = {
    rule.__name__: rule for rule in (quota, borrowing, limit, budget, seated, room, power, lend)
}
"""Every rule over several projects, by its name."""


def boxes(case: Case) -> dict[Name, Box]:
    """Return the least and the most that everything can be that rows speak of, what projects get excepted."""
    found: dict[Name, Box] = {}
    for zone, (most, _) in case.zones.items():
        found |= {("seat", pool, *zone): (0, most) for pool in case.pools if _open(case, pool, zone[1], zone)}
    for row in case.instance.quotas:
        found["over", row.pool, row.kind] = (-row.lend, row.borrow)
    return found


def _open(case: Case, pool: str, kind: str, zone: Name) -> bool:
    """Tell whether projects of a pool may sit in a zone on nodes of a kind."""
    return bool(zone[1] == kind and zone[0] in case.hosts(pool, kind))


def _usage(case: Case, row: Quota) -> dict[Name, int]:
    return case.usage(case.tree.below[row.pool], row.kind)
