"""Patterns: some bins of one parent filled together. Pricing finds those that are worth more than their bins cost.

A *single* is one bin with whole items. A *star* is an item cut over several bins of a parent, whole items beside it; a
*galaxy* is an item cut over several parents of a region, over bins in each. A *chain* is a path of bins in which each
hands an item that is cut on to the next. Column generation after Gilmore and Gomory (1961): the linear program over
the patterns known so far prices items and bins, the best patterns at these prices join it, until none is worth more
than it costs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from kalloc.place.fillings import NEVER, Fillings, Floats, Stock
from kalloc.place.knapsacks import Knapsacks
from kalloc.solver import Ids

FEWEST_BINS, MOST_BINS = 3, 4
"""Bins of a chain; one of two bins is a star."""
MOST_ENTRIES = 4_000_000
"""Entries of the largest table of a chain's middle; beyond it chains have two bins at most."""


class Filled(NamedTuple):
    """A bin of a pattern: its parent, None for any; its state before; item of the pattern and step of each part."""

    parent: int | None
    state: int
    items: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Pattern:
    """Bins filled together."""

    cost: int
    sizes: tuple[int, ...]
    """Sizes of the items."""
    bins: tuple[Filled, ...]

    @cached_property
    def uses(self) -> Counter[tuple[int | None, int]]:
        """How many bins it is made of, by (parent, state)."""
        return Counter((filled.parent, filled.state) for filled in self.bins)


class Cut(NamedTuple):
    """A bin with the parts of cut items that it holds: (position of the item among those cut, part)."""

    parent: int | None
    used: int
    parts: tuple[tuple[int, int], ...]


def assemble(fillings: Fillings, cut: Sequence[int], bins: Sequence[Cut]) -> Pattern:
    """Return the pattern of some bins, with items that are cut and their parts; the rest is filled at its best."""
    stock, sizes, filled = fillings.stock, list(cut), []
    parents = {parent for parent, _, _ in bins if parent is not None}
    regions = {stock.regions[parent] for parent in parents}
    cost = stock.parent_cost * max(0, len(parents) - 1) + stock.region_cost * max(0, len(regions) - 1)
    for parent, used, parts in bins:
        state = stock.used[used]
        laid = fillings.fill(state, *(part for _, part in parts))
        items = [item for item, _ in parts]
        for size, _ in laid[len(parts) :]:
            items.append(len(sizes))
            sizes.append(size)
        cost += sum(int(stock.lay_cost[step]) for _, step in laid)
        filled.append(Filled(parent, state, tuple(items), tuple(step for _, step in laid)))
    return Pattern(cost, tuple(sizes), tuple(filled))


@dataclass(frozen=True)
class Rents:
    """Prices of bins: of every state in use when any parent may give it, and of every bin of every parent."""

    pooled: Floats
    by_parent: Floats


def singles(fillings: Fillings, rents: Rents, least: float) -> Iterator[Pattern]:
    """Yield the best filling of every state in use that is worth more than its bin."""
    stock = fillings.stock
    for used in np.flatnonzero(fillings.values[stock.used] - rents.pooled > least):
        yield assemble(fillings, (), [Cut(None, int(used), ())])


def stars(fillings: Fillings, knapsacks: Knapsacks[Floats], least: float, most: int) -> Iterator[Pattern]:
    """Yield items cut over bins of one parent, bin by bin the best part: a knapsack over the bins of every parent.

    A parent has ``most`` of them.
    """
    value = fillings.worth + knapsacks.best[:, fillings.sizes]
    for parent, position in _richest(value, least, most):
        size = int(fillings.sizes[position])
        bins = _bins(fillings.stock, knapsacks, parent, size)
        if len(bins) > 1:
            yield assemble(fillings, (size,), bins)


def galaxies(fillings: Fillings, knapsacks: Knapsacks[Floats], least: float, most: int) -> Iterator[Pattern]:
    """Yield items cut over parents of a group: the best of every region, and those over several regions.

    Knapsacks again: over the parents of every region, then over the regions. Each of them has ``most`` galaxies.
    """
    stock = fillings.stock
    parents_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    mates = Counter(group for group, bins in zip(stock.groups, stock.parents, strict=True) if bins)
    for parent, key in enumerate(zip(stock.groups, stock.regions, strict=True)):
        if stock.parents[parent] and mates[key[0]] > 1:
            parents_of[key].append(parent)
    if not parents_of:
        return
    inside = {
        key: _Knapsack([knapsacks.best[parent] for parent in parents], stock.parent_cost)
        for key, parents in parents_of.items()
    }
    beyond = stock.parent_cost + stock.region_cost
    options = [([key], inside[key]) for key in inside]
    for group in dict.fromkeys(group for group, _ in inside):
        keys = [key for key in inside if key[0] == group]
        if len(keys) > 1:
            options.append((keys, _Knapsack([inside[key].worth for key in keys], beyond)))
    value = fillings.worth + np.stack([knapsack.worth for _, knapsack in options])[:, fillings.sizes]
    for row, position in _richest(value, least, most):
        size, (keys, knapsack) = int(fillings.sizes[position]), options[row]
        shares = [(0, size)] if len(keys) == 1 else knapsack.shares(size)
        bins = [
            cut
            for region, share in shares
            for parent, part in inside[keys[region]].shares(share)
            for cut in _bins(stock, knapsacks, parents_of[keys[region]][parent], part)
        ]
        if len({cut.parent for cut in bins}) > 1:
            yield assemble(fillings, (size,), bins)


class _Knapsack:
    """The best worth of so much of an item in some domains, of which every one after the first costs something."""

    def __init__(self, worth: Sequence[Floats], cost: int) -> None:
        self._domains, self._cost = worth, cost
        first = np.full(len(worth[0]), NEVER)
        first[0] = cost
        self._sums = [first]
        for one in worth:
            before, after = self._sums[-1], self._sums[-1].copy()
            for part in np.flatnonzero(one > NEVER / 2).tolist():
                if part:
                    np.maximum(after[part:], before[: len(before) - part] + (one[part] - cost), out=after[part:])
            self._sums.append(after)

    @property
    def worth(self) -> Floats:
        """By size."""
        return self._sums[-1]

    def shares(self, missing: int) -> Iterator[tuple[int, int]]:
        """Yield the positions of the domains over which so much is laid best, each with its share."""
        for number in range(len(self._domains) - 1, -1, -1):
            parts = np.arange(1, missing + 1)
            found = self._sums[number][missing - parts] + self._domains[number][parts] - self._cost
            if missing and found.max() > self._sums[number][missing]:
                part = int(parts[found.argmax()])
                yield number, part
                missing -= part


def _bins(stock: Stock, knapsacks: Knapsacks[Floats], parent: int, amount: int) -> list[Cut]:
    """Return the bins of a parent over which so much of the first item that is cut is laid best."""
    found = knapsacks.parts(parent, amount)
    return [Cut(parent, int(stock.grid[parent, number]), ((0, part),)) for number, part in found]


def knapsacks_of(fillings: Fillings, rents: Rents) -> Knapsacks[Floats]:
    """Return what so much of an item is worth over the bins of every parent, whole items beside it, less rents."""
    stock = fillings.stock
    beside = np.vstack([fillings.beside_one[stock.used], np.full((1, stock.room + 1), NEVER)])
    worth = beside[stock.grid] - rents.by_parent[:, :, None]
    return Knapsacks(worth, int(fillings.sizes.max()), NEVER)


def _richest(value: Floats, least: float, most: int) -> list[tuple[int, int]]:
    """Return positions of the greatest entries over a threshold, at most so many of every row, the greatest first."""
    rows, columns = np.nonzero(value > max(least, NEVER / 2))
    order = np.argsort(-value[rows, columns], kind="stable")
    seen: Counter[int] = Counter()
    found = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        seen[row] += 1
        if seen[row] <= most:
            found.append((row, column))
    return found


@dataclass(frozen=True)
class _Links:
    """What a bin is worth as the first, a middle or the last one of a chain, by what it takes over and hands on."""

    first: Floats
    middle: Floats
    last: Floats

    @classmethod
    def of(cls, fillings: Fillings) -> _Links:
        stock, width = fillings.stock, fillings.stock.room + 1
        shape = len(stock.used) + 1
        first, last = np.full((shape, width), NEVER), np.full((shape, width), NEVER)
        middle = np.full((shape, width, width), NEVER)
        one, two = fillings.beside_one[stock.used], fillings.beside_two
        last[:-1] = one
        for size, worth in zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True):
            if size > 2 * stock.room:
                break
            parts = np.arange(max(1, size - stock.room), min(size - 1, stock.room) + 1)
            first[:-1, size - parts] = np.maximum(first[:-1, size - parts], worth + one[:, parts])
            middle[:-1][:, :, size - parts] = np.maximum(middle[:-1][:, :, size - parts], worth + two[:, :, parts])
        for used, state in enumerate(stock.used):
            over = np.arange(int(stock.states.total[state]) + 1, width)
            middle[used, over, over - stock.states.total[state]] = np.maximum(
                middle[used, over, over - stock.states.total[state]], one[used, stock.states.total[state]]
            )
        return cls(first, middle, last)


def chains(fillings: Fillings, rents: Rents, least: float, most: int) -> Iterator[Pattern]:
    """Yield chains of three bins and more, ``most`` of a parent, found by dynamic programming over sets of its bins."""
    stock = fillings.stock
    if (len(stock.used) + 1) * (stock.room + 1) ** 2 > MOST_ENTRIES or not len(fillings.sizes):
        return
    parents = np.flatnonzero([len(bins) >= FEWEST_BINS for bins in stock.parents])
    if not len(parents):
        return
    search = _ChainSearch(fillings, parents, rents.by_parent[parents], _Links.of(fillings))
    sets = [bins for count in range(FEWEST_BINS, MOST_BINS + 1) for bins in search.sets(count)]
    for row, position in _richest(search.closed(sets), least, most):
        yield search.trace(row, sets[position])


class _ChainSearch:
    """Best chains over every set of bins of some parents: open ones, by what they hand on, and closed ones."""

    def __init__(self, fillings: Fillings, parents: Ids, rents: Floats, links: _Links) -> None:
        """``rents`` has a row for each of the ``parents``, a column for each of its bins."""
        self.fillings, self.parents, self.rents, self.links = fillings, parents, rents, links
        self.grid: Ids = fillings.stock.grid[parents]
        first = links.first[self.grid] - rents[:, :, None]
        self._open: dict[tuple[int, ...], Floats] = {(number,): first[:, number] for (number,) in self.sets(1)}
        for count in range(2, MOST_BINS):
            self._lengthen(self.sets(count))

    def sets(self, count: int) -> list[tuple[int, ...]]:
        """Return all sets of so many bins."""
        return list(combinations(range(self.grid.shape[1]), count))

    def _lengthen(self, sets: Sequence[tuple[int, ...]]) -> None:
        """Find the best worth of a chain over each of some sets, by what it hands on, shape (parents, room + 1)."""
        best = np.full((len(sets), *self._open[(0,)].shape), NEVER)
        for last in range(self.grid.shape[1]):
            inside, before, rent = self._before_last(sets, last)
            middle, worth = self.links.middle[self.grid[:, last]], np.full(before.shape, NEVER)
            for taken in np.flatnonzero((before > NEVER / 2).any(axis=(0, 1))):
                np.maximum(worth, before[:, :, taken, None] + middle[:, taken], out=worth)
            best[inside] = np.maximum(best[inside], worth - rent)
        self._open.update(zip(sets, best, strict=True))

    def closed(self, sets: Sequence[tuple[int, ...]]) -> Floats:
        """Return the best worth of a whole chain over each of some sets, shape (parents, sets)."""
        best = np.full((len(sets), len(self.grid)), NEVER)
        for last in range(self.grid.shape[1]):
            inside, before, rent = self._before_last(sets, last)
            worth = before + self.links.last[self.grid[:, last]] - rent
            best[inside] = np.maximum(best[inside], worth.max(axis=2))
        return best.T

    def _before_last(self, sets: Sequence[tuple[int, ...]], last: int) -> tuple[list[int], Floats, Floats]:
        """Return the sets with a bin, the chains over the other bins of each, and the rent of that bin."""
        inside = [number for number, bins in enumerate(sets) if last in bins]
        before = np.stack([self._open[_without(sets[number], last)] for number in inside])
        return inside, before, self.rents[:, last, None]

    def _ends(self, row: int, bins: tuple[int, ...], last: int) -> Floats:
        """Return the worth of a chain of one parent that ends in a bin, by what that bin takes over."""
        worth = self._open[_without(bins, last)][row] + self.links.last[self.grid[row, last]]
        return np.asarray(worth - self.rents[row, last])

    def trace(self, row: int, bins: tuple[int, ...]) -> Pattern:
        """Return the best chain of one parent over some bins, from its last bin to its first."""
        parent = int(self.parents[row])
        last = max(bins, key=lambda number: self._ends(row, bins, number).max())
        carried = int(self._ends(row, bins, last).argmax())
        cut: list[int] = []
        found = [Cut(parent, int(self.grid[row, last]), ((0, carried),))]
        bins = _without(bins, last)
        while len(bins) > 1:
            before = {number: self._before(row, bins, number, carried) for number in bins}
            last = max(bins, key=lambda number: before[number].max())
            taken, used = int(before[last].argmax()), int(self.grid[row, last])
            found.append(Cut(parent, used, self._middle(used, taken, carried, cut)))
            bins, carried = _without(bins, last), taken
        used = int(self.grid[row, bins[0]])
        size = self._handed(self.fillings.beside_one[self.fillings.stock.used[used]], carried)
        found.append(Cut(parent, used, ((len(cut), size - carried),)))
        cut.append(size)
        return assemble(self.fillings, cut, found)

    def _before(self, row: int, bins: tuple[int, ...], last: int, carried: int) -> Floats:
        """Return the worth of handing something on from a bin, by what it has taken over."""
        used = self.grid[row, last]
        worth = self._open[_without(bins, last)][row] + self.links.middle[used, :, carried]
        return np.asarray(worth - self.rents[row, last])

    def _middle(self, used: int, taken: int, carried: int, cut: list[int]) -> tuple[tuple[int, int], ...]:
        """Return the parts in a bin in the middle; where an item begins in it, that item joins those cut."""
        room = int(self.fillings.stock.states.total[self.fillings.stock.used[used]])
        if taken > room:
            return ((len(cut), room),)
        size = self._handed(self.fillings.beside_two[used, taken], carried)
        cut.append(size)
        return (len(cut), taken), (len(cut) - 1, size - carried)

    def _handed(self, beside: Floats, carried: int) -> int:
        """Return the size of the item of which a bin best hands on so much."""
        sizes = self.fillings.sizes
        parts = sizes - carried
        fits = (parts >= 1) & (parts < len(beside))
        worth = np.where(fits, self.fillings.worth + beside[np.where(fits, parts, 0)], NEVER)
        return int(sizes[int(worth.argmax())])


def _without(bins: tuple[int, ...], one: int) -> tuple[int, ...]:
    return tuple(number for number in bins if number != one)
