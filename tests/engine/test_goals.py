"""The tiers that are one sum, one after another, against every allocation of tiny instances."""

from __future__ import annotations

import random

import pytest

from kalloc.instance import Tier
from kalloc.instance.objective import SENSES
from tests.engine.counting import best, counted, drawn, tier

GOALS = [
    tier("merit"),
    tier("served"),
    tier("utilisation", unit="gpus"),
    tier("utilisation", unit="performance"),
    tier("guarantees"),
    tier("balance"),
    tier("fairness", rule="proportional", by="project"),
    tier("fairness", rule="proportional", by="pool", of="asked"),
    tier("fairness", rule="proportional", by="pool", of="quota"),
]


def agree(seed: int, tiers: list[Tier]) -> bool:
    """Check that every tier is settled at the best of all allocations and bounded by it; tell whether there is a plan.

    The allocation that is named reaches it, too.
    """
    instance = drawn(seed, tiers)
    expected, found = best(instance), counted(instance)
    assert (expected is None) == (found is None), seed
    if expected is None or found is None:
        return False
    settled, reached = found
    assert reached == expected, seed
    for one, key in zip(settled, expected, strict=True):
        sense = 1 if SENSES[one.name] == "max" else -1
        assert one.complete and one.value == one.bound == sense * key[0], seed
    return True


def said(goal: Tier) -> str:
    """Return what a tier is called here."""
    return "-".join(filter(None, (goal.name, goal.by, goal.of, goal.unit)))


@pytest.mark.parametrize("goal", GOALS, ids=said)
def test_goal_is_the_best_of_all_allocations(goal: Tier) -> None:
    """Value, bound and the allocation named are those of the best of all allocations, of forty instances."""
    assert sum(agree(seed, [goal]) for seed in range(40)) > 30


def test_goals_in_any_order() -> None:
    """Three tiers in random order: each is the best among all allocations that are as good on those before it."""
    for seed in range(100, 200):
        chosen = random.Random(seed).sample(GOALS, 3)
        names = [one.name for one in chosen]
        agree(seed, [one for at, one in enumerate(chosen) if one.name not in names[:at]])
