"""The rules read word for word and tried on everything: every seating of a tiny instance, nothing clever, no solver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations, product

from kalloc.instance import ALL_KINDS, Instance, Project, Quota

Held = Mapping[int, int]
"""GPUs of a project by node id."""


def best(instance: Instance) -> tuple[Fraction, int] | None:
    """Return the most merit and the least fragmentation among plans that have it, None when there is no plan."""
    options = [[(held, *_score(instance, row, held)) for held in _seatings(instance, row)] for row in instance.projects]
    found: tuple[Fraction, int] | None = None
    for choice in product(*options):
        merit = sum((merit for _, merit, _ in choice), Fraction(0))
        score = (merit, sum(fragmentation for _, _, fragmentation in choice))
        if (found is None or (-score[0], score[1]) < (-found[0], found[1])) and _together(
            instance, {row.project: held for row, (held, _, _) in zip(instance.projects, choice, strict=True)}
        ):
            found = score
    return found


def _line(instance: Instance, pool: str) -> list[str]:
    parent = {row.pool: row.parent for row in instance.pools}
    line = [pool]
    while (above := parent[line[-1]]) is not None:
        line.append(above)
    return line


def _serves(instance: Instance, owner: str, pool: str, kind: str) -> bool:
    parent = {row.pool: row.parent for row in instance.pools}
    rows = [row for row in instance.quotas if row.kind in (kind, ALL_KINDS)]
    line, above_owner = _line(instance, pool), _line(instance, owner)
    return owner in line or any(
        mine.pool in line
        and mine.borrow > 0
        and theirs.pool in above_owner
        and theirs.lend > 0
        and theirs.pool != mine.pool
        and parent[mine.pool] is not None
        and parent[mine.pool] == parent[theirs.pool]
        for mine, theirs in product(rows, rows)
    )


def _room(instance: Instance, node: int) -> int:
    name, group = instance.topology.names[node], instance.topology.row(node)
    listed = {row.project for row in instance.projects}
    taken = sum(row.gpus for row in instance.placed if row.node == name and row.project not in listed)
    return 0 if group.state == "down" else group.gpus - taken


def _staying(instance: Instance, node: int) -> Counter[str]:
    rows = (row for row in instance.placed if row.node == instance.topology.names[node] and not row.movable)
    return Counter({row.project: row.gpus for row in rows})


def _offer(instance: Instance, project: Project, node: int) -> int:
    group = instance.topology.row(node)
    if not _serves(instance, group.owner, project.pool, group.kind):
        return 0
    others = {row.project for row in instance.projects} - {project.project}
    return _room(instance, node) - sum(gpus for other, gpus in _staying(instance, node).items() if other in others)


def _gets(instance: Instance, held: Held) -> Counter[str]:
    gets: Counter[str] = Counter()
    for node, gpus in held.items():
        gets[instance.topology.row(node).kind] += gpus
    return gets


def _seatings(instance: Instance, project: Project) -> Iterator[Held]:
    """Yield what one project may hold, as far as the rules on it alone go."""
    choices = []
    for node in range(instance.topology.node_count):
        most = _offer(instance, project, node)
        choices.append(range(_staying(instance, node)[project.project], most + 1))
    for amounts in product(*choices):
        held = {node: gpus for node, gpus in enumerate(amounts) if gpus > 0}
        if _alone(instance, project, held):
            yield held


def _alone(instance: Instance, project: Project, held: Held) -> bool:
    gets = _gets(instance, held)
    rows = {row.kind: row for row in instance.requests if row.project == project.project}
    for kind, gpus in gets.items():
        row = rows.get(kind)
        if row is None or gpus > row.max or gpus < row.min or (gpus - row.min) % instance.step(row):
            return False
        line = _line(instance, project.pool)
        if any(cap.kind == kind and cap.pool in line and gpus > cap.gpus for cap in instance.caps):
            return False
    if project.mix == "one" and len(gets) > 1:
        return False
    if project.mandatory and not any(gets[kind] >= row.min for kind, row in rows.items()):
        return False
    levels = instance.topology.levels
    return project.level is None or _spans(instance, held, levels.index(project.level)) <= 1


def _spans(instance: Instance, held: Held, depth: int) -> int:
    return len({int(instance.topology.domain[depth][node]) for node in held})


def _score(instance: Instance, project: Project, held: Held) -> tuple[Fraction, int]:
    gets = _gets(instance, held)
    values = {row.kind: instance.value(row) for row in instance.requests if row.project == project.project}
    worth = sum((Fraction(str(values[kind])) * gpus for kind, gpus in gets.items()), Fraction(0))
    extra = 0
    for depth, weight in enumerate(instance.topology.weights):
        extra += weight * (_spans(instance, held, depth) - _need(instance, project, gets, depth))
    return Fraction(str(project.merit)) * worth, extra


def _need(instance: Instance, project: Project, gets: Counter[str], depth: int) -> int:
    offers: dict[int, Counter[str]] = {}
    for node in range(instance.topology.node_count):
        offer = offers.setdefault(int(instance.topology.domain[depth][node]), Counter())
        offer[instance.topology.row(node).kind] += _offer(instance, project, node)
    for count in range(len(offers) + 1):
        for some in combinations(offers.values(), count):
            if all(sum(offer[kind] for offer in some) >= gpus for kind, gpus in gets.items()):
                return count
    raise AssertionError("what a project holds is more than it is offered")


def _together(instance: Instance, plan: Mapping[str, Held]) -> bool:
    """Tell whether what projects hold fits together: room, quota, borrowing, lend."""
    taken: Counter[int] = Counter()
    for held in plan.values():
        taken.update(held)
    if any(gpus > _room(instance, node) for node, gpus in taken.items()):
        return False
    usage = {(row.pool, row.kind): _usage(instance, plan, row) for row in instance.quotas}
    return (
        all(usage[row.pool, row.kind] <= row.gpus + row.borrow for row in instance.quotas)
        and all(_lent(instance, plan, row) <= row.lend for row in instance.quotas)
        and _balanced(instance, usage)
    )


def _usage(instance: Instance, plan: Mapping[str, Held], row: Quota) -> int:
    used = 0
    for project in instance.projects:
        if row.pool in _line(instance, project.pool):
            gets = _gets(instance, plan[project.project])
            used += sum(gets.values()) if row.kind == ALL_KINDS else gets[row.kind]
    return used


def _lent(instance: Instance, plan: Mapping[str, Held], row: Quota) -> int:
    lent = 0
    for project in instance.projects:
        if row.pool not in _line(instance, project.pool):
            for node, gpus in plan[project.project].items():
                group = instance.topology.row(node)
                if row.kind in (group.kind, ALL_KINDS) and row.pool in _line(instance, group.owner):
                    lent += gpus
    return lent


def _balanced(instance: Instance, usage: Mapping[tuple[str, str], int]) -> bool:
    parent = {row.pool: row.parent for row in instance.pools}
    balance: Counter[tuple[str, str]] = Counter()
    for row in instance.quotas:
        used, above = usage[row.pool, row.kind], parent[row.pool]
        if above is None:
            if used > row.gpus:
                return False
            continue
        balance[above, row.kind] += min(row.lend, max(0, row.gpus - used)) - max(0, used - row.gpus)
    return all(left >= 0 for left in balance.values())
