"""Lower bounds of two to four neighbouring levels at once, and the best sum of bounds over all levels.

Each level alone is a bound, and so is each run of levels; levels that are counted once add up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import gcd

import numpy as np

from kalloc.place.apart import parents_apart
from kalloc.place.bounds import Component, Proven, apart_at, components_at, divisor
from kalloc.place.fillings import Stock
from kalloc.place.items import Item
from kalloc.place.large import three_levels
from kalloc.place.nests import Nest
from kalloc.place.pieces import Costs, Market, four_levels, parents_in
from kalloc.place.prices import pooled
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.sharing import Asked, share
from kalloc.place.states import Children, TooManyStepsError, states_of
from kalloc.solver import Limits

FEW = 0.1
"""Share of what a plan spans beyond the need below which three levels are not looked at."""

RAISED = 2
"""Prices of bins by which prices of every parent are expected to raise a bound of three levels at most."""

Run = tuple[int, ...]
"""Two to four levels, coarse to fine, each the next finer one that costs something."""


def runs_of(weights: Sequence[int]) -> list[Run]:
    """Return the pairs of neighbouring levels that cost something, then the coarsest four, then the threes of them."""
    costly = [level for level, weight in enumerate(weights) if weight > 0]
    four = [tuple(costly[:4])] if len(costly) > 3 else []
    pairs, threes = ([tuple(costly[at : at + count]) for at in range(len(costly) - count + 1)] for count in (2, 3))
    return [*pairs, *four, *threes]


def fewest_run(
    rooms: Rooms,
    items: Sequence[Item],
    cost_of: Mapping[str, int],
    reached: Mapping[str, int],
    run: Run,
    limits: Limits,
    apart: Collection[str] = (),
    short: Mapping[Zones, int] | None = None,
) -> Proven:
    """Return a proven lower bound of Σ weight · spans over a run of levels and all projects.

    ``cost_of`` has Σ weight · need over the levels of every project, ``reached`` the same of the spans in a plan: no
    more work is done than it takes to meet it. What the bound does not see, such as those that stand ``apart``, counts
    with its need; so do those who add little to what a plan spans beyond it, where three levels are looked at.
    ``short`` has the zones where a bound is of use, all where it is None, if it is less than so much below the plan.
    """
    found = Proven(sum(cost_of.values()), {})
    if limits.over or sum(reached.values()) <= found.least:
        return found
    worth = FEW * (sum(reached.values()) - found.least) if len(run) == 3 else 0

    def beyond(component: Component) -> tuple[Zones, int]:
        least = sum(cost_of[seen.project] for seen in component.members)
        enough = sum(reached[seen.project] for seen in component.members)
        fall = enough if short is None else sum(of for part, of in short.items() if component.zones & part)
        if enough - least <= worth or fall == 0 or limits.over:
            return component.zones, 0
        if len(run) == 4:
            return component.zones, max(0, _component_four(rooms, component, run, cost_of, limits) - least)
        return component.zones, max(0, _component_run(rooms, component, run, enough - fall + 1, enough, limits) - least)

    level = run[1] if len(run) == 4 else run[0]
    seen = components_at(rooms, [item for item in items if item.project not in apart], level)
    with ThreadPoolExecutor(limits.threads) as pool:
        found.beyond.update(pool.map(beyond, seen))
    return found


def _component_run(
    rooms: Rooms, component: Component, run: Run, useful: int, enough: int, limits: Limits
) -> int:
    """Return a lower bound of Σ weight · spans of a component's parts: kinds do not share nodes, so they add up.

    ``enough`` is what they come to in a plan, ``useful`` the lowest bound that is of use.
    """
    zones_of = component.by_kind(rooms)
    sizes_of, total = _sizes_of(component), 0
    for kind, sizes in sizes_of.items():
        zones = zones_of[kind]
        bound = _kind_run(rooms, zones, sizes, run, useful if len(sizes_of) == 1 else 0, enough, limits)
        total += bound if bound >= enough else max(bound, _shared_run(rooms, zones, sizes, run, limits))
    return total


def _sizes_of(component: Component) -> dict[str, Counter[int]]:
    """Return how many parts of each size there are, by kind."""
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for seen in component.members:
        for shape in seen.parts:
            [(kind, gpus)] = shape.amounts
            sizes[kind][gpus] += 1
    return sizes


def _component_four(rooms: Rooms, component: Component, run: Run, least: Mapping[str, int], limits: Limits) -> int:
    """Return a lower bound of Σ weight · spans of a component over four levels: the best of those of one kind each.

    Those who have nothing of the kind pay their ``least``. What the others have beside it pays for what it needs, and
    for another domain of the first level only where none holds nodes of both.
    """
    costs, zones_of = Costs(*(rooms.topology.weights[level] for level in run)), component.by_kind(rooms)
    sizes = _sizes_of(component)
    markets = {
        kind: Market(tuple(parents_in(rooms, rooms.open(zones_of[kind]), run)[0]), costs, sizes[kind]) for kind in sizes
    }
    best = sum(least[seen.project] for seen in component.members)
    for kind, market in markets.items():
        if market.shared_out:
            total = four_levels(market, limits)
            for seen in component.members:
                own = [shape for shape in seen.parts if shape.amounts[0][0] == kind]
                others = [shape for shape in seen.parts if shape not in own]
                total += 0 if own else least[seen.project]
                total += sum(markets[shape.amounts[0][0]].inside_region(shape.gpus) for shape in others if own)
                total += costs.region * any(
                    apart_at(rooms, run[0], [*own[0].zones, *one.zones]) for one in others if own
                )
            best = max(best, total)
    return best


def _shared_run(rooms: Rooms, zones: Zones, sizes: Counter[int], run: Run, limits: Limits) -> int:
    """Return the bound by domains that must share items; it is sought from the coarsest level on that costs something.

    Every item pays for one domain of each level, and for more where they must share. Nothing is sought where the
    domains of the level before the finest need not share, or only because nodes inside them are taken in part: levels
    by themselves say as much.
    """
    weights = rooms.topology.weights
    if any(weights[: run[0]]):
        return 0
    nest = _nest(rooms, zones, run)
    asked, once = Asked.of(nest, sizes), sum(weights[level] for level in run) * sizes.total()
    inside = run[-1] < len(weights) - 1 and asked.divisor <= max(rooms.node_gpus[zone] for zone in zones)
    if inside or sum(sum(bins) % asked.divisor for bins in nest.bins) <= asked.slack:
        return 0
    return once + share(nest, asked, limits).bound


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


def _kind_run(
    rooms: Rooms, zones: Zones, sizes: Counter[int], run: Run, useful: int, enough: int, limits: Limits
) -> int:
    weights, finest = rooms.topology.weights, len(rooms.topology.weights) - 1
    node = gcd(*(rooms.node_gpus[zone] for zone in zones))
    grain = gcd(node, *sizes) if run[-1] == finest else gcd(node, divisor(sizes))
    items: Counter[int] = Counter()
    for size, count in sizes.items():
        items[size // grain] += count
    small = items.pop(0, 0) * sum(weights[level] for level in run)
    parents = _insides(rooms, zones, run, grain)
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
    useful -= small + RAISED * stock.bin_cost
    offer = three_levels(stock, items, weights[run[0]], prices, limits, useful)
    if offer.bound < useful:
        return small + offer.bound
    return small + parents_apart(stock, items, weights[run[0]], offer, enough - small, limits)


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


def by_zones(
    items: Iterable[Item], least: Mapping[str, int], need: Mapping[str, int], bound: Proven, weight: int = 1
) -> dict[Zones, int]:
    """Return what a bound is beyond the need, weighted, by the zones of those who compete.

    ``least`` is what the bound counts every project with at least. Whoever sits on what it keeps alone has no zones.
    """
    zones_of = {item.project: frozenset[int]().union(*item.shape.zones) for item in items}
    found: dict[Zones, int] = defaultdict(int)
    for project, count in least.items():
        found[zones_of.get(project, frozenset())] += weight * (count - need[project])
    for zones, more in bound.beyond.items():
        found[zones] += weight * more
    return dict(found)


def best_sum(single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]]) -> int:
    """Return the greatest sum of bounds in which every level counts once at most, zone by zone.

    Args:
        single: bound of every level alone, beyond what is needed, by the zones of those who compete.
        runs: bounds of several levels, beyond what is needed; levels between them cost nothing.
    """
    return sum(_best_sum(single, runs, part) for part in _parts(single, runs))


def open_zones(
    single: Mapping[int, Mapping[Zones, int]],
    runs: Mapping[Run, Mapping[Zones, int]],
    run: Run,
    most: Mapping[Zones, int],
    spent: Mapping[Zones, int],
) -> dict[Zones, int]:
    """Return the zones where a bound of one more run may raise the best sum; it does if it is less than so much below.

    ``most`` is what a plan spans beyond the need over the run, weighted, by zones; ``spent`` the same over all levels.
    """
    with_run, found = {**runs, run: most}, {}
    for part in _parts(single, with_run):
        now, then = _best_sum(single, runs, part), _best_sum(single, with_run, part)
        if min(_within(spent, part), then) > now:
            found[part] = then - now
    return found


def _parts(single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]]) -> list[Zones]:
    """Return the zones that stand in bounds, those together that are linked."""
    parts: list[Zones] = []
    for zones in (zones for found in (*single.values(), *runs.values()) for zones in found):
        linked = [part for part in parts if part & zones or part == zones]
        parts = [*(part for part in parts if part not in linked), zones.union(*linked)]
    return parts


def _within(found: Mapping[Zones, int], part: Zones) -> int:
    return sum(bound for zones, bound in found.items() if zones == part or zones & part)


def _best_sum(
    single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]], part: Zones
) -> int:
    best = {-1: 0}
    for level in sorted(single):
        together = (best[run[0] - 1] + _within(of, part) for run, of in runs.items() if run[-1] == level)
        best[level] = max([best[level - 1] + _within(single[level], part), *together])
    return best[max(best)]
