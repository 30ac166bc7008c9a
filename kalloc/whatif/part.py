"""The part of an instance that decides what one pool gets: what is left out cannot matter to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kalloc.instance import ALL_KINDS, Instance

TABLES = frozenset({"caps", "kinds", "pools", "quotas", "inventory", "projects", "requests", "placed"})
"""The tables that are understood here. With any other rule the whole instance is kept."""

Key = tuple[str, str]
"""Pool and kind of a quota row."""


def part_of(instance: Instance, pool: str, asks: bool = True) -> Instance:
    """Return the projects, requests and nodes that can matter to what projects of a pool get, all else left out.

    Pools are linked where nodes serve projects of both, where both count against a quota that might bind, and where
    they or pools above them lend or borrow. The best allocation of the part and that of the rest make one of the whole,
    also where rules on its line change, what is lent and borrowed by those who do so already, or the nodes that serve
    it; with ``asks`` also where its projects come to ask for other kinds. Without, parts do not overlap.
    """
    if has_policy(instance):
        return instance
    links = _Links(row.pool for row in instance.projects)
    _by_nodes(instance, links, pool if asks else None)
    _by_quotas(instance, links, pool if asks else None)
    pools = links.of(pool)
    projects = tuple(row for row in instance.projects if row.pool in pools)
    named = {row.project for row in projects}
    requests = tuple(
        row.model_copy(update={"step": instance.step(row)}) for row in instance.requests if row.project in named
    )
    paths = _paths(instance, pools, pool) | {
        instance.topology.row(node).path for project in named for node in instance.stays.get(project, {})
    }
    node_ids, row_of = instance.topology.node_ids, instance.topology.row
    placed = tuple(
        row
        for row in instance.placed
        if row_of(node_ids[row.node]).path in paths
        and (row.project in named or row.project not in instance.project_of or not row.movable)
    )
    inventory = tuple(row for row in instance.inventory if row.path in paths)
    return instance.replace(projects=projects, requests=requests, inventory=inventory, placed=placed)


def _paths(instance: Instance, pools: frozenset[str], pool: str) -> set[tuple[str, ...]]:
    """Return where nodes stand that serve some pools, or that lending could open to them; unnamed nodes keep names."""
    tree = instance.pool_tree
    asked = {(instance.project_of[row.project].pool, row.kind) for row in instance.requests}
    asked |= {(pool, kind) for kind in instance.performance}
    families = [frozenset().union(*(tree.below[pool] for pool, _ in rows)) for rows in _lending(instance)]
    lenders = frozenset().union(*(family for family in families if family & pools))

    def matters(owner: str, kind: str) -> bool:
        if owner in lenders:
            return True
        return any(of in pools and kind == wanted and tree.serves(owner, of, kind) for of, wanted in asked)

    pairs = dict.fromkeys((row.owner, row.kind) for row in instance.inventory)
    open_to = {pair for pair in pairs if matters(*pair)}
    return {row.path for row in instance.inventory if (row.owner, row.kind) in open_to}


def has_policy(instance: Instance) -> bool:
    """Tell whether an instance has rows of tables that are not understood here."""
    return any(value for name, value in instance if isinstance(value, tuple) and name not in TABLES)


class _Links:
    """Pools in groups that grow together."""

    def __init__(self, pools: Iterable[str]) -> None:
        self._group = {pool: frozenset([pool]) for pool in pools}

    def join(self, pools: Iterable[str]) -> None:
        """Let pools be one group; those without projects are left out."""
        joined = frozenset().union(*(self._group.get(pool, frozenset()) for pool in pools))
        for pool in joined:
            self._group[pool] = joined

    def of(self, pool: str) -> frozenset[str]:
        """Return the group of a pool."""
        return self._group.get(pool, frozenset([pool]))


def _by_nodes(instance: Instance, links: _Links, pool: str | None) -> None:
    """Join pools with projects that ask for a kind of which an owner's nodes serve both; the pool asks for all."""
    asking: dict[str, set[str]] = {kind: {pool} if pool else set() for kind in instance.performance}
    for row in instance.requests:
        asking[row.kind].add(instance.project_of[row.project].pool)
    for owner, kind in dict.fromkeys((row.owner, row.kind) for row in instance.inventory):
        links.join(of for of in asking[kind] if instance.pool_tree.serves(owner, of, kind))


def _by_quotas(instance: Instance, links: _Links, pool: str | None) -> None:
    """Join pools below a quota that they could use up, and those that lend each other or lie below such.

    On the line of the pool that is looked at, a project may come to ask for as much of every kind.
    """
    tree, most = instance.pool_tree, _most(instance)
    own = max((instance.most_requested(row.project) for row in instance.projects if row.pool == pool), default=0)
    spare = {above: own * len(instance.kinds) for above in tree.line(pool)} if pool else {}
    for rows in _lending(instance):
        links.join(below for lender, _ in rows for below in tree.below[lender])
    for (holder, kind), row in tree.quotas.items():
        if sum(most[below, kind] for below in tree.below[holder]) + spare.get(holder, 0) > row.gpus:
            links.join(tree.below[holder])


def _lending(instance: Instance) -> list[list[Key]]:
    """Return the quota rows that lend or borrow, those under one parent and of one kind together."""
    tree = instance.pool_tree
    groups: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for (pool, kind), row in tree.quotas.items():
        parent = tree.parent[pool]
        if parent is not None and (row.lend or row.borrow):
            groups[parent, kind].append((pool, kind))
    return [rows for rows in groups.values() if len(rows) > 1]


def _most(instance: Instance) -> dict[tuple[str, str], int]:
    """Return the most GPUs that projects of a pool could get of a kind, or of all."""
    most: dict[tuple[str, str], int] = defaultdict(int)
    for row in instance.requests:
        most[instance.project_of[row.project].pool, row.kind] += row.max
    for project in instance.projects:
        most[project.pool, ALL_KINDS] += instance.most_requested(project.project)
    return most
