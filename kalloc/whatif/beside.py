"""What it takes to serve a project beside everybody else as a plan has them: by arithmetic, and checked as a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS
from kalloc.instance.policy import decimal
from kalloc.verify import Records, verify
from kalloc.whatif.alone import alone
from kalloc.whatif.lever import Facts, from_to
from kalloc.whatif.settle import seats_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kalloc.instance import Instance
    from kalloc.plan import Plan, Seat
    from kalloc.solver import Limits

Need = tuple[str, Facts]
"""One row that has to give way: the name of its sentence and the figures."""
Way = tuple["Instance", list[Need]]
"""A changed instance, and what was changed."""


@dataclass(frozen=True)
class Beside:
    """What has to give way, all of it together, so that the plan holds the project beside everybody who is in it."""

    kind: str
    gpus: int
    """GPUs of the kind that the project then has."""
    needs: tuple[Need, ...]
    """Empty where nothing has to change. Each is needed for so many GPUs in these seats, and all together suffice."""
    instance: Instance
    """With all of it changed."""
    plan: Plan
    """A plan of the changed instance, which keeps every rule: nobody else gets less or sits elsewhere."""


def beside(instance: Instance, plan: Plan, project: str, limits: Limits) -> Iterator[Beside]:
    """Yield what has to give way so that a plan holds more of a project, for each kind that it asks for.

    Seats are sought in what the plan leaves free, within the limits on power or else beyond them; where there are none,
    without one of its shapes. What then is over a cap, quota, limit, budget or limit on power is raised by what it is
    over. A way is yielded only where the plan with the project keeps every rule so changed.
    """
    records = Records.of(instance, plan)
    for kind, bundle in _targets(instance, records, project):
        for way, dropped in _ways(instance, project):
            found = _added(way, plan, records, project, bundle, limits)
            if found is None:
                continue
            changed, needs = _raised(way, found, project)
            after = replace(found, instance_sha256=changed.sha256)
            if not verify(changed, after):
                yield Beside(kind, bundle[kind], (*dropped, *needs), changed, after)
            if not dropped:
                break


def _targets(instance: Instance, records: Records, project: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield, per kind, the least that a project could get more than it has, with all that it then gets."""
    row, has = instance.project_of[project], records.granted.get(project, {})
    for request in instance.requests_of[project]:
        step = instance.step(request)
        others = {} if row.mix == "one" else {kind: gpus for kind, gpus in has.items() if kind != request.kind}
        enough = sum(has.values()) - sum(others.values())
        more = (gpus for gpus in range(request.min or step, request.max + 1, step) if gpus > enough)
        least = next(more, None)
        if least is not None:
            yield request.kind, {**others, request.kind: least}


def _ways(instance: Instance, project: str) -> Iterator[Way]:
    """Yield the instance as it is, then without one of the project's shapes, or without its level."""
    yield instance, []
    row = instance.project_of[project]
    for shape in instance.policy.shapes_of.get(project, ()):
        if shape.shape != "prefer":
            less = instance.replace(shapes=tuple(one for one in instance.shapes if one is not shape))
            yield less, [(f"drop_{shape.shape}", {"level": shape.level, "amount": shape.amount})]
    if row.level is not None:
        rows = (one.model_copy(update={"level": None}) if one is row else one for one in instance.projects)
        yield instance.replace(projects=tuple(rows)), [("no_level", {"level": row.level})]


def _added(
    way: Instance, plan: Plan, records: Records, project: str, bundle: Mapping[str, int], limits: Limits
) -> Plan | None:
    """Return the plan with the project in seats that were free, where need be over power; None without seats."""
    one = alone(way, records, project, bundle)
    found = seats_of(one, limits)
    if found is None and way.power:
        found = seats_of(one.replace(power=()), limits)
    if found is None:
        return None
    grants = tuple(
        replace(grant, gpus=bundle.get(grant.kind, 0)) if grant.project == project else grant for grant in plan.grants
    )
    others = (seat for seat in plan.seats if seat.project != project)
    return replace(plan, grants=grants, seats=tuple(sorted([*others, *_seats(way, found, project)])))


def _seats(instance: Instance, seats: Mapping[tuple[str, int], int], project: str) -> Iterator[Seat]:
    from kalloc.plan import Seat

    for (name, node), gpus in seats.items():
        if name == project:
            row = instance.topology.row(node)
            yield Seat(project, row.kind, row.path, instance.topology.names[node], int(gpus))


def _raised(instance: Instance, plan: Plan, project: str) -> Way:
    """Return an instance whose rules allow what a plan gives a project, each raised by what it is over."""
    records, needs = Records.of(instance, plan), list[Need]()
    row = instance.project_of[project]
    tables = {
        "caps": _caps(instance, records, project, needs),
        "quotas": _quotas(instance, records, project, needs),
        "limits": _limits(instance, records, project, needs),
        "budgets": _budgets(instance, records, project, needs),
        "power": _power(instance, records, project, needs),
    }
    if project in instance.policy.refused:
        admitted = row.model_copy(update={"applied": None})
        tables["projects"] = [admitted if one is row else one for one in instance.projects]
        needs.append(("admit", {"applied": row.applied}))
    changed = instance.replace(**{table: tuple(rows) for table, rows in tables.items()})
    return changed, needs


def _caps(instance: Instance, records: Records, project: str, needs: list[Need]) -> Sequence[object]:
    line, rows = instance.pool_tree.line(instance.project_of[project].pool), []
    for row in instance.caps:
        over = records.granted[project].get(row.kind, 0) - row.gpus if row.pool in line else 0
        if over > 0:
            needs.append(("cap", from_to(row.pool, row.kind, row.gpus, over, 1)))
        rows.append(row.model_copy(update={"gpus": row.gpus + max(0, over)}))
    return rows


def _quotas(instance: Instance, records: Records, project: str, needs: list[Need]) -> Sequence[object]:
    line, rows = instance.pool_tree.line(instance.project_of[project].pool), []
    for row in instance.quotas:
        used = records.usage[row.pool]
        over = (used.total() if row.kind == ALL_KINDS else used[row.kind]) - row.gpus - row.borrow
        over = over if row.pool in line else 0
        if over > 0:
            needs.append(("quota", from_to(row.pool, row.kind, row.gpus, over, 1)))
        rows.append(row.model_copy(update={"gpus": row.gpus + max(0, over)}))
    return rows


def _limits(instance: Instance, records: Records, project: str, needs: list[Need]) -> Sequence[object]:
    used: dict[str, int] = {}
    for subject in instance.policy.subjects:
        if project in subject.projects:
            rates = instance.policy.rates[subject.limit.limit]
            bundles = (records.granted.get(name, {}) for name in subject.projects)
            used[subject.limit.limit] = ceil(
                sum(rates.get(kind, 0) * gpus for bundle in bundles for kind, gpus in bundle.items())
            )
    rows = []
    for row in instance.limits:
        over = used.get(row.limit, 0) - row.most if row.most is not None else 0
        if row.most is not None and over > 0:
            needs.append(("limit", {"limit": row.limit, "was": row.most, "now": row.most + over, "more": over}))
            row = row.model_copy(update={"most": row.most + over})
        rows.append(row)
    return rows


def _budgets(instance: Instance, records: Records, project: str, needs: list[Need]) -> Sequence[object]:
    line, rows = instance.pool_tree.line(instance.project_of[project].pool), []
    for row in instance.budgets:
        below = instance.pool_tree.below[row.pool] if row.pool in line else frozenset()
        spent = sum(
            instance.policy.price(name, kind) * gpus
            for name, bundle in records.granted.items()
            if instance.project_of[name].pool in below
            for kind, gpus in bundle.items()
        )
        over = ceil(spent) - row.won
        if over > 0:
            needs.append(("budget", {"budget": row.budget, "was": row.won, "now": row.won + over, "more": over}))
        rows.append(row.model_copy(update={"won": row.won + max(0, over)}))
    return rows


def _power(instance: Instance, records: Records, project: str, needs: list[Need]) -> Sequence[object]:
    drawn, over = Counter[int](), dict[str, int]()
    for nodes in records.seats.values():
        drawn.update(nodes)
    group = instance.topology.group.tolist()
    for domain in instance.policy.power_domains:
        used = sum(instance.policy.watts[group[node]][1] * drawn[node] for node in domain.nodes)
        over[domain.power.power] = max(over.get(domain.power.power, 0), ceil(used - domain.left))
    rows = []
    for row in instance.power:
        more = over.get(row.power, 0)
        kw = float(decimal(row.kw) + Fraction(more, 1000))
        if more > 0:
            needs.append(("power", {"power": row.power, "was": row.kw, "now": kw, "more": more / 1000}))
        rows.append(row.model_copy(update={"kw": kw}))
    return rows
