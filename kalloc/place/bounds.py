"""The fewest spans of one level: an exact model of that level alone, every other level forgotten.

The sum of the levels' bounds, each with its weight, bounds the whole score. What a level's model simplifies only ever
adds room or takes away demand, so that its bound stays valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import gcd

import numpy as np

from kalloc.place.flow import Demand, FlowBuilder, TooLargeError
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.tree import Bin, Place
from kalloc.solver import Limits, Model, Status, relaxed_bound, solve_scip

MAX_VARIABLES = 60_000
"""A model larger than this is not built; the need alone is the bound then."""
MAX_NODES = 2_000
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""


def fewest_spans(
    rooms: Rooms, items: Sequence[Item], needs: Mapping[str, int], level: int, spans: int, limits: Limits
) -> int:
    """Return a proven lower bound of Σ spans of a level over all projects of ``needs``.

    ``needs`` has the spans that each served project needs at the level, ``spans`` what a plan reached: no more work
    is done than it takes to meet that.
    """
    bound = sum(needs.values())
    alike = [item for item in items if _countable(item.shape)]
    for zones, members in _components(alike):
        if bound >= spans or limits.over:
            break
        shapes = Counter(_seen_at(item.shape, level, zones) for item in members)
        least = sum(needs[item.project] for item in members)
        bound += max(0, _component_bound(rooms, zones, shapes, level, least, spans - bound, limits) - least)
    return bound


def _countable(shape: Shape) -> bool:
    """Projects that keep seats or mix kinds are left out of the model: they count with what they need."""
    return shape.anchor is None and len(shape.amounts) == 1


def _components(items: Iterable[Item]) -> list[tuple[Zones, list[Item]]]:
    """Group items whose zones are linked: no two groups compete for a node."""
    found: list[tuple[Zones, list[Item]]] = []
    for item in items:
        zones = item.shape.zones[0]
        linked = [entry for entry in found if entry[0] & zones]
        found = [entry for entry in found if not entry[0] & zones]
        members = [member for _, group in linked for member in group]
        found.append((zones.union(*(entry[0] for entry in linked)), [*members, item]))
    return found


def _seen_at(shape: Shape, level: int, zones: Zones) -> Shape:
    """Forget of a shape what the level's model does not see."""
    whole = shape.level is not None and shape.level >= level
    return replace(shape, zones=(zones,), pool=None, level=level if whole else None)


def _component_bound(
    rooms: Rooms, zones: Zones, shapes: Counter[Shape], level: int, least: int, missing: int, limits: Limits
) -> int:
    """Return a lower bound of the spans of some shapes in some zones; ``least + missing`` is all that can help."""
    free = np.where(np.isin(rooms.zone, sorted(zones)), rooms.room, 0)
    by_domain = np.bincount(rooms.topology.domain[level], weights=free).astype(np.int64)
    capacities = Counter(int(room) for room in by_domain if room > 0)
    grain = _grain(shapes)
    tree = Place(level=-1, weight=0)
    for room, count in capacities.items():
        key = Bin(level, 1, zones, frozenset(), -(-room // grain) * grain)
        tree.bins.setdefault(key, []).extend([np.arange(0)] * count)
    demands: dict[Shape, int] = Counter()
    dropped = 0
    for shape, count in shapes.items():
        [(kind, gpus)] = shape.amounts
        if gpus < grain:
            dropped += count
        else:
            demands[replace(shape, amounts=((kind, gpus // grain * grain),))] += count
    model = Model()
    try:
        known = {shape: Demand([], count, count) for shape, count in demands.items()}
        FlowBuilder(rooms, model, MAX_VARIABLES).build(tree, known)
    except TooLargeError:
        return least
    bound = relaxed_bound(model, limits)
    best = max(least, dropped + bound) if bound is not None else least
    if best < least + missing and not limits.over:
        answer = solve_scip(model, limits, nodes=MAX_NODES)
        if answer.bound is not None and answer.status is not Status.INFEASIBLE:
            best = max(best, dropped + answer.bound)
    return best


def _grain(shapes: Counter[Shape]) -> int:
    """Return the GPUs in which sizes are counted: the divisor of most of what is asked.

    Sizes are rounded down and rooms up to multiples of it, which can only lower the bound.
    """
    weight: Counter[int] = Counter()
    for shape, count in shapes.items():
        weight[shape.gpus] += count * shape.gpus
    total, grain = sum(weight.values()), 0
    covered = 0
    for size, share in weight.most_common():
        if covered * 10 >= total * 9:
            break
        grain, covered = gcd(grain, size), covered + share
    return max(1, grain)
