"""The bins of a zone: which levels are looked at, what room is inside every bin, and who shares items with whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.grouping import grouped_bins, hosts_of
from kalloc.place.nests import BinAt, Nest
from kalloc.place.residues import common_divisor, groups_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.place.sharing import Asked
from kalloc.place.states import Children, states_of
from kalloc.solver import Limits

MOST_SIBLINGS = 8
"""Bins of one parent that may share items; a parent with more is seen as several."""
MOST_BINS = 1_024
"""Bins that are packed together; a larger yard is packed in blocks, and items shared out among them."""


@dataclass(frozen=True)
class Scope:
    """The levels that a packing sees; −1 where there is none: the nation as the parent, bins without children."""

    parent: int
    bin: int
    child: int

    @property
    def finest(self) -> int:
        """The level of the children; of the bins where they are not seen."""
        return self.bin if self.child < 0 else self.child

    @property
    def loose(self) -> bool:
        """Whether nothing but the bins costs anything."""
        return self.parent < 0 and self.child < 0

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
    groups: tuple[int, ...] = ()
    """The group of every parent, where they are pieces of groups of bins that share items."""

    def room(self, parent: int) -> int:
        """Return the room of a parent, in grains."""
        return sum(map(sum, self.insides[parent]))

    @classmethod
    def nothing(cls, grain: int) -> Yard:
        """Return a yard without bins."""
        return cls(Scope(-1, -1, -1), grain, (), (), {})


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
    finest = scope.finest
    parts = np.flatnonzero(free[finest] >= grain)
    bin_of, parent_of = seating.rooms.above(finest, scope.bin), seating.rooms.above(finest, scope.parent)
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


def must_share(rooms: Sequence[int], sizes: Mapping[int, int]) -> bool:
    """Tell whether parents of some rooms waste more than there is to waste, unless they share items."""
    modulus, _ = common_divisor(sizes)
    return sum(room % modulus for room in rooms) > sum(rooms) - sum(size * count for size, count in sizes.items())


def grouped(rooms: Rooms, yard: Yard, sizes: Counter[int], limits: Limits) -> Yard:
    """Return the yard with its parents in pieces, where they must share items: all bins of one parent and one group."""
    if not must_share([yard.room(parent) for parent in range(len(yard.domains))], sizes):
        return yard
    weights, scope = rooms.topology.weights, yard.scope
    regions = rooms.above(scope.bin, scope.region(weights))
    nest = Nest(
        tuple(tuple(map(sum, insides)) for insides in yard.insides),
        tuple(int(regions[domains[0]]) for domains in yard.domains),
        scope.costs(weights)[0],
        *above_costs(scope, weights),
    )
    free: dict[BinAt, list[int]] = defaultdict(list)
    for parent, insides in enumerate(yard.insides):
        for at, inside in enumerate(insides):
            free[parent, sum(inside)].append(at)
    pieces: dict[tuple[int, int], list[int]] = defaultdict(list)
    for group, bins in enumerate(grouped_bins(nest, Asked.of(nest, sizes), limits)):
        for bin in bins:
            pieces[group, bin[0]].append(free[bin].pop())
    if not pieces:
        return yard
    return replace(
        yard,
        domains=tuple(tuple(yard.domains[parent][at] for at in found) for (_, parent), found in pieces.items()),
        insides=tuple(tuple(yard.insides[parent][at] for at in found) for (_, parent), found in pieces.items()),
        groups=tuple(group for group, _ in pieces),
    )


def above_costs(scope: Scope, weights: Sequence[int]) -> tuple[int, int]:
    """Return what an item pays for every parent, and for every region, beyond the first."""
    region = scope.region(weights)
    return max(1, sum(weights[region + 1 : scope.parent + 1])), max(1, sum(weights[: region + 1]))


def stock_of(rooms: Rooms, yard: Yard, block: Sequence[int], sizes: Counter[int]) -> Stock:
    """Return the stock of a block of parents for items of some sizes.

    Raises:
        TooManyStepsError: when the states of the bins are too many.
    """
    weights, scope = rooms.topology.weights, yard.scope
    bins = [bin for parent in block for bin in yard.insides[parent]]
    states = states_of(bins, max(sizes))
    above = rooms.above(scope.bin, scope.region(weights))
    regions = [int(above[yard.domains[parent][0]]) for parent in block]
    room = [yard.room(parent) for parent in block]
    shared, groups = bool(yard.groups) or must_share(room, sizes), [0] * len(block)
    if yard.groups:
        groups = [yard.groups[parent] for parent in block]
    elif shared:
        modulus, _ = common_divisor(sizes)
        slack = sum(room) - sum(size * count for size, count in sizes.items())
        groups = groups_of([of % modulus for of in room], regions, modulus, slack)
    return Stock(
        states,
        tuple(tuple(states.index[bin] for bin in yard.insides[parent]) for parent in block),
        *scope.costs(weights),
        tuple(regions),
        tuple(groups),
        *above_costs(scope, weights),
        shared,
    )


def blocks_of(yard: Yard) -> list[list[int]]:
    """Return the parents in blocks of about as many bins each, groups whole; none where there are no bins."""
    total = sum(map(len, yard.domains))
    count = max(1, -(-total // MOST_BINS))
    blocks: list[list[int]] = [[] for _ in range(count)]
    seen = block = 0
    groups = yard.groups or tuple(range(len(yard.domains)))
    for parent, bins in enumerate(yard.domains):
        if parent == 0 or groups[parent] != groups[parent - 1]:
            block = min(count - 1, seen * count // total)
        blocks[block].append(parent)
        seen += len(bins)
    return [block for block in blocks if block]


def shares_of(yard: Yard, blocks: Sequence[Sequence[int]], sizes: Counter[int]) -> list[Counter[int]]:
    """Return what every block of a yard gets of some items.

    Where parents are in groups, an item larger than any bin goes to the block of a group that holds it, and so does one
    that is no multiple of what most are; the others may have what such items leave of groups, in these multiples.
    """
    if not yard.groups or len(blocks) == 1:
        return share_out(sizes, [sum(map(yard.room, block)) for block in blocks])
    block_of = {yard.groups[parent]: number for number, block in enumerate(blocks) for parent in block}
    room: Counter[int] = Counter()
    for parent, group in enumerate(yard.groups):
        room[group] += yard.room(parent)
    divisor, _ = common_divisor(sizes)
    largest = max(sum(inside) for insides in yard.insides for inside in insides)
    hosted, others = [Counter[int]() for _ in blocks], Counter(sizes)
    for group, size in hosts_of(room, [size for size in sizes.elements() if size > largest or size % divisor], divisor):
        hosted[block_of[group]][size] += 1
        others[size] -= 1
        room[group] -= size
    rooms = [0 for _ in blocks]
    for group, left in room.items():
        rooms[block_of[group]] += left // divisor * divisor
    return [one + other for one, other in zip(hosted, share_out(+others, rooms), strict=True)]


def share_out(sizes: Mapping[int, int], rooms: Sequence[int]) -> list[Counter[int]]:
    """Share items out among blocks of so much room, the larger first, each to the block that is least full.

    Items change places until no block has more than its room, as far as that goes. Where there are no blocks, nobody
    gets a share.
    """
    shares = [Counter[int]() for _ in rooms]
    if not rooms:
        return shares
    left = list(rooms)
    for size in sorted(sizes, reverse=True):
        for _ in range(sizes[size]):
            block = max(range(len(rooms)), key=lambda number: left[number] / max(1, rooms[number]))
            shares[block][size] += 1
            left[block] -= size
    while found := _exchange(shares, left):
        over, under, given, taken = found
        for block, gets, loses in ((over, taken, given), (under, given, taken)):
            shares[block][gets] += 1
            shares[block][loses] -= 1
            left[block] += loses - gets
    return [Counter({size: count for size, count in share.items() if size and count > 0}) for share in shares]


def _exchange(shares: Sequence[Counter[int]], left: Sequence[int]) -> tuple[int, int, int, int] | None:
    """Return a block with more than its room, one with room left, what it gives and what it takes; 0 is nothing.

    The one has no less and the other no more than its room after that.
    """
    blocks = sorted(range(len(left)), key=lambda block: left[block])
    for over in (block for block in blocks if left[block] < 0):
        for under in (block for block in reversed(blocks) if left[block] > 0):
            for more in range(min(-left[over], left[under]), 0, -1):
                for size, count in shares[over].items():
                    if count and (size == more or shares[under].get(size - more, 0)):
                        return over, under, size, size - more
    return None
