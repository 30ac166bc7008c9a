"""By what the plan decides, in words: the tiers in their order, and what comes before merit."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.instance.policy import decimal

if TYPE_CHECKING:
    from kalloc.instance import Instance

TIER_WORDS: Mapping[str, tuple[str, str]] = {
    "merit": ("merit", "평가 점수 합"),
    "ranked": ("merit, in strict order", "평가 순위"),
    "fairness": ("fairness", "공정성"),
    "served": ("projects served", "선정 과제 수"),
    "utilisation": ("utilisation", "활용률"),
    "guarantees": ("short of guarantees", "보장 수량 미달"),
    "balance": ("off the target shares", "목표 비율과의 차이"),
    "reserve": ("domains kept free", "비워 둔 구역"),
    "fragmentation": ("fragmentation", "분산도"),
}
"""The tiers as the report names them, in English and Korean."""

FLOORS = ("the floors of limits.csv", "최소 배정 한도")


def order_of(instance: Instance) -> Mapping[str, str]:
    """Return the tiers in their order, in both languages."""
    words = [TIER_WORDS[name] for name in instance.objective.names]
    return {"order": "; ".join(en for en, _ in words), "order_ko": ", ".join(ko for _, ko in words)}


GAINS = {"merit", "ranked", "fairness", "served", "utilisation", "guarantees"}
"""Tiers that may gain when a project gets more."""


def balance_leads(instance: Instance) -> bool:
    """Tell whether the tier `balance` comes before every tier that may gain when a project gets more."""
    names = instance.objective.names
    return "balance" in names and not GAINS & set(names[: names.index("balance")])


def off_target(instance: Instance, got: Mapping[str | None, int]) -> Fraction:
    """Return the GPUs by which groups that got so many are off their share, beyond their tolerance."""
    total, off = sum(got.values()), Fraction(0)
    for row in instance.groups:
        if row.share is not None:
            share, tolerance = decimal(row.share) / 100, decimal(row.tolerance) / 100
            off += max(Fraction(0), abs(got.get(row.group, 0) - share * total) - tolerance * total)
    return off


def before_merit(instance: Instance) -> Mapping[str, str]:
    """Return what is decided before merit; empty texts where merit comes first, or decides nothing."""
    names = instance.objective.names
    place = next((place for place, name in enumerate(names) if name in ("merit", "ranked")), 0)
    words = [FLOORS] if any(row.least is not None for row in instance.limits) else []
    words += [TIER_WORDS[name] for name in names[:place]]
    return {"before": "; ".join(en for en, _ in words), "before_ko": ", ".join(ko for _, ko in words)}
