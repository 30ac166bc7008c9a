"""The fewest spans of one level: an exact model of that level alone, every other level forgotten.

The sum of the levels' bounds, each with its weight, bounds the whole score. What a level's model simplifies only ever
adds room or takes away demand, so that its bound stays valid.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import gcd
from typing import NamedTuple

import numpy as np

from kalloc.place.flow import Demand, FlowBuilder, TooLargeError
from kalloc.place.items import Item, Shape
from kalloc.place.residues import common_divisor, fewest_merges
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.tree import Bin, Place
from kalloc.place.workers import PartT, Work, Workers
from kalloc.solver import Limits, Model, Status, relaxed_bound, solve_scip

MAX_VARIABLES = 40_000
"""A model larger than this is not built; the need alone is the bound then."""
SMALL_ROOM = 36
"""Domains up to so many GPUs are counted in single GPUs; larger ones in grains."""
MAX_ARCS = 16_000
"""Where GPUs are counted singly, items that would take more variables than this are left out of the model."""
MAX_GRAINS = 100
"""Domains of more grains than this are not modelled; the need alone is the bound then."""
MAX_BRANCHED = 7_000
"""Variables of the largest model that is branched on: rounded up, the relaxation is nearly always the optimum."""
MAX_NODES = 20
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
WORTH_ROOM = 100_000
"""Free GPUs from which on processes save more time than it takes to start them."""


class Proven(NamedTuple):
    """A lower bound: what everybody needs, and how much more it must be, by the zones of those who compete."""

    least: int
    beyond: dict[Zones, int]

    @property
    def total(self) -> int:
        """The bound."""
        return self.least + sum(self.beyond.values())


def fewest_spans(
    workers: Workers[Rooms],
    items: Sequence[Item],
    needs: Mapping[str, int],
    spans: Mapping[str, int],
    level: int,
    limits: Limits,
    apart: Collection[str] = (),
) -> Proven:
    """Return a proven lower bound of Σ spans of a level over all projects.

    ``needs`` has the spans that each served project cannot do without, ``spans`` those that it has in a plan: no more
    work is done than it takes to meet them. Those that stand ``apart`` count with what they need alone.
    """
    rooms, found = workers.shared, Proven(sum(needs.values()), {})
    if limits.over or sum(spans.values()) <= found.least:
        return found
    open_ones, least_of = list[Open](), list[int]()
    for component in components_at(rooms, [item for item in items if item.project not in apart], level):
        least = sum(needs[seen.project] for seen in component.members)
        reached = sum(spans[seen.project] for seen in component.members)
        kept = sum(seen.kept for seen in component.members)
        found.beyond[component.zones] = 0
        if reached > least:
            open_ones.append(Open(component, level, reached - kept))
            least_of.append(least - kept)
    room = sum(rooms.zone_room[zone] for one in open_ones for zone in one.component.zones)
    bounds = side_by_side(workers, _bounded, open_ones, least_of, room, limits)
    for one, least, bound in zip(open_ones, least_of, bounds, strict=True):
        found.beyond[one.component.zones] = max(0, bound - least)
    return found


def side_by_side(
    workers: Workers[Rooms],
    work: Work[Rooms, PartT, int],
    parts: Sequence[PartT],
    least: Sequence[int],
    room: int,
    limits: Limits,
) -> list[int]:
    """Return the bound that is found of every part: in processes where that pays.

    ``least`` is known of the parts, and stands where nothing is found in time; ``room`` has their free GPUs together.
    """
    if workers.count > 1 and len(parts) > 1 and room >= WORTH_ROOM:
        return workers.in_processes(work, parts, [1] * len(parts), least, limits)
    return workers.in_threads(work, parts, limits)


@dataclass(frozen=True)
class Seen:
    """What the model of one level sees of an item."""

    project: str
    parts: tuple[Shape, ...]
    """Shapes of one kind each whose spans add up."""
    kept: int
    """Domains that the project keeps and that have no room for more of it."""

    @property
    def zones(self) -> Zones:
        """All zones that any part may use."""
        return frozenset().union(*(shape.zones[0] for shape in self.parts))


@dataclass(frozen=True)
class Component:
    """Items that compete for nodes with each other and with nobody else."""

    zones: Zones
    members: list[Seen]

    def by_kind(self, rooms: Rooms) -> dict[str, Zones]:
        """Return the zones of every kind."""
        kinds: dict[str, Zones] = defaultdict(frozenset)
        for zone in self.zones:
            kinds[rooms.zones[zone].kind] |= {zone}
        return kinds


class Open(NamedTuple):
    """A component that a plan spans more of a level in than it must by what is known, so much without what it keeps."""

    component: Component
    level: int
    reached: int


def _bounded(rooms: Rooms, one: Open, limits: Limits, seconds: float) -> int:
    return 0 if limits.over else _component_bound(rooms, one.component, one.level, one.reached, limits)


def components_at(rooms: Rooms, items: Sequence[Item], level: int) -> list[Component]:
    """Return what a level's model sees of items, those together that compete for nodes.

    An item that it does not see counts with its need. Where no domain holds nodes of two kinds, as at the level of
    nodes, the spans of all parts of an item add up. Elsewhere an item spans no less than its part of one kind, and the
    part is seen whose zones have least room left. Above the nodes, items are seen that keep nothing; at the nodes, what
    is kept on full ones stands apart from what is seated anew.
    """
    left = _left_over(rooms, items)
    apart = cache(partial(apart_at, rooms, level))
    return components(_seen(rooms, item, level, left, apart(item.shape.zones)) for item in items)


def _left_over(rooms: Rooms, items: Iterable[Item]) -> dict[Zones, int]:
    """Return for the zones of every part the room that is left when all who can sit nowhere else have what they ask."""
    asked: Counter[Zones] = Counter()
    for item in items:
        for (_, gpus), zones in zip(item.shape.amounts, item.shape.zones, strict=True):
            asked[zones] += gpus
    room = {zones: sum(rooms.zone_room[zone] for zone in zones) for zones in asked}
    return {zones: room[zones] - sum(asked[inner] for inner in asked if inner <= zones) for zones in asked}


def apart_at(rooms: Rooms, level: int, zones: Sequence[Zones]) -> bool:
    """Tell whether no domain of a level holds nodes of two of the given zones."""
    domains = [set(rooms.topology.domain[level][np.isin(rooms.zone, sorted(some))].tolist()) for some in zones]
    return len(set().union(*domains)) == sum(map(len, domains))


def _seen(rooms: Rooms, item: Item, level: int, left: Mapping[Zones, int], apart: bool) -> Seen | None:
    """Return what a level's model sees of an item, or None."""
    shape = item.shape
    nodes = list(rooms.stays[item.project]) if shape.anchor is not None else []
    finest = level == len(rooms.topology.levels) - 1
    if (nodes and not finest) or rooms.room[nodes].any():
        return None
    whole = shape.level is not None and shape.level >= level and not nodes
    parts = [
        Shape((amount,), (zones,), level if whole else None, None, None)
        for amount, zones in zip(shape.amounts, shape.zones, strict=True)
    ]
    seen = parts if apart else [min(parts, key=lambda part: left[part.zones[0]])]
    return Seen(item.project, tuple(seen), len(nodes))


def components(seen: Iterable[Seen | None]) -> list[Component]:
    """Group items whose zones are linked."""
    found: list[Component] = []
    for item in seen:
        if item is None:
            continue
        linked = [entry for entry in found if entry.zones & item.zones]
        if len(linked) == 1 and item.zones <= linked[0].zones:
            linked[0].members.append(item)
            continue
        found = [entry for entry in found if not entry.zones & item.zones]
        members = [member for entry in linked for member in entry.members]
        found.append(Component(item.zones.union(*(entry.zones for entry in linked)), [*members, item]))
    return found


def _component_bound(rooms: Rooms, component: Component, level: int, enough: int, limits: Limits) -> int:
    """Return a lower bound of the spans of a component's parts; no more is done than it takes to reach ``enough``."""
    kinds = component.by_kind(rooms)
    shapes = Counter(
        replace(shape, zones=(kinds[shape.amounts[0][0]],)) for seen in component.members for shape in seen.parts
    )
    domains = {kind: _domains(rooms, zones, level) for kind, zones in kinds.items()}
    asked: Counter[int] = Counter()
    for shape, count in shapes.items():
        asked[shape.gpus] += count
    largest = max(max(found) for found in domains.values())
    node = gcd(*(rooms.node_gpus[zone] for zone in component.zones))
    grain, longest = (1, MAX_ARCS // largest) if largest <= SMALL_ROOM else (gcd(node, divisor(asked)), None)
    merged = sum(_merged(domains[kind], shapes, kind, limits) for kind in kinds)
    if largest // grain > MAX_GRAINS:
        return merged
    tree = Place(level=-1, weight=0)
    for kind, found in domains.items():
        for room, count in found.items():
            key = Bin(level, 1, kinds[kind], frozenset(), -(-room // grain) * grain)
            tree.bins.setdefault(key, []).extend([np.arange(0)] * count)
    demands: dict[Shape, int] = Counter()
    dropped = 0
    for shape, count in shapes.items():
        [(kind, gpus)] = shape.amounts
        if gpus < grain or (longest is not None and gpus > longest):
            dropped += count * -(-gpus // max(domains[kind]))
        else:
            demands[replace(shape, amounts=((kind, gpus // grain * grain),))] += count
    return max(merged, dropped + _solve(rooms, tree, demands, enough - dropped, limits))


def _domains(rooms: Rooms, zones: Zones, level: int) -> Counter[int]:
    """Return the free GPUs of the domains of a level, counted."""
    by_domain = np.bincount(rooms.topology.domain[level], weights=rooms.open(zones)).astype(np.int64)
    return Counter(int(room) for room in by_domain if room > 0)


def _merged(domains: Counter[int], shapes: Mapping[Shape, int], kind: str, limits: Limits) -> int:
    """Return a lower bound of the parts of a kind: the most of three.

    What each item needs; as many as domains must be used; a part of every item and one more for every merge of domains.
    """
    sizes: Counter[int] = Counter()
    for shape, count in shapes.items():
        if shape.amounts[0][0] == kind:
            sizes[shape.gpus] += count
    modulus, others = common_divisor(sizes)
    slack = sum(room * count for room, count in domains.items()) - sum(size * count for size, count in sizes.items())
    residues: Counter[int] = Counter()
    for room, count in domains.items():
        residues[room % modulus] += count
    offer = np.cumsum(sorted(domains.elements(), reverse=True))
    needed = sum(count * (int(np.searchsorted(offer, size)) + 1) for size, count in sizes.items())
    used = int(np.searchsorted(offer, int(offer[-1]) - slack)) + 1
    return max(needed, used, sizes.total() + fewest_merges(residues, modulus, others, slack, limits))


def _solve(rooms: Rooms, tree: Place, demands: Mapping[Shape, int], enough: int, limits: Limits) -> int:
    """Return a lower bound of the parts that the demands are cut into: by the relaxation, then by branching."""
    model = Model()
    try:
        known = {shape: Demand([], count, count) for shape, count in demands.items()}
        FlowBuilder(rooms, model, MAX_VARIABLES).build(tree, known)
    except TooLargeError:
        return 0
    best = max(0, relaxed_bound(model, limits) or 0)
    if best < enough and model.size <= MAX_BRANCHED and not limits.over:
        answer = solve_scip(model, limits, nodes=MAX_NODES)
        if answer.bound is not None and answer.status is not Status.INFEASIBLE:
            best = max(best, answer.bound)
    return best


def divisor(asked: Mapping[int, int]) -> int:
    """Return the GPUs in which sizes are counted: the divisor of most of what is asked, from how often each is asked.

    Sizes are rounded down and rooms up to multiples of it, which can only lower the bound.
    """
    total, grain, covered = sum(size * count for size, count in asked.items()), 0, 0
    for size, count in sorted(asked.items(), key=lambda entry: -entry[0] * entry[1]):
        if covered * 10 >= total * 9:
            break
        grain, covered = gcd(grain, size), covered + size * count
    return max(1, grain)
