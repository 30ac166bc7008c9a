"""Quotas as Kueue counts them: what a cohort has is what its row gives beyond what the rows below it give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


@dataclass(frozen=True)
class Share:
    """GPUs that a queue or cohort has, may borrow and lends; None where there is no limit to that."""

    nominal: int
    borrow: int | None = None
    lend: int | None = None


class Shares:
    """The shares of every pool, kind by kind; ``*`` is a kind, too, where a row is for all kinds together."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.tree = instance.pool_tree
        self.kinds = [row.kind for row in instance.kinds]
        if any(kind == ALL_KINDS for _, kind in self.tree.quotas):
            self.kinds.append(ALL_KINDS)
        working = {row.pool for row in instance.projects}
        self.top_down = [pool for pool, parent in self.tree.parent.items() if parent is None]
        for pool in self.top_down:
            self.top_down += self.tree.siblings.get(pool, ())
        self.cohorts = [pool for pool in self.tree.parent if pool in self.tree.siblings]
        self.queues = [pool for pool in self.tree.parent if pool not in self.tree.siblings or pool in working]

    def home(self, pool: str) -> str | None:
        """Return the cohort that a pool's queue is in: its own, where other pools are below it, or its parent's."""
        return pool if pool in self.tree.siblings else self.tree.parent[pool]

    def queue(self, pool: str, kind: str) -> Share:
        """Return the share of a pool's queue; without a row of its own it lives on what its cohort has."""
        row = self.tree.quotas.get((pool, kind))
        if pool in self.tree.siblings:
            return Share(0)
        if self.tree.parent[pool] is None:
            return Share(self._capacity(kind) if row is None else row.gpus)
        return Share(0) if row is None else Share(row.gpus, row.borrow, min(row.lend, row.gpus))

    def cohort(self, pool: str, kind: str) -> Share | None:
        """Return the share of a cohort beside those of the pools below it, or None where it has none."""
        row = self.tree.quotas.get((pool, kind))
        below = self._below(pool, kind)
        root = self.tree.parent[pool] is None
        if row is None:
            left = self._capacity(kind) - below if root and self._unbounded(pool, kind) else 0
            return Share(left) if left > 0 else None
        nominal = max(0, row.gpus - below)
        return Share(nominal) if root else Share(nominal, row.borrow, row.lend)

    def _below(self, pool: str, kind: str) -> int:
        """Return what the pools right below one are entitled to together."""
        return sum(self._entitled[child, kind] for child in self.tree.siblings.get(pool, ()))

    @cached_property
    def _entitled(self) -> dict[tuple[str, str], int]:
        """What the row of a pool gives or, without one, what the rows below it give."""
        found: dict[tuple[str, str], int] = {}
        for pool in reversed(self.top_down):
            for kind in self.kinds:
                row = self.tree.quotas.get((pool, kind))
                children = self.tree.siblings.get(pool, ())
                found[pool, kind] = row.gpus if row else sum(found[child, kind] for child in children)
        return found

    def _unbounded(self, root: str, kind: str) -> bool:
        """Tell whether a queue below a root has no row on its line: only what there is bounds it."""
        below = self.tree.below[root]
        return any(
            not any((above, kind) in self.tree.quotas for above in self.tree.line(pool))
            for pool in self.queues
            if pool in below
        )

    @cached_property
    def _gpus(self) -> dict[str, int]:
        topology = self.instance.topology
        found = dict.fromkeys([*self.kinds, ALL_KINDS], 0)
        for node, gpus in enumerate(topology.gpus.tolist()):
            room = max(0, gpus - self.instance.background.get(node, 0))
            found[topology.row(node).kind] += room
            found[ALL_KINDS] += room
        return found

    def _capacity(self, kind: str) -> int:
        """Return the GPUs of nodes that are up, less background."""
        return self._gpus[kind]

    def notes(self) -> Iterator[str]:
        """Yield what Kueue counts otherwise than kalloc."""
        for (pool, kind), row in self.tree.quotas.items():
            below = self._below(pool, kind)
            if below > row.gpus:
                rest = f"the pools below it to {below} together: Kueue lets them have that much"
                yield f"pool {pool!r} is entitled to {row.gpus} {_words(kind)}, and {rest}"

    def refused(self, plan: Plan) -> Iterator[str]:
        """Yield what Kueue would not let the projects of a plan have, as it counts quotas."""
        for kind in self.kinds:
            used: Counter[str] = Counter()
            for grant in plan.grants:
                used[grant.pool] += grant.gpus if kind in (grant.kind, ALL_KINDS) else 0
            for pool, gpus in self._over(kind, used):
                yield f"the plan gives pool {pool!r} {gpus} {_words(kind)} more than Kueue lets it have"

    def _over(self, kind: str, used: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """Yield the pools that take more than they have and may borrow, and how much more.

        A pool takes of the cohort above it what it uses beyond what it keeps, and gives to it what it does not keep.
        """
        taken: Counter[str] = Counter(used)
        given: Counter[str] = Counter()
        for pool in reversed(self.top_down):
            share = (self.cohort if pool in self.tree.siblings else self.queue)(pool, kind) or Share(0)
            parent = self.tree.parent[pool]
            quota = share.nominal + given[pool]
            borrow = 0 if parent is None else share.borrow
            if borrow is not None and taken[pool] > quota + borrow:
                yield pool, taken[pool] - quota - borrow
            if parent is not None:
                kept = 0 if share.lend is None else max(0, quota - share.lend)
                taken[parent] += max(0, taken[pool] - kept)
                given[parent] += quota - kept


def _words(kind: str) -> str:
    return "GPUs of all kinds" if kind == ALL_KINDS else kind
