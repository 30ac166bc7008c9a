"""Allocation and placement together, by project and node: the ground truth."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pulp

from kalloc.instance import Instance
from models.allocation.model import entitlements
from models.allocation.rules import Amounts, accepted, merit
from models.outcome import Outcome
from models.placement import need as needs_of
from models.placement.model import outcome, seats
from models.placement.rules import Needs, Seating, fragmentation
from models.placement.rules import need as spans_at_least
from models.posed import Posed, merit_means
from models.program import Answer, Expression, InexactError, Program, Status


@dataclass(frozen=True)
class Model:
    """The integer program, its decisions and its objectives in order."""

    program: Program
    amounts: Amounts
    seating: Seating
    merit: Expression
    fragmentation: Expression


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
    return Model(program, amounts, seating, merit(instance, amounts), fragmentation(instance, seating, needs))


def pose(instance: Instance, reached: int | None = None) -> Posed:
    """Return a tier of the problem as a program to be written to a file: merit, or fragmentation after it.

    Args:
        instance: what is decided on.
        reached: the value of the objective of the first tier, for the second one.
    """
    model = build(instance)
    if reached is None:
        return Posed(model.program, model.merit, True, merit_means(instance))
    model.program.rule("merit", row=model.merit >= reached)
    return Posed(model.program, model.fragmentation, False, "fragmentation")


def solve(instance: Instance, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Return a plan of most merit and, when the instance asks for it, among those one scattered least."""
    start = time.monotonic()
    model = build(instance)
    answer = model.program.maximise(model.merit, solver, time_limit)
    if answer.status == Status.OPTIMAL and "fragmentation" in instance.objective.tiers:
        model.program.rule("merit", row=model.merit >= answer(model.merit))
        left = None if time_limit is None else max(0.1, time_limit - (time.monotonic() - start))
        best = model.program.minimise(model.fragmentation, solver, left)
        if best.status == Status.INFEASIBLE:
            raise InexactError("the solver's own plan of most merit breaks a row of the tier after it")
        answer = best if best.found else Answer(Status.FEASIBLE, answer.values)
    if not answer.found:
        return Outcome(answer.status)
    allocation = {key: answer(gpus) for key, gpus in model.amounts.gpus.items()}
    return outcome(instance, answer, allocation, model.seating)
