"""One function per rule, with the rule's name: each yields a message for every place where a plan breaks it.

The rules of the policy tables are in ``policy_rules``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from kalloc.verify.policy_rules import budget, call, exclusive, limit, power, segment, spread, whole
from kalloc.verify.records import Records, identity, malformed
from kalloc.verify.violation import Violation

if TYPE_CHECKING:
    from kalloc.instance import Instance, Quota
    from kalloc.plan import Plan

Messages = Iterator[str]


def verify(instance: Instance, plan: Plan, records: Records | None = None) -> list[Violation]:
    """Return everything that is wrong with a plan; nothing when it keeps every rule.

    Exact, in integers and fractions. The rules are decided only when every record is sound: they mean nothing before.
    ``records`` are those of the plan, where they are at hand.
    """
    found = [Violation("format", message) for message in identity(instance, plan)]
    unsound = [Violation("format", message) for message in malformed(instance, plan)]
    if unsound:
        return found + unsound
    records = records or Records.of(instance, plan)
    return found + [Violation(rule.__name__, message) for rule in RULES for message in rule(records)]


def request(records: Records) -> Messages:
    """What a project gets of a kind is 0 or an amount that it asked for."""
    instance = records.instance
    for project, bundle in records.granted.items():
        asked = {row.kind: row for row in instance.requests_of[project]}
        for kind, gpus in bundle.items():
            row = asked.get(kind)
            if row is None:
                yield f"project {project!r} gets {gpus} {kind} but did not ask for this kind"
                continue
            step = instance.step(row)
            if gpus not in range(row.min or step, row.max + 1, step):
                yield f"project {project!r} gets {gpus} {kind}, not 0 or {row.min} to {row.max} in steps of {step}"


def mix(records: Records) -> Messages:
    """A project that takes one kind gets one kind."""
    for project, bundle in records.granted.items():
        if records.instance.project_of[project].mix == "one" and len(bundle) > 1:
            yield f"project {project!r} takes one kind but gets {', '.join(sorted(bundle))}"


def cap(records: Records) -> Messages:
    """No project gets more of a kind than a cap of its pool, or of a pool above, allows."""
    instance = records.instance
    for project, bundle in records.granted.items():
        line = instance.pool_tree.line(instance.project_of[project].pool)
        for row in instance.caps:
            gpus = bundle.get(row.kind, 0)
            if row.pool in line and gpus > row.gpus:
                yield f"project {project!r} gets {gpus} {row.kind}, over the cap of {row.gpus} of pool {row.pool!r}"


def mandatory(records: Records) -> Messages:
    """A mandatory project gets at least the min of one of its requests."""
    instance = records.instance
    for row in instance.projects:
        if not row.mandatory:
            continue
        bundle = records.granted.get(row.project, {})
        if not any(bundle.get(asked.kind, 0) >= asked.min for asked in instance.requests_of[row.project]):
            yield f"project {row.project!r} is mandatory but gets {_listed(bundle)}, below the min of every request"


def quota(records: Records) -> Messages:
    """No pool uses more than its GPUs and what it may borrow."""
    for row in records.instance.quotas:
        usage = _usage(records, row)
        if usage > row.gpus + row.borrow:
            yield f"pool {row.pool!r} uses {usage} {_kind(row)}, over its {row.gpus} and {row.borrow} to borrow"


def borrowing(records: Records) -> Messages:
    """What the pools below one parent borrow, its other pools lend; a root borrows nothing."""
    tree = records.instance.pool_tree
    groups: dict[tuple[str | None, str], list[Quota]] = {}
    for row in records.instance.quotas:
        groups.setdefault((tree.parent[row.pool], row.kind), []).append(row)
    for (parent, _), rows in groups.items():
        if parent is not None:
            borrowed = sum(max(0, _usage(records, row) - row.gpus) for row in rows)
            lent = sum(min(row.lend, max(0, row.gpus - _usage(records, row))) for row in rows)
            if borrowed > lent:
                yield f"the pools of {parent!r} borrow {borrowed} {_kind(rows[0])} but lend only {lent}"
            continue
        for row in rows:
            if _usage(records, row) > row.gpus:
                yield f"root pool {row.pool!r} uses {_usage(records, row)} {_kind(row)}, over its {row.gpus}"


def eligible(records: Records) -> Messages:
    """A project sits only on nodes that are up, of a kind it was granted, and that serve its pool."""
    instance = records.instance
    serves: dict[tuple[str, str, str], bool] = {}
    for project, nodes in records.seats.items():
        pool, bundle = instance.project_of[project].pool, records.granted.get(project, {})
        for node in nodes:
            row, name = instance.topology.row(node), instance.topology.names[node]
            if row.state == "down":
                yield f"project {project!r} sits on node {name!r}, which is down"
            if row.kind not in bundle:
                yield f"project {project!r} sits on node {name!r} but was granted no {row.kind}"
            key = (row.owner, pool, row.kind)
            if key not in serves:
                serves[key] = instance.pool_tree.serves(*key)
            if not serves[key]:
                yield f"project {project!r} of pool {pool!r} sits on node {name!r} of {row.owner!r}, closed to it"


def lend(records: Records) -> Messages:
    """Outsiders use no more of a pool's nodes than it lends."""
    instance = records.instance
    used: Counter[tuple[str, str, str]] = Counter()
    for project, nodes in records.seats.items():
        pool = instance.project_of[project].pool
        for node, gpus in nodes.items():
            row = instance.topology.row(node)
            used[row.owner, pool, row.kind] += gpus
    for quota_row in instance.quotas:
        below = instance.pool_tree.below[quota_row.pool]
        outside = sum(
            gpus
            for (owner, pool, kind), gpus in used.items()
            if owner in below and pool not in below and _covers(quota_row, kind)
        )
        if outside > quota_row.lend:
            what = f"{outside} {_kind(quota_row)} of pool {quota_row.pool!r}"
            yield f"projects of other pools hold {what}, which lends {quota_row.lend}"


def room(records: Records) -> Messages:
    """A node holds no more than what it has free."""
    instance = records.instance
    taken: Counter[int] = Counter()
    for nodes in records.seats.values():
        taken.update(nodes)
    for node, gpus in taken.items():
        row = instance.topology.row(node)
        free = row.gpus - instance.background.get(node, 0) if row.state == "up" else 0
        if gpus > free:
            yield f"node {instance.topology.names[node]!r} holds {gpus} GPUs of projects but has {free} free"


def seated(records: Records) -> Messages:
    """What a project is granted sits somewhere, and nothing more."""
    for project in records.instance.project_of:
        granted, held = records.granted.get(project, {}), records.held.get(project, {})
        for kind in sorted({*granted, *held}):
            if granted.get(kind, 0) != held.get(kind, 0):
                what = f"{granted.get(kind, 0)} {kind} but {held.get(kind, 0)} are seated"
                yield f"project {project!r} is granted {what}"


def level(records: Records) -> Messages:
    """A project that names a level sits in one domain of it."""
    topology = records.instance.topology
    for project, nodes in records.seats.items():
        name = records.instance.project_of[project].level
        if name is None:
            continue
        domain = topology.domain[topology.levels.index(name)]
        count = len({int(domain[node]) for node in nodes})
        if count > 1:
            yield f"project {project!r} must sit in one {name} but sits in {count}"


def stays(records: Records) -> Messages:
    """What does not move is still there."""
    for project, nodes in records.instance.stays.items():
        for node, gpus in nodes.items():
            held = records.seats.get(project, {}).get(node, 0)
            if held < gpus:
                name = records.instance.topology.names[node]
                yield f"project {project!r} keeps {gpus} GPUs on node {name!r} but has {held} there"


def _covers(row: Quota, kind: str) -> bool:
    return row.kind in (kind, "*")


def _usage(records: Records, row: Quota) -> int:
    return sum(gpus for kind, gpus in records.usage[row.pool].items() if _covers(row, kind))


def _kind(row: Quota) -> str:
    return "GPUs" if row.kind == "*" else row.kind


def _listed(bundle: Mapping[str, int]) -> str:
    return " and ".join(f"{gpus} {kind}" for kind, gpus in bundle.items()) or "nothing"


RULES: tuple[Callable[[Records], Messages], ...] = (
    request,
    mix,
    cap,
    mandatory,
    quota,
    borrowing,
    eligible,
    lend,
    room,
    seated,
    level,
    stays,
    call,
    limit,
    budget,
    power,
    segment,
    spread,
    whole,
    exclusive,
)
"""Every rule, in the order of the reference."""
