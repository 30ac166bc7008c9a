"""GPUs that cross from an owner to a pool, and what an owner lends: the same row for flows and for seats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulp

from kalloc.instance import ALL_KINDS, Instance
from models.program import Expression, Program


@dataclass(frozen=True)
class Flow:
    """GPUs of a kind that projects of a pool have on nodes of an owner."""

    pool: str
    owner: str
    kind: str
    gpus: Expression


def lend(program: Program, instance: Instance, flows: Sequence[Flow]) -> None:
    """Bound what projects outside a pool have on its nodes by what its row lends."""
    below = instance.pool_tree.below
    for row in instance.quotas:
        inside = below[row.pool]
        lent = pulp.lpSum(
            flow.gpus
            for flow in flows
            if row.kind in (flow.kind, ALL_KINDS) and flow.owner in inside and flow.pool not in inside
        )
        program.rule("lend", row.pool, row.kind, row=lent <= row.lend)
