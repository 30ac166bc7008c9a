"""Larger items that take up all part-taken nodes of a group of bins, and whole nodes beside them.

Where bins must share items, each group of them is crossed by one item at least. An item that takes every part-taken
node of a group leaves whole nodes to all others, so that nobody else is cut between bins for their sake. The groups are
those of the program over four levels; of the items, the one is taken that spans least beyond its need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kalloc.place.items import Item
from kalloc.place.pieces import Costs, Joins, Market, parents_in
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.solver import Ids, Limits, solve_scip

MAX_NODES = 500
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""


Piece = tuple[int, int]
"""A parent, and a set of its bins."""


class Shared(NamedTuple):
    """Groups of bins that share items."""

    market: Market
    levels: list[int]
    """The four levels: regions, parents, bins and their children."""
    names: Sequence[Sequence[int]]
    """The bins of every parent."""
    groups: list[list[Piece]]

    def bins(self, piece: Piece) -> list[int]:
        """Return the bins of a piece."""
        parent, among = piece
        return [bin for at, bin in enumerate(self.names[parent]) if among >> at & 1]


def who_share(rooms: Rooms, room: Ids, sizes: Mapping[int, int], limits: Limits, plain: bool) -> Shared | None:
    """Return which bins share items of some sizes, by the program over four levels; None where that is not known.

    ``room`` has the free GPUs of every node. Groups are sought with items in mind that need several bins anyhow, or,
    ``plain``, as if there were none.
    """
    weights = rooms.topology.weights
    levels = [level for level, weight in enumerate(weights) if weight > 0][:4]
    if len(levels) < 4 or levels[3] == len(weights) - 1:
        return None
    parents, names = parents_in(rooms, room, levels)
    market = Market(tuple(parents), Costs(*(weights[level] for level in levels)), sizes, plain)
    if not market.shared_out:
        return None
    joins = Joins(market)
    answer = solve_scip(joins.net.model, limits, nodes=MAX_NODES, eager=True)
    return None if answer.values is None else Shared(market, levels, names, list(joins.groups(answer.values)))


class Taken(NamedTuple):
    """An item with its seats on part-taken nodes and whole ones."""

    item: Item
    seats: dict[int, int]
    beyond: int
    """What it pays beyond what it needs."""
    parts: int
    """GPUs on part-taken nodes."""


def fillers(
    seating: Seating, zone: int, waiting: Mapping[int, Sequence[Item]], limits: Limits, plain: bool
) -> list[Taken]:
    """Return items, each with all part-taken nodes of a group of bins; none where no groups are found.

    ``waiting`` has the items that may be cut anywhere, by GPUs. Groups are sought with items in mind that need several
    bins anyhow, or, ``plain``, as if there were none.
    """
    rooms = seating.rooms
    sizes = {size: len(items) for size, items in waiting.items()}
    shared = who_share(rooms, np.where(rooms.zone == zone, seating.room, 0), sizes, limits, plain) if sizes else None
    if shared is None:
        return []
    groups = [[bin for piece in group for bin in shared.bins(piece)] for group in shared.groups]
    return list(_taken(seating, zone, shared.levels[2:], groups, waiting))


def _taken(
    seating: Seating,
    zone: int,
    levels: Sequence[int],
    groups: Sequence[Sequence[int]],
    waiting: Mapping[int, Sequence[Item]],
) -> Iterator[Taken]:
    """Yield an item for every group of bins with part-taken nodes, those of most part-taken room first."""
    left = {size: list(items) for size, items in waiting.items()}
    found = [_Group(seating, zone, levels, bins) for bins in groups]
    for group in sorted(found, key=lambda group: -group.parts):
        ways = ((group.beyond(size), -size) for size, items in left.items() if items and group.holds(size))
        best = min(ways, default=None)
        if group.part_taken and best is not None:
            (beyond, _), size = best[0], -best[1]
            yield Taken(left[size].pop(), group.seats(size), beyond, group.parts)


class _Group:
    """The nodes of a group of bins that are free: some in part, and whole ones in the order in which they are taken."""

    def __init__(self, seating: Seating, zone: int, levels: Sequence[int], bins: Sequence[int]) -> None:
        rooms = seating.rooms
        self.domain, self.weights, self.node = rooms.topology.domain, rooms.topology.weights, rooms.node_gpus[zone]
        child = self.domain[levels[1]]
        inside = np.isin(self.domain[levels[0]], bins) & (rooms.zone == zone) & (seating.room > 0)
        free = {node: int(seating.room[node]) for node in np.flatnonzero(inside).tolist()}
        self.part_taken = {node: room for node, room in free.items() if room < self.node}
        self._waste(sum(self.part_taken.values()) % self.node)
        self.parts = sum(self.part_taken.values())
        whole: dict[int, list[int]] = defaultdict(list)
        for node, room in free.items():
            if room >= self.node:
                whole[int(child[node])].append(node)
        begun = {int(child[node]) for node in self.part_taken}
        order = sorted(whole, key=lambda at: (at not in begun, -len(whole[at])))
        self.whole = [node for at in order for node in whole[at]]
        self.begun = sum(len(whole[at]) for at in begun)
        offers = [np.bincount(domain, weights=rooms.open(frozenset([zone]))).max() for domain in self.domain]
        self.largest = [max(1, int(offer)) for offer in offers]

    def _waste(self, gpus: int) -> None:
        """Leave some GPUs of part-taken nodes to nobody."""
        while gpus:
            node = min(self.part_taken, key=self.part_taken.__getitem__)
            wasted = min(gpus, self.part_taken[node])
            self.part_taken[node] -= wasted
            gpus -= wasted
            if not self.part_taken[node]:
                del self.part_taken[node]

    def holds(self, size: int) -> bool:
        """Tell whether the group has room for an item that takes all of its part-taken nodes."""
        return self.parts <= size <= self.parts + len(self.whole) * self.node

    def seats(self, size: int) -> dict[int, int]:
        """Return the seats of an item: all part-taken nodes, then whole ones in the same children first."""
        return {**self.part_taken, **dict.fromkeys(self.whole[: (size - self.parts) // self.node], self.node)}

    def beyond(self, size: int) -> tuple[int, int]:
        """Return what an item pays beyond its need, and the whole nodes that it leaves beside part-taken ones."""
        nodes = list(self.seats(size))
        spans = [len(np.unique(domain[nodes])) for domain in self.domain]
        more = [span - -(-size // most) for span, most in zip(spans, self.largest, strict=True)]
        paid = sum(weight * count for weight, count in zip(self.weights, more, strict=True))
        return paid, max(0, self.begun - (size - self.parts) // self.node)
