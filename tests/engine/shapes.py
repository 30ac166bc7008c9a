"""Nations of odd shapes: a small builder, trees whose optimum has a formula, and what must hold of any result."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import lcm, prod
from typing import Any

import kalloc
from kalloc.instance import NODE, Hierarchy, Instance, NodeGroup, Placed, Project, Request
from kalloc.plan import Result
from kalloc.verify import claims
from tests.models.small import ask, make

BACKGROUND = "somebody else"


@dataclass
class Nation:
    """Lays nodes place by place and lets projects ask; all are of one pool and one kind."""

    levels: Sequence[str]
    weights: Mapping[str, int] = field(default_factory=dict)
    rows: list[NodeGroup] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def nodes(self, place: str, count: int, gpus: int = 8, **more: Any) -> Nation:
        """Lay nodes of which all GPUs are free at a place such as ``site/unit``."""
        self.rows.append(self._group(place, count=count, gpus=gpus, **more))
        return self

    def free(self, place: str, *free: int, gpus: int = 8) -> Nation:
        """Lay a node for each number of free GPUs; background has the others."""
        for number in free:
            name = f"node{len(self.rows)}"
            self.rows.append(self._group(place, node=name, gpus=gpus))
            if number < gpus:
                self.placed.append(Placed(project=BACKGROUND, node=name, gpus=gpus - number))
        return self

    def ask(self, *sizes: int, **more: Any) -> Nation:
        """Let one project for each size ask just so many GPUs."""
        for size in sizes:
            name = f"p{len(self.projects)}"
            self.projects.append(Project(project=name, pool="top", **more))
            self.requests.append(ask(name, size, size))
        return self

    @property
    def room(self) -> int:
        """GPUs that background leaves free."""
        return sum(row.gpus * row.count for row in self.rows) - sum(row.gpus for row in self.placed)

    def make(self) -> Instance:
        """Return the instance."""
        return make(
            hierarchy=Hierarchy(levels=tuple(self.levels), weights=dict(self.weights)),
            inventory=tuple(self.rows),
            projects=tuple(self.projects),
            requests=tuple(self.requests),
            placed=tuple(self.placed),
        )

    def _group(self, place: str, **more: Any) -> NodeGroup:
        path = tuple(place.split("/")) if self.levels else ()
        return NodeGroup(path=path, kind="h", owner="top", **more)


@dataclass(frozen=True)
class Even:
    """A tree whose domains of a level are all alike, filled to the last GPU by projects of one size.

    Its least scattering is known. At one level, projects and domains that share GPUs form groups that are full, so a
    group has a multiple of lcm(capacity, size) GPUs, and joining its k domains to its projects takes k − 1 shares more
    than it has projects. To lay the projects end to end through the tree reaches that at all levels at once.
    """

    branching: tuple[int, ...]
    """Children of the root, of each of these, and so on; nodes come last."""
    gpus: int
    """GPUs of a node."""
    size: int
    """GPUs of a project."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels above the node."""
        return tuple(f"l{depth}" for depth in range(len(self.branching) - 1))

    def make(self, weights: Mapping[str, int]) -> Instance:
        """Return the instance."""
        nation = Nation(self.levels, weights)
        for path in product(*(range(count) for count in self.branching[:-1])):
            nation.nodes("/".join(map(str, path)), self.branching[-1], self.gpus)
        projects, left = divmod(prod(self.branching) * self.gpus, self.size)
        assert left == 0
        return nation.ask(*[self.size] * projects).make()

    def excess(self) -> dict[str, int]:
        """Return, per level, the fewest spans beyond the need."""
        total = prod(self.branching) * self.gpus
        projects = total // self.size
        found = {}
        for depth, level in enumerate((*self.levels, NODE), 1):
            domains = prod(self.branching[:depth])
            capacity = total // domains
            groups = total // lcm(capacity, self.size)
            found[level] = domains + projects - groups - projects * -(-self.size // capacity)
        return found


def pieces(dice: random.Random, total: int, most: int) -> list[int]:
    """Cut a number into random parts of at most so much."""
    parts = []
    while total:
        parts.append(dice.randint(1, min(most, total)))
        total -= parts[-1]
    return parts


def checked(instance: Instance, time_limit: float | None = None, threads: int = 1, seed: int = 0) -> Result:
    """Return what kalloc makes of an instance, once all that must hold of any result is found to hold."""
    result = kalloc.solve(instance, time_limit=time_limit, threads=threads, seed=seed)
    assert kalloc.verify(instance, result.plan) == []
    assert claims(instance, result.plan, result.summary()) == []
    merit, fragmentation = result.tiers
    assert merit.bound is not None and merit.value <= merit.bound
    assert fragmentation.bound is not None and 0 <= fragmentation.bound <= fragmentation.value
    assert (fragmentation.bound, fragmentation.value) == (result.fragmentation_bound, result.fragmentation)
    assert {name: level.spans for name, level in result.levels.items()} == spans(result)
    for level in result.levels.values():
        assert level.bound is not None and level.need <= level.bound <= level.spans
    weights = dict(zip(instance.topology.levels, instance.topology.weights, strict=True))
    excess = {name: level.spans - level.need for name, level in result.levels.items()}
    assert result.fragmentation == sum(weights[name] * count for name, count in excess.items())
    return result


def spans(result: Result) -> dict[str, int]:
    """Count the domains that projects span, from the names of their seats alone."""
    levels = result.plan.levels
    pairs = {level: {(s.project, s.path[: d + 1]) for s in result.plan.seats} for d, level in enumerate(levels)}
    return {**{level: len(found) for level, found in pairs.items()}, NODE: len(result.plan.seats)}


def fits(result: Result) -> bool:
    """Tell whether everybody gets all that is asked."""
    return all(grant.gpus == grant.requested_max for grant in result.plan.grants)


def best(instance: Instance, fragmentation: int) -> Result:
    """Return a result that serves everybody, and whose fragmentation is proven to be just so much."""
    result = checked(instance)
    assert fits(result)
    assert (result.fragmentation, result.fragmentation_bound) == (fragmentation, fragmentation)
    assert result.solution == "proven"
    return result


def encloses(instance: Instance, excess: Mapping[str, int], time_limit: float | None = None) -> Result:
    """Return a result that serves everybody, and whose bounds and values enclose the least excess of every level."""
    result = checked(instance, time_limit)
    assert fits(result)
    for name, level in result.levels.items():
        assert level.bound is not None and level.bound <= level.need + excess[name] <= level.spans
    weights = zip(instance.topology.levels, instance.topology.weights, strict=True)
    least = sum(weight * excess[name] for name, weight in weights)
    assert result.fragmentation_bound is not None and result.fragmentation_bound <= least <= result.fragmentation
    return result
