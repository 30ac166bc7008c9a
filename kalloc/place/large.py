"""Lower bounds of three levels at once, where some items are larger than any bin.

Such an item takes many bins, and best those of one parent, where :mod:`kalloc.place.prices` would let it have the best
bins of the nation. So small items are priced by their parts as there, and large ones by what they have in every parent:
a parent gains what its bins gain, less the least that it costs them to make room for so much of large items, each bin
for one part at most. Merging the parts of several large items in a bin only makes them cheaper, so nothing that a
parent may do is left out, and the bound holds for any prices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kalloc.place.fillings import Floats, Stock
from kalloc.place.knapsacks import Knapsacks
from kalloc.place.prices import CLOSE, LARGEST_SUM, SCALE, Priced, cheapest_cuts, cut, gains, in_units
from kalloc.solver import ColumnProgram, Ids, Limits

MAX_ROUNDS = 80
"""Rounds of pricing."""
NEVER = -(2**61)
"""Worth of what cannot be, in units of 1 / SCALE."""
DEAR = 10
"""Times what an item could cost at most that leaving it out costs in the linear program."""
GRID = 256
"""Shares of large items that are looked at; where there might be more, on a grid."""
FEW_PARENTS, MANY_PARENTS = 2, 32
"""Parents that join in a round: for every share, and for several shares together."""
LEAST = 1e-6
"""Worth beyond its cost from which on a column joins."""
MOST_ENTRIES = 40_000_000
"""Steps of the knapsacks of all parents, in one round; where there would be more, nothing is bounded."""


@dataclass
class _Rooms:
    """What it costs every parent to make room for so much of large items, at some prices of small parts."""

    stock: Stock
    values: Ids
    """Of the best filling of every state with small parts."""
    losses: Knapsacks[Ids]
    """What so much of large items loses over the bins of every parent, each of which makes room for one part."""

    @classmethod
    def of(cls, stock: Stock, price: Ids, most: int) -> _Rooms:
        """Return the losses for up to so much of large items in a parent."""
        states, (order, heads, keys) = stock.states, stock.used_by_part
        values = gains(stock, price)
        loss = np.full((len(stock.used) + 1, stock.room + 1), NEVER, dtype=np.int64)
        found = values[states.target[order]] - SCALE * stock.lay_cost[order]
        loss.ravel()[keys] = np.maximum.reduceat(found, heads)
        loss[:-1] -= values[stock.used][:, None]
        return cls(stock, values, Knapsacks(loss[stock.grid], most, NEVER))

    def parts(self, parent: int, amount: int) -> list[tuple[int, int]]:
        """Return the states of the bins and the parts over which so much is laid at the least loss."""
        found = self.losses.parts(parent, amount)
        return [(self.stock.used[self.stock.grid[parent, number]], part) for number, part in found]


@dataclass
class _Program:
    """The linear program whose duals are the prices: bins and parents filled, items cut."""

    stock: Stock
    small: Counter[int]
    large: Counter[int]
    shares: Sequence[int]
    """What large items may have in a parent, in the program; the bound lets them have anything."""
    parent_cost: int
    known: set[tuple[object, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        infinite, stock = float("inf"), self.stock
        bins = Counter(state for states in stock.parents for state in states)
        sides = [(-infinite, float(bins[state])) for state in stock.used]
        self.state_row = {state: row for row, state in enumerate(stock.used)}
        self.size_row = {size: len(sides) + row for row, size in enumerate([*self.small, *self.large])}
        sides += [(float(count), infinite) for count in [*self.small.values(), *self.large.values()]]
        self.part_row = len(sides) - 1
        sides += [(0.0, infinite)] * stock.room
        self.share_row = {share: len(sides) + row for row, share in enumerate(self.shares)}
        sides += [(0.0, infinite)] * len(self.shares)
        self.parent_row = len(sides)
        sides += [(-infinite, 1.0)] * len(stock.parents)
        self.program = ColumnProgram(sides)
        dear = (stock.bin_cost + stock.piece_cost + self.parent_cost + 1) * 10
        for size, row in self.size_row.items():
            self.program.add(float(dear * size), [(row, 1.0)])

    def _add(self, name: tuple[object, ...], cost: int, terms: Mapping[int, float]) -> int:
        if name in self.known:
            return 0
        self.known.add(name)
        self.program.add(float(cost), terms.items())
        return 1

    def _filling(self, state: int, gain: Floats, values: Floats) -> tuple[int, Counter[int]]:
        """Return what the best filling of a state with small parts costs, and its parts."""
        steps, states = list(self.stock.states.walk(state, gain, values)), self.stock.states
        pieces = sum(int(states.pieces[step]) for step in steps)
        return self.stock.piece_cost * pieces, Counter(int(states.part[step]) for step in steps)

    def grow(self, price: Ids, rooms: _Rooms, rents: Floats, worth: Mapping[int, float]) -> int:
        """Add the best fillings, cuts and parents with large items at some prices; return how many are new."""
        stock, fresh = self.stock, 0
        gain = price[stock.states.part] / SCALE - stock.piece_cost * stock.states.pieces
        values = stock.states.best(gain)
        for state in stock.used:
            cost, parts = self._filling(state, gain, values)
            terms = {self.state_row[state]: 1.0, **{self.part_row + part: float(n) for part, n in parts.items()}}
            fresh += self._add(("bin", state, *sorted(parts.items())), cost, terms) if parts else 0
        pays = cheapest_cuts(price, stock.bin_cost, max(self.small, default=0))
        for size in self.small:
            parts = Counter(cut(size, price, stock.bin_cost, pays))
            terms = {self.size_row[size]: 1.0, **{self.part_row + part: -float(n) for part, n in parts.items()}}
            cost = self.parent_cost + stock.bin_cost * parts.total()
            fresh += self._add(("cut", size, *sorted(parts.items())), cost, terms)
        dear = np.full(max(max(self.large), *self.shares) + 1, -NEVER // 2, dtype=np.int64)
        for share in self.shares:
            dear[share] = max(0, round(worth[share] * SCALE))
        pays = cheapest_cuts(dear, self.parent_cost, max(self.large))
        for size in self.large:
            shares = Counter(cut(size, dear, self.parent_cost, pays))
            terms = {self.size_row[size]: 1.0, **{self.share_row[share]: -float(n) for share, n in shares.items()}}
            fresh += self._add(("large", size, *sorted(shares.items())), self.parent_cost * shares.total(), terms)
        loss = rooms.losses.best / SCALE
        alone = np.array([worth[share] for share in self.shares]) + loss[:, self.shares] - rents[:, None]
        for position, share in enumerate(self.shares):
            for parent in np.argsort(-alone[:, position], kind="stable")[:FEW_PARENTS].tolist():
                if alone[parent, position] > LEAST:
                    fresh += self._host(parent, (share,), rooms, gain, values)
        steps = np.zeros(loss.shape[1], dtype=np.int64)
        for share in self.shares:
            steps[share] = dear[share]
        several = _several(steps)
        gained = several / SCALE + loss - rents[:, None]
        ranked = np.argsort(-gained.max(axis=1), kind="stable")[:MANY_PARENTS]
        for parent in ranked[gained[ranked].max(axis=1) > LEAST].tolist():
            together = _together(steps, several, int(gained[parent].argmax()))
            fresh += self._host(parent, [share for share in together if share in self.share_row], rooms, gain, values)
        return fresh

    def _host(self, parent: int, shares: Sequence[int], rooms: _Rooms, gain: Floats, values: Floats) -> int:
        """Add a parent with so much of large items, small ones beside them."""
        stock, states = self.stock, self.stock.states
        terms = Counter(self.share_row[share] for share in shares)
        terms[self.parent_row + parent] = 1
        cost = 0
        for state, part in rooms.parts(parent, sum(shares)):
            steps = np.flatnonzero(states.part[states.steps(state)] == part) + states.steps(state).start
            step = int(steps[(values[states.target[steps]] - stock.lay_cost[steps]).argmax()])
            more, parts = self._filling(int(states.target[step]), gain, values)
            cost += int(stock.lay_cost[step]) + more
            terms[self.state_row[state]] += 1
            terms.update({self.part_row + small: count for small, count in parts.items()})
        name = ("parent", parent, *sorted(terms.items()))
        return self._add(name, cost, {row: float(count) for row, count in terms.items()})


def three_levels(
    stock: Stock, items: Counter[int], parent_cost: int, start: Priced, limits: Limits
) -> int:
    """Return a lower bound of Σ parent cost · parents + bin cost · bins + child cost · children that the items span.

    Args:
        stock: the bins of every parent.
        items: how many there are of each size.
        parent_cost: what an item pays for entering a parent.
        start: prices of the parts of small items to begin with, and the bound of two levels, which is kept.
        limits: of the solve.
    """
    small = Counter({size: count for size, count in sorted(items.items()) if size <= stock.room})
    large = Counter({size: count for size, count in sorted(items.items()) if size > stock.room})
    least = start.bound + parent_cost * items.total()
    most = max((sum(int(stock.states.total[state]) for state in bins) for bins in stock.parents), default=0)
    if not large or len(stock.parents) * stock.grid.shape[1] * stock.room * most > MOST_ENTRIES:
        return least
    shares = _shares(large, most)
    program = _Program(stock, small, large, shares, parent_cost)
    price, rents = start.price, np.zeros(len(stock.parents))
    best, middle = NEVER, (price, rents)
    worth = {share: float(DEAR * share * (stock.bin_cost + stock.piece_cost)) for share in shares}
    anchor = dict.fromkeys(shares, 0.0)
    for turn in range(MAX_ROUNDS):
        if limits.over:
            break
        rooms = _Rooms.of(stock, price, most)
        proven = _proven(stock, small, large, worth, parent_cost, price, rooms)
        if proven > best:
            best, middle, anchor = proven, (price, rents), worth
        fresh = program.grow(price, rooms, rents, worth)
        answer = program.program.solve(limits)
        if answer is None or answer[0] - best / SCALE < CLOSE:
            break
        duals = np.array(answer[1])
        found = duals[program.part_row + 1 : program.part_row + 1 + stock.room]
        exact = in_units([0.0, *found], max(items) + most)
        rent = -duals[program.parent_row :]
        dual = {share: float(duals[row]) for share, row in program.share_row.items()}
        if fresh == 0 and np.array_equal(exact, price):
            break
        plain = fresh == 0 or turn % 3 == 2
        price = exact if plain else (exact + middle[0]) // 2
        rents = rent if plain else (rent + middle[1]) / 2
        worth = dual if plain else {share: (dual[share] + anchor[share]) / 2 for share in shares}
    return max(least, -(-best // SCALE))


def _shares(large: Counter[int], most: int) -> list[int]:
    """Return what large items may have in a parent: all of them, or a part on a grid, or what that leaves of them."""
    grid = {*range(1, most + 1, max(1, -(-most // GRID))), most}
    rests = {size - part for size in large for part in grid if 0 < size - part <= most}
    return sorted(grid | rests | {size for size in large if size <= most})


def _proven(
    stock: Stock,
    small: Counter[int],
    large: Counter[int],
    worth: Mapping[int, float],
    parent_cost: int,
    price: Ids,
    rooms: _Rooms,
) -> int:
    """Return the bound that some prices prove, in units of 1 / SCALE.

    A share of a large item in a parent is worth what the most valuable share is that is no larger. Any prices would do.
    """
    loss = rooms.losses.best
    steps = np.zeros(loss.shape[1], dtype=np.int64)
    for share, value in sorted(worth.items()):
        dual = min(max(0, round(value * SCALE)), LARGEST_SUM // (loss.shape[1] + 1))
        steps[share:] = np.maximum(steps[share:], dual)
    pays = cheapest_cuts(steps, parent_cost, max(large))
    total = sum(count * (pay + parent_cost * SCALE) for count, pay in _paid(small, price, stock.bin_cost))
    total += sum(count * int(pays[size]) for size, count in large.items())
    total -= sum(int(rooms.values[state]) for states in stock.parents for state in states)
    gained = np.maximum(_several(steps)[None, :] + loss, 0).max(axis=1)
    return total - sum(int(gain) for gain in gained)


def _paid(small: Mapping[int, int], price: Ids, bin_cost: int) -> list[tuple[int, int]]:
    pays = cheapest_cuts(price, bin_cost, max(small, default=0))
    return [(count, int(pays[size])) for size, count in small.items()]


def _several(worth: Ids) -> Ids:
    """Return the most that shares of large items of so much together are worth, for every amount."""
    best = np.zeros(len(worth), dtype=np.int64)
    for amount in range(1, len(worth)):
        parts = np.arange(1, amount + 1)
        best[amount] = (worth[parts] + best[amount - parts]).max()
    return best


def _together(worth: Ids, best: Ids, amount: int) -> list[int]:
    """Return the shares that ``_several`` found to be worth most together."""
    found = []
    while amount:
        parts = np.arange(1, amount + 1)
        part = int(parts[(worth[parts] + best[amount - parts]).argmax()])
        found.append(part)
        amount -= part
    return found
