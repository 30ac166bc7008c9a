"""One project by itself among seats that are taken: everybody else is background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from kalloc.instance import Objective, Placed, Request, Tier

if TYPE_CHECKING:
    from kalloc.instance import Instance, Quota
    from kalloc.verify import Records

OTHERS = "\u00a0others"
"""The name of those who do not move, taken together."""


def alone(instance: Instance, records: Records, project: str, bundle: Mapping[str, int]) -> Instance:
    """Return an instance of one project that must have just so much, in what all others leave free.

    What is counted over projects (caps, quotas, limits, budgets) is left out but for lending, which decides on seats.
    """
    row = instance.project_of[project]
    names, taken = instance.topology.names, _taken(instance, records, project)
    placed = [Placed(project=OTHERS, node=names[node], gpus=gpus) for node, gpus in taken.items()]
    kept = instance.stays.get(project, {})
    placed += [Placed(project=project, node=names[node], gpus=gpus) for node, gpus in kept.items()]
    return instance.replace(
        projects=(row.model_copy(update={"mandatory": True, "mix": "any", "applied": None}),),
        requests=tuple(Request(project=project, kind=kind, min=n, max=n, step=n) for kind, n in bundle.items()),
        placed=tuple(placed),
        quotas=tuple(lent_to(instance, records, {project}, row) for row in instance.quotas),
        shapes=tuple(shape for shape in instance.shapes if shape.project == project and shape.shape != "prefer"),
        **dict.fromkeys(("caps", "limits", "rates", "budgets", "guarantees"), ()),
        objective=Objective(tiers=(Tier(name="merit"),)),
    )


def _taken(instance: Instance, records: Records, project: str) -> Counter[int]:
    """Return the GPUs of every node that others hold; all of it where others want their domains to themselves."""
    taken, free = Counter(instance.background), instance.topology.gpus.tolist()
    for name, nodes in records.seats.items():
        if name != project:
            taken.update(nodes)
    for shape in instance.shapes:
        if shape.shape == "exclusive" and shape.project != project:
            domain = instance.topology.domain[instance.policy.level(shape)].tolist()
            mine = {domain[node] for node in records.seats.get(shape.project, {})}
            taken.update({n: free[n] - taken[n] for n, at in enumerate(domain) if at in mine and free[n] > taken[n]})
    return taken


def lent_to(instance: Instance, records: Records, moving: Collection[str], row: Quota) -> Quota:
    """Return a quota with what projects other than those that move leave of its lending."""
    below = instance.pool_tree.below[row.pool]
    used = 0
    for name, nodes in records.seats.items():
        if name in moving or instance.project_of[name].pool in below:
            continue
        groups = ((instance.topology.row(node), gpus) for node, gpus in nodes.items())
        used += sum(gpus for group, gpus in groups if group.owner in below and row.kind in (group.kind, "*"))
    return row.model_copy(update={"lend": max(0, row.lend - used)})
