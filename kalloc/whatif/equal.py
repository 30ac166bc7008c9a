"""Whether two allocations are worth the same, tier by tier, wherever they are seated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.allocate.tiers import OF_SEATS
from kalloc.instance.policy import decimal
from kalloc.verify import TIER_VALUES, Records
from kalloc.verify.tiers import profile

if TYPE_CHECKING:
    from kalloc.instance import Instance

Granted = Mapping[tuple[str, str], int]
"""GPUs by project and kind, where there are any."""


@dataclass(frozen=True)
class Unseated(Records):
    """The records of an allocation that is not seated yet."""

    @cached_property
    def held(self) -> Mapping[str, Mapping[str, int]]:
        """What is granted: it is taken for seated."""
        return self.granted


def as_good(instance: Instance, one: Granted, other: Granted) -> bool:
    """Tell whether two allocations are the same on every tier that needs no seats, its many values included."""
    return worths(instance, one) == worths(instance, other)


def worths(instance: Instance, granted: Granted) -> list[object]:
    """Return the values of every tier that needs no seats; projects that are not of the instance do not count."""
    bundles: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in granted.items():
        if project in instance.project_of and gpus:
            bundles.setdefault(project, {})[kind] = gpus
    records = Unseated(instance, bundles, {project: {} for project in bundles})
    found: list[object] = []
    for tier in instance.objective.tiers:
        if tier.name not in OF_SEATS:
            found.append(TIER_VALUES[tier.name](records, tier))
        if tier.rule == "maxmin":
            found.append(profile(records, tier))
        elif tier.name == "ranked":
            found.append(list(_each(records)))
    return found


def _each(records: Records) -> Iterator[Fraction]:
    """Yield what each project's GPUs are worth to it."""
    for project, rows in records.instance.requests_of.items():
        got = records.held.get(project, {})
        yield sum((got.get(row.kind, 0) * decimal(records.instance.value(row)) for row in rows), Fraction(0))
