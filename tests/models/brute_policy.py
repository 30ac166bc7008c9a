"""The rules and tiers of the policy read word for word, on what projects get and hold; no view of the instance."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import log1p

from kalloc.instance import ALL_KINDS, Instance, Limit, Power, Project, Tier

Held = Mapping[int, int]
"""GPUs of a project by node id."""
Gets = Mapping[str, Counter[str]]
"""GPUs by kind, by project."""

STEPS = sorted({2**n for n in range(12)} | {3 * 2**n for n in range(11)} | {0})


def exact(number: float) -> Fraction:
    """Return the decimal number that is written."""
    return Fraction(str(number))


def line(instance: Instance, pool: str) -> list[str]:
    """Return a pool and all above it."""
    parent = {row.pool: row.parent for row in instance.pools}
    found = [pool]
    while (above := parent[found[-1]]) is not None:
        found.append(above)
    return found


def call(instance: Instance, project: Project) -> bool:
    """Tell whether a project applied within every call on its line."""
    day = project.applied
    calls = [row for row in instance.pools if row.pool in line(instance, project.pool)]
    return day is None or not any((row.opens and day < row.opens) or (row.closes and day > row.closes) for row in calls)


def domain(instance: Instance, level: str | None, node: int) -> object:
    """Return what tells the domain of a node at a level from others: its path, or the node."""
    levels = instance.hierarchy.levels
    return node if level in (None, "node") else instance.topology.row(node).path[: levels.index(str(level)) + 1]


def shapes(instance: Instance, project: Project, held: Held) -> bool:
    """Tell whether what a project holds has its shapes, as far as nobody else matters."""
    for row in instance.shapes:
        if row.project != project.project:
            continue
        here: Counter[object] = Counter()
        for node, gpus in held.items():
            here[domain(instance, row.level, node)] += gpus
        if row.shape == "segment" and any(gpus % int(row.amount or 0) for gpus in here.values()):
            return False
        if row.shape == "spread" and any(gpus > int(row.amount or 0) for gpus in here.values()):
            return False
        if row.shape == "whole" and any(gpus != instance.topology.row(node).gpus for node, gpus in held.items()):
            return False
    return True


def background(instance: Instance) -> Counter[int]:
    """Return GPUs by node of what is not listed."""
    listed = {row.project for row in instance.projects}
    ids = {name: node for node, name in enumerate(instance.topology.names)}
    found: Counter[int] = Counter()
    for row in instance.placed:
        if row.project not in listed:
            found[ids[row.node]] += row.gpus
    return found


def exclusive(instance: Instance, plan: Mapping[str, Held]) -> bool:
    """Tell whether nobody sits beside a project that wants a domain for itself."""
    others = background(instance)
    for row in instance.shapes:
        if row.shape != "exclusive":
            continue
        mine = {domain(instance, row.level, node) for node in plan[row.project]}
        beside = [node for other, held in plan.items() if other != row.project for node in held]
        if any(domain(instance, row.level, node) in mine for node in [*beside, *others]):
            return False
    return True


def power(instance: Instance, plan: Mapping[str, Held]) -> bool:
    """Tell whether every domain draws what it may."""
    used = background(instance)
    for held in plan.values():
        used.update(held)
    return all(watts <= 1000 * exact(row.kw) for row in instance.power for watts in _drawn(instance, row, used))


def _drawn(instance: Instance, row: Power, used: Counter[int]) -> Iterator[Fraction]:
    drawn: dict[object, Fraction] = {}
    for node in range(instance.topology.node_count):
        group, where = instance.topology.row(node), domain(instance, row.level, node)
        name = instance.topology.names[node] if row.level == "node" else "/".join(map(str, where))  # type: ignore[call-overload]
        if group.state == "down" or row.domain not in (None, name):
            continue
        per_gpu = next(kind.watts for kind in instance.kinds if kind.kind == group.kind)
        loaded = per_gpu * group.gpus if group.loaded_watts is None else group.loaded_watts
        more = Fraction(max(loaded - group.idle_watts, 0) * used[node], group.gpus)
        drawn[where] = drawn.get(where, Fraction(0)) + group.idle_watts + more
    yield from drawn.values()


def limits(instance: Instance, gets: Gets) -> bool:
    """Tell whether all that limits count together is within them."""
    return all(
        (row.least or 0) <= counted and (row.most is None or counted <= row.most)
        for row in instance.limits
        for counted in _counted(instance, row, gets)
    )


def _counted(instance: Instance, row: Limit, gets: Gets) -> Iterator[Fraction]:
    rates = {rate.kind: exact(rate.rate) for rate in instance.rates if rate.limit == row.limit}
    if row.kind is not None:
        rates = {kind.kind: Fraction(row.kind in (kind.kind, ALL_KINDS)) for kind in instance.kinds}
    sums: dict[object, Fraction] = {}
    for project in instance.projects:
        subject = "all of them" if row.per == "all" else getattr(project, row.per)
        admitted = row.of in (None, subject) and (row.pool is None or row.pool in line(instance, project.pool))
        if subject is not None and admitted:
            got = sum((rates.get(kind, 0) * gpus for kind, gpus in gets[project.project].items()), Fraction(0))
            sums[subject] = sums.get(subject, Fraction(0)) + got
    yield from sums.values()


def budgets(instance: Instance, gets: Gets) -> bool:
    """Tell whether every pool can pay."""
    won = {row.kind: row.won for row in instance.kinds}
    off = {row.group: exact(row.discount) for row in instance.groups}
    for row in instance.budgets:
        paid = Fraction(0)
        for project in instance.projects:
            if row.pool in line(instance, project.pool):
                part = (100 - off.get(project.group or "", Fraction(0))) / 100
                paid += sum(won[kind] * part * gpus for kind, gpus in gets[project.project].items())
        if paid > row.won:
            return False
    return True


def shares(instance: Instance, tier: Tier, gets: Gets) -> list[tuple[Fraction, int, int]]:
    """Return weight, GPUs and the whole of all that have a share."""
    asked: dict[str, int] = {}
    admitted = [row for row in instance.projects if call(instance, row)]
    for project in admitted:
        most = [row.max for row in instance.requests if row.project == project.project]
        if most:
            asked[project.project] = sum(most) if project.mix == "any" else max(most)
    if tier.by == "project":
        rows = {row.project: row for row in instance.projects}
        return [(exact(rows[name].weight), sum(gets[name].values()), most) for name, most in asked.items()]
    found = []
    for pool in instance.pools:
        below = [row for row in admitted if pool.pool in line(instance, row.pool)]
        used = sum(sum(gets[row.project].values()) for row in below)
        if tier.of == "asked":
            own = any(row.pool == pool.pool and row.project in asked for row in below)
            whole = sum(asked.get(row.project, 0) for row in below) if own else 0
        else:
            quotas = {row.kind: row.gpus for row in instance.quotas if row.pool == pool.pool}
            whole = (quotas[ALL_KINDS] if ALL_KINDS in quotas else sum(quotas.values())) if below else 0
        if whole:
            found.append((exact(pool.weight), used, whole))
    return found


def logarithm(gpus: int) -> Fraction:
    """Return ln(1 + GPUs), straight between the steps."""
    at = bisect_right(STEPS, gpus) - 1
    low, high = STEPS[at], STEPS[at + 1]
    below, above = (Fraction(round(log1p(step) * 1_000_000), 1_000_000) for step in (low, high))
    return below + Fraction(gpus - low, high - low) * (above - below)


def key(instance: Instance, tier: Tier, gets: Gets) -> tuple[Fraction, ...]:
    """Return what is compared on a tier that needs no seats, part after part: more is better."""
    values = {
        (row.project, row.kind): exact(instance.performance[row.kind] if row.value is None else row.value)
        for row in instance.requests
    }
    worth = {
        name: sum((values[name, kind] * gpus for kind, gpus in got.items()), Fraction(0)) for name, got in gets.items()
    }
    everything = sum(sum(got.values()) for got in gets.values())
    if tier.name == "merit":
        return (sum((exact(row.merit) * worth[row.project] for row in instance.projects), Fraction(0)),)
    if tier.name == "ranked":
        order = sorted(range(len(instance.projects)), key=lambda at: (-instance.projects[at].merit, at))
        return tuple(worth[instance.projects[at].project] for at in order)
    if tier.name == "fairness":
        found = shares(instance, tier, gets)
        if tier.rule == "maxmin":
            return tuple(sorted(gpus / (weight * whole) for weight, gpus, whole in found))
        return (sum((weight * logarithm(gpus) for weight, gpus, _ in found), Fraction(0)),)
    if tier.name == "served":
        return (Fraction(sum(any(got.values()) for got in gets.values())),)
    if tier.name == "utilisation":
        if tier.unit == "gpus":
            return (Fraction(everything),)
        performance = {kind.kind: exact(kind.performance) for kind in instance.kinds}
        return (sum((performance[kind] * gpus for got in gets.values() for kind, gpus in got.items()), Fraction(0)),)
    return (-_missing(instance, gets) if tier.name == "guarantees" else -_off(instance, gets, everything),)


def _missing(instance: Instance, gets: Gets) -> Fraction:
    missing = 0
    for row in instance.guarantees:
        names = [
            project.project
            for project in instance.projects
            if row.project == project.project or (row.pool is not None and row.pool in line(instance, project.pool))
        ]
        got = sum(sum(gets[name].values()) if row.kind == ALL_KINDS else gets[name][row.kind] for name in names)
        missing += max(0, row.gpus - got)
    return Fraction(missing)


def _off(instance: Instance, gets: Gets, everything: int) -> Fraction:
    total = Fraction(0)
    for row in instance.groups:
        if row.share is not None:
            got = sum(sum(gets[one.project].values()) for one in instance.projects if one.group == row.group)
            off = abs(got - exact(row.share) * everything / 100) - exact(row.tolerance) * everything / 100
            total += max(off, Fraction(0))
    return total


def reserve(instance: Instance, tier: Tier, plan: Mapping[str, Held]) -> Fraction:
    """Return the free domains of a level, as many as count."""
    ups = {
        domain(instance, tier.level, node)
        for node in range(instance.topology.node_count)
        if instance.topology.row(node).state == "up"
    }
    taken = [*background(instance), *(node for held in plan.values() for node in held)]
    free = ups - {domain(instance, tier.level, node) for node in taken}
    return Fraction(min(len(free), int(tier.count or 0)))


def prefer(instance: Instance, project: Project, level: str) -> int:
    """Return what a project adds to the weight of a level."""
    rows = (row for row in instance.shapes if row.shape == "prefer" and row.project == project.project)
    return sum(int(row.amount or 0) for row in rows if row.level == level)
