"""The rules of the policy tables, one function each, with the rule's name: messages say what is over, by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from kalloc.verify.records import Records

if TYPE_CHECKING:
    from kalloc.instance import Limit, Pool, Shape
    from kalloc.instance.policy import Subject

MOST_NAMED = 3
"""Neighbours that a message names."""


def call(records: Records) -> Iterator[str]:
    """A project that applied outside the call of its pool, or of a pool above, gets nothing."""
    instance = records.instance
    calls = {row.pool: row for row in instance.pools if row.opens is not None or row.closes is not None}
    for project, bundle in records.granted.items():
        row = instance.project_of[project]
        for pool in instance.pool_tree.line(row.pool):
            if row.applied is not None and pool in calls and (why := _outside(row.applied, calls[pool])):
                yield f"project {project!r} applied on {row.applied}, {why}, but gets {sum(bundle.values())} GPUs"


def _outside(day: date, pool: Pool) -> str | None:
    if pool.opens is not None and day < pool.opens:
        return f"{_days((pool.opens - day).days)} before the call of pool {pool.pool!r} opens"
    if pool.closes is not None and day > pool.closes:
        return f"{_days((day - pool.closes).days)} after the call of pool {pool.pool!r} closed"
    return None


def _days(count: int) -> str:
    return f"{count} day{'s' if count != 1 else ''}"


def limit(records: Records) -> Iterator[str]:
    """Those whom a limit counts together get at least its least and at most its most, at its rates."""
    policy = records.instance.policy
    for subject in policy.subjects:
        row, rates = subject.limit, policy.rates[subject.limit.limit]
        counted = Fraction(0)
        for project in subject.projects:
            bundle = records.granted.get(project, {})
            counted += sum(rates[kind] * gpus for kind, gpus in bundle.items() if kind in rates)
        what = f"limit {row.limit!r}: {_who(subject)} {_shown(counted)} {_counted(row)}"
        if row.most is not None and counted > row.most:
            yield f"{what}, over its most of {row.most} by {_shown(counted - row.most)}"
        if row.least is not None and counted < row.least:
            yield f"{what}, below its least of {row.least} by {_shown(row.least - counted)}"


def _who(subject: Subject) -> str:
    row = subject.limit
    within = f" in pool {row.pool!r}" if row.pool is not None else ""
    return f"all projects{within} get" if row.per == "all" else f"{row.per} {subject.name!r}{within} gets"


def _counted(row: Limit) -> str:
    if row.kind is None:
        return "GPUs at its rates"
    return "GPUs" if row.kind == "*" else row.kind


def budget(records: Records) -> Iterator[str]:
    """What the projects of a pool and below cost together is within its budget."""
    instance = records.instance
    cost = dict.fromkeys((row.pool for row in instance.budgets), Fraction(0))
    for project, bundle in records.granted.items() if cost else ():
        paid = sum(instance.policy.price(project, kind) * gpus for kind, gpus in bundle.items())
        for pool in instance.pool_tree.line(instance.project_of[project].pool):
            if pool in cost:
                cost[pool] += paid
    for row in instance.budgets:
        over = cost[row.pool] - row.won
        if over > 0:
            what = f"budget {row.budget!r}: the projects of pool {row.pool!r} cost {_shown(cost[row.pool])} won"
            yield f"{what}, over its {row.won:,} by {_shown(over)}"


def power(records: Records) -> Iterator[str]:
    """The nodes of a domain that are up draw no more than a limit on its power."""
    from kalloc.instance.policy import decimal

    drawn = {level: _drawn(records, level) for level in dict.fromkeys(row.level for row in records.instance.power)}
    for row in records.instance.power:
        most = 1000 * decimal(row.kw)
        for name, watts in drawn[row.level]:
            if row.domain in (None, name) and watts > most:
                what = f"power {row.power!r}: {row.level} {name!r} draws {_shown(watts / 1000)} kW"
                yield f"{what}, over its {_shown(most / 1000)} by {_shown((watts - most) / 1000)}"


def _drawn(records: Records, level: str) -> list[tuple[str, Fraction]]:
    """Return the name of every domain of a level with a node that is up, and the watts that those draw."""
    instance, topology = records.instance, records.instance.topology
    depth = topology.levels.index(level)
    domain, group = topology.domain[depth].tolist(), topology.group.tolist()
    up, watts_of = [row.state == "up" for row in topology.groups], instance.policy.watts
    idle: Counter[int] = Counter()
    for at, sort in zip(domain, group, strict=True):
        if up[sort]:
            idle[at] += watts_of[sort][0]
    used: Counter[tuple[int, int]] = Counter()
    for seats in (instance.background, *records.seats.values()):
        for node, gpus in seats.items():
            if up[group[node]]:
                used[domain[node], group[node]] += gpus
    watts = {at: Fraction(drawn) for at, drawn in idle.items()}
    for (at, sort), gpus in used.items():
        watts[at] += watts_of[sort][1] * gpus
    return [(instance.policy.domain_name(depth, at), drawn) for at, drawn in watts.items()]


def segment(records: Records) -> Iterator[str]:
    """In every domain of the level the project has whole segments."""
    for row, held in _shaped(records, "segment"):
        size = row.amount or 1
        for domain, gpus in held.items():
            if gpus % size:
                where = f"{gpus} GPUs in {row.level} {_name(records, row, domain)!r}"
                yield f"project {row.project!r} has {where}, {gpus % size} over whole segments of {size}"


def spread(records: Records) -> Iterator[str]:
    """In no domain of the level has the project more than the amount."""
    for row, held in _shaped(records, "spread"):
        most = row.amount or 1
        for domain, gpus in held.items():
            if gpus > most:
                where = f"{gpus} GPUs in {row.level} {_name(records, row, domain)!r}"
                yield f"project {row.project!r} has {where}, over its spread of {most} by {gpus - most}"


def whole(records: Records) -> Iterator[str]:
    """On every node the project has all GPUs or none."""
    topology = records.instance.topology
    for row, held in _shaped(records, "whole"):
        for node, gpus in held.items():
            every = topology.row(node).gpus
            if gpus != every:
                where = f"{gpus} of the {every} GPUs of node {topology.names[node]!r}"
                yield f"project {row.project!r} takes whole nodes but has {where}"


def exclusive(records: Records) -> Iterator[str]:
    """In the domains of the level that the project spans nobody else has a GPU, background included."""
    holders: dict[int, Mapping[int, Mapping[str, int]]] = {}
    for row, held in _shaped(records, "exclusive"):
        depth = records.instance.policy.level(row)
        if depth not in holders:
            holders[depth] = _holders(records, depth)
        for domain in held:
            others = {who: gpus for who, gpus in holders[depth][domain].items() if who != repr(row.project)}
            if others:
                where = f"{row.level} {_name(records, row, domain)!r}"
                who = f"others ({_listed(list(others))}) hold {sum(others.values())} GPUs there"
                yield f"project {row.project!r} must be alone in {where}, but {who}"


def _holders(records: Records, depth: int) -> Mapping[int, Mapping[str, int]]:
    """Return who holds how many GPUs, by domain of a level; projects in quotation marks."""
    found: dict[int, dict[str, int]] = {}
    seats = [(repr(project), nodes) for project, nodes in records.seats.items()]
    for who, nodes in [("what is not listed", records.instance.background), *seats]:
        for domain, gpus in _by_domain(records, depth, nodes).items():
            found.setdefault(domain, {})[who] = gpus
    return found


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def _shaped(
    records: Records, shape: Literal["segment", "spread", "whole", "exclusive"]
) -> Iterator[tuple[Shape, Mapping[int, int]]]:
    """Return every row of a shape whose project holds anything, and its GPUs by domain of the level."""
    policy = records.instance.policy
    for project, nodes in records.seats.items():
        for row in policy.shapes_of.get(project, ()):
            if row.shape == shape:
                yield row, _by_domain(records, policy.level(row), nodes)


def _by_domain(records: Records, depth: int, nodes: Mapping[int, int]) -> Mapping[int, int]:
    topology = records.instance.topology
    if depth == len(topology.levels) - 1:
        return nodes
    found: Counter[int] = Counter()
    for node, gpus in nodes.items():
        found[int(topology.domain[depth][node])] += gpus
    return found


def _name(records: Records, row: Shape, domain: int) -> str:
    return records.instance.policy.domain_name(records.instance.policy.level(row), domain)


def _shown(number: Fraction) -> str:
    return f"{number.numerator:,}" if number.denominator == 1 else f"{float(number):,}"
