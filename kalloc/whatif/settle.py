"""The one door of this part to the engine: what the best allocation of an instance comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import takewhile

from kalloc.allocate.tiers import OF_SEATS
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Instance
from kalloc.instance.policy import decimal
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError
from kalloc.plan import Progress, Result
from kalloc.solver import Limits, Stop
from kalloc.solving import Allocated, Run, allocate, place, seat, solve


@dataclass(frozen=True)
class Settled:
    """Who gets how much at best, and what is proven of it."""

    granted: Mapping[tuple[str, str], int]
    """GPUs by project and kind, where there are any."""
    merit: Fraction
    bound: Fraction | None
    """No allocation that can be seated has more merit; None where nothing was proven."""
    seated: bool
    """Whether seats were found, or are not in question."""
    tiers: Mapping[str, Fraction]
    """Values of the tiers that the allocation decides, as far as each and all before it are proven."""
    best: bool
    """Whether these are all, or all up to merit where that is one."""

    @property
    def proven(self) -> bool:
        """Whether it can be seated, and none that can is better."""
        return self.seated and self.best

    @cached_property
    def _totals(self) -> Counter[str]:
        totals = Counter[str]()
        for (project, _), gpus in self.granted.items():
            totals[project] += gpus
        return totals

    def gets(self, project: str) -> int:
        """Return the GPUs that a project gets, of all kinds."""
        return self._totals[project]


def settle(instance: Instance, limits: Limits, seated: bool = True) -> Settled | None:
    """Return the best allocation of an instance, or None where no plan can exist.

    The allocation is decided as in any solve. Where somebody asks for a shape, it is seated, too, since not every
    allocation can be: the first seats found confirm it, as the place does not matter here. Where none are found, the
    whole plan is solved. Without ``seated`` that is left out, and where there are shapes nothing is proven.

    Raises:
        NoPlanError: when none was found within the limits.
    """
    formed = shaped(instance)
    try:
        if not formed or not seated:
            return _counted(instance, limits, not formed)
        found = _seated(instance, limits)
        return found if found is not None and found.proven else _solved(instance, limits)
    except InfeasibleError:
        return None


def shaped(instance: Instance) -> bool:
    """Tell whether some allocations may be impossible to seat: somebody asks for a shape, or power is limited."""
    return any(row.level is not None for row in instance.projects) or bool(instance.shapes or instance.power)


def seatable(instance: Instance, granted: Mapping[tuple[str, str], int], limits: Limits) -> bool:
    """Tell whether seats were found for an allocation."""
    first = _First(limits.stop)
    try:
        seat(Run(instance, replace(limits, stop=first), first, explains=False), Rooms.of(instance), dict(granted))
    except NoRoomError:
        return False
    return True


def _counted(instance: Instance, limits: Limits, seated: bool) -> Settled:
    """Decide the allocation by itself."""
    allocated = allocate(Run(instance, limits, None, explains=False), Rooms.of(instance))
    return _settled(instance, allocated, allocated.granted, seated)


def _seated(instance: Instance, limits: Limits) -> Settled | None:
    """Decide the allocation and find first seats for it; None where that fails."""
    first, rooms = _First(limits.stop), Rooms.of(instance)
    run = Run(instance, replace(limits, stop=first), first, explains=False)
    allocated = allocate(run, rooms)
    try:
        return _settled(instance, allocated, place(run, rooms, allocated).granted, True)
    except NoPlanError:
        return None


def seats_of(instance: Instance, limits: Limits) -> Mapping[tuple[str, int], int] | None:
    """Return first seats, by project and node, of all who must be served; None where none were found."""
    first, rooms = _First(limits.stop), Rooms.of(instance)
    run = Run(instance, replace(limits, stop=first), first, explains=False)
    try:
        return place(run, rooms, allocate(run, rooms)).seats
    except (InfeasibleError, NoPlanError):
        return None


def _settled(instance: Instance, allocated: Allocated, granted: Mapping[tuple[str, str], int], seated: bool) -> Settled:
    bound = next((one.bound for one in allocated.settled if one.name == "merit"), None)
    as_decided = granted == allocated.granted
    known = takewhile(lambda one: as_decided and one.value == one.bound and one.complete, allocated.settled)
    tiers = {one.name: one.value for one in known}
    return Settled(granted, merit_of(instance, granted), bound, seated, tiers, _best(instance, tiers))


def _solved(instance: Instance, limits: Limits) -> Settled:
    """Solve the whole plan."""
    result = solve(instance, time_limit=limits.seconds, seed=limits.seed, threads=limits.threads, stop=limits.stop)
    granted = {(grant.project, grant.kind): grant.gpus for grant in result.plan.grants if grant.gpus}
    bound = next((tier.bound for tier in result.tiers if tier.name == "merit"), None)
    tiers = proven_tiers(result)
    merit = None if bound is None else decimal(bound)
    return Settled(granted, merit_of(instance, granted), merit, True, tiers, _best(instance, tiers))


def proven_tiers(result: Result) -> dict[str, Fraction]:
    """Return the values of the tiers of a result as far as each is proven best for every plan as good on those before.

    Of a tier of many values (fairness) all must be proven.
    """
    known = takewhile(lambda tier: tier.value == tier.bound and tier.complete and tier.given is None, result.tiers)
    return {tier.name: decimal(tier.value) for tier in known}


def _best(instance: Instance, tiers: Collection[str]) -> bool:
    """Tell whether some tiers are all that the allocation decides, or all up to merit."""
    names = [name for name in instance.objective.names if name not in OF_SEATS]
    return set(names[: names.index("merit") + 1] if "merit" in names else names) <= set(tiers)


@dataclass
class _First:
    """Says stop once the first seats are known, or whoever else may say so does."""

    other: Stop | None
    seated: bool = False

    def is_set(self) -> bool:
        """Tell whether it is time to stop."""
        return self.seated or (self.other is not None and self.other.is_set())

    def __call__(self, progress: Progress) -> None:
        """Hear of progress."""
        self.seated |= progress.stage == "place"


def merit_of(instance: Instance, granted: Mapping[tuple[str, str], int]) -> Fraction:
    """Return Σ merit · value · GPUs, exactly."""
    merit = Fraction(0)
    for row in instance.requests:
        gpus = granted.get((row.project, row.kind), 0)
        if gpus:
            merit += gpus * decimal(instance.value(row)) * decimal(instance.project_of[row.project].merit)
    return merit
