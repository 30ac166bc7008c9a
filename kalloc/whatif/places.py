"""Why a project sits where it sits: its domains, and what a better place would have cost whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kalloc.errors import KallocError
from kalloc.instance import Placed, Request
from kalloc.solving import solve
from kalloc.verify import Needs, Records, verify
from kalloc.whatif.alone import OTHERS, lent_to

if TYPE_CHECKING:
    from kalloc.instance import Instance, NodeGroup
    from kalloc.plan import Plan
    from kalloc.solver import Limits

MOVED = 40
"""Other projects at most that may move to make room."""
TRIED = 3
"""Domains that are tried one after the other."""
ROOMY = 8
"""Domains with most room where those that move may go, besides where anybody of them sits now."""


@dataclass(frozen=True)
class Held:
    """What a project holds at one level."""

    level: str
    gpus: Mapping[str, int]
    """GPUs by domain, named by its path."""
    need: int
    """The fewest domains that could hold it, were no other movable project there."""
    weight: int


@dataclass(frozen=True)
class Better:
    """A place in one domain for a project that spans several, confirmed: the plan with it keeps every rule."""

    level: str
    domain: str
    free: int
    """GPUs that are free for the project in the domain that has most, its own there included."""
    costs: Mapping[str, int]
    """Σ weight · spans that each project that moves then has more; below zero where it has less."""


def held(instance: Instance, plan: Plan, project: str) -> list[Held]:
    """Return what a project holds, level by level, coarse to fine."""
    records, topology = Records.of(instance, plan), instance.topology
    needs = Needs(instance).of(project, records.held.get(project, {}))
    found = []
    for depth, level in enumerate(topology.levels):
        gpus = Counter[str]()
        for node, count in records.seats.get(project, {}).items():
            gpus[_name(instance, depth, node)] += count
        found.append(Held(level, gpus, needs[depth], topology.weights[depth]))
    return found


def roomiest(instance: Instance, plan: Plan, project: str, spot: Held) -> int:
    """Return the GPUs free for a project, its own included, in as many domains of a level as it needs, the roomiest."""
    view = _View(instance, plan, project, instance.topology.levels.index(spot.level), 0)
    return sum(sorted(view.reach.values(), reverse=True)[: spot.need])


def better(instance: Instance, plan: Plan, project: str, limits: Limits) -> Better | None:
    """Return a place for a project in one domain of the coarsest level where it spans more than it needs.

    Those who sit in the domain with most room for it may move, everybody else stays: a solve of these projects and the
    nodes around them; where that finds no place, the next domains are tried. None where one domain is not enough, no
    such place was found, or nothing is scattered.
    """
    scattered = (spot for spot in held(instance, plan, project) if spot.weight and len(spot.gpus) > spot.need)
    spot = next(scattered, None)
    if spot is None or spot.need != 1:
        return None
    depth = instance.topology.levels.index(spot.level)
    for turn in range(TRIED):
        view = _View(instance, plan, project, depth, turn)
        found = None if limits.over or view.target is None else _moved(view, limits)
        if found is not None:
            return found
    return None


def _moved(view: _View, limits: Limits) -> Better | None:
    """Return the place that a solve of those who may move finds, if the plan with it keeps every rule."""
    instance, plan, project = view.instance, view.plan, view.project
    try:
        found = solve(view.restricted(), time_limit=limits.seconds, seed=limits.seed, threads=limits.threads)
    except KallocError:
        return None
    moved = {seat.project for seat in found.plan.seats}
    seats = (*(seat for seat in plan.seats if seat.project not in moved), *found.plan.seats)
    after = replace(plan, seats=seats)
    if verify(instance, after):
        return None
    before_cost, after_cost = _scattering(instance, plan, moved), _scattering(instance, after, moved)
    costs = {name: after_cost[name] - before_cost[name] for name in moved}
    node = next(seat.node for seat in seats if seat.project == project)
    domain = _name(instance, view.depth, instance.topology.node_ids[node])
    level = instance.topology.levels[view.depth]
    return Better(level, domain, view.most, {name: cost for name, cost in costs.items() if cost})


class _View:
    """A few projects and the nodes around them, cut out of an instance; everything else stays as it is.

    ``turn`` is the domain that is looked at: 0 for the one with most room for the project, 1 for the next.
    """

    def __init__(self, instance: Instance, plan: Plan, project: str, depth: int, turn: int) -> None:
        self.instance, self.plan, self.project, self.depth = instance, plan, project, depth
        self.records = Records.of(instance, plan)
        self.room = self._room()
        self.reach = self._reach()
        targets = self._targets()
        self.most = targets[0][1] if targets else 0
        self.target = targets[turn][0] if turn < len(targets) else None
        self.moving = self._moving(self.target)
        self.nodes = self._nodes(self.target)

    def restricted(self) -> Instance:
        """Return the instance of those who may move: each gets what it got, the project in one domain of the level."""
        instance, moving = self.instance, self.moving
        level = instance.topology.levels[self.depth]
        projects = tuple(
            row.model_copy(
                update={"mandatory": True, "mix": "any", "level": level if row.project == self.project else row.level}
            )
            for row in instance.projects
            if row.project in moving
        )
        requests = tuple(
            Request(project=name, kind=kind, min=gpus, max=gpus, step=gpus)
            for name in sorted(moving)
            for kind, gpus in self.records.granted[name].items()
        )
        return instance.replace(
            caps=(),
            quotas=tuple(lent_to(instance, self.records, moving, row) for row in instance.quotas),
            inventory=tuple(self._group(node) for node in sorted(self.nodes)),
            projects=projects,
            requests=requests,
            placed=tuple(self._placed()),
        )

    def _reach(self) -> Counter[int]:
        """Return the GPUs that are free for the project in each domain, its own included."""
        domain = self.instance.topology.domain[self.depth].tolist()
        reach = Counter[int]()
        for node, gpus in self.room.items():
            reach[domain[node]] += gpus if self._serves(node) else 0
        for node, gpus in self.records.seats[self.project].items():
            reach[domain[node]] += gpus
        return reach

    def _targets(self) -> list[tuple[int, int]]:
        """Return domains with the room that they have for the project, most room first.

        Only those that could hold it if all left who neither stay nor have to sit in one domain themselves.
        """
        domain = self.instance.topology.domain[self.depth].tolist()
        reach, alone = self.reach, Counter[int]()
        for name, nodes in self.records.seats.items():
            if name == self.project or not self._may_move(name):
                continue
            for node, gpus in nodes.items():
                alone[domain[node]] += gpus if self._serves(node) else 0
        needed = sum(self.records.held[self.project].values())
        fitting = [one for one in reach.keys() | alone.keys() if reach[one] + alone[one] >= needed]
        return sorted(((one, reach[one]) for one in fitting), key=lambda item: (-item[1], item[0]))

    def _room(self) -> dict[int, int]:
        """Return the free GPUs of every node that has some."""
        room = dict(enumerate(self.instance.topology.gpus.tolist()))
        for nodes in (*self.records.seats.values(), self.instance.background):
            for node, gpus in nodes.items():
                room[node] -= gpus
        return {node: gpus for node, gpus in room.items() if gpus > 0}

    def _may_move(self, name: str) -> bool:
        return name not in self.instance.stays and self.instance.project_of[name].level is None

    def _serves(self, node: int) -> bool:
        row = self.instance.topology.row(node)
        pool = self.instance.project_of[self.project].pool
        return row.kind in self.records.held[self.project] and self.instance.pool_tree.serves(row.owner, pool, row.kind)

    def _moving(self, target: int | None) -> frozenset[str]:
        """Return the project and those who sit in the target, the smallest first."""
        domain = self.instance.topology.domain[self.depth].tolist()
        there = [
            (sum(nodes.values()), name)
            for name, nodes in self.records.seats.items()
            if any(domain[node] == target for node in nodes) and self._may_move(name)
        ]
        return frozenset([self.project, *(name for _, name in sorted(there)[:MOVED])])

    def _nodes(self, target: int | None) -> frozenset[int]:
        """Return the nodes of the target, those where anybody who moves sits, and some with room, with their like."""
        topology = self.instance.topology
        fine = topology.domain[max(0, len(topology.levels) - 2)].tolist()
        domain = topology.domain[self.depth].tolist()
        around = {fine[node] for name in self.moving for node in self.records.seats[name]}
        room = Counter[int]()
        for node, gpus in self.room.items():
            room[fine[node]] += gpus if self._serves(node) else 0
        around.update(name for name, _ in room.most_common(ROOMY))
        return frozenset(node for node in range(topology.node_count) if fine[node] in around or domain[node] == target)

    def _group(self, node: int) -> NodeGroup:
        return self.instance.topology.row(node).model_copy(
            update={"node": self.instance.topology.names[node], "count": 1}
        )

    def _placed(self) -> Iterable[Placed]:
        """Yield what does not move: others as background, and what those who move keep."""
        names = self.instance.topology.names
        fixed: dict[int, int] = defaultdict(int)
        for name, nodes in self.records.seats.items():
            for node, gpus in nodes.items() if name not in self.moving else ():
                fixed[node] += gpus
        for node, gpus in self.instance.background.items():
            fixed[node] += gpus
        for node in sorted(self.nodes & fixed.keys()):
            yield Placed(project=OTHERS, node=names[node], gpus=fixed[node])
        for name in sorted(self.moving & self.instance.stays.keys()):
            for node, gpus in self.instance.stays[name].items():
                yield Placed(project=name, node=names[node], gpus=gpus)


def _scattering(instance: Instance, plan: Plan, projects: Iterable[str]) -> dict[str, int]:
    """Return Σ weight · spans of some projects."""
    topology = instance.topology
    seats = Records.of(instance, plan).seats
    return {
        name: sum(
            weight * len(set(domain[list(seats[name])].tolist()))
            for weight, domain in zip(topology.weights, topology.domain, strict=True)
        )
        for name in projects
    }


def _name(instance: Instance, depth: int, node: int) -> str:
    topology = instance.topology
    if depth == len(topology.levels) - 1:
        return topology.names[node]
    return " / ".join(topology.row(node).path[: depth + 1])
