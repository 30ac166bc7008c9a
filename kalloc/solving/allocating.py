"""Who gets how much, seats only counted; less for somebody where that cannot be seated."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kalloc.allocate.build import build
from kalloc.allocate.decode import Granted, decode
from kalloc.allocate.lessening import keeps_floors, lessened
from kalloc.allocate.lexicographic import NoAnswerError, Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.allocate.rules import must_be_served
from kalloc.allocate.tiers import bounds_anyhow, prepare, settle
from kalloc.clash import why_impossible
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Tier
from kalloc.joint import crowded
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits
from kalloc.solving.causes import with_causes
from kalloc.solving.early import early_plan
from kalloc.solving.run import Allocated, Run
from kalloc.solving.ways import seated_ways, with_seats

DECIDED_AGAIN = 1_500
"""Variables up to which an allocation that cannot be seated is decided again as a whole."""
ALLOCATE_SHARE = 0.5
ANYHOW_SHARE = 0.1
"""Share of the time left that the allocation may use, and the bounds of a lesser one."""


def allocate(run: Run, rooms: Rooms) -> Allocated:
    """Decide who gets how much, seats only counted, tier after tier."""
    began = time.monotonic()
    allocation = build(run.instance, rooms)
    prepare(allocation)
    half = run.share(ALLOCATE_SHARE)
    rows, size = len(allocation.model.row_lower), allocation.model.size
    try:
        granted, settled = settle_all(run, allocation, half)
    except NoAnswerError as error:
        if error.infeasible:
            allocation.truncate(rows, size)
            if clash := crowded(allocation):
                raise InfeasibleError(clash, seated_ways(run, rooms)) from None
            clash, ways = why_impossible(allocation, run.limits) if run.explains else ([], [])
            caused = with_causes(allocation, clash, run.limits) if clash else []
            raise InfeasibleError(caused, with_seats(run, rooms, ways)) from None
        if run.early is None:
            raise NoPlanError("no allocation was found within the limits; give more time") from None
        granted, settled = run.early.granted, run.early.settled
    run.cut_short |= half.over
    run.seconds["allocate"] = time.monotonic() - began
    return Allocated(allocation, granted, settled, rows, size)


def settle_all(run: Run, allocation: Allocation, limits: Limits) -> tuple[Granted, list[Settled]]:
    """Settle the tiers that need no seats.

    Raises:
        NoAnswerError: when there is no allocation, or none was found.
    """
    search = Search(allocation, limits)

    def tell(one: Settled) -> None:
        run.tell("allocate", float(one.value), None if one.bound is None else float(one.bound))

    def hedge(left: Sequence[Tier], before: Sequence[Settled]) -> None:
        if run.hedges and run.early is None and not limits.over:
            run.early = early_plan(run, search, left, before)
            search.hedged = run.early is not None

    settled = settle(search, run.instance.objective.tiers, {}, tell, hedge)
    assert search.values is not None
    return decode(allocation, search.values), settled


def settled_anyhow(run: Run, allocated: Allocated, granted: Granted) -> list[Settled]:
    """Return what the tiers came to, with bounds that hold where less was granted than was settled."""
    if granted == allocated.granted or run.limits.stopped:
        return allocated.settled
    allocated.allocation.truncate(allocated.rows, allocated.size)
    search = Search(allocated.allocation, run.share(ANYHOW_SHARE))
    return bounds_anyhow(search, run.instance.objective.tiers[1:], allocated.settled)


def allocate_fewer(run: Run, allocated: Allocated, granted: Granted, project: str) -> Granted | None:
    """Decide again with one project less served among those alike one that could not be seated.

    Where that one must be served, one of the least merit makes room for it. None where nobody can make room. A large
    model is not decided again: the project alone gets a step less, then two, four … where no floor forbids it.
    """
    allocation = allocated.allocation
    served = {key: _served(allocation, granted, *key) for key in allocation.served}
    free = [not must_be_served(run.instance, members) for members in allocation.classes]
    optional = [key for key, count in served.items() if count and free[key[0]]]
    own = [key for key in optional if project in allocation.classes[key[0]].members]
    if not optional:
        return None
    if own and allocated.size > DECIDED_AGAIN:
        less = lessened(allocation, allocated.granted, granted, project)
        if keeps_floors(run.instance, less):
            return less
    fewer = own or [min(optional, key=lambda key: allocation.classes[key[0]].offers[key[1]].worth)]
    allocation.truncate(allocated.rows, allocated.size)
    for key in fewer:
        allocation.model.upper[allocation.served[key]] = served[key] - 1
    try:
        return settle_all(run, allocation, run.limits)[0]
    except NoAnswerError:
        return None


def _served(allocation: Allocation, granted: Granted, index: int, offer: int) -> int:
    members = allocation.classes[index]
    return sum(1 for member in members.members if granted.get((member, members.offers[offer].kind)))
