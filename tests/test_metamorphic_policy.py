"""What policy must not change, and what looser rules never make worse, on random instances with every rule on."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import Instance, Objective
from kalloc.instance.objective import SENSES
from kalloc.plan import Plan, Result
from kalloc.verify import verify
from tests.models.policies import sow_policy

Change = Callable[[Instance], Instance]
SEEDS = range(16)
TABLES = (
    *("kinds", "pools", "quotas", "caps", "inventory", "projects", "requests", "placed"),
    *("groups", "limits", "rates", "budgets", "guarantees", "power", "shapes"),
)


def drawn(seed: int) -> Instance:
    """Return a random instance of up to five nodes of up to three GPUs, four projects and two levels."""
    return sow_policy(seed, nodes=5, gpus=3, projects=4, levels=2)


def solved(instance: Instance) -> Result | None:
    """Return a result that is proven on every tier; None when there is no plan."""
    try:
        result = kalloc.solve(instance, time_limit=None, threads=1)
    except InfeasibleError:
        return None
    assert result.solution == "proven"
    return result


def values(result: Result | None) -> list[tuple[str, float, object]] | None:
    """Return the tiers with their values and all their shares."""
    return None if result is None else [(tier.name, tier.value, tier.profile) for tier in result.tiers]


def changed(instance: Instance, table: str, change: Callable[[Any], dict[str, Any]]) -> Instance:
    """Change every row of a table."""
    return instance.replace(**{table: tuple(row.model_copy(update=change(row)) for row in getattr(instance, table))})


def shuffled(instance: Instance) -> Instance:
    """Put the rows of every table in another order, but for projects where ties are decided by it."""
    dice = random.Random(7)
    tables = {table: list(getattr(instance, table)) for table in TABLES}
    for name, table in tables.items():
        if name != "projects" or "ranked" not in instance.objective.names:
            dice.shuffle(table)
    return instance.replace(**{name: tuple(table) for name, table in tables.items()})


def finer(instance: Instance) -> Instance:
    """Count each limit at twice its rates, up to twice as much."""
    rated = {row.limit for row in instance.rates}

    def twice(row: Any) -> dict[str, Any]:
        bounds = {"most": row.most, "least": row.least}
        return {name: 2 * bound for name, bound in bounds.items() if bound is not None and row.limit in rated}

    return changed(changed(instance, "rates", lambda row: {"rate": 2 * row.rate}), "limits", twice)


def dearer(instance: Instance) -> Instance:
    """Make every price and every budget three times as high."""
    return changed(
        changed(instance, "kinds", lambda row: {"won": 3 * row.won}), "budgets", lambda row: {"won": 3 * row.won}
    )


def hotter(instance: Instance) -> Instance:
    """Double every power, drawn and allowed."""

    def watts(row: Any) -> dict[str, Any]:
        return {
            "idle_watts": 2 * row.idle_watts,
            "loaded_watts": None if row.loaded_watts is None else 2 * row.loaded_watts,
        }

    kinds = changed(instance, "kinds", lambda row: {"watts": 2 * row.watts})
    return changed(changed(kinds, "inventory", watts), "power", lambda row: {"kw": 2 * row.kw})


@pytest.mark.parametrize("change", [shuffled, finer, dearer, hotter])
def test_no_tier_changes(change: Change) -> None:
    """Another order of rows, or another unit of a rule, leaves the value of every tier and all shares alone."""
    for seed in SEEDS:
        instance = drawn(seed)
        assert values(solved(change(instance))) == values(solved(instance)), seed


def test_merits_twice_as_high_change_the_value_of_merit_alone() -> None:
    """Doubled merits double the tiers `merit` and `ranked`, and nothing else."""
    for seed in SEEDS:
        instance = drawn(seed)
        before = values(solved(instance))
        after = values(solved(changed(instance, "projects", lambda row: {"merit": 2 * row.merit})))
        doubled = (
            None
            if before is None
            else [(name, value * (2 if name in ("merit", "ranked") else 1), shares) for name, value, shares in before]
        )
        assert after == doubled, seed


def looser_caps(instance: Instance) -> Instance:
    """Raise every cap by 2 GPUs."""
    return changed(instance, "caps", lambda row: {"gpus": row.gpus + 2})


def looser_limits(instance: Instance) -> Instance:
    """Raise what each limit allows, and drop what it demands."""
    raised = tuple(row.model_copy(update={"most": (row.most or 10**6) + 2, "least": None}) for row in instance.limits)
    return instance.replace(limits=raised)


def larger_budgets(instance: Instance) -> Instance:
    """Double every budget."""
    return changed(instance, "budgets", lambda row: {"won": 2 * row.won})


def more_power(instance: Instance) -> Instance:
    """Allow 300 W more in every domain."""
    return changed(instance, "power", lambda row: {"kw": row.kw + 0.3})


def larger_quotas(instance: Instance) -> Instance:
    """Raise every quota by 2 GPUs."""
    return changed(instance, "quotas", lambda row: {"gpus": row.gpus + 2})


def no_shapes(instance: Instance) -> Instance:
    """Let GPUs lie anyhow, but for what is only preferred."""
    return instance.replace(shapes=tuple(row for row in instance.shapes if row.shape == "prefer"))


def always_open(instance: Instance) -> Instance:
    """Open every call for ever."""
    return changed(instance, "pools", lambda row: {"opens": None, "closes": None})


LOOSER = [looser_caps, looser_limits, larger_budgets, more_power, larger_quotas, no_shapes, always_open]


@pytest.mark.parametrize("change", LOOSER)
def test_a_looser_rule_never_makes_the_first_tier_worse(change: Change) -> None:
    """With more plans to choose from the first tier is as good or better, and there is a plan where there was one.

    Left out are tiers that a rule changes by itself: shares of a quota, and `ranked`, whose value is no measure.
    """
    compared = 0
    for seed in range(30):
        instance = drawn(seed)
        first = instance.objective.tiers[0]
        loose = change(instance)
        if first.name == "ranked" or (first.of == "quota" and change is larger_quotas) or loose == instance:
            continue
        before, after = solved(instance), solved(loose)
        if before is not None:
            assert after is not None, seed
            sign = 1 if SENSES[first.name] == "max" else -1
            assert sign * after.tiers[0].value >= sign * before.tiers[0].value, (seed, first)
            assert shares_of(after) >= shares_of(before), seed
            compared += 1
    assert compared >= 3


def shares_of(result: Result) -> list[float]:
    """Return all shares of the first tier, from the smallest."""
    return [share for share, count in result.tiers[0].profile for _ in range(count)]


@pytest.mark.parametrize("table", ["caps", "limits", "budgets", "power", "quotas", "shapes"])
def test_a_rule_that_does_not_bind_may_as_well_be_off(table: str) -> None:
    """Where the best plan without a table happens to keep it, the tiers with the table are the same."""
    compared = 0
    for seed in range(30):
        instance = drawn(seed)
        if not getattr(instance, table) or (table == "quotas" and _of_quota(instance)):
            continue
        off = {"rates": ()} if table == "limits" else {}
        fewer = instance.replace(**{table: (), **off})
        without = solved(fewer)
        if without is not None and keeps(instance, without.plan):
            assert values(solved(instance)) == values(without), seed
            compared += 1
    assert compared >= 2


def _of_quota(instance: Instance) -> bool:
    return any(tier.of == "quota" for tier in instance.objective.tiers)


def keeps(instance: Instance, plan: Plan) -> bool:
    """Tell whether a plan made for fewer rules keeps all rules of an instance."""
    return not verify(instance, dataclasses.replace(plan, instance_sha256=instance.sha256))


def test_a_tier_at_the_end_leaves_those_before_it_alone() -> None:
    """Without its last tier, the values of the others are the same."""
    for seed in SEEDS:
        instance = drawn(seed)
        tiers = instance.objective.tiers
        found = values(solved(instance))
        fewer = values(solved(instance.replace(objective=Objective(tiers=tiers[:-1]))))
        assert (fewer is None) == (found is None)
        assert found is None or fewer == found[:-1], seed
