"""What there is and who asks: kinds, pools, topology, requests, what already runs; frozen and validated."""

from kalloc.instance.instance import Head, Hierarchy, Instance
from kalloc.instance.objective import Objective, Tier
from kalloc.instance.policy_rows import Budget, Group, Guarantee, Limit, Power, Rate, Shape
from kalloc.instance.pools import ALL_KINDS, PoolTree
from kalloc.instance.rows import Cap, Kind, NodeGroup, Placed, Pool, Project, Quota, Request
from kalloc.instance.topology import NODE, Topology

__all__ = [
    "ALL_KINDS",
    "NODE",
    "Budget",
    "Cap",
    "Group",
    "Guarantee",
    "Head",
    "Hierarchy",
    "Instance",
    "Kind",
    "Limit",
    "NodeGroup",
    "Objective",
    "Placed",
    "Pool",
    "PoolTree",
    "Power",
    "Project",
    "Quota",
    "Rate",
    "Request",
    "Shape",
    "Tier",
    "Topology",
]
