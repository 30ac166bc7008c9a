"""Best fit, the rule of public schedulers: what a plan is compared with. Knows nothing of how kalloc places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat

Counts = NDArray[np.int64]
Wish = tuple[str, str]
"""A pool and a kind: what decides which nodes serve a project."""


def best_fit(instance: Instance, plan: Plan) -> Plan:
    """Return the allocation of a plan, seated anew: projects by falling size, each by the rule of :meth:`Hall.seats`.

    Raises:
        ValueError: where a project mixes kinds, must sit in one domain or keeps seats, or where pools lend.
    """
    hall = Hall(instance)
    granted = _granted(instance, plan)
    seats: list[Seat] = []
    for grant in sorted(granted, key=lambda grant: -grant.gpus):
        for node, gpus in hall.seats((grant.pool, grant.kind), grant.gpus):
            row = instance.topology.row(node)
            seats.append(Seat(grant.project, grant.kind, row.path, instance.topology.names[node], gpus))
    return replace(plan, seats=tuple(sorted(seats)))


def _granted(instance: Instance, plan: Plan) -> list[Grant]:
    """Return what is granted, once it is sure that best fit alone can seat it."""
    granted = [grant for grant in plan.grants if grant.gpus > 0]
    alone = len({grant.project for grant in granted}) == len(granted)
    lending = any(row.borrow for row in instance.quotas)
    if not alone or lending or instance.stays or any(row.level for row in instance.projects):
        raise ValueError("best fit seats projects of one kind that neither stay, borrow nor name a level")
    return granted


class Hall:
    """The free GPUs of every domain, for every set of nodes that serves somebody."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.topology = instance, instance.topology
        self.room = instance.topology.gpus.copy()
        for node, gpus in instance.background.items():
            self.room[node] = max(0, self.room[node] - gpus)
        self.last = len(self.topology.levels) - 1
        self._free: dict[Wish, list[Counts]] = {}

    def free(self, wish: Wish) -> list[Counts]:
        """Return, per level, the free GPUs of each domain on nodes that serve a wish."""
        if wish not in self._free:
            pool, kind = wish
            serves = self.instance.pool_tree.serves
            groups = [row.kind == kind and serves(row.owner, pool, kind) for row in self.topology.groups]
            room = np.where(np.array(groups)[self.topology.group], self.room, 0)
            self._free[wish] = [np.bincount(domain, weights=room).astype(np.int64) for domain in self.topology.domain]
        return self._free[wish]

    def seats(self, wish: Wish, gpus: int) -> Iterator[tuple[int, int]]:
        """Take seats: in the lowest domain that holds all and has the least room, else split over the coarsest.

        Raises:
            ValueError: when the nodes that serve the wish do not have that many GPUs left.
        """
        free = self.free(wish)
        for level in range(self.last, -1, -1):
            domain = _tightest(free[level], gpus)
            if domain is not None:
                yield from self._inside(wish, level, domain, gpus)
                return
        yield from self._split(wish, 0, np.arange(len(free[0])), gpus)

    def _inside(self, wish: Wish, level: int, domain: int, gpus: int) -> Iterator[tuple[int, int]]:
        if level == self.last:
            self._take(domain, gpus)
            yield domain, gpus
            return
        below = np.unique(self.topology.domain[level + 1][self.topology.domain[level] == domain])
        yield from self._split(wish, level + 1, below, gpus)

    def _split(self, wish: Wish, level: int, domains: Counts, gpus: int) -> Iterator[tuple[int, int]]:
        """Fill the domain with the most room, again and again; the last part goes where it fits best."""
        while gpus:
            free = self.free(wish)[level][domains]
            position = _tightest(free, gpus)
            if position is None:
                position = int(free.argmax())
            part = min(gpus, int(free[position]))
            if part == 0:
                raise ValueError(f"{gpus} GPUs of kind {wish[1]!r} are missing for pool {wish[0]!r}")
            yield from self._inside(wish, level, int(domains[position]), part)
            gpus -= part

    def _take(self, node: int, gpus: int) -> None:
        self.room[node] -= gpus
        row = self.topology.row(node)
        for (pool, kind), free in self._free.items():
            if row.kind == kind and self.instance.pool_tree.serves(row.owner, pool, kind):
                for level, domain in enumerate(self.topology.domain):
                    free[level][domain[node]] -= gpus


def _tightest(free: Counts, gpus: int) -> int | None:
    """Return the position of the least room that holds some GPUs, the first of equals."""
    enough = np.where(free >= gpus, free, np.iinfo(np.int64).max)
    position = int(enough.argmin())
    return position if free[position] >= gpus else None
