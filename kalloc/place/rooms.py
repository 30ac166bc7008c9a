"""What seats there are: zones of nodes that serve the same projects, and the room of every node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import ALL_KINDS, Instance, Topology
from kalloc.place.power import Grid, Meter, meters_of
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
    meters: tuple[int, ...] = ()
    """The limits on power that the nodes are under."""
    watts: Fraction = Fraction(0)
    """What a GPU in use draws, where the nodes are under any."""


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
    occupied: NDArray[np.bool_]
    """Nodes where background or a project keeps GPUs, shape (nodes,)."""
    closed: NDArray[np.bool_]
    """Nodes of domains that a project keeps for itself by what it keeps there, shape (nodes,)."""
    unlimited: Ids
    """The room of each node but for limits on power, shape (nodes,)."""
    meters: tuple[Meter, ...]
    """The limits on power that bind over whole zones."""
    overdrawn: tuple[str, ...]
    """What says of other limits on power that nothing can meet them."""
    zone_room: tuple[int, ...]
    """Free GPUs of each zone."""

    @classmethod
    def of(cls, instance: Instance) -> Rooms:
        """Sort the nodes of an instance into zones and take off what does not move."""
        topology = instance.topology
        room, occupied = _left(instance)
        grid = Grid(instance, room)
        asking = frozenset(row.pool for row in instance.projects)
        zone, zones = _zones(instance, asking, grid)
        lessened = grid.lessened()
        counted = lessened if grid.even(zone) else room
        tree = instance.pool_tree
        lenders = frozenset().union(*(zone.lenders for zone in zones))
        outsiders = {lender: asking - tree.below[lender[0]] for lender in sorted(lenders)}
        used = zone >= 0
        totals = np.bincount(zone[used], weights=counted[used], minlength=len(zones))
        return cls(
            topology=topology,
            zones=zones,
            zone=zone,
            room=lessened,
            stays=instance.stays,
            outsiders=outsiders,
            lend={key: tree.quotas[key].lend - _kept(instance, key, outsiders[key]) for key in outsiders},
            occupied=occupied,
            closed=_closed(instance),
            unlimited=room,
            meters=grid.meters,
            overdrawn=grid.overdrawn,
            zone_room=tuple(int(total) for total in totals),
        )

    @cached_property
    def relaxed(self) -> Rooms:
        """The same without limits on power: what bounds of the placement are proven of."""
        return self if self.unlimited is self.room else replace(self, room=self.unlimited)

    @cached_property
    def metered(self) -> tuple[tuple[int, ...], ...]:
        """Per meter the zones under it."""
        under = [zone.meters for zone in self.zones]
        return tuple(
            tuple(z for z, numbers in enumerate(under) if number in numbers) for number in range(len(self.meters))
        )

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
        return self._zones_for.get((pool, kind), frozenset())

    @cached_property
    def _zones_for(self) -> Mapping[tuple[str, str], Zones]:
        found: dict[tuple[str, str], set[int]] = {}
        for number, zone in enumerate(self.zones):
            for pool in zone.pools:
                found.setdefault((pool, zone.kind), set()).add(number)
        return {who: frozenset(zones) for who, zones in found.items()}


def _left(instance: Instance) -> tuple[Ids, NDArray[np.bool_]]:
    """Return the GPUs of each node that nobody keeps, and the nodes where somebody does."""
    room = instance.topology.gpus.copy()
    occupied = np.zeros(len(room), dtype=bool)
    for nodes in (instance.background, *instance.stays.values()):
        for node, gpus in nodes.items():
            room[node] -= gpus
            occupied[node] = True
    return np.maximum(room, 0), occupied


def _closed(instance: Instance) -> NDArray[np.bool_]:
    closed = np.zeros(instance.topology.node_count, dtype=bool)
    for project, nodes in instance.stays.items():
        for shape in instance.policy.shapes_of.get(project, ()):
            if shape.shape == "exclusive":
                domain = instance.topology.domain[instance.policy.level(shape)]
                closed |= np.isin(domain, domain[list(nodes)])
    return closed


def _zones(instance: Instance, asking: frozenset[str], grid: Grid) -> tuple[Ids, tuple[Zone, ...]]:
    """Return the zone of each node, and the zones."""
    topology = instance.topology
    shared = {key: _served(instance, asking, *key) for key in {(row.owner, row.kind) for row in topology.groups}}
    under = meters_of(grid)
    ids: dict[Zone, int] = {}
    found: dict[tuple[int, tuple[int, ...]], int] = {}
    zone = np.full(topology.node_count, -1, dtype=np.int64)
    group, gpus = topology.group.tolist(), topology.gpus.tolist()
    for node in range(topology.node_count):
        if gpus[node] == 0:
            continue
        key = (group[node], under.get(node, ()))
        if key not in found:
            row = topology.groups[group[node]]
            pools, lenders = shared[row.owner, row.kind]
            watts = grid.watts(node) if key[1] else Fraction(0)
            found[key] = ids.setdefault(Zone(row.kind, pools, lenders, key[1], watts), len(ids)) if pools else -1
        zone[node] = found[key]
    return zone, tuple(ids)


def _served(
    instance: Instance, asking: frozenset[str], owner: str, kind: str
) -> tuple[frozenset[str], frozenset[Lender]]:
    """Return the pools that nodes of an owner and a kind serve, and the quota rows that limit outsiders there."""
    tree = instance.pool_tree
    covering = [(above, of) for above in tree.line(owner) for of in (kind, ALL_KINDS) if (above, of) in tree.quotas]
    shut = [tree.below[row[0]] for row in covering if tree.quotas[row].lend == 0]
    pools = frozenset(
        pool for pool in asking if tree.serves(owner, pool, kind) and all(pool in insiders for insiders in shut)
    )
    return pools, frozenset(row for row in covering if pools - tree.below[row[0]])


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
