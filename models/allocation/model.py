"""The allocation alone: most merit, with seats counted by pool and owner."""

from __future__ import annotations

from dataclasses import dataclass

from kalloc.instance import Instance
from models.allocation.rules import Amounts, borrowing, cap, mandatory, merit, mix, quota, request
from models.allocation.supply import eligible, flows, room, seated, stays
from models.flows import lend
from models.outcome import Outcome, merit_of
from models.posed import Posed, merit_means
from models.program import Expression, Program


@dataclass(frozen=True)
class Model:
    """The integer program, its decision and its objective."""

    program: Program
    amounts: Amounts
    merit: Expression


def entitlements(program: Program, instance: Instance) -> Amounts:
    """Add the rules on what a project and a pool may get, wherever it sits."""
    amounts = request(program, instance)
    mix(program, instance, amounts)
    cap(program, instance, amounts)
    mandatory(program, instance, amounts)
    quota(program, instance, amounts)
    borrowing(program, instance, amounts)
    return amounts


def build(instance: Instance) -> Model:
    """Return the allocation as an integer program, rule by rule."""
    program = Program(f"allocation_{instance.name}")
    amounts = entitlements(program, instance)
    seats = flows(program, instance)
    eligible(program, instance, seats)
    room(program, instance, seats)
    lend(program, instance, seats)
    seated(program, instance, seats, amounts)
    stays(program, instance, seats, amounts)
    return Model(program, amounts, merit(instance, amounts))


def pose(instance: Instance) -> Posed:
    """Return the allocation as a program to be written to a file."""
    model = build(instance)
    return Posed(model.program, model.merit, True, merit_means(instance))


def solve(instance: Instance, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Return an allocation of most merit, without places."""
    model = build(instance)
    answer = model.program.maximise(model.merit, solver, time_limit)
    if not answer.found:
        return Outcome(answer.status)
    allocation = {key: answer(gpus) for key, gpus in model.amounts.gpus.items()}
    return Outcome(answer.status, allocation, merit=merit_of(instance, allocation))
