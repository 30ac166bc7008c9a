"""Lower bounds of three levels at once, where some items are larger than any bin.

Such an item takes many bins, and best those of one parent, where :mod:`kalloc.place.prices` would let it have the best
bins of the nation. So small items are priced by their parts as there, and large ones by what they have in every parent:
a parent gains what its bins gain, less the least that it costs them to make room for so much of large items, each bin
for one part at most. Merging the parts of several large items in a bin only makes them cheaper, so nothing that a
parent may do is left out, and the bound holds for any prices.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kalloc.place.fillings import Floats, Stock
from kalloc.place.knapsacks import Knapsacks
from kalloc.place.prices import CLOSE, LARGEST_SUM, SCALE, Priced, Program, Reaction, cheapest_cuts, cut
from kalloc.solver import Ids, Limits

MAX_ROUNDS = 200
"""Rounds of pricing."""
NEVER = -(2**61)
"""Worth of what cannot be, in units of 1 / SCALE."""
GRID = 256
"""Shares of large items that are looked at; where there might be more, on a grid."""
FEW_PARENTS, MANY_PARENTS = 2, 32
"""Parents that join in a round: for every share, and for several shares together."""
LEAST = 1e-6
"""Worth beyond its cost from which on a column joins."""
FEW_BETWEEN = 0.25
"""Items larger than a bin that take no more than half a parent, by parents, up to which all are priced by shares."""
MOST_ENTRIES = 400_000_000
"""Steps of the knapsacks of all parents, in one round; where there would be more, nothing is bounded."""


def losses_of(reaction: Reaction, most: int) -> Knapsacks[Ids]:
    """Return what parents lose by making room for up to so much of large items, each bin for one part at most."""
    stock, (order, heads, keys) = reaction.stock, reaction.stock.used_by_part
    loss = np.full((len(stock.used) + 1, stock.room + 1), NEVER, dtype=np.int64)
    found = reaction.values[stock.states.target[order]] - SCALE * stock.lay_cost[order]
    loss.ravel()[keys] = np.maximum.reduceat(found, heads)
    loss[:-1] -= reaction.values[stock.used][:, None]
    return Knapsacks(loss[stock.grid], most, NEVER)


@dataclass(frozen=True)
class Offer:
    """Prices that are the same everywhere, and the bound that they prove."""

    bound: int
    price: Ids
    """Of a part of every size, in units of 1 / SCALE."""
    worth: Ids
    """What a share of large items in a parent pays, by its size, in units of 1 / SCALE; of 0 alone where none does."""
    large: frozenset[int]
    """Sizes of the items that are priced by such shares; all others are priced by their parts."""


class _Program:
    """The linear program whose duals are the prices: as for two levels, and parents filled, large items shared out."""

    def __init__(
        self, stock: Stock, small: Counter[int], large: Counter[int], shares: Sequence[int], parent_cost: int
    ) -> None:
        """``shares`` are what large items may have in a parent here; the bound lets them have anything."""
        infinite = float("inf")
        self.stock, self.large, self.shares, self.parent_cost = stock, large, shares, parent_cost
        bins = Counter(state for states in stock.parents for state in states)
        more = [(float(count), infinite) for count in large.values()]
        more += [(0.0, infinite)] * len(shares) + [(-infinite, 1.0)] * len(stock.parents)
        self.base = Program(stock, {state: bins[state] for state in stock.used}, small, parent_cost, more)
        self.large_row = {size: self.base.more_row + row for row, size in enumerate(large)}
        self.share_row = {share: self.base.more_row + len(large) + row for row, share in enumerate(shares)}
        self.parent_row = self.base.more_row + len(large) + len(shares)
        for size, row in self.large_row.items():
            self.base.leave_out(size, row)

    def grow(self, reaction: Reaction, losses: Knapsacks[Ids], rents: Floats, worth: Mapping[int, float]) -> int:
        """Add the best fillings, cuts and parents with large items at some prices; return how many are new."""
        prices = np.full(max(max(self.large), *self.shares) + 1, -NEVER // 2, dtype=np.int64)
        prices[self.shares] = [max(0, round(worth[share] * SCALE)) for share in self.shares]
        pays, fresh = cheapest_cuts(prices, self.parent_cost, max(self.large)), self.base.grow(reaction)
        for size, row in self.large_row.items():
            shares = Counter(cut(size, prices, pays))
            terms = {row: 1, **{self.share_row[share]: -count for share, count in sorted(shares.items())}}
            fresh += self.base.add(self.parent_cost * shares.total(), terms)
        found = self._hosts(losses, rents, prices)
        return fresh + sum([self._host(parent, hosted, reaction, losses) for parent, hosted in found])

    def _hosts(self, losses: Knapsacks[Ids], rents: Floats, prices: Ids) -> Iterator[tuple[int, list[int]]]:
        """Yield parents that gain by hosting a share, a few for every share, and by hosting several together."""
        loss = losses.best / SCALE - rents[:, None]
        alone = prices[self.shares] / SCALE + loss[:, self.shares]
        for position, share in enumerate(self.shares):
            for parent in np.argsort(-alone[:, position], kind="stable")[:FEW_PARENTS].tolist():
                if alone[parent, position] > LEAST:
                    yield parent, [share]
        steps = np.zeros(loss.shape[1], dtype=np.int64)
        steps[self.shares] = prices[self.shares]
        count = self.large.total()
        worths = several(steps, count)
        gained = worths / SCALE + loss
        ranked = np.argsort(-gained.max(axis=1), kind="stable")[:MANY_PARENTS]
        for parent in ranked[gained[ranked].max(axis=1) > LEAST].tolist():
            together = _together(steps, worths, int(gained[parent].argmax()), count)
            yield parent, [share for share in together if share in self.share_row]

    def _host(self, parent: int, shares: Sequence[int], reaction: Reaction, losses: Knapsacks[Ids]) -> int:
        """Add a parent with so much of large items, small ones beside them."""
        stock, terms, cost = self.stock, Counter(self.share_row[share] for share in shares), 0
        terms[self.parent_row + parent] = 1
        for number, part in losses.parts(parent, sum(shares)):
            state = stock.parents[parent][number]
            step = stock.best_step(state, part, reaction.values, SCALE)
            more, parts = reaction.filling(int(stock.states.target[step]))
            cost += int(stock.lay_cost[step]) + more
            terms[self.base.state_row[state]] += 1
            terms.update(self.base.parts(parts))
        return self.base.add(cost, dict(sorted(terms.items())))


def three_levels(
    stock: Stock, items: Counter[int], parent_cost: int, start: Priced, limits: Limits, useful: int = 0
) -> Offer:
    """Return prices that prove a lower bound of what all items pay for parents, bins and children.

    Any items larger than a bin may be priced by their shares: all of them, or those alone that take more than half a
    parent, since shares of several in one bin cost less than they do. That is tried where the others are many.

    Args:
        stock: the bins of every parent.
        items: how many there are of each size.
        parent_cost: what an item pays for entering a parent.
        start: prices of the parts of small items to begin with, and the bound of two levels, which is kept.
        limits: of the solve.
        useful: the lowest bound that is of use; prices are no longer sought once they cannot reach it.
    """
    least = start.bound + parent_cost * items.total()
    most = max((sum(int(stock.states.total[state]) for state in bins) for bins in stock.parents), default=0)
    alone = Offer(least, start.price, np.zeros(1, dtype=np.int64), frozenset())
    large = {above: frozenset(size for size in items if size > above) for above in (stock.room, most // 2)}
    if not large[stock.room] or len(stock.parents) * stock.grid.shape[1] * stock.room * most > MOST_ENTRIES:
        return alone
    between = sum(items[size] for size in large[stock.room] - large[most // 2])
    ways = [large[stock.room], *([large[most // 2]] if between > FEW_BETWEEN * len(stock.parents) else [])]
    best = alone
    for sizes in filter(None, ways):
        higher = max(useful, best.bound + 1)
        found = _by_shares(stock, items, sizes, most, parent_cost, start.price, limits, higher)
        best = max(best, found, key=lambda offer: offer.bound)
    return best


def _by_shares(
    stock: Stock,
    items: Counter[int],
    sizes: frozenset[int],
    most: int,
    parent_cost: int,
    price: Ids,
    limits: Limits,
    useful: int,
) -> Offer:
    """Return the best prices found where items of some sizes are large; ``most`` is the largest room of a parent."""
    small = Counter({size: count for size, count in sorted(items.items()) if size not in sizes})
    large = Counter({size: count for size, count in sorted(items.items()) if size in sizes})
    shares = _shares(large, most)
    program = _Program(stock, small, large, shares, parent_cost)
    rents = np.zeros(len(stock.parents))
    best, middle, plain = NEVER, (price, rents), False
    cuts = cheapest_cuts(price, stock.bin_cost, most) / SCALE
    anchor = worth = {share: float(cuts[share]) for share in shares}
    for turn in range(MAX_ROUNDS):
        if limits.over:
            break
        reaction = Reaction.to(stock, price, max(small, default=0))
        losses = losses_of(reaction, most)
        proven = _proven(reaction, losses, small, large, worth, parent_cost)
        if proven > best:
            best, middle, anchor = proven, (price, rents), worth
        fresh = program.grow(reaction, losses, rents, worth)
        answer = program.base.prices(limits, max(items) + most)
        if answer is None or _settled(answer[0], best, useful):
            break
        _, exact, duals = answer
        dual = dict(zip(shares, duals[len(large) :], strict=False))
        rent = -np.array(duals[len(large) + len(shares) :])
        if fresh == 0 and plain:
            break
        plain = fresh == 0 or turn % 3 == 2
        price = exact if plain else (exact + middle[0]) // 2
        rents = rent if plain else (rent + middle[1]) / 2
        worth = dual if plain else {share: (dual[share] + anchor[share]) / 2 for share in shares}
    return Offer(-(-best // SCALE), middle[0], _steps(anchor, most), frozenset(large))


def _settled(value: float, proven: int, useful: int) -> bool:
    """Tell whether a program of some value leaves nothing to gain beyond a bound, in units of 1 / SCALE."""
    return value - proven / SCALE < CLOSE or math.ceil(value - LEAST) < useful


def _shares(large: Counter[int], most: int) -> list[int]:
    """Return what large items may have in a parent: all of them, or a part on a grid, or what that leaves of them."""
    grid = {*range(1, most + 1, max(1, -(-most // GRID))), most}
    rests = {size - part for size in large for part in grid if 0 < size - part <= most}
    return sorted(grid | rests | {size for size in large if size <= most})


def _proven(
    reaction: Reaction,
    losses: Knapsacks[Ids],
    small: Counter[int],
    large: Counter[int],
    worth: Mapping[int, float],
    parent_cost: int,
) -> int:
    """Return the bound that some prices prove, in units of 1 / SCALE.

    A share of a large item in a parent is worth what the most valuable share is that is no larger. Any prices would do.
    """
    loss = losses.best
    steps = _steps(worth, loss.shape[1] - 1)
    pays = cheapest_cuts(steps, parent_cost, max(large))
    total = sum(count * (int(reaction.pays[size]) + parent_cost * SCALE) for size, count in small.items())
    total += sum(count * int(pays[size]) for size, count in large.items())
    total -= sum(int(reaction.values[state]) for states in reaction.stock.parents for state in states)
    gained = np.maximum(several(steps, large.total())[None, :] + loss, 0).max(axis=1)
    return total - sum(int(gain) for gain in gained)


def _steps(worth: Mapping[int, float], most: int) -> Ids:
    """Return what a share of every size is worth, in units of 1 / SCALE: as much as the dearest that is no larger."""
    steps = np.zeros(most + 1, dtype=np.int64)
    for share, value in sorted(worth.items()):
        steps[share:] = np.maximum(steps[share:], min(max(0, round(value * SCALE)), LARGEST_SUM // (most + 2)))
    return steps


def several(worth: Ids, count: int) -> Ids:
    """Return the most that shares of ``count`` large items of so much together are worth, for every amount.

    One item alone has one share in a parent; any more may have any number of them.
    """
    if count == 1:
        return worth
    best = np.zeros(len(worth), dtype=np.int64)
    for amount in range(1, len(worth)):
        parts = np.arange(1, amount + 1)
        best[amount] = (worth[parts] + best[amount - parts]).max()
    return best


def _together(worth: Ids, best: Ids, amount: int, count: int) -> list[int]:
    """Return the shares that ``several`` found to be worth most together."""
    if count == 1:
        return [amount]
    found = []
    while amount:
        parts = np.arange(1, amount + 1)
        part = int(parts[(worth[parts] + best[amount - parts]).argmax()])
        found.append(part)
        amount -= part
    return found
