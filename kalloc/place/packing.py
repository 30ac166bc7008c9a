"""Packing: whole numbers of patterns for what the linear program takes in parts.

It is nearly whole by itself. So what it takes whole is taken, and what is left of items and bins is priced anew, until
so little is left that an integer program over its patterns decides it: a dive by column generation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.master import TOLERANCE, Charges, Master, Split
from kalloc.place.patterns import Pattern
from kalloc.solver import Limits, Model, solve_scip

MAX_DIVES = 60
"""Times that what is left is priced anew."""
MAX_NODES = 200
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
FEW_BINS, MANY_BINS = 64, 200
"""Bins left from which on an integer program decides; and where some item was left out in this way."""
MAX_NEIGHBOURHOODS = 10
"""Neighbourhoods tried since the last that was better."""
NEIGHBOURS = 64
"""Bins of a neighbourhood."""
VARIATIONS = 12
"""Times that prices are varied before whole numbers are chosen."""
SOFT, HARD = 2.0, float("inf")
"""Times its worth that leaving an item out costs: at first, and once some would be left out."""
NOTHING = float("-inf")
LIKELY = 0.5
"""Share from which on a cut between parents is made."""


class Chosen(NamedTuple):
    """A pattern, the parent of its bins, and the positions of those of its items that there are no more of."""

    pattern: Pattern
    parent: int
    missing: frozenset[int] = frozenset()

    @property
    def sizes(self) -> list[int]:
        """Sizes of the items that it holds."""
        return [size for item, size in enumerate(self.pattern.sizes) if item not in self.missing]

    def cost(self, stock: Stock) -> int:
        """Return what its items pay."""
        unpaid = (
            int(stock.lay_cost[step])
            for filled in (self.pattern.bins if self.missing else ())
            for item, step in zip(filled.items, filled.steps, strict=True)
            if item in self.missing
        )
        return self.pattern.cost - sum(unpaid)


@dataclass(frozen=True)
class Packing:
    """Patterns, cuts between parents in the order in which they are made, and the items that are left out."""

    chosen: tuple[Chosen, ...]
    splits: tuple[Split, ...]
    left: Counter[int]
    value: float
    """What the linear program came to: as low as this method may get."""

    def cost(self, stock: Stock, charges: Charges) -> int:
        """Return what all items pay."""
        paid = sum(chosen.cost(stock) for chosen in self.chosen) + charges.split * len(self.splits)
        return paid + charges.leave * sum(size * count for size, count in self.left.items())


def pack(
    stock: Stock, sizes: Counter[int], worth: Mapping[int, float], charges: Charges, floor: float, limits: Limits
) -> Packing:
    """Return patterns that hold most items at little cost; every bin is in one of them at most.

    A first packing is improved by neighbourhoods: what some parents hold is taken out and packed anew.

    Args:
        stock: the bins.
        sizes: how many items there are of each size.
        worth: what an item of each size is worth about: prices to begin with.
        charges: for leaving items out, and for cutting them between parents.
        floor: what all costs at least: nothing better is sought once it is reached.
        limits: of the solve.
    """
    best = dive(stock, sizes, worth, charges, floor, FEW_BINS, limits)
    if best.left and not limits.over:
        other = dive(stock, sizes, worth, charges, floor, MANY_BINS, limits)
        best = min(best, other, key=lambda packing: packing.cost(stock, charges))
    dice = np.random.default_rng(limits.seed)
    tries = MAX_NEIGHBOURHOODS
    floor = max(floor, best.value)
    while tries and best.cost(stock, charges) >= floor + 1 and not limits.over:
        tries -= 1
        other = _neighbour(best, stock, worth, charges, dice, limits)
        if other.cost(stock, charges) < best.cost(stock, charges):
            best, tries = other, MAX_NEIGHBOURHOODS
    return best


def _neighbour(
    packing: Packing, stock: Stock, worth: Mapping[int, float], charges: Charges, dice: np.random.Generator, limits: Limits
) -> Packing:
    """Pack anew what some parents hold, and what is left out."""
    order = dice.permutation(len(stock.parents)).tolist()
    reach = np.cumsum([len(stock.parents[parent]) for parent in order])
    picked = set(order[: int(np.searchsorted(reach, NEIGHBOURS)) + 1])
    kept = tuple(chosen for chosen in packing.chosen if chosen.parent not in picked)
    out = [chosen for chosen in packing.chosen if chosen.parent in picked]
    items = packing.left + Counter(size for chosen in out for size in chosen.sizes)
    parents = tuple(bins if parent in picked else () for parent, bins in enumerate(stock.parents))
    part = Stock(stock.states, parents, stock.bin_cost, stock.piece_cost)
    found = dive(part, items, worth, charges, NOTHING, FEW_BINS, limits)
    return Packing(kept + found.chosen, packing.splits + found.splits, found.left, packing.value)


def dive(
    stock: Stock,
    sizes: Counter[int],
    worth: Mapping[int, float],
    charges: Charges,
    floor: float,
    few: int,
    limits: Limits,
) -> Packing:
    """Take what the linear program takes whole, again and again, and decide in whole numbers over the last few bins."""
    items, ways, soft = +sizes, list[Split](), SOFT
    chosen, splits, value = list[Chosen](), list[Split](), NOTHING
    if not items or not stock.used:
        return Packing((), (), items, NOTHING)
    master = Master(stock, items, charges, worth, soft)
    for _ in range(MAX_DIVES):
        spent = sum(found.cost(stock) for found in chosen) + charges.split * len(splits)
        last = sum(map(len, stock.parents)) <= few
        if not master.generate(NOTHING if last else floor - spent, limits):
            break
        if master.left_out > TOLERANCE and not ways:
            ways = _ways(stock, items) if soft > SOFT else []
            soft = HARD
            master = master.again(stock, items, ways, soft)
            continue
        cuts = _cuts(master)
        value = max(value, master.value) if not chosen else value
        taken = [] if cuts else _large(master) or ([] if last else _wholly(master))
        final = not cuts and not taken
        if final:
            master.vary(VARIATIONS, limits.seed)
            taken = _branch(master, limits)
        splits += cuts
        items, stock, settled = _left(master, taken, cuts)
        chosen += settled
        if final or not items or not stock.used:
            break
        ways = [way for way in ways if items[sum(way)]]
        master = master.again(stock, items, ways, soft)
    return Packing(tuple(chosen), tuple(splits), items, value)


def _ways(stock: Stock, items: Counter[int]) -> list[Split]:
    """Return the ways to cut items between two parents, parts no larger than what the largest one holds."""
    most = max(sum(int(stock.states.total[state]) for state in bins) for bins in stock.parents)
    return [
        (part, size - part)
        for size in sorted(items)
        for part in range(1, size // 2 + 1)
        if size - part <= most
    ]


def _cuts(master: Master) -> list[Split]:
    """Return the cuts between parents that the linear program makes mostly; the one that it makes most at least."""
    shares = {split: master.shares[column] for split, column in master.splits.items()}
    best = max(shares, key=lambda split: shares[split], default=None)
    if best is None or shares[best] < TOLERANCE:
        return []
    left, cuts = Counter(master.items), []
    for split in sorted(shares, key=lambda split: -shares[split]):
        times = max(int(shares[split] + 1 - LIKELY), 1 if split == best else 0)
        for _ in range(min(times, left[sum(split)])):
            left[sum(split)] -= 1
            cuts.append(split)
    return cuts


def _large(master: Master) -> list[Pattern]:
    """Return patterns for the items that are larger than a bin, those that the linear program takes most first.

    What little room is left in the end could not hold them.
    """
    large = Counter({size: count for size, count in master.items.items() if size > master.stock.room})
    bins = Counter(master.lent)
    taken = []
    for pattern in sorted(master.patterns, key=lambda pattern: -master.shares[master.patterns[pattern]]):
        if not large or master.shares[master.patterns[pattern]] < TOLERANCE:
            break
        held = Counter(size for size in pattern.sizes if size > master.stock.room)
        uses = Counter({(pattern.parent, state): count for state, count in pattern.uses.items()})
        if held and held <= large and uses <= bins:
            taken.append(pattern)
            large -= held
            bins.subtract(uses)
    return taken


def _wholly(master: Master) -> list[Pattern]:
    """Return the patterns that the linear program takes, each as often as it takes it wholly."""
    shares = master.shares
    return [
        pattern for pattern, column in master.patterns.items() for _ in range(int(shares[column] + TOLERANCE))
    ]


def _left(
    master: Master, taken: Sequence[Pattern], cuts: Sequence[Split]
) -> tuple[Counter[int], Stock, list[Chosen]]:
    """Return the items and bins that are left, and whose bins are taken: single ones where most of them are shared."""
    items, chosen = Counter(master.items), list[Chosen]()
    bins = [Counter(states) for states in master.stock.parents]
    shared = {key: master.shares[column] for key, column in master.shared.items()}
    for pattern in sorted(taken, key=lambda pattern: pattern.parent is None):
        parent = pattern.parent
        if parent is None:
            state = pattern.bins[0].state
            lending = [parent for parent, of in shared if of == state and bins[parent][state] > 0]
            parent = max(lending, key=lambda parent: shared[parent, state])
            shared[parent, state] -= 1
        bins[parent].subtract(pattern.uses)
        missing = []
        for item, size in enumerate(pattern.sizes):
            if items[size] == 0:
                missing.append(item)
            else:
                items[size] -= 1
        chosen.append(Chosen(pattern, parent, frozenset(missing)))
    for split in cuts:
        items[sum(split)] -= 1
        items.update(split)
    left = tuple(tuple(counts.elements()) for counts in bins)
    return +items, Stock(master.stock.states, left, master.stock.bin_cost, master.stock.piece_cost), chosen


def _branch(master: Master, limits: Limits) -> list[Pattern]:
    """Return the patterns of the best whole-numbered choice."""
    model = Model()
    rows: list[list[tuple[int, int]]] = [[] for _ in range(len(master.sizes) + len(master.pool_row) + len(master.lent))]
    for size, row in master.size_row.items():
        rows[row].append((model.variable(0, master.items[size], master.charges.leave * size), 1))
    pooled: Counter[int] = Counter()
    for (parent, state), count in master.lent.items():
        pooled[state] += count
        shared = model.variable(0, count)
        rows[master.bin_row[parent, state]].append((shared, 1))
        rows[master.pool_row[state]].append((shared, -1))
    columns = {}
    for pattern in master.patterns:
        have = pooled if pattern.parent is None else {s: master.lent[pattern.parent, s] for s in pattern.uses}
        most = min(have[state] // count for state, count in pattern.uses.items())
        columns[pattern] = model.variable(0, most, pattern.cost)
        for row, factor in master.terms(pattern):
            rows[row].append((columns[pattern], factor))
    sides: list[tuple[int | None, int | None]] = [(master.items[size], None) for size in master.size_row]
    sides += [(None, 0)] * len(master.pool_row)
    sides += [(None, count) for count in master.lent.values()]
    for terms, (low, high) in zip(rows, sides, strict=True):
        model.row(terms, low, high)
    answer = solve_scip(model, limits, nodes=MAX_NODES, eager=True)
    if answer.values is None:
        return []
    return [pattern for pattern, column in columns.items() for _ in range(int(answer.values[column]))]
