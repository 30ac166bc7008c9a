"""Tiers of many values, `ranked` and `fairness` by `maxmin`, as levels of which a plan keeps the first few.

A level of `ranked` is a project, in the order in which they are served: it is kept by a plan that gives the project no
less than the best ranking does. A level of `fairness` is a share of the best plan by max-min, from the smallest on: it
is kept by a plan in which no more have less than that share. A plan is better by such a tier the more of its first
levels it keeps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.allocate.fairness import sharers
from kalloc.allocate.lexicographic import NoAnswerError, Search, Settled
from kalloc.allocate.ranking import Line
from kalloc.allocate.tiers import settle
from kalloc.solver import whole_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kalloc.allocate.model import Allocation
    from kalloc.instance import Tier
    from kalloc.solver import Limits


def of_many(tier: Tier) -> bool:
    """Tell whether a tier has many values."""
    return tier.name == "ranked" or tier.rule == "maxmin"


@dataclass
class Levels:
    """What the best plan by a tier of many values comes to, level by level."""

    allocation: Allocation
    tier: Tier
    shares: list[tuple[Fraction, int]] = field(default_factory=list)
    """Of `fairness`: per level its share, and how many have at least that."""
    worths: list[tuple[int, Fraction, int]] = field(default_factory=list)
    """Of `ranked`: per project its class, what it gets is worth to it, and how many of its class get at least that."""

    @classmethod
    def of(cls, allocation: Allocation, tier: Tier, limits: Limits) -> Levels:
        """Settle a tier by itself on a model, and leave the model as it was.

        Raises:
            NoAnswerError: when there is no plan, or the tier was not proven to its end.
        """
        rows, size = len(allocation.model.row_lower), allocation.model.size
        search, levels = Search(allocation, limits), cls(allocation, tier)
        [settled] = settle(search, [tier], {})
        if not settled.complete or settled.bound is None:
            raise NoAnswerError(infeasible=False)
        levels._take(search, settled)
        allocation.model.truncate(rows, size)
        return levels

    @property
    def count(self) -> int:
        """The number of levels."""
        return len(self.shares) + len(self.worths)

    def keep(self, first: int) -> None:
        """Add rows that admit just the plans that keep so many of the first levels."""
        model = self.allocation.model
        everyone = sharers(self.allocation, self.tier) if self.shares else []
        for share, least in self.shares[:first]:
            if share:
                terms = [term for one in everyone for term in one.at_least(self.allocation, share)]
                model.row(terms, least, None)
        asked = {(index, worth): least for index, worth, least in self.worths[:first] if worth}
        for (index, worth), least in asked.items():
            if self.allocation.classes[index].amount_is_one:
                model.row(self._line(index).having(worth), least, None)
            else:
                offers = enumerate(self.allocation.classes[index].offers)
                gpus = ((wish.value, self.allocation.gpus(index, offer)) for offer, wish in offers)
                shares = [(variable, value * factor) for value, terms in gpus for variable, factor in terms]
                whole_row(model, shares, worth, None)

    def kept(self, search: Search) -> int:
        """Return how many of the first levels the best point so far keeps."""
        held = self._held(search) if self.shares else Counter[Fraction]()
        for number, (share, least) in enumerate(self.shares):
            if sum(count for had, count in held.items() if had >= share) < least:
                return number
        got = self._got(search) if self.worths else []
        for number, ((_, worth, _), now) in enumerate(zip(self.worths, got, strict=True)):
            if now < worth:
                return number
        return self.count

    def _take(self, search: Search, settled: Settled) -> None:
        left = sum(count for _, count in settled.profile)
        for share, count in settled.profile:
            self.shares.append((share, left))
            left -= count
        seen: Counter[tuple[int, Fraction]] = Counter()
        if self.tier.name == "ranked":
            for index, worth in zip(self._order, self._got(search), strict=True):
                seen[index, worth] += 1
                least = sum(count for (other, had), count in seen.items() if other == index and had >= worth)
                self.worths.append((index, worth, least))

    def _held(self, search: Search) -> Counter[Fraction]:
        found = Counter[Fraction]()
        for one in sharers(self.allocation, self.tier):
            found.update(one.held(search))
        return found

    def _line(self, index: int) -> Line:
        return Line(self.allocation, index, [])

    @cached_property
    def _order(self) -> list[int]:
        """The class of each project, in the order in which they are served."""
        class_of = {name: n for n, members in enumerate(self.allocation.classes) for name in members.members}
        rows = sorted(self.allocation.instance.projects, key=lambda row: -row.merit)
        return [class_of[row.project] for row in rows]

    def _got(self, search: Search) -> list[Fraction]:
        """Return what each project's GPUs are worth to it, in their order; of alike ones the first has most."""
        left = {index: iter(sorted(self._of_class(search, index), reverse=True)) for index in set(self._order)}
        return [next(left[index], Fraction(0)) for index in self._order]

    def _of_class(self, search: Search, index: int) -> Iterator[Fraction]:
        """Yield what projects of a class get is worth, where they get anything."""
        members = self.allocation.classes[index]
        if not members.amount_is_one:
            yield sum(
                (wish.value * search.of(self.allocation.gpus(index, n)) for n, wish in enumerate(members.offers)),
                Fraction(0),
            )
            return
        for offer, wish in enumerate(members.offers):
            counts = [search.of([(rung, 1)]) for rung in self.allocation.ladder[index, offer]]
            for gpus, here, above in zip(wish.amounts, counts, [*counts[1:], 0], strict=True):
                yield from [wish.value * gpus] * (here - above)
