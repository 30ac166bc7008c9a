"""What two tiers cost each other: the plans of which none is better on both, each proven or with its gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.allocate.goals import GOALS
from kalloc.allocate.lexicographic import Search
from kalloc.errors import KallocError
from kalloc.instance import Tier
from kalloc.instance.policy import decimal
from kalloc.joint import TooManyBundlesError, joint_model
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status
from kalloc.solving import solve
from kalloc.verify import Records, scattered, score

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Result

TIERS = frozenset({"merit", "fragmentation"})
EXACT_VARIABLES = 8_000
"""Up to so many variables both tiers are decided in one exact model."""


@dataclass(frozen=True)
class Point:
    """The most merit found with no more than so much fragmentation, and what is proven of it."""

    merit: float
    fragmentation: int
    merit_bound: float
    """No plan of no more fragmentation has more merit."""

    @property
    def gap(self) -> float:
        """|merit − bound| / max(1, |merit|)."""
        return abs(self.merit_bound - self.merit) / max(1.0, abs(self.merit))

    @property
    def proven(self) -> bool:
        """Whether no plan of no more fragmentation has more merit."""
        return self.merit_bound == self.merit


def frontier(instance: Instance, between: tuple[str, str], points: int, time_limit: float) -> list[Point]:
    """Return points of the front of merit and fragmentation, the least fragmentation first.

    The last point is the plan of :func:`kalloc.solve`; the others allow evenly less fragmentation. Where the instance
    is small enough, each is decided in one exact model of both tiers. Else projects are taken out of the plan, those
    first that scatter most for their merit, and the bound of a point is that of all plans. Points that another one
    beats are left out.

    Raises:
        KallocError: for tiers other than these two.
        InfeasibleError: when no plan can exist.
        NoPlanError: when none was found within the limits.
    """
    if set(between) != TIERS:
        raise KallocError(f"no front between {between[0]!r} and {between[1]!r}; give merit and fragmentation")
    result = solve(instance, time_limit=time_limit / 2)
    end = _end(result)
    try:
        found = list(_exact(instance, result, points, time_limit / 2))
    except (TooLargeError, TooManyBundlesError):
        found = list(_thinned(instance, result, points))
    best: list[Point] = []
    for point in sorted([*found, end], key=lambda point: (point.fragmentation, -point.merit)):
        if not best or point.merit > best[-1].merit:
            best.append(point)
    return best


def _end(result: Result) -> Point:
    tier = next(tier for tier in result.tiers if tier.name == "merit")
    bound = tier.value if tier.bound is None else tier.bound
    return Point(tier.value, result.fragmentation, bound)


def _allowed(most: int, least: int, points: int) -> list[int]:
    """Return what each point but the last may have of fragmentation."""
    steps = max(1, points - 1)
    return sorted({least + (most - least) * number // steps for number in range(steps)} - {most})


def _exact(instance: Instance, result: Result, points: int, seconds: float) -> Iterator[Point]:
    """Yield points by the model of both tiers: most merit within an allowance, then least fragmentation of that."""
    import time

    joint = joint_model(instance, Rooms.of(instance), EXACT_VARIABLES)
    merit, tidiness = GOALS["merit"](joint.allocation, Tier(name="merit")), joint.goals["fragmentation"]
    if not merit.exact:
        raise TooLargeError
    model = joint.allocation.model
    allowance, goal = model.row(tidiness.terms, None, None), model.row(merit.terms, None, None)
    search = Search(joint.allocation, Limits(deadline=time.monotonic() + seconds))
    least = search.maximise(tidiness.terms)
    if least.value is None or least.status is not Status.OPTIMAL:
        raise TooLargeError
    for most in _allowed(result.fragmentation, least.value, points):
        model.row_lower[allowance], model.row_lower[goal] = -most, None
        best = search.maximise(merit.terms)
        if best.value is None or best.bound is None:
            continue
        model.row_lower[goal] = -best.value
        search.maximise(tidiness.terms)
        scattered = -search.of(tidiness.terms)
        yield Point(float(merit.value(-best.value)), scattered, float(merit.value(-best.bound)))


def _thinned(instance: Instance, result: Result, points: int) -> Iterator[Point]:
    """Yield points by taking projects out of the plan: what the others hold and need stays as it is."""
    end = _end(result)
    records = Records.of(instance, result.plan)
    excess, worth = {project: scattered(records, project) for project in records.seats}, _worth(records)
    free = [name for name in excess if excess[name] > 0 and name not in instance.stays]
    order = sorted(
        (name for name in free if not instance.project_of[name].mandatory),
        key=lambda name: (worth[name] / excess[name], name),
    )
    left, merit = result.fragmentation, score(instance, result.plan).merit
    taken = iter(order)
    for most in sorted(_allowed(result.fragmentation, 0, points), reverse=True):
        while left > most and (name := next(taken, None)) is not None:
            left -= excess[name]
            merit -= worth[name]
        yield Point(float(merit), left, end.merit_bound)


def _worth(records: Records) -> dict[str, Fraction]:
    """Return what each project adds to merit."""
    instance, held = records.instance, records.held
    found: dict[str, Fraction] = {}
    for row in instance.requests:
        merit = decimal(instance.project_of[row.project].merit)
        worth = merit * decimal(instance.value(row)) * held.get(row.project, {}).get(row.kind, 0)
        found[row.project] = found.get(row.project, Fraction(0)) + worth
    return found
