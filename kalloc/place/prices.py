"""Lower bounds of two levels at once, by prices of parts.

Let a part of *a* cost an item a price, and be paid to the domain that hosts it. Whatever the prices are, no plan costs
less than what the items would pay at least, each cut as it likes best, less what the domains would gain at most, each
filled as it likes best: Lagrangian duality. Both are found exactly, the first by a recursion over sizes, the second by
one pass over the states of :mod:`kalloc.place.states`, which sees a level and the one below it together. So a bound
is as good as its prices, and holds whatever made them: here the duals of a linear program that grows by columns
(Dantzig and Wolfe, 1960).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.solver import ColumnProgram, Ids, Limits

SCALE = 2**20
"""Prices are rounded to multiples of 1 / SCALE before they prove a bound."""
LARGEST_SUM = 2**61
"""Sums of prices stay below it: they are exact in 64 bits."""
MAX_ROUNDS = 60
"""Rounds of pricing."""
DEAR = 100
"""Times what an item could cost at most that leaving it out costs in the linear program."""
TOLERANCE = 1e-6
"""How little less than whole is whole."""
CLOSE = 0.2
"""A bound so near the linear program's value is as good as it gets: it is rounded up."""

Parts = tuple[int, ...]


def cheapest_cuts(price: Ids, bin_cost: int, largest: int) -> Ids:
    """Return what an item of every size up to the largest pays at least, in units of 1 / SCALE, shape (largest + 1,).

    Args:
        price: of a part of every size, from 0 up to the largest part, in units of 1 / SCALE.
        bin_cost: what every part costs beyond its price.
        largest: size of the largest item.
    """
    pays = np.zeros(largest + 1, dtype=np.int64)
    for size in range(1, largest + 1):
        parts = np.arange(1, min(size, len(price) - 1) + 1)
        pays[size] = (price[parts] + pays[size - parts]).min() + bin_cost * SCALE
    return pays


def cut(size: int, price: Ids, pays: Ids) -> Parts:
    """Return the parts of an item that pays least."""
    parts = []
    while size:
        options = np.arange(1, min(size, len(price) - 1) + 1)
        part = int(options[int((price[options] + pays[size - options]).argmin())])
        parts.append(part)
        size -= part
    return tuple(sorted(parts))


@dataclass(frozen=True)
class Reaction:
    """What items and bins do at some prices of parts, all in units of 1 / SCALE."""

    stock: Stock
    price: Ids
    gain: Ids
    """Of every step that lays a part."""
    values: Ids
    """Of every state, gained at most."""
    pays: Ids
    """What an item of every size pays at least."""

    @classmethod
    def to(cls, stock: Stock, price: Ids, largest: int) -> Reaction:
        """Return the reaction to prices of parts, of items up to a size."""
        gain = price[stock.states.part] - SCALE * stock.piece_cost * stock.states.pieces
        return cls(stock, price, gain, stock.states.best(gain), cheapest_cuts(price, stock.bin_cost, largest))

    def filling(self, state: int) -> tuple[int, Counter[int]]:
        """Return what the children cost that the best filling of a state draws on, and its parts."""
        states = self.stock.states
        steps = list(states.walk(state, self.gain, self.values))
        pieces = sum(int(states.pieces[step]) for step in steps)
        return self.stock.piece_cost * pieces, Counter(int(states.part[step]) for step in steps)

    def cut(self, size: int) -> Counter[int]:
        """Return the parts of an item that pays least."""
        return Counter(cut(size, self.price, self.pays))


@dataclass
class Program:
    """The linear program whose duals are the prices: bins filled, items cut, no more parts cut than hosted."""

    stock: Stock
    bins: Mapping[int, int]
    """How many bins there are of every state."""
    items: Mapping[int, int]
    """How many items there are of every size."""
    item_cost: int = 0
    """What an item pays once, however it is cut."""
    more: Sequence[tuple[float, float]] = ()
    """Lower and upper sides of rows of somebody else, which stand last, from ``more_row`` on."""
    known: dict[tuple[tuple[int, int], ...], int] = field(default_factory=dict)
    """Columns by their terms."""

    def __post_init__(self) -> None:
        infinite = float("inf")
        self.state_row = {state: row for row, state in enumerate(self.bins)}
        first = len(self.state_row)
        self.size_row = {size: first + number for number, size in enumerate(self.items)}
        self.part_row = first + len(self.size_row) - 1
        self.more_row = self.part_row + 1 + self.stock.room
        sides = [(-infinite, float(count)) for count in self.bins.values()]
        sides += [(float(count), infinite) for count in self.items.values()]
        sides += [(0.0, infinite)] * self.stock.room
        self.program = ColumnProgram([*sides, *self.more])
        for size, row in self.size_row.items():
            self.leave_out(size, row)

    def leave_out(self, size: int, row: int) -> None:
        """Add a column for an item of a size that is left out, dearer than any way to seat it."""
        dear = self.stock.bin_cost + self.stock.piece_cost + self.item_cost + 1
        self.program.add(float(DEAR * dear * size), [(row, 1.0)])

    def grow(self, reaction: Reaction) -> int:
        """Add the best fillings and cuts at some prices; return how many are new."""
        fresh = 0
        for state, row in self.state_row.items():
            cost, parts = reaction.filling(state)
            fresh += self.add(cost, {row: 1, **self.parts(parts)}) if parts else 0
        for size, row in self.size_row.items():
            parts = reaction.cut(size)
            cost = self.item_cost + self.stock.bin_cost * parts.total()
            fresh += self.add(cost, {row: 1, **self.parts(parts, -1)})
        return fresh

    def parts(self, parts: Counter[int], sign: int = 1) -> dict[int, int]:
        """Return how often some parts stand in their rows: hosted ones, or with the sign −1 cut ones."""
        return {self.part_row + part: sign * count for part, count in sorted(parts.items())}

    def add(self, cost: int, terms: Mapping[int, int]) -> int:
        """Add a column; return 1 when it is new, else 0."""
        name = tuple(terms.items())
        if name in self.known:
            return 0
        self.known[name] = self.program.add(float(cost), ((row, float(factor)) for row, factor in name))
        return 1

    def taken(self, limits: Limits, less: int) -> Iterator[tuple[int, int, Parts]]:
        """Yield what the program takes: the row of a state or a size, how often, and its parts.

        Only what it takes wholly counts, but so much ``less``. Nothing where the limits leave no time.
        """
        answer = self.program.solve(limits)
        for ((row, _), *parts), column in self.known.items() if answer else ():
            if answer and answer[2][column] > TOLERANCE:
                times = max(0, int(answer[2][column] + TOLERANCE) - less)
                yield row, times, tuple(at - self.part_row for at, count in parts for _ in range(abs(count)))

    def prices(self, limits: Limits, parts: int) -> tuple[float, Ids, list[float]] | None:
        """Return value, prices of parts, in units of 1 / SCALE, and the duals of the rows of somebody else.

        Sums of ``parts`` prices are exact. None where the limits leave no time.
        """
        answer = self.program.duals(limits)
        if answer is None:
            return None
        value, duals = answer
        return value, in_units([0.0, *duals[self.part_row + 1 : self.more_row]], parts), duals[self.more_row :]


def in_units(prices: Sequence[float], parts: int) -> Ids:
    """Return prices in units of 1 / SCALE, none so large that a sum over so many parts is not exact."""
    most = LARGEST_SUM // (parts + 1)
    return np.asarray(np.rint(np.clip(np.array(prices) * SCALE, 0, most)), dtype=np.int64)


@dataclass(frozen=True)
class Priced:
    """Prices of parts and the bound that they prove."""

    price: Ids
    """Of a part of every size, in units of 1 / SCALE."""
    bound: int

    def pays(self, bin_cost: int, sizes: Sequence[int]) -> dict[int, float]:
        """Return what an item of each size pays."""
        pays = cheapest_cuts(self.price, bin_cost, max(sizes)) / SCALE
        return {size: float(pays[size]) for size in sizes}


def pooled(stock: Stock, items: Counter[int], limits: Limits) -> Priced:
    """Return prices and the bound of a level and the one below, wherever the bins are.

    The bound is on Σ bin cost · bins + child cost · children that the items span.
    """
    return grown(stock, items, limits)[0]


def grown(stock: Stock, items: Counter[int], limits: Limits, rounds: int = MAX_ROUNDS) -> tuple[Priced, Program]:
    """Return prices and the bound of two levels, as :func:`pooled` does, and the linear program that they are from."""
    bins = Counter(state for states in stock.parents for state in states)
    price = np.arange(stock.room + 1, dtype=np.int64) * SCALE
    best, program = Priced(price, 0), Program(stock, bins, dict(sorted(items.items())))
    if not items or not bins:
        return best, program
    exactly = True
    for turn in range(rounds):
        reaction = Reaction.to(stock, price, max(items))
        proven = _pooled_bound(reaction, bins, items)
        if proven > best.bound * SCALE or turn == 0:
            best, exact = Priced(price, -(-proven // SCALE)), proven
        fresh = program.grow(reaction)
        if fresh == 0 and exactly:
            break
        answer = program.prices(limits, max(stock.room, *items))
        if answer is None or answer[0] * SCALE - exact < CLOSE * SCALE:
            break
        exactly = fresh == 0 or turn % 3 == 2
        price = answer[1] if exactly else (answer[1] + best.price) // 2
    return best, program


def _pooled_bound(reaction: Reaction, bins: Mapping[int, int], items: Mapping[int, int]) -> int:
    """Return the bound that prices prove, in units of 1 / SCALE."""
    paid = sum(count * int(reaction.pays[size]) for size, count in items.items())
    return paid - sum(count * int(reaction.values[state]) for state, count in bins.items())
