"""What was decided: who gets how much and where it sits; and what was proven of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Termination(StrEnum):
    """Why a solve ended."""

    OPTIMAL = "optimal"
    GAP_REACHED = "gap_reached"
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"
    ERROR = "error"


class Solution(StrEnum):
    """What is known of the plan: ``proven`` when value and bound meet on every tier, for every plan as good."""

    PROVEN = "proven"
    FEASIBLE = "feasible"
    NONE = "none"


@dataclass(frozen=True, order=True)
class Grant:
    """GPUs of one kind that a project asked for, and what it gets: a row of allocations.csv."""

    project: str
    pool: str
    kind: str
    gpus: int
    requested_min: int
    requested_max: int
    reason: str
    """Why this much and not more: a stable code."""
    sentence: str = ""
    """The same in English, with figures."""
    sentence_ko: str = ""
    """The same in Korean."""


@dataclass(frozen=True, order=True)
class Seat:
    """GPUs of a project on one node: a row of placements.csv. ``path`` has one name per level, coarse to fine."""

    project: str
    kind: str
    path: tuple[str, ...]
    node: str
    gpus: int


@dataclass(frozen=True)
class Plan:
    """An allocation and its placement. Grants are in the order of requests.csv, seats by project and node."""

    instance_name: str
    instance_sha256: str
    levels: tuple[str, ...]
    """The levels of the topology, coarse to fine, without ``node``."""
    grants: tuple[Grant, ...]
    seats: tuple[Seat, ...]

    @cached_property
    def allocations(self) -> pd.DataFrame:
        """The columns of allocations.csv, one row per request."""
        import pandas as pd

        columns = list(Grant.__dataclass_fields__)
        return pd.DataFrame([[getattr(row, name) for name in columns] for row in self.grants], columns=columns)

    @cached_property
    def placements(self) -> pd.DataFrame:
        """The columns of placements.csv, one row per project and node."""
        import pandas as pd

        columns = ["project", "kind", *self.levels, "node", "gpus"]
        rows = [[seat.project, seat.kind, *seat.path, seat.node, seat.gpus] for seat in self.seats]
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class Progress:
    """What is known while a solve goes on: value and bound of the tier that ``stage`` works on."""

    stage: str
    """``allocate``, ``place`` or ``bound``."""
    seconds: float
    """Since the start of the solve."""
    incumbent: float | None
    bound: float | None


@dataclass(frozen=True)
class TierResult:
    """Value of one tier and the bound proven on it.

    ``given`` is None when the bound holds for every plan that is as good on the earlier tiers, and
    ``"allocation"`` when it holds only for the allocation that they chose.
    """

    name: str
    value: float
    bound: float | None
    given: str | None
    profile: tuple[tuple[float, int], ...] = ()
    """Of a tier of many values: each of them from the first on, and how often it is there."""
    complete: bool = True
    """Of a tier of many values: whether all of them are proven, not the first alone."""
    profile_gap: float | None = None
    """Of a tier of many values: the largest relative gap of any of them, where each has a bound."""

    @property
    def gap(self) -> float | None:
        """|value − bound| / max(1, |value|), or None without a bound."""
        if self.bound is None:
            return None
        return abs(self.value - self.bound) / max(1.0, abs(self.value))

    def summary(self) -> dict[str, Any]:
        """Return the tier as the summary has it; the profile only where there is one."""
        entry = {"name": self.name, "value": self.value, "bound": self.bound, "gap": self.gap, "given": self.given}
        if not self.profile:
            return entry
        return entry | {"profile": [list(pair) for pair in self.profile], "profile_gap": self.profile_gap}


@dataclass(frozen=True)
class LevelResult:
    """Spans of all projects at one level, the spans they need, and the fewest proven possible."""

    spans: int
    need: int
    bound: int | None


@dataclass(frozen=True)
class Result:
    """A verified plan with what was proven of it, how the solve ended and what it took."""

    plan: Plan
    termination: Termination
    solution: Solution
    tiers: tuple[TierResult, ...]
    levels: dict[str, LevelResult]
    fragmentation: int
    fragmentation_bound: int | None
    instance: dict[str, Any]
    """name, sha256 and the numbers of GPUs, nodes and projects of the instance."""
    gpus: dict[str, int]
    """GPUs available, requested and allocated."""
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mib: int = 0
    slots: tuple[Mapping[str, Any], ...] = ()
    """The rows of slots.csv: see :func:`kalloc.slots.slots`."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """The largest free block of every level and kind: see :func:`kalloc.slots.blocks`."""
    block_costs: tuple[Mapping[str, Any], ...] = ()
    """The rows of blocks.csv: see :func:`kalloc.slots.block_costs`."""
    sees_three_levels: bool = False
    """Whether the bound of fragmentation is more than single levels and pairs of them prove."""
    curve: tuple[tuple[float, int, int | None], ...] = ()
    """Seconds since the start, fragmentation score and bound, each time that something better was known."""
    certificate: Mapping[str, Any] | None = None
    """What certificate.json holds, but for the hash of plan.json: see :func:`kalloc.certify.certify`."""

    @property
    def certified(self) -> dict[str, int] | None:
        """How many bounds there are, and for how many the certificate has a proof; None without a certificate."""
        if self.certificate is None:
            return None
        entries = [*self.certificate["tiers"].values(), *self.certificate["levels"].values()]
        bounds = [entry for entry in entries if entry["bound"] is not None]
        return {"bounds": len(bounds), "certified": sum(entry["proof"] is not None for entry in bounds)}

    @cached_property
    def anytime(self) -> pd.DataFrame:
        """The curve as a table of ``seconds``, ``score`` and ``bound``, the bound missing where none was known yet."""
        import pandas as pd

        frame = pd.DataFrame(list(self.curve), columns=["seconds", "score", "bound"])
        return frame.astype({"seconds": "float64", "score": "int64", "bound": "Int64"})

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints: see the reference of the plan."""
        tiers = [tier.summary() for tier in self.tiers]
        levels = {
            name: {"spans": level.spans, "need": level.need, "bound": level.bound}
            for name, level in self.levels.items()
        }
        return {
            "instance": dict(self.instance),
            "termination": str(self.termination),
            "solution": str(self.solution),
            "verified": True,
            "tiers": tiers,
            "gpus": dict(self.gpus),
            "fragmentation": {"score": self.fragmentation, "bound": self.fragmentation_bound, "levels": levels},
            "slots": [dict(row) for row in self.slots],
            "blocks": [dict(row) for row in self.blocks],
            "certified": self.certified,
            "seconds": dict(self.seconds),
            "peak_memory_mib": self.peak_memory_mib,
            "curve": [dict(zip(("seconds", "score", "bound"), point, strict=True)) for point in self.curve],
        }

    def _repr_html_(self) -> str:
        """Return what Jupyter shows of the result: how the solve ended, who gets what, and what is proven."""
        import pandas as pd

        known = self.summary()
        head = f"{known['instance']['name']}: termination {self.termination}, solution {self.solution}, verified"
        gpus = ", ".join(f"{count:,} {what}" for what, count in self.gpus.items())
        pools = self.plan.allocations.groupby("pool", sort=False)["gpus"].sum().reset_index()
        levels = pd.DataFrame.from_dict(known["fragmentation"]["levels"], orient="index").rename_axis("level")
        tiers = pd.DataFrame([{**tier, "given": tier["given"] or "nothing"} for tier in known["tiers"]])
        tables = (pools, tiers, levels.astype("Int64").reset_index())
        shown = "\n".join(table.to_html(index=False, na_rep="–", float_format="{:,.10g}".format) for table in tables)
        return f"<p><strong>{escape(head)}</strong><br>GPUs: {escape(gpus)}</p>\n{shown}"
