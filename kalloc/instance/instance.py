"""The instance: everything that is given, frozen, validated as a whole when it is made."""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kalloc.instance.checks import check
from kalloc.instance.objective import Objective
from kalloc.instance.policy import Policy
from kalloc.instance.policy_rows import Budget, Group, Guarantee, Limit, Power, Rate, Shape
from kalloc.instance.pools import PoolTree
from kalloc.instance.report import Report
from kalloc.instance.rows import Cap, Kind, Name, NodeGroup, Placed, Pool, Project, Quota, Request, Text
from kalloc.instance.topology import NODE, Topology

Weight = Annotated[int, Field(ge=0, le=10**6, strict=True)]


class Hierarchy(BaseModel):
    """The levels of the topology and what it costs to use one domain more than needed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Name, ...] = Field((), max_length=7, description="Coarse to fine; `node` follows and is not listed.")
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="Cost of one domain more than needed, per level; 1 where it is not given."
    )


class Head(BaseModel):
    """What an instance says before its tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(1, description="The version of this format.")
    name: Name = Field(description="Short name of the instance.")
    title: Text = Field("", description="What it is, in a line.")
    as_of: datetime.date | None = Field(None, description="The day the data describe.")
    hierarchy: Hierarchy = Field(default=Hierarchy(), description="Levels and weights: `topology` in files.")
    objective: Objective = Field(default=Objective(), description="Tiers, in order.")


class Instance(Head):
    """What there is and who asks. Immutable; change one with :meth:`replace`.

    Raises:
        InstanceError: with every defect at once, where tables contradict themselves or each other.
    """

    caps: tuple[Cap, ...] = ()
    kinds: tuple[Kind, ...] = ()
    pools: tuple[Pool, ...] = ()
    quotas: tuple[Quota, ...] = ()
    inventory: tuple[NodeGroup, ...] = ()
    projects: tuple[Project, ...] = ()
    requests: tuple[Request, ...] = ()
    placed: tuple[Placed, ...] = ()
    groups: tuple[Group, ...] = ()
    limits: tuple[Limit, ...] = ()
    rates: tuple[Rate, ...] = ()
    budgets: tuple[Budget, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    power: tuple[Power, ...] = ()
    shapes: tuple[Shape, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        report = Report()
        check(self, report)
        report.raise_if_any()
        return self

    def replace(self, **changes: Any) -> Instance:
        """Return a copy with some fields changed, validated anew."""
        return Instance(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    @cached_property
    def topology(self) -> Topology:
        """The static topology: dense ids, arrays, and :meth:`Topology.graph`."""
        levels = self.hierarchy.levels
        weights = [self.hierarchy.weights.get(level, 1) for level in (*levels, NODE)]
        return Topology.of(levels, weights, self.inventory)

    @cached_property
    def pool_tree(self) -> PoolTree:
        """The tree of pools with their quotas."""
        return PoolTree(self.pools, self.quotas)

    @cached_property
    def policy(self) -> Policy:
        """What the policy tables say, by project, kind and node."""
        return Policy(self)

    @cached_property
    def project_of(self) -> Mapping[str, Project]:
        """Project rows by name."""
        return {row.project: row for row in self.projects}

    @cached_property
    def requests_of(self) -> Mapping[str, tuple[Request, ...]]:
        """Requests of each project, in the order of the table; empty for a project without any."""
        found: dict[str, list[Request]] = {row.project: [] for row in self.projects}
        for row in self.requests:
            found[row.project].append(row)
        return {project: tuple(rows) for project, rows in found.items()}

    @cached_property
    def cap_of(self) -> Mapping[tuple[str, str], int]:
        """The smallest cap on one project, in GPUs, by (pool, kind); pairs without a cap are missing."""
        found: dict[tuple[str, str], int] = {}
        for row in self.caps:
            for pool in self.pool_tree.below[row.pool]:
                key = (pool, row.kind)
                found[key] = min(found.get(key, row.gpus), row.gpus)
        return found

    @cached_property
    def performance(self) -> Mapping[str, float]:
        """Performance by kind."""
        return {row.kind: row.performance for row in self.kinds}

    @cached_property
    def node_gpus(self) -> Mapping[str, int]:
        """The step where a request gives none: the GPUs of a node of each kind.

        The greatest common divisor where nodes of a kind differ; 1 for a kind without nodes.
        """
        found = {row.kind: 0 for row in self.kinds}
        for row in self.inventory:
            found[row.kind] = math.gcd(found[row.kind], row.gpus)
        return {kind: max(1, gpus) for kind, gpus in found.items()}

    def step(self, request: Request) -> int:
        """Return the GPUs between one amount of a request and the next."""
        return request.step if request.step is not None else self.node_gpus[request.kind]

    def value(self, request: Request) -> float:
        """Return the worth of one GPU of the request's kind to its project."""
        return request.value if request.value is not None else self.performance[request.kind]

    def amounts(self, request: Request) -> range:
        """Return the amounts a request accepts besides 0, in GPUs: min, min+step, … max, cut at the cap."""
        cap = self.cap_of.get((self.project_of[request.project].pool, request.kind), request.max)
        first = request.min if request.min > 0 else self.step(request)
        return range(first, min(request.max, cap) + 1, self.step(request))

    @cached_property
    def stays(self) -> Mapping[str, Mapping[int, int]]:
        """GPUs of listed projects that do not move: per project, GPUs by node id."""
        found: dict[str, dict[int, int]] = {}
        for row in self.placed:
            if row.project in self.project_of and not row.movable:
                node = self.topology.node_ids[row.node]
                seats = found.setdefault(row.project, {})
                seats[node] = seats.get(node, 0) + row.gpus
        return found

    @cached_property
    def background(self) -> Mapping[int, int]:
        """GPUs taken by what projects.csv does not list, by node id. Background never moves."""
        found: dict[int, int] = {}
        for row in self.placed:
            if row.project not in self.project_of:
                node = self.topology.node_ids[row.node]
                found[node] = found.get(node, 0) + row.gpus
        return found

    @cached_property
    def gpus_available(self) -> int:
        """GPUs of the nodes that are up, less background."""
        gpus = self.topology.gpus
        return int(gpus.sum()) - sum(min(taken, int(gpus[node])) for node, taken in self.background.items())

    @cached_property
    def gpus_requested(self) -> int:
        """The most GPUs that the projects could take."""
        return sum(self.most_requested(row.project) for row in self.projects)

    def most_requested(self, project: str) -> int:
        """Return the most GPUs that a project could take: its largest request, or all of them if it mixes kinds."""
        most = [row.max for row in self.requests_of[project]]
        return sum(most) if self.project_of[project].mix == "any" else max(most, default=0)

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the content, the same for a directory and for the JSON document of it.

        What is left at its default does not count, so that new columns leave old fingerprints as they were.
        """
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()
