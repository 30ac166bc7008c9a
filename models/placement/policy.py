"""The rules of the policy on seats: power, and the shapes that projects must have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pulp

from kalloc.instance import Instance, Shape
from models.exact import at_most
from models.placement.rules import Seating
from models.program import Expression, Program
from models.rooms import rooms


def power(program: Program, instance: Instance, seats: Seating) -> None:
    """Bound what the projects' GPUs add to the power of the nodes of a domain."""
    policy, group = instance.policy, instance.topology.group
    for domain in policy.power_domains:
        inside = set(domain.nodes)
        terms = [(policy.watts[int(group[node])][1], gpus) for (_, node), gpus in seats.gpus.items() if node in inside]
        at_most(program, "power", domain.power.power, domain.name, terms=terms, bound=domain.left)


def segment(program: Program, instance: Instance, seats: Seating) -> None:
    """Make the GPUs of a project in every domain of the level a number of segments."""
    for row, size in _sized(instance, "segment"):
        for domain, here in _domains(instance, seats, row).items():
            most = sum(int(gpus.upBound) for gpus in here) // size
            count = program.integer("t", row.project, row.level, domain, upper=most)
            program.rule("segment", row.project, row.level, domain, row=pulp.lpSum(here) == size * count)


def spread(program: Program, instance: Instance, seats: Seating) -> None:
    """Bound the GPUs of a project in every domain of the level."""
    for row, size in _sized(instance, "spread"):
        for domain, here in _domains(instance, seats, row).items():
            program.rule("spread", row.project, row.level, domain, row=pulp.lpSum(here) <= size)


def whole(program: Program, instance: Instance, seats: Seating) -> None:
    """Give a project all the GPUs of a node, or none of them."""
    wanting = {row.project for row in instance.shapes if row.shape == "whole"}
    for (project, node), gpus in seats.gpus.items():
        if project in wanting:
            spanned = seats.spans[project, len(instance.topology.levels) - 1, node]
            program.rule("whole", project, node, row=gpus == instance.topology.row(node).gpus * spanned)


def exclusive(program: Program, instance: Instance, seats: Seating) -> None:
    """Keep others out of the domains of the level that a project spans, and it out of those with background."""
    for row in instance.shapes:
        if row.shape != "exclusive":
            continue
        depth = instance.policy.level(row)
        domain_of = instance.topology.domain[depth]
        held = {int(domain_of[node]) for node in instance.background}
        room: dict[int, int] = defaultdict(int)
        for node, gpus in enumerate(rooms(instance)):
            room[int(domain_of[node])] += gpus
        for domain in _domains(instance, seats, row):
            spanned, key = seats.spans[row.project, depth, domain], (row.project, row.level, domain)
            if domain in held:
                program.rule("exclusive", *key, "background", row=spanned <= 0)
            others = pulp.lpSum(
                gpus
                for (project, node), gpus in seats.gpus.items()
                if project != row.project and int(domain_of[node]) == domain
            )
            program.rule("exclusive", *key, row=others + room[domain] * spanned <= room[domain])


def _sized(instance: Instance, shape: str) -> Iterator[tuple[Shape, int]]:
    return ((row, row.amount or 1) for row in instance.shapes if row.shape == shape)


def _domains(instance: Instance, seats: Seating, row: Shape) -> dict[int, list[Expression]]:
    """Return the GPUs of the project of a shape by domain of its level."""
    domain_of = instance.topology.domain[instance.policy.level(row)]
    found: dict[int, list[Expression]] = defaultdict(list)
    for (project, node), gpus in seats.gpus.items():
        if project == row.project:
            found[int(domain_of[node])].append(gpus)
    return found
