"""Placement of an allocation: a seating to start from, better ones by chains, the best of them kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from kalloc.place.chains import pack
from kalloc.place.items import Item
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice, with_kept
from kalloc.place.zones import assign_zones
from kalloc.solver import Ids, Limits

MAX_ATTEMPTS = 8
"""Orders tried for a first seating."""
MAX_ROOM = 80
"""Whole nodes in the largest domain of a level that is chained: larger ones make the model large."""


def spans_of(rooms: Rooms, seats: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    """Return the domains, per level from coarse to fine, that each project spans, from (project, node) pairs."""
    nodes: dict[str, list[int]] = defaultdict(list)
    for project, node in seats:
        nodes[project].append(node)
    domains = rooms.topology.domain
    return {name: tuple(len(set(domain[held].tolist())) for domain in domains) for name, held in nodes.items()}


def scattering(rooms: Rooms, seats: Iterable[tuple[str, int]]) -> int:
    """Return Σ weight · spans."""
    weights = rooms.topology.weights
    counts = spans_of(rooms, seats).values()
    return sum(weight * count for spans in counts for weight, count in zip(weights, spans, strict=True))


def seat_all(
    rooms: Rooms,
    items: Sequence[Item],
    needs: Mapping[str, int],
    limits: Limits,
    on_better: Callable[[int], None],
) -> Seats:
    """Return seats for all items, what is kept included.

    ``needs`` has Σ weight · need of every project. ``on_better`` is told the Σ weight · spans of every seating that is
    better than those before it.

    Raises:
        NoRoomError: when no way to seat them was found; it names one that is in the way.
    """
    assigned = assign_zones(rooms, items, limits)
    seats = seat_first(rooms, assigned)
    least = scattering(rooms, seats)
    on_better(least)
    if limits.over or least == sum(needs.values()):
        return seats
    try:
        others = with_kept(rooms, _seat_by_chains(rooms, by_choice(assigned), needs, limits))
    except NoRoomError:
        return seats
    cost = scattering(rooms, others)
    if cost < least and not limits.over:
        on_better(cost)
        return others
    return seats


def seat_first(rooms: Rooms, items: Sequence[Item]) -> Seats:
    """Return seats item by item, what is kept included.

    Whoever is left without room is seated before the others in the next attempt.

    Raises:
        NoRoomError: when none of the attempts seated all.
    """
    order = by_choice(items)
    for _ in range(MAX_ATTEMPTS):
        seating = Seating(rooms)
        try:
            for item in sorted(order, key=lambda item: _chainable(rooms, item)):
                seating.seat(item)
            return with_kept(rooms, seating.seats)
        except NoRoomError as error:
            failure = error
            order.sort(key=lambda item: item.project != failure.project)
    raise failure


def _bases(rooms: Rooms) -> Iterator[int]:
    """Yield the levels whose domains may be chained: those that cost something, are not single nodes nor too large."""
    for level in range(len(rooms.topology.levels) - 2, -1, -1):
        sizes = [_largest(rooms, zone, level) // rooms.node_gpus[zone] for zone in range(len(rooms.zones))]
        if rooms.topology.weights[level] > 0 and max(sizes, default=0) <= MAX_ROOM:
            yield level


def _seat_by_chains(rooms: Rooms, items: Sequence[Item], needs: Mapping[str, int], limits: Limits) -> Seats:
    """Seat items with little choice one by one, then zone by zone the others, in the best of several ways.

    Raises:
        NoRoomError: when one does not fit, or the limits leave no time for the rest.
    """
    seating, bases = Seating(rooms), tuple(_bases(rooms))
    free: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if _chainable(rooms, item):
            free[next(iter(item.shape.zones[0]))].append(item)
        else:
            seating.seat(item)
    for zone, members in free.items():
        if limits.over:
            raise NoRoomError(members[0].project)
        seating = _best(seating, zone, members, bases, needs, limits)
    return seating.seats


def _chainable(rooms: Rooms, item: Item) -> bool:
    """Tell whether an item asks for whole nodes of its zone and may be cut anywhere."""
    shape = item.shape
    if shape.anchor is not None or len(shape.amounts) > 1 or len(shape.zones[0]) > 1 or shape.level is not None:
        return False
    return shape.gpus % rooms.node_gpus[next(iter(shape.zones[0]))] == 0


def _best(
    seating: Seating, zone: int, items: Sequence[Item], bases: Sequence[int], needs: Mapping[str, int], limits: Limits
) -> Seating:
    """Seat the items of a zone one by one, and by chains of each level; return the seating that scatters least."""
    names = {item.project for item in items}
    needed = sum(needs[name] for name in names)
    best = seating.copy()
    for item in items:
        best.seat(item)
    least = scattering(best.rooms, best.of(names))
    for base in bases:
        if limits.over or least == needed:
            break
        try:
            other = seating.copy()
            _chain(other, zone, items, base, limits)
        except NoRoomError:
            continue
        cost = scattering(other.rooms, other.of(names))
        if cost < least:
            best, least = other, cost
    return best


def _largest(rooms: Rooms, zone: int, level: int) -> int:
    """Return the free GPUs of a zone in its largest domain of a level."""
    room = rooms.open(frozenset([zone]))
    return int(np.bincount(rooms.topology.domain[level], weights=room).max(initial=0))


def _chain(seating: Seating, zone: int, items: Sequence[Item], base: int, limits: Limits) -> None:
    """Seat items of one zone by chains of the domains of a level; those too large for a chain come first."""
    rooms, zones = seating.rooms, frozenset([zone])
    grain = rooms.node_gpus[zone]
    above = _above(rooms.topology.weights, base)
    longest = _largest(rooms, zone, above) if above >= 0 else rooms.zone_room[zone]
    longest = max(_largest(rooms, zone, base), min(longest, MAX_ROOM * grain))
    waiting: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if item.shape.gpus > longest:
            seating.seat(item)
        else:
            waiting[item.shape.gpus // grain].append(item)
    sizes = Counter({size: len(members) for size, members in waiting.items()})
    asked = grain * sum(size * count for size, count in sizes.items())
    whole = seating.free(zones, grain)[base]
    free = (whole if int(whole.sum()) >= asked else seating.free(zones, 1)[base]).copy()
    weights = rooms.topology.weights
    between = sum(weights[above + 1 : base + 1])
    cross = between + (weights[above] if above >= 0 else 0)
    left: list[Item] = []
    for chain in pack(_parents(rooms, free, base, above), sizes, grain, between, cross, limits) or ():
        members = [waiting[size].pop() for size in chain.sizes]
        try:
            parts = list(_lay(members, {domain: int(free[domain]) for domain in chain.domains}))
        except NoRoomError:
            left += members
            continue
        for item, domain, gpus in parts:
            seating.fill(item, zones, base, domain, gpus)
    for item in by_choice([*left, *(item for members in waiting.values() for item in members)]):
        seating.seat(item)


def _parents(rooms: Rooms, free: Ids, base: int, above: int) -> list[dict[int, int]]:
    """Return the free GPUs of the domains of a level, by the domain of the level above that holds them."""
    domain = rooms.topology.domain
    parent_of = np.zeros(len(free), dtype=np.int64)
    parent_of[domain[base]] = domain[above] if above >= 0 else 0
    parents: dict[int, dict[int, int]] = defaultdict(dict)
    for member in np.flatnonzero(free):
        parents[int(parent_of[member])][int(member)] = int(free[member])
    return list(parents.values())


def _above(weights: Sequence[int], base: int) -> int:
    """Return the next coarser level that costs something, −1 where there is none."""
    return max((level for level in range(base) if weights[level] > 0), default=-1)


def _lay(items: Sequence[Item], rooms: Mapping[int, int]) -> Iterator[tuple[Item, int, int]]:
    """Lay items over domains with their free GPUs: whole as long as they fit, then one that is cut.

    Yields (item, domain, GPUs).

    Raises:
        NoRoomError: where the domains do not hold them.
    """
    left = sorted(((item.shape.gpus, item) for item in items), key=_size, reverse=True)
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
            yield item, domain, room
            rest.append((gpus - room, item))
            rest.sort(key=_size, reverse=True)
        left = rest
    if left:
        raise NoRoomError(left[0][1].project)


def _size(part: tuple[int, Item]) -> int:
    return part[0]
