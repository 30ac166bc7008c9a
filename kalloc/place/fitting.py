"""Projects of whole nodes laid into single domains by counts: best fit, largest first, as long as every one fits."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalloc.place.items import Item
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating, Seats
from kalloc.place.shaping import of_nodes


def packable(rooms: Rooms, item: Item) -> bool:
    """Tell whether an item asks one zone for one kind and may be cut anywhere, or between whole nodes."""
    shape = item.shape
    alone = shape.anchor is None and len(shape.amounts) == 1 and len(shape.zones[0]) == 1
    return alone and shape.level is None and (shape.form is None or of_nodes(rooms, item))


def by_zone(items: Iterable[Item]) -> dict[int, list[Item]]:
    """Return items that ask one zone, by zone."""
    zones: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        zones[next(iter(item.shape.zones[0]))].append(item)
    return zones


def fitted_whole(seating: Seating, zones: Mapping[int, Sequence[Item]]) -> Seats | None:
    """Return seats in which every item has whole nodes in one domain of the level above nodes, beside the seats so far.

    None where one does not fit so, or where it counts who is an outsider on the nodes.
    """
    if len(seating.rooms.topology.levels) < 2:
        return None
    found: Seats = dict(seating.seats)
    for zone, items in zones.items():
        size = seating.rooms.node_gpus[zone]
        if seating.rooms.zones[zone].lenders or any(item.shape.gpus % size for item in items):
            return None
        more = _zone(seating, zone, size, items)
        if more is None:
            return None
        found |= more
    return found


def _zone(seating: Seating, zone: int, size: int, items: Sequence[Item]) -> Seats | None:
    """Return seats of the items of a zone whose nodes have so many GPUs; None where one does not fit."""
    rooms = seating.rooms
    found: Seats = {}
    nodes = np.flatnonzero((rooms.zone == zone) & (seating.room == size))
    inside: dict[int, list[int]] = {}
    for node, domain in zip(nodes.tolist(), rooms.topology.domain[-2][nodes].tolist(), strict=True):
        inside.setdefault(domain, []).append(node)
    free = sorted((len(members), domain) for domain, members in inside.items())
    for item in sorted(items, key=lambda item: -item.shape.gpus):
        count = item.shape.gpus // size
        place = bisect_left(free, (count, -1))
        if place == len(free):
            return None
        left, domain = free.pop(place)
        insort(free, (left - count, domain))
        for node in inside[domain][left - count : left]:
            found[item.project, node] = size
    return found
