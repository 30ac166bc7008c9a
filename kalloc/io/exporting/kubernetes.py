"""Kubernetes: labels of the nodes, and a namespace with a quota for every project that gets GPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.io.exporting.objects import GPU, OWNER, PLAN, POOL, Cluster, fingerprint, meta, unnamed
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.yamls import Object, documents

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

QUOTA = "kalloc"
"""The name of the quota in the namespace of a project."""
NODES, NAMESPACES, SCRIPT = "node-labels.yaml", "namespaces.yaml", "apply.sh"

HEAD = """\
#!/bin/sh
# Hand a plan over to the cluster that kubectl talks to. Run it again after every new plan.
set -eu
cd -- "$(dirname -- "$0")"
apply() { kubectl apply --server-side --force-conflicts --field-manager=kalloc -f "$1"; }

# Ends here where the cluster has not all of the nodes: applying would make the missing ones.
kubectl get -f node-labels.yaml -o name > /dev/null
"""
LOOK = """
# Ends here where one of the namespaces is there and nobody has handed it over.
theirs=$(kubectl get namespaces -l '!kalloc/plan' -o name)
while read -r name; do
    if printf '%s\\n' "$theirs" | grep -qFx "namespace/$name"; then
        echo "namespace $name is there already: to hand it over, label it kalloc/plan=none" >&2
        exit 1
    fi
done << 'END'
NAMES
END
"""
LABEL = """
apply node-labels.yaml
"""
GRANT = """\
apply namespaces.yaml

# Projects of earlier plans that get nothing any more.
kubectl get namespaces -l 'kalloc/plan,kalloc/plan notin (none,PLAN)' -o name | while read -r namespace; do
    kubectl --namespace "${namespace#namespace/}" patch resourcequota kalloc --type merge \\
        --patch '{"spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}'
done
"""


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return the labels of nodes, namespaces and quotas where there is a plan, and the script that applies them."""
    cluster = Cluster(instance, plan)
    files = {NODES: documents(_node(metadata) for metadata in cluster.node_metadata())}
    script = HEAD + LABEL
    if plan is not None:
        files[NAMESPACES] = documents(_namespaces(cluster, plan))
        names = "".join(f"{name}\n" for name in cluster.projects.made.values())
        script = HEAD + LOOK.replace("NAMES\n", names) + LABEL + GRANT.replace("PLAN", fingerprint(plan))
    files[SCRIPT] = script.encode()
    return named(files, unnamed(instance), cluster.nodes, cluster.pools, cluster.projects, *cluster.values.values())


def _node(metadata: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def _namespaces(cluster: Cluster, plan: Plan) -> Iterator[Object]:
    gpus: Counter[str] = Counter()
    for grant in plan.grants:
        gpus[grant.project] += grant.gpus
    pools = {grant.project: grant.pool for grant in plan.grants}
    mark = fingerprint(plan)
    for project, total in gpus.items():
        if total:
            name = cluster.projects("project", project)
            labels = {PLAN: mark, POOL: cluster.values[OWNER]("pool", pools[project])}
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name, project, labels)}
            metadata = {**meta(QUOTA), "namespace": name}
            spec = {"hard": {f"requests.{GPU}": str(total)}}
            yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}
