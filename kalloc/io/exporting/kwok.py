"""KWOK: nodes that are not there, to try a plan on a laptop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.io.exporting.objects import GPU, HOSTNAME, KIND, Cluster
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.yamls import Object, documents

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

FAKE = "kwok.x-k8s.io/node"
REST = {"cpu": "192", "memory": "2Ti", "pods": "110"}
"""What a node has beside GPUs, so that pods fit; an instance does not say it."""


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return nodes.yaml: nodes with the labels of the plan, tainted so that nothing real is bound to them."""
    cluster = Cluster(instance, plan)
    names = (cluster.nodes, cluster.hostnames, *cluster.values.values(), cluster.projects)
    return named({"nodes.yaml": documents(_nodes(cluster))}, (), *names)


def _nodes(cluster: Cluster) -> Iterator[Object]:
    topology = cluster.instance.topology
    for node, metadata in enumerate(cluster.node_metadata()):
        row = topology.row(node)
        metadata["labels"] |= {
            HOSTNAME: cluster.hostnames("node", metadata["name"]),
            "nvidia.com/gpu.product": metadata["labels"][KIND],
            "type": "kwok",
        }
        metadata["annotations"] = {FAKE: "fake", **metadata.get("annotations", {})}
        resources = {**REST, GPU: str(row.gpus)}
        spec: Object = {"taints": [{"key": FAKE, "value": "fake", "effect": "NoSchedule"}]}
        if row.state == "down":
            spec["unschedulable"] = True
        status = {"capacity": resources, "allocatable": resources}
        yield {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}
