"""The placement alone: where a given allocation sits, scattered least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from kalloc.instance import Instance, Tier
from models.flows import lend
from models.outcome import Allocation, Outcome
from models.placement import need as needs_of
from models.placement.policy import exclusive, power, segment, spread, whole
from models.placement.rules import (
    Asked,
    Seating,
    eligible,
    flows,
    level,
    need,
    room,
    seated,
    seating,
    spans,
    stays,
)
from models.placement.tiers import TIERS, scatter
from models.posed import Posed
from models.program import Answer, Expression, Program, Status
from models.search import Search, decide
from models.values import fragmentation_of, merit_of, spans_of, values


@dataclass(frozen=True)
class Model:
    """The integer program, its decision, what projects need and the score."""

    program: Program
    seating: Seating
    needs: Mapping[tuple[str, int], int]
    fragmentation: Expression


def seats(program: Program, instance: Instance, asked: Asked, most: Allocation) -> Seating:
    """Add the rules on where GPUs sit, whether their numbers are given or decided; ``most`` bounds them."""
    decision = seating(program, instance, most)
    eligible(program, instance, decision)
    room(program, instance, decision)
    lend(program, instance, flows(instance, decision))
    seated(program, instance, decision, asked)
    level(program, instance, decision)
    stays(program, instance, decision)
    spans(program, instance, decision, most)
    power(program, instance, decision)
    segment(program, instance, decision)
    spread(program, instance, decision)
    whole(program, instance, decision)
    exclusive(program, instance, decision)
    return decision


def needed(instance: Instance, allocation: Allocation) -> dict[tuple[str, int], int] | None:
    """Return need by project and depth of the level, None when a project cannot be held at all."""
    bundles: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in allocation.items():
        bundles.setdefault(project, {})[kind] = gpus
    found = {}
    for project, bundle in bundles.items():
        fewest = needs_of.need(instance, needs_of.offers(instance, project), bundle)
        if fewest is None:
            return None
        found.update({(project, depth): count for depth, count in enumerate(fewest)})
    return found


def by_level(instance: Instance, counts: Mapping[tuple[str, int], int]) -> dict[str, int]:
    """Return counts by project and depth summed over projects, per level."""
    total: Counter[int] = Counter()
    for (_, depth), count in counts.items():
        total[depth] += count
    return {name: total[depth] for depth, name in enumerate(instance.topology.levels)}


def build(instance: Instance, allocation: Allocation) -> Model | None:
    """Return the placement as an integer program, rule by rule; None when a project fits nowhere even alone."""
    granted = {key: gpus for key, gpus in allocation.items() if gpus > 0}
    needs = needed(instance, granted)
    if needs is None:
        return None
    program = Program(f"placement_{instance.name}")
    decision = seats(program, instance, granted, granted)
    need(program, decision, needs)
    return Model(program, decision, needs, scatter(instance, decision, needs))


def pose(instance: Instance, allocation: Allocation) -> Posed | None:
    """Return the placement as a program to be written to a file; None when a project fits nowhere even alone."""
    model = build(instance, allocation)
    return None if model is None else Posed(model.program, model.fragmentation, False, "fragmentation")


def outcome(instance: Instance, answer: Answer, allocation: Allocation, seating: Seating) -> Outcome:
    """Return the seats of an answer with what they themselves, and the allocation, are worth."""
    found = {key: answer(gpus) for key, gpus in seating.gpus.items()}
    taken = {key: gpus for key, gpus in found.items() if gpus > 0}
    needs = needed(instance, allocation)
    assert needs is not None
    return Outcome(
        answer.status,
        allocation,
        taken,
        merit=merit_of(instance, allocation),
        fragmentation=fragmentation_of(instance, taken, needs),
        spans=by_level(instance, spans_of(instance, taken)),
        need=by_level(instance, needs),
        tiers=values(instance, allocation, taken, needs),
    )


def solve(
    instance: Instance, allocation: Allocation, solver: str | None = None, time_limit: float | None = None
) -> Outcome:
    """Return the best seats of an allocation on the tiers that need seats, and of those the least scattered.

    The other tiers are decided by the allocation. Fragmentation comes last where the instance does not name it.
    """
    model = build(instance, allocation)
    if model is None:
        return Outcome(Status.INFEASIBLE)
    search = Search(model.program, solver, time_limit)
    tiers = [tier for tier in instance.objective.tiers if tier.name in TIERS]
    if "fragmentation" not in instance.objective.names:
        tiers.append(Tier(name="fragmentation"))
    asked = ((tier, partial(TIERS[tier.name], search, instance, model.seating, model.needs, tier)) for tier in tiers)
    return decide(search, asked, lambda answer: outcome(instance, answer, allocation, model.seating))
