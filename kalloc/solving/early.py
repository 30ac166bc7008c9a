"""A plan to fall back on while the tiers are still being settled: whoever finds no room in it is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from kalloc.allocate.decode import Granted, decode
from kalloc.allocate.goals import GOALS
from kalloc.allocate.lessening import keeps_floors
from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.allocate.rules import must_be_served
from kalloc.instance import Tier
from kalloc.place.fitting import by_zone, fitted_whole, packable
from kalloc.place.items import items_of
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice, with_kept
from kalloc.place.shaping import check_kept, seat_any
from kalloc.place.zones import assign_zones
from kalloc.solving.run import Decision, Run

ALL_GPUS = Tier(name="utilisation", unit="gpus")


def early_plan(run: Run, search: Search, tiers: Sequence[Tier], settled: Sequence[Settled]) -> Decision | None:
    """Return a plan as good on the tiers settled, but for those who find no room, with much of a later tier.

    The later tier is the first of ``tiers`` that is one sum, else all GPUs: one step of a solve looks ahead to it. None
    where there is no point yet, or one that must be served finds no room.
    """
    before = search.values
    later = next((tier for tier in tiers if tier.name in GOALS), ALL_GPUS)
    rows, size = len(search.allocation.model.row_lower), search.allocation.model.size
    goal = GOALS[later.name](search.allocation, later)
    search.propose([(variable, -factor) for variable, factor in goal.terms], nodes=1)
    search.forget(rows, size)
    values, search.values = search.values, before
    if values is None:
        return None
    found = _seated(run, search.allocation, decode(search.allocation, values))
    return None if found is None else Decision(*found, list(settled))


def _seated(run: Run, allocation: Allocation, granted: Granted) -> tuple[Granted, Seats] | None:
    """Seat one project after the other, those first who must be; return who gets how much, and the seats.

    After a stop only those are seated who must be served, or whom a floor counts.
    """
    rooms = allocation.rooms
    must = (members.members for members in allocation.classes if must_be_served(run.instance, members))
    floors = (one.projects for one in run.instance.policy.subjects if one.limit.least is not None)
    items, bound = items_of(run.instance, rooms, granted), frozenset(chain.from_iterable(must))
    counted = bound.union(*floors)
    seating = Seating(rooms)
    try:
        check_kept(run.instance, rooms, items)
        assigned = assign_zones(rooms, items, replace(run.limits, stop=None))
        alike = all(packable(rooms, item) for item in assigned)
        if alike and (whole := fitted_whole(seating, by_zone(assigned))) is not None:
            return granted, with_kept(rooms, whole)
        out = set[str]()
        for item in sorted(by_choice(assigned), key=lambda one: one.project not in bound):
            if run.limits.stopped and item.project not in counted:
                out.add(item.project)
                continue
            try:
                seat_any(seating, item)
            except NoRoomError:
                if item.project in bound:
                    raise
                seating.withdraw(item)
                out.add(item.project)
        granted = {key: gpus for key, gpus in granted.items() if key[0] not in out}
    except NoRoomError:
        return None
    return (granted, with_kept(rooms, seating.seats)) if keeps_floors(run.instance, granted) else None
