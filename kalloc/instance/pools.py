"""The tree of pools, and which owner's nodes may serve whom."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from kalloc.instance.rows import Pool, Quota

ALL_KINDS = "*"


class PoolTree:
    """Pools with their quotas. Read only; built once per instance.

    A pool's *line* is the pool itself, its parent, and so on up to the root.
    """

    def __init__(self, pools: Iterable[Pool], quotas: Iterable[Quota]) -> None:
        self.parent = {row.pool: row.parent for row in pools}
        self.quotas = {(row.pool, row.kind): row for row in quotas}

    def line(self, pool: str) -> tuple[str, ...]:
        """Return the pool and every pool above it, nearest first."""
        line = []
        at: str | None = pool
        while at is not None:
            line.append(at)
            at = self.parent[at]
        return tuple(line)

    @cached_property
    def below(self) -> dict[str, frozenset[str]]:
        """Each pool with the set of the pools below it, itself included."""
        below: dict[str, set[str]] = {pool: set() for pool in self.parent}
        for pool in self.parent:
            for above in self.line(pool):
                below[above].add(pool)
        return {pool: frozenset(found) for pool, found in below.items()}

    @cached_property
    def siblings(self) -> dict[str, tuple[str, ...]]:
        """Each parent with the pools right below it, in the order of the table."""
        found: dict[str, list[str]] = {}
        for pool, parent in self.parent.items():
            if parent is not None:
                found.setdefault(parent, []).append(pool)
        return {parent: tuple(pools) for parent, pools in found.items()}

    def _rows(self, pool: str, kind: str) -> list[Quota]:
        return [self.quotas[key] for key in ((pool, kind), (pool, ALL_KINDS)) if key in self.quotas]

    def borrows(self, pool: str, kind: str) -> bool:
        """Tell whether a quota row of the pool that covers the kind lets it borrow."""
        return any(row.borrow > 0 for row in self._rows(pool, kind))

    def lends(self, pool: str, kind: str) -> bool:
        """Tell whether a quota row of the pool that covers the kind lets others in."""
        return any(row.lend > 0 for row in self._rows(pool, kind))

    def serves(self, owner: str, pool: str, kind: str) -> bool:
        """Tell whether nodes of ``owner`` and ``kind`` may hold projects of ``pool``.

        They may when the owner is the pool or above it, or when a pool of the project's line borrows and a
        sibling of that pool, on the owner's line, lends.
        """
        own_line, owner_line = self.line(pool), set(self.line(owner))
        if owner in own_line:
            return True
        for borrower in own_line:
            parent = self.parent[borrower]
            if parent is None or not self.borrows(borrower, kind):
                continue
            lenders = owner_line.intersection(self.siblings[parent]) - {borrower}
            if any(self.lends(lender, kind) for lender in lenders):
                return True
        return False
