"""Placement of an allocation: a seating to start from, better ones by patterns, in every zone the best of them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kalloc.place.alone import Preferred
from kalloc.place.crossing import seat_crossing
from kalloc.place.fitting import by_zone, fitted_whole, packable
from kalloc.place.homes import Homes, homes_of, narrowed, seat_at_home
from kalloc.place.items import Item
from kalloc.place.laying import pack_zones
from kalloc.place.moving import Moving, seated, widened
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice, with_kept
from kalloc.place.shaping import at_least, seat_any, seat_formed
from kalloc.place.spans import exchanged, paid, scattering
from kalloc.place.zones import assign_zones
from kalloc.solver import Limits

MOVING_SHARE = 0.2
"""Share of the time that is left for second thoughts."""
MAX_ATTEMPTS = 8
"""Orders tried for a seating by best fit."""
MOST_FITTED, MOST_LOOKED_AT = 50_000, 7_000_000_000
"""Nodes, and nodes times items, up to which best fit is tried where the other ways have seated all: it takes long."""
FITTING_SHARE = 0.2
"""Share of the time left that best fit may take where there are more nodes."""


def seat_all(
    rooms: Rooms,
    items: Sequence[Item],
    needs: Mapping[str, tuple[int, ...]],
    more: Preferred,
    limits: Limits,
    on_better: Callable[[int], None],
    hedged: bool = False,
) -> Seats:
    """Return seats for all items, what is kept included: in every zone the best of several ways.

    Where some demand a form, those who are scattered more than they must be are seated anew in the end. ``needs`` has
    the need of every project by level, ``more`` what some pay on top of the weights. ``on_better`` is told the
    Σ (weight + more) · spans of every seating that is better than those before it. Where it is ``hedged``, a stop ends
    it even before there are any seats.

    Raises:
        NoRoomError: when no way to seat them was found; it names one that is in the way.
    """
    assigned, homes = _assigned(rooms, items, limits)
    least, needed = math.inf, paid(rooms, needs, more)
    ways: list[Seats] = []
    best: Seats = {}
    formed = any(item.shape.form is not None for item in items)
    ending = time.monotonic() + (1 - MOVING_SHARE) * limits.seconds
    sooner = replace(limits, deadline=ending) if formed else limits
    try:
        for seats in _ways(rooms, assigned, homes, sooner, hedged):
            ways.append(exchanged(rooms, assigned, seats, more))
            found = _best_of_zones(rooms, assigned, ways, more)
            cost = scattering(rooms, with_kept(rooms, found), more)
            if cost < least:
                best, least = found, cost
                on_better(cost)
            if sooner.over or least == needed:
                break
    except NoRoomError:
        if not ways:
            raise
    if formed and least > needed and not limits.stopped:
        wide = widened(rooms, items, assigned)
        best = Moving(seated(rooms, wide, best), wide, more).improve(at_least(rooms, items, needs), limits)
    if formed or more:
        best = exchanged(rooms, items, best, more)
        if (cost := scattering(rooms, with_kept(rooms, best), more)) < least:
            on_better(cost)
    return with_kept(rooms, best)


def _assigned(rooms: Rooms, items: Sequence[Item], limits: Limits) -> tuple[list[Item], Homes]:
    """Return the items with their zones, and homes: where some demand a form, and so are seated before the others.

    Raises:
        NoRoomError: when none is found, and limits on power over whole zones must be kept.
    """
    homes = homes_of(rooms, items, limits) if any(item.shape.form is not None for item in items) else {}
    if homes:
        with contextlib.suppress(NoRoomError):
            found = assign_zones(rooms, narrowed(items, homes), limits)
            if all(len(zones) == 1 for item in found for zones in item.shape.zones):
                return by_choice(found), homes
    return by_choice(assign_zones(rooms, items, limits)), {}


def _ways(rooms: Rooms, items: Sequence[Item], homes: Homes, limits: Limits, hedged: bool) -> Iterator[Seats]:
    """Yield seatings: those with little choice first, the others in whole domains, end to end, by best fit, packed.

    Raises:
        NoRoomError: when a way does not seat all; there may be others before it.
    """
    begun = Seating(rooms)
    ahead = seat_at_home(begun, seat_crossing(begun, items, limits), homes)
    others = [item for item in ahead if packable(rooms, item)]
    zones = by_zone(others)
    few = [item for item in ahead if not packable(rooms, item)]
    seating = seat_first(begun, few, limits if hedged else None)
    if seating is None or (hedged and limits.stopped):
        raise NoRoomError(items[0].project)
    if zones and (whole := fitted_whole(seating, zones)):
        yield whole
    end_to_end, failure = seating.copy(), None
    laid: Seating | None = None
    try:
        for zone, members in zones.items():
            _lay(end_to_end, zone, members)
        laid = end_to_end
        yield laid.seats
    except NoRoomError as error:
        failure = error
    if failure is not None or rooms.topology.node_count <= MOST_FITTED:
        if fitted := seat_first(seating, others, limits):
            yield fitted.seats
        elif failure is not None:
            raise failure
    elif rooms.topology.node_count * len(others) <= MOST_LOOKED_AT:
        until = time.monotonic() + FITTING_SHARE * limits.seconds
        with contextlib.suppress(NoRoomError):
            if fitted := seat_first(seating, others, limits, until):
                yield fitted.seats
    done = pack_zones(seating, zones, limits)
    if len(done) == len(zones):
        yield seating.seats
    elif laid is not None and done:
        later = {item.project for zone in zones.keys() - done for item in zones[zone]}
        yield {at: gpus for at, gpus in seating.seats.items() if at[0] not in later} | {
            at: gpus for at, gpus in laid.seats.items() if at[0] in later
        }


def _lay(seating: Seating, zone: int, items: Sequence[Item]) -> None:
    """Seat items of a zone: those of whole nodes by best fit, then the others end to end.

    Raises:
        NoRoomError: when they do not fit.
    """
    for item in items:
        if item.shape.form is not None:
            seat_formed(seating, item)
    seating.lay(zone, (item for item in items if item.shape.form is None))


def seat_first(
    seating: Seating, items: Sequence[Item], limits: Limits | None = None, until: float = math.inf
) -> Seating | None:
    """Return a seating with more items, seated one by one; None once the limits say stop, or it is after ``until``.

    Whoever is left without room is seated before the others in the next attempt; in the end others make room.

    Raises:
        NoRoomError: when none of the attempts seated all.
    """
    order = by_choice(items)
    for _ in range(MAX_ATTEMPTS):
        more = seating.copy()
        try:
            for item in order:
                if (limits is not None and limits.stopped) or time.monotonic() > until:
                    return None
                seat_any(more, item)
            return more
        except NoRoomError as error:
            failure = error.project
            order.sort(key=lambda item: item.project != failure)
    return _squeezed(seating.copy(), order)


def _squeezed(seating: Seating, items: Sequence[Item]) -> Seating:
    """Return a seating with more items, those who find no room last, while others make room for them.

    Raises:
        NoRoomError: when that does not seat all.
    """
    late = []
    for item in items:
        try:
            seat_any(seating, item)
        except NoRoomError:
            seating.withdraw(item)
            late.append(item)
    moving = Moving(seating, (item for item in items if item not in late), {})
    for item in late:
        if not moving.squeeze(item):
            raise NoRoomError(item.project)
    return seating


def _best_of_zones(rooms: Rooms, items: Sequence[Item], ways: Sequence[Seats], more: Preferred) -> Seats:
    """Return for every zone the seats that scatter least, where those with little choice sit alike; else the best way.

    Items of one zone do not touch those of another.
    """
    if len(ways) == 1:
        return ways[0]
    zone_of = {item.project: next(iter(item.shape.zones[0])) for item in items if packable(rooms, item)}
    fixed: list[Seats] = [{seat: gpus for seat, gpus in way.items() if seat[0] not in zone_of} for way in ways]
    alike = [way for way, rest in zip(ways, fixed, strict=True) if rest == fixed[-1]]
    best = fixed[-1]
    for zone in set(zone_of.values()):
        parts: list[Seats] = [{at: gpus for at, gpus in way.items() if zone_of.get(at[0]) == zone} for way in alike]
        costs = [scattering(rooms, part, more) for part in parts]
        best.update(parts[costs.index(min(costs))])
    return min([*ways, best], key=lambda way: scattering(rooms, with_kept(rooms, way), more))
