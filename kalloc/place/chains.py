"""Chains: whole items packed into groups of domains that are merged at a price.

Draw items and domains as a graph with an edge where they share GPUs. A connected group of k domains needs at least
k − 1 edges more than it has items, and laying its items end to end over its domains needs no more: it is a chain. So
the scattering at a level is the number of merges, and the least of it is a bin packing of whole items in which bins
may be merged: inside one parent domain for the weight of the level, across parents for the parent's weight on top.
Items and rooms are counted by size, so the model is small whatever the number of nodes (arc flow after Valério de
Carvalho, 1999).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, pairwise

from kalloc.solver import Limits, Model, Terms, solve_scip

Parent = Mapping[int, int]
"""Free GPUs of each domain of one parent, by domain."""
Merge = tuple[int, ...]
"""Rooms of the domains that are merged, the largest first."""

MAX_MERGES = 256
"""Ways to merge the domains of one parent that the model considers, those of few domains first."""
MAX_ROOMS = 64
"""Different rooms that are merged across parents, the largest first."""
MAX_NODES = 20
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""


@dataclass(frozen=True)
class Chain:
    """Items that share some domains and nothing else."""

    domains: tuple[int, ...]
    sizes: tuple[int, ...]


@dataclass
class _Packing:
    """The model: counts of merges by parent, merges across parents, and the arc flow of fills."""

    grain: int
    model: Model = field(default_factory=Model)
    merges: dict[tuple[int, Merge], int] = field(default_factory=dict)
    """How many groups of these rooms one parent makes, by (parent, rooms)."""
    lent: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many domains of a room one parent gives up for merges across parents, by (parent, room)."""
    across: dict[Merge, int] = field(default_factory=dict)
    arcs: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many items of a size start at a fill, by (fill, size); size 0 leaves room empty up to the next fill."""
    out: dict[int, int] = field(default_factory=dict)
    """How many items of a size are left out."""
    ends: dict[int, Terms] = field(default_factory=lambda: defaultdict(list))
    """Groups by the grains that they hold."""


def pack(
    parents: Sequence[Parent], sizes: Counter[int], grain: int, merge: int, cross: int, limits: Limits
) -> list[Chain] | None:
    """Return chains that hold the items at the least price of merges, or None where none were found.

    Items that fit in no group the model knows are left out: each grain of them costs more than a merge.

    Args:
        parents: the domains that may be merged at the price ``merge``.
        sizes: how many items there are of each size, in grains.
        grain: GPUs in which the sizes count; what a group of domains has beyond whole grains is of no use to it.
        merge: price of a merge inside a parent.
        cross: price of a merge across parents.
        limits: of the solve.
    """
    if not sizes or not parents:
        return []
    packing = _Packing(grain)
    largest = max((room for parent in parents for room in parent.values()), default=0)
    _merge(packing, parents, merge, max(2 * largest, grain * max(sizes)))
    _cross(packing, parents, cross)
    _fill(packing, sizes, cross + 1)
    answer = solve_scip(packing.model, limits, nodes=MAX_NODES)
    if answer.values is None:
        return None
    counts = [int(value) for value in answer.values]
    return list(_name(packing, counts, parents))


def _merge(packing: _Packing, parents: Sequence[Parent], price: int, most: int) -> None:
    """Every domain is in one group at most, alone or merged with others of its parent."""
    model = packing.model
    for number, parent in enumerate(parents):
        rooms = Counter(parent.values())
        uses: dict[int, Terms] = defaultdict(list)
        for merged in _merges(rooms, most):
            group = model.variable(0, len(parent) // len(merged), price * (len(merged) - 1))
            packing.merges[number, merged] = group
            packing.ends[sum(merged) // packing.grain].append((group, 1))
            for room, times in Counter(merged).items():
                uses[room].append((group, times))
        for room, terms in uses.items():
            lent = model.variable(0, rooms[room])
            packing.lent[number, room] = lent
            model.row([*terms, (lent, 1)], None, rooms[room])


def _merges(rooms: Counter[int], most: int) -> Iterator[Merge]:
    """Yield the ways to merge some of the domains of a parent into so much room at most, few domains first."""
    found = 0
    distinct = sorted(rooms, reverse=True)
    for count in range(1, rooms.total() + 1):
        if sum(sorted(rooms.elements())[:count]) > most:
            return
        for merged in combinations_with_replacement(distinct, count):
            if sum(merged) <= most and all(merged.count(room) <= rooms[room] for room in set(merged)):
                found += 1
                yield merged
                if found >= MAX_MERGES:
                    return


def _cross(packing: _Packing, parents: Sequence[Parent], price: int) -> None:
    """Domains that parents lend are merged in pairs across parents."""
    model = packing.model
    if len(parents) < 2:
        return
    uses: dict[int, Terms] = defaultdict(list)
    for (_, room), lent in packing.lent.items():
        uses[room].append((lent, -1))
    for pair in combinations_with_replacement(sorted(uses, reverse=True)[:MAX_ROOMS], 2):
        group = model.variable(0, sum(len(parent) for parent in parents), price)
        packing.across[pair] = group
        packing.ends[sum(pair) // packing.grain].append((group, 1))
        for room, times in Counter(pair).items():
            uses[room].append((group, times))
    for terms in uses.values():
        model.row(terms, None, 0)


def _fill(packing: _Packing, sizes: Counter[int], price: int) -> None:
    """Groups are filled with whole items, the larger first: a path of arcs from fill 0 to the room of the group."""
    model, largest = packing.model, max(packing.ends, default=0)
    fills, starts = {0}, defaultdict(list)
    for size in sorted(sizes, reverse=True):
        for fill in range(largest - size + 1):
            if fill in fills:
                fills.add(fill + size)
                starts[size].append(fill)
    total = sizes.total()
    balance: dict[int, Terms] = {room: [(v, -f) for v, f in terms] for room, terms in packing.ends.items()}
    points = sorted(fills | set(packing.ends))
    for size, count in sorted(sizes.items()):
        arcs = {fill: model.variable(0, count) for fill in starts[size]}
        packing.out[size] = model.variable(0, count, price * size)
        model.row([*((arc, 1) for arc in arcs.values()), (packing.out[size], 1)], count, count)
        for fill, arc in arcs.items():
            packing.arcs[fill, size] = arc
            balance.setdefault(fill, []).append((arc, -1))
            balance.setdefault(fill + size, []).append((arc, 1))
    groups = sum(len(terms) for terms in packing.ends.values()) * max(1, total)
    for fill, following in pairwise(points):
        waste = model.variable(0, groups)
        packing.arcs[fill, 0] = waste
        balance.setdefault(fill, []).append((waste, -1))
        balance.setdefault(following, []).append((waste, 1))
    for fill in points:
        if fill > 0:
            model.row(balance.get(fill, []), 0, 0)


def _name(packing: _Packing, counts: list[int], parents: Sequence[Parent]) -> Iterator[Chain]:
    """Give the groups their domains and their items."""
    free: list[dict[int, list[int]]] = []
    for parent in parents:
        by_room: dict[int, list[int]] = defaultdict(list)
        for domain, room in parent.items():
            by_room[room].append(domain)
        free.append(by_room)
    groups: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for (number, merged), variable in packing.merges.items():
        for _ in range(counts[variable]):
            groups[sum(merged) // packing.grain].append(tuple(free[number][room].pop() for room in merged))
    for pair, variable in packing.across.items():
        for _ in range(counts[variable]):
            groups[sum(pair) // packing.grain].append(_join(free, pair))
    fills = sorted({fill for fill, _ in packing.arcs} | set(packing.ends))
    following = dict(pairwise(fills))
    leaving: dict[int, list[list[int]]] = defaultdict(list)
    for (fill, size), arc in packing.arcs.items():
        if counts[arc]:
            leaving[fill].append([size, counts[arc]])
    while leaving[0]:
        sizes, room = _path(leaving, following, groups)
        if sizes:
            yield Chain(groups[room].pop(), sizes)
        else:
            groups[room].pop()


def _join(free: list[dict[int, list[int]]], pair: Merge) -> tuple[int, ...]:
    """Take a domain of each room, from parents near each other in their order."""
    domains = []
    for room in pair:
        number = next(number for number, by_room in enumerate(free) if by_room.get(room))
        domains.append(free[number][room].pop())
    return tuple(domains)


def _path(
    leaving: dict[int, list[list[int]]], following: Mapping[int, int], groups: Mapping[int, list[tuple[int, ...]]]
) -> tuple[tuple[int, ...], int]:
    """Follow one path of the flow from fill 0 to where a group ends; return its items and the group's room."""
    sizes, fill = [], 0
    while leaving[fill]:
        arc = leaving[fill][0]
        arc[1] -= 1
        if arc[1] == 0:
            leaving[fill].pop(0)
        if arc[0]:
            sizes.append(arc[0])
        fill = fill + arc[0] if arc[0] else following[fill]
    return tuple(sizes), fill
