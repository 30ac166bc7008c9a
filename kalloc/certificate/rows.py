"""The rules that projects share, as rows: one function per rule, each row a sum that may not be more than a limit.

What the rows speak of: ``("use", pool, kind)``, GPUs that projects of a pool get; ``("got", project, kind)``, those of
one project; ``("seat", party, *zone)``, those that a party has in a zone; ``("over", pool, kind)``, what a pool uses
beyond its quota.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from math import floor, gcd, lcm
from typing import Any, NamedTuple

from kalloc.certificate.case import Case, covers
from kalloc.instance import Quota

Name = tuple[Any, ...]
Box = tuple[int, int]
"""The least and the most that something can be."""


MOST_SITES = 40
"""Limits on power at levels of more domains only make zones smaller."""


class Zone(NamedTuple):
    """Nodes of one owner and kind that are in the same sites with limits on power, or one node."""

    owner: str
    kind: str
    at: str
    """Numbers of the sites, or of the node."""


class Places:
    """Who sits where, with what stays where it is: the parties are pools, in zones."""

    def __init__(self, case: Case, parties: Mapping[str, str] | None = None) -> None:
        """Parties with their pools are projects where they are given, and zones are single nodes."""
        policy, each = case.instance.policy, parties is not None
        self.got = "got" if each else "use"
        self.case, self.parties = case, parties or {pool: pool for pool in case.pools}
        few = {name for name, of in zip(case.levels, case.domain, strict=True) if each or len(set(of)) <= MOST_SITES}
        domains = enumerate(policy.power_domains)
        self.power = {str(number): of for number, of in domains if of.power.level in few}
        """Domains with a limit on power that is a row, by number (rule `power`)."""
        inside: dict[int, list[str]] = {}
        for number, of in self.power.items():
            for node in of.nodes:
                inside.setdefault(node, []).append(number)
        self.nodes: dict[Zone, list[int]] = {}
        for owned, some in case.owned.items():
            for node in some:
                at = str(node) if each else ",".join(inside.get(node, ()))
                self.nodes.setdefault(Zone(*owned, at), []).append(node)
        self.zone = {node: zone for zone, nodes in self.nodes.items() for node in nodes}
        self.kept: Counter[Name] = Counter()
        for project, stays in case.instance.stays.items():
            for node, gpus in stays.items():
                self.kept[project if each else case.pool_of[project], self.zone[node]] += gpus
        group: list[int] = case.instance.topology.group.tolist()
        sorts = {zone: {group[node] for node in nodes} for zone, nodes in self.nodes.items()}
        self.watts = {zone: min(policy.watts[sort][1] for sort in some) for zone, some in sorts.items()}
        """The least that a GPU in a zone draws."""
        self.free = {zone: self._free(zone, set(nodes)) for zone, nodes in self.nodes.items()}
        """GPUs besides what is kept, as far as power goes."""
        self.boxes = dict[Name, Box]()
        for party in self.parties:
            self.boxes |= {("seat", party, *zone): box for zone, box in self._can(party)}

    def _free(self, zone: Zone, nodes: set[int]) -> int:
        free, watts = sum(self.case.free[node] for node in nodes), self.watts[zone]
        kept, left = sum(self.kept[party, zone] for party in self.parties), dict[str, dict[tuple[int, ...], Fraction]]()
        fed = [floor(of.left / watts) - kept for of in self.power.values() if watts and nodes <= {*of.nodes}]
        for number, of in enumerate(self.case.instance.policy.power_domains):
            if str(number) not in self.power and watts:
                of_level = left.setdefault(of.power.level, {})
                of_level[of.nodes] = min(of.left, of_level.get(of.nodes, of.left))
        for of_level in left.values():
            here = {some: sum(self.case.free[node] for node in some if node in nodes) for some in of_level}
            fed.append(free - sum(max(0, here[some] - max(0, floor(of_level[some] / watts))) for some in of_level))
        return max(0, min([free, *fed]))

    def _can(self, party: str) -> Iterator[tuple[Zone, Box]]:
        """Yield where a party may sit, and how many GPUs it has there at least and at most (`eligible`, `stays`)."""
        for zone, free in self.free.items():
            kept, some = self.kept[party, zone], free if self.open(party, zone) else 0
            if kept or some:
                yield zone, (kept, kept + some)

    def open(self, party: str, zone: Zone) -> bool:
        """Tell whether a party may sit in a zone."""
        return zone.owner in self.case.hosts(self.parties[party], zone.kind)

    def seats(self, parties: Iterable[str], zones: Iterable[Zone]) -> dict[Name, int]:
        """Return what some parties have in some zones, as what rows speak of."""
        names: list[Name] = [("seat", party, *zone) for zone in zones for party in parties]
        return {name: 1 for name in names if name in self.boxes}


@lru_cache(maxsize=1)
def places_of(case: Case) -> Places:
    """Return where pools sit."""
    return Places(case)


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


def quota(places: Places) -> Iterator[Row]:
    """A pool uses at most what it owns and may borrow."""
    for row in places.case.instance.quotas:
        used = _usage(places.case, row)
        yield whole_row((row.pool, row.kind), used, row.gpus + row.borrow, places.case)


def borrowing(places: Places) -> Iterator[Row]:
    """What children of one parent use beyond their own, less what others leave and lend, is no more than nothing."""
    parents: dict[Name, dict[Name, int]] = {}
    for row in places.case.instance.quotas:
        parent, over = places.case.tree.parent[row.pool], ("over", row.pool, row.kind)
        if parent is not None:
            yield Row((row.pool, row.kind), {**_usage(places.case, row), over: -1}, row.gpus)
            parents.setdefault((parent, row.kind, "children"), {})[over] = 1
    for key, terms in parents.items():
        yield Row(key, terms, 0)


def limit(places: Places) -> Iterator[Row]:
    """Those whom a limit counts together get no more and no less than it says; projects choose within their own."""
    case = places.case
    for subject in case.instance.policy.subjects:
        row, rates = subject.limit, case.instance.policy.rates[subject.limit.limit]
        counted = {("got", p, kind): rates[kind] for p in subject.projects for kind in case.asks[p] if kind in rates}
        for side, sign, most in (("most", 1, row.most), ("least", -1, row.least)):
            if row.per != "project" and most is not None:
                signed = {name: sign * rate for name, rate in counted.items()}
                yield whole_row((row.limit, subject.name, side), signed, sign * most, case)


def budget(places: Places) -> Iterator[Row]:
    """The projects of a pool cost no more than its budget."""
    case = places.case
    for row in case.instance.budgets:
        payers = [project for project, pool in case.pool_of.items() if pool in case.tree.below[row.pool]]
        cost = {("got", p, kind): case.instance.policy.price(p, kind) for p in payers for kind in case.asks[p]}
        yield whole_row((row.budget,), cost, row.won, case)


def seated(places: Places) -> Iterator[Row]:
    """What a party gets sits in zones that serve it, or stays where it is."""
    for party in places.parties:
        for kind in places.case.instance.performance:
            got = (places.got, party, kind)
            seats = places.seats([party], [zone for zone in places.nodes if zone.kind == kind])
            yield Row((party, kind), {got: -1, **seats}, 0, equal=True)


def room(places: Places) -> Iterator[Row]:
    """A zone holds no more than it has free, and may draw power for, besides what is kept; so do all together."""
    case = places.case
    for zone, free in places.free.items():
        kept = sum(places.kept[party, zone] for party in places.parties)
        yield Row(zone, places.seats(places.parties, [zone]), free + kept)
    for kind in case.instance.performance:
        for pools in case.neighbours(kind):
            hosts = frozenset().union(*(case.hosts(pool, kind) for pool in pools))
            most = sum(free for zone, free in places.free.items() if zone.kind == kind and zone.owner in hosts)
            some = (project for project in case.instance.stays if case.pool_of[project] in pools)
            kept = sum(case.kept_gpus(project, kind) for project in some)
            yield whole_row((kind, *pools), {("use", pool, kind): 1 for pool in pools}, most + kept, case)


def power(places: Places) -> Iterator[Row]:
    """What sits in a domain draws no more than a limit on its power leaves; every GPU the least of its zone."""
    for number, domain in places.power.items():
        zones = [zone for zone, nodes in places.nodes.items() if nodes[0] in domain.nodes]
        drawn = {name: places.watts[zone] for zone in zones for name in places.seats(places.parties, [zone])}
        yield whole_row((domain.power.power, number), drawn, domain.left)


def lend(places: Places) -> Iterator[Row]:
    """Outsiders have no more on a pool's nodes than it lends."""
    for row in places.case.instance.quotas:
        inside = places.case.tree.below[row.pool]
        zones = [zone for zone in places.nodes if zone.owner in inside and covers(row.kind, zone.kind)]
        outside = [party for party, pool in places.parties.items() if pool not in inside]
        yield Row((row.pool, row.kind), places.seats(outside, zones), row.lend)


RULES: dict[str, Callable[[Places], Iterator[Row]]] = {
    rule.__name__: rule for rule in (quota, borrowing, limit, budget, seated, room, power, lend)
}
"""Every rule over several projects, by its name."""


def _usage(case: Case, row: Quota) -> dict[Name, int]:
    return case.usage(case.tree.below[row.pool], row.kind)
