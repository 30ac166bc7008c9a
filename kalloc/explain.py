"""Why a request gets this much and not more: stable codes, each by arithmetic on the allocation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum

from kalloc.instance import ALL_KINDS, Instance, Request


class Reason(StrEnum):
    """Why a request gets what it gets, the first that applies."""

    FULL = "full"
    """It gets its max."""
    STEP = "step"
    """One step more would be over its max."""
    CAP = "cap"
    """One step more would be over a cap."""
    OTHER_KIND = "other_kind"
    """The project takes one kind and gets another one."""
    NO_NODES = "no_nodes"
    """No node of the kind that is up serves its pool."""
    QUOTA = "quota"
    """One step more would take a pool on its line over what it owns and may borrow."""
    ROOM = "room"
    """The nodes that serve it have less free than one step."""
    OUTRANKED = "outranked"
    """One step more would fit, but not together with all that is of more merit or must be kept."""


def reasons(instance: Instance, granted: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], str]:
    """Return a code of :class:`Reason` by project and kind, for every request."""
    ledger = _Ledger(instance, granted)
    return {(row.project, row.kind): str(ledger.reason(row)) for row in instance.requests}


class _Ledger:
    """What is used and what is left, once an allocation is known."""

    def __init__(self, instance: Instance, granted: Mapping[tuple[str, str], int]) -> None:
        self.instance, self.granted = instance, granted
        self.usage: dict[tuple[str, str], int] = defaultdict(int)
        for (project, kind), gpus in granted.items():
            for pool in instance.pool_tree.line(instance.project_of[project].pool):
                self.usage[pool, kind] += gpus
                self.usage[pool, ALL_KINDS] += gpus
        self.supply: dict[tuple[str, str], int] = defaultdict(int)
        for row in instance.inventory:
            if row.state == "up":
                self.supply[row.owner, row.kind] += row.gpus * row.count
        for node, gpus in instance.background.items():
            row = instance.topology.row(node)
            if row.state == "up":
                self.supply[row.owner, row.kind] -= gpus
        self._left: dict[tuple[str, str], tuple[bool, int]] = {}

    def reason(self, row: Request) -> Reason:
        """Return the first reason that applies to a request."""
        instance, gets = self.instance, self.granted.get((row.project, row.kind), 0)
        project = instance.project_of[row.project]
        step = instance.step(row) if gets else max(row.min, 1)
        cap = instance.cap_of.get((project.pool, row.kind))
        others = any(gpus for (name, kind), gpus in self._of(row.project) if kind != row.kind)
        if gets == row.max:
            return Reason.FULL
        if gets + step > row.max:
            return Reason.STEP
        if cap is not None and gets + step > cap:
            return Reason.CAP
        if project.mix == "one" and others:
            return Reason.OTHER_KIND
        serves, left = self._room(project.pool, row.kind)
        if not serves:
            return Reason.NO_NODES
        if self._quota_bars(project.pool, row.kind, step):
            return Reason.QUOTA
        return Reason.ROOM if left < step else Reason.OUTRANKED

    def _of(self, project: str) -> list[tuple[tuple[str, str], int]]:
        keys = [(project, row.kind) for row in self.instance.requests_of[project]]
        return [(key, self.granted.get(key, 0)) for key in keys]

    def _quota_bars(self, pool: str, kind: str, step: int) -> bool:
        tree = self.instance.pool_tree
        keys = [(above, of) for above in tree.line(pool) for of in (kind, ALL_KINDS)]
        rows = [tree.quotas[key] for key in keys if key in tree.quotas]
        return any(self.usage[row.pool, row.kind] + step > row.gpus + row.borrow for row in rows)

    def _room(self, pool: str, kind: str) -> tuple[bool, int]:
        """Tell whether any nodes serve a pool, and how much of them all is left."""
        if (pool, kind) not in self._left:
            tree = self.instance.pool_tree
            owners = [o for (o, of), gpus in self.supply.items() if of == kind and tree.serves(o, pool, kind)]
            supply = sum(self.supply[owner, kind] for owner in owners)
            pools = {
                row.pool for row in self.instance.projects if any(tree.serves(o, row.pool, kind) for o in owners)
            }
            used = sum(g for (p, k), g in self.granted.items() if k == kind and self._pool(p) in pools)
            self._left[pool, kind] = (bool(owners), supply - used)
        return self._left[pool, kind]

    def _pool(self, project: str) -> str:
        return self.instance.project_of[project].pool
