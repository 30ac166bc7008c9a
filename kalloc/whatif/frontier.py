"""What two tiers cost each other: the plans of which none is better on both, each proven or with its gap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kalloc.allocate.build import build
from kalloc.allocate.decode import decode
from kalloc.allocate.fairness import proportional
from kalloc.allocate.goals import GOALS, Goal
from kalloc.allocate.lexicographic import NoAnswerError, Search
from kalloc.allocate.model import Allocation
from kalloc.allocate.tiers import OF_SEATS, prepare, settle
from kalloc.errors import KallocError, NoPlanError
from kalloc.instance import Objective, Tier
from kalloc.instance.objective import SENSES
from kalloc.joint import TooManyBundlesError, joint_model
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status
from kalloc.solving import solve
from kalloc.whatif.levels import Levels, of_many
from kalloc.whatif.settle import seatable, shaped
from kalloc.whatif.thinning import THINNED, thinned
from kalloc.whatif.trimming import trimmed

if TYPE_CHECKING:
    from kalloc.instance import Instance

TIERS = (*GOALS, "ranked", "fairness", *sorted(OF_SEATS))
"""Tiers between which there are fronts."""
EXACT_VARIABLES = 8_000
"""Up to so many variables seats are decided in one exact model with the allocation."""
NOT_TO_ITS_END = "a tier of many values was not proven to its end; give more time"
EXACT_SHARE = 0.5
"""Share of the time that exact points may use."""


@dataclass(frozen=True)
class Point:
    """The best found of the first tier with no worse than so much of the second, and what is proven of it."""

    first: float
    second: float
    bound: float | None
    """No plan that is no worse on the second tier is better than this on the first; None where that is not known.

    A tier of many values is told by how many of its first levels are kept (:mod:`kalloc.whatif.levels`).
    """

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
    one beats are left out. Of a tier of many values, points keep evenly fewer of the first levels.

    Raises:
        KallocError: for unknown tiers, or tiers that are not decided together at this size or in the time.
        InfeasibleError: when no plan can exist.
        NoPlanError: when none was found within the limits.
    """
    tiers = _tiers(instance, between)
    instance = instance.replace(objective=Objective(tiers=tiers))
    limits = Limits(deadline=time.monotonic() + time_limit)
    if any(map(of_many, tiers)):
        try:
            return _front(tiers, _levelled(instance, points, limits))
        except (TooLargeError, TooManyBundlesError):
            return _front(tiers, _trimmed(instance, points, limits))
    try:
        found = list(_exact(instance, points, replace(limits, deadline=time.monotonic() + EXACT_SHARE * time_limit)))
    except (TooLargeError, TooManyBundlesError, NoAnswerError):
        found = []
    return _front(tiers, found or _thinned(instance, points, limits))


def _front(tiers: tuple[Tier, Tier], found: Iterable[Point]) -> list[Point]:
    """Return the points that no other one beats, the best of the second tier first."""
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
    unset = any(tier.name == "reserve" and tier.level is None for tier in tiers)
    if tiers[0].name == tiers[1].name or unset or not {tier.name for tier in tiers} <= set(TIERS):
        raise KallocError(f"{message}; the objective must say the level for reserve")
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


def _levelled(instance: Instance, points: int, limits: Limits) -> Iterator[Point]:
    """Yield points that keep so many of the first levels of a tier of many values, the other tier at its best then.

    Where both are of many values, the first levels of the second are kept.

    Raises:
        TooLargeError, TooManyBundlesError: when the tiers are not decided together at this size.
        NoPlanError: when they are not in the time.
    """
    tiers = instance.objective.tiers
    kept, other = (tiers[1], tiers[0]) if of_many(tiers[1]) else (tiers[0], tiers[1])
    try:
        allocation, goals = _model(instance)
        levels = Levels.of(allocation, kept, limits)
        best = Levels.of(allocation, other, limits) if of_many(other) else None
    except NoAnswerError as error:
        if error.infeasible:
            solve(instance, time_limit=limits.seconds)
        raise NoPlanError(NOT_TO_ITS_END) from None
    rows, size = len(allocation.model.row_lower), allocation.model.size
    sign, above = 1 if of_many(other) or SENSES[other.name] == "max" else -1, list[tuple[int, float]]()
    for first in _allowed(levels.count, 0, points):
        allocation.model.truncate(rows, size)
        levels.keep(first)
        search = Search(allocation, limits)
        with suppress(NoAnswerError):
            value, bound = _best(search, best) if best is not None else _most(search, _goal(allocation, other, goals))
            if value is None or not (goals or _confirmed(instance, search, limits)):
                continue
            if first == 0:
                settle(search, [kept], {})
            most = min((more - 1 for more, worse in above if sign * worse < sign * value), default=levels.count)
            number = levels.kept(search)
            yield Point(value, number, bound) if kept is tiers[1] else Point(number, value, most)
            above += [] if bound is None else [(first, bound)]


def _trimmed(instance: Instance, points: int, limits: Limits) -> Iterator[Point]:
    """Yield the plan of a solve by a tier of many values and then fragmentation, and points by taking projects out.

    The bounds are those of all plans: all levels, and for whoever keeps all of them the fragmentation that is proven
    of every plan as good, else none at all.

    Raises:
        KallocError: for other tiers.
        NoPlanError: when the tier of many values was not proven to its end.
    """
    first, second = instance.objective.tiers
    many, other = (first, second) if of_many(first) else (second, first)
    if other.name != "fragmentation":
        names = f"{first.name!r} and {second.name!r}"
        raise KallocError(f"no front between {names} at this size; give one of them and fragmentation")
    result = solve(instance.replace(objective=Objective(tiers=(many, other))), time_limit=limits.seconds)
    best, scattering = result.tiers
    if best.value != best.bound or not best.complete or best.given is not None:
        raise NoPlanError(NOT_TO_ITS_END)
    count, found = trimmed(instance, result.plan, many, points)
    for kept, fragmentation in found:
        proven = scattering.bound if kept == count and scattering.given is None else None
        if many is first:
            yield Point(kept, fragmentation, count)
        else:
            yield Point(fragmentation, kept, 0 if proven is None else proven)


def _most(search: Search, goal: Goal) -> tuple[float | None, float | None]:
    """Return the most of a sum, which is kept, and its bound."""
    answer = search.maximise(goal.terms)
    if answer.value is None or not goal.exact:
        return None, None
    search.allocation.model.row(goal.terms, -answer.value, None)
    return float(goal.value(-answer.value)), None if answer.bound is None else float(goal.value(-answer.bound))


def _best(search: Search, levels: Levels) -> tuple[float | None, float | None]:
    """Return how many of its first levels the best plan by a tier of many values keeps, twice where that is proven."""
    [settled] = settle(search, [levels.tier], {})
    number = levels.kept(search)
    return number, number if settled.complete else None


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
