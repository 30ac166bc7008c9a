"""Placement of an allocation: a seating to start from, better ones by chains, the best of them kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kalloc.place.chains import pack
from kalloc.place.items import Item
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice
from kalloc.place.zones import assign_zones
from kalloc.solver import Limits

MAX_ROOM = 80
"""Whole nodes in the largest domain of a level that is chained: larger ones make the model large."""


@dataclass(frozen=True)
class Scattering:
    """Spans of a placement and what they cost."""

    spans: tuple[int, ...]
    """Per level, coarse to fine, of all projects together."""
    cost: int
    """Σ weight · spans."""


def scattering(rooms: Rooms, seats: Mapping[tuple[str, int], int]) -> Scattering:
    """Count the domains that projects span."""
    topology = rooms.topology
    spans = [len({(project, int(domain[node])) for project, node in seats}) for domain in topology.domain]
    return Scattering(tuple(spans), sum(w * s for w, s in zip(topology.weights, spans, strict=True)))


def seat_all(
    rooms: Rooms, items: Sequence[Item], limits: Limits, on_better: Callable[[Seats, int], None]
) -> Seats | None:
    """Return seats for all items, what is kept included, or None where no way to seat them was found.

    ``on_better`` is told of every seating that is better than those before it, with its Σ weight · spans.
    """
    assigned = assign_zones(rooms, items, limits)
    best: Seats | None = None
    least = 0
    for base, strict in ((None, True), *((base, strict) for base in _bases(rooms) for strict in (True, False))):
        if best is not None and limits.over:
            break
        try:
            seats = _with_kept(rooms, _seat(rooms, assigned, base, strict, limits))
        except NoRoomError:
            continue
        cost = scattering(rooms, seats).cost
        if best is None or cost < least:
            best, least = seats, cost
            on_better(seats, cost)
    return best


def _bases(rooms: Rooms) -> Iterator[int]:
    """Yield the levels whose domains may be chained: those that cost something and are not too large."""
    for level in range(len(rooms.topology.levels) - 2, -1, -1):
        sizes = [room // rooms.node_gpus[next(iter(zones))] for zones, room in _largest(rooms, level).items()]
        if rooms.topology.weights[level] > 0 and max(sizes, default=0) <= MAX_ROOM:
            yield level


def _with_kept(rooms: Rooms, seats: Seats) -> Seats:
    """Add what projects keep."""
    everyone = dict(seats)
    for project, kept in rooms.stays.items():
        for node, gpus in kept.items():
            everyone[project, node] = everyone.get((project, node), 0) + gpus
    return everyone


def _seat(rooms: Rooms, items: Sequence[Item], base: int | None, strict: bool, limits: Limits) -> Seats:
    """Seat items one by one where they have little choice, the others by chains of a level where one is given.

    Where ``strict``, whoever needs one domain is seated before the chains, otherwise with them.
    """
    seating = Seating(rooms)
    chained: dict[Zones, list[Item]] = defaultdict(list)
    late: list[Item] = []
    largest = _largest(rooms, base) if base is not None else {}
    finest = -1 if strict or base is None else base
    for item in by_choice(items):
        zones = item.shape.zones[0]
        if any(len(zones) > 1 for zones in item.shape.zones):
            late.append(item)
        elif item.shape.gpus <= largest.get(zones, 0) and _chainable(rooms, item, finest):
            chained[zones].append(item)
        else:
            seating.seat(item)
    for zones, members in chained.items():
        assert base is not None
        _chain(seating, zones, members, base, limits)
    for item in late:
        seating.seat(item)
    return seating.seats


def _chainable(rooms: Rooms, item: Item, finest: int) -> bool:
    """Tell whether an item asks for whole nodes of its zone, and for one domain of no finer level than that."""
    shape = item.shape
    if shape.anchor is not None or len(shape.amounts) > 1 or (shape.level is not None and shape.level > finest):
        return False
    return shape.gpus % rooms.node_gpus[next(iter(shape.zones[0]))] == 0


def _largest(rooms: Rooms, level: int) -> dict[Zones, int]:
    """Return the largest free domain of a level in each zone."""
    found = {}
    for zone in range(len(rooms.zones)):
        room = np.where(rooms.zone == zone, rooms.room, 0)
        found[frozenset([zone])] = int(np.bincount(rooms.topology.domain[level], weights=room).max(initial=0))
    return found


def _chain(seating: Seating, zones: Zones, items: Sequence[Item], base: int, limits: Limits) -> None:
    """Seat items of one zone by chains of the domains of a level."""
    rooms, topology = seating.rooms, seating.rooms.topology
    grain = rooms.node_gpus[next(iter(zones))]
    free = seating.free(zones, grain)[base].copy()
    if free.sum() < sum(item.shape.gpus for item in items):
        free = seating.free(zones, 1)[base].copy()
    above = _above(topology.weights, base)
    parent_of = np.zeros(topology.domain_count(base), dtype=np.int64)
    parent_of[topology.domain[base]] = topology.domain[above] if above >= 0 else 0
    parents: dict[int, dict[int, int]] = defaultdict(dict)
    for domain in np.flatnonzero(free):
        parents[int(parent_of[domain])][int(domain)] = int(free[domain])
    waiting: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        waiting[item.shape.gpus // grain].append(item)
    sizes = Counter({size: len(members) for size, members in waiting.items()})
    between = sum(topology.weights[above + 1 : base + 1])
    cross = between + (topology.weights[above] if above >= 0 else 0)
    chains = pack(list(parents.values()), sizes, grain, between, cross, limits)
    left: list[Item] = []
    for chain in chains or ():
        members = [waiting[size].pop() for size in chain.sizes]
        try:
            parts = list(_lay(members, {domain: int(free[domain]) for domain in chain.domains}))
        except NoRoomError:
            left += members
            continue
        for item, place, gpus in parts:
            seating.fill(item, zones, base, place, gpus)
    for item in by_choice([*left, *(item for members in waiting.values() for item in members)]):
        seating.seat(item)


def _above(weights: Sequence[int], base: int) -> int:
    """Return the next coarser level that costs something, −1 where there is none."""
    return max((level for level in range(base) if weights[level] > 0), default=-1)


def _lay(items: Sequence[Item], rooms: Mapping[int, int]) -> Iterator[tuple[Item, int, int]]:
    """Lay items over domains with their free GPUs: whole as long as they fit, then one that is cut.

    Yields (item, domain, GPUs).

    Raises:
        NoRoomError: where only an item that needs one domain is left to be cut.
    """
    left = sorted(((item.shape.gpus, item) for item in items), key=_last_cut)
    ordered = sorted(rooms.items(), key=lambda entry: (-entry[1], entry[0]))
    for position, (domain, room) in enumerate(ordered):
        later = sum(other for _, other in ordered[position + 1 :])
        rest = []
        for gpus, item in left:
            if gpus <= room:
                yield item, domain, gpus
                room = room - gpus
            else:
                rest.append((gpus, item))
        if sum(gpus for gpus, _ in rest) > later and room > 0:
            gpus, item = rest.pop()
            if item.shape.level is not None or gpus <= room:
                raise NoRoomError
            yield item, domain, room
            rest.append((gpus - room, item))
            rest.sort(key=_last_cut)
        left = rest
    if left:
        raise NoRoomError


def _last_cut(part: tuple[int, Item]) -> tuple[bool, int]:
    """Order parts: those that must not be cut first, then the larger ones."""
    return part[1].shape.level is None, -part[0]
