"""What a plan comes to, as tables: who gets what, from which kind, and where it flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kalloc.instance import ALL_KINDS

if TYPE_CHECKING:
    import pandas as pd

    from kalloc.instance import Instance
    from kalloc.plan import Plan


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, None where a figure is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def shares(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return what every pool gets, with all pools below it, in the order of the tree.

    Returns:
        Columns pool, title, depth (0 at a root), quota (GPUs that it is entitled to; missing without a row), projects
        (that ask), served (that get anything), asked and given (GPUs).
    """
    import pandas as pd

    tree, title = instance.pool_tree, {row.pool: row.title for row in instance.pools}
    sums = {pool: Counter[str]() for pool in tree.parent}
    given: Counter[str] = Counter()
    for grant in plan.grants:
        given[grant.project] += grant.gpus
    for project in instance.projects:
        got = given[project.project]
        found = Counter(projects=1, served=int(got > 0), asked=instance.most_requested(project.project), given=got)
        for pool in tree.line(project.pool):
            sums[pool].update(found)
    kinds = Counter[str]()
    for row in instance.quotas:
        kinds[row.pool] += row.gpus if row.kind != ALL_KINDS else 0
    quota = {**kinds, **{row.pool: row.gpus for row in instance.quotas if row.kind == ALL_KINDS}}
    names = ("projects", "served", "asked", "given")
    rows = [
        (pool, title[pool], depth, quota.get(pool), *(sums[pool][name] for name in names))
        for pool, depth in _in_order(instance)
    ]
    frame = pd.DataFrame(rows, columns=["pool", "title", "depth", "quota", *names])
    return frame.astype({"quota": "Int64"})


def _in_order(instance: Instance) -> Iterator[tuple[str, int]]:
    """Yield the pools with their depth, each before those below it."""
    tree = instance.pool_tree
    left = [(pool, 0) for pool, parent in reversed(tree.parent.items()) if parent is None]
    while left:
        pool, depth = left.pop()
        yield pool, depth
        left += [(below, depth + 1) for below in reversed(tree.siblings.get(pool, ()))]


def kinds(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return what becomes of the GPUs of every kind.

    Returns:
        Columns kind, nodes, gpus (of all nodes), down (on nodes that are down), background (taken by what the plan
        does not decide), given, free.
    """
    import pandas as pd

    found = {row.kind: Counter[str]() for row in instance.kinds}
    for group in instance.inventory:
        gpus = group.gpus * group.count
        found[group.kind].update(nodes=group.count, gpus=gpus, down=gpus if group.state == "down" else 0)
    for node, gpus in instance.background.items():
        row = instance.topology.row(node)
        found[row.kind].update(background=gpus if row.state == "up" else 0)
    for seat in plan.seats:
        found[seat.kind].update(given=seat.gpus)
    names = ("nodes", "gpus", "down", "background", "given")
    frame = pd.DataFrame(
        [(kind, *(counts[name] for name in names)) for kind, counts in found.items()], columns=["kind", *names]
    )
    return frame.assign(free=frame["gpus"] - frame["down"] - frame["background"] - frame["given"])


def flows(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Return how GPUs flow from large pools through programmes to places.

    A large pool is one right below the root (or a root with nothing below); a programme is the pool of a project; a
    place is a domain of the coarsest level, or a kind where there are no levels.

    Returns:
        Columns pool, programme, place, gpus; by pools in the order of the tree, then by place.
    """
    import pandas as pd

    tree = instance.pool_tree
    rank = {pool: number for number, (pool, _) in enumerate(_in_order(instance))}
    found: Counter[tuple[str, str, str]] = Counter()
    for seat in plan.seats:
        programme = instance.project_of[seat.project].pool
        line = tree.line(programme)
        place = seat.path[0] if seat.path else seat.kind
        found[line[max(0, len(line) - 2)], programme, place] += seat.gpus
    rows = [(*key, gpus) for key, gpus in found.items()]
    rows.sort(key=lambda row: (rank[row[0]], rank[row[1]], row[2]))
    return pd.DataFrame(rows, columns=["pool", "programme", "place", "gpus"])


def reasons(plan: Plan) -> pd.DataFrame:
    """Return how many requests have each reason.

    Returns:
        Columns reason, requests, asked and given (GPUs); the most frequent first.
    """
    frame = plan.allocations.groupby("reason", sort=True).agg(
        requests=("project", "size"), asked=("requested_max", "sum"), given=("gpus", "sum")
    )
    return frame.reset_index().sort_values(["requests", "reason"], ascending=[False, True], ignore_index=True)


def domains(instance: Instance, plan: Plan, depth: int) -> pd.DataFrame:
    """Return how full the domains of a level are.

    Returns:
        Columns path (joined by ``/``), nodes, down (nodes), gpus (of nodes that are up), background, given, free,
        projects (that have a seat there), in the order of the inventory.
    """
    import numpy as np
    import pandas as pd

    topology = instance.topology
    domain, count = topology.domain[depth], topology.domain_count(depth)
    up = np.array([row.state == "up" for row in topology.groups], dtype=bool)[topology.group]
    given, taken = np.zeros(topology.node_count), np.zeros(topology.node_count)
    guests: list[set[str]] = [set() for _ in range(count)]
    for seat in plan.seats:
        node = topology.node_ids[seat.node]
        given[node] += seat.gpus
        guests[int(domain[node])].add(seat.project)
    for node, gpus in instance.background.items():
        taken[node] = min(gpus, int(topology.gpus[node]))
    sums = {
        "nodes": np.ones(topology.node_count),
        "down": ~up,
        "gpus": topology.gpus,
        "background": taken,
        "given": given,
    }
    columns = {name: np.bincount(domain, weights=of, minlength=count).astype(np.int64) for name, of in sums.items()}
    paths = ["/".join(path) for path in topology.paths[depth]] if depth < len(topology.paths) else topology.names
    frame = pd.DataFrame({"path": list(paths), **columns})
    free = frame["gpus"] - frame["background"] - frame["given"]
    return frame.assign(free=free, projects=[len(names) for names in guests])
