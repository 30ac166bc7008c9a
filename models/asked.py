"""What is asked and what it is worth, and which requests count for whom."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from kalloc.instance import ALL_KINDS, Guarantee, Instance, Request
from kalloc.instance.policy import decimal

Key = tuple[str, str]
"""A project and a kind."""


def accepted(instance: Instance, row: Request) -> range:
    """Return the amounts besides 0 that a request names: min, min + step and so on to max."""
    step = instance.step(row)
    return range(row.min or step, row.max + 1, step)


def worth(instance: Instance) -> dict[Key, Fraction]:
    """Return merit × value of one GPU by project and kind, as the decimal numbers that were written."""
    return {
        (row.project, row.kind): decimal(instance.project_of[row.project].merit) * decimal(instance.value(row))
        for row in instance.requests
    }


def requests(instance: Instance, projects: Iterable[str], kind: str = ALL_KINDS) -> tuple[Key, ...]:
    """Return the requests of some projects, for a kind or for all."""
    return tuple(
        (row.project, row.kind)
        for project in projects
        for row in instance.requests_of[project]
        if kind in (row.kind, ALL_KINDS)
    )


def under(instance: Instance, pool: str) -> tuple[str, ...]:
    """Return the projects of a pool and of all pools below it."""
    below = instance.pool_tree.below[pool]
    return tuple(row.project for row in instance.projects if row.pool in below)


def guaranteed(instance: Instance, row: Guarantee) -> tuple[Key, ...]:
    """Return the requests that a guarantee counts."""
    projects = [row.project] if row.project is not None else under(instance, row.pool or "")
    return requests(instance, projects, row.kind)


def grouped(instance: Instance, group: str) -> tuple[Key, ...]:
    """Return the requests of the projects of a group."""
    return requests(instance, (row.project for row in instance.projects if row.group == group))
