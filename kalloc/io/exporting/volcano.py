"""Volcano: the topology as HyperNodes, the finest level at tier 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalloc.io.exporting.domains import Domain, titles, tree
from kalloc.io.exporting.names import DNS_NAME, fit
from kalloc.io.exporting.objects import Cluster, meta, unnamed
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.yamls import Object, documents

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

API = "topology.volcano.sh/v1alpha1"


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return hypernodes.yaml; what a plan says has no place in it."""
    cluster, topology = Cluster(instance, None), instance.topology
    domains, loose = tree(topology)
    keys = [("domain", title) for title in titles(domains)]
    names = fit(DNS_NAME, keys)
    name = {domain.path: names(*key) for domain, key in zip(domains, keys, strict=True)}

    def hypernode(domain: Domain) -> Object:
        members = [_member("HyperNode", name[below.path]) for below in domain.below]
        members += [_member("Node", cluster.nodes("node", topology.names[node])) for node in domain.nodes]
        tier = len(instance.hierarchy.levels) - domain.level
        spec = {"tier": tier, "tierName": instance.hierarchy.levels[domain.level], "members": members}
        metadata = meta(name[domain.path], domain.path[-1])
        return {"apiVersion": API, "kind": "HyperNode", "metadata": metadata, "spec": spec}

    notes = [f"nodes in no domain: {len(loose):,}; no HyperNode holds them"] if loose else []
    files = {"hypernodes.yaml": documents(hypernode(domain) for domain in reversed(domains))}
    return named(files, (*notes, *unnamed(instance)), names, cluster.nodes)


def _member(kind: str, name: str) -> Object:
    return {"type": kind, "selector": {"exactMatch": {"name": name}}}
