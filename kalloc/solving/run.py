"""What one solve knows on its way: its input and limits, and what was decided so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kalloc.allocate.decode import Granted, bundles_of
from kalloc.allocate.lexicographic import Settled
from kalloc.allocate.model import Allocation
from kalloc.instance import Instance
from kalloc.place.seating import Seats
from kalloc.plan import Progress
from kalloc.solver import Limits
from kalloc.verify import Needs

JOINT_NODES = 3_000
"""Up to so many nodes, all tiers may be decided in one exact model."""


@dataclass
class Run:
    """One solve: its input, its limits and what is known so far."""

    instance: Instance
    limits: Limits
    on_progress: Callable[[Progress], None] | None
    explains: bool = True
    """Whether it is found out why no plan can exist, where none can."""
    hedges: bool = False
    """Whether a plan to fall back on is made before tiers that may take long."""
    early: Decision | None = None
    """That plan."""
    needs: Needs = field(init=False)
    """Made once: it remembers what it has computed."""
    started: float = field(default_factory=time.monotonic)
    cut_short: bool = False
    """Whether a step ended at its share of the time."""
    seconds: dict[str, float] = field(default_factory=dict)
    curve: list[tuple[float, int, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.needs = Needs(self.instance)

    @property
    def large(self) -> bool:
        """Whether the instance has too many nodes for one exact model."""
        return self.instance.topology.node_count > JOINT_NODES

    def needed(self, granted: Granted) -> dict[str, tuple[int, ...]]:
        """Return the domains, per level, that each served project needs."""
        return {project: self.needs.of(project, bundle) for project, bundle in bundles_of(granted).items()}

    def share(self, part: float) -> Limits:
        """Return limits that leave a step only a part of the time that is left."""
        return replace(self.limits, deadline=time.monotonic() + part * self.limits.seconds)

    def tell(self, stage: str, incumbent: float | None, bound: float | None) -> None:
        """Report progress to whoever asked for it."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, time.monotonic() - self.started, incumbent, bound))

    def record(self, score: int, bound: int | None) -> None:
        """Keep a point of the anytime curve of fragmentation."""
        self.curve.append((time.monotonic() - self.started, score, bound))
        self.tell("place", score, bound)


@dataclass(frozen=True)
class Allocated:
    """An allocation that was decided with seats only counted: what its tiers came to bounds every plan."""

    allocation: Allocation
    granted: Granted
    settled: list[Settled]
    rows: int
    size: int
    """Rows and variables of the model before any tier was settled."""


@dataclass(frozen=True)
class Decision:
    """Who gets what and sits where, and what its tiers came to: their bounds hold for every plan."""

    granted: Granted
    seats: Seats
    settled: list[Settled]
