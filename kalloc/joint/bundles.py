"""Every way to serve a project, as a variable that counts who is served like that, with what it costs and needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import numpy as np

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation
from kalloc.solver import Ids, Terms
from kalloc.verify import Needs

Way = tuple[tuple[int, int], ...]
"""(position of the offer, GPUs) pairs that one project gets."""
Granted = dict[tuple[str, str], int]

MAX_BUNDLES = 400
"""A class with more ways to be served is left to the other engine."""


class TooManyBundlesError(Exception):
    """A class has too many ways to be served."""


@dataclass
class Bundles:
    """How many projects of each class are served in each way."""

    allocation: Allocation
    chosen: dict[tuple[int, Way], int] = field(default_factory=dict)
    needed: dict[tuple[int, Way], tuple[int, ...]] = field(default_factory=dict)
    """Domains per level that a project needs."""

    @classmethod
    def of(cls, allocation: Allocation) -> Bundles:
        """Make the variables and say what they give of each offer.

        Raises:
            TooManyBundlesError: when a class has too many ways to be served.
        """
        bundles = cls(allocation)
        needs = Needs(allocation.instance)
        for index, members in enumerate(allocation.classes):
            for way in ways(members):
                amounts = {members.offers[offer].kind: gpus for offer, gpus in way}
                try:
                    needed = needs.of(members.members[0], amounts)
                except ValueError:
                    continue
                bundles.chosen[index, way] = allocation.model.variable(0, members.size)
                bundles.needed[index, way] = needed
            bundles._link(index, members)
        return bundles

    def of_class(self, index: int) -> list[tuple[Way, int]]:
        """Return the ways of a class with their variables."""
        return [(way, chosen) for (of, way), chosen in self.chosen.items() if of == index]

    def _link(self, index: int, members: ProjectClass) -> None:
        """Say what the ways of a class give of each offer, and that every project is served in one way at most."""
        allocation, model = self.allocation, self.allocation.model
        found = self.of_class(index)
        model.row([(chosen, 1) for _, chosen in found], None, members.size)
        for position, offer in enumerate(members.offers):
            using = [(dict(way)[position], chosen) for way, chosen in found if position in dict(way)]
            model.row([(allocation.served[index, position], -1), *((chosen, 1) for _, chosen in using)], 0, 0)
            if offer.extra:
                steps = [(chosen, (gpus - offer.first) // offer.step) for gpus, chosen in using]
                model.row([(allocation.extra[index, position], -1), *steps], 0, 0)
            rungs = allocation.ladder.get((index, position), ())
            for amount, rung in zip(offer.amounts, rungs, strict=False):
                terms: Terms = [(chosen, 1) for gpus, chosen in using if gpus >= amount]
                model.row([(rung, -1), *terms], 0, 0)

    def granted(self, values: Ids) -> Iterator[tuple[str, int, Way]]:
        """Yield project, class and way of all who are served; of alike ones the first get what is worth most."""
        for index, members in enumerate(self.allocation.classes):
            waiting = iter(members.members)
            for way, chosen in sorted(self.of_class(index), key=lambda e: self._order(index, e[0]), reverse=True):
                for _ in range(int(values[chosen])):
                    yield next(waiting), index, way

    def _order(self, index: int, way: Way) -> tuple[Fraction, Way]:
        offers = self.allocation.classes[index].offers
        worth = sum((offers[offer].value * gpus for offer, gpus in way), Fraction(0))
        return (worth if self.allocation.ladder else Fraction(0)), way


def ways(members: ProjectClass) -> Iterator[Way]:
    """Yield every way to serve a project of the class, except with nothing."""
    offers = enumerate(members.offers)
    choices = [[(position, 0), *((position, gpus) for gpus in offer.amounts)] for position, offer in offers]
    count = sum(map(len, choices)) if members.one_kind else int(np.prod([len(choice) for choice in choices]))
    if count > MAX_BUNDLES:
        raise TooManyBundlesError
    if members.one_kind:
        yield from (((position, gpus),) for choice in choices for position, gpus in choice if gpus)
        return
    for way in product(*choices):
        taken = tuple((position, gpus) for position, gpus in way if gpus)
        if taken:
            yield taken
