"""Seats being given away: free GPUs of every domain, and best fit for one item at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator

import numpy as np

from kalloc.place.items import Item
from kalloc.place.rooms import Lender, Rooms, Zones
from kalloc.solver import Ids

MAX_COMPARED = 64
"""Domains compared in search of a home for an item, those of least room first."""

Seats = dict[tuple[str, int], int]
"""GPUs by project and node."""


class NoRoomError(Exception):
    """A project does not fit in what is left."""

    def __init__(self, project: str) -> None:
        self.project = project
        super().__init__(f"no room for {project!r}")


class Seating:
    """Who sits where so far.

    Free GPUs are kept per level for every set of zones and every grain that is asked for. In grains of a whole node,
    nodes that are taken in part offer nothing.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.seats: Seats = defaultdict(int)
        self.room = np.where(rooms.closed, 0, rooms.room)
        self.lend = dict(rooms.lend)
        self._free: dict[tuple[Zones, int], list[Ids]] = {}
        self._order: dict[int, tuple[Ids, Ids]] = {}
        self._nodes: dict[str, list[int]] = {}

    def copy(self) -> Seating:
        """Return a seating that can go on by itself."""
        other = Seating(self.rooms)
        other.seats, other.room, other.lend = self.seats.copy(), self.room.copy(), self.lend.copy()
        other._free = {key: [free.copy() for free in levels] for key, levels in self._free.items()}
        other._order = self._order
        other._nodes = {project: nodes.copy() for project, nodes in self._nodes.items()}
        return other

    def held(self, project: str) -> Iterator[tuple[int, int]]:
        """Yield the nodes on which a project was seated, with its GPUs there."""
        yield from ((node, self.seats[project, node]) for node in self._nodes.get(project, ()))

    def close(self, nodes: Ids) -> None:
        """Keep everybody else off some nodes."""
        for node in nodes[self.room[nodes] > 0].tolist():
            self._take(node, int(self.room[node]))

    def of(self, names: Container[str]) -> list[tuple[str, int]]:
        """Return (project, node) of all seats of some projects."""
        return [seat for seat in self.seats if seat[0] in names]

    def free(self, zones: Zones, grain: int) -> list[Ids]:
        """Return, per level, the free GPUs of each domain on nodes of some zones, each node rounded down to grains."""
        if (zones, grain) not in self._free:
            topology = self.rooms.topology
            room = np.where(np.isin(self.rooms.zone, sorted(zones)), self.room // grain * grain, 0)
            self._free[zones, grain] = [
                np.bincount(topology.domain[level], weights=room, minlength=topology.domain_count(level)).astype(int)
                for level in range(len(topology.levels))
            ]
        return self._free[zones, grain]

    def children(self, level: int, domain: int) -> Ids:
        """Return the domains of the next level that lie in a domain."""
        order, starts = self._inside(level)
        return np.asarray(order[starts[domain] : starts[domain + 1]])

    def _inside(self, level: int) -> tuple[Ids, Ids]:
        """Return the domains of the next level in the order of those of a level, and where each of these begins."""
        if level not in self._order:
            coarse, fine = self.rooms.topology.domain[level : level + 2]
            parent = np.zeros(self.rooms.topology.domain_count(level + 1), dtype=np.int64)
            parent[fine] = coarse
            order = np.argsort(parent, kind="stable")
            starts = np.searchsorted(parent[order], np.arange(self.rooms.topology.domain_count(level) + 1))
            self._order[level] = (order, starts)
        return self._order[level]

    def put(self, item: Item, node: int, gpus: int) -> None:
        """Give GPUs of a node to an item.

        Raises:
            NoRoomError: when the node's lender lends no more, or the node is full.
        """
        lenders = self._lenders(item, node)
        if gpus > self.room[node] or any(self.lend[lender] < gpus for lender in lenders):
            raise NoRoomError(item.project)
        for lender in lenders:
            self.lend[lender] -= gpus
        self._take(node, gpus)
        if (item.project, node) not in self.seats:
            self._nodes.setdefault(item.project, []).append(node)
        self.seats[item.project, node] += gpus

    def withdraw(self, item: Item) -> list[tuple[int, int]]:
        """Give back the GPUs of an item that keeps nobody off its domains; return its nodes with what it had there."""
        held = list(self.held(item.project))
        for node, gpus in held:
            for lender in self._lenders(item, node):
                self.lend[lender] += gpus
            self._take(node, -gpus)
            del self.seats[item.project, node]
        self._nodes.pop(item.project, None)
        return held

    def _lenders(self, item: Item, node: int) -> list[Lender]:
        """Return the quota rows that limit what an item, as an outsider, has on a node."""
        lenders = self.rooms.zones[int(self.rooms.zone[node])].lenders
        return [lender for lender in lenders if item.shape.pool in self.rooms.outsiders[lender]]

    def _take(self, node: int, gpus: int) -> None:
        """Lessen the free GPUs of a node."""
        zone, before = int(self.rooms.zone[node]), int(self.room[node])
        self.room[node] = before - gpus
        for (zones, grain), levels in self._free.items():
            fewer = (before // grain - (before - gpus) // grain) * grain
            if zone in zones and fewer:
                for level, free in enumerate(levels):
                    free[self.rooms.topology.domain[level][node]] -= fewer

    def seat(self, item: Item) -> None:
        """Seat an item by best fit: the lowest domain that holds it whole and has least room, else the largest first.

        Raises:
            NoRoomError: when it does not fit. Some of it may then be seated: the seating is of no more use.
        """
        for (_, gpus), zones in zip(item.shape.amounts, item.shape.zones, strict=True):
            grain = self._grain(item, gpus, zones)
            level, domain = self._home(item, gpus, zones, grain)
            self._descend(item, gpus, zones, grain, level, np.array([domain]) if level >= 0 else None)

    def lay(self, zone: int, items: Iterable[Item]) -> None:
        """Seat items end to end on the nodes of a zone, in the order of the topology.

        Raises:
            NoRoomError: when they do not fit.
        """
        nodes = np.flatnonzero((self.rooms.zone == zone) & (self.room > 0))
        order = iter(nodes[np.lexsort([domain[nodes] for domain in reversed(self.rooms.topology.domain)])].tolist())
        node = next(order, None)
        for item in items:
            gpus = item.shape.gpus
            while gpus:
                if node is None:
                    raise NoRoomError(item.project)
                part = min(gpus, int(self.room[node]))
                self.put(item, node, part)
                gpus -= part
                if self.room[node] == 0:
                    node = next(order, None)

    def fill(self, item: Item, zones: Zones, level: int, domain: int, gpus: int) -> None:
        """Seat GPUs of an item in one domain, on whole nodes as far as there are any.

        Raises:
            NoRoomError: when they do not fit.
        """
        node = min(self.rooms.node_gpus[zone] for zone in zones)
        whole = min(gpus, int(self.free(zones, node)[level][domain])) // node * node
        for grain, part in ((node, whole), (1, gpus - whole)):
            self._descend(item, part, zones, grain, level, np.array([domain]))

    def _grain(self, item: Item, gpus: int, zones: Zones) -> int:
        """Return a whole node for those who ask for whole nodes, as long as there are enough; one GPU otherwise."""
        grain = min(self.rooms.node_gpus[zone] for zone in zones)
        whole = gpus % grain == 0 and int(self.free(zones, grain)[0].sum()) >= gpus
        level = item.shape.level
        if whole and level is not None:
            whole = int(self.free(zones, grain)[level].max()) >= gpus
        return grain if whole else 1

    def _home(self, item: Item, gpus: int, zones: Zones, grain: int) -> tuple[int, int]:
        """Return the domain that is to hold a kind whole: level −1 when none can."""
        topology, required = self.rooms.topology, item.shape.level
        sits = list(self._held(item))
        finest = len(topology.levels) - 1
        if sits:
            for level in range(finest, -1, -1):
                held = np.unique(topology.domain[level][sits])
                fitting = held[self.free(zones, grain)[level][held] >= gpus]
                if len(fitting) and (required is None or level >= required):
                    return level, int(fitting[0])
            if required is not None:
                raise NoRoomError(item.project)
        for level in range(finest, -1 if required is None else required - 1, -1):
            free = self.free(zones, grain)[level]
            fits = free >= gpus
            if level == required:
                for (_, need), other in zip(item.shape.amounts, item.shape.zones, strict=True):
                    fits &= self.free(other, 1)[level] >= need
            if fits.any():
                return level, self._tightest(np.flatnonzero(fits), gpus, zones, grain, level)
        if required is not None:
            raise NoRoomError(item.project)
        return -1, 0

    def _tightest(self, domains: Ids, gpus: int, zones: Zones, grain: int, level: int) -> int:
        """Return the domain where an amount needs the fewest domains of the next level, then the one of least room."""
        free = self.free(zones, grain)
        order = domains[np.argsort(free[level][domains], kind="stable")][:MAX_COMPARED]
        if level == len(free) - 1:
            return int(order[0])
        return int(order[int(self._needs(order, gpus, free[level + 1], level).argmin())])

    def _needs(self, domains: Ids, gpus: int, free: Ids, level: int) -> Ids:
        """Return how many domains of the next level hold less than an amount together, the largest first, in each."""
        order, starts = self._inside(level)
        counts = starts[domains + 1] - starts[domains]
        heads = counts.cumsum() - counts
        offers = free[order[np.arange(counts.sum()) + np.repeat(starts[domains] - heads, counts)]]
        offers = offers[np.lexsort((-offers, np.repeat(np.arange(len(domains)), counts)))]
        together = offers.cumsum()
        together -= np.repeat(together[heads] - offers[heads], counts)
        return np.asarray(np.add.reduceat((together < gpus).astype(np.int64), heads))

    def _held(self, item: Item) -> Iterable[int]:
        if item.shape.anchor is not None:
            yield from self.rooms.stays[item.shape.anchor]
        if len(item.shape.amounts) > 1:
            yield from self._nodes.get(item.project, ())

    def _descend(self, item: Item, gpus: int, zones: Zones, grain: int, level: int, domains: Ids | None) -> None:
        """Seat GPUs in some domains of a level: one that holds all, or the largest first and the rest best fit."""
        topology = self.rooms.topology
        if domains is None:
            level, domains = 0, np.arange(topology.domain_count(0))
        free = self.free(zones, grain)[level]
        while gpus > 0:
            room = free[domains]
            fits = room >= gpus
            if fits.any():
                best = int(domains[np.where(fits, room, np.iinfo(np.int64).max).argmin()])
                part = gpus
            else:
                best = int(domains[room.argmax()])
                part = int(free[best])
            if part == 0:
                raise NoRoomError(item.project)
            if level == len(topology.levels) - 1:
                self.put(item, best, part)
            else:
                self._descend(item, part, zones, grain, level + 1, self.children(level, best))
            gpus -= part


def with_kept(rooms: Rooms, seats: Seats) -> Seats:
    """Return seats with those that projects keep."""
    everyone = dict(seats)
    for project, kept in rooms.stays.items():
        for node, gpus in kept.items():
            everyone[project, node] = everyone.get((project, node), 0) + gpus
    return everyone


def by_choice(items: Iterable[Item]) -> list[Item]:
    """Return items by how little choice they have.

    Those that share no domain come first, then those that need one domain, the finest first; then the larger.
    """

    def choice(item: Item) -> tuple[bool, int, bool, int]:
        shape = item.shape
        alone = shape.form is not None and bool(shape.form.exclusive)
        return not alone, -1 if shape.level is None else -2 - shape.level, shape.form is None, -shape.gpus

    return sorted(items, key=choice)
