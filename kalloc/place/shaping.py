"""Seats for projects whose GPUs must lie in a certain form, one project at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import Instance
from kalloc.instance.policy import FREE
from kalloc.place.forms import fewest, form_of, kept_by, lacking, offers, untouched
from kalloc.place.items import Item
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.seating import MAX_COMPARED, NoRoomError, Seating
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


def at_least(rooms: Rooms, items: Iterable[Item], needs: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return, per project and level, the spans that it cannot do without: by its need, its form and what it keeps."""
    found = dict(needs)
    for project, forced in form_spans(rooms, items).items():
        found[project] = tuple(map(max, found[project], forced))
    for project, nodes in rooms.stays.items():
        kept = (len(np.unique(domain[list(nodes)])) for domain in rooms.topology.domain)
        found[project] = tuple(map(max, found[project], kept))
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


def of_nodes(rooms: Rooms, item: Item) -> bool:
    """Tell whether the form of an item demands whole nodes and no more, in a zone where all nodes are alike."""
    form, [zone] = item.shape.form, item.shape.zones[0]
    if form is None or not form.whole or form.exclusive or min(form.most) < FREE:
        return False
    node = rooms.node_gpus[zone]
    alike = set(form.multiple) == {node} and item.shape.gpus % node == 0
    return alike and bool((rooms.topology.gpus[rooms.zone == zone] == node).all())


def seat_any(seating: Seating, item: Item) -> None:
    """Seat one item in the form that it demands, by best fit.

    Raises:
        NoRoomError: when it does not fit.
    """
    if item.shape.form is None:
        seating.seat(item)
    else:
        seat_formed(seating, item)


def seat_tight(seating: Seating, item: Item) -> None:
    """Seat one item where it spans least, as one with a form.

    Raises:
        NoRoomError: when it does not fit.
    """
    shape = item.shape
    if shape.form is not None or shape.anchor is not None or (len(shape.amounts) > 1 and shape.level is not None):
        seat_any(seating, item)
        return
    for (_, gpus), zones in zip(shape.amounts, shape.zones, strict=True):
        free = [offer.copy() for offer in seating.free(zones, 1)]
        _Hall(seating, item, free, free).place(gpus)


def seat_formed(seating: Seating, item: Item) -> None:
    """Seat an item of some form: in the lowest domain that holds it whole and where it spans least, else largest first.

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
        left = gpus - (_complete(seating, item, zones, mine) if alone else 0)
        if left:
            _Hall(seating, item, _offers(seating, item, mine), seating.free(zones, 1)).place(left)
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


def _complete(seating: Seating, item: Item, zones: Zones, open_to: NDArray[np.bool_]) -> int:
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
            hall = _Hall(seating, item, _offers(seating, item, open_to), seating.free(zones, 1))
            hall.fill(int(lacks[domain]), level, np.array([domain]))
    return missing


def _own(seating: Seating, item: Item) -> Ids:
    """Return the GPUs that an item has on each node, those that it keeps included."""
    own = np.zeros(seating.rooms.topology.node_count, dtype=np.int64)
    for node, gpus in seating.rooms.stays.get(item.project, {}).items():
        own[node] += gpus
    for node, gpus in seating.held(item.project):
        own[node] += gpus
    return own


@dataclass(frozen=True)
class _Hall:
    """What the domains of every level offer to an item of some form, and what is free in them."""

    seating: Seating
    item: Item
    offer: list[Ids]
    free: list[Ids]

    def place(self, gpus: int) -> None:
        """Seat GPUs where the offers say what each domain can hold.

        Raises:
            NoRoomError: when they do not fit.
        """
        required, topology, offer = self.item.shape.level, self.seating.rooms.topology, self.offer
        inside = offer[0]
        homes = [inside]
        for level in range(1, len(offer)):
            above = np.zeros(len(offer[level]), dtype=np.int64)
            above[topology.domain[level]] = topology.domain[level - 1]
            inside = np.minimum(offer[level], inside[above])
            homes.append(inside)
        form = self.item.shape.form
        finest = form.exclusive[0] if form is not None and form.exclusive else len(offer) - 1
        for level in range(finest, -1 if required is None else required - 1, -1):
            exact = form is not None and form.whole and level == len(offer) - 1
            fits = np.flatnonzero(homes[level] == gpus if exact else homes[level] >= gpus)
            if len(fits):
                return self.fill(gpus, level, np.array([self._best(gpus, level, fits)]))
        if required is not None:
            raise NoRoomError(self.item.project)
        return self.fill(gpus, 0, np.arange(len(offer[0])))

    def fill(self, gpus: int, level: int, domains: Ids) -> None:
        """Seat GPUs in some domains of a level: in the best of those that hold them all, else the largest first.

        Raises:
            NoRoomError: when they do not fit.
        """
        nodes, form = level == len(self.offer) - 1, self.item.shape.form
        left = domains
        while gpus > 0:
            offer = self.offer[level][left]
            if nodes and form is not None and form.whole:
                left, offer = left[offer <= gpus], offer[offer <= gpus]
            most = int(offer.max(initial=0))
            if most == 0:
                raise NoRoomError(self.item.project)
            part = min(gpus, most)
            domain = self._best(part, level, left[offer >= part])
            if nodes:
                self.seating.put(self.item, domain, part)
            else:
                self.fill(part, level + 1, self.seating.children(level, domain))
            left = left[left != domain]
            gpus -= part

    def _best(self, gpus: int, level: int, domains: Ids) -> int:
        """Return the domain in which GPUs span least, then the one of least offer, then the one of least room."""
        order = domains[np.lexsort((self.free[level][domains], self.offer[level][domains]))][:MAX_COMPARED].tolist()
        return int(order[0] if len(order) == 1 else min(order, key=lambda domain: self._cost(gpus, level, domain)))

    def _cost(self, gpus: int, level: int, domain: int) -> int:
        """Return Σ weight · domains of finer levels that GPUs span at least in a domain."""
        inside, cost = np.array([domain]), 0
        for finer in range(level + 1, len(self.offer)):
            inside = np.concatenate([self.seating.children(finer - 1, int(one)) for one in inside])
            sums = np.cumsum(np.sort(self.offer[finer][inside])[::-1])
            cost += self.seating.rooms.topology.weights[finer] * (int(np.searchsorted(sums, gpus)) + 1)
        return cost
