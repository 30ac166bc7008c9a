"""The rules of the placement: where the GPUs of every project sit, and how scattered that is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pulp

from kalloc.instance import Instance
from models.flows import Flow
from models.outcome import Allocation
from models.placement.need import offers
from models.program import Expression, Program
from models.rooms import rooms

Asked = Mapping[tuple[str, str], Expression]
"""x(p,k): GPUs by project and kind, decided or still to be decided."""

Needs = Mapping[tuple[str, int], Expression]
"""need(p,l) by project and depth of the level."""


@dataclass(frozen=True)
class Seating:
    """The decision of the placement."""

    gpus: Mapping[tuple[str, int], Expression]
    """y(p,n) by project and node id."""
    spans: Mapping[tuple[str, int, int], Expression]
    """z(p,l,d) by project, depth of the level and domain: 1 where the project may have GPUs."""


def seating(program: Program, instance: Instance, most: Allocation) -> Seating:
    """Make the decision: a project may sit on every node of a kind that it may get."""
    free = rooms(instance)
    gpus: dict[tuple[str, int], Expression] = {}
    spans: dict[tuple[str, int, int], Expression] = {}
    for (project, kind), limit in most.items():
        for node in range(instance.topology.node_count):
            if instance.topology.row(node).kind == kind:
                gpus[project, node] = program.integer("y", project, node, upper=min(limit, free[node]))
    for project, node in gpus:
        for depth, level in enumerate(instance.topology.levels):
            domain = int(instance.topology.domain[depth][node])
            if (project, depth, domain) not in spans:
                spans[project, depth, domain] = program.integer("z", project, level, domain, upper=1)
    return Seating(gpus, spans)


def flows(instance: Instance, seats: Seating) -> list[Flow]:
    """Return the seats as flows from pools to owners."""
    found = []
    for (project, node), gpus in seats.gpus.items():
        row = instance.topology.row(node)
        found.append(Flow(instance.project_of[project].pool, row.owner, row.kind, gpus))
    return found


def eligible(program: Program, instance: Instance, seats: Seating) -> None:
    """Keep projects off nodes that are down or do not serve their pool."""
    for (project, node), gpus in seats.gpus.items():
        row = instance.topology.row(node)
        serves = instance.pool_tree.serves(row.owner, instance.project_of[project].pool, row.kind)
        if row.state == "down" or not serves:
            program.rule("eligible", project, node, row=gpus == 0)


def room(program: Program, instance: Instance, seats: Seating) -> None:
    """Bound the projects on a node by its room."""
    taken: dict[int, list[Expression]] = defaultdict(list)
    for (_, node), gpus in seats.gpus.items():
        taken[node].append(gpus)
    free = rooms(instance)
    for node, here in taken.items():
        program.rule("room", node, row=pulp.lpSum(here) <= free[node])


def seated(program: Program, instance: Instance, seats: Seating, asked: Asked) -> None:
    """Seat all that a project gets of each kind."""
    places: dict[tuple[str, str], list[Expression]] = defaultdict(list)
    for (project, node), gpus in seats.gpus.items():
        places[project, instance.topology.row(node).kind].append(gpus)
    for key, gpus in asked.items():
        program.rule("seated", *key, row=pulp.lpSum(places[key]) == gpus)


def level(program: Program, instance: Instance, seats: Seating) -> None:
    """Keep a project that names a level in one domain of it."""
    domains: dict[str, list[Expression]] = defaultdict(list)
    for (project, depth, _), spanned in seats.spans.items():
        if instance.topology.levels[depth] == instance.project_of[project].level:
            domains[project].append(spanned)
    for project, here in domains.items():
        program.rule("level", project, row=pulp.lpSum(here) <= 1)


def stays(program: Program, instance: Instance, seats: Seating) -> None:
    """Leave what does not move on its nodes."""
    for project, nodes in instance.stays.items():
        for node, kept in nodes.items():
            program.rule("stays", project, node, row=pulp.lpSum([seats.gpus.get((project, node), 0)]) >= kept)


def spans(program: Program, instance: Instance, seats: Seating, most: Allocation) -> None:
    """Open every domain where a project has GPUs: z(p,l,d) ≥ share of the most that it could have there."""
    offered = {project: offers(instance, project) for project, _ in most}
    here: dict[tuple[str, int, int, str], list[Expression]] = defaultdict(list)
    offer: Counter[tuple[str, int, int, str]] = Counter()
    for (project, node), gpus in seats.gpus.items():
        for depth, domain_of in enumerate(instance.topology.domain):
            key = (project, depth, int(domain_of[node]), instance.topology.row(node).kind)
            here[key].append(gpus)
            offer[key] += offered[project].get(node, 0)
    for (project, depth, domain, kind), gpus in here.items():
        largest = min(most[project, kind], offer[project, depth, domain, kind])
        keys = (project, instance.topology.levels[depth], domain, kind)
        program.rule("spans", *keys, row=pulp.lpSum(gpus) <= largest * seats.spans[project, depth, domain])


def need(program: Program, seats: Seating, needs: Needs) -> None:
    """Span at least what is needed: every plan does, and the relaxation learns it."""
    domains: dict[tuple[str, int], list[Expression]] = defaultdict(list)
    for (project, depth, _), spanned in seats.spans.items():
        domains[project, depth].append(spanned)
    for key, least in needs.items():
        program.rule("need", *key, row=pulp.lpSum(domains[key]) >= least)
