"""Lower bounds of three levels at once for items of any size: every parent has prices of parts of its own.

Prices that are the same everywhere let an item that is cut have the best bins of the nation, whoever their parents are.
Here a part has a price in every parent, so an item is cut over bins of one parent, or pays for more parents. What an
item of some size pays at least is what the cheapest parent takes; what bins gain, and what a parent loses by hosting
large items, is found at its own prices. All of it is exact for any prices. Given what items of every size are worth,
parents have nothing to do with each other, so each finds its prices by a small linear program of its own; what items
are worth comes from a program over what the parents would hold (Dantzig and Wolfe, 1960), in a box around the best
worths so far.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.large import Offer, losses_of, several
from kalloc.place.prices import LARGEST_SUM, SCALE, Reaction, cheapest_cuts, cut, in_units
from kalloc.solver import ColumnProgram, Ids, Limits

MAX_TURNS, TURNS_A_UNIT = 16, 3
"""Times that what items are worth is changed; no more for every unit that a plan costs beyond the bound."""
WIDTH = 0.25
"""How far other worths may lie from the best so far, by the cost of a bin: twice as far after others were better, half
as far after they were not."""
MAX_ROUNDS = 40
"""Rounds of pricing in a parent."""
MOST_WORK = 30_000_000
"""Steps of the states, once for every parent; where there would be more, parents have no prices of their own."""
GRID = 16
"""Shares of small items that are looked at, where some are worth more than a parent costs."""
LEAST = 1e-6
"""Worth beyond its cost from which on large items are hosted."""
MARGIN = 2
"""Units of 1 / SCALE on top of every price: what the linear program's tolerance may lack."""
NEAR = 0.05
"""What no other worths can add any more."""
FAR = LARGEST_SUM // 8
"""What cannot be had pays so much."""


@dataclass(frozen=True)
class _Settled:
    """What a parent does at its prices, in units of 1 / SCALE."""

    pays: Ids
    """What a share of an item of every size pays at least for its parts."""
    gained: int
    """By all bins."""
    lost: Ids
    """Less than that, where so much of large items is hosted."""

    def gain(self, together: Ids) -> int:
        """Return what the parent gains where large items of so much together pay this."""
        return self.gained + max(0, int((together + self.lost).max()))


class _Column(NamedTuple):
    """Bins filled, large items hosted, or an item of some size cut: what it costs, and its terms in a parent's rows."""

    cost: float
    terms: Mapping[int, float]
    size: int
    """0 where it is no item."""


class _Parent:
    """A parent, and the linear program that finds its prices: bins filled, items cut, large items hosted."""

    def __init__(self, stock: Stock, price: Ids, most: int) -> None:
        """``stock`` has this parent alone; ``most`` is how much of large items may lie in it."""
        bins, infinite = Counter(stock.parents[0]), float("inf")
        self.stock, self.price, self.most = stock, price, most
        self.bins = bins
        self.largest = max(int(stock.states.total[state]) for state in bins)
        self.room = sum(int(stock.states.total[state]) * count for state, count in bins.items())
        self.state_row = {state: row for row, state in enumerate(bins)}
        self.host_row = self.part_row = len(bins)
        sides = [(-infinite, float(count)) for count in bins.values()]
        self.sides = [*sides, (-infinite, 1.0), *[(0.0, infinite)] * stock.room]
        self.program = ColumnProgram(self.sides)
        self.known: set[Hashable] = set()
        self.columns: list[_Column] = []

    def settle(self, worth: Mapping[int, float], together: Ids, limits: Limits) -> _Settled | None:
        """Find prices at which an item of every size pays what it is worth at least, and bins gain little.

        ``together`` has what large items of so much together pay. None where there is no time.
        """
        for number, column in enumerate(self.columns):
            if column.size:
                self.program.reprice(number, column.cost - worth.get(column.size, 0.0))
        if self.columns and not self._solve(limits):
            return None
        for _ in range(MAX_ROUNDS):
            reaction = Reaction.to(self.stock, self.price, 0)
            pays = self._pays(max(worth))
            if self._grow(reaction, pays, worth) + self._host(reaction, together) == 0:
                break
            if not self._solve(limits):
                return None
        pays = self._pays(max(worth))
        self.price = self.price + max(0, *(round(value * SCALE) - int(pays[size]) for size, value in worth.items()))
        return self.answer(max(worth))

    def answer(self, largest: int) -> _Settled:
        """Return what the parent does at the prices of now, for items up to a size."""
        reaction = Reaction.to(self.stock, self.price, 0)
        gained = sum(count * int(reaction.values[state]) for state, count in self.bins.items())
        return _Settled(self._pays(largest), gained, losses_of(reaction, self.most).best[0])

    def _pays(self, largest: int) -> Ids:
        pays = cheapest_cuts(self.price[: self.largest + 1], self.stock.bin_cost, largest)
        pays[self.room + 1 :] = FAR
        return pays

    def _solve(self, limits: Limits) -> bool:
        answer = self.program.duals(limits)
        if answer is None:
            return False
        self.price = in_units([0.0, *answer[1][self.part_row + 1 :]], self.room) + MARGIN
        return True

    def _grow(self, reaction: Reaction, pays: Ids, worth: Mapping[int, float]) -> int:
        """Add the best fillings and cuts; return how many are new."""
        fresh = 0
        for state, row in self.state_row.items():
            cost, parts = reaction.filling(state)
            fresh += self._add((state, *sorted(parts.items())), cost, {row: 1.0, **self._parts(parts, 1.0)})
        for size, value in worth.items():
            if size <= self.room:
                parts = Counter(cut(size, self.price[: self.largest + 1], pays))
                cost, name = self.stock.bin_cost * parts.total(), (-1, *sorted(parts.items()))
                fresh += self._add(name, cost, self._parts(parts, -1.0), size, value)
        return fresh

    def _host(self, reaction: Reaction, together: Ids) -> int:
        """Add the large items that gain most, small ones beside them; return 1 when that is new."""
        losses = losses_of(reaction, self.most)
        gained = together + losses.best[0]
        amount = int(gained.argmax())
        if gained[amount] <= LEAST * SCALE:
            return 0
        cost, laid, parts = 0, Counter[int](), Counter[int]()
        for number, part in losses.parts(0, amount):
            state = self.stock.parents[0][number]
            step = self.stock.best_step(state, part, reaction.values, SCALE)
            more, beside = reaction.filling(int(self.stock.states.target[step]))
            cost += int(self.stock.lay_cost[step]) + more
            laid[self.state_row[state]] += 1
            parts += beside
        terms = {self.host_row: 1.0, **laid, **self._parts(parts, 1.0)}
        name = (-2, amount, *sorted(laid.items()), *sorted(parts.items()))
        return self._add(name, cost - int(together[amount]) / SCALE, terms)

    def _parts(self, parts: Counter[int], sign: float) -> dict[int, float]:
        return {self.part_row + part: sign * count for part, count in sorted(parts.items())}

    def _add(self, name: Hashable, cost: float, terms: Mapping[int, float], size: int = 0, worth: float = 0.0) -> int:
        if name in self.known:
            return 0
        self.known.add(name)
        self.columns.append(_Column(cost, terms, size))
        self.program.add(cost - worth, terms.items())
        return 1


@dataclass
class _Worths:
    """What items are worth: duals of the programs of all parents together, in a box around the best worths so far."""

    items: Mapping[int, int]
    parents: Sequence[_Parent]
    centre: dict[int, float]
    width: float
    program: ColumnProgram = field(init=False)

    def __post_init__(self) -> None:
        sides = [(float(count), float("inf")) for count in self.items.values()]
        self.program = ColumnProgram([*sides, *(side for parent in self.parents for side in parent.sides)])
        self.size_row = {size: row for row, size in enumerate(self.items)}
        self.box = {
            size: (self.program.add(0.0, [(row, 1.0)]), self.program.add(0.0, [(row, -1.0)]))
            for size, row in self.size_row.items()
        }
        self.known = [0] * len(self.parents)

    def learn(self) -> None:
        """Take over the new columns of all parents."""
        first = len(self.items)
        for number, parent in enumerate(self.parents):
            for cost, terms, size in parent.columns[self.known[number] :]:
                row = self.size_row.get(size)
                if row is not None or not size:
                    shifted = [(first + at, factor) for at, factor in terms.items()]
                    self.program.add(cost, shifted if row is None else [(row, 1.0), *shifted])
            self.known[number] = len(parent.columns)
            first += len(parent.sides)

    def next(self, limits: Limits) -> tuple[float, dict[int, float]] | None:
        """Return other worths, and what they promise; None where there is no time."""
        for size, (above, below) in self.box.items():
            self.program.reprice(above, self.centre[size] + self.width)
            self.program.reprice(below, -max(0.0, self.centre[size] - self.width))
        answer = self.program.duals(limits)
        return None if answer is None else (answer[0], dict(zip(self.items, answer[1], strict=False)))


def parents_apart(
    stock: Stock, items: Mapping[int, int], parent_cost: int, offer: Offer, enough: int, limits: Limits
) -> int:
    """Return a lower bound of Σ parent cost · parents + bin cost · bins + child cost · children that the items span.

    Args:
        stock: the bins of every parent.
        items: how many there are of each size.
        parent_cost: what an item pays for entering a parent.
        offer: prices that are the same everywhere, and the bound that they prove, which is kept.
        enough: nothing higher is sought.
        limits: of the solve.
    """
    if offer.bound >= enough or len(stock.parents) < 2 or len(stock.parents) * len(stock.states.part) > MOST_WORK:
        return offer.bound
    most = len(offer.worth) - 1
    small = {size: count for size, count in items.items() if size not in offer.large}
    if not small:
        return offer.bound
    parents = [_Parent(stock.only([bins]), offer.price, most) for bins in stock.parents]
    pays = cheapest_cuts(offer.price, stock.bin_cost, max(small)) / SCALE
    worths = _Worths(small, parents, {size: float(pays[size]) for size in small}, WIDTH * stock.bin_cost)
    case = _Case(items, small, parent_cost, offer)
    best, level, worth = offer.bound, -math.inf, worths.centre
    for _ in range(min(MAX_TURNS, TURNS_A_UNIT * (enough - best))):
        settled = case.settle(parents, worth, limits)
        best = max(best, case.bound(settled))
        if (found := case.proven(settled, 1) / SCALE) > level:
            level, worths.centre, worths.width = found, worth, 2 * worths.width
        else:
            worths.width /= 2
        worths.learn()
        other = worths.next(limits)
        if best >= enough or other is None or other[0] + case.paid - level < NEAR:
            break
        worth = other[1]
    for whole in (np.floor, np.rint):
        if best >= enough or limits.over:
            break
        settled = case.settle(parents, {size: float(whole(value)) for size, value in worths.centre.items()}, limits)
        best = max(best, case.bound(settled))
    return best


@dataclass(frozen=True)
class _Case:
    """The items, and what they pay for parents."""

    items: Mapping[int, int]
    small: Mapping[int, int]
    parent_cost: int
    offer: Offer

    def settle(self, parents: Iterable[_Parent], worth: Mapping[int, float], limits: Limits) -> list[_Settled]:
        """Return what all parents do where items are worth so much; at the prices of all where there is no time."""
        wanted, together = self._wanted(worth), self._together(self.offer.worth)
        found = []
        for parent in parents:
            settled = parent.settle(wanted, together, limits)
            if settled is None:
                parent.price = self.offer.price
                settled = parent.answer(max(wanted))
            found.append(settled)
        return found

    def _wanted(self, worth: Mapping[int, float]) -> dict[int, float]:
        """Return what sizes are worth, and some shares of them as much as keeps items from being shared out."""
        wanted = dict(worth)
        dearest = max((value - self.parent_cost) / size for size, value in worth.items())
        step = -(-max(worth) // GRID)
        for share in range(step, max(worth) if dearest > 0 else 0, step):
            wanted[share] = max(wanted.get(share, 0.0), dearest * share)
        return wanted

    def bound(self, settled: Sequence[_Settled]) -> int:
        """Return the bound that the prices of all parents prove: as they are, or rounded to whole numbers.

        Where shares of items are worth whole numbers, what a parent gains by any plan is one.
        """
        return max(-(-self.proven(settled, unit) // SCALE) for unit in (1, SCALE))

    def proven(self, settled: Sequence[_Settled], unit: int) -> int:
        """Return the bound of what is counted in multiples of ``unit``, all in units of 1 / SCALE."""
        worth = self.offer.worth // unit * unit
        offered, together = np.minimum.reduce([one.pays for one in settled]) // unit * unit, self._together(worth)
        pays = cheapest_cuts(offered, self.parent_cost, max(self.small))
        total = sum(count * int(pays[size]) for size, count in self.small.items()) + self._large(worth)
        return total - sum(one.gain(together) // unit * unit for one in settled)

    def _together(self, worth: Ids) -> Ids:
        """Return the most that shares of large items of so much together pay in a parent, for every amount."""
        return several(worth, sum(self.items[size] for size in self.offer.large))

    def _large(self, worth: Ids) -> int:
        """Return what large items pay at least, in units of 1 / SCALE."""
        if not self.offer.large:
            return 0
        pays = cheapest_cuts(worth, self.parent_cost, max(self.offer.large))
        return sum(self.items[size] * int(pays[size]) for size in self.offer.large)

    @property
    def paid(self) -> float:
        """What items pay whatever small ones are worth."""
        return self._large(self.offer.worth) / SCALE + self.parent_cost * sum(self.small.values())
