"""Kueue: topology, flavors, the tree of pools as cohorts and queues, and a local queue for every project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.errors import OutputError
from kalloc.instance import ALL_KINDS
from kalloc.io.exporting.objects import ALL_FLAVOR, GPU, HOSTNAME, KIND, OWNER, POOL, PREFIX, Cluster, meta
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.shares import Share, Shares
from kalloc.io.exporting.yamls import Object, documents

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

API = "kueue.x-k8s.io/v1beta2"
EVERY_GPU = f"{PREFIX}/gpus"
"""A resource that Kueue counts beside GPUs, so that a quota can hold for all kinds together."""
ASK = (
    "some quotas are for all kinds: that needs Kueue 0.17, which then admits only workloads that ask for a topology; "
    'annotate those that need none with kueue.x-k8s.io/podset-unconstrained-topology: "true"'
)
"""Kueue implies that of all workloads only where every flavor has a topology, and the one of all kinds has none."""
MOST_FLAVORS = 64
"""Flavors that a group of resources may have."""


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return kueue.yaml, and the settings of Kueue's manager that its quotas need."""
    if len(instance.kinds) > MOST_FLAVORS:
        raise OutputError(f"Kueue takes {MOST_FLAVORS} flavors at most, and there are {len(instance.kinds)} kinds")
    cluster, shares = Cluster(instance, plan), Shares(instance)
    objects = [_topology(cluster), *_flavors(cluster, shares), *_cohorts(cluster, shares), *_queues(cluster, shares)]
    objects += _local_queues(cluster)
    files = {"kueue.yaml": documents(objects), "manager-config.yaml": documents([_settings(shares)])}
    notes = [*shares.notes(), *(() if plan is None else shares.refused(plan))]
    if ALL_KINDS in shares.kinds:
        notes.append(ASK)
    return named(files, tuple(notes), cluster.pools, cluster.kinds, cluster.projects, *cluster.values.values())


def _object(kind: str, metadata: Object, spec: Object) -> Object:
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _topology(cluster: Cluster) -> Object:
    levels = [{"nodeLabel": key} for key in (*cluster.keys.values(), HOSTNAME)]
    return _object("Topology", meta(cluster.name, cluster.instance.name), {"levels": levels})


def _flavors(cluster: Cluster, shares: Shares) -> Iterator[Object]:
    for kind in shares.kinds:
        spec: Object = {}
        if kind != ALL_KINDS:
            spec = {"nodeLabels": {KIND: cluster.values[KIND]("kind", kind)}, "topologyName": cluster.name}
        yield _object("ResourceFlavor", meta(_flavor(cluster, kind), kind), spec)


def _flavor(cluster: Cluster, kind: str) -> str:
    return ALL_FLAVOR if kind == ALL_KINDS else cluster.kinds("kind", kind)


def _cohorts(cluster: Cluster, shares: Shares) -> Iterator[Object]:
    for pool in shares.cohorts:
        parent = shares.tree.parent[pool]
        spec: Object = {} if parent is None else {"parentName": cluster.pools("pool", parent)}
        own = {kind: share for kind in shares.kinds if (share := shares.cohort(pool, kind)) is not None}
        if own:
            spec["resourceGroups"] = _groups(cluster, own)
        yield _object("Cohort", meta(cluster.pools("pool", pool), pool), spec)


def _queues(cluster: Cluster, shares: Shares) -> Iterator[Object]:
    for pool in shares.queues:
        home, own = shares.home(pool), {kind: shares.queue(pool, kind) for kind in shares.kinds}
        spec: Object = {} if home is None else {"cohortName": cluster.pools("pool", home)}
        label = {POOL: cluster.values[OWNER]("pool", pool)}
        spec["namespaceSelector"] = {"matchLabels": label} if cluster.plan is not None else {}
        spec["resourceGroups"] = _groups(cluster, own)
        yield _object("ClusterQueue", meta(cluster.pools("pool", pool), pool), spec)


def _groups(cluster: Cluster, own: dict[str, Share]) -> list[Object]:
    """Return one group of resources for the kinds, and one for all kinds together."""
    groups = []
    for resource, kinds in ((GPU, own.keys() - {ALL_KINDS}), (EVERY_GPU, own.keys() & {ALL_KINDS})):
        flavors = [
            {"name": _flavor(cluster, kind), "resources": [_quota(resource, share)]}
            for kind, share in own.items()
            if kind in kinds
        ]
        if flavors:
            groups.append({"coveredResources": [resource], "flavors": flavors})
    return groups


def _quota(resource: str, share: Share) -> Object:
    limits = {"borrowingLimit": share.borrow, "lendingLimit": share.lend}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return {"name": resource, "nominalQuota": share.nominal, **given}


def _local_queues(cluster: Cluster) -> Iterator[Object]:
    """Yield the queue that the jobs of a project name, in the project's namespace."""
    pools = {} if cluster.plan is None else {grant.project: grant.pool for grant in cluster.plan.grants if grant.gpus}
    for project, pool in pools.items():
        name = cluster.projects("project", project)
        metadata = meta(name, project)
        metadata["namespace"] = name
        yield _object("LocalQueue", metadata, {"clusterQueue": cluster.pools("pool", pool)})


def _settings(shares: Shares) -> Object:
    """Return what Kueue's own configuration must say: other resources than GPUs are not counted here."""
    resources: Object = {"excludeResourcePrefixes": ["cpu", "memory", "ephemeral-storage"]}
    if ALL_KINDS in shares.kinds:
        resources["transformations"] = [{"input": GPU, "strategy": "Retain", "outputs": {EVERY_GPU: 1}}]
    return {"apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration", "resources": resources}
