"""The best allocation that is nearest to a plan, and the plan with it: only those whom it changes are seated anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kalloc.allocate.decode import decode
from kalloc.allocate.lexicographic import Search
from kalloc.errors import KallocError
from kalloc.naming import plan_of
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, by_choice, with_kept
from kalloc.place.shaping import seat_any
from kalloc.solving import Run, allocate
from kalloc.verify import verify

if TYPE_CHECKING:
    from kalloc.allocate.classes import ProjectClass
    from kalloc.allocate.model import Allocation
    from kalloc.instance import Instance
    from kalloc.place.items import Item
    from kalloc.plan import Plan
    from kalloc.solver import Ids, Limits

Granted = Mapping[tuple[str, str], int]
"""GPUs by project and kind, where there are any."""


def nearest(instance: Instance, wanted: Granted, limits: Limits) -> Granted | None:
    """Return an allocation proven best on every tier that it decides, as near to another one as was found.

    Near is: few GPUs of each class of projects and kind more or less. None where none is proven best in time.
    """
    try:
        allocated = allocate(Run(instance, limits, None, explains=False), Rooms.of(instance))
    except KallocError:
        return None
    if not all(one.value == one.bound and one.complete for one in allocated.settled):
        return None
    allocation = allocated.allocation
    counts = {at: _counts(allocation.classes[at[0]], at[1], wanted) for at in allocation.served}
    cost = []
    for (index, offer), (served, extra) in counts.items():
        wish = allocation.classes[index].offers[offer]
        cost.append((_off(allocation, allocation.served[index, offer], served), wish.first))
        if wish.extra:
            cost.append((_off(allocation, allocation.extra[index, offer], extra), wish.step))
    search = Search(allocation, limits)
    search.solve(cost)
    if search.values is None:
        return allocated.granted
    granted = dict(decode(allocation, search.values))
    for index, members in enumerate(allocation.classes):
        mine = [(index, offer) for offer in range(len(members.offers))]
        values = search.values
        if all((values[allocation.served[at]], _extra(allocation, values, at)) == counts[at] for at in mine):
            keys = [(name, offer.kind) for name in members.members for offer in members.offers]
            granted = {key: gpus for key, gpus in granted.items() if key not in keys}
            granted |= {key: wanted[key] for key in keys if wanted.get(key)}
    return granted


def _counts(members: ProjectClass, offer: int, wanted: Granted) -> tuple[int, int]:
    """Return how many projects of a class get anything of an offer, and how many steps beyond the first amount."""
    wish = members.offers[offer]
    gpus = [got for name in members.members if (got := wanted.get((name, wish.kind), 0))]
    return len(gpus), sum((got - wish.first) // wish.step for got in gpus)


def _extra(allocation: Allocation, values: Ids, at: tuple[int, int]) -> int:
    return int(values[allocation.extra[at]]) if at in allocation.extra else 0


def _off(allocation: Allocation, variable: int, count: int) -> int:
    """Return a variable that is at least the difference of another one and a number."""
    off = allocation.model.variable(0, max(count, allocation.model.upper[variable]))
    allocation.model.row([(off, 1), (variable, -1)], -count, None)
    allocation.model.row([(off, 1), (variable, 1)], count, None)
    return off


def reseated(instance: Instance, plan: Plan, granted: Granted) -> Plan | None:
    """Return a plan that grants so much: whoever gets as much as before sits where it sat, all others in what is free.

    It keeps every rule of the instance; its reasons are left empty. None where somebody finds no room.
    """
    rooms = Rooms.of(instance)
    items = {item.project: item for item in items_of(instance, rooms, granted)}
    had = {(grant.project, grant.kind): grant.gpus for grant in plan.grants if grant.gpus}
    moving = {project for (project, _), _ in had.items() ^ granted.items()}
    seating = Seating(rooms)
    try:
        for seat in plan.seats:
            if seat.project in items and seat.project not in moving:
                node = instance.topology.node_ids[seat.node]
                gpus = seat.gpus - instance.stays.get(seat.project, {}).get(node, 0)
                if gpus:
                    seating.put(items[seat.project], node, gpus)
        _close(seating, (item for item in items.values() if item.project not in moving))
        for item in by_choice(item for item in items.values() if item.project in moving):
            seat_any(seating, item)
    except NoRoomError:
        return None
    found = plan_of(instance, granted, with_kept(rooms, seating.seats))
    return None if verify(instance, found) else found


def _close(seating: Seating, items: Iterable[Item]) -> None:
    """Keep others off the domains of those who have them to themselves."""
    for item in items:
        form = item.shape.form
        if form is not None and form.exclusive:
            domain = seating.rooms.topology.domain[form.exclusive[0]]
            nodes = [*(node for node, _ in seating.held(item.project)), *seating.rooms.stays.get(item.project, {})]
            seating.close(np.flatnonzero(np.isin(domain, domain[nodes])))
