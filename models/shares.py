"""Whose share is counted in the tier ``fairness``, of what, and which amounts there can be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from kalloc.instance import ALL_KINDS, Instance, Tier
from kalloc.instance.policy import decimal
from models.asked import Key, accepted, requests, under


@dataclass(frozen=True)
class Party:
    """A project or a pool that has a share."""

    name: str
    keys: tuple[Key, ...]
    """Projects and kinds whose GPUs count."""
    weight: Fraction
    whole: int
    """GPUs that are a share of 1 at a weight of 1: what was asked, or the quota."""
    amounts: frozenset[int]
    """GPUs that its requests let it have."""

    def share(self, gpus: int) -> Fraction:
        """Return the share that so many GPUs are."""
        return gpus / (self.weight * self.whole)

    def gpus(self, share: Fraction) -> int:
        """Return the fewest GPUs that are at least a share."""
        return math.ceil(share * self.weight * self.whole)


def parties(instance: Instance, tier: Tier) -> tuple[Party, ...]:
    """Return all that have a share in a tier ``fairness``, projects or pools in the order of their table."""
    return tuple(_projects(instance) if tier.by == "project" else _pools(instance, tier.of == "quota"))


def _projects(instance: Instance) -> Iterator[Party]:
    for row in instance.projects:
        keys = requests(instance, [row.project])
        if keys and row.project not in instance.policy.refused:
            asked = instance.most_requested(row.project)
            yield Party(row.project, keys, decimal(row.weight), asked, _amounts(instance, row.project))


def _pools(instance: Instance, of_quota: bool) -> Iterator[Party]:
    refused = instance.policy.refused
    admitted = [row for row in instance.projects if row.project not in refused]
    asking = {row.pool for row in admitted if instance.requests_of[row.project]}
    for row in instance.pools:
        projects = [project for project in under(instance, row.pool) if project not in refused]
        if of_quota:
            whole = quota_of(instance, row.pool) if projects else 0
        else:
            whole = sum(map(instance.most_requested, projects)) if row.pool in asking else 0
        if whole > 0:
            amounts = _sums(_amounts(instance, project) for project in projects)
            yield Party(row.pool, requests(instance, projects), decimal(row.weight), whole, amounts)


def quota_of(instance: Instance, pool: str) -> int:
    """Return the quota of a pool: its row for `*` if it has one, else the sum of its rows."""
    rows = {row.kind: row.gpus for row in instance.quotas if row.pool == pool}
    return rows.get(ALL_KINDS, sum(rows.values()))


def _amounts(instance: Instance, project: str) -> frozenset[int]:
    choices = [frozenset({0, *accepted(instance, row)}) for row in instance.requests_of[project]]
    return _sums(choices) if instance.project_of[project].mix == "any" else frozenset({0}).union(*choices)


def _sums(choices: Iterable[frozenset[int]]) -> frozenset[int]:
    """Return the sums of one number out of each set."""
    return reduce(lambda sums, more: frozenset(one + other for one in sums for other in more), choices, frozenset({0}))
