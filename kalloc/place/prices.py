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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kalloc.place.fillings import Floats, Stock
from kalloc.solver import ColumnProgram, Ids, Limits

SCALE = 2**20
"""Prices are rounded to multiples of 1 / SCALE before they prove a bound."""
LARGEST_SUM = 2**61
"""Sums of prices stay below it: they are exact in 64 bits."""
MAX_ROUNDS = 60
"""Rounds of pricing."""
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


def cut(size: int, price: Ids, bin_cost: int, pays: Ids) -> Parts:
    """Return the parts of an item that pays least."""
    parts = []
    while size:
        options = np.arange(1, min(size, len(price) - 1) + 1)
        part = int(options[int((price[options] + pays[size - options]).argmin())])
        parts.append(part)
        size -= part
    return tuple(sorted(parts))


@dataclass
class _Program:
    """The linear program whose duals are the prices: bins filled, items cut, no more parts cut than hosted."""

    stock: Stock
    bins: Mapping[int, int]
    """How many bins there are of every state."""
    items: Mapping[int, int]
    """How many items there are of every size."""
    known: set[tuple[int, Parts]] = field(default_factory=set)

    def __post_init__(self) -> None:
        infinite = float("inf")
        self.state_row = {state: row for row, state in enumerate(self.bins)}
        first = len(self.state_row)
        self.size_row = {size: first + number for number, size in enumerate(self.items)}
        self.part_row = first + len(self.size_row) - 1
        sides = [(-infinite, float(count)) for count in self.bins.values()]
        sides += [(float(count), infinite) for count in self.items.values()]
        sides += [(0.0, infinite)] * self.stock.room
        self.program = ColumnProgram(sides)
        for size, row in self.size_row.items():
            self.program.add(float((self.stock.bin_cost + self.stock.piece_cost + 1) * 100 * size), [(row, 1.0)])

    def fill(self, state: int, values: Floats, gain: Floats) -> bool:
        """Add the best filling of a state at some prices; tell whether it is new."""
        steps = list(self.stock.states.walk(state, gain, values))
        parts = tuple(sorted(int(self.stock.states.part[step]) for step in steps))
        if not parts or (-1 - state, parts) in self.known:
            return False
        self.known.add((-1 - state, parts))
        cost = self.stock.piece_cost * sum(int(self.stock.states.pieces[step]) for step in steps)
        terms = [(self.part_row + part, float(count)) for part, count in Counter(parts).items()]
        self.program.add(float(cost), [*terms, (self.state_row[state], 1.0)])
        return True

    def cut(self, size: int, parts: Parts) -> bool:
        """Add a way to cut an item; tell whether it is new."""
        if (size, parts) in self.known:
            return False
        self.known.add((size, parts))
        terms = [(self.part_row + part, -float(count)) for part, count in Counter(parts).items()]
        self.program.add(float(self.stock.bin_cost * len(parts)), [*terms, (self.size_row[size], 1.0)])
        return True

    def grow(self, price: Ids) -> int:
        """Add the best fillings and cuts at some prices, in units of 1 / SCALE; return how many are new."""
        gain = price[self.stock.states.part] / SCALE - self.stock.piece_cost * self.stock.states.pieces
        values = self.stock.states.best(gain)
        fresh = sum([self.fill(state, values, gain) for state in self.bins])
        pays = cheapest_cuts(price, self.stock.bin_cost, max(self.items))
        return fresh + sum([self.cut(size, cut(size, price, self.stock.bin_cost, pays)) for size in self.items])

    def prices(self, limits: Limits) -> tuple[float, Ids] | None:
        """Return value and prices of parts, in units of 1 / SCALE; None where the limits leave no time."""
        answer = self.program.solve(limits)
        if answer is None:
            return None
        value, duals, _ = answer
        parts = [0.0, *duals[self.part_row + 1 : self.part_row + 1 + self.stock.room]]
        return value, in_units(parts, max(self.stock.room, *self.items))


def in_units(prices: Sequence[float], parts: int) -> Ids:
    """Return prices in units of 1 / SCALE, none so large that a sum over so many parts is not exact."""
    most = LARGEST_SUM // (parts + 1)
    return np.asarray(np.rint(np.clip(np.array(prices) * SCALE, 0, most)), dtype=np.int64)


def gains(stock: Stock, price: Ids) -> Ids:
    """Return what every state gains at most by hosting parts at some prices, in units of 1 / SCALE."""
    gain = price[stock.states.part] - SCALE * stock.piece_cost * stock.states.pieces
    return stock.states.best(gain)


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
    bins = Counter(state for states in stock.parents for state in states)
    price = np.arange(stock.room + 1, dtype=np.int64) * SCALE
    best = Priced(price, 0)
    if not items or not bins:
        return best
    program = _Program(stock, bins, dict(sorted(items.items())))
    exactly = True
    for turn in range(MAX_ROUNDS):
        proven = _pooled_bound(stock, bins, items, price)
        if proven > best.bound * SCALE or turn == 0:
            best, exact = Priced(price, -(-proven // SCALE)), proven
        fresh = program.grow(price)
        if fresh == 0 and exactly:
            break
        answer = program.prices(limits)
        if answer is None or answer[0] * SCALE - exact < CLOSE * SCALE:
            break
        exactly = fresh == 0 or turn % 3 == 2
        price = answer[1] if exactly else (answer[1] + best.price) // 2
    return best


def _pooled_bound(stock: Stock, bins: Mapping[int, int], items: Mapping[int, int], price: Ids) -> int:
    pays, values = cheapest_cuts(price, stock.bin_cost, max(items)), gains(stock, price)
    paid = sum(count * int(pays[size]) for size, count in items.items())
    return paid - sum(count * int(values[state]) for state, count in bins.items())
