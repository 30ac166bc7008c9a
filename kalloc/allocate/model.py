"""The allocation model: how many GPUs of each kind every class of projects gets, and what its rows say in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kalloc.allocate.classes import ProjectClass
from kalloc.instance import ALL_KINDS, Instance
from kalloc.place.rooms import Rooms
from kalloc.solver import Model, Terms


@dataclass(frozen=True)
class Measure:
    """low ≤ Σ factor · variable ≤ high in the unit of a rule: GPUs as a limit counts them, won, or watts."""

    shares: Sequence[tuple[int, Fraction]]
    low: Fraction | None
    high: Fraction | None


@dataclass
class Allocation:
    """The model with the numbers of its variables. Offers are named by (class, position of the offer)."""

    instance: Instance
    rooms: Rooms
    classes: tuple[ProjectClass, ...]
    model: Model = field(default_factory=Model)
    served: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many projects of a class get anything of an offer."""
    extra: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many steps beyond the first amount they get, all together."""
    ladder: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """How many projects of a class get at least the first amount of an offer, at least the second, and so on."""
    clash: dict[int, str] = field(default_factory=dict)
    """What a row says in words, by the number of the row, for rows that can make a plan impossible."""
    measures: dict[int, Measure] = field(default_factory=dict)
    """The same rows as the rule has them, for rules that count in a unit of their own: limits, budgets and power."""
    loose: dict[int, int] = field(default_factory=dict)
    """Upper bounds of variables that have a tighter one only for speed: a row of ``clash`` says the same."""

    def truncate(self, rows: int, variables: int) -> None:
        """Drop the rows and variables after the first so many."""
        self.model.truncate(rows, variables)
        self.ladder = {key: rungs for key, rungs in self.ladder.items() if max(rungs) < variables}

    def gpus(self, index: int, offer: int) -> Terms:
        """Return the GPUs that a class gets of an offer, all members together."""
        wish = self.classes[index].offers[offer]
        terms = [(self.served[index, offer], wish.first)]
        if wish.extra:
            terms.append((self.extra[index, offer], wish.step))
        return terms

    def usage(self, pools: frozenset[str], kind: str) -> Terms:
        """Return the GPUs of a kind (or of all) that the projects of some pools get."""
        numbers = [number for number, members in enumerate(self.classes) if members.pool in pools]
        return [term for number in numbers for term in self.total(number, kind)]

    def total(self, index: int, kind: str = ALL_KINDS) -> Terms:
        """Return the GPUs of a kind (or of all) that a class gets."""
        return [
            term
            for offer, wish in enumerate(self.classes[index].offers)
            if kind in (wish.kind, ALL_KINDS)
            for term in self.gpus(index, offer)
        ]

    def most(self, index: int) -> int:
        """Return the most GPUs that all members of a class could get."""
        amounts = [offer.amounts[-1] for offer in self.classes[index].offers]
        each = max(amounts, default=0) if self.classes[index].amount_is_one else sum(amounts)
        return each * self.classes[index].size

    def climb(self, indices: Collection[int] | None = None) -> None:
        """Count members of classes by the amount that they get: the rungs of a ladder, each below the last."""
        for index in range(len(self.classes)) if indices is None else indices:
            members = self.classes[index]
            for offer, wish in enumerate(members.offers):
                if (index, offer) in self.ladder:
                    continue
                rungs = [self.served[index, offer]]
                for _ in range(wish.extra):
                    rungs.append(self.model.variable(0, members.size))
                    self.model.row([(rungs[-1], 1), (rungs[-2], -1)], None, 0)
                if wish.extra:
                    self.model.row([(self.extra[index, offer], -1), *((rung, 1) for rung in rungs[1:])], 0, 0)
                self.ladder[index, offer] = rungs

    def rungs(self, indices: Collection[int] | None = None) -> Iterator[tuple[int, int, int, int]]:
        """Yield class, offer, GPUs and variable of every rung."""
        for (index, offer), rungs in self.ladder.items():
            if indices is None or index in indices:
                amounts = self.classes[index].offers[offer].amounts
                yield from ((index, offer, gpus, rung) for gpus, rung in zip(amounts, rungs, strict=True))
