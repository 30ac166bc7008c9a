"""All tiers that one model can decide, in order: each is settled and kept before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kalloc.allocate.fairness import proportional, sharers
from kalloc.allocate.goals import GOALS, Goal
from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.maxmin import maxmin
from kalloc.allocate.model import Allocation
from kalloc.allocate.ranking import ranked
from kalloc.instance import Instance, Tier

MANY_SHARE = 0.8
"""Share of the time left that a tier of many values may use where others come after it."""
OF_SEATS = frozenset({"fragmentation", "reserve"})
"""Tiers that depend on where projects sit."""


def needs_ladder(instance: Instance) -> bool:
    """Tell whether some tier must know how many projects get which amount."""
    return any(tier.name == "ranked" or tier.by == "project" for tier in instance.objective.tiers)


def settle(
    search: Search,
    tiers: Sequence[Tier],
    of_seats: Mapping[str, Goal],
    on_settled: Callable[[Settled], None] = lambda settled: None,
    on_many: Callable[[Sequence[Tier], Sequence[Settled]], None] = lambda left, settled: None,
) -> list[Settled]:
    """Settle tiers in order; those of seats where the model has a goal for them, else they are left out.

    ``on_many`` is called before each tier of many values, which may take long, with the tiers after it and what is
    settled before it. Such a tier leaves some of the time to those after it.

    Once a tier of many values is not proven to its end, what follows has a bound only where one is known that holds for
    every plan as good.

    Raises:
        NoAnswerError: when there is no plan, or none was found.
    """
    found: list[Settled] = []
    for place, tier in enumerate(tiers):
        if tier.name in OF_SEATS and tier.name not in of_seats:
            continue
        limits, later = (
            search.limits,
            [after for after in tiers[place + 1 :] if after.name not in OF_SEATS - set(of_seats)],
        )
        if tier.name == "ranked" or tier.rule == "maxmin":
            on_many(tiers[place + 1 :], found)
            if later:
                search.limits = replace(limits, deadline=time.monotonic() + MANY_SHARE * limits.seconds)
        one = _settle(search, tier, of_seats)
        search.limits = limits
        if not search.loose and not all(before.complete for before in found):
            one = replace(one, bound=None)
        found.append(one)
        on_settled(one)
    if search.values is None:
        search.maximise([])
    return found


def _settle(search: Search, tier: Tier, of_seats: Mapping[str, Goal]) -> Settled:
    allocation = search.allocation
    if tier.name in of_seats:
        return search.settle(tier.name, of_seats[tier.name])
    if tier.name == "ranked":
        return ranked(search)
    if tier.name == "fairness" and tier.rule == "maxmin":
        return maxmin(search, sharers(allocation, tier))
    goal = proportional(allocation, tier) if tier.name == "fairness" else GOALS[tier.name](allocation, tier)
    return search.settle(tier.name, goal)


def prepare(allocation: Allocation) -> None:
    """Add what the tiers of the instance count by."""
    if needs_ladder(allocation.instance):
        allocation.climb()


def bounds_anyhow(search: Search, tiers: Sequence[Tier], settled: Sequence[Settled]) -> list[Settled]:
    """Return what was settled with bounds of every plan at all, whatever it is worth on earlier tiers.

    The search must be of a model in which no tier is settled.
    """
    known = {one.name: one for one in settled}
    for tier in tiers:
        if tier.name in GOALS and tier.name in known:
            goal = GOALS[tier.name](search.allocation, tier)
            most = search.bound(goal.terms)
            known[tier.name] = replace(known[tier.name], anyhow=None if most is None else goal.value(most))
    return list(known.values())
