"""A lower bound by whole numbers, for items that fill several domains to the last GPU.

Who asks for four times the largest unit fills four of these, and nobody else has anything there. Beside each other in
one fabric they are few: a fabric with five holds one such item, not one and a quarter, as prices would have it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kalloc.place.rooms import Rooms, Zones
from kalloc.solver import Ids, Limits, Model, Terms, solve_scip

MAX_NODES = 50
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
MOST_COLUMNS = 5_000
"""Larger programs are not built."""


class Asked(NamedTuple):
    """A part of an item: its GPUs, and the zones that it may use."""

    gpus: int
    zones: Zones


def homeless(rooms: Rooms, zones: Zones, items: Mapping[Asked, int], coarse: int, fine: int, limits: Limits) -> int:
    """Return a lower bound of Σ weight · spans of two levels beyond the need.

    Only those are looked at that ask for several times what the largest fine domain of ``zones`` holds, and need one
    coarse domain and so many fine ones. Each fills them in one coarse domain, or is in one and has a fine one more, or
    is in another coarse one.
    """
    weights, parent = rooms.topology.weights, rooms.above(fine, coarse)
    room, held = _room(rooms, zones, fine), _room(rooms, zones, coarse)
    largest = max(1, int(room.max(initial=0)))
    full = Counter(parent[: len(room)][room == largest].tolist())
    most = min(largest * full.total(), int(held.max(initial=0)))
    tight = {item: count for item, count in items.items() if largest < item.gpus <= most and item.gpus % largest == 0}
    if not tight or 2 * len(tight) * np.count_nonzero(held) > MOST_COLUMNS:
        return 0
    model, whole, all_of = Model(), defaultdict[int, Terms](list), defaultdict[int, Terms](list)
    for item, count in tight.items():
        own, many = _room(rooms, item.zones, fine), item.gpus // largest
        homes = Counter(parent[: len(own)][own == largest].tolist())
        terms = [(model.variable(0, count, weights[coarse]), 1)]
        for home in np.flatnonzero(_room(rooms, item.zones, coarse) >= item.gpus).tolist():
            inside = (
                model.variable(0, homes[home] // many),
                model.variable(0, count, min(weights[coarse], weights[fine])),
            )
            whole[home].append((inside[0], many))
            all_of[home] += [(column, item.gpus) for column in inside]
            terms += [(column, 1) for column in inside]
        model.row(terms, count, count)
    for home, terms in whole.items():
        model.row(terms, None, full[home])
        model.row(all_of[home], None, int(held[home]))
    return max(0, solve_scip(model, limits, nodes=MAX_NODES).bound or 0)


def _room(rooms: Rooms, zones: Zones, level: int) -> Ids:
    """Return the free GPUs of every domain of a level on nodes of some zones."""
    return np.bincount(rooms.topology.domain[level], weights=rooms.open(zones)).astype(np.int64)
