"""Placement of an allocation: a seating to start from, better ones by patterns, the best of them kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from kalloc.place.items import Item
from kalloc.place.laying import pack_zone
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice, with_kept
from kalloc.place.zones import assign_zones
from kalloc.solver import Limits

MAX_ATTEMPTS = 8
"""Orders tried for a first seating."""


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
        others = with_kept(rooms, _seat_by_patterns(rooms, by_choice(assigned), limits))
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
            for item in sorted(order, key=_packable):
                seating.seat(item)
            return with_kept(rooms, seating.seats)
        except NoRoomError as error:
            failure = error
            order.sort(key=lambda item: item.project != failure.project)
    raise failure


def _seat_by_patterns(rooms: Rooms, items: Sequence[Item], limits: Limits) -> Seats:
    """Seat items with little choice one by one, then zone by zone the others, packed by patterns.

    Raises:
        NoRoomError: when one does not fit, or the limits leave no time for the rest.
    """
    seating = Seating(rooms)
    free: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if _packable(item):
            free[next(iter(item.shape.zones[0]))].append(item)
        else:
            seating.seat(item)
    for zone, members in free.items():
        if limits.over:
            raise NoRoomError(members[0].project)
        pack_zone(seating, zone, members, limits)
    return seating.seats


def _packable(item: Item) -> bool:
    """Tell whether an item asks one zone for one kind and may be cut anywhere."""
    shape = item.shape
    return shape.anchor is None and len(shape.amounts) == 1 and len(shape.zones[0]) == 1 and shape.level is None
