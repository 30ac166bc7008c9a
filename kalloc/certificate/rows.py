"""The rules that projects share, as rows: one function per rule, each row a sum that may not be more than a limit.

What the rows speak of: ``("use", pool, kind)``, GPUs that projects of a pool get; ``("seat", owner, pool, kind)``,
those of them that sit anew on an owner's nodes; ``("over", pool, kind)``, what a pool uses beyond its quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kalloc.certificate.case import Case, covers
from kalloc.instance import Quota

Name = tuple[str, ...]


class Row(NamedTuple):
    """Σ factor · name ≤ most."""

    key: Name
    """What the rule speaks of here: a pool or an owner, and a kind or ``*``."""
    terms: dict[Name, int]
    most: int


def quota(case: Case) -> Iterator[Row]:
    """A pool uses at most what it owns and may borrow."""
    for row in case.instance.quotas:
        yield Row((row.pool, row.kind), _usage(case, row), row.gpus + row.borrow)


def borrowing(case: Case) -> Iterator[Row]:
    """What children of one parent use beyond their own, less what others leave and lend, is no more than nothing."""
    parents: dict[Name, dict[Name, int]] = {}
    for row in case.instance.quotas:
        parent, over = case.tree.parent[row.pool], ("over", row.pool, row.kind)
        if parent is not None:
            yield Row((row.pool, row.kind), {**_usage(case, row), over: -1}, row.gpus)
            parents.setdefault((parent, row.kind, "children"), {})[over] = 1
    for key, terms in parents.items():
        yield Row(key, terms, 0)


def seated(case: Case) -> Iterator[Row]:
    """What projects of a pool get beyond what they keep sits on nodes of owners that serve it."""
    pool_of = {project: case.instance.project_of[project].pool for project in case.instance.stays}
    for pool in case.pools:
        for kind in case.instance.performance:
            kept = sum(case.kept_gpus(project, kind) for project in pool_of if pool_of[project] == pool)
            terms: dict[Name, int] = {("seat", owner, pool, kind): -1 for owner in sorted(case.hosts(pool, kind))}
            yield Row((pool, kind), {("use", pool, kind): 1, **terms}, kept)


def room(case: Case) -> Iterator[Row]:
    """The nodes of an owner hold no more than they have free."""
    for owner, kind in case.owned:
        terms: dict[Name, int] = {
            ("seat", owner, pool, kind): 1 for pool in case.pools if owner in case.hosts(pool, kind)
        }
        yield Row((owner, kind), terms, case.room(owner, kind))


def lend(case: Case) -> Iterator[Row]:
    """Outsiders sit on no more of a pool's nodes than it lends, what they keep there included."""
    for row in case.instance.quotas:
        inside = case.tree.below[row.pool]
        terms: dict[Name, int] = {
            ("seat", owner, pool, kind): 1
            for owner, kind in case.owned
            if owner in inside and covers(row.kind, kind)
            for pool in case.pools
            if pool not in inside and owner in case.hosts(pool, kind)
        }
        kept = 0
        for project in case.instance.stays:
            nodes = case.kept(project) if case.instance.project_of[project].pool not in inside else {}
            group = {node: case.instance.topology.row(node) for node in nodes}
            kept += sum(nodes[n] for n, of in group.items() if of.owner in inside and covers(row.kind, of.kind))
        yield Row((row.pool, row.kind), terms, row.lend - kept)


RULES: dict[str, Callable[[Case], Iterator[Row]]] = {
    rule.__name__: rule for rule in (quota, borrowing, seated, room, lend)
}
"""Every rule over several projects, by its name."""


def boxes(case: Case) -> dict[Name, tuple[int, int]]:
    """Return the least and the most that everything can be that rows speak of, usage excepted."""
    found: dict[Name, tuple[int, int]] = {}
    for owner, kind in case.owned:
        for pool in case.pools:
            if owner in case.hosts(pool, kind):
                found["seat", owner, pool, kind] = (0, case.room(owner, kind))
    for row in case.instance.quotas:
        found["over", row.pool, row.kind] = (-row.lend, row.borrow)
    return found


def _usage(case: Case, row: Quota) -> dict[Name, int]:
    below = case.tree.below[row.pool]
    kinds = [kind for kind in case.instance.performance if covers(row.kind, kind)]
    return {("use", pool, kind): 1 for pool in case.pools if pool in below for kind in kinds}
