"""Best fit: of the domains that hold an amount, the one where it needs the fewest of the next level."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kalloc.generate import generate
from kalloc.place.rooms import Rooms
from kalloc.place.seating import MAX_COMPARED, Seating


def needed(offers: list[int], gpus: int) -> int:
    """Return how many offers hold an amount, the largest first."""
    count = 0
    for offer in sorted(offers, reverse=True):
        if gpus <= 0:
            break
        gpus, count = gpus - offer, count + 1
    return count


@pytest.mark.parametrize("family", ["fragmented", "partial", "nvl"])
def test_the_tightest_domain_is_that_of_a_look_at_each(family: str) -> None:
    """Of those with least room, the first that needs the fewest domains of the next level, on trees that are ragged."""
    instance = generate("national", 0, family=family, nodes=700)
    rooms = Rooms.of(instance)
    zones, dice = frozenset(range(len(rooms.zones))), random.Random(0)
    seating = Seating(rooms)
    free = seating.free(zones, 1)
    finest = len(free) - 1
    for _ in range(200):
        level = dice.randrange(finest)
        gpus = dice.randint(1, int(free[level].max()))
        domains = np.flatnonzero(free[level] >= gpus)
        order = sorted(domains.tolist(), key=lambda domain: free[level][domain])[:MAX_COMPARED]
        inside = [free[level + 1][seating.children(level, domain)].tolist() for domain in order]
        needs = [needed(offers, gpus) for offers in inside]
        assert seating._tightest(domains, gpus, zones, 1, level) == order[needs.index(min(needs))]
