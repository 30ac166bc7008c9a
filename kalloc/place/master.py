"""The linear program over patterns: it prices items and bins, and says which patterns to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from kalloc.place.fillings import Fillings, Floats, Stock
from kalloc.place.patterns import Pattern, Rents, chains, galaxies, knapsacks_of, singles, stars
from kalloc.solver import ColumnProgram, Limits

MAX_ROUNDS = 100
"""Rounds of pricing."""
TOLERANCE = 1e-6
"""Worth beyond its cost, by the size of the costs, from which on a pattern joins."""
NEAR = 0.1
"""Share by which prices are varied to find more patterns."""
MOST_PRICED, MOST_VARIED = 1, 6
"""Patterns of a kind over several bins that a parent adds at a time: at the prices of now, and at varied ones."""


@dataclass
class Master:
    """Every item is in a pattern or left out; every bin is in one pattern at most."""

    stock: Stock
    items: Counter[int]
    """How many items there are of each size."""
    leave: int
    """Price of leaving out an item, for every unit of its size."""
    begin: Mapping[int, float] = field(default_factory=dict)
    """What items of some sizes are worth about."""
    soft: float = float("inf")
    """Leaving an item out costs so many times what it is worth about, where that is less: it keeps prices near."""
    wide: bool = False
    """Whether items may be cut between parents."""
    patterns: dict[Pattern, int] = field(default_factory=dict)
    """Each with the number of its column."""
    value: float = float("inf")
    shares: list[float] = field(default_factory=list)
    """Value of every column."""

    def __post_init__(self) -> None:
        sizes = sorted(self.items)
        self.sizes = np.array(sizes, dtype=np.int64)
        self.worth: Floats = np.array([self.begin.get(size, self.leave * size / 2) for size in sizes])
        self.rents = Rents(np.zeros(len(self.stock.used)), np.zeros(self.stock.grid.shape))
        self.lent = {
            (parent, state): count
            for parent, bins in enumerate(self.stock.parents)
            for state, count in sorted(Counter(bins).items())
        }
        first = len(sizes)
        self.size_row = {size: row for row, size in enumerate(sizes)}
        self.pool_row = {state: first + number for number, state in enumerate(self.stock.used)}
        first += len(self.pool_row)
        self.bin_row = {key: first + number for number, key in enumerate(self.lent)}
        infinite = float("inf")
        sides = [(float(self.items[size]), infinite) for size in sizes]
        sides += [(-infinite, 0.0)] * len(self.pool_row)
        sides += [(-infinite, float(count)) for count in self.lent.values()]
        self.program = ColumnProgram(sides)
        self.out = {size: self._leave(size) for size in sizes}
        self.shared = {
            key: self.program.add(0.0, [(row, 1.0), (self.pool_row[key[1]], -1.0)]) for key, row in self.bin_row.items()
        }

    def _leave(self, size: int) -> int:
        cost = min(float(self.leave * size), self.soft * self.begin.get(size, float("inf")))
        return self.program.add(cost, [(self.size_row[size], 1.0)])

    def again(self, stock: Stock, items: Counter[int], soft: float, wide: bool) -> Master:
        """Return a program over other items and bins that begins with this one's prices and patterns in use."""
        known = dict(zip(self.sizes.tolist(), self.worth.tolist(), strict=True))
        other = Master(stock, items, self.leave, known, soft, wide)
        for pattern in self.patterns:
            if self.share(pattern) > TOLERANCE and other.knows(pattern):
                other.add(pattern)
        return other

    def add(self, pattern: Pattern) -> bool:
        """Add a pattern; tell whether it is new."""
        if pattern in self.patterns:
            return False
        self.patterns[pattern] = self.program.add(float(pattern.cost), self.terms(pattern))
        return True

    def knows(self, pattern: Pattern) -> bool:
        """Tell whether there are items of the sizes of a pattern, and enough bins for it."""
        return all(size in self.size_row for size in pattern.sizes) and all(
            state in self.pool_row if parent is None else self.lent.get((parent, state), 0) >= count
            for (parent, state), count in pattern.uses.items()
        )

    def terms(self, pattern: Pattern) -> list[tuple[int, int]]:
        """Return what a pattern uses of every row."""
        terms = [(self.size_row[size], count) for size, count in Counter(pattern.sizes).items()]
        for (parent, state), count in pattern.uses.items():
            terms.append((self.pool_row[state] if parent is None else self.bin_row[parent, state], count))
        return terms

    def solve(self, limits: Limits) -> bool:
        """Price items and bins anew; tell whether the limits left time for it."""
        answer = self.program.solve(limits)
        if answer is None:
            return False
        self.value, duals, self.shares = answer
        self.worth = np.maximum(np.array(duals[: len(self.sizes)]), 0.0)
        pooled = np.array([-duals[row] for row in self.pool_row.values()])
        by_parent = np.zeros(self.stock.grid.shape)
        position = {state: number for number, state in enumerate(self.stock.used)}
        for (parent, state), row in self.bin_row.items():
            by_parent[parent][self.stock.grid[parent] == position[state]] = -duals[row]
        self.rents = Rents(pooled, by_parent)
        return True

    def price(self, linked: bool) -> int:
        """Let patterns join that are worth more than they cost at the prices of now; return how many are new."""
        return self._price(self.worth, TOLERANCE * max(1.0, float(self.worth.max())), linked, MOST_PRICED)

    def vary(self, times: int, seed: int) -> None:
        """Let the best patterns at prices near those of now join, whatever they are worth."""
        dice = np.random.default_rng(seed)
        for _ in range(times):
            worth = self.worth * dice.uniform(1 - NEAR, 1 + NEAR, len(self.worth))
            self._price(worth, float("-inf"), True, MOST_VARIED)

    def _price(self, worth: Floats, least: float, linked: bool, most: int) -> int:
        fillings = Fillings(self.stock, self.sizes, worth)
        knapsacks = knapsacks_of(fillings, self.rents)
        found: Iterable[Pattern] = chain(singles(fillings, self.rents, least), stars(fillings, knapsacks, least, most))
        if linked:
            found = chain(found, chains(fillings, self.rents, least, most))
        if self.wide:
            found = chain(found, galaxies(fillings, knapsacks, least, most))
        return sum([self.add(pattern) for pattern in found])

    def generate(self, floor: float, limits: Limits) -> bool:
        """Let patterns join until none is worth more than it costs, chains only once nothing else is.

        Return whether there was time for it. ``floor`` is what the program costs at least: nothing is sought beyond it.
        """
        linked = False
        for _ in range(MAX_ROUNDS):
            if self.price(linked) > 0 or not self.shares:
                if not self.solve(limits):
                    return False
            elif linked or self.value <= floor + TOLERANCE * abs(floor):
                break
            else:
                linked = True
        return bool(self.shares)

    def share(self, pattern: Pattern) -> float:
        """Return how often the program takes a pattern; 0 for one that it has not seen yet."""
        column = self.patterns[pattern]
        return self.shares[column] if column < len(self.shares) else 0.0

    @property
    def left_out(self) -> float:
        """How much of the items, by size, the program leaves out."""
        return sum(size * self.shares[column] for size, column in self.out.items())
