"""The cheapest ways to a plan where none can exist, with seats in view: what totals alone tell may not be enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kalloc.clash import ways_of
from kalloc.errors import Way
from kalloc.joint import TooManyBundlesError, joint_model
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solving.run import Run

SEATED_VARIABLES = 8_000
"""Up to so many variables, ways are sought in one exact model with the seats."""
SEATED = "decided with the seats, nodes and lending and power as they are"
UNSEATED = "as far as totals tell; whether all can then be seated was not looked at"


def seated_ways(run: Run, rooms: Rooms) -> list[Way]:
    """Return the cheapest way by each measure, found in one exact model with the seats; none where that is too large.

    Rules on totals and what must be served give way; nodes, what they lend, and limits on power do not.
    """
    if run.large or not run.explains:
        return []
    try:
        joint = joint_model(run.instance, rooms, SEATED_VARIABLES)
    except (TooLargeError, TooManyBundlesError):
        return []
    return [replace(way, seen=SEATED) for way in ways_of(joint.allocation, run.limits)]


def with_seats(run: Run, rooms: Rooms, ways: Sequence[Way]) -> list[Way]:
    """Return ways that were found by totals, with what the seats say where somebody asks for a shape.

    No way is cheaper than one by totals: where one with the seats costs the same, it is the cheapest, and stands alone.
    """
    if not (run.instance.shapes or any(row.level is not None for row in run.instance.projects)):
        return list(ways)
    seated, found = {way.unit: way for way in seated_ways(run, rooms)}, list[Way]()
    for way in ways:
        other = seated.get(way.unit)
        if other is not None and other.amount == way.amount:
            found.append(replace(other, seen=""))
        else:
            found += [replace(way, seen=UNSEATED)] + ([other] if other is not None else [])
    return found
