"""Bins that must share items, in parents, seen over four levels at once: region, parent, bin and child.

Where all sizes are multiples of *g*, bins that share items with each other and with nobody else are a group whose rooms
add up to a multiple of *g*, but for what may be wasted. What a group has in one parent is a *piece*. A group costs its
items one domain less than it has, at every level; a large item, which needs several bins anyhow, makes up for some of
them, but pays for the children that it needs there. So every parent is divided into pieces in all ways, by dynamic
programming over sets of its bins; pieces of several parents are joined by walks over what they add up to modulo *g*.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import NamedTuple

import numpy as np

from kalloc.place.nests import Net, Node
from kalloc.place.rooms import Rooms
from kalloc.solver import Ids, Limits, Terms, solve_scip

MOST_BINS = 8
"""Bins of a parent of which all sets are looked at."""
MOST_PARENTS = 32
"""Parents of which some bin's room is no multiple."""
MOST_WASTED = 4
"""Units that may be wasted at most."""
MAX_MODULUS = 16
"""Residues that are told apart at most."""
MAX_NODES = 500
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
SCALE = 2**20
"""Gains by share are counted in fractions of so much."""
FINE = 100
"""Costs are given to the solver in fractions of so much."""
NEVER = 2**60
"""What cannot be costs so much."""


class Costs(NamedTuple):
    """What an item pays for a domain of each level."""

    region: int
    parent: int
    bin: int
    child: int


class Parent(NamedTuple):
    """A parent: its region, and the rooms of the children of every bin."""

    region: int
    bins: tuple[tuple[int, ...], ...]

    @property
    def rooms(self) -> list[int]:
        """Rooms of the bins."""
        return [sum(children) for children in self.bins]


class Way(NamedTuple):
    """How a parent may be divided: how many pieces are parts of larger groups, what is wasted inside, residues."""

    pieces: int
    """One, two, or three for any more, which are seen as one."""
    wasted: int
    residues: tuple[int, ...]


def parents_in(rooms: Rooms, room: Ids, levels: Sequence[int]) -> tuple[list[Parent], list[list[int]]]:
    """Return the domains of the second of four levels as parents, and which domains their bins are.

    ``room`` has the free GPUs of every node.
    """
    free = np.bincount(rooms.topology.domain[levels[3]], weights=room).astype(np.int64)
    bin_of, parent_of, region_of = (rooms.above(levels[3], level) for level in levels[2::-1])
    inside: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for child in np.flatnonzero(free).tolist():
        inside[int(region_of[child]), int(parent_of[child])][int(bin_of[child])].append(int(free[child]))
    parents = [Parent(region, tuple(map(tuple, bins.values()))) for (region, _), bins in inside.items()]
    return parents, [list(bins) for bins in inside.values()]


@dataclass(frozen=True)
class Market:
    """All parents and all items."""

    parents: tuple[Parent, ...]
    costs: Costs
    sizes: Mapping[int, int]
    plain: bool = False
    """Whether it is left out of account that large items need several bins anyhow."""

    @cached_property
    def divisor(self) -> int:
        """What all sizes are multiples of."""
        return gcd(*self.sizes)

    @cached_property
    def unit(self) -> int:
        """What the divisor and all rooms are multiples of."""
        return gcd(self.divisor, *(room for parent in self.parents for room in parent.rooms))

    @cached_property
    def modulus(self) -> int:
        """How many residues there are, in units."""
        return self.divisor // self.unit

    @cached_property
    def slack(self) -> int:
        """Units that all items leave over."""
        room = sum(sum(parent.rooms) for parent in self.parents)
        return (room - sum(size * count for size, count in self.sizes.items())) // self.unit

    @cached_property
    def needs(self) -> dict[int, tuple[int, ...]]:
        """Per size the fewest regions, parents, bins and children that hold so much."""
        by_region: Counter[int] = Counter()
        for parent in self.parents:
            by_region[parent.region] += sum(parent.rooms)
        rooms = [
            list(by_region.values()),
            [sum(parent.rooms) for parent in self.parents],
            [room for parent in self.parents for room in parent.rooms],
            [room for parent in self.parents for children in parent.bins for room in children],
        ]
        offers = [np.cumsum(sorted(found, reverse=True)) for found in rooms]
        return {size: tuple(int(offer.searchsorted(size)) + 1 for offer in offers) for size in self.sizes}

    @cached_property
    def least(self) -> int:
        """What all items need."""
        return sum(
            count * sum(cost * need for cost, need in zip(self.costs, self.needs[size], strict=True))
            for size, count in self.sizes.items()
        )

    def inside_region(self, size: int) -> int:
        """Return what an item pays at least for parents, bins and children."""
        return sum(cost * need for cost, need in zip(self.costs[1:], self.needs[size][1:], strict=True))

    @cached_property
    def gains(self) -> dict[int, int]:
        """Per size of items that need several bins, what they pay beyond one region, parent and bin; and for children.

        So much less is beyond the need where they are in a group.
        """
        found = {}
        for size, need in self.needs.items() if not self.plain else ():
            if need[2] > 1:
                more = sum(cost * (count - 1) for cost, count in zip(self.costs[:3], need, strict=False))
                found[size] = more + self.costs.child * need[3]
        return found

    @cached_property
    def together(self) -> list[int]:
        """The most that such items of so much together gain, or less, for every amount that a parent may hold."""
        most = max(sum(parent.rooms) for parent in self.parents)
        best = [0] * (most + 1)
        for amount in range(1, most + 1):
            others = (best[amount - size] + gain for size, gain in self.gains.items() if size <= amount)
            best[amount] = max(best[amount - 1], *others, 0)
        return best

    @cached_property
    def share(self) -> int:
        """The most that a GPU of such an item gains, in units of 1 / SCALE, rounded up."""
        return max((-(-gain * SCALE // size) for size, gain in self.gains.items()), default=0)

    @cached_property
    def shared_out(self) -> bool:
        """Whether bins must share, parents have few bins, and not many of them matter."""
        wasted = sum(self.residue(room) for parent in self.parents for room in parent.rooms)
        if self.modulus > MAX_MODULUS or not 0 <= self.slack <= MOST_WASTED or wasted <= self.slack:
            return False
        seen = [parent for parent in self.parents if self.matters(parent)]
        return len(seen) <= MOST_PARENTS and max(len(parent.bins) for parent in seen) <= MOST_BINS

    def residue(self, room: int) -> int:
        """Return what some room adds to a walk."""
        return room // self.unit % self.modulus

    def matters(self, parent: Parent) -> bool:
        """Tell whether some bin's room is no multiple, or a large item could gain more in it than it costs to enter."""
        return any(self.residue(room) for room in parent.rooms) or any(
            self.shared(children) > self.costs.bin * SCALE for children in parent.bins
        )

    def shared(self, children: Sequence[int]) -> int:
        """Return the most that shares of large items in some children gain, less what these cost, by 1 / SCALE."""
        return sum(max(0, self.share * room - self.costs.child * SCALE) for room in children)


class Pieces:
    """The bins of a parent in pieces; sets of bins are numbers, bit by bit. Costs are in units of 1 / SCALE."""

    def __init__(self, market: Market, parent: Parent) -> None:
        self.market, self.every = market, 2 ** len(parent.bins) - 1
        rooms = parent.rooms
        self.residue, self.inside, self.across = [0], [0], [NEVER]
        for bins in range(1, self.every + 1):
            members = [at for at in range(len(rooms)) if bins >> at & 1]
            children = sorted((room for at in members for room in parent.bins[at]), reverse=True)
            plain = market.costs.bin * (len(members) - 1)
            self.residue.append(market.residue(sum(rooms[at] for at in members)))
            self.inside.append(max(0, plain - self._hosted(children)) * SCALE)
            self.across.append(plain * SCALE - market.shared(children))

    def _hosted(self, children: Sequence[int]) -> int:
        """Return the most that large items gain which lie whole in some children, less what these cost."""
        room, best = 0, 0
        for count, more in enumerate(children, 1):
            room += more
            best = max(best, self.market.together[room] - self.market.costs.child * count)
        return best

    @cached_property
    def ways(self) -> dict[Way, int]:
        """What every way to divide the parent costs at least."""
        best: dict[Way, int] = {}
        for way, cost, _, _ in self._all_ways():
            best[way] = min(best.get(way, NEVER), cost)
        return best

    def divided(self, way: Way) -> tuple[list[int], list[int]]:
        """Return the sets of bins that are groups inside the parent, and the pieces of larger groups."""
        inside, shared = next((rest, shared) for of, cost, rest, shared in self._all_ways()
                              if of == way and cost == self.ways[way])  # fmt: skip
        found, wasted = [], way.wasted
        while inside:
            for one in (*_halves(inside), inside):
                left = wasted - self.residue[one]
                if left >= 0 and self._apart[wasted][inside] == self._apart[left][inside ^ one] + self.inside[one]:
                    break
            found.append(one)
            inside, wasted = inside ^ one, left
        return found, shared

    def _all_ways(self) -> Iterator[tuple[Way, int, int, list[int]]]:
        """Yield ways to divide the parent, what they cost, the bins of groups inside, and pieces of larger groups."""
        for wasted, inside in enumerate(self._apart):
            if inside[self.every] < NEVER:
                yield Way(0, wasted, ()), inside[self.every], self.every, []
            for bins in range(1, self.every + 1):
                rest = self.every ^ bins
                if inside[rest] == NEVER:
                    continue
                residues = (self.residue[bins],)
                yield Way(1, wasted, residues), inside[rest] + self.across[bins], rest, [bins]
                yield Way(3, wasted, residues), inside[rest] + self._any_across[bins], rest, [bins]
                for one in _halves(bins):
                    pair = sorted((one, bins ^ one), key=lambda bins: self.residue[bins])
                    way = Way(2, wasted, tuple(self.residue[bins] for bins in pair))
                    yield way, inside[rest] + self.across[pair[0]] + self.across[pair[1]], rest, pair

    @cached_property
    def _apart(self) -> list[list[int]]:
        """What every set of bins costs in groups inside the parent, by what they waste together."""
        most = min(self.market.slack, MOST_WASTED)
        best = [[NEVER] * (self.every + 1) for _ in range(most + 1)]
        best[0][0] = 0
        for bins in range(1, self.every + 1):
            for one in (*_halves(bins), bins):
                for wasted in range(self.residue[one], most + 1):
                    cost = best[wasted - self.residue[one]][bins ^ one] + self.inside[one]
                    best[wasted][bins] = min(best[wasted][bins], cost)
        return best

    @cached_property
    def _any_across(self) -> list[int]:
        """What every set of bins costs in pieces of larger groups, however many."""
        best = [0]
        for bins in range(1, self.every + 1):
            best.append(min(best[bins ^ one] + self.across[one] for one in (*_halves(bins), bins)))
        return best


def _halves(bins: int) -> Iterator[int]:
    """Yield the true subsets of a set that have its lowest member."""
    lowest = bins & -bins
    rest = bins ^ lowest
    subset = rest
    while subset:
        subset = (subset - 1) & rest
        yield subset | lowest


def four_levels(market: Market, limits: Limits) -> int:
    """Return a lower bound of what all items pay for regions, parents, bins and children.

    It is more than what they need only where bins must share, parents have few bins and not many of them matter.
    """
    if not market.shared_out or limits.over:
        return market.least
    answer = solve_scip(Joins(market).net.model, limits, nodes=MAX_NODES)
    return market.least + max(0, -(-(answer.bound or 0) // FINE))


class Joins:
    """The model: one way for every parent, and walks that join pieces of several of them."""

    def __init__(self, market: Market) -> None:
        self.market, self.net = market, Net()
        self.most = MOST_BINS * len(market.parents)
        self.pieces: Terms = []
        self.joins: Terms = []
        self.waste: Terms = []
        self.divided: dict[int, tuple[int, Pieces, Way]] = {}
        """Parent, its pieces and the way of every column."""
        self.found: dict[tuple[int, int], Terms] = defaultdict(list)
        """Pieces by region and residue."""
        for number, parent in enumerate(market.parents):
            if market.matters(parent):
                self._divide(number, parent)
        self._close()

    def groups(self, values: Ids) -> Iterator[list[tuple[int, int]]]:
        """Yield the groups of a point: the parent and the set of bins of every piece."""
        across: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for column, (number, pieces, way) in self.divided.items():
            if values[column]:
                inside, shared = pieces.divided(way)
                yield from ([(number, bins)] for bins in inside)
                for residue, bins in zip(way.residues, shared, strict=True):
                    across[self.market.parents[number].region, residue].append((number, bins))
        for walk in self.net.walks(values):
            yield [across[region, residue].pop() for _, region, residue in walk]

    def _divide(self, number: int, parent: Parent) -> None:
        """Add a parent with all ways to divide it."""
        chosen: Terms = []
        pieces = Pieces(self.market, parent)
        for way, cost in pieces.ways.items():
            column = self.net.model.variable(0, 1, cost * FINE // SCALE)
            self.divided[column] = number, pieces, way
            chosen.append((column, 1))
            self.pieces.append((column, way.pieces))
            self.waste.append((column, way.wasted))
            for residue in way.residues:
                self.found[parent.region, residue].append((column, 1))
        self.net.model.row(chosen, 1, 1)

    def _close(self) -> None:
        """Let walks join pieces, end with some waste, and go on in other regions.

        Groups of at least two pieces have a join for every two of them. A group of one piece is none; there may seem
        to be some where parents that do not matter are left out, and these pay for a parent at least.
        """
        costs, model = self.market.costs, self.net.model
        for (region, residue), pieces in sorted(self.found.items()):
            self._steps(region, residue, pieces)
        for region in sorted({region for region, _ in self.found}):
            for at in range(1, self.market.modulus):
                inside, outside = Node("walk", region, at), Node("walk", -1, at)
                self.net.arc(inside, outside, self.most, 0)
                self.net.arc(outside, inside, self.most, costs.region * FINE)
                if at <= self.market.slack:
                    self.waste.append((self.net.arc(inside, None, self.most, 0), at))
        self.net.close()
        model.row(self.waste, None, self.market.slack)
        more = model.variable(0, 3 * self.most, min(costs.parent, (costs.parent + costs.bin) // 2) * FINE)
        half = [(column, -pieces) for column, pieces in self.pieces if pieces]
        model.row([*((column, 2) for column, _ in self.joins), (more, 1), *half], 0, None)

    def _steps(self, region: int, residue: int, pieces: Terms) -> None:
        """Let every piece of a region and a residue be a step of a walk: the first, or joined to those before."""
        cost, steps = (self.market.costs.parent + self.market.costs.bin) * FINE, list[tuple[int, int]]()
        stand = [None, *(Node("walk", region, at) for at in range(1, self.market.modulus))]
        for at, source in enumerate(stand):
            target = stand[(at + residue) % self.market.modulus]
            column = self.net.arc(source, target, self.most, cost if at else 0, ("piece", region, residue))
            steps.append((column, 1))
            self.joins += [(column, 1)] if at else []
        self.net.model.row([*steps, *((column, -factor) for column, factor in pieces)], 0, 0)
