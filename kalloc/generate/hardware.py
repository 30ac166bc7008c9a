"""Racks in units in fabrics: how a number of nodes is laid out, which of them are down, and what runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count as numbers
from random import Random
from typing import Literal

from kalloc.instance import Hierarchy, Kind, NodeGroup, Placed


@dataclass(frozen=True)
class Shape:
    """How a full fabric is built. ``spare`` nodes of its last rack give their ports to the fabric manager."""

    units: int = 8
    racks: int = 8
    """Racks of a unit."""
    nodes: int = 4
    """Nodes of a rack."""
    spare: int = 1
    gpus: int = 8
    """GPUs of a node."""

    @property
    def size(self) -> int:
        """Nodes of a full fabric."""
        return self.units * self.racks * self.nodes - self.spare


FABRIC = Shape()
"""255 nodes: 8 scalable units of 32 nodes less one, in racks of 4."""


HIERARCHY = Hierarchy(
    levels=("site", "fabric", "su", "rack"),
    weights={"site": 1000, "fabric": 100, "su": 10, "rack": 1, "node": 10},
)
"""The levels of such fabrics, and what one domain more than needed costs at each."""


@dataclass(frozen=True)
class Rack:
    """Nodes of one kind and owner at one place; the last ``down`` of them are down."""

    path: tuple[str, ...]
    kind: str
    owner: str
    nodes: int
    gpus: int
    source: str = ""
    down: int = 0

    @property
    def up(self) -> list[str]:
        """Names of the nodes that are up, as an instance names nodes that have no name of their own."""
        place = "/".join(self.path)
        return [f"{place}/n{number}" for number in range(1, self.nodes - self.down + 1)]

    def rows(self) -> Iterator[NodeGroup]:
        """Yield the inventory rows of the rack."""
        states: tuple[tuple[int, Literal["up", "down"]], ...] = ((self.nodes - self.down, "up"), (self.down, "down"))
        for count, state in states:
            if count:
                yield NodeGroup(
                    path=self.path,
                    count=count,
                    kind=self.kind,
                    gpus=self.gpus,
                    owner=self.owner,
                    state=state,
                    source=self.source,
                )


def fabric_sizes(nodes: int, shape: Shape = FABRIC) -> list[int]:
    """Split a number of nodes into full fabrics and one that takes the rest."""
    full, rest = divmod(nodes, shape.size)
    return [shape.size] * full + [rest] * (rest > 0)


def lay(fabric: tuple[str, ...], nodes: int, like: Rack, shape: Shape = FABRIC) -> Iterator[Rack]:
    """Yield the racks of one fabric of some nodes, unit by unit, each rack full but the last."""
    for number in numbers():
        taken = number * shape.nodes
        if taken >= nodes:
            return
        unit, rack = divmod(number, shape.racks)
        path = (*fabric, f"su{unit + 1}", f"r{rack + 1}")
        yield replace(like, path=path, nodes=min(shape.nodes, nodes - taken), gpus=shape.gpus)


def break_down(rng: Random, racks: list[Rack], share: float) -> list[Rack]:
    """Take a share of the nodes down, drawn evenly from all of them."""
    rack_of = [index for index, rack in enumerate(racks) for _ in range(rack.nodes)]
    down = [0] * len(racks)
    for index in rng.sample(rack_of, round(share * len(rack_of))):
        down[index] += 1
    return [replace(rack, down=count) if count else rack for rack, count in zip(racks, down, strict=True)]


def units(racks: Iterable[Rack]) -> dict[tuple[str, ...], list[Rack]]:
    """Group racks by the scalable unit that holds them, in order."""
    found: dict[tuple[str, ...], list[Rack]] = {}
    for rack in racks:
        found.setdefault(rack.path[:-1], []).append(rack)
    return found


def free_gpus(racks: Iterable[Rack], placed: Iterable[Placed]) -> dict[tuple[str, str], int]:
    """Count the free GPUs of every owner and kind, where at most one row is placed on a node."""
    taken = {row.node: row.gpus for row in placed}
    free: dict[tuple[str, str], int] = {}
    for rack in racks:
        part = (rack.owner, rack.kind)
        free[part] = free.get(part, 0) + sum(rack.gpus - taken.get(name, 0) for name in rack.up)
    return free


KINDS = {
    "H200": Kind(kind="H200", performance=1, memory_gb=141, watts=1275, source="H: 141 GB; D: 10.2 kW a node / 8"),
    "B200": Kind(
        kind="B200",
        performance=2.25,
        memory_gb=180,
        watts=1788,
        source="M: 2.25 H200 (MSIT); H: 180 GB; D: 14.3 kW a node / 8",
    ),
    "B300": Kind(
        kind="B300", performance=2.5, memory_gb=288, watts=1900, source="A: performance, memory and power assumed"
    ),
    "RTX PRO 6000": Kind(
        kind="RTX PRO 6000",
        performance=0.75,
        memory_gb=96,
        watts=900,
        source="A: performance, memory and power assumed",
    ),
    "GB200": Kind(
        kind="GB200",
        performance=2.5,
        memory_gb=186,
        watts=1667,
        source="A: performance; H: 186 GB; D: 120 kW a rack / 72",
    ),
}
"""The accelerators that recipes use, by name."""
