"""The tables of an instance and of a plan, for all formats that are tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kalloc.instance import ALL_KINDS
from kalloc.io.planfile import Allocation
from kalloc.io.tables import PATH, ROWS, columns

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

SHEETS = ("allocations", "placements", "pool_use", "node_use", *ROWS)
"""Names of the tables that there can be: of a plan, of both, of an instance."""
Cell = Any
"""A text, a number, true or false, a day, or None."""


@dataclass(frozen=True)
class Sheet:
    """A table: its columns and rows, and the columns whose sum says something."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    sums: tuple[str, ...] = ()


def sheets(instance: Instance | None, plan: Plan | None) -> Iterator[Sheet]:
    """Yield the tables of a plan, what it makes of pools and nodes, and the tables of an instance that have rows."""
    if plan is not None:
        grants = tuple(Allocation.model_fields)
        yield Sheet("allocations", grants, [[getattr(row, name) for name in grants] for row in plan.grants], ("gpus",))
        seats = [[seat.project, seat.kind, *seat.path, seat.node, seat.gpus] for seat in plan.seats]
        yield Sheet("placements", ("project", "kind", *plan.levels, "node", "gpus"), seats, ("gpus",))
    if instance is not None and plan is not None:
        yield _pool_use(instance, plan)
        yield _node_use(instance, plan)
    if instance is not None:
        yield from _tables(instance)


def _tables(instance: Instance) -> Iterator[Sheet]:
    for table in ROWS:
        rows = getattr(instance, table)
        names = columns(table, instance.hierarchy.levels)
        if rows:
            yield Sheet(table, names, [_cells(row, names, instance.hierarchy.levels) for row in rows])


def _cells(row: object, names: Sequence[str], levels: Sequence[str]) -> list[Cell]:
    place = dict(zip(levels, getattr(row, PATH, ()), strict=False))
    return [place[name] if name in place else getattr(row, name) for name in names]


def _pool_use(instance: Instance, plan: Plan) -> Sheet:
    """Return what the pools with quotas own and use, with the pools below them."""
    used: dict[tuple[str, str], int] = defaultdict(int)
    for grant in plan.grants:
        for pool in instance.pool_tree.line(grant.pool):
            used[pool, grant.kind] += grant.gpus
            used[pool, ALL_KINDS] += grant.gpus
    rows = [[row.pool, row.kind, row.gpus, row.borrow, row.lend, used[row.pool, row.kind]] for row in instance.quotas]
    return Sheet("pool_use", ("pool", "kind", "gpus", "borrow", "lend", "used"), rows)


def _node_use(instance: Instance, plan: Plan) -> Sheet:
    """Return what every node has, what projects and background take of it, and what is left."""
    topology = instance.topology
    taken: dict[str, int] = defaultdict(int)
    for seat in plan.seats:
        taken[seat.node] += seat.gpus
    rows: list[list[Cell]] = []
    for node, (name, usable) in enumerate(zip(topology.names, topology.gpus.tolist(), strict=True)):
        row = topology.row(node)
        background = instance.background.get(node, 0)
        free = max(0, usable - background - taken[name])
        rows.append([*row.path, name, row.kind, row.owner, row.state, row.gpus, background, taken[name], free])
    names = (*instance.hierarchy.levels, "node", "kind", "owner", "state", "gpus", "background", "projects", "free")
    return Sheet("node_use", names, rows, ("gpus", "background", "projects", "free"))
