"""The rows of the tables that say what an authority allows, demands and promises besides quotas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kalloc.instance.rows import MAX_GPUS, Gpus, Name, Place, Row, SomeGpus, Text

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Factor = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Amount = Annotated[int, Field(ge=0, le=10**15)]


class Group(Row):
    """A class of applicants."""

    group: Name = Field(description="Its name, unique.")
    title: Text = Field("", description="Its name in full.")
    discount: Percent = Field(0.0, description="Percent by which its projects pay less than `won` of the kind.")
    share: Percent | None = Field(
        None, description="Percent of all GPUs granted that the tier `balance` wants its projects to have."
    )
    tolerance: Percent = Field(0.0, description="Percent of all GPUs granted by which it may be off that share.")


class Limit(Row):
    """Bounds on what projects get together, in GPUs or at exchange rates; each such set of projects for itself."""

    limit: Name = Field(description="Its name, unique; messages cite it.")
    per: Literal["project", "applicant", "group", "region", "all"] = Field(
        description="Whose GPUs are added up: of each project, each applicant, each group, each region; or of `all`."
    )
    of: Name | None = Field(None, description="The one applicant, group or region it holds for; empty: each of them.")
    pool: Name | None = Field(None, description="It counts projects of this pool and below; empty: all projects.")
    kind: Name | None = Field(
        None, description="The kind counted, one for one, or `*` for every kind; empty where rates.csv says."
    )
    most: Gpus | None = Field(None, description="They get at most this, in GPUs times their rate.")
    least: SomeGpus | None = Field(None, description="They get at least this, in GPUs times their rate.")


class Rate(Row):
    """How much a GPU of a kind counts against a limit."""

    limit: Name = Field(description="The limit.")
    kind: Name = Field(description="The kind; kinds without a rate do not count.")
    rate: Factor = Field(description="What one GPU counts: 2 for B200 where one of them stands for two H200.")


class Budget(Row):
    """The most that the projects of a pool, or of pools below it, may cost together."""

    budget: Name = Field(description="Its name, unique; messages cite it.")
    pool: Name = Field(description="The pool.")
    won: Amount = Field(description="Won, for the term that the price of a kind stands for.")


class Guarantee(Row):
    """GPUs that a project or a pool should not stay under: the tier `guarantees` counts what is missing."""

    guarantee: Name = Field(description="Its name, unique; messages cite it.")
    project: Name | None = Field(None, description="The project; empty where a pool is given.")
    pool: Name | None = Field(None, description="The pool, with all pools below it; empty where a project is given.")
    kind: Name = Field(description="A kind, or `*` for all kinds together.")
    gpus: SomeGpus = Field(description="GPUs.")


class Power(Row):
    """The most electric power that the nodes of a domain may draw."""

    power: Name = Field(description="Its name, unique; messages cite it.")
    level: Name = Field(description="The level of the domains.")
    domain: Place | None = Field(
        None, description="The path of the one domain it holds for, joined by `/`; empty: each domain of the level."
    )
    kw: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = Field(description="Kilowatts.")


class Shape(Row):
    """How the GPUs of a project must lie, or had better lie."""

    project: Name = Field(description="The project.")
    shape: Literal["segment", "spread", "whole", "exclusive", "prefer"] = Field(
        description="`segment`: whole segments of `amount` GPUs, each in one domain of the level. "
        "`spread`: at most `amount` GPUs in one domain of the level. "
        "`whole`: nodes as a whole or not at all. "
        "`exclusive`: nobody else in the domains of the level that it spans. "
        "`prefer`: each domain of the level beyond what it needs costs `amount` more."
    )
    level: Name | None = Field(None, description="The level; for `whole` it is `node` and may be left out.")
    amount: Annotated[int, Field(ge=1, le=MAX_GPUS)] | None = Field(
        None, description="GPUs of a segment, GPUs in one domain, or the weight of `prefer`; else empty."
    )
