"""Second thoughts: whoever is scattered more than it must be is seated anew in a domain from which others make room."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from kalloc.place.alone import Alone, Preferred
from kalloc.place.items import Item
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating, Seats, by_choice
from kalloc.place.shaping import seat_any, seat_tight
from kalloc.place.spans import scattering
from kalloc.solver import Ids, Limits

MOST_ROUNDS = 3
"""Times that all who are scattered are looked at, as long as that helps."""
MOST_HOMES = 12
"""Domains that are tried for each of them, those with most room first."""
MOST_MOVED = 150
"""Projects that make room at once."""


def widened(rooms: Rooms, items: Iterable[Item], assigned: Iterable[Item]) -> list[Item]:
    """Return items, those of one kind with all their zones that are under the same meters as the one assigned."""
    zones_of = {item.project: item.shape.zones for item in items}
    meters = [zone.meters for zone in rooms.zones]
    found = []
    for item in assigned:
        every = zones_of[item.project]
        if len(item.shape.zones) == len(every) == 1:
            [own], [others] = item.shape.zones, every
            wider = own | {zone for zone in others if {meters[zone]} == {meters[one] for one in own}}
            item = replace(item, shape=replace(item.shape, zones=(wider,)))
        found.append(item)
    return found


def seated(rooms: Rooms, items: Sequence[Item], seats: Seats) -> Seating:
    """Return a seating in which some items have just the given seats."""
    seating, item_of = Seating(rooms), {item.project: item for item in items}
    for (project, node), gpus in seats.items():
        seating.put(item_of[project], node, gpus)
    for item in items:
        if item.shape.form is not None and item.shape.form.exclusive:
            domain = rooms.topology.domain[item.shape.form.exclusive[0]]
            own = np.unique(domain[[node for node, _ in seating.held(item.project)]])
            seating.close(np.flatnonzero(np.isin(domain, own)))
    return seating


class Moving:
    """Seats that are changed one neighbourhood at a time."""

    def __init__(self, seating: Seating, items: Iterable[Item], more: Preferred) -> None:
        """``items`` are those that may move, ``more`` what some pay for a domain on top of its weight."""
        self.seating, self.rooms, self.more = seating, seating.rooms, more
        self.items = {item.project: item for item in items}
        self.where: dict[int, set[str]] = {}
        for item in self.items.values():
            self._enter(item)

    def improve(self, needs: Mapping[str, Sequence[int]], limits: Limits) -> Seats:
        """Return seats that cost no more; ``needs`` has the spans that projects cannot do without, by level."""
        weights = self.rooms.topology.weights
        levels = [level for level, weight in enumerate(weights) if weight]
        floor = Alone(self.rooms).costs(self.items.values(), needs, levels, self.more)
        for _ in range(MOST_ROUNDS):
            excess = {name: self._cost([name]) - cost for name, cost in floor.items() if self._movable(name)}
            scattered = sorted((name for name, more in excess.items() if more > 0), key=lambda name: -excess[name])
            better = False
            for name in scattered:
                if limits.over:
                    return self.seating.seats
                if self._cost([name]) > floor[name]:
                    better |= self._settle(self.items[name], needs[name])
            if not better:
                break
        return self.seating.seats

    def squeeze(self, item: Item) -> bool:
        """Seat one item more, others making room; tell whether that went."""
        levels = range(len(self.rooms.topology.levels) - 2, -1, -1)
        done = any(self._try(item, within, seat_any) for level in levels for within in self._homes(item, level))
        if done:
            self.items[item.project] = item
        return done

    def _settle(self, item: Item, need: Sequence[int]) -> bool:
        """Seat an item anew where that makes the whole cheaper; tell whether it did."""
        last, kinds = len(self.rooms.topology.levels) - 2, len(item.shape.amounts)
        level = min(last, max((at for at, count in enumerate(need) if count <= kinds), default=0))
        ways = chain([[]], *(self._homes(item, at) for at in range(level, max(-1, level - 2), -1)))
        return any(self._try(item, within, seat) for within in ways for seat in (seat_any, seat_tight))

    def _homes(self, item: Item, level: int) -> Iterator[list[Item]]:
        """Yield who could make room for an item: those inside some domain of a level, the ones of most room first."""
        domain = self.rooms.topology.domain[level]
        zones = frozenset().union(*item.shape.zones)
        free = self.seating.free(zones, 1)[level]
        for home in np.argsort(-free, kind="stable")[:MOST_HOMES].tolist():
            if free[home] == 0:
                return
            nodes = np.flatnonzero(domain == home).tolist()
            names = sorted({name for node in nodes for name in self.where.get(node, ())} - {item.project})
            inside = [name for name in names if self._movable(name) and self._lies_in(name, domain, home)]
            if len(inside) <= MOST_MOVED:
                yield [self.items[name] for name in inside]

    def _lies_in(self, name: str, domain: Ids, home: int) -> bool:
        return all(domain[node] == home for node, _ in self.seating.held(name))

    def _movable(self, name: str) -> bool:
        form = self.items[name].shape.form
        return self.items[name].shape.anchor is None and not (form is not None and form.exclusive)

    def _try(self, item: Item, others: Sequence[Item], seat: Callable[[Seating, Item], None]) -> bool:
        """Seat an item, then others, anew; keep that where it is cheaper, or where the item had no seats."""
        everyone = [item, *others]
        names = [one.project for one in everyone]
        before = self._cost(names) if item.project in self.items else math.inf
        held = {one.project: self._leave(one) for one in everyone}
        try:
            seat_tight(self.seating, item)
            for one in by_choice(others):
                seat(self.seating, one)
            better = self._cost(names) < before
        except NoRoomError:
            better = False
        if not better:
            for one in everyone:
                self.seating.withdraw(one)
            for one in everyone:
                for node, gpus in held[one.project]:
                    self.seating.put(one, node, gpus)
        for one in everyone:
            self._enter(one)
        return better

    def _enter(self, item: Item) -> None:
        for node, _ in self.seating.held(item.project):
            self.where.setdefault(node, set()).add(item.project)

    def _leave(self, item: Item) -> list[tuple[int, int]]:
        held = self.seating.withdraw(item)
        for node, _ in held:
            self.where[node].discard(item.project)
        return held

    def _cost(self, names: Iterable[str]) -> int:
        """Return what some projects pay for the domains that they span."""
        seats = ((name, node) for name in names for node, _ in self.seating.held(name))
        return scattering(self.rooms, seats, self.more)
