"""Where everybody sits; where that cannot be found, somebody gets less."""

from __future__ import annotations

from collections.abc import Callable

from kalloc.allocate.decode import Granted
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.joint import crowded
from kalloc.place.alone import preferred
from kalloc.place.engine import seat_all
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seats
from kalloc.place.shaping import check_kept
from kalloc.place.spans import paid
from kalloc.solving.allocating import allocate_fewer, settled_anyhow
from kalloc.solving.cuts import decided_without
from kalloc.solving.run import Allocated, Decision, Run

MAX_RETRIES, MAX_CUTS = 50, 20
"""Times that the allocation is decided again because it could not be seated, and those with a cut among them."""
PLACE_SHARE = 0.7
"""Share of the time left that the placement may use."""


def place(run: Run, rooms: Rooms, allocated: Allocated, cuts: Callable[[], bool] = bool) -> Decision:
    """Seat what the allocation grants; where that fails, decide again without somebody who found no room.

    Where it is to be ``cuts``, what is proven to exclude itself is cut off first, so that bounds still hold.

    Raises:
        NoPlanError: when nobody could be seated, or a stop came and there is a plan to fall back on.
    """
    granted = allocated.granted
    for turn in range(MAX_RETRIES):
        if run.early is not None and run.limits.stopped:
            break
        try:
            seats = seat(run, rooms, granted)
            return Decision(granted, seats, settled_anyhow(run, allocated, granted))
        except NoRoomError as error:
            if run.limits.stopped:
                break
            if run.large and (clash := crowded(allocated.allocation)):
                raise InfeasibleError(clash) from None
            proving = turn < MAX_CUTS and granted == allocated.granted and cuts()
            again = decided_without(run, allocated) if proving else None
            if again is not None:
                allocated, granted = again, again.granted
                continue
            fewer = allocate_fewer(run, allocated, granted, error.project)
        if fewer is None:
            break
        granted = fewer
    raise NoPlanError("the projects that were granted GPUs could not be seated; give more time or drop a level")


def seat(run: Run, rooms: Rooms, granted: Granted) -> Seats:
    """Return seats for an allocation.

    Raises:
        NoRoomError: where none were found.
    """
    needs, more = run.needed(granted), preferred(run.instance)
    least, most = paid(rooms, needs, more), run.share(PLACE_SHARE)
    items = items_of(run.instance, rooms, granted)
    check_kept(run.instance, rooms, items)
    hedged = run.early is not None
    seats = seat_all(rooms, items, needs, more, most, lambda cost: run.record(cost - least, None), hedged)
    run.cut_short |= most.over
    return seats
