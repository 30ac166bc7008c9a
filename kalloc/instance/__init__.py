"""What there is and who asks: kinds, pools, topology, requests, what already runs; frozen and validated."""

from kalloc.instance.instance import Head, Hierarchy, Instance, Objective
from kalloc.instance.pools import ALL_KINDS, PoolTree
from kalloc.instance.rows import Cap, Kind, NodeGroup, Placed, Pool, Project, Quota, Request
from kalloc.instance.topology import NODE, Topology

__all__ = [
    "ALL_KINDS",
    "NODE",
    "Cap",
    "Head",
    "Hierarchy",
    "Instance",
    "Kind",
    "NodeGroup",
    "Objective",
    "Placed",
    "Pool",
    "PoolTree",
    "Project",
    "Quota",
    "Request",
    "Topology",
]
