"""What plan.json and summary.json hold: the models that their schema, their reader and their reference come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kalloc.instance.objective import TierName
from kalloc.instance.rows import MAX_GPUS, Name

Count = Annotated[int, Field(ge=0, le=10**15)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanInstance(_Part):
    """The instance that a plan is for."""

    name: str = Field(description="Name of the instance.")
    sha256: str = Field(description="Fingerprint of its content; a plan fits no other.")


class Allocation(_Part):
    """GPUs of one kind that a project asked for, and what it gets."""

    project: Name = Field(description="The project.")
    pool: Name = Field(description="Its pool.")
    kind: Name = Field(description="The kind that it asked for.")
    gpus: Annotated[int, Field(ge=0, le=MAX_GPUS)] = Field(description="GPUs that it gets; 0 for none.")
    requested_min: Annotated[int, Field(ge=0, le=MAX_GPUS)] = Field(description="The fewest GPUs of use to it.")
    requested_max: Annotated[int, Field(ge=0, le=MAX_GPUS)] = Field(description="The most GPUs that it can use.")
    reason: str = Field(description="Why this much and not more: a stable code.")
    sentence: str = Field(description="The reason in English, with figures.")
    sentence_ko: str = Field(description="The reason in Korean, with figures.")


class Placement(BaseModel):
    """GPUs of a project on one node. Between `kind` and `node` stands one column per level, coarse to fine."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str]

    project: Name = Field(description="The project.")
    kind: Name = Field(description="The kind of the node's GPUs.")
    node: Name = Field(description="The node.")
    gpus: Annotated[int, Field(ge=1, le=MAX_GPUS)] = Field(description="GPUs of the project on the node.")


class SummaryInstance(PlanInstance):
    """The instance, and how large it is."""

    gpus: Count = Field(description="GPUs of all nodes, those that are down included.")
    nodes: Count = Field(description="Nodes, those that are down included.")
    projects: Count = Field(description="Projects that ask.")


class Tier(_Part):
    """The value that was reached on a tier, and what was proven of it."""

    name: TierName = Field(description="The tier.")
    value: Number = Field(description="What the plan reaches.")
    bound: Number | None = Field(description="Proven: no plan is better than this; null when nothing was proven.")
    gap: Number | None = Field(description="|value − bound| / max(1, |value|).")
    given: Literal["allocation"] | None = Field(
        description="null: the bound holds for every plan as good on the earlier tiers; "
        "`allocation`: only for the allocation that they chose."
    )
    profile: list[Pair] | None = Field(
        None, description="`fairness` with `maxmin`: each share, ascending, and how many have it."
    )
    profile_gap: Number | None = Field(
        default=None,
        description="Of the tier `fairness` with the rule `maxmin`: the largest relative gap of any share, given who "
        "has those before it; null when one of them has no bound.",
    )


class Gpus(_Part):
    """GPUs in all."""

    available: Count = Field(description="GPUs of nodes that are up, less background.")
    requested: Count = Field(description="The most GPUs that the projects could use.")
    allocated: Count = Field(description="GPUs that they get.")


class Level(_Part):
    """How scattered the projects are at one level."""

    spans: Count = Field(description="Domains that projects span, summed over projects.")
    need: Count = Field(description="The fewest that each would need alone, summed over projects.")
    bound: Count | None = Field(description="Proven: no placement spans fewer; null when nothing was proven.")


class Fragmentation(_Part):
    """The score of the placement and its parts."""

    score: Count = Field(description="Σ over projects and levels of (weight + prefer) · (spans − need).")
    bound: Count | None = Field(description="Proven: no placement scores less; null when nothing was proven.")
    levels: dict[str, Level] = Field(description="By level, coarse to fine, `node` last.")


class CurvePoint(_Part):
    """What was known of the fragmentation at one moment of the solve."""

    seconds: Number = Field(description="Since the start of the solve.")
    score: Count = Field(description="Fragmentation of the best seats so far.")
    bound: Count | None = Field(description="The best lower bound proven by then; null when nothing was proven.")


class Slot(_Part):
    """How many requests of one size fit whole at once, each in one domain of a level: a row of slots.csv."""

    level: Name = Field(description="The level.")
    kind: Name = Field(description="The kind.")
    gpus: Count = Field(description="The size: GPUs of one request.")
    before: Count = Field(description="Requests that fit beside nothing but background and what stays.")
    after: Count = Field(description="Requests that fit beside the plan.")


class Block(_Part):
    """The largest free block of a level and kind."""

    level: Name = Field(description="The level.")
    kind: Name = Field(description="The kind.")
    before: Count = Field(description="Free GPUs of the domain that has most, beside background and what stays.")
    after: Count = Field(description="Free GPUs of the domain that has most, beside the plan.")


class BlockCost(_Part):
    """What a project's place costs the largest free block of a level and kind: a row of blocks.csv."""

    project: Name = Field(description="The project.")
    level: Name = Field(description="The level.")
    kind: Name = Field(description="The kind.")
    gpus: Count = Field(description="GPUs by which the largest free block were larger without the project.")


class Certified(_Part):
    """How much of what is proven stands on more than the word of a solver."""

    bounds: Count = Field(description="Bounds of tiers and levels.")
    certified: Count = Field(description="Those that certificate.json proves.")


class PlanSummary(_Part):
    """What was reached and proven, without what differs from run to run."""

    instance: SummaryInstance = Field(description="The instance.")
    termination: Literal["optimal", "gap_reached", "time_limit", "interrupted", "infeasible", "error"] = Field(
        description="Why the solve ended."
    )
    solution: Literal["proven", "feasible", "none"] = Field(
        description="`proven`: value and bound meet on every tier, with `given` null."
    )
    verified: bool = Field(description="The plan passed the exact check.")
    tiers: list[Tier] = Field(description="In the order in which they were decided.")
    gpus: Gpus = Field(description="GPUs available, requested and allocated.")
    fragmentation: Fragmentation = Field(description="How scattered the projects are.")
    slots: list[Slot] = Field(description="How many requests of each size still fit: the rows of slots.csv.")
    blocks: list[Block] = Field(description="The largest free block of every level and kind.")


class Summary(PlanSummary):
    """summary.json, and what `--json` prints."""

    certified: Certified | None = Field(
        default=None, description="Bounds that the certificate proves; null where none was written."
    )
    seconds: dict[str, Number] = Field(
        description="Seconds to load, allocate, place, verify, certify, write, and in total."
    )
    peak_memory_mib: Count = Field(description="The most memory that the process and its workers held, in MiB.")
    curve: list[CurvePoint] = Field(
        default=[], description="The anytime curve: a point for each time that something better was known."
    )


class PlanFile(_Part):
    """plan.json: the whole plan in one document."""

    format: Literal[1] = Field(description="The version of this format.")
    instance: PlanInstance = Field(description="The instance that the plan is for.")
    levels: list[Name] = Field(description="Levels of the topology, coarse to fine, without `node`.")
    allocations: list[Allocation] = Field(description="The rows of allocations.csv.")
    placements: list[Placement] = Field(description="The rows of placements.csv.")
    summary: PlanSummary = Field(description="summary.json without times, memory, curve and certificate.")


RUN_ONLY = tuple(sorted(set(Summary.model_fields) - set(PlanSummary.model_fields)))
"""What differs from run to run: in summary.json, not in plan.json."""
