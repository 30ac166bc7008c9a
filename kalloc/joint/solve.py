"""All tiers of a small instance in one model: which model it takes, and what it proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from kalloc.allocate.goals import GOALS
from kalloc.allocate.lexicographic import NoAnswerError, Search, Settled
from kalloc.allocate.tiers import settle
from kalloc.instance import Instance
from kalloc.joint.bundles import Granted
from kalloc.joint.flows import Flows
from kalloc.joint.seats import Chairs
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seats
from kalloc.solver import Limits, Status

MAX_NODES = 1_000
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""


@dataclass(frozen=True)
class JointAnswer:
    """A plan of both decisions, and what its tiers came to; their bounds hold for every plan."""

    granted: Granted
    seats: Seats
    settled: list[Settled]


def solve_joint(
    instance: Instance, rooms: Rooms, known: Mapping[str, Fraction], size: int, limits: Limits
) -> tuple[Status, JointAnswer | None]:
    """Decide all tiers together.

    ``known`` has the values that tiers of one sum reach where seats are only counted, and that no plan exceeds: as far
    as the first tiers are among them, they are demanded at once. Infeasible is proven.

    Raises:
        TooLargeError: when the model would have more than ``size`` variables.
        TooManyBundlesError: when a class has too many ways to be served.
    """
    joint = joint_model(instance, rooms, size)
    tiers = list(instance.objective.tiers)
    before: list[Settled] = []
    for tier in tiers:
        if tier.name not in known or tier.name not in GOALS:
            break
        goal, value = GOALS[tier.name](joint.allocation, tier), known[tier.name]
        if not goal.exact:
            break
        joint.allocation.model.row(goal.terms, floor(goal.sense * value * goal.unit), None)
        before.append(Settled(tier.name, value, value))
    search = Search(joint.allocation, limits, MAX_NODES)
    try:
        settled = [*before, *settle(search, tiers[len(before) :], joint.goals)]
    except NoAnswerError as error:
        if error.infeasible and before:
            return solve_joint(instance, rooms, {}, size, limits)
        return (Status.INFEASIBLE if error.infeasible else Status.UNKNOWN), None
    assert search.values is not None
    granted, seats = joint.decode(search.values)
    status = Status.FEASIBLE if search.cut_short else Status.OPTIMAL
    return status, JointAnswer(granted, seats, settled)


def joint_model(instance: Instance, rooms: Rooms, size: int) -> Flows | Chairs:
    """Return the model by flows, or seat by seat where a rule or a tier looks at single domains."""
    single = instance.shapes or instance.power or "reserve" in instance.objective.names
    return Chairs.of(instance, rooms, size) if single else Flows.of(instance, rooms, size)
