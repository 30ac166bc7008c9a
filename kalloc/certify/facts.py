"""Prices of parts that prove how little an allocation can span: from linear programs that grow by columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, inf
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError
from kalloc.certificate.facts import Granted, fact, left_for, shared
from kalloc.certificate.market import MOST_ROOM, Market
from kalloc.certify.walks import Parts, cut, fill
from kalloc.place.bounds import divisor
from kalloc.place.residues import common_divisor
from kalloc.solver import ColumnProgram, Limits

FINE = 2**20
"""Denominator of prices while they are sought."""
DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 24, 60, 120, 840, FINE)
"""Denominators that are tried in the end: the smaller, the easier prices are to read."""
MAX_ROUNDS = 60
TOLERANCE = 1e-6
"""By how much the linear program may come to more than what is proven: its value is rounded up, too."""
SMALL_ROOM, MAX_GRAINS = 36, 100
"""Domains up to so many GPUs are counted in single GPUs; larger ones in grains, so many at most."""
DEAR = 100
"""Times what a part costs that leaving out a grain costs in the linear program."""


@dataclass(frozen=True)
class Site:
    """Where a market is: levels, a kind and owners, and the grain that GPUs are counted in."""

    levels: tuple[str, ...]
    kind: str
    owners: tuple[str, ...]
    grain: int

    def entry(self, denominator: int, prices: Sequence[int]) -> dict[str, Any]:
        """Return the market as a certificate has it."""
        last = max((at + 1 for at, price in enumerate(prices) if at == 0 or price != prices[at - 1]), default=0)
        return {
            "kind": self.kind,
            "owners": list(self.owners),
            "grain": self.grain,
            "denominator": denominator,
            "prices": list(prices[:last]),
        }


def sites(
    case: Case, levels: Sequence[str], wanted: Mapping[str, Sequence[Bundle]], linked: bool = True
) -> Iterator[Site]:
    """Yield a market for all projects that share nodes of one kind, given the bundles that each may have.

    Without ``linked`` there is one for every set of owners whose nodes serve the same projects.
    """
    groups: dict[str, list[tuple[set[str], Counter[int]]]] = defaultdict(list)
    for project, bundles in wanted.items():
        for bundle in bundles:
            for kind, gpus in bundle.items():
                owners, sizes = set(case.hosts(case.instance.project_of[project].pool, kind)), Counter[int]()
                sizes[gpus - case.kept_gpus(project, kind)] += 1
                met = [group for group in groups[kind] if (group[0] & owners if linked else group[0] == owners)]
                for group in met:
                    owners, sizes = owners | group[0], sizes + group[1]
                groups[kind] = [group for group in groups[kind] if group not in met] + [(owners, sizes)]
    for kind, found in groups.items():
        for owners, sizes in found:
            grain = _grain(case, levels, kind, owners, +sizes)
            if grain:
                yield Site(tuple(levels), kind, tuple(sorted(owners)), grain)


def _grain(case: Case, levels: Sequence[str], kind: str, owners: set[str], sizes: Counter[int]) -> int:
    """Return the GPUs to count in, those of a whole domain where there would be too many; 0 where nobody gets any."""
    rooms = case.rooms(case.levels.index(levels[0]), kind, owners)
    largest = max(rooms.values(), default=0)
    if not sizes or not largest:
        return 0
    nodes = [case.instance.topology.row(node).gpus for owner in owners for node in case.owned.get((owner, kind), ())]
    grain = 1 if largest <= SMALL_ROOM else gcd(Counter(nodes).most_common(1)[0][0], divisor(sizes))
    return grain if largest <= grain * min(MAX_GRAINS, MOST_ROOM) else largest


def market_of(case: Case, site: Site, costs: Sequence[int], denominator: int, prices: Sequence[int]) -> Market:
    """Return the market at a site, at some prices."""
    return Market(case, site.levels, site.entry(denominator, prices), costs)


class Program:
    """The linear program whose duals are the prices: projects cut, domains filled, no more parts cut than hosted."""

    def __init__(self, market: Market, members: Sequence[tuple[str, Bundle, int]]) -> None:
        """``members`` are projects with their bundles, each for so many alike."""
        self.members, self.states = members, Counter(market.domains)
        sides = [(float(count), float(count)) for *_, count in members]
        sides += [(-inf, float(count)) for count in self.states.values()] + [(0.0, inf)] * market.largest
        self.first, self.part = len(members), len(members) + len(self.states) - 1
        self.program, self.known = ColumnProgram(sides), set[tuple[object, ...]]()
        for row, (_, bundle, _) in enumerate(members):
            self.program.add(float(DEAR * sum(market.costs) * sum(bundle.values())), [(row, 1.0)])

    def grow(self, market: Market) -> int:
        """Add the best cuts and fillings at the prices of a market; return how many are new."""
        fresh = 0
        for row, (project, bundle, _) in enumerate(self.members):
            fresh += self._add(row, *cut(market, project, bundle), -1)
        for row, children in enumerate(self.states, self.first):
            fresh += self._add(row, *fill(market, children), 1)
        return fresh

    def _add(self, row: int, cost: int, parts: Parts, sign: int) -> int:
        name = (row, *sorted(parts.items()))
        if name in self.known:
            return 0
        self.known.add(name)
        hosted = ((self.part + part, float(sign * count)) for part, count in sorted(parts.items()))
        self.program.add(float(cost), [(row, 1.0), *hosted])
        return 1

    def prices(self, limits: Limits) -> tuple[float, list[float]] | None:
        """Return the value and the price of every part; None where the limits leave no time."""
        answer = self.program.solve(limits)
        return None if answer is None else (answer[0], [max(0.0, dual) for dual in answer[1][self.part + 1 :]])


def markets(
    case: Case, levels: Sequence[str], costs: Sequence[int], granted: Granted, limits: Limits
) -> list[dict[str, Any]]:
    """Return markets that prove as much as they can of an allocation, those with the least room left first.

    The first of them sees who gets several kinds that share domains.
    """
    found, left = [], dict(granted)
    every = sites(case, levels, {project: [bundle] for project, bundle in granted.items()})
    for site in sorted(every, key=lambda site: _left_over(case, site, granted)):
        if limits.over:
            break
        try:
            entry = merged(case, site, left, priced(case, site, costs, left, limits), limits)
        except RefusedError:
            continue
        found.append(entry)
        market = market_of(case, site, costs, 1, [])
        for project, bundle in left_for(market, left, left).items():
            if not market.sees(project, bundle):
                del left[project]
    return found


def _left_over(case: Case, site: Site, granted: Granted) -> int:
    """Return the room at a site that nobody gets who can sit nowhere else."""
    pools = {pool for pool in case.pools if case.hosts(pool, site.kind) <= set(site.owners)}
    inside = (bundle for project, bundle in granted.items() if case.instance.project_of[project].pool in pools)
    return sum(case.room(owner, site.kind) for owner in site.owners) - sum(some.get(site.kind, 0) for some in inside)


def priced(
    case: Case, site: Site, costs: Sequence[int], granted: Granted, limits: Limits
) -> dict[str, Any]:
    """Return a market with prices that prove as much as they can."""
    market = market_of(case, site, costs, FINE, [])
    seen = left_for(market, granted, granted)
    alike: dict[object, list[str]] = {}
    for project, bundle in seen.items():
        whole = case.level(project) >= market.run[0]
        least = [case.spanned(project, market.part(project, bundle), [level], [1]) for level in market.run]
        key = project if case.kept(project) else (bundle[site.kind], whole, *least)
        alike.setdefault(key, []).append(project)
    members = [(some[0], seen[some[0]], len(some)) for some in alike.values()]

    def proven(market: Market) -> int:
        paid = sum(count * market.pays(project, bundle) for project, bundle, count in members) - market.gains()
        return -(-paid // market.denominator)

    program = Program(market, members)
    prices = [0.0] * market.largest
    best, best_prices = 0, prices
    for turn in range(MAX_ROUNDS):
        market = market_of(case, site, costs, FINE, [round(price * FINE) for price in prices])
        bound = proven(market)
        if bound > best or turn == 0:
            best, best_prices = bound, prices
        fresh = program.grow(market)
        answer = program.prices(limits)
        if answer is None or (fresh == 0 and answer[1] == prices) or answer[0] <= best + TOLERANCE:
            break
        found = answer[1]
        mean = [(new + old) / 2 for new, old in zip(found, best_prices, strict=True)]
        prices = found if fresh == 0 or turn % 3 == 2 else mean
    for denominator in DENOMINATORS:
        rounded = [round(price * denominator) for price in best_prices]
        if proven(market_of(case, site, costs, denominator, rounded)) >= best:
            break
    return site.entry(denominator, rounded)


def sharing(case: Case, site: Site, granted: Granted, limits: Limits) -> dict[str, Any] | None:
    """Return potentials that say how many groups of domains there can be at most; None where sizes have nothing common.

    They are the duals of a circulation: the most walks through what the rooms of domains add up to.
    """
    market = market_of(case, site, [1], 1, [])
    seen = left_for(market, granted, granted)
    sizes = Counter(bundle[site.kind] for project, bundle in seen.items() if not case.kept(project))
    modulus, others = common_divisor(sizes)
    if len(market.run) > 1 or modulus <= 1:
        return None
    rooms = [room for room in case.rooms(market.run[0], site.kind, site.owners).values() if room]
    slack = sum(rooms) - sum(size * count for size, count in sizes.items())
    residues = Counter(room % modulus for room in rooms)
    sides = [(0.0, 0.0)] * modulus + [(-inf, float(slack)), (-inf, float(others))]
    program = ColumnProgram(sides + [(float(count), float(count)) for count in residues.values()])
    for row, residue in enumerate(residues, modulus + 2):
        for at in range(modulus):
            ends = {at: -1.0, (at + residue) % modulus: 1.0} if residue else {}
            program.add(0.0 if at else -1.0, [*ends.items(), (row, 1.0)])
    for at in range(1, modulus):
        program.add(0.0, [(at, -1.0), (0, 1.0), (modulus, float(at))])
        program.add(0.0, [(at, -1.0), (0, 1.0), (modulus + 1, 1.0)])
    answer = program.solve(limits)
    if answer is None:
        return None
    found = [
        {"modulus": modulus, "denominator": d, "potentials": [round(dual * d) for dual in answer[1][:modulus]]}
        for d in DENOMINATORS
    ]
    return max(found, key=lambda entry: shared(market, seen, entry))


def merged(case: Case, site: Site, granted: Granted, entry: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return a market with who must share in it, where that proves more than its prices."""
    more = sharing(case, site, granted, limits)
    both = {"levels": list(site.levels), "markets": [entry if more is None else {**entry, "sharing": more}]}
    better = more is not None and fact(case, granted, both) > fact(case, granted, {**both, "markets": [entry]})
    return {**entry, "sharing": more} if better else entry
