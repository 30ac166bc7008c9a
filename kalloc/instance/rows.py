"""The rows of an instance's tables: one frozen model a table, each field with its unit, range and a sentence."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MAX_GPUS = 10**9
"""No quantity may exceed this, so that every sum of the engine stays exact in 64 bits."""

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
Place = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Name of a domain; empty where the tree has no domain of a level."""
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Gpus = Annotated[int, Field(ge=0, le=MAX_GPUS)]
SomeGpus = Annotated[int, Field(ge=1, le=MAX_GPUS)]
Worth = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Watts = Annotated[int, Field(ge=0, le=10**7)]


def _day(given: object) -> object:
    """Return the day that a text such as 2026-01-28 says; anything else as it is, for pydantic to refuse."""
    try:
        return datetime.date.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        return given


Day = Annotated[datetime.date, Field(strict=True), BeforeValidator(_day)]
"""A day; as a text it is read alike from a table and from a document, and never as seconds since 1970."""


class Row(BaseModel):
    """A row of any table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Text = Field("", description="Where the facts of the row come from.")
    note: Text = Field("", description="Anything a reader should know; kalloc does not read it.")


class Kind(Row):
    """An accelerator model."""

    kind: Name = Field(description="Its name, unique.")
    performance: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = Field(
        1.0, description="Relative compute of one GPU, H200 = 1; what one GPU is worth where a request does not say."
    )
    memory_gb: Annotated[int, Field(ge=0, le=10**6)] = Field(0, description="Memory of one GPU in GB.")
    watts: Annotated[int, Field(ge=0, le=10**6)] = Field(0, description="Power of one GPU in W.")
    won: Annotated[int, Field(ge=0, le=10**12)] = Field(
        0, description="Price of one GPU in won, for the term that budgets stand for."
    )


class Pool(Row):
    """An organisation or a programme: a knot in the tree of who may use what."""

    pool: Name = Field(description="Its name, unique.")
    parent: Name | None = Field(None, description="The pool above it; empty at a root.")
    title: Text = Field("", description="Its name in full.")
    opens: Day | None = Field(None, description="First day of its call; empty: open from ever.")
    closes: Day | None = Field(None, description="Last day of its call; empty: never closes.")
    weight: Weight = Field(1.0, description="Weight of the pool in the tier `fairness`.")


class Quota(Row):
    """How much of the nation's GPUs a pool is entitled to."""

    pool: Name = Field(description="The pool.")
    kind: Name = Field(description="A kind, or `*` for all kinds together.")
    gpus: Gpus = Field(description="GPUs it is entitled to, with all pools below it.")
    borrow: Gpus = Field(0, description="GPUs it may use beyond its own, of what its sibling pools lend.")
    lend: Gpus = Field(0, description="GPUs it lets others use.")


class NodeGroup(Row):
    """Some identical nodes at one place of the topology."""

    path: tuple[Place, ...] = Field(
        description="Where the nodes stand, coarse to fine; empty where the tree has no domain of a level."
    )
    node: Name | None = Field(None, description="The node's name, if it has one; then count is 1.")
    count: Annotated[int, Field(ge=1, le=10**7)] = Field(1, description="How many such nodes stand there.")
    kind: Name = Field(description="The kind of the GPUs.")
    gpus: Annotated[int, Field(ge=1, le=100_000)] = Field(description="GPUs per node.")
    owner: Name = Field(description="The pool that owns the nodes.")
    state: Literal["up", "down"] = Field("up", description="Nodes that are down hold nothing.")
    idle_watts: Watts = Field(0, description="Power of a node in W with no GPU in use.")
    loaded_watts: Watts | None = Field(
        None, description="Power of a node in W with all its GPUs in use; empty: GPUs times `watts` of the kind."
    )


class Project(Row):
    """Who asks."""

    project: Name = Field(description="Its name, unique.")
    pool: Name = Field(description="The pool it belongs to.")
    merit: Worth = Field(1.0, description="Weight of the project in the tier `merit`.")
    mandatory: bool = Field(
        False, strict=True, description="It gets at least the min of one of its requests, or there is no plan."
    )
    mix: Literal["one", "any"] = Field("one", description="`one` kind only, or `any` mix of the kinds it asks for.")
    level: Name | None = Field(None, description="A level of which one domain must hold the whole project.")
    title: Text = Field("", description="Its name in full.")
    applicant: Name | None = Field(None, description="The institution that applies; it may have several projects.")
    group: Name | None = Field(None, description="The class of the applicant.")
    region: Name | None = Field(None, description="The region of the applicant.")
    applied: Day | None = Field(None, description="The day it applied; empty: within the call, whenever that is.")
    weight: Weight = Field(1.0, description="Weight of the project in the tier `fairness`.")


class Request(Row):
    """What a project asks of one kind: 0 GPUs, or min, min+step, and so on up to max."""

    project: Name = Field(description="The project.")
    kind: Name = Field(description="The kind.")
    min: Gpus = Field(description="The fewest GPUs that are of use to it.")
    max: SomeGpus = Field(description="The most GPUs that it can use.")
    step: SomeGpus | None = Field(None, description="GPUs between one amount and the next; empty: a node's GPUs.")
    value: Worth | None = Field(None, description="Worth of one GPU to the project; empty: the kind's performance.")


class Placed(Row):
    """GPUs that already run something."""

    project: Name = Field(description="What runs; a project that projects.csv does not list is background.")
    node: Name = Field(description="The node it runs on.")
    gpus: SomeGpus = Field(description="GPUs it holds there.")
    movable: bool = Field(False, strict=True, description="Whether the plan may move it; background always stays.")


class Cap(Row):
    """The most GPUs of a kind that one project of a pool, or of a pool below it, may get."""

    pool: Name = Field(description="The pool.")
    kind: Name = Field(description="The kind.")
    gpus: Gpus = Field(description="GPUs per project.")
