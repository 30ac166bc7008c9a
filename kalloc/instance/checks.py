"""What one row cannot tell: names that nobody knows, keys given twice, tables that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from kalloc.errors import Defect
from kalloc.instance.pools import ALL_KINDS
from kalloc.instance.rows import Row
from kalloc.instance.topology import NODE

if TYPE_CHECKING:
    from kalloc.instance.instance import Instance

FIRST_ROW = 2
"""Row of the first record in a table: the header is row 1."""

Found = Iterator[Defect]


def defects(instance: Instance) -> list[Defect]:
    """Return every defect between rows; the later checks run only when the names they need are sound."""
    found = [defect for check in NAMES for defect in check(instance)]
    if not found:
        found = [defect for check in SENSE for defect in check(instance)]
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or what there is."""
    known = [str(item) for item in known]
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not known:
        return "there is none"
    return "known: " + ", ".join(sorted(known)[:8]) + (", …" if len(known) > 8 else "")


def _at(table: str, index: int, column: str | None, message: str) -> Defect:
    return Defect(f"{table}.csv", index + FIRST_ROW, column, message)


def _twice(table: str, rows: Sequence[Row], columns: tuple[str, ...]) -> Found:
    seen: dict[tuple[object, ...], int] = {}
    for index, row in enumerate(rows):
        key = tuple(getattr(row, column) for column in columns)
        if key in seen:
            what = ", ".join(f"{column} {value!r}" for column, value in zip(columns, key, strict=True))
            yield _at(table, index, columns[-1], f"{what} is already in row {seen[key]}; keep one of them")
        else:
            seen[key] = index + FIRST_ROW


def _unknown(table: str, rows: Sequence[Row], column: str, what: str, known: set[str]) -> Found:
    for index, row in enumerate(rows):
        name = getattr(row, column)
        if name is not None and name not in known:
            yield _at(table, index, column, f"unknown {what} {name!r}; {nearest(name, known)}")


def _keys(instance: Instance) -> Found:
    yield from _twice("kinds", instance.kinds, ("kind",))
    yield from _twice("pools", instance.pools, ("pool",))
    yield from _twice("quotas", instance.quotas, ("pool", "kind"))
    yield from _twice("projects", instance.projects, ("project",))
    yield from _twice("requests", instance.requests, ("project", "kind"))
    yield from _twice("placed", instance.placed, ("project", "node"))


def _references(instance: Instance) -> Found:
    kinds = {row.kind for row in instance.kinds}
    pools = {row.pool for row in instance.pools}
    projects = {row.project for row in instance.projects}
    levels = {*instance.hierarchy.levels, NODE}
    yield from _unknown("pools", instance.pools, "parent", "pool", pools)
    yield from _unknown("quotas", instance.quotas, "pool", "pool", pools)
    yield from _unknown("quotas", instance.quotas, "kind", "kind", kinds | {ALL_KINDS})
    yield from _unknown("inventory", instance.inventory, "kind", "kind", kinds)
    yield from _unknown("inventory", instance.inventory, "owner", "pool", pools)
    yield from _unknown("projects", instance.projects, "pool", "pool", pools)
    yield from _unknown("projects", instance.projects, "level", "level", levels)
    yield from _unknown("requests", instance.requests, "project", "project", projects)
    yield from _unknown("requests", instance.requests, "kind", "kind", kinds)
    for number, cap in enumerate(instance.caps, 1):
        for column, name, known in (("pool", cap.pool, pools), ("kind", cap.kind, kinds)):
            if name not in known:
                message = f"unknown {column} {name!r}; {nearest(name, known)}"
                yield Defect("instance.toml", None, f"cap[{number}].{column}", message)


def _levels(instance: Instance) -> Found:
    levels = instance.hierarchy.levels
    where = "topology.levels"
    for position, level in enumerate(levels):
        if level == NODE:
            yield Defect("instance.toml", None, where, "'node' always follows and is not listed; remove it")
        if level in levels[:position]:
            yield Defect("instance.toml", None, where, f"level {level!r} is listed twice; keep one of them")
    for level in instance.hierarchy.weights:
        if level not in (*levels, NODE):
            hint = nearest(level, (*levels, NODE))
            yield Defect("instance.toml", None, "topology.weights", f"unknown level {level!r}; {hint}")
    tiers = instance.objective.tiers
    if tiers not in (("merit",), ("merit", "fragmentation")):
        message = f"cannot decide tiers in the order {list(tiers)}; write ['merit', 'fragmentation'] or ['merit']"
        yield Defect("instance.toml", None, "objective.tiers", message)


def _nodes(instance: Instance) -> Found:
    depth = len(instance.hierarchy.levels)
    for index, row in enumerate(instance.inventory):
        if len(row.path) != depth:
            message = f"the place {'/'.join(row.path)!r} has {len(row.path)} levels, not {depth}"
            yield _at("inventory", index, None, message)
        if row.node is not None and row.count > 1:
            message = f"node {row.node!r} has a name, so count must be 1 or empty, not {row.count}"
            yield _at("inventory", index, "count", message)


def _node_names(instance: Instance) -> Found:
    seen: dict[str, int] = {}
    topology = instance.topology
    for node, name in enumerate(topology.names):
        index = int(topology.group[node])
        if name in seen:
            message = f"node {name!r} is already in row {seen[name] + FIRST_ROW}; give each node a name of its own"
            yield _at("inventory", index, "node", message)
        seen.setdefault(name, index)


def _cycles(instance: Instance) -> Found:
    parent = {row.pool: row.parent for row in instance.pools}
    sound: set[str | None] = {None}
    for index, row in enumerate(instance.pools):
        at: str | None = row.pool
        line: list[str] = []
        while at not in sound and at not in line:
            assert at is not None
            line.append(at)
            at = parent.get(at)
        if at == row.pool:
            loop = " → ".join([*line, row.pool])
            yield _at("pools", index, "parent", f"the pool is above itself: {loop}; clear or correct a parent")
        elif at in sound:
            sound.update(line)


def _borrowing(instance: Instance) -> Found:
    parent = {row.pool: row.parent for row in instance.pools}
    for index, row in enumerate(instance.quotas):
        if row.borrow > 0 and parent[row.pool] is None:
            message = f"pool {row.pool!r} has no parent, so no sibling lends to it; give it a parent or clear borrow"
            yield _at("quotas", index, "borrow", message)


def _amounts(instance: Instance) -> Found:
    for index, row in enumerate(instance.requests):
        if row.min > row.max:
            yield _at("requests", index, "min", f"min {row.min} is over max {row.max}")
            continue
        pool = instance.project_of[row.project].pool
        cap = instance.cap_of.get((pool, row.kind))
        if cap is not None and max(row.min, 1) > cap:
            message = f"project {row.project!r} asks at least {row.min} {row.kind}, over the cap of {cap} per project"
            yield _at("requests", index, "min", message)


def _places(instance: Instance) -> Found:
    topology = instance.topology
    used: dict[int, int] = {}
    for index, row in enumerate(instance.placed):
        node = topology.node_ids.get(row.node)
        if node is None:
            hint = nearest(row.node, topology.names if topology.node_count <= 50_000 else ())
            yield _at("placed", index, "node", f"unknown node {row.node!r}; {hint}")
            continue
        used[node] = used.get(node, 0) + row.gpus
        if used[node] > topology.row(node).gpus:
            message = f"node {row.node!r} has {topology.row(node).gpus} GPUs, and {used[node]} are placed on it"
            yield _at("placed", index, "gpus", message)


def _stays(instance: Instance) -> Found:
    """Check that what does not move agrees with what its project may have."""
    if any(row.node not in instance.topology.node_ids for row in instance.placed):
        return
    staying: dict[tuple[str, str], int] = {}
    places: dict[str, set[int]] = {}
    for index, row in enumerate(instance.placed):
        project = instance.project_of.get(row.project)
        if project is None or row.movable:
            continue
        node = instance.topology.node_ids[row.node]
        group = instance.topology.row(node)
        if group.state == "down":
            yield _at("placed", index, "node", f"node {row.node!r} is down, so nothing can stay on it; set movable")
        if not instance.pool_tree.serves(group.owner, project.pool, group.kind):
            message = f"node {row.node!r} of {group.owner!r} does not serve pool {project.pool!r}; set movable"
            yield _at("placed", index, "node", message)
        key = (row.project, group.kind)
        staying[key] = staying.get(key, 0) + row.gpus
        most = _most(instance, *key)
        if staying[key] > most:
            message = f"project {row.project!r} keeps {staying[key]} {group.kind} but may have {most} at most"
            yield _at("placed", index, "gpus", message)
        if project.mix == "one" and sum(name == row.project for name, _ in staying) > 1:
            yield _at("placed", index, "node", f"project {row.project!r} takes one kind but keeps GPUs of several")
        if project.level is not None:
            level = instance.topology.levels.index(project.level)
            held = places.setdefault(row.project, set())
            held.add(int(instance.topology.domain[level][node]))
            if len(held) > 1:
                message = f"project {row.project!r} must sit in one {project.level} but keeps GPUs in several"
                yield _at("placed", index, "node", message)


def _most(instance: Instance, project: str, kind: str) -> int:
    ranges = [instance.amounts(row) for row in instance.requests_of[project] if row.kind == kind]
    return ranges[0][-1] if ranges and ranges[0] else 0


NAMES: tuple[Callable[[Instance], Found], ...] = (_keys, _references, _levels, _nodes, _cycles)
SENSE: tuple[Callable[[Instance], Found], ...] = (_node_names, _borrowing, _amounts, _places, _stays)
