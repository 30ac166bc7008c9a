"""Seats for projects whose GPUs must lie in a certain form, one project at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import Instance
from kalloc.place.forms import fewest, form_of, kept_by, lacking, offers, untouched
from kalloc.place.items import Item
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating
from kalloc.solver import Ids


def form_spans(rooms: Rooms, items: Iterable[Item]) -> dict[str, tuple[int, ...]]:
    """Return, for items of some form that keep nothing, the fewest domains per level that their form lets them span."""
    found: dict[str, tuple[int, ...]] = {}
    known: dict[object, tuple[int, ...]] = {}
    for item in items:
        shape, form = item.shape, item.shape.form
        if form is None or shape.anchor is not None:
            continue
        if shape not in known:
            open_to = untouched(rooms.topology, form, rooms.occupied)
            each = form if len(shape.amounts) == 1 else form.of_part
            counts = [
                fewest(offers(rooms.topology, np.where(open_to, rooms.open(zones), 0), each), gpus)
                for (_, gpus), zones in zip(shape.amounts, shape.zones, strict=True)
            ]
            known[shape] = tuple(map(max, *counts)) if len(counts) > 1 else counts[0]
        found[item.project] = known[shape]
    return found


def check_kept(instance: Instance, rooms: Rooms, items: Iterable[Item]) -> None:
    """Check the forms of projects that have no more than what they keep.

    Raises:
        NoRoomError: when one is not as the form demands.
    """
    seated = {item.project for item in items}
    for project, nodes in rooms.stays.items():
        form = form_of(instance, project)
        own = np.zeros(rooms.topology.node_count, dtype=np.int64)
        own[list(nodes)] = list(nodes.values())
        if form is not None and project not in seated and not kept_by(rooms.topology, form, own):
            raise NoRoomError(project)


def seat_formed(seating: Seating, item: Item) -> None:
    """Seat an item of some form: in the lowest domain that holds it whole and has least to offer, else largest first.

    Raises:
        NoRoomError: when it does not fit. Some of it may then be seated: the seating is of no more use.
    """
    form, topology = item.shape.form, seating.rooms.topology
    assert form is not None
    own = _own(seating, item)
    alone = len(item.shape.amounts) == 1
    if any((gpus + alone * int(own.sum())) % form.multiple[0] for _, gpus in item.shape.amounts):
        raise NoRoomError(item.project)
    others = (seating.rooms.occupied | (seating.room < seating.rooms.room)) & (own == 0)
    open_to = untouched(topology, form, others)
    if item.shape.level is not None and (own.any() or not alone):
        open_to &= topology.domain[item.shape.level] == _home(seating, item, open_to, own)
    for (_, gpus), zones in zip(item.shape.amounts, item.shape.zones, strict=True):
        mine = np.isin(seating.rooms.zone, sorted(zones)) & open_to
        left = gpus - (_complete(seating, item, mine) if alone else 0)
        if left:
            _place(seating, item, left, _offers(seating, item, mine))
    if not kept_by(topology, form, _own(seating, item)):
        raise NoRoomError(item.project)
    if form.exclusive:
        domain = topology.domain[form.exclusive[0]]
        mine = np.unique(domain[np.flatnonzero(_own(seating, item))])
        seating.close(np.flatnonzero(np.isin(domain, mine)))


def _home(seating: Seating, item: Item, open_to: NDArray[np.bool_], own: Ids) -> int:
    """Return the domain of its level for an item that keeps GPUs or has several kinds, the one of least offer.

    Raises:
        NoRoomError: when no domain holds all kinds.
    """
    level, topology = item.shape.level or 0, seating.rooms.topology
    if own.any():
        return int(topology.domain[level][int(own.argmax())])
    zones = [np.isin(seating.rooms.zone, sorted(each)) for each in item.shape.zones]
    offered = [_offers(seating, item, mine & open_to)[level] for mine in zones]
    fits = [offer >= gpus for offer, (_, gpus) in zip(offered, item.shape.amounts, strict=True)]
    homes = np.flatnonzero(np.all(fits, axis=0))
    if len(homes) == 0:
        raise NoRoomError(item.project)
    return int(homes[np.sum(offered, axis=0)[homes].argmin()])


def _offers(seating: Seating, item: Item, open_to: NDArray[np.bool_]) -> list[Ids]:
    """Return what each domain can hold of an item besides what it has, on nodes that are open to it."""
    form, topology = item.shape.form, seating.rooms.topology
    assert form is not None
    return offers(topology, np.where(open_to, seating.room, 0), form, _own(seating, item))


def _complete(seating: Seating, item: Item, open_to: NDArray[np.bool_]) -> int:
    """Seat the GPUs that complete the form of what an item keeps, from the finest level on; return how many they are.

    Raises:
        NoRoomError: when there is no room for them, or they are more than the item has.
    """
    form, topology = item.shape.form, seating.rooms.topology
    assert form is not None
    missing = int(lacking(topology, form, _own(seating, item))[0].sum())
    if missing > item.shape.gpus:
        raise NoRoomError(item.project)
    for level in range(len(topology.levels) - 1, -1, -1) if missing else ():
        lacks = lacking(topology, form, _own(seating, item))[level]
        for domain in np.flatnonzero(lacks).tolist():
            _fill(seating, item, int(lacks[domain]), _offers(seating, item, open_to), level, [domain])
    return missing


def _own(seating: Seating, item: Item) -> Ids:
    """Return the GPUs that an item has on each node, those that it keeps included."""
    own = np.zeros(seating.rooms.topology.node_count, dtype=np.int64)
    for node, gpus in seating.rooms.stays.get(item.project, {}).items():
        own[node] += gpus
    for node, gpus in seating.held(item.project):
        own[node] += gpus
    return own


def _place(seating: Seating, item: Item, gpus: int, offer: list[Ids]) -> None:
    """Seat GPUs of an item where the offers say what each domain can hold."""
    required, topology = item.shape.level, seating.rooms.topology
    inside = offer[0]
    homes = [inside]
    for level in range(1, len(offer)):
        above = np.zeros(len(offer[level]), dtype=np.int64)
        above[topology.domain[level]] = topology.domain[level - 1]
        inside = np.minimum(offer[level], inside[above])
        homes.append(inside)
    form = item.shape.form
    finest = form.exclusive[0] if form is not None and form.exclusive else len(offer) - 1
    for level in range(finest, -1 if required is None else required - 1, -1):
        exact = form is not None and form.whole and level == len(offer) - 1
        fits = np.flatnonzero(homes[level] == gpus if exact else homes[level] >= gpus)
        if len(fits):
            return _fill(seating, item, gpus, offer, level, [int(fits[offer[level][fits].argmin()])])
    if required is not None:
        raise NoRoomError(item.project)
    return _fill(seating, item, gpus, offer, 0, range(len(offer[0])))


def _fill(
    seating: Seating, item: Item, gpus: int, offer: list[Ids], level: int, domains: Iterable[int]
) -> None:
    """Seat GPUs in some domains of a level: the one of least offer that holds them all, else the largest first."""
    nodes = level == len(offer) - 1
    whole = nodes and item.shape.form is not None and item.shape.form.whole
    left = np.array(sorted(domains, key=lambda domain: -offer[level][domain]), dtype=np.int64)
    while gpus > 0:
        room = offer[level][left]
        if whole:
            left, room = left[room <= gpus], room[room <= gpus]
        best = max(0, int(np.count_nonzero(room >= gpus)) - 1)
        if len(left) == 0 or room[best] == 0:
            raise NoRoomError(item.project)
        part, domain = min(gpus, int(room[best])), int(left[best])
        if nodes:
            seating.put(item, domain, part)
        else:
            _fill(seating, item, part, offer, level + 1, seating.children(level, domain).tolist())
        left = np.delete(left, best)
        gpus -= part
