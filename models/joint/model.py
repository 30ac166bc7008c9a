"""Allocation and placement together, by project and node: the ground truth."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pulp

from kalloc.instance import Instance, Tier
from models.allocation import tiers as seatless
from models.allocation.model import entitlements
from models.allocation.rules import Amounts
from models.asked import accepted
from models.outcome import Outcome
from models.placement import need as needs_of
from models.placement import tiers as seated
from models.placement.model import outcome, seats
from models.placement.rules import Needs, Seating
from models.placement.rules import need as spans_at_least
from models.posed import Posed, merit_means
from models.program import Answer, Expression, Program
from models.search import Search, decide


@dataclass(frozen=True)
class Model:
    """The integer program, its decisions and what projects need."""

    program: Program
    amounts: Amounts
    seating: Seating
    needs: Needs


def bundles(instance: Instance, project: str) -> Iterator[dict[str, int]]:
    """Yield every combination of GPUs per kind that a project may get, nothing included."""
    rows = instance.requests_of[project]
    pool = instance.project_of[project].pool
    caps = [instance.cap_of.get((pool, row.kind), row.max) for row in rows]
    choices = [
        [0, *(gpus for gpus in accepted(instance, row) if gpus <= most)] for row, most in zip(rows, caps, strict=True)
    ]
    one = instance.project_of[project].mix == "one"
    for amounts in itertools.product(*choices):
        if not one or sum(gpus > 0 for gpus in amounts) <= 1:
            yield {row.kind: gpus for row, gpus in zip(rows, amounts, strict=True)}


def need(program: Program, instance: Instance, amounts: Amounts) -> Needs:
    """Choose the bundle that each project gets, and with it what the project needs at every level."""
    needs: dict[tuple[str, int], Expression] = {}
    for project in instance.requests_of:
        offered = needs_of.offers(instance, project)
        picked = []
        got: dict[str, list[Expression]] = defaultdict(list)
        counts: dict[int, list[Expression]] = defaultdict(list)
        for bundle in bundles(instance, project):
            fewest = needs_of.need(instance, offered, bundle)
            if fewest is None:
                continue
            pick = program.integer("b", project, *bundle.values(), upper=1)
            picked.append(pick)
            for kind, gpus in bundle.items():
                got[kind].append(gpus * pick)
            for depth, count in enumerate(fewest):
                counts[depth].append(count * pick)
        program.rule("need", project, row=pulp.lpSum(picked) == 1)
        for kind, terms in got.items():
            program.rule("need", project, kind, row=pulp.lpSum(terms) == amounts.gpus[project, kind])
        needs.update({(project, depth): pulp.lpSum(terms) for depth, terms in counts.items()})
    return needs


def build(instance: Instance) -> Model:
    """Return allocation and placement as one integer program, rule by rule."""
    program = Program(f"joint_{instance.name}")
    amounts = entitlements(program, instance)
    most = {key: int(gpus.upBound) for key, gpus in amounts.gpus.items()}
    seating = seats(program, instance, amounts.gpus, most)
    needs = need(program, instance, amounts)
    spans_at_least(program, seating, needs)
    return Model(program, amounts, seating, needs)


def pose(instance: Instance, reached: int | None = None) -> Posed:
    """Return a tier of the problem as a program to be written to a file: merit, or fragmentation after it.

    Args:
        instance: what is decided on.
        reached: the value of the objective of the first tier, for the second one.
    """
    model = build(instance)
    if reached is None:
        return Posed(model.program, seatless.merit_of(instance, model.amounts), True, merit_means(instance))
    model.program.rule("merit", row=seatless.merit_of(instance, model.amounts) >= reached)
    scatter = seated.scatter(instance, model.seating, model.needs)
    return Posed(model.program, scatter, False, "fragmentation")


def ask(search: Search, instance: Instance, model: Model, tier: Tier) -> None:
    """Ask for the best value of a tier, and hold the program to it."""
    if tier.name in seatless.TIERS:
        seatless.TIERS[tier.name](search, instance, model.amounts, tier)
    else:
        seated.TIERS[tier.name](search, instance, model.seating, model.needs, tier)


def solve(instance: Instance, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Return a plan that is best on the first tier of the instance, among those best on the second, and so on."""
    model = build(instance)
    search = Search(model.program, solver, time_limit)

    def count(answer: Answer) -> Outcome:
        allocation = {key: answer(gpus) for key, gpus in model.amounts.gpus.items()}
        return outcome(instance, answer, allocation, model.seating)

    return decide(
        search, ((tier, partial(ask, search, instance, model, tier)) for tier in instance.objective.tiers), count
    )
