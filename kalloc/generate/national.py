"""The recipe ``national``: nine families of instances of any size that are hard in different ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count as numbers
from random import Random

from kalloc.errors import Defect, InstanceError
from kalloc.generate.draw import Law, blend, even, fill
from kalloc.generate.hardware import (
    FABRIC,
    HIERARCHY,
    KINDS,
    Rack,
    Shape,
    break_down,
    fabric_sizes,
    free_gpus,
    lay,
    units,
)
from kalloc.instance import Hierarchy, Instance, Placed, Pool, Project, Request
from kalloc.instance.hints import nearest

NAME = "national"
ROOT = "nation"
BACKGROUND = "background"
FABRICS_PER_SITE = 16
DOWN = 0.015
MOST_NODES = 4_000_000

NVL_HIERARCHY = Hierarchy(
    levels=("site", "fabric", "su", "nvlink"),
    weights={"site": 1000, "fabric": 100, "su": 10, "nvlink": 20, "node": 10},
)
"""A rack is one NVLink domain, so leaving it costs more than leaving the unit."""
NVL = Shape(units=8, racks=8, nodes=18, spare=0, gpus=4)

LARGE = even((48, 64, 96, 128, 192))
MIXED = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32),
        (0.30, 0.17, 0.06, 0.13, 0.03, 0.05, 0.09, 0.03, 0.03, 0.05, 0.02, 0.02, 0.02),
        strict=True,
    )
)
"""Sizes in nodes, mostly 1 to 8."""

Busy = Callable[[Random, list[Rack]], list[Placed]]


def idle(rng: Random, racks: list[Rack]) -> list[Placed]:
    """Nothing runs."""
    return []


def half_per_unit(rng: Random, racks: list[Rack]) -> list[Placed]:
    """About half of the nodes are wholly busy; how many differs from unit to unit."""
    placed = []
    for unit in units(racks).values():
        nodes = [(name, rack.gpus) for rack in unit for name in rack.up]
        share = min(1.0, max(0.0, rng.gauss(0.5, 0.25)))
        busy = rng.sample(nodes, round(share * len(nodes)))
        placed += [_background(name, gpus) for name, gpus in sorted(busy)]
    return placed


def half_of_nodes(rng: Random, racks: list[Rack]) -> list[Placed]:
    """Half of the nodes have some of their GPUs taken, any number from one to all."""
    nodes = [(name, rack.gpus) for rack in racks for name in rack.up]
    return [_background(name, rng.randint(1, gpus)) for name, gpus in sorted(rng.sample(nodes, len(nodes) // 2))]


def _background(node: str, gpus: int) -> Placed:
    return Placed(project=BACKGROUND, node=node, gpus=gpus, movable=False, source=SOURCE)


@dataclass(frozen=True)
class Family:
    """What makes a family: what runs already, which sizes are asked, and how much of what is free."""

    sizes: Mapping[int, float]
    asked: float
    """Share of the free GPUs of every owner and kind that its projects ask together."""
    busy: Busy = idle
    in_nodes: bool = True
    """Sizes count nodes; otherwise GPUs."""
    owners: tuple[str, ...] = (ROOT,)
    kinds: tuple[str, ...] = ("H200",)
    shape: Shape = FABRIC
    hierarchy: Hierarchy = HIERARCHY


CAPS = blend((0.99, even((4, 8, 16, 32))), (0.01, LARGE))
TIGHT = blend((0.99, even(range(9, 28))), (0.01, LARGE))

FAMILIES: dict[str, Family] = {
    "fresh": Family(blend((0.99, MIXED), (0.01, LARGE)), asked=0.95),
    "tight": Family(TIGHT, asked=1.0),
    "caps": Family(CAPS, asked=0.95),
    "fragmented": Family(CAPS, asked=0.95, busy=half_per_unit),
    "scattered": Family(TIGHT, asked=0.95, busy=half_per_unit),
    "partial": Family(
        even(tuple(size for size in range(1, 41) if size % 8)), asked=0.9, busy=half_of_nodes, in_nodes=False
    ),
    "owners": Family(CAPS, asked=0.95, busy=half_per_unit, owners=tuple(f"owner{i}" for i in range(1, 6))),
    "kinds": Family(CAPS, asked=1.0, kinds=("H200", "B200")),
    "nvl": Family(
        {trays: 1 / trays for trays in range(1, 145)},
        asked=0.98,
        kinds=("GB200",),
        shape=NVL,
        hierarchy=NVL_HIERARCHY,
    ),
}

SOURCE = "A: synthetic, recipe national"


def build(seed: int = 0, family: str = "fresh", nodes: int = 4096) -> Instance:
    """Make an instance of a family.

    Every project asks one fixed amount and has merit 1. ``nodes`` counts all nodes, those that are down included.
    """
    _check(family, nodes)
    rng = Random(f"{NAME} {family} {nodes} {seed}")
    made = FAMILIES[family]
    racks = break_down(rng, _racks(made, nodes), DOWN)
    placed = made.busy(rng, racks)
    asks = _asks(rng, made, free_gpus(racks, placed))
    projects, requests = _projects(made, asks)
    return Instance(
        name=f"{NAME}-{family}-{nodes}-{seed}",
        title=f"Synthetic nation of {nodes} nodes, family {family}, seed {seed}",
        hierarchy=made.hierarchy,
        kinds=tuple(KINDS[kind] for kind in made.kinds),
        pools=_pools(made),
        inventory=tuple(row for rack in racks for row in rack.rows()),
        projects=projects,
        requests=requests,
        placed=tuple(placed),
    )


def _check(family: str, nodes: int) -> None:
    defects = []
    if family not in FAMILIES:
        defects.append(Defect("recipe", None, "family", f"unknown family {family!r}; {nearest(family, FAMILIES)}"))
    if not isinstance(nodes, int) or isinstance(nodes, bool) or not 1 <= nodes <= MOST_NODES:
        message = f"nodes must be a whole number from 1 to {MOST_NODES}, not {nodes!r}"
        defects.append(Defect("recipe", None, "nodes", message))
    if defects:
        raise InstanceError(defects)


def _pools(family: Family) -> tuple[Pool, ...]:
    root = Pool(pool=ROOT, source=SOURCE)
    below = (Pool(pool=owner, parent=ROOT, source=SOURCE) for owner in family.owners if owner != ROOT)
    return (root, *below)


def _racks(family: Family, nodes: int) -> list[Rack]:
    """Lay every owner's nodes of every kind in fabrics of their own, sites filled in that order."""
    parts = [(owner, kind) for owner in family.owners for kind in family.kinds]
    racks: list[Rack] = []
    fabric = numbers()
    for index, (owner, kind) in enumerate(parts):
        share = nodes * (index + 1) // len(parts) - nodes * index // len(parts)
        like = Rack(path=(), kind=kind, owner=owner, nodes=0, gpus=0, source=SOURCE)
        for size in fabric_sizes(share, family.shape):
            site, number = divmod(next(fabric), FABRICS_PER_SITE)
            racks += lay((f"site{site + 1}", f"f{number + 1}"), size, like, family.shape)
    return racks


def _asks(rng: Random, family: Family, free: dict[tuple[str, str], int]) -> list[tuple[str, str, int]]:
    """Draw what is asked as owner, kind and GPUs, in random order."""
    unit = family.shape.gpus if family.in_nodes else 1
    law = Law(family.sizes)
    asks = [
        (owner, kind, size * unit)
        for (owner, kind), gpus in free.items()
        for size in fill(rng, law, int(family.asked * (gpus // unit)))
    ]
    rng.shuffle(asks)
    return asks


def _projects(family: Family, asks: list[tuple[str, str, int]]) -> tuple[tuple[Project, ...], tuple[Request, ...]]:
    """Name the projects. With several kinds every third takes either, for one amount."""
    projects, requests = [], []
    for number, (owner, drawn, gpus) in enumerate(asks, 1):
        name = f"p{number:06}"
        projects.append(Project(project=name, pool=owner, source=SOURCE))
        kinds = family.kinds if number % 3 == 0 else (drawn,)
        requests += [Request(project=name, kind=kind, min=gpus, max=gpus, source=SOURCE) for kind in kinds]
    return tuple(projects), tuple(requests)
