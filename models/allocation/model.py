"""The allocation alone: the tiers that need no seats, with seats counted by pool and owner."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kalloc.instance import Instance
from models.allocation.policy import budget, call, limit
from models.allocation.rules import Amounts, borrowing, cap, mandatory, mix, quota, request
from models.allocation.supply import eligible, flows, room, seated, stays
from models.allocation.tiers import TIERS
from models.allocation.tiers import merit_of as merit
from models.flows import lend
from models.outcome import Outcome
from models.posed import Posed, merit_means
from models.program import Answer, Program
from models.search import Search, decide
from models.values import merit_of, value


@dataclass(frozen=True)
class Model:
    """The integer program and its decision."""

    program: Program
    amounts: Amounts


def entitlements(program: Program, instance: Instance) -> Amounts:
    """Add the rules on what a project and a pool may get, wherever it sits."""
    amounts = request(program, instance)
    mix(program, instance, amounts)
    cap(program, instance, amounts)
    mandatory(program, instance, amounts)
    quota(program, instance, amounts)
    borrowing(program, instance, amounts)
    call(program, instance, amounts)
    limit(program, instance, amounts)
    budget(program, instance, amounts)
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
    return Model(program, amounts)


def pose(instance: Instance) -> Posed:
    """Return the allocation as a program to be written to a file."""
    model = build(instance)
    return Posed(model.program, merit(instance, model.amounts), True, merit_means(instance))


def solve(instance: Instance, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Return an allocation that is best on the tiers that need no seats, in their order; the others are passed over."""
    model = build(instance)
    search = Search(model.program, solver, time_limit)
    tiers = [tier for tier in instance.objective.tiers if tier.name in TIERS]

    def count(answer: Answer) -> Outcome:
        allocation = {key: answer(gpus) for key, gpus in model.amounts.gpus.items()}
        values = tuple(value(instance, tier, allocation) for tier in tiers)
        return Outcome(answer.status, allocation, merit=merit_of(instance, allocation), tiers=values)

    asked = ((tier, partial(TIERS[tier.name], search, instance, model.amounts, tier)) for tier in tiers)
    return decide(search, asked, count)
