"""Halls small enough to seat by hand, and what is granted there."""

from __future__ import annotations

from collections import Counter

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request
from kalloc.plan import Grant, Plan


def granted(instance: Instance) -> Plan:
    """Return a plan without seats that gives what is asked, first come first served, while totals last."""
    left: Counter[tuple[str, str]] = Counter()
    for group in instance.inventory:
        left[group.owner, group.kind] += group.gpus * group.count if group.state == "up" else 0
    for node, gpus in instance.background.items():
        left[instance.topology.row(node).owner, instance.topology.row(node).kind] -= gpus
    grants, served = [], set()
    for row in instance.requests:
        pool = instance.project_of[row.project].pool
        fits = row.project not in served and left[pool, row.kind] >= row.max
        if fits:
            served.add(row.project)
            left[pool, row.kind] -= row.max
        grants.append(Grant(row.project, pool, row.kind, row.max if fits else 0, row.min, row.max, "full"))
    return Plan(instance.name, instance.sha256, instance.hierarchy.levels, tuple(grants), ())


def hall(racks: dict[str, int], sizes: dict[str, int], taken: dict[str, int] | None = None) -> Instance:
    """Return racks with some nodes of 8 GPUs, projects of some GPUs, and GPUs of nodes that are taken."""
    return Instance(
        name="hall",
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 1, "node": 1}),
        kinds=(Kind(kind="H200"),),
        pools=(Pool(pool="all"),),
        inventory=tuple(NodeGroup(path=(r,), count=n, kind="H200", gpus=8, owner="all") for r, n in racks.items()),
        projects=tuple(Project(project=name, pool="all") for name in sizes),
        requests=tuple(Request(project=p, kind="H200", min=n, max=n, step=1) for p, n in sizes.items()),
        placed=tuple(Placed(project="background", node=n, gpus=g) for n, g in (taken or {}).items()),
    )


def halves() -> Instance:
    """Return two pools with racks and projects of their own that nobody seats well end to end."""
    sizes = (16, 8, 24, 8, 16, 24, 16, 8)
    names = [(pool, f"{pool}{number}", gpus) for pool in "ab" for number, gpus in enumerate(sizes)]
    return Instance(
        name="halves",
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 1, "node": 1}),
        kinds=(Kind(kind="H200"),),
        pools=(Pool(pool="all"), Pool(pool="a", parent="all"), Pool(pool="b", parent="all")),
        inventory=tuple(
            NodeGroup(path=(f"{pool}{rack}",), count=3, kind="H200", gpus=8, owner=pool)
            for pool in "ab"
            for rack in range(6)
        ),
        projects=tuple(Project(project=name, pool=pool) for pool, name, _ in names),
        requests=tuple(Request(project=name, kind="H200", min=gpus, max=gpus) for _, name, gpus in names),
    )
