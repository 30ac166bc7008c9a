"""How many whole requests still fit, before and after a plan, and what each project's place took from large ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kalloc.instance import Instance
    from kalloc.instance.topology import Ids
    from kalloc.plan import Plan

SMALL = (1, 8, 64)
"""The sizes, in GPUs, before those that double: 128, 256, 512 and so on."""

Rows = list[dict[str, Any]]


def slots(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return how many requests of a size fit whole at once, each in one domain of a level.

    Free GPUs are counted as they lie, whoever owns them: ``before`` beside nothing but background and what stays,
    ``after`` beside the whole plan. Sizes go up to the GPUs of the kind in the largest domain, nodes up.

    Returns:
        Columns level, kind, gpus (the size), before, after (requests); levels coarse to fine, then kinds, then sizes.
    """
    import pandas as pd

    return pd.DataFrame(slot_rows(instance, plan), columns=["level", "kind", "gpus", "before", "after"])


def blocks(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return the largest free block of every level and kind: the free GPUs of the domain that has most of them.

    Returns:
        Columns level, kind, before, after (GPUs), in the order of :func:`slots`.
    """
    import pandas as pd

    return pd.DataFrame(block_rows(instance, plan), columns=["level", "kind", "before", "after"])


def block_costs(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return what each project's place costs the largest free block: how much larger it were without the project.

    What a project keeps where it is counts as taken either way. Projects that cost a block nothing are left out.

    Returns:
        Columns project, level, kind, gpus (at least 1); by project, then levels coarse to fine, then kind.
    """
    import pandas as pd

    return pd.DataFrame(cost_rows(instance, plan), columns=["project", "level", "kind", "gpus"])


def slot_rows(instance: Instance, plan: Plan) -> Rows:
    """Return the rows of :func:`slots`."""
    return [
        {
            "level": level,
            "kind": kind,
            "gpus": size,
            "before": int((before // size).sum()),
            "after": int((after // size).sum()),
        }
        for level, kind, whole, before, after in _domains(instance, plan)
        for size in _sizes(int(whole.max(initial=0)))
    ]


def block_rows(instance: Instance, plan: Plan) -> Rows:
    """Return the rows of :func:`blocks`."""
    return [
        {"level": level, "kind": kind, "before": int(before.max(initial=0)), "after": int(after.max(initial=0))}
        for level, kind, _, before, after in _domains(instance, plan)
    ]


def cost_rows(instance: Instance, plan: Plan) -> Rows:
    """Return the rows of :func:`block_costs`."""
    import numpy as np

    topology, kinds = instance.topology, _kinds(instance)
    names = sorted({seat.project for seat in plan.seats})
    who, where, gpus = _taken(instance, plan, names)
    here = {kind: np.isin(where, nodes) for kind, nodes in kinds.items()}
    found: dict[tuple[str, int, str], int] = {}
    for level, kind, _, _, free in _domains(instance, plan):
        depth = topology.levels.index(level)
        domain, mine, width = topology.domain[depth], here[kind], len(free)
        pairs, inverse = np.unique(who[mine] * width + domain[where[mine]], return_inverse=True)
        costs = np.bincount(inverse, weights=gpus[mine]).astype(np.int64) + free[pairs % width] - free.max(initial=0)
        most = np.zeros(len(names), dtype=np.int64)
        np.maximum.at(most, pairs // width, costs)
        found.update({(names[one], depth, kind): int(most[one]) for one in np.flatnonzero(most)})
    return [
        {"project": project, "level": topology.levels[depth], "kind": kind, "gpus": cost}
        for (project, depth, kind), cost in sorted(found.items())
    ]


def _taken(instance: Instance, plan: Plan, names: Sequence[str]) -> tuple[Ids, Ids, Ids]:
    """Return the project of each seat by its place among names, the node, and the GPUs beyond what it keeps there."""
    import numpy as np

    ids, node_ids, stays = {name: place for place, name in enumerate(names)}, instance.topology.node_ids, instance.stays
    who = np.array([ids[seat.project] for seat in plan.seats], dtype=np.int64)
    where = np.array([node_ids[seat.node] for seat in plan.seats], dtype=np.int64)
    gpus = np.array([seat.gpus for seat in plan.seats], dtype=np.int64)
    for place, seat in enumerate(plan.seats):
        if seat.project in stays:
            gpus[place] -= stays[seat.project].get(int(where[place]), 0)
    return who, where, gpus


def _sizes(most: int) -> Iterator[int]:
    yield from (size for size in SMALL if size <= most)
    size = 2 * SMALL[-1]
    while size <= most:
        yield size
        size *= 2


def _domains(instance: Instance, plan: Plan) -> Iterator[tuple[str, str, Ids, Ids, Ids]]:
    """Yield each level and kind with the GPUs of its domains: all of those up, free before, free after."""
    import numpy as np

    topology = instance.topology
    before, after = _free(instance, plan)
    kinds = _kinds(instance)
    for level, domain in zip(topology.levels, topology.domain, strict=True):
        for kind, nodes in kinds.items():
            whole, early, late = (
                np.bincount(domain[nodes], weights=gpus[nodes]).astype(np.int64)
                for gpus in (topology.gpus, before, after)
            )
            yield level, kind, whole, early, late


def _kinds(instance: Instance) -> dict[str, Ids]:
    """Return the nodes of each kind, in the order of kinds.csv."""
    import numpy as np

    topology = instance.topology
    ids = {row.kind: number for number, row in enumerate(instance.kinds)}
    kind = np.array([ids[row.kind] for row in topology.groups], dtype=np.int64)[topology.group]
    return {name: np.flatnonzero(kind == number) for name, number in ids.items()}


def _free(instance: Instance, plan: Plan) -> tuple[Ids, Ids]:
    """Return the free GPUs of each node before and after the plan, shape (nodes,)."""
    before = instance.topology.gpus.copy()
    for node, gpus in instance.background.items():
        before[node] = max(0, before[node] - gpus)
    after = before.copy()
    for nodes in instance.stays.values():
        for node, gpus in nodes.items():
            before[node] -= gpus
    for seat in plan.seats:
        after[instance.topology.node_ids[seat.node]] -= seat.gpus
    return before, after
