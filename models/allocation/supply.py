"""Whether an allocation has seats, by pool and owner instead of by project and node: exact where no level is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pulp

from kalloc.instance import Instance
from models.allocation.rules import Amounts
from models.flows import Flow
from models.program import Program
from models.rooms import rooms


def flows(program: Program, instance: Instance) -> list[Flow]:
    """Make f(A,o,k): GPUs of kind k of owner o that projects of pool A sit on."""
    pools = dict.fromkeys(row.pool for row in instance.projects)
    supply = _supply(instance)
    return [
        Flow(pool, owner, kind, program.integer("f", pool, owner, kind, upper=gpus))
        for (owner, kind), gpus in supply.items()
        for pool in pools
    ]


def eligible(program: Program, instance: Instance, flows: Sequence[Flow]) -> None:
    """Keep pools off the nodes of owners that do not serve them."""
    for flow in flows:
        if not instance.pool_tree.serves(flow.owner, flow.pool, flow.kind):
            program.rule("eligible", flow.pool, flow.owner, flow.kind, row=flow.gpus == 0)


def room(program: Program, instance: Instance, flows: Sequence[Flow]) -> None:
    """Bound what sits on the nodes of an owner by their room."""
    for (owner, kind), gpus in _supply(instance).items():
        taken = pulp.lpSum(flow.gpus for flow in flows if (flow.owner, flow.kind) == (owner, kind))
        program.rule("room", owner, kind, row=taken <= gpus)


def seated(program: Program, instance: Instance, flows: Sequence[Flow], amounts: Amounts) -> None:
    """Seat all that a pool's projects get."""
    asked = dict.fromkeys((instance.project_of[project].pool, kind) for project, kind in amounts.gpus)
    held = dict.fromkeys((flow.pool, flow.kind) for flow in flows)
    for pool, kind in asked | held:
        seats = pulp.lpSum(flow.gpus for flow in flows if (flow.pool, flow.kind) == (pool, kind))
        gets = pulp.lpSum(
            gpus
            for (project, wanted), gpus in amounts.gpus.items()
            if (instance.project_of[project].pool, wanted) == (pool, kind)
        )
        program.rule("seated", pool, kind, row=seats == gets)


def stays(program: Program, instance: Instance, flows: Sequence[Flow], amounts: Amounts) -> None:
    """Leave what does not move to its project, and on its owner's nodes."""
    kept: Counter[tuple[str, str]] = Counter()
    seats: Counter[tuple[str, str, str]] = Counter()
    for project, nodes in instance.stays.items():
        for node, gpus in nodes.items():
            row = instance.topology.row(node)
            kept[project, row.kind] += gpus
            seats[instance.project_of[project].pool, row.owner, row.kind] += gpus
    for key, gpus in kept.items():
        program.rule("stays", *key, row=amounts.gpus[key] >= gpus)
    for flow in flows:
        place = (flow.pool, flow.owner, flow.kind)
        if seats[place]:
            program.rule("stays", *place, row=flow.gpus >= seats[place])


def _supply(instance: Instance) -> Counter[tuple[str, str]]:
    """Return the room of all nodes by owner and kind."""
    supply: Counter[tuple[str, str]] = Counter()
    for node, gpus in enumerate(rooms(instance)):
        row = instance.topology.row(node)
        supply[row.owner, row.kind] += gpus
    return supply
