"""Best fit, first fit and chance: what a plan is compared with. They know nothing of how kalloc places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat

Counts = NDArray[np.int64]
Wish = tuple[str, str]
"""A pool and a kind: what decides which nodes serve a project."""


@dataclass(frozen=True)
class Rule:
    """Who comes first, and which domain is taken: of those that hold all, or else of those with some room.

    A project goes to the lowest level of which one domain holds it whole; inside a domain, and where none holds it,
    it is split over the domains below by the same rule.
    """

    order: Callable[[Sequence[Grant]], Sequence[Grant]]
    whole: Callable[[Counts, Counts], int]
    """Of the free GPUs of the domains and the positions of those with enough, the position to take."""
    part: Callable[[Counts, Counts], int]
    """Of the free GPUs of the domains and the positions of those with some, the position to fill."""


def best_fit(instance: Instance, plan: Plan) -> Plan:
    """Return an allocation seated anew by falling size: where least room is left, else the most room is filled first.

    Raises:
        OutOfScopeError: where a project mixes kinds, must sit in one domain or keeps seats, or where pools lend.
    """
    return seated(instance, plan, BEST)


def first_fit(instance: Instance, plan: Plan) -> Plan:
    """Return an allocation seated anew by falling size: in the first domain with room, in the order of the topology.

    Raises:
        OutOfScopeError: as :func:`best_fit`.
    """
    return seated(instance, plan, FIRST)


def at_random(instance: Instance, plan: Plan, seed: int) -> Plan:
    """Return an allocation seated anew in random order: each project in a random one of the domains with room.

    Raises:
        OutOfScopeError: as :func:`best_fit`.
    """
    rng = Random(f"at random {seed}")

    def shuffled(grants: Sequence[Grant]) -> Sequence[Grant]:
        return rng.sample(grants, len(grants))

    def drawn(free: Counts, positions: Counts) -> int:
        return int(positions[rng.randrange(len(positions))])

    return seated(instance, plan, Rule(shuffled, drawn, drawn))


def seated(instance: Instance, plan: Plan, rule: Rule) -> Plan:
    """Return the allocation of a plan, seated anew by a rule."""
    hall = Hall(instance, rule)
    seats: list[Seat] = []
    for grant in rule.order(granted(instance, plan)):
        for node, gpus in hall.seats((grant.pool, grant.kind), grant.gpus):
            seats.append(seat(instance, grant, node, gpus))
    return replace(plan, seats=tuple(sorted(seats)))


def granted(instance: Instance, plan: Plan) -> list[Grant]:
    """Return what is granted, once it is sure that seating it project by project breaks no rule."""
    grants = [grant for grant in plan.grants if grant.gpus > 0]
    alone = len({grant.project for grant in grants}) == len(grants)
    lending = any(row.borrow for row in instance.quotas)
    if not alone or lending or instance.stays or any(row.level for row in instance.projects):
        raise OutOfScopeError("the references seat projects of one kind that neither stay, borrow nor name a level")
    return grants


def seat(instance: Instance, grant: Grant, node: int, gpus: int) -> Seat:
    """Return the row of some GPUs of a grant on a node."""
    return Seat(grant.project, grant.kind, instance.topology.row(node).path, instance.topology.names[node], gpus)


class OutOfScopeError(ValueError):
    """A rule of the instance is not one that the references know."""


class Hall:
    """The free GPUs of every domain, for every set of nodes that serves somebody, and the rule to take them by."""

    def __init__(self, instance: Instance, rule: Rule) -> None:
        self.instance, self.topology, self.rule = instance, instance.topology, rule
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

    def seats(self, wish: Wish, gpus: int, home: tuple[int, int] | None = None) -> Iterator[tuple[int, int]]:
        """Take seats: in a domain of the lowest level of which one holds all, else split over the coarsest.

        ``home`` is a level and a domain of it that has the room: no seat is taken outside.

        Raises:
            ValueError: when the nodes that serve the wish do not have that many GPUs left.
        """
        top = 0 if home is None else home[0] + 1
        for level in range(self.last, top - 1, -1):
            members = self._members(level, home)
            free = self.free(wish)[level][members]
            enough = np.flatnonzero(free >= gpus)
            if len(enough):
                yield from self._inside(wish, level, int(members[self.rule.whole(free, enough)]), gpus)
                return
        yield from self._split(wish, top, self._members(top, home), gpus)

    def _members(self, level: int, home: tuple[int, int] | None) -> Counts:
        if home is None:
            return np.arange(self.topology.domain_count(level))
        return np.unique(self.topology.domain[level][self.topology.domain[home[0]] == home[1]])

    def _inside(self, wish: Wish, level: int, domain: int, gpus: int) -> Iterator[tuple[int, int]]:
        if level == self.last:
            self._take(domain, gpus)
            yield domain, gpus
            return
        yield from self._split(wish, level + 1, self._below[level][domain], gpus)

    @cached_property
    def _below(self) -> list[list[Counts]]:
        """Per level but the last, the domains of the next level in each domain."""
        found = []
        for domains, finer in zip(self.topology.domain[:-1], self.topology.domain[1:], strict=True):
            ids, first = np.unique(finer, return_index=True)
            parents = domains[first]
            by_parent = ids[np.argsort(parents, kind="stable")]
            found.append(np.split(by_parent, np.cumsum(np.bincount(parents))[:-1]))
        return found

    def _split(self, wish: Wish, level: int, domains: Counts, gpus: int) -> Iterator[tuple[int, int]]:
        """Fill domain after domain; the last part goes to one that holds it whole."""
        while gpus:
            free = self.free(wish)[level][domains]
            enough = np.flatnonzero(free >= gpus)
            some = enough if len(enough) else np.flatnonzero(free)
            if not len(some):
                raise ValueError(f"{gpus} GPUs of kind {wish[1]!r} are missing for pool {wish[0]!r}")
            position = self.rule.whole(free, enough) if len(enough) else self.rule.part(free, some)
            part = min(gpus, int(free[position]))
            yield from self._inside(wish, level, int(domains[position]), part)
            gpus -= part

    def _take(self, node: int, gpus: int) -> None:
        self.room[node] -= gpus
        row = self.topology.row(node)
        for (pool, kind), free in self._free.items():
            if row.kind == kind and self.instance.pool_tree.serves(row.owner, pool, kind):
                for level, domain in enumerate(self.topology.domain):
                    free[level][domain[node]] -= gpus


def _falling(grants: Sequence[Grant]) -> Sequence[Grant]:
    return sorted(grants, key=lambda grant: -grant.gpus)


def _least(free: Counts, positions: Counts) -> int:
    return int(positions[free[positions].argmin()])


def _most(free: Counts, positions: Counts) -> int:
    return int(positions[free[positions].argmax()])


def _first(free: Counts, positions: Counts) -> int:
    return int(positions[0])


BEST = Rule(_falling, _least, _most)
"""The rule of public schedulers: the tightest domain that holds a project; what is split fills the largest first."""
FIRST = Rule(_falling, _first, _first)
"""The first domain with room, in the order of the topology."""
