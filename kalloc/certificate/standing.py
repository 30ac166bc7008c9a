"""What plans must reach on the tiers before one, to be as good as the plan at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from kalloc.certificate.case import Bundle, Case, refuse_unless
from kalloc.certificate.seats import Seats, fragmentation, reserve
from kalloc.certificate.tiers import SUMS, Aim, share, worths
from kalloc.instance import Tier
from kalloc.instance.objective import SENSES
from kalloc.verify import Score


class Standing:
    """What a plan reaches of every tier, and how much of the tiers of many values is proven so far."""

    def __init__(self, case: Case, score: Score, granted: Mapping[str, Bundle]) -> None:
        self.case, self.score, self.granted = case, score, granted
        self.tiers: dict[str, Tier] = {tier.name: tier for tier in case.instance.objective.tiers}
        self.order = [row.project for row in sorted(case.instance.projects, key=lambda row: -row.merit)]
        self.share = cache(lambda name, number: share(case, self.tiers[name], score, number))
        self.proven: Counter[str] = Counter()
        """Of `fairness` the smallest shares, of `ranked` the first projects, that no plan as good betters."""

    def before(self, name: str) -> list[Tier]:
        """Return the tiers before one; all of them for one that is not decided on."""
        names = list(self.tiers)
        return [self.tiers[of] for of in (names[: names.index(name)] if name in names else names)]

    def aim(self, tier: Tier, seats: Seats | None) -> Aim | None:
        """Return a tier as a sum, with what the plan reaches; None where it is none, or one that only seats tell."""
        if tier.name == "ranked" or tier.rule == "maxmin" or (tier.name == "fragmentation" and seats is None):
            return None
        if seats is not None and tier.name in ("fragmentation", "reserve"):
            found = fragmentation(seats) if tier.name == "fragmentation" else reserve(seats, tier)
        else:
            found = SUMS[tier.name](self.case, tier)
        sign = 1 if SENSES[tier.name] == "max" else -1
        return replace(found, reached=int(sign * self.score.tiers[tier.name] * found.unit))

    @property
    def first(self) -> Aim:
        """A sum of which plans that are as good have as much, to tell whether there is another allocation."""
        merit = next((tier for tier in self.before("fragmentation") if tier.name == "merit"), None)
        return (self.aim(merit, None) if merit is not None else None) or Aim("nothing")

    def common(self, name: str, seats: Seats | None) -> dict[str, Any]:
        """Return what all plans have in common that are as good before a tier."""
        floors = [*self.floors(name, seats), *(self.shares(self.tiers[name]) if self._shared(name) else ())]
        return {"floors": floors, "worth": self.worth(name), "seats": seats}

    def _shared(self, name: str) -> bool:
        return name in self.tiers and self.tiers[name].rule == "maxmin"

    def floors(self, name: str, seats: Seats | None) -> Iterator[Aim]:
        """Yield sums of which every plan that is as good on the tiers before one has as much as this plan at least."""
        for tier in self.before(name):
            aim = self.aim(tier, seats)
            if aim is not None:
                yield aim
            elif tier.rule == "maxmin":
                yield from self.shares(tier)

    def shares(self, tier: Tier) -> Iterator[Aim]:
        """Yield how many have each of the smallest shares at least, in every plan as good as far as that is proven."""
        proven = range(min(self.proven[tier.name] + 1, len(self.score.profile)))
        yield from (self.share(tier.name, number)[0] for number in proven)

    def worth(self, name: str) -> dict[str, tuple[Fraction, bool]]:
        """Return what projects have by their own values, exactly or at least, in every plan as good before a tier."""
        ranked = name == "ranked" or any(tier.name == "ranked" for tier in self.before(name))
        known = self.proven["ranked"]
        first = self.order[: known + (name != "ranked")] if ranked else []
        return {project: (self._worth(project), place < known) for place, project in enumerate(first)}

    def _worth(self, project: str) -> Fraction:
        return worths(self.case, project, self.granted.get(project, {}))

    def next(self) -> list[str]:
        """Return the projects to be ranked that may have more than they get, the first of them first."""
        left = self.order[self.proven["ranked"] :]
        for place, project in enumerate(left):
            if any(worths(self.case, project, some) > self._worth(project) for some in self.case.bundles(project)):
                self.proven["ranked"] += place
                return left[place:]
        self.proven["ranked"] = len(self.order)
        return []

    def ahead(self, most: int) -> Aim:
        """Return how many of the next projects to be ranked have more than the plan at hand gives them."""
        some = frozenset(self.next()[:most])
        refuse_unless(bool(some), "nobody is left to be ranked")
        got = {project: self._worth(project) for project in some}
        return Aim("ahead", lambda p, b: int(p in some and worths(self.case, p, b) > got[p]), parties=some)
