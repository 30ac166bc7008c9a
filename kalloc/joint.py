"""Allocation and placement in one exact model, for instances small enough: its bounds hold for every plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation, build, merit
from kalloc.instance import Instance
from kalloc.place.flow import Demand, FlowBuilder, Split, TooLargeError, decode
from kalloc.place.items import Shape, shape_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seats, with_kept
from kalloc.place.tree import build_tree
from kalloc.solver import Answer, Ids, Limits, Status, Terms, solve_scip
from kalloc.verify import Needs

Bundle = tuple[tuple[int, int], ...]
"""(position of the offer, GPUs) pairs that one project gets."""
MAX_BUNDLES = 400
"""A class with more ways to be served is left to the other engine."""


MAX_NODES = 1_000
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""


class TooManyBundlesError(Exception):
    """A class has too many ways to be served."""


@dataclass
class Joint:
    """The model, its variables and what they cost."""

    allocation: Allocation
    merit: Terms
    fragmentation: Terms = field(default_factory=list)
    chosen: dict[tuple[int, Bundle], int] = field(default_factory=dict)
    """How many projects of a class get a bundle."""
    split: Split = field(init=False)
    shapes: dict[tuple[int, Bundle], Shape] = field(default_factory=dict)

    def minimise(self, terms: Terms) -> None:
        """Make a tier the objective."""
        cost = self.allocation.model.cost
        cost[:] = [0] * len(cost)
        for variable, factor in terms:
            cost[variable] += factor

    def decode(self, values: Ids) -> tuple[dict[tuple[str, str], int], Seats]:
        """Return the GPUs by project and kind, and by project and node, what is kept included."""
        granted: dict[tuple[str, str], int] = {}
        items: list[tuple[str, Shape]] = []
        for index, members in enumerate(self.allocation.classes):
            waiting = iter(members.members)
            for bundle in sorted(self._bundles(index), reverse=True):
                for _ in range(int(values[self.chosen[index, bundle]])):
                    project = next(waiting)
                    granted |= {(project, members.offers[offer].kind): gpus for offer, gpus in bundle}
                    shape = self.shapes[index, bundle]
                    if shape.amounts:
                        items.append((project, shape))
        seats: Seats = defaultdict(int)
        for project, nodes, gpus in decode(self.split, values, items):
            seats[project, int(nodes[0])] += gpus
        return granted, with_kept(self.allocation.rooms, seats)

    def _bundles(self, index: int) -> list[Bundle]:
        return [bundle for of, bundle in self.chosen if of == index]


def build_joint(instance: Instance, rooms: Rooms, limit: int) -> Joint:
    """Return the joint model.

    Raises:
        TooLargeError: when it would have more than ``limit`` variables.
        TooManyBundlesError: when a class has too many ways to be served.
    """
    allocation = build(instance, rooms)
    joint = Joint(allocation, merit(allocation))
    demands = _choose(joint)
    weights = instance.topology.weights
    needed = {row.level for row in allocation.classes}
    last = len(weights) - 1
    levels = [level for level, weight in enumerate(weights) if weight > 0 or level in needed or level == last]
    tree = build_tree(rooms, np.arange(instance.topology.node_count), levels)
    first = allocation.model.size
    joint.split = FlowBuilder(rooms, allocation.model, limit).build(tree, demands)
    cost = allocation.model.cost
    joint.fragmentation += [(variable, cost[variable]) for variable in range(first, len(cost)) if cost[variable]]
    return joint


def _choose(joint: Joint) -> dict[Shape, Demand]:
    """Link counts of bundles to the allocation; return how many items of each shape they make."""
    allocation = joint.allocation
    needs = Needs(allocation.instance)
    demands: dict[Shape, Demand] = {}
    for index, members in enumerate(allocation.classes):
        for bundle in _ways(members):
            amounts = {members.offers[offer].kind: gpus for offer, gpus in bundle}
            cost = _fixed_cost(allocation, needs, members, amounts)
            if cost is None:
                continue
            chosen = allocation.model.variable(0, members.size)
            joint.chosen[index, bundle] = chosen
            shape = shape_of(allocation.instance, allocation.rooms, members.members[0], amounts)
            joint.shapes[index, bundle] = shape
            joint.fragmentation.append((chosen, cost))
            if shape.amounts:
                before = demands.get(shape, Demand([], 0, 0))
                demands[shape] = Demand([*before.terms, (chosen, 1)], 0, before.most + members.size)
        _link(joint, index, members)
    return demands


def _ways(members: ProjectClass) -> Iterator[Bundle]:
    """Yield every way to serve a project of the class, except with nothing."""
    offers = enumerate(members.offers)
    choices = [[(position, 0), *((position, gpus) for gpus in offer.amounts)] for position, offer in offers]
    count = sum(map(len, choices)) if members.one_kind else int(np.prod([len(choice) for choice in choices]))
    if count > MAX_BUNDLES:
        raise TooManyBundlesError
    if members.one_kind:
        yield from (((position, gpus),) for choice in choices for position, gpus in choice if gpus)
        return
    for way in product(*choices):
        bundle = tuple((position, gpus) for position, gpus in way if gpus)
        if bundle:
            yield bundle


def _fixed_cost(
    allocation: Allocation, needs: Needs, members: ProjectClass, amounts: Mapping[str, int]
) -> int | None:
    """Return what a bundle adds to the fragmentation besides its parts: what is kept, less what is needed.

    None when no nodes could hold the bundle even if nobody else were there.
    """
    topology, project = allocation.instance.topology, members.members[0]
    try:
        need = needs.of(project, amounts)
    except ValueError:
        return None
    kept = list(allocation.rooms.stays.get(project, ()))
    spans = [len(set(domain[kept].tolist())) for domain in topology.domain]
    return sum(weight * (s - n) for weight, s, n in zip(topology.weights, spans, need, strict=True))


def _link(joint: Joint, index: int, members: ProjectClass) -> None:
    """Say what the bundles of a class give of each offer, and that every project has one bundle at most."""
    allocation, model = joint.allocation, joint.allocation.model
    ways = [(bundle, chosen) for (of, bundle), chosen in joint.chosen.items() if of == index]
    model.row([(chosen, 1) for _, chosen in ways], None, members.size)
    for position, offer in enumerate(members.offers):
        using = [(dict(bundle)[position], chosen) for bundle, chosen in ways if position in dict(bundle)]
        model.row([(allocation.served[index, position], -1), *((chosen, 1) for _, chosen in using)], 0, 0)
        if offer.extra:
            steps = [(chosen, (gpus - offer.first) // offer.step) for gpus, chosen in using]
            model.row([(allocation.extra[index, position], -1), *steps], 0, 0)


@dataclass(frozen=True)
class JointAnswer:
    """A plan of both decisions. Bounds hold for every plan; None where the model was not solved to the end."""

    granted: dict[tuple[str, str], int]
    seats: Seats
    merit: int
    """Merit of the plan and of no plan more, in the units of the allocation model."""
    fragmentation_bound: int | None


def solve_joint(
    instance: Instance, rooms: Rooms, most: int | None, size: int, limits: Limits
) -> tuple[Status, JointAnswer | None]:
    """Decide both tiers together: the most merit first, then the least fragmentation among plans of that merit.

    ``most`` is the merit that the allocation alone could reach, if that is known: it is tried first, since then
    one solve decides. The answer is None unless merit was proven. Infeasible is proven.

    Raises:
        TooLargeError: when the model would have more than ``size`` variables.
        TooManyBundlesError: when a class has too many ways to be served.
    """
    joint = build_joint(instance, rooms, size)
    model = joint.allocation.model
    if not joint.allocation.exact:
        return Status.UNKNOWN, None
    model.row(joint.fragmentation, 0, None)
    goal = model.row(joint.merit, most, None)
    joint.minimise(joint.fragmentation)
    least = solve_scip(model, limits, nodes=MAX_NODES) if most is not None else Answer.nothing(Status.INFEASIBLE)
    if least.status is Status.INFEASIBLE:
        model.row_lower[goal] = None
        joint.minimise([(variable, -factor) for variable, factor in joint.merit])
        best = solve_scip(model, limits, nodes=MAX_NODES)
        if best.status is not Status.OPTIMAL or best.value is None:
            return best.status if best.status is Status.INFEASIBLE else Status.UNKNOWN, None
        model.row_lower[goal] = -best.value
        joint.minimise(joint.fragmentation)
        least = solve_scip(model, limits, nodes=MAX_NODES)
        least = least if least.values is not None else replace(best, bound=least.bound, status=Status.FEASIBLE)
        most = -best.value
    if least.values is None or most is None:
        return Status.UNKNOWN, None
    granted, seats = joint.decode(least.values)
    return least.status, JointAnswer(granted, seats, most, least.bound)


def seating_clash(instance: Instance, size: int, limits: Limits) -> list[str]:
    """Return what excludes itself where the allocation alone has a plan, but nobody can seat it.

    A smallest set of requirements on single projects is found by leaving them out one by one.
    """
    stuck = {row.project: row for row in instance.projects if row.mandatory or row.project in instance.stays}
    sentences = {("mandatory", name): f"project {name!r} must be served" for name in stuck if stuck[name].mandatory}
    sentences |= {("stays", name): f"project {name!r} keeps GPUs where they are" for name in instance.stays}
    whole = {name: row.level for name, row in stuck.items() if row.level is not None}
    sentences |= {("level", name): f"project {name!r} must sit in one {level}" for name, level in whole.items()}
    kept = set(sentences)
    for requirement in sentences:
        if _unseatable(instance, kept - {requirement}, size, limits):
            kept.remove(requirement)
    clash = [f"{rule}: {sentence}" for (rule, name), sentence in sentences.items() if (rule, name) in kept]
    return [*clash, "room: the free GPUs of single domains do not hold them together"]


def _unseatable(instance: Instance, kept: set[tuple[str, str]], size: int, limits: Limits) -> bool:
    """Tell whether nobody can seat a plan that meets only some requirements on single projects."""
    projects = [
        row.model_copy(
            update={
                "mandatory": ("mandatory", row.project) in kept,
                "level": row.level if ("level", row.project) in kept else None,
            }
        )
        for row in instance.projects
    ]
    placed = [
        row.model_copy(update={"movable": row.movable or ("stays", row.project) not in kept}) for row in instance.placed
    ]
    fewer = instance.replace(projects=tuple(projects), placed=tuple(placed))
    try:
        status, _ = solve_joint(fewer, Rooms.of(fewer), None, size, limits)
    except (TooLargeError, TooManyBundlesError):
        return False
    return status is Status.INFEASIBLE
