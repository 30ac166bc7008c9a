"""Where an item that two zones share is cut, when rooms are no multiples of what all sizes are multiples of.

The two zones have some GPUs more than a multiple, and few may be left. Which of them the cut item takes, and from which
bins, decides who else must share: the program over four levels, both zones together, says where it crosses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np

from kalloc.place.fillers import Shared, who_share
from kalloc.place.items import Item
from kalloc.place.seating import NoRoomError, Seating
from kalloc.solver import Ids, Limits

Part = tuple[int, list[int]]
"""GPUs, and the bins that they lie in."""


def seat_crossing(seating: Seating, items: Sequence[Item], limits: Limits) -> list[Item]:
    """Seat items that are cut between two zones where that leaves least to cut; return the others.

    Only an item whose parts are less than a node, and that is the only one between its zones, is seated.
    """
    cut = [item for item in items if _two_zones(item)]
    seated = []
    for item in cut:
        zones = frozenset[int]().union(*item.shape.zones)
        if sum(any(zones & part for part in other.shape.zones) for other in cut) == 1:
            try:
                for node, gpus in _seats(seating, item, items, limits):
                    seating.put(item, node, gpus)
                    seated.append(item)
            except NoRoomError:
                seated = [other for other in seated if other is not item]
                seating.withdraw(item)
    return [item for item in items if item not in seated]


def _two_zones(item: Item) -> bool:
    """Tell whether two zones share an item of one kind."""
    shape = item.shape
    alike = len(shape.amounts) == 2 and len({kind for kind, _ in shape.amounts}) == 1
    return alike and all(len(zones) == 1 for zones in shape.zones) and shape.anchor is None and shape.form is None


def _seats(seating: Seating, item: Item, items: Sequence[Item], limits: Limits) -> list[tuple[int, int]]:
    """Return a node in each of two zones with the GPUs that an item has there; nothing where none are found."""
    rooms, ([one], [other]) = seating.rooms, item.shape.zones
    asked = {zone: Counter[int]() for zone in (one, other)}
    for entry in items:
        for (_, gpus), zones in zip(entry.shape.amounts, entry.shape.zones, strict=True):
            if entry is not item and (zone := next(iter(zones))) in asked:
                asked[zone][gpus] += 1
    sizes = asked[one] + asked[other] + Counter([item.shape.gpus])
    room = {zone: np.where(rooms.zone == zone, seating.room, 0) for zone in asked}
    shared = who_share(rooms, room[one] + room[other], sizes, limits, plain=True)
    if shared is None:
        return []
    left = {zone: int(room[zone].sum()) - sum(size * count for size, count in asked[zone].items()) for zone in asked}
    bins = rooms.topology.domain[shared.levels[2]]
    found: list[tuple[int, list[tuple[int, int]]]] = []
    for parts in _crossings(shared, item.shape.gpus):
        for order in (parts, parts[::-1]):
            seats = [_seat(room[zone], bins, part) for zone, part in zip((one, other), order, strict=True)]
            fits = all(gpus <= left[zone] for zone, (gpus, _) in zip((one, other), order, strict=True))
            if fits and all(seats):
                pieces = sum(room[one][node] + room[other][node] > gpus for node, gpus in filter(None, seats))
                found.append((pieces, [seat for seat in seats if seat is not None]))
    return min(found, default=(0, []), key=lambda way: way[0])[1]


def _crossings(shared: Shared, size: int) -> Iterator[tuple[Part, Part]]:
    """Yield how an item may be cut where a group goes on in another region: GPUs and bins on either side."""
    market = shared.market
    for group in shared.groups:
        region = [market.parents[parent].region for parent, _ in group]
        before = 0
        for at, (here, _) in enumerate(pairwise(group)):
            before += sum(room for bin, room in enumerate(market.parents[here[0]].rooms) if here[1] >> bin & 1)
            part = before % market.divisor
            if region[at] != region[at + 1] and 0 < part < size:
                near = [piece for piece, of in zip(group[: at + 1], region, strict=False) if of == region[at]]
                far = [piece for piece, of in zip(group, region, strict=True) if of == region[at + 1]]
                for one, other in product(near, far):
                    yield (part, shared.bins(one)), (size - part, shared.bins(other))


def _seat(room: Ids, bins: Ids, part: Part) -> tuple[int, int] | None:
    """Return the node of least room in some bins that holds a part, and its GPUs; None where none does."""
    gpus, inside = part
    fitting = np.flatnonzero(np.isin(bins, inside) & (room >= gpus))
    return (int(fitting[room[fitting].argmin()]), gpus) if len(fitting) else None
