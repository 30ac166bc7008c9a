"""The rules of the allocation: who gets how many GPUs of each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pulp

from kalloc.instance import ALL_KINDS, Instance
from models.asked import Key, accepted
from models.program import Expression, Program


@dataclass(frozen=True)
class Amounts:
    """The decision of the allocation, by project and kind."""

    gpus: Mapping[Key, Expression]
    """x(p,k): GPUs that the project gets."""
    granted: Mapping[Key, Expression]
    """g(p,k): 1 when it gets any."""


def request(program: Program, instance: Instance) -> Amounts:
    """Make the decision: x(p,k) is 0, or the first accepted amount and some steps."""
    gpus: dict[Key, Expression] = {}
    granted: dict[Key, Expression] = {}
    for row in instance.requests:
        key = (row.project, row.kind)
        amounts = accepted(instance, row)
        most = len(amounts) - 1
        gpus[key] = program.integer("x", *key, upper=amounts[-1] if amounts else 0)
        granted[key] = program.integer("g", *key, upper=1 if amounts else 0)
        steps = program.integer("s", *key, upper=max(0, most))
        program.rule("request", *key, "gpus", row=gpus[key] == amounts.start * granted[key] + amounts.step * steps)
        program.rule("request", *key, "steps", row=steps <= max(0, most) * granted[key])
    return Amounts(gpus, granted)


def mix(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Grant a project of one kind at most one."""
    for project in instance.projects:
        if project.mix == "one":
            kinds = pulp.lpSum(amounts.granted[row.project, row.kind] for row in instance.requests_of[project.project])
            program.rule("mix", project.project, row=kinds <= 1)


def cap(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Bound every project by every cap of a pool on its line."""
    for row in instance.caps:
        for (project, kind), gpus in amounts.gpus.items():
            if kind == row.kind and row.pool in instance.pool_tree.line(instance.project_of[project].pool):
                program.rule("cap", row.pool, kind, project, row=gpus <= row.gpus)


def mandatory(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Grant a mandatory project at least the min of one of its requests; a min of 0 is met by nothing."""
    for project in instance.projects:
        if project.mandatory:
            rows = instance.requests_of[project.project]
            met = pulp.lpSum(amounts.granted[row.project, row.kind] if row.min > 0 else 1 for row in rows)
            program.rule("mandatory", project.project, row=met >= 1)


def usage(instance: Instance, amounts: Amounts, pool: str, kind: str) -> Expression:
    """Return the GPUs of the projects of a pool and below it, of one kind or of all."""
    below = instance.pool_tree.below[pool]
    return pulp.lpSum(
        gpus
        for (project, asked), gpus in amounts.gpus.items()
        if kind in (asked, ALL_KINDS) and instance.project_of[project].pool in below
    )


def quota(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Bound usage by a row's GPUs and what it borrows."""
    for row in instance.quotas:
        used = usage(instance, amounts, row.pool, row.kind)
        program.rule("quota", row.pool, row.kind, row=used <= row.gpus + row.borrow)


def borrowing(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Let siblings borrow no more than siblings lend of what they do not use; a root borrows nothing.

    ``over`` and ``lent`` need no binaries: to raise both by one GPU of the same pool changes no balance.
    """
    overs: dict[tuple[str, str], list[Expression]] = defaultdict(list)
    lents: dict[tuple[str, str], list[Expression]] = defaultdict(list)
    for row in instance.quotas:
        used = usage(instance, amounts, row.pool, row.kind)
        parent = instance.pool_tree.parent[row.pool]
        if parent is None:
            program.rule("borrowing", row.pool, row.kind, "root", row=used <= row.gpus)
            continue
        over = program.integer("over", row.pool, row.kind, upper=row.borrow)
        lent = program.integer("lent", row.pool, row.kind, upper=min(row.lend, row.gpus + row.borrow))
        program.rule("borrowing", row.pool, row.kind, "over", row=over >= used - row.gpus)
        program.rule("borrowing", row.pool, row.kind, "lent", row=lent <= row.gpus - used + over)
        overs[parent, row.kind].append(over)
        lents[parent, row.kind].append(lent)
    for (parent, kind), over_here in overs.items():
        balance = pulp.lpSum(over_here) <= pulp.lpSum(lents[parent, kind])
        program.rule("borrowing", parent, kind, "balance", row=balance)
