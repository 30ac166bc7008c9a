"""Lower bounds of two neighbouring levels at once, and the best sum of bounds over all levels.

Each level alone is a bound, and so is each pair of levels; levels that are counted once add up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import gcd

import numpy as np

from kalloc.place.bounds import Component, components, divisor, seen_at
from kalloc.place.fillings import Stock
from kalloc.place.items import Item
from kalloc.place.prices import pooled
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.states import Children, TooManyStepsError, states_of
from kalloc.solver import Limits

Pair = tuple[int, int]
"""A level, and the next finer one that costs something."""


def pairs_of(weights: Sequence[int]) -> list[Pair]:
    """Return the neighbouring levels that cost something."""
    costly = [level for level, weight in enumerate(weights) if weight > 0]
    return list(pairwise(costly))


def fewest_pair(
    rooms: Rooms,
    items: Sequence[Item],
    cost_of: Mapping[str, int],
    reached: Mapping[str, int],
    pair: Pair,
    limits: Limits,
) -> int:
    """Return a proven lower bound of Σ weight · spans over two levels and all projects.

    ``cost_of`` has Σ weight · need over the two levels of every project, ``reached`` the same of the spans in a plan.
    What the bound does not see counts with its need.
    """
    total = sum(cost_of.values())
    if limits.over or sum(reached.values()) <= total:
        return total
    for component in components(seen_at(rooms, item, pair[0]) for item in items):
        least = sum(cost_of[seen.project] for seen in component.members)
        if sum(reached[seen.project] for seen in component.members) > least and not limits.over:
            total += max(0, _component_pair(rooms, component, pair, limits) - least)
    return total


def _component_pair(rooms: Rooms, component: Component, pair: Pair, limits: Limits) -> int:
    """Return a lower bound of Σ weight · spans of a component's parts: kinds do not share nodes, so they add up."""
    zones_of: dict[str, Zones] = defaultdict(frozenset)
    for zone in component.zones:
        zones_of[rooms.zones[zone].kind] |= {zone}
    sizes_of: dict[str, Counter[int]] = defaultdict(Counter)
    for seen in component.members:
        for shape in seen.parts:
            [(kind, gpus)] = shape.amounts
            sizes_of[kind][gpus] += 1
    return sum(_kind_pair(rooms, zones_of[kind], sizes, pair, limits) for kind, sizes in sizes_of.items())


def _kind_pair(rooms: Rooms, zones: Zones, sizes: Counter[int], pair: Pair, limits: Limits) -> int:
    weights, finest = rooms.topology.weights, len(rooms.topology.weights) - 1
    node = gcd(*(rooms.node_gpus[zone] for zone in zones))
    grain = gcd(node, *sizes) if pair[1] == finest else gcd(node, divisor(sizes))
    items: Counter[int] = Counter()
    for size, count in sizes.items():
        items[size // grain] += count
    small = items.pop(0, 0) * (weights[pair[0]] + weights[pair[1]])
    insides = _insides(rooms, zones, pair, grain)
    if not items or not insides:
        return small
    try:
        states = states_of(insides, max(items))
    except TooManyStepsError:
        return small
    bins = tuple(states.index[inside] for inside, count in insides.items() for _ in range(count))
    return small + pooled(Stock.of((bins,), states, weights[pair[0]], weights[pair[1]]), items, limits).bound


def _insides(rooms: Rooms, zones: Zones, pair: Pair, grain: int) -> Counter[Children]:
    """Return the rooms of the children of every domain, in grains, rounded up; counted."""
    domain = rooms.topology.domain
    rooms_of_children = np.bincount(domain[pair[1]], weights=rooms.open(zones)).astype(np.int64)
    parent = np.zeros(len(rooms_of_children), dtype=np.int64)
    parent[domain[pair[1]]] = domain[pair[0]]
    inside: dict[int, list[int]] = defaultdict(list)
    for child in np.flatnonzero(rooms_of_children).tolist():
        inside[int(parent[child])].append(-(-int(rooms_of_children[child]) // grain))
    return Counter(tuple(sorted(children, reverse=True)) for children in inside.values())


def best_sum(single: Mapping[int, int], pairs: Mapping[Pair, int]) -> int:
    """Return the greatest sum of bounds in which every level counts once at most.

    Args:
        single: bound of every level alone, beyond what is needed.
        pairs: bounds of two levels, beyond what is needed.
    """
    best = {-1: 0}
    for level in sorted(single):
        alone = best[level - 1] + single[level]
        together: Iterable[int] = (
            best[first - 1] + bound + sum(single[between] for between in range(first + 1, level))
            for (first, last), bound in pairs.items()
            if last == level
        )
        best[level] = max([alone, *together])
    return best[max(best)]
