"""Projects of which single domains hold fewer than must be served: a count that holds at any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation
from kalloc.place.rooms import Zones

Sized = tuple[int, ProjectClass]
"""The fewest GPUs that a project of a class has, all in one domain, and the class."""


def crowded(allocation: Allocation) -> list[str]:
    """Return what excludes itself since single domains hold too few of the projects that must sit in one; or nothing.

    A domain of so much room holds at most room // size projects that need at least a size there. Counted for every
    level, every set of nodes that serves some of them, and every size that is asked for.
    """
    for level in sorted({members.level for members in allocation.classes if members.level is not None}):
        for zones, sized in _sharing(allocation, level):
            room = allocation.rooms.relaxed.open(zones)
            free = np.bincount(allocation.instance.topology.domain[level], weights=room).astype(np.int64)
            for size in sorted({fewest for fewest, _ in sized}):
                most = int((free // size).sum())
                needing = [(fewest, members) for fewest, members in sized if fewest >= size]
                if sum(members.size for _, members in needing) > most:
                    return _sentences(allocation, level, size, most, needing)
    return []


def _sharing(allocation: Allocation, level: int) -> Iterator[tuple[Zones, list[Sized]]]:
    """Yield sets of zones with the classes that must be served in one domain of a level, all of them there."""
    found: list[tuple[Zones, Sized]] = []
    for members in allocation.classes:
        if members.mandatory and members.level == level and members.offers and not members.kept:
            zones = (allocation.rooms.zones_for(members.pool, offer.kind) for offer in members.offers)
            fewest = min(offer.first for offer in members.offers)
            found.append((frozenset().union(*zones), (fewest, members)))
    sets = [own for own, _ in found]
    for together in dict.fromkeys([*sets, frozenset().union(*sets)]):
        yield together, [sized for own, sized in found if own <= together]


def _sentences(allocation: Allocation, level: int, size: int, most: int, needing: Sequence[Sized]) -> list[str]:
    """Return just so many projects as are too many, those that need least first."""
    name, found, left = allocation.instance.topology.levels[level], [], most + 1
    for fewest, members in sorted(needing, key=lambda one: one[0]):
        count = min(left, members.size)
        left -= count
        if count:
            who = f"project {members.members[0]!r}" if count == 1 else f"{count} projects alike {members.members[0]!r}"
            found.append(f"mandatory: {who} must be served, with {fewest} GPUs or more")
            found.append(f"level: {who} must sit in one {name}{' each' if count > 1 else ''}")
    return [*found, f"room: the free GPUs of single domains of level {name} hold {most} times {size} GPUs, not more"]
