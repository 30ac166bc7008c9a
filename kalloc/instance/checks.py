"""What one row cannot tell: names that nobody knows, keys given twice, tables that contradict each other.

The instance may be a draft that has broken rows in it: their names count as known, their broken cells are not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kalloc.instance.hints import Hints, nearest
from kalloc.instance.policy_checks import POLICY_NAMES, POLICY_SENSE
from kalloc.instance.pools import ALL_KINDS
from kalloc.instance.report import HEAD, Report
from kalloc.instance.rows import NodeGroup, Row
from kalloc.instance.sound import KEYS, REFERENCES, STARRED, Sound, names_of
from kalloc.instance.topology import NODE

if TYPE_CHECKING:
    from kalloc.instance.instance import Instance

MAX_NODES = 1_000_000
"""No instance may have more nodes, so that a slip of the pen does not fill the memory."""

RESERVED = {"project", *(name for name in NodeGroup.model_fields if name != "path")}
"""Columns that stand beside the levels in some table."""


def check(instance: Instance, report: Report) -> None:
    """Report every defect between rows; the later checks look only at rows whose names are sound."""
    for rule in NAMES:
        rule(instance, report)
    sound = Sound.part_of(instance, report)
    for sense in SENSE:
        sense(sound, report)


def _keys(instance: Instance, report: Report) -> None:
    for table, columns in KEYS.items():
        seen: dict[tuple[object, ...], int] = {}
        for index, row in enumerate(getattr(instance, table)):
            if not report.sound(table, index, *columns):
                continue
            key = tuple(getattr(row, column) for column in columns)
            first = seen.setdefault(key, index)
            if first != index:
                what = ", ".join(f"{column} {value!r}" for column, value in zip(columns, key, strict=True) if value)
                where = report.row(table, first)
                report.add(table, index, columns[-1], f"{what} is already in {where}; keep one of them")


def _references(instance: Instance, report: Report) -> None:
    for table, references in REFERENCES.items():
        for column, target in references.items():
            if target not in report.unread:
                known = names_of(instance, target)
                if (table, column) in STARRED:
                    known.add(ALL_KINDS)
                _unknown(report, table, getattr(instance, table), column, target[:-1], known)
    if "levels" not in report.unread:
        levels = {*instance.hierarchy.levels, NODE}
        _unknown(report, "projects", instance.projects, "level", "level", levels)


def _unknown(report: Report, table: str, rows: Sequence[Row], column: str, what: str, known: set[str]) -> None:
    hints = Hints(known)
    for index, row in enumerate(rows):
        name = getattr(row, column)
        if name is not None and name not in known and report.sound(table, index, column):
            report.add(table, index, column, f"unknown {what} {name!r}{hints.of(name)}")


def _levels(instance: Instance, report: Report) -> None:
    levels = instance.hierarchy.levels
    for position, level in enumerate(levels):
        if level == NODE:
            report.add(HEAD, None, "topology.levels", "'node' always follows and is not listed; remove it")
        elif level in RESERVED:
            report.add(HEAD, None, "topology.levels", f"{level!r} is a column of the tables; rename the level")
        if level in levels[:position]:
            report.add(HEAD, None, "topology.levels", f"level {level!r} is listed twice; keep one of them")
    for level in instance.hierarchy.weights:
        if level not in (*levels, NODE) and "levels" not in report.unread:
            hint = nearest(level, (*levels, NODE))
            report.add(HEAD, None, "topology.weights", f"unknown level {level!r}; {hint}")


def _nodes(instance: Instance, report: Report) -> None:
    depth = len(instance.hierarchy.levels)
    total = 0
    for index, row in enumerate(instance.inventory):
        if report.sound("inventory", index, "path") and len(row.path) != depth:
            message = f"the place {'/'.join(row.path)!r} has {len(row.path)} levels, not {depth}"
            report.add("inventory", index, None, message)
        if not report.sound("inventory", index, "node", "count"):
            continue
        if row.node is not None and row.count > 1:
            message = f"node {row.node!r} has a name, so count must be 1 or empty, not {row.count}"
            report.add("inventory", index, "count", message)
        elif total + row.count > MAX_NODES:
            report.add("inventory", index, "count", f"this makes more than {MAX_NODES:,} nodes, the most kalloc takes")
        else:
            total += row.count


def _ranges(instance: Instance, report: Report) -> None:
    for index, row in enumerate(instance.requests):
        if report.sound("requests", index, "min", "max") and row.min > row.max:
            report.add("requests", index, "min", f"min {row.min} is over max {row.max}")


def _cycles(instance: Instance, report: Report) -> None:
    parent = {
        row.pool: row.parent for i, row in enumerate(instance.pools) if report.sound("pools", i, "pool", "parent")
    }
    sound: set[str | None] = {None}
    for index, row in enumerate(instance.pools):
        at: str | None = row.pool
        line: list[str] = []
        while at is not None and at not in sound and at not in line:
            line.append(at)
            at = parent.get(at)
        if at is not None and at == row.pool and line:
            loop = " → ".join([*line, row.pool])
            report.add("pools", index, "parent", f"the pool is above itself: {loop}; clear or correct a parent")
        elif at in sound:
            sound.update(line)


def _node_names(part: Sound, report: Report) -> None:
    seen: dict[str, int] = {}
    topology = part.instance.topology
    for node, name in enumerate(topology.names):
        index = part.index("inventory", int(topology.group[node]))
        first = seen.setdefault(name, index)
        if first != index:
            where = report.row("inventory", first)
            message = f"node {name!r} is already in {where}; give each node a name of its own"
            report.add("inventory", index, "node", message)


def _borrowing(part: Sound, report: Report) -> None:
    parent = part.instance.pool_tree.parent
    for index, row in part.rows("quotas", part.instance.quotas):
        if row.borrow > 0 and parent[row.pool] is None:
            message = f"pool {row.pool!r} has no parent, so no sibling lends to it; give it a parent or clear borrow"
            report.add("quotas", index, "borrow", message)


def _amounts(part: Sound, report: Report) -> None:
    for index, row in part.rows("requests", part.instance.requests):
        cap = part.instance.cap_of.get((part.instance.project_of[row.project].pool, row.kind))
        if cap is not None and max(row.min, 1) > cap:
            message = f"project {row.project!r} asks at least {row.min} {row.kind}, over the cap of {cap} per project"
            report.add("requests", index, "min", message)


def _places(part: Sound, report: Report) -> None:
    topology = part.instance.topology
    hints = Hints(topology.names)
    used: dict[int, int] = {}
    for index, row in part.rows("placed", part.instance.placed):
        if part.doubtful(row.node):
            continue
        node = topology.node_ids.get(row.node)
        if node is None:
            report.add("placed", index, "node", f"unknown node {row.node!r}{hints.of(row.node)}")
            continue
        used[node] = used.get(node, 0) + row.gpus
        if used[node] > topology.row(node).gpus:
            message = f"node {row.node!r} has {topology.row(node).gpus} GPUs, and {used[node]} are placed on it"
            report.add("placed", index, "gpus", message)


def _stays(part: Sound, report: Report) -> None:
    """Check that what does not move agrees with what its project may have: only a complete instance tells that."""
    if not part.complete:
        return
    instance = part.instance
    staying: dict[tuple[str, str], int] = {}
    for index, row in enumerate(instance.placed):
        project, node = instance.project_of.get(row.project), instance.topology.node_ids.get(row.node)
        if project is None or node is None or row.movable:
            continue
        group = instance.topology.row(node)
        if group.state == "down":
            message = f"node {row.node!r} is down, so nothing can stay on it; set movable"
            report.add("placed", index, "node", message)
        if not instance.pool_tree.serves(group.owner, project.pool, group.kind):
            message = f"node {row.node!r} of {group.owner!r} does not serve pool {project.pool!r}; set movable"
            report.add("placed", index, "node", message)
        key = (row.project, group.kind)
        staying[key] = staying.get(key, 0) + row.gpus
        most = _most(instance, *key)
        if staying[key] > most:
            message = f"project {row.project!r} keeps {staying[key]} {group.kind} but may have {most} at most"
            report.add("placed", index, "gpus", message)


def _together(part: Sound, report: Report) -> None:
    """Check that what does not move is of one kind, and in one domain, where its project wants that."""
    if not part.complete:
        return
    instance, topology = part.instance, part.instance.topology
    first: dict[str, int] = {}
    for index, row in enumerate(instance.placed):
        project, node = instance.project_of.get(row.project), topology.node_ids.get(row.node)
        if project is None or node is None or row.movable:
            continue
        other = first.setdefault(row.project, node)
        if project.mix == "one" and topology.row(node).kind != topology.row(other).kind:
            message = f"project {row.project!r} takes one kind but keeps GPUs of several"
            report.add("placed", index, "node", message)
        domain = topology.domain[topology.levels.index(project.level)] if project.level is not None else None
        if domain is not None and domain[node] != domain[other]:
            message = f"project {row.project!r} must sit in one {project.level} but keeps GPUs in several"
            report.add("placed", index, "node", message)


def _most(instance: Instance, project: str, kind: str) -> int:
    ranges = [instance.amounts(row) for row in instance.requests_of[project] if row.kind == kind]
    return ranges[0][-1] if ranges and ranges[0] else 0


NAMES: tuple[Callable[[Instance, Report], None], ...] = (
    *(_keys, _references, _levels, _nodes, _ranges, _cycles),
    *POLICY_NAMES,
)
SENSE: tuple[Callable[[Sound, Report], None], ...] = (
    *(_node_names, _borrowing, _amounts, _places, _stays, _together),
    *POLICY_SENSE,
)
