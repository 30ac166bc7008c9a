"""What projects span, what they pay for it, and who of those that are alike sits where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalloc.place.alone import Preferred
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seats


def spans_of(rooms: Rooms, seats: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    """Return the domains, per level from coarse to fine, that each project spans, from (project, node) pairs."""
    pairs = list(seats)
    number: dict[str, int] = {}
    who = np.array([number.setdefault(project, len(number)) for project, _ in pairs], dtype=np.int64)
    where = np.array([node for _, node in pairs], dtype=np.int64)
    spans = []
    for domain in rooms.topology.domain:
        width = int(domain.max(initial=0)) + 1
        spanned = np.unique(who * width + domain[where]) // width
        spans.append(np.bincount(spanned, minlength=len(number)).tolist())
    return dict(zip(number, zip(*spans, strict=True), strict=True))


def scattering(rooms: Rooms, seats: Iterable[tuple[str, int]], more: Preferred) -> int:
    """Return what projects pay for the domains that they span."""
    return paid(rooms, spans_of(rooms, seats), more)


def paid(rooms: Rooms, spans: Mapping[str, Sequence[int]], more: Preferred) -> int:
    """Return Σ (weight + more) · spans, where ``more`` is what some projects pay on top of the weights."""
    total = sum(_paid(rooms.topology.weights, counts) for counts in spans.values())
    return total + sum(_paid(more[project], spans[project]) for project in more.keys() & spans.keys())


def exchanged(rooms: Rooms, items: Iterable[Item], seats: Seats, more: Preferred) -> Seats:
    """Return seats where, of projects that may sit alike, those that pay more for domains sit in fewer of them.

    Two change places where that makes it cheaper; what both pay by the weights stays the same.
    """
    alike: dict[Shape, list[str]] = defaultdict(list)
    for item in items if more else ():
        if item.shape.anchor is None:
            alike[item.shape].append(item.project)
    groups = [group for group in alike.values() if len(group) > 1 and not more.keys().isdisjoint(group)]
    if not groups:
        return seats
    spans, taker = spans_of(rooms, seats), dict[str, str]()
    for group in groups:
        taker |= {place: project for project, place in _places(group, spans, more).items()}
    return {(taker.get(project, project), node): gpus for (project, node), gpus in seats.items()}


def _places(group: Iterable[str], spans: Mapping[str, Sequence[int]], more: Preferred) -> dict[str, str]:
    """Return for every project of a group whose place it takes."""
    place = {project: project for project in group}
    sorts: dict[tuple[Sequence[int], Sequence[int]], dict[str, None]] = defaultdict(dict)
    """Projects by what they pay and what they span."""

    def sort(project: str) -> tuple[Sequence[int], Sequence[int]]:
        here = spans[place[project]]
        return tuple(more.get(project, [0] * len(here))), here

    for project in place:
        sorts[sort(project)][project] = None
    for mine in sorted(more.keys() & place.keys(), key=lambda project: (-max(more[project]), project)):
        pays, here = sort(mine)
        changes = [
            (_paid(pays, there) + _paid(others, here) - _paid(pays, here) - _paid(others, there), next(iter(some)))
            for (others, there), some in sorts.items()
            if some
        ]
        change, other = min(changes)
        if change < 0:
            for project in (mine, other):
                del sorts[sort(project)][project]
            place[mine], place[other] = place[other], place[mine]
            for project in (mine, other):
                sorts[sort(project)][project] = None
    return place


def _paid(costs: Sequence[int], counts: Sequence[int]) -> int:
    return sum(cost * count for cost, count in zip(costs, counts, strict=True))
