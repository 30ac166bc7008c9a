"""Prices of parts that prove how little an allocation can span: from linear programs that grow by columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd, inf
from typing import Any

from kalloc.certificate.case import Bundle, Case, Member
from kalloc.certificate.facts import Members, costs_of, proven, shared
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


Fact = dict[str, Any]
"""A market as a certificate has it."""


@dataclass(frozen=True)
class Site:
    """Where a market is: levels, a kind and owners, and the grain that GPUs are counted in."""

    levels: tuple[str, ...]
    kind: str
    owners: tuple[str, ...]
    grain: int

    def entry(self, denominator: int, prices: Sequence[int]) -> Fact:
        """Return the market as a certificate has it."""
        last = max((at + 1 for at, price in enumerate(prices) if at == 0 or price != prices[at - 1]), default=0)
        return {
            "levels": list(self.levels),
            "kind": self.kind,
            "owners": list(self.owners),
            "grain": self.grain,
            "denominator": denominator,
            "prices": list(prices[:last]),
        }


def sites(
    case: Case, levels: Sequence[str], wanted: Iterable[tuple[str, Bundle]], linked: bool = True
) -> Iterator[Site]:
    """Yield a market for all projects that share nodes of one kind, given the bundles that each may have.

    Without ``linked`` there is one for every set of owners whose nodes serve the same projects.
    """
    groups: dict[str, list[tuple[frozenset[str], Counter[int]]]] = defaultdict(list)
    by_hosts: dict[tuple[str, frozenset[str]], Counter[int]] = defaultdict(Counter)
    for project, bundle in wanted:
        for kind, gpus in bundle.items() if not case.kept(project) else ():
            by_hosts[kind, case.hosts(case.pool_of[project], kind)][gpus] += 1
    for (kind, hosts), sizes in by_hosts.items():
        owners = hosts
        met = [group for group in groups[kind] if linked and group[0] & owners]
        for group in met:
            owners, sizes = owners | group[0], sizes + group[1]
        groups[kind] = [group for group in groups[kind] if group not in met] + [(owners, sizes)]
    for kind, found in groups.items():
        for owners, sizes in found:
            grain = _grain(case, levels, kind, owners, +sizes)
            if grain:
                yield Site(tuple(levels), kind, tuple(sorted(owners)), grain)


def _grain(case: Case, levels: Sequence[str], kind: str, owners: frozenset[str], sizes: Counter[int]) -> int:
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


def left_for(market: Market, members: Members, without: Collection[str]) -> Iterator[tuple[Member, int]]:
    """Yield those whom a market sees, and how many they are."""
    for (project, bundle), count in members.items():
        if project not in without and market.touches(project, dict(bundle)):
            yield (project, bundle), count


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


def priced(
    case: Case, site: Site, members: Members, enough: int, limits: Limits, without: Collection[str] = ()
) -> Fact:
    """Return a market with prices that prove as much as they can, or enough."""
    costs = costs_of(case, site.entry(1, []))
    market = market_of(case, site, costs, FINE, [])
    seen = dict(left_for(market, members, without))
    some = [(project, dict(bundle), count) for (project, bundle), count in seen.items()]

    def proves(denominator: int, prices: Sequence[float]) -> int:
        entry = site.entry(denominator, [round(price * denominator) for price in prices])
        return proven(Market(case, site.levels, entry, costs), seen, entry)

    program = Program(market, some)
    prices = [0.0] * market.largest
    best, best_prices = proves(FINE, prices), prices
    for turn in range(MAX_ROUNDS):
        if best >= enough:
            break
        market = market_of(case, site, costs, FINE, [round(price * FINE) for price in prices])
        bound = proven(market, seen, {})
        if bound > best:
            best, best_prices = bound, prices
        fresh = program.grow(market)
        answer = program.prices(limits)
        if answer is None or (fresh == 0 and answer[1] == prices) or answer[0] <= best + TOLERANCE:
            break
        found = answer[1]
        mean = [(new + old) / 2 for new, old in zip(found, best_prices, strict=True)]
        prices = found if fresh == 0 or turn % 3 == 2 else mean
    plain = next((of for of in DENOMINATORS if proves(of, best_prices) >= best), FINE)
    entry = site.entry(plain, [round(price * plain) for price in best_prices])
    more = sharing(case, market, seen, limits) if best < enough else None
    better = more is not None and proven(market_of(case, site, costs, 1, []), seen, {"sharing": more}) > best
    found_, names = {**entry, "sharing": more} if better else entry, sorted(without)
    return {**found_, "without": names} if names else found_


def sharing(case: Case, market: Market, seen: Members, limits: Limits) -> dict[str, Any] | None:
    """Return potentials that say how many groups of domains there can be at most; None where sizes have nothing common.

    They are the duals of a circulation: the most walks through what the rooms of domains add up to.
    """
    sizes = Counter[int]()
    for (_, bundle), count in seen.items():
        sizes[dict(bundle)[market.kind]] += count
    modulus, others = common_divisor(+sizes) if +sizes else (1, 0)
    if len(market.run) > 1 or modulus <= 1:
        return None
    rooms = [room for room in case.rooms(market.run[0], market.kind, market.owners).values() if room]
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
