"""Items of one kind that compete for the nodes of some zones, over two or three neighbouring levels at once.

Kinds share no nodes. So what the parts of each kind pay at least adds up, whichever way it is proven of each.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

import numpy as np

from kalloc.place import sharing
from kalloc.place.apart import parents_apart
from kalloc.place.bounds import Component, divisor, side_by_side
from kalloc.place.fillings import Stock
from kalloc.place.homeless import Asked, homeless
from kalloc.place.large import three_levels
from kalloc.place.nests import Nest
from kalloc.place.prices import pooled
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.states import Children, TooManyStepsError, states_of
from kalloc.place.workers import Workers
from kalloc.solver import Limits

RAISED = 2
"""Prices of bins by which prices of every parent are expected to raise a bound of three levels at most."""

ANY = 2**40
"""Paid in a plan that nobody knows."""

Run = tuple[int, ...]
"""Two to four levels, coarse to fine, each the next finer one that costs something."""


@dataclass(frozen=True)
class Contest:
    """The parts of one kind of a component, as two or three levels at once see them."""

    component: Zones
    """Zones of the component."""
    zones: Zones
    """Those of this kind."""
    asked: Counter[Asked]
    """How many parts there are of each size and zones."""
    content: Counter[Asked]
    """Those of them that pay no more than their need if each is alone."""
    run: Run
    least: int
    """What they pay at least if each is alone."""
    enough: int
    """What they come to in a plan."""
    useful: int
    """The lowest bound that is of use."""
    room: int
    """Free GPUs: what there is to look at."""

    @cached_property
    def sizes(self) -> Counter[int]:
        """How many parts there are of each size."""
        sizes: Counter[int] = Counter()
        for part, count in self.asked.items():
            sizes[part.gpus] += count
        return sizes

    @property
    def open(self) -> bool:
        """Tell whether a plan comes to more than all pay alone."""
        return self.least < self.enough

    def bound(self, rooms: Rooms, limits: Limits) -> int:
        """Return a lower bound of Σ weight · spans: the best that is proven by the time the limits give."""
        best = self.least
        if best < self.enough and not limits.over:
            best += homeless(rooms, self.zones, self.content, self.run[0], self.run[1], limits)
        if best < self.enough and not limits.over:
            best = max(best, self._by_prices(rooms, limits))
        if best < self.enough:
            best = max(best, self._shared(rooms, limits))
        return best

    def _shared(self, rooms: Rooms, limits: Limits) -> int:
        """Return the bound by domains that must share items.

        It is sought from the coarsest level on that costs something. Every item pays for one domain of each level, and
        for more where they must share. Nothing is sought where the domains of the level before the finest need not
        share, or only because nodes inside them are taken in part: levels by themselves say as much.
        """
        run, weights = self.run, rooms.topology.weights
        if any(weights[: run[0]]) or limits.over:
            return 0
        nest = _nest(rooms, self.zones, run)
        asked, once = sharing.Asked.of(nest, self.sizes), sum(weights[level] for level in run) * self.sizes.total()
        inside = run[-1] < len(weights) - 1 and asked.divisor <= max(rooms.node_gpus[zone] for zone in self.zones)
        if inside or sum(sum(bins) % asked.divisor for bins in nest.bins) <= asked.slack:
            return 0
        return once + sharing.share(nest, asked, limits).bound

    def _by_prices(self, rooms: Rooms, limits: Limits) -> int:
        """Return the bound by prices of parts."""
        run, weights = self.run, rooms.topology.weights
        node = gcd(*(rooms.node_gpus[zone] for zone in self.zones))
        grain = gcd(node, *self.sizes) if run[-1] == len(weights) - 1 else gcd(node, divisor(self.sizes))
        items: Counter[int] = Counter()
        for size, count in self.sizes.items():
            items[size // grain] += count
        small = items.pop(0, 0) * sum(weights[level] for level in run)
        parents = _insides(rooms, self.zones, run, grain)
        bins = Counter(inside for insides in parents for inside in insides)
        if not items or not bins:
            return small
        try:
            states = states_of(list(bins), max(items))
        except TooManyStepsError:
            return small
        numbered = tuple(tuple(states.index[inside] for inside in insides) for insides in parents)
        stock = Stock.of(numbered, states, weights[run[-2]], weights[run[-1]])
        prices = pooled(stock, items, limits)
        if len(run) == 2:
            return small + prices.bound
        useful = self.useful - small - RAISED * stock.bin_cost
        offer = three_levels(stock, items, weights[run[0]], prices, limits, useful)
        if offer.bound < useful:
            return small + offer.bound
        return small + parents_apart(stock, items, weights[run[0]], offer, self.enough - small, limits)


def contests_of(
    rooms: Rooms,
    component: Component,
    run: Run,
    cost_of: Mapping[str, int],
    reached: Mapping[tuple[str, str], int],
    useful: int,
) -> list[Contest]:
    """Return what a run of levels sees of a component, kind by kind.

    ``cost_of`` has what every project pays at least, ``reached`` what its seats of each kind come to in a plan; what is
    missing there comes to any amount. ``useful`` is the lowest bound of the component that is of use.
    """
    zones_of, least, enough = component.by_kind(rooms), Counter[str](), Counter[str]()
    asked, content = defaultdict[str, Counter[Asked]](Counter), defaultdict[str, Counter[Asked]](Counter)
    needs = {kind: _needs(rooms, zones_of[kind], sizes, run) for kind, sizes in sizes_of(component).items()}
    for seen in component.members:
        for shape in seen.parts:
            [(kind, gpus)], [zones] = shape.amounts, shape.zones
            need = max(needs[kind][gpus], cost_of[seen.project] if len(seen.parts) == 1 else 0)
            least[kind] += need
            enough[kind] += max(need, reached.get((seen.project, kind), ANY))
            asked[kind][Asked(gpus, zones)] += 1
            content[kind][Asked(gpus, zones)] += need == needs[kind][gpus]
    fall = enough.total() - useful

    def contest(kind: str) -> Contest:
        seen = asked[kind], content[kind], run, least[kind], enough[kind], enough[kind] - fall
        room = sum(rooms.zone_room[zone] for zone in zones_of[kind])
        return Contest(component.zones, zones_of[kind], *seen, room)

    return [contest(kind) for kind in asked]


def _needs(rooms: Rooms, zones: Zones, sizes: Iterable[int], run: Run) -> dict[int, int]:
    """Return what an item of each size pays for the domains that it needs by itself."""
    room, total = rooms.open(zones), dict.fromkeys(sizes, 0)
    for level in run:
        offer = np.cumsum(np.sort(np.bincount(rooms.topology.domain[level], weights=room))[::-1])
        for size in total:
            total[size] += rooms.topology.weights[level] * (int(np.searchsorted(offer, size)) + 1)
    return total


def proven_of(contests: Sequence[Contest], limits: Limits, workers: Workers[Rooms]) -> Counter[Zones]:
    """Return what is proven of the components, by their zones: the sum over their kinds.

    Small ones come first, and each may use an equal share of the time that is left for those after it.
    """
    order = sorted((contest for contest in contests if contest.open), key=lambda contest: contest.room)
    least, room = [contest.least for contest in order], sum(contest.room for contest in order)
    totals: Counter[Zones] = Counter()
    for contest in contests:
        totals[contest.component] += contest.least
    for contest, bound in zip(order, side_by_side(workers, _bounded, order, least, room, limits), strict=True):
        totals[contest.component] += bound - contest.least
    return totals


def _bounded(rooms: Rooms, contest: Contest, limits: Limits, seconds: float) -> int:
    return contest.bound(rooms, replace(limits, deadline=time.monotonic() + seconds))


def sizes_of(component: Component) -> dict[str, Counter[int]]:
    """Return how many parts of each size there are, by kind."""
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for seen in component.members:
        for shape in seen.parts:
            [(kind, gpus)] = shape.amounts
            sizes[kind][gpus] += 1
    return sizes


def _nest(rooms: Rooms, zones: Zones, run: Run) -> Nest:
    """Return the domains of the finest level of a run, in those of the level before it, in those of the first."""
    domain, weights, finest = rooms.topology.domain, rooms.topology.weights, run[-1]
    room = np.bincount(domain[finest], weights=rooms.open(zones)).astype(np.int64)
    parent_of, region_of = rooms.above(finest, run[-2]), rooms.above(run[-2], run[0] if len(run) > 2 else -1)
    bins: dict[int, list[int]] = defaultdict(list)
    for bin in np.flatnonzero(room).tolist():
        bins[int(parent_of[bin])].append(int(room[bin]))
    above = weights[run[0]] if len(run) > 2 else 0
    regions = tuple(int(region_of[parent]) for parent in bins)
    return Nest(tuple(map(tuple, bins.values())), regions, weights[finest], weights[run[-2]], above)


def _insides(rooms: Rooms, zones: Zones, run: Run, grain: int) -> list[list[Children]]:
    """Return per parent the rooms of the children of every bin, in grains, rounded up; all in one parent for a pair."""
    domain, (coarse, fine) = rooms.topology.domain, run[-2:]
    room = np.bincount(domain[fine], weights=rooms.open(zones)).astype(np.int64)
    bin_of, parent_of = rooms.above(fine, coarse), rooms.above(fine, run[0] if len(run) > 2 else -1)
    inside: dict[tuple[int, int], list[int]] = defaultdict(list)
    for child in np.flatnonzero(room).tolist():
        inside[int(parent_of[child]), int(bin_of[child])].append(-(-int(room[child]) // grain))
    parents: dict[int, list[Children]] = defaultdict(list)
    for (parent, _), children in inside.items():
        parents[parent].append(tuple(sorted(children, reverse=True)))
    return list(parents.values())
