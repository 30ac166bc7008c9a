"""A zone's items packed: which levels are seen, what stock of bins there is, and patterns laid on real domains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.items import Item
from kalloc.place.packing import Chosen, pack
from kalloc.place.prices import pooled
from kalloc.place.residues import common_divisor, groups_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating, by_choice
from kalloc.place.states import Children, States, TooManyStepsError
from kalloc.solver import Ids, Limits

MOST_SIBLINGS = 8
"""Bins of one parent that may share items; a parent with more is seen as several."""
MOST_BINS = 1_024
"""Bins that are packed together; a larger stock is packed in blocks, and items shared out among them."""
MAX_STEPS = 400_000
"""Steps between the states of bins; where there are more, bins are seen without their children."""


@dataclass(frozen=True)
class Scope:
    """The levels that a packing sees; −1 where there is none: the nation as the parent, bins without children."""

    parent: int
    bin: int
    child: int

    def costs(self, weights: Sequence[int]) -> tuple[int, int]:
        """Return what an item pays for entering a bin, and for entering a child in it."""
        return sum(weights[self.parent + 1 : self.bin + 1]), sum(weights[self.bin + 1 : self.child + 1])

    def region(self, weights: Sequence[int]) -> int:
        """Return the next level above the parents that costs something; −1 where there is none."""
        return max((level for level in range(max(0, self.parent)) if weights[level] > 0), default=-1)


@dataclass(frozen=True)
class Yard:
    """The bins of a zone, in blocks of parents."""

    scope: Scope
    grain: int
    domains: tuple[tuple[int, ...], ...]
    """Bins of every parent."""
    insides: tuple[tuple[Children, ...], ...]
    """Rooms of the children of each of them, in grains."""
    children: dict[int, list[tuple[int, int]]]
    """(room, domain) of the children of each bin; the bin itself where children are not seen."""


def scopes(rooms: Rooms, zone: int, grain: int) -> Iterator[Scope]:
    """Yield the levels to look at: the finest two that cost something under the next; then without the finest."""
    weights = rooms.topology.weights
    finest = len(weights) - 1 if grain % rooms.node_gpus[zone] else len(weights) - 2
    costly = [level for level in range(finest + 1) if weights[level] > 0]
    padded = [-1, -1, *costly]
    if len(costly) > 1:
        yield Scope(padded[-3], padded[-2], padded[-1])
    if costly:
        yield Scope(padded[-2], padded[-1], -1)


def yard_of(seating: Seating, zone: int, grain: int, scope: Scope) -> Yard:
    """Return the bins of a zone with free grains, as they are now."""
    free = seating.free(frozenset([zone]), grain)
    finest = scope.bin if scope.child < 0 else scope.child
    parts = np.flatnonzero(free[finest] >= grain)
    bin_of, parent_of = _above(seating.rooms, finest, scope.bin), _above(seating.rooms, finest, scope.parent)
    children: dict[int, list[tuple[int, int]]] = defaultdict(list)
    bins: dict[int, dict[int, None]] = defaultdict(dict)
    for part in parts.tolist():
        children[int(bin_of[part])].append((int(free[finest][part]) // grain, part))
        bins[int(parent_of[part])][int(bin_of[part])] = None
    domains = [tuple(found) for _, found in sorted(bins.items())]
    domains = [found[at : at + MOST_SIBLINGS] for found in domains for at in range(0, len(found), MOST_SIBLINGS)]
    insides = tuple(
        tuple(tuple(sorted((room for room, _ in children[bin]), reverse=True)) for bin in found) for found in domains
    )
    return Yard(scope, grain, tuple(domains), insides, dict(children))


def _above(rooms: Rooms, fine: int, coarse: int) -> Ids:
    """Return the domain of a coarser level that each domain of a finer one lies in."""
    domain = rooms.topology.domain
    found = np.zeros(rooms.topology.domain_count(fine), dtype=np.int64)
    found[domain[fine]] = domain[coarse] if coarse >= 0 else 0
    return found


def pack_zone(seating: Seating, zone: int, items: Sequence[Item], limits: Limits) -> None:
    """Seat items that may be cut anywhere on nodes of one zone: those of whole nodes first, on whole nodes.

    Raises:
        NoRoomError: when they do not fit.
    """
    node = seating.rooms.node_gpus[zone]
    whole = [item for item in items if item.shape.gpus % node == 0]
    if sum(item.shape.gpus for item in whole) > int(seating.free(frozenset([zone]), node)[0].sum()):
        whole = []
    others = [item for item in items if item.shape.gpus % node] if whole else list(items)
    for members, grain in ((whole, node), (others, gcd(node, *(item.shape.gpus for item in others)))):
        if members:
            _pack_grains(seating, zone, members, grain, limits)


def _pack_grains(seating: Seating, zone: int, items: Sequence[Item], grain: int, limits: Limits) -> None:
    left = list(items)
    for scope in scopes(seating.rooms, zone, grain):
        try:
            left = _pack_scope(seating, zone, items, grain, scope, limits)
            break
        except TooManyStepsError:
            continue
    for item in by_choice(left):
        seating.seat(item)


def _pack_scope(
    seating: Seating, zone: int, items: Sequence[Item], grain: int, scope: Scope, limits: Limits
) -> list[Item]:
    """Pack items; return those that are left out.

    Raises:
        TooManyStepsError: when the states of the bins are too many; nothing is seated then.
    """
    yard = yard_of(seating, zone, grain, scope)
    waiting: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        waiting[item.shape.gpus // grain].append(item)
    blocks = _blocks(yard)
    rooms = [sum(sum(map(sum, yard.insides[parent])) for parent in block) for block in blocks]
    shares = share_out({size: len(members) for size, members in waiting.items()}, rooms)
    stocks = [_stock(seating.rooms, yard, block, share) for block, share in zip(blocks, shares, strict=True)]
    leave = sum(seating.rooms.topology.weights)
    for block, stock, share in zip(blocks, stocks, shares, strict=True):
        prices = pooled(stock, share, limits)
        packing = pack(stock, share, prices.pays(stock.bin_cost, sorted(share)), leave, prices.bound, limits)
        lay(seating, zone, yard, block, stock, packing.chosen, waiting)
    return [item for members in waiting.values() for item in members]


def _stock(rooms: Rooms, yard: Yard, block: Sequence[int], sizes: Counter[int]) -> Stock:
    """Return the stock of a block of parents for items of some sizes.

    Raises:
        TooManyStepsError: when the states of the bins are too many.
    """
    weights, scope = rooms.topology.weights, yard.scope
    bins = [bin for parent in block for bin in yard.insides[parent]]
    states = States(dict.fromkeys(bins), min(max(map(sum, bins)), max(sizes)), MAX_STEPS)
    above = _above(rooms, scope.bin, scope.region(weights))
    regions = [int(above[yard.domains[parent][0]]) for parent in block]
    room = [sum(map(sum, yard.insides[parent])) for parent in block]
    modulus, _ = common_divisor(sizes)
    slack = sum(room) - sum(size * count for size, count in sizes.items())
    shared = sum(of % modulus for of in room) > slack
    groups = groups_of([of % modulus for of in room], regions, modulus, slack) if shared else [0] * len(block)
    return Stock(
        states,
        tuple(tuple(states.index[bin] for bin in yard.insides[parent]) for parent in block),
        *scope.costs(weights),
        tuple(regions),
        tuple(groups),
        max(1, sum(weights[scope.region(weights) + 1 : scope.parent + 1])),
        max(1, sum(weights[: scope.region(weights) + 1])),
        shared,
    )


def _blocks(yard: Yard) -> list[list[int]]:
    """Return the parents in blocks of about as many bins each."""
    total = sum(map(len, yard.domains))
    count = max(1, -(-total // MOST_BINS))
    blocks: list[list[int]] = [[] for _ in range(count)]
    seen = 0
    for parent, bins in enumerate(yard.domains):
        blocks[min(count - 1, seen * count // total)].append(parent)
        seen += len(bins)
    return [block for block in blocks if block]


def share_out(sizes: dict[int, int], rooms: Sequence[int]) -> list[Counter[int]]:
    """Share items out among blocks of so much room, the larger first, each to the block that is least full."""
    shares = [Counter[int]() for _ in rooms]
    left = list(rooms)
    for size in sorted(sizes, reverse=True):
        for _ in range(sizes[size]):
            block = max(range(len(rooms)), key=lambda number: left[number] / max(1, rooms[number]))
            shares[block][size] += 1
            left[block] -= size
    return shares


def lay(
    seating: Seating,
    zone: int,
    yard: Yard,
    block: Sequence[int],
    stock: Stock,
    chosen: Sequence[Chosen],
    waiting: dict[int, list[Item]],
) -> None:
    """Seat items as the patterns chosen say."""
    free: list[dict[int, list[int]]] = [defaultdict(list) for _ in block]
    for number, parent in enumerate(block):
        for domain, state in zip(yard.domains[parent], stock.parents[number], strict=True):
            free[number][state].append(domain)
    for pattern, parents, missing in chosen:
        names = [None if item in missing else waiting[size].pop() for item, size in enumerate(pattern.sizes)]
        for parent, filled in zip(parents, pattern.bins, strict=True):
            domain = free[parent][filled.state].pop()
            inside = list(yard.children[domain])
            for item, step in zip(filled.items, filled.steps, strict=True):
                _fill(seating, zone, yard, stock, inside, names[item], step)


def _fill(
    seating: Seating,
    zone: int,
    yard: Yard,
    stock: Stock,
    inside: list[tuple[int, int]],
    item: Item | None,
    step: int,
) -> None:
    """Lay a part over the children of a bin as a step does."""
    level = yard.scope.bin if yard.scope.child < 0 else yard.scope.child
    drawn, rest = stock.states.drawn(step)
    for room in drawn:
        child = next(entry for entry in inside if entry[0] == room)
        inside.remove(child)
        if rest:
            inside.append((rest, child[1]))
        if item is not None:
            seating.fill(item, frozenset([zone]), level, child[1], (room - rest) * yard.grain)
        rest = 0

