"""The arithmetic of the reasons that policy tables give: calls, limits, budgets, power and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.explain.cases import Case, Facts, score

if TYPE_CHECKING:
    from kalloc.instance.policy import PowerDomain


def call(case: Case) -> Facts | None:
    """It applied outside the call of its pool or of a pool above."""
    instance, applied = case.books.instance, case.project.applied
    if case.project.project not in instance.policy.refused or applied is None:
        return None
    calls = {row.pool: (row.opens, row.closes) for row in instance.pools}
    for pool in instance.pool_tree.line(case.pool):
        opens, closes = calls[pool]
        if (opens is not None and applied < opens) or (closes is not None and applied > closes):
            window = f"{opens or '…'} – {closes or '…'}"
            return {"caller": pool, "applied": applied, "window": window}
    return None


def limit(case: Case) -> Facts | None:
    """One step more would take those whom a limit counts together over its most."""
    policy, granted = case.books.instance.policy, case.books.records.granted
    for subject in policy.subjects:
        row, rates = subject.limit, policy.rates[subject.limit.limit]
        if row.most is None or case.kind not in rates or case.project.project not in subject.projects:
            continue
        bundles = (granted.get(project, {}) for project in subject.projects)
        counted = sum((rates[k] * n for bundle in bundles for k, n in bundle.items() if k in rates), Fraction(0))
        adds = rates[case.kind] * case.step
        if counted + adds > row.most:
            who = {"who": subject.name or "all projects", "who_ko": subject.name or "전체"}
            return {"limit": row.limit, **who, "cap": row.most, "counted": score(counted), "adds": score(adds)}
    return None


def budget(case: Case) -> Facts | None:
    """One step more would cost more than is left of a budget on its line."""
    instance = case.books.instance
    line = instance.pool_tree.line(case.pool)
    adds = instance.policy.price(case.project.project, case.kind) * case.step
    for row in instance.budgets:
        if row.pool not in line or not adds:
            continue
        below = instance.pool_tree.below[row.pool]
        spent = sum(
            (
                instance.policy.price(project, kind) * gpus
                for project, bundle in case.books.records.granted.items()
                if instance.project_of[project].pool in below
                for kind, gpus in bundle.items()
            ),
            Fraction(0),
        )
        if spent + adds > row.won:
            return {"budget": row.budget, "payer": row.pool, "won": row.won, "spent": score(spent), "adds": score(adds)}
    return None


def power(case: Case) -> Facts | None:
    """Nodes are free, but the power of their domains does not run one step more."""
    instance, books = case.books.instance, case.books
    rows: dict[str, list[PowerDomain]] = {}
    for domain in instance.policy.power_domains:
        rows.setdefault(domain.power.power, []).append(domain)
    free = books.free_nodes_of(case.pool, case.kind) if rows else {}
    for name, domains in rows.items():
        usable = _powered(case, free, domains)
        if usable < case.step:
            return {"power": name, "free": sum(free.values()), "usable": usable}
    return None


def _powered(case: Case, free: Mapping[int, int], domains: list[PowerDomain]) -> int:
    """Return the free GPUs that the power of some domains can run, with those outside of them."""
    policy, group = case.books.instance.policy, case.books.instance.topology.group
    used = Counter[int]()
    for nodes in case.books.records.seats.values():
        used.update(nodes)
    usable, outside = 0, dict(free)
    for domain in domains:
        drawn = sum((policy.watts[int(group[node])][1] * used[node] for node in domain.nodes), Fraction(0))
        left = max(Fraction(0), domain.left - drawn)
        here = {node: outside.pop(node) for node in domain.nodes if node in outside}
        each = min((policy.watts[int(group[node])][1] for node in here), default=Fraction(0))
        usable += min(sum(here.values()), int(left // each)) if each else sum(here.values())
    return usable + sum(outside.values())


def shape(case: Case) -> Facts | None:
    """Its GPUs must lie as its shapes say, and beside the others no place was found where one step more does."""
    rows = case.books.instance.policy.shapes_of.get(case.project.project, ())
    named = [f"{row.shape} {row.level or 'node'} {row.amount or ''}".strip() for row in rows if row.shape != "prefer"]
    return {"shapes": ", ".join(named), "free": case.books.free(case.pool, case.kind)} if named else None
