"""How many whole requests still fit, before and after a plan, and what each project's place took from large ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
    topology = instance.topology
    depth = {level: number for number, level in enumerate(topology.levels)}
    after = {(level, kind): free for level, kind, _, _, free in _domains(instance, plan)}
    found: dict[tuple[str, int, str], int] = {}
    for (project, kind, level, domain), gpus in _taken(instance, plan).items():
        free = after[level, kind]
        cost = gpus + int(free[domain]) - int(free.max())
        if cost > 0:
            key = (project, depth[level], kind)
            found[key] = max(cost, found.get(key, 0))
    return [
        {"project": project, "level": topology.levels[number], "kind": kind, "gpus": cost}
        for (project, number, kind), cost in sorted(found.items())
    ]


def _taken(instance: Instance, plan: Plan) -> dict[tuple[str, str, str, int], int]:
    """Return the GPUs that projects take beside what they keep, by project, kind, level and domain."""
    topology = instance.topology
    domains = {level: of.tolist() for level, of in zip(topology.levels, topology.domain, strict=True)}
    taken: dict[tuple[str, str, str, int], int] = defaultdict(int)
    for seat in plan.seats:
        node = topology.node_ids[seat.node]
        gpus = seat.gpus - instance.stays.get(seat.project, {}).get(node, 0)
        for level, domain in domains.items():
            taken[seat.project, seat.kind, level, domain[node]] += gpus
    return taken


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
