"""Who asks in ``korea-260k``: projects of every owner, of which a few run already."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from kalloc.generate.draw import Law, fill
from kalloc.generate.hardware import Rack, free_gpus
from kalloc.instance import Cap, Placed, Project, Request

GPUS = 8
"""GPUs of a node."""
EITHER = 0.08
"""Share of projects that take either of two kinds."""
ANY = 0.02
"""Share of projects that take both, half of what they ask from each."""
ELASTIC = 0.10
"""Share of projects of two nodes and more that can also use half."""
IN_NODE, IN_UNIT, IN_FABRIC = 0.20, 0.04, 0.30
"""Share of projects that must sit in one domain: of those below a node, up to 24 nodes, and above 32."""
RUNNING = 0.02
"""Share of projects up to 16 nodes that run already; half of them stay."""
GRAPHICS = "RTX PRO 6000"
"""A kind that no project takes instead of another."""

SOURCE = "A: synthetic project"

TEAMS = (
    ("foundation-team-1", 512, "H: 512 B200, first half of 2026"),
    ("foundation-team-2", 512, "H: 512 B200, first half of 2026"),
    ("foundation-team-3", 768, "H: 768 B200, first half of 2026"),
    ("national-task-304", 304, "H: one national task got 304 B200"),
)
"""Projects that must be served, with their GPUs. The first stays where it is, the second may move."""

CAPS = (
    Cap(pool="sme-academic", kind="H200", gpus=256, source="H: 32 nodes a project"),
    Cap(pool="sme-academic", kind="B200", gpus=128, source="H: 16 nodes a project"),
    Cap(pool="sme-academic", kind="B300", gpus=128, source="A: as for B200"),
)

Part = tuple[str, str]
"""An owner and a kind."""


@dataclass(frozen=True)
class Applications:
    """The projects of one pool: on whose nodes they count, and what share of what is free there they ask."""

    pool: str
    owners: tuple[str, ...]
    asked: float
    law: Law


class Register:
    """Projects, their requests, and what those hold that run already; grows pool by pool."""

    def __init__(self, rng: Random, racks: list[Rack], background: list[Placed]) -> None:
        self.projects: list[Project] = []
        self.requests: list[Request] = []
        self.running: list[Placed] = []
        self._rng = rng
        self._free = free_gpus(racks, background)
        self._idle = _idle_nodes(racks, background)

    def add_teams(self) -> None:
        """Add the projects that must be served: the first runs and stays, the second runs and may move."""
        part = ("foundation-model", "B200")
        for number, (name, gpus, source) in enumerate(TEAMS):
            self.projects.append(
                Project(project=name, pool=part[0], merit=100, mandatory=True, source=f"{source}; A: merit")
            )
            self.requests.append(Request(project=name, kind=part[1], min=gpus, max=gpus, source=source))
            self._free[part] -= gpus
            if number < 2:
                self._run(name, part, gpus, movable=number == 1)

    def add(self, asks: Applications) -> None:
        """Draw the projects of a pool, kind by kind, until they ask its share of what is free."""
        by_kind: dict[str, int] = {}
        for (owner, kind), gpus in self._free.items():
            if owner in asks.owners:
                by_kind[kind] = by_kind.get(kind, 0) + gpus
        drawn = [
            (kind, gpus)
            for kind, free in by_kind.items()
            for gpus in fill(self._rng, asks.law, int(asks.asked * free) // GPUS * GPUS)
        ]
        self._rng.shuffle(drawn)
        for number, (kind, gpus) in enumerate(drawn, 1):
            others = [other for other in by_kind if other != kind and GRAPHICS not in (other, kind)]
            self._add(f"{asks.pool}-{number:04}", asks, kind, gpus, others)

    def _add(self, name: str, asks: Applications, kind: str, gpus: int, others: list[str]) -> None:
        """Add one project: of one kind, of either of two, or of both."""
        chance = self._rng.random()
        both = chance < ANY and bool(others) and gpus >= 2 * GPUS
        kinds = [kind, self._rng.choice(others)] if others and chance < ANY + EITHER else [kind]
        least = self._least(gpus)
        level = None if both else self._level(gpus)
        self.projects.append(
            Project(
                project=name,
                pool=asks.pool,
                merit=round(self._rng.triangular(40, 100, 72), 1),
                mix="any" if both else "one",
                level=level,
                source=SOURCE,
            )
        )
        if both:
            half = gpus // (2 * GPUS) * GPUS
            self.requests += [Request(project=name, kind=each, min=GPUS, max=half, source=SOURCE) for each in kinds]
            return
        self.requests += [Request(project=name, kind=each, min=least, max=gpus, source=SOURCE) for each in kinds]
        alone = len(kinds) == 1 and level is None and least == gpus
        if alone and gpus % GPUS == 0 and gpus <= 16 * GPUS and self._rng.random() < RUNNING:
            self._run(name, (asks.owners[0], kind), gpus, movable=self._rng.random() < 0.5)

    def _least(self, gpus: int) -> int:
        elastic = gpus >= 2 * GPUS and self._rng.random() < ELASTIC
        return gpus // (2 * GPUS) * GPUS if elastic else gpus

    def _level(self, gpus: int) -> str | None:
        """Draw the level that must hold a project of some GPUs whole, if any."""
        chance = self._rng.random()
        if gpus < GPUS:
            return "node" if chance < IN_NODE else None
        if 2 * GPUS <= gpus <= 24 * GPUS:
            return "su" if chance < IN_UNIT else None
        return "fabric" if gpus > 32 * GPUS and chance < IN_FABRIC else None

    def _run(self, name: str, part: Part, gpus: int, movable: bool) -> None:
        """Let a project run on idle nodes next to each other; without enough of them it does not run yet."""
        idle = self._idle.get(part, [])
        nodes = gpus // GPUS
        if len(idle) < nodes:
            return
        start = self._rng.randrange(len(idle) - nodes + 1)
        for node in idle[start : start + nodes]:
            self.running.append(
                Placed(project=name, node=node, gpus=GPUS, movable=movable, source="A: what runs is not public")
            )
        del idle[start : start + nodes]


def _idle_nodes(racks: list[Rack], background: list[Placed]) -> dict[Part, list[str]]:
    """List the nodes on which nothing runs, by owner and kind, neighbours next to each other."""
    taken = {row.node for row in background}
    idle: dict[Part, list[str]] = {}
    for rack in racks:
        idle.setdefault((rack.owner, rack.kind), []).extend(name for name in rack.up if name not in taken)
    return idle
