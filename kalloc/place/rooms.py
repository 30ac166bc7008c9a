"""What seats there are: zones of nodes that serve the same projects, and the room of every node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kalloc.instance import ALL_KINDS, Instance, Topology
from kalloc.solver import Ids

Lender = tuple[str, str]
"""Key of a quota row: pool and kind (or ``*``)."""
Zones = frozenset[int]


@dataclass(frozen=True)
class Zone:
    """Nodes that the rules cannot tell apart: one kind, serving the same pools, under the same lending limits."""

    kind: str
    pools: frozenset[str]
    """Pools with projects that the nodes serve."""
    lenders: frozenset[Lender]
    """Quota rows whose lend limits what some of these pools, as outsiders, use here."""


@dataclass(frozen=True)
class Rooms:
    """Free seats of an instance, before any project is seated anew."""

    topology: Topology
    zones: tuple[Zone, ...]
    zone: Ids
    """Zone of each node, −1 where the node is down or serves nobody, shape (nodes,)."""
    room: Ids
    """GPUs of each node that nobody keeps, shape (nodes,)."""
    stays: Mapping[str, Mapping[int, int]]
    """GPUs that projects keep: per project, by node."""
    outsiders: Mapping[Lender, frozenset[str]]
    """Per quota row that limits lending, the pools that are outsiders to it."""
    lend: Mapping[Lender, int]
    """GPUs that outsiders may still use, per quota row, after what they keep."""

    @classmethod
    def of(cls, instance: Instance) -> Rooms:
        """Sort the nodes of an instance into zones and take off what does not move."""
        topology = instance.topology
        asking = frozenset(row.pool for row in instance.projects)
        zone_of_pair, zones = _zones(instance, asking)
        pairs = [zone_of_pair.get((row.owner, row.kind), -1) for row in topology.groups]
        zone = np.array(pairs, dtype=np.int64)[topology.group]
        zone[topology.gpus == 0] = -1
        room = topology.gpus.copy()
        for node, gpus in instance.background.items():
            room[node] -= gpus
        for seats in instance.stays.values():
            for node, gpus in seats.items():
                room[node] -= gpus
        room = np.maximum(room, 0)
        tree = instance.pool_tree
        lenders = frozenset().union(*(zone.lenders for zone in zones))
        outsiders = {lender: asking - tree.below[lender[0]] for lender in sorted(lenders)}
        lend = {lender: tree.quotas[lender].lend - _kept(instance, lender, outsiders[lender]) for lender in outsiders}
        return cls(topology, zones, zone, room, instance.stays, outsiders, lend)

    @cached_property
    def zone_room(self) -> tuple[int, ...]:
        """Free GPUs of each zone."""
        used = self.zone >= 0
        totals = np.bincount(self.zone[used], weights=self.room[used], minlength=len(self.zones))
        return tuple(int(total) for total in totals)

    @cached_property
    def node_gpus(self) -> tuple[int, ...]:
        """GPUs of a node of each zone: what most of its nodes have; 1 where all of them are down."""
        whole = self.topology.gpus
        counts = [np.bincount(whole[self.zone == zone], minlength=2) for zone in range(len(self.zones))]
        return tuple(max(1, int(count.argmax())) for count in counts)

    def above(self, fine: int, coarse: int) -> Ids:
        """Return the domain of a coarser level that each domain of a finer one lies in; 0 for the level −1."""
        domain = self.topology.domain
        found = np.zeros(self.topology.domain_count(fine), dtype=np.int64)
        found[domain[fine]] = domain[coarse] if coarse >= 0 else 0
        return found

    def open(self, zones: Zones) -> Ids:
        """Return the free GPUs of each node of some zones, 0 on every other node."""
        return np.where(np.isin(self.zone, sorted(zones)), self.room, 0)

    def zones_for(self, pool: str, kind: str) -> Zones:
        """Return the zones whose nodes may hold GPUs of a kind for projects of a pool."""
        return frozenset(z for z, zone in enumerate(self.zones) if zone.kind == kind and pool in zone.pools)


def _zones(instance: Instance, asking: frozenset[str]) -> tuple[dict[tuple[str, str], int], tuple[Zone, ...]]:
    tree = instance.pool_tree
    ids: dict[Zone, int] = {}
    zone_of_pair: dict[tuple[str, str], int] = {}
    for owner, kind in dict.fromkeys((row.owner, row.kind) for row in instance.inventory):
        covering = [(above, of) for above in tree.line(owner) for of in (kind, ALL_KINDS) if (above, of) in tree.quotas]
        shut = [tree.below[row[0]] for row in covering if tree.quotas[row].lend == 0]
        pools = frozenset(
            pool
            for pool in asking
            if tree.serves(owner, pool, kind) and all(pool in insiders for insiders in shut)
        )
        lenders = frozenset(row for row in covering if pools - tree.below[row[0]])
        if pools:
            zone_of_pair[owner, kind] = ids.setdefault(Zone(kind, pools, lenders), len(ids))
    return zone_of_pair, tuple(ids)


def _kept(instance: Instance, lender: Lender, outsiders: frozenset[str]) -> int:
    """GPUs that outsiders keep on the nodes of a lender."""
    pool, kind = lender
    total = 0
    for project, seats in instance.stays.items():
        if instance.project_of[project].pool in outsiders:
            for node, gpus in seats.items():
                row = instance.topology.row(node)
                if row.owner in instance.pool_tree.below[pool] and kind in (row.kind, ALL_KINDS):
                    total += gpus
    return total
