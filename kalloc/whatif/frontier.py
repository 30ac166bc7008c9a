"""What two tiers cost each other: the plans of which none is better on both, each proven or with its gap."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kalloc.allocate.build import build
from kalloc.allocate.decode import decode
from kalloc.allocate.fairness import proportional
from kalloc.allocate.goals import GOALS, Goal
from kalloc.allocate.lexicographic import NoAnswerError, Search
from kalloc.allocate.model import Allocation
from kalloc.allocate.tiers import OF_SEATS, prepare
from kalloc.errors import KallocError
from kalloc.instance import Objective, Tier
from kalloc.instance.objective import SENSES
from kalloc.joint import TooManyBundlesError, joint_model
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status
from kalloc.solving import solve
from kalloc.whatif.settle import seatable, shaped
from kalloc.whatif.thinning import THINNED, thinned

if TYPE_CHECKING:
    from kalloc.instance import Instance

TIERS = (*GOALS, "fairness", *sorted(OF_SEATS))
"""Tiers that are one sum each; `fairness` with the rule `proportional`."""
EXACT_VARIABLES = 8_000
"""Up to so many variables seats are decided in one exact model with the allocation."""
EXACT_SHARE = 0.5
"""Share of the time that exact points may use."""


@dataclass(frozen=True)
class Point:
    """The best found of the first tier with no worse than so much of the second, and what is proven of it."""

    first: float
    second: float
    bound: float | None
    """No plan that is no worse on the second tier is better than this on the first; None where that is not known."""

    @property
    def gap(self) -> float | None:
        """|first − bound| / max(1, |first|)."""
        return None if self.bound is None else abs(self.bound - self.first) / max(1.0, abs(self.first))

    @property
    def proven(self) -> bool:
        """Whether no plan that is no worse on the second tier is better on the first."""
        return self.bound == self.first


def frontier(instance: Instance, between: tuple[str, str], points: int, time_limit: float) -> list[Point]:
    """Return points of the front of two tiers, the best of the second tier first; all other tiers are left out.

    The last point is the best plan by the first tier, then the second; the others ask evenly more of the second. Where
    neither tier depends on seats, the allocation decides; where that asks for shapes, points are seated. Else each is
    decided in one exact model where the instance is small enough. Of a larger one, projects are taken out of the plan,
    those first that scatter most for what they add, and the bound of a point is that of all plans. Points that another
    one beats are left out.

    Raises:
        KallocError: for tiers that are no sums, or that are not decided together at this size.
        InfeasibleError: when no plan can exist.
        NoPlanError: when none was found within the limits.
    """
    tiers = _tiers(instance, between)
    instance = instance.replace(objective=Objective(tiers=tiers))
    limits = Limits(deadline=time.monotonic() + time_limit)
    try:
        found = list(_exact(instance, points, replace(limits, deadline=time.monotonic() + EXACT_SHARE * time_limit)))
    except (TooLargeError, TooManyBundlesError, NoAnswerError):
        found = []
    found = found or list(_thinned(instance, points, limits))
    signs = [1 if SENSES[tier.name] == "max" else -1 for tier in tiers]
    best: list[Point] = []
    for point in sorted(found, key=lambda point: (-signs[1] * point.second, -signs[0] * point.first)):
        if not best or signs[0] * point.first > signs[0] * best[-1].first:
            best.append(point)
    return best


def _tiers(instance: Instance, between: tuple[str, str]) -> tuple[Tier, Tier]:
    """Return two tiers with their settings: those of the objective, else the defaults."""
    known: Mapping[str, Tier] = {tier.name: tier for tier in instance.objective.tiers}
    message = f"no front between {between[0]!r} and {between[1]!r}; give two of {', '.join(TIERS)}"
    try:
        tiers = [known[name] if name in known else Tier(name=name) for name in between]
    except ValidationError:
        raise KallocError(message) from None
    unset = any(tier.rule == "maxmin" or (tier.name == "reserve" and tier.level is None) for tier in tiers)
    if tiers[0].name == tiers[1].name or unset or not {tier.name for tier in tiers} <= set(TIERS):
        more = "the objective must say rule = proportional for fairness, and the level for reserve"
        raise KallocError(f"{message}; {more}")
    return tiers[0], tiers[1]


def _exact(instance: Instance, points: int, limits: Limits) -> Iterator[Point]:
    """Yield points by a model of both tiers: the best of the first within an allowance, then of the second."""
    allocation, goals = _model(instance)
    first, second = (_goal(allocation, tier, goals) for tier in instance.objective.tiers)
    if not (first.exact and second.exact):
        raise TooLargeError
    model = allocation.model
    allowance, goal = model.row(second.terms, None, None), model.row(first.terms, None, None)
    search = Search(allocation, limits)
    most = search.maximise(second.terms)
    end = search.maximise(first.terms)
    if most.value is None or most.status is not Status.OPTIMAL or end.value is None:
        raise TooLargeError
    model.row_lower[goal] = -end.value
    search.maximise(second.terms)
    for least in _allowed(-most.value, search.of(second.terms), points):
        model.row_lower[allowance], model.row_lower[goal] = least, None
        best = search.maximise(first.terms)
        if best.value is None or best.bound is None:
            continue
        model.row_lower[goal] = -best.value
        search.maximise(second.terms)
        if goals or _confirmed(instance, search, limits):
            reached = second.value(search.of(second.terms))
            yield Point(float(first.value(-best.value)), float(reached), float(first.value(-best.bound)))


def _model(instance: Instance) -> tuple[Allocation, Mapping[str, Goal]]:
    """Return the model of allocation and seats with its goals; that of the allocation alone where seats do not matter.

    Where they matter only since somebody asks for a shape, and the model with seats is too large, points are seated.
    """
    rooms, of_seats = Rooms.of(instance), not OF_SEATS.isdisjoint(instance.objective.names)
    if of_seats or shaped(instance):
        try:
            joint = joint_model(instance, rooms, EXACT_VARIABLES)
            return joint.allocation, joint.goals
        except (TooLargeError, TooManyBundlesError):
            if of_seats:
                raise
    allocation = build(instance, rooms)
    prepare(allocation)
    return allocation, {}


def _goal(allocation: Allocation, tier: Tier, goals: Mapping[str, Goal]) -> Goal:
    if tier.name in goals:
        return goals[tier.name]
    return proportional(allocation, tier) if tier.name == "fairness" else GOALS[tier.name](allocation, tier)


def _confirmed(instance: Instance, search: Search, limits: Limits) -> bool:
    """Tell whether the best point so far can be seated."""
    assert search.values is not None
    return not shaped(instance) or seatable(instance, decode(search.allocation, search.values), limits)


def _allowed(most: int, end: int, points: int) -> list[int]:
    """Return what each point must have of the second tier at least, from the most there can be to that of the end."""
    steps = max(1, points - 1)
    return sorted({most + (end - most) * number // steps for number in range(steps)} | {end}, reverse=True)


def _thinned(instance: Instance, points: int, limits: Limits) -> Iterator[Point]:
    """Yield the plan of a solve, and points by taking projects out of it."""
    first, second = instance.objective.tiers
    result = solve(instance, time_limit=limits.seconds)
    if second.name != "fragmentation" or first.name not in THINNED:
        names = f"{first.name!r} and {second.name!r}"
        raise KallocError(f"no front between {names} at this size; give one of {', '.join(THINNED)} and fragmentation")
    bound = result.tiers[0].bound
    yield Point(result.tiers[0].value, result.fragmentation, bound)
    allowed = [-least for least in _allowed(0, -result.fragmentation, points)]
    for worth, scattered in thinned(instance, result.plan, first, allowed[:-1]):
        yield Point(float(worth), scattered, bound)
