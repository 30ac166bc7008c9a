"""KAI scheduler: the tree of pools as queues, with a queue for every project that gets GPUs, and the topology."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS, Quota
from kalloc.io.exporting.names import DNS_NAME, Names, fit
from kalloc.io.exporting.objects import HOSTNAME, Cluster, meta
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.yamls import Object, documents

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

UNLIMITED = -1
REST = {"quota": UNLIMITED, "limit": UNLIMITED, "overQuotaWeight": 1}
"""What a queue may have of CPUs and memory, which kalloc does not share out."""


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return queues.yaml and topology.yaml; KAI counts GPUs, whatever their kind."""
    cluster = Cluster(instance, plan)
    gpus: Counter[str] = Counter()
    for grant in () if plan is None else plan.grants:
        gpus[grant.project] += grant.gpus
    granted = {project: total for project, total in gpus.items() if total}
    keys = [*(("pool", row.pool) for row in instance.pools), *(("project", project) for project in granted)]
    names = fit(DNS_NAME, keys)
    queues = [*_pools(instance, names), *_projects(instance, names, granted)]
    levels = [{"nodeLabel": key} for key in (*cluster.keys.values(), HOSTNAME)]
    topology = {
        "apiVersion": "kai.scheduler/v1alpha1",
        "kind": "Topology",
        "metadata": meta(cluster.name, instance.name),
        "spec": {"levels": levels},
    }
    files = {"queues.yaml": documents(queues), "topology.yaml": documents([topology])}
    return named(files, (), names)


def _pools(instance: Instance, names: Names) -> Iterator[Object]:
    for row in instance.pools:
        parent = None if row.parent is None else names("pool", row.parent)
        yield _queue(names("pool", row.pool), row.pool, parent, *_share(instance, row.pool))


def _projects(instance: Instance, names: Names, granted: dict[str, int]) -> Iterator[Object]:
    for project, gpus in granted.items():
        pool = names("pool", instance.project_of[project].pool)
        yield _queue(names("project", project), project, pool, gpus, gpus)


def _queue(name: str, original: str, parent: str | None, quota: int, limit: int) -> Object:
    spec: Object = {"displayName": original}
    if parent is not None:
        spec["parentQueue"] = parent
    gpu = {"quota": quota, "limit": limit, "overQuotaWeight": 1}
    spec["resources"] = {"gpu": gpu, "cpu": REST, "memory": REST}
    return {"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": meta(name, original), "spec": spec}


def _share(instance: Instance, pool: str) -> tuple[int, int]:
    """Return the quota and the limit of a pool: of its row for all kinds or, without one, of those of all its kinds."""
    quotas = instance.pool_tree.quotas
    rows = [quotas.get((pool, row.kind)) for row in instance.kinds]
    every = quotas.get((pool, ALL_KINDS))
    given: list[Quota] = [row for row in rows if row is not None] if every is None else [every]
    quota = sum(row.gpus for row in given)
    bounded = every is not None or (bool(rows) and None not in rows)
    return quota, quota + sum(row.borrow for row in given) if bounded else UNLIMITED
