"""The rules of the policy that need no seats: calls, limits and budgets, in the words of the tables."""

from __future__ import annotations

from kalloc.instance import Instance
from models.allocation.rules import Amounts
from models.exact import at_least, at_most
from models.program import Program


def call(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Grant nothing to a project that applied outside a call of its pool or of a pool above."""
    for (project, kind), gpus in amounts.gpus.items():
        if project in instance.policy.refused:
            program.rule("call", project, kind, row=gpus == 0)


def limit(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Bound what projects get together, from above and from below, at the rates of their kinds."""
    for subject in instance.policy.subjects:
        row, rates = subject.limit, instance.policy.rates[subject.limit.limit]
        terms = [
            (rates[kind], gpus)
            for (project, kind), gpus in amounts.gpus.items()
            if project in subject.projects and kind in rates
        ]
        if row.most is not None:
            at_most(program, "limit", row.limit, subject.name, "most", terms=terms, bound=row.most)
        if row.least is not None:
            at_least(program, "limit", row.limit, subject.name, "least", terms=terms, bound=row.least)


def budget(program: Program, instance: Instance, amounts: Amounts) -> None:
    """Bound what the projects of a pool and below it cost."""
    for row in instance.budgets:
        below = instance.pool_tree.below[row.pool]
        terms = [
            (instance.policy.price(project, kind), gpus)
            for (project, kind), gpus in amounts.gpus.items()
            if instance.project_of[project].pool in below
        ]
        at_most(program, "budget", row.budget, terms=terms, bound=row.won)
