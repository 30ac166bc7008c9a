"""Best fit, the rule of public schedulers: what a plan is compared with. The engine knows nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import ALL_KINDS, Instance, Quota
from kalloc.plan import Grant, Plan, Seat

Counts = NDArray[np.int64]
Wish = tuple[str, frozenset[str]]
"""A kind and the owners whose nodes may be taken."""
Home = tuple[int, int]
"""A level and a domain of it."""


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

    What stays keeps its seats. Nodes of others are taken only where a project's own have too little room. A project
    that finds no room gets no more seats than it keeps: the plan that is returned is then not whole.
    """
    board = _Board(instance)
    for grant in BEST.order([grant for grant in plan.grants if grant.gpus > 0]):
        board.add(grant)
    return replace(plan, seats=tuple(board.seats()))


class _Board:
    """The seats that are taken so far, and what may still be lent."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.hall = instance, Hall(instance, BEST)
        self.taken = {project: Counter(nodes) for project, nodes in instance.stays.items()}
        self.lent: Counter[tuple[str, str]] = Counter()

    def add(self, grant: Grant) -> None:
        """Seat what a project is granted of one kind, less what it keeps."""
        row = self.instance.topology.row
        held = self.taken.setdefault(grant.project, Counter())
        gpus = grant.gpus - sum(count for node, count in held.items() if row(node).kind == grant.kind)
        wish = self._wish(grant, gpus)
        if gpus <= 0 or wish is None:
            return
        level = self.instance.project_of[grant.project].level
        home = None if level is None else self._home(wish, gpus, level, held)
        if level is not None and home is None:
            return
        for node, count in self.hall.seats(wish, gpus, home):
            held[node] += count
            for quota in self._lending(row(node).owner, grant):
                self.lent[quota.pool, quota.kind] += count

    def seats(self) -> Iterator[Seat]:
        """Yield the seats by project, then in the order of the nodes."""
        topology = self.instance.topology
        for project, nodes in sorted(self.taken.items()):
            for node, gpus in sorted(nodes.items()):
                row = topology.row(node)
                yield Seat(project, row.kind, row.path, topology.names[node], gpus)

    def _wish(self, grant: Grant, gpus: int) -> Wish | None:
        """Return nodes with enough room: those of the pool's line, else also what others lend, else None."""
        owners = self.hall.wish(grant.pool, grant.kind)[1]
        own = owners.intersection(self.instance.pool_tree.line(grant.pool))
        lent = {owner for owner in owners - own if self._may_lend(owner, grant) >= gpus}
        for allowed in (own, own | lent):
            wish = (grant.kind, frozenset(allowed))
            if self.hall.free(wish)[0].sum() >= gpus:
                return wish
        return None

    def _may_lend(self, owner: str, grant: Grant) -> int:
        rows = self._lending(owner, grant)
        return min((row.lend - self.lent[row.pool, row.kind] for row in rows), default=grant.gpus)

    def _lending(self, owner: str, grant: Grant) -> list[Quota]:
        """Return the quota rows that bound what the grant may have of an owner's nodes."""
        tree = self.instance.pool_tree
        keys = [(above, kind) for above in tree.line(owner) for kind in (grant.kind, ALL_KINDS)]
        return [tree.quotas[key] for key in keys if key in tree.quotas and grant.pool not in tree.below[key[0]]]

    def _home(self, wish: Wish, gpus: int, level: str, held: Counter[int]) -> Home | None:
        """Return the domain with the least room that holds all, of the one with what the project has, if any."""
        depth = self.instance.topology.levels.index(level)
        free = self.hall.free(wish)[depth]
        enough = np.flatnonzero(free >= gpus)
        if held:
            enough = np.intersect1d(enough, self.instance.topology.domain[depth][list(held)])
        return (depth, _least(free, enough)) if len(enough) else None


class Hall:
    """The free GPUs of every domain, for every set of nodes that serves somebody, and the rule to take them by."""

    def __init__(self, instance: Instance, rule: Rule) -> None:
        self.instance, self.topology, self.rule = instance, instance.topology, rule
        self.room = instance.topology.gpus.copy()
        for taken in (instance.background, *instance.stays.values()):
            for node, gpus in taken.items():
                self.room[node] = max(0, self.room[node] - gpus)
        self.last = len(self.topology.levels) - 1
        self._free: dict[Wish, list[Counts]] = {}
        self._wish: dict[tuple[str, str], Wish] = {}

    def wish(self, pool: str, kind: str) -> Wish:
        """Return the nodes of a kind that serve a pool."""
        if (pool, kind) not in self._wish:
            owners = {row.owner for row in self.topology.groups if row.kind == kind}
            serving = frozenset(owner for owner in owners if self.instance.pool_tree.serves(owner, pool, kind))
            self._wish[pool, kind] = (kind, serving)
        return self._wish[pool, kind]

    def free(self, wish: Wish) -> list[Counts]:
        """Return, per level, the free GPUs of each domain on the nodes of a wish."""
        if wish not in self._free:
            kind, owners = wish
            groups = [row.kind == kind and row.owner in owners for row in self.topology.groups]
            room = np.where(np.array(groups)[self.topology.group], self.room, 0)
            self._free[wish] = [np.bincount(domain, weights=room).astype(np.int64) for domain in self.topology.domain]
        return self._free[wish]

    def seats(self, wish: Wish, gpus: int, home: Home | None = None) -> Iterator[tuple[int, int]]:
        """Take seats: in a domain of the lowest level of which one holds all, else split over the coarsest.

        ``home`` is a domain that has the room: no seat is taken outside.

        Raises:
            ValueError: when the nodes of the wish do not have that many GPUs left.
        """
        top = 0 if home is None else min(home[0] + 1, self.last)
        for level in range(self.last, top - 1, -1):
            members = self._members(level, home)
            free = self.free(wish)[level][members]
            enough = np.flatnonzero(free >= gpus)
            if len(enough):
                yield from self._inside(wish, level, int(members[self.rule.whole(free, enough)]), gpus)
                return
        yield from self._split(wish, top, self._members(top, home), gpus)

    def _members(self, level: int, home: Home | None) -> Counts:
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
                raise ValueError(f"{gpus} GPUs of kind {wish[0]!r} are missing on the nodes of {sorted(wish[1])}")
            position = self.rule.whole(free, enough) if len(enough) else self.rule.part(free, some)
            part = min(gpus, int(free[position]))
            yield from self._inside(wish, level, int(domains[position]), part)
            gpus -= part

    def _take(self, node: int, gpus: int) -> None:
        self.room[node] -= gpus
        row = self.topology.row(node)
        for (kind, owners), free in self._free.items():
            if row.kind == kind and row.owner in owners:
                for level, domain in enumerate(self.topology.domain):
                    free[level][domain[node]] -= gpus


def falling(grants: Sequence[Grant]) -> Sequence[Grant]:
    """Return grants by falling size."""
    return sorted(grants, key=lambda grant: -grant.gpus)


def _least(free: Counts, positions: Counts) -> int:
    return int(positions[free[positions].argmin()])


def _most(free: Counts, positions: Counts) -> int:
    return int(positions[free[positions].argmax()])


BEST = Rule(falling, _least, _most)
"""The tightest domain that holds a project; what is split fills the largest first."""
