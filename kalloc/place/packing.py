"""Packing: whole numbers of patterns for what the linear program takes in parts.

It is nearly whole by itself. So what it takes whole is taken, and what is left of items and bins is priced anew, until
so little is left that an integer program over its patterns decides it: a dive by column generation.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kalloc.place.fillings import Stock
from kalloc.place.master import TOLERANCE, Master
from kalloc.place.patterns import Pattern
from kalloc.solver import Limits, Model, solve_scip

MAX_DIVES = 60
"""Times that what is left is priced anew."""
MAX_NODES = 500
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
FEW_BINS = 64
"""Bins left from which on an integer program decides."""
LIKELY = 0.5
"""Share from which on a pattern is taken that the linear program does not take wholly."""
MAX_KEPT = 600
"""Patterns that a dive leaves to those after it."""
VARIATIONS = 5
"""Times that prices are varied before whole numbers are chosen."""
SOFT, HARD = 1.3, float("inf")
"""Times its worth that leaving an item out costs: at first, and once some would be left out."""
NOTHING = float("-inf")
NEARLY = 1e-3
"""How little more than whole a linear program's value is whole."""


class Way(NamedTuple):
    """How a dive goes."""

    few: int = FEW_BINS
    """Bins left from which on an integer program decides."""
    least: float = 0.0
    """Share from which on patterns for items larger than a bin are taken, any if zero."""


class Chosen(NamedTuple):
    """A pattern, the parents of its bins, and the positions of those of its items that there are no more of."""

    pattern: Pattern
    parents: tuple[int, ...]
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
    """Patterns, and the items that are left out."""

    chosen: tuple[Chosen, ...]
    left: Counter[int]
    value: float
    """What the linear program came to: as low as this method may get."""

    def cost(self, stock: Stock, leave: int) -> int:
        """Return what all items pay, those left out included."""
        paid = sum(chosen.cost(stock) for chosen in self.chosen)
        return paid + leave * volume(self.left.items())


def volume(items: Iterable[tuple[int, int]]) -> int:
    """Return what items ask together, given by size and count."""
    return sum(size * count for size, count in items)


def dive(
    stock: Stock,
    sizes: Counter[int],
    worth: Mapping[int, float],
    leave: int,
    floor: float,
    way: Way,
    limits: Limits,
    pool: dict[Pattern, None],
    seed: int = 0,
    below: float = math.inf,
) -> Packing:
    """Take what the linear program takes whole, again and again, and decide in whole numbers over the last few bins.

    Items are left out as soon as it shows that what all cost would not come ``below`` something.
    """
    items, chosen, value = +sizes, list[Chosen](), NOTHING
    if not items or not stock.used:
        return Packing((), items, value)
    soft, wide = SOFT, stock.shared
    master = Master(stock, items, leave, worth, soft, wide)
    for _ in range(MAX_DIVES):
        last = sum(map(len, stock.parents)) <= way.few
        spent = sum(found.cost(stock) for found in chosen)
        if not master.generate(NOTHING if last else floor - spent, limits):
            items, stock, settled = _left(master, _wholly(master) if master.shares else [])
            chosen += settled
            break
        if spent + math.ceil(master.value - NEARLY) >= below:
            break
        if master.left_out > TOLERANCE and not (wide and soft == HARD):
            soft, wide = HARD, wide or soft == HARD
            master = master.again(stock, items, soft, wide)
            continue
        value = value if chosen else master.value
        taken = [] if last else _taken(master, way.least)
        final = not taken
        if final:
            master.vary(VARIATIONS, seed)
            for pattern in [*pool]:
                if master.knows(pattern):
                    master.add(pattern)
            taken = _branch(master, limits)
            pool.update(dict.fromkeys(list(master.patterns)[:MAX_KEPT]))
        items, stock, settled = _left(master, taken)
        chosen += settled
        if final or not items or not stock.used:
            break
        master = master.again(stock, items, soft, wide)
    return Packing(tuple(chosen), items, value)


def _taken(master: Master, least: float) -> list[Pattern]:
    """Return what is taken before the rest is priced anew."""
    return _large(master, least) or _wide(master) or _wholly(master) or _likely(master, master.patterns)


def _large(master: Master, least: float) -> list[Pattern]:
    """Return patterns for the items that are larger than a bin, those that the linear program takes most first.

    What little room is left in the end could not hold them.
    """
    room = master.stock.room
    held = {pattern: Counter(size for size in pattern.sizes if size > room) for pattern in master.patterns}
    return _foremost(master, {pattern: sizes for pattern, sizes in held.items() if sizes}, least)


def _wide(master: Master) -> list[Pattern]:
    """Return the patterns over several parents that the linear program takes mostly, the foremost of them at least.

    What they leave in every parent can then be filled without others.
    """
    return _likely(master, (of for of in master.patterns if len({filled.parent for filled in of.bins}) > 1))


def _foremost(master: Master, held: Mapping[Pattern, Counter[int]], least: float) -> list[Pattern]:
    """Return patterns that fit beside each other, those that the linear program takes most first.

    ``held`` has the items of each that must be there; all but the first are taken so often at ``least``.
    """
    items, taken = Counter(master.items), list[Pattern]()
    bins: Counter[tuple[int | None, int]] = Counter(dict(master.lent.items()))
    for pattern in sorted(held, key=lambda pattern: -master.share(pattern)):
        share = master.share(pattern)
        if share <= TOLERANCE:
            break
        if (share >= least or not taken) and pattern.uses <= bins and held[pattern] <= items:
            taken.append(pattern)
            items -= held[pattern]
            bins.subtract(pattern.uses)
    return taken


def _wholly(master: Master) -> list[Pattern]:
    """Return the patterns that the linear program takes, each as often as it takes it wholly."""
    return [pattern for pattern in master.patterns for _ in range(int(master.share(pattern) + TOLERANCE))]


def _likely(master: Master, patterns: Iterable[Pattern]) -> list[Pattern]:
    """Return those of some patterns that the linear program takes mostly, the foremost of them at least."""
    return _foremost(master, {pattern: Counter(pattern.sizes) for pattern in patterns}, LIKELY)


def _left(master: Master, taken: Sequence[Pattern]) -> tuple[Counter[int], Stock, list[Chosen]]:
    """Return the items and bins that are left, and whose bins are taken: single ones where most of them are shared."""
    items, chosen = Counter(master.items), list[Chosen]()
    bins = [Counter(states) for states in master.stock.parents]
    shared = {key: master.shares[column] for key, column in master.shared.items()} if taken else {}
    lenders: dict[int, list[int]] = defaultdict(list)
    for lender, state in shared:
        lenders[state].append(lender)
    for pattern in sorted(taken, key=lambda pattern: pattern.bins[0].parent is None):
        parents = []
        for parent, state, _, _ in pattern.bins:
            if parent is None:
                lending = (lender for lender in lenders[state] if bins[lender][state] > 0)
                parent = max(lending, key=lambda lender: shared[lender, state])
                shared[parent, state] -= 1
            bins[parent][state] -= 1
            parents.append(parent)
        missing = []
        for item, size in enumerate(pattern.sizes):
            if items[size] == 0:
                missing.append(item)
            else:
                items[size] -= 1
        chosen.append(Chosen(pattern, tuple(parents), frozenset(missing)))
    return +items, master.stock.only([tuple(counts.elements()) for counts in bins]), chosen


def _branch(master: Master, limits: Limits) -> list[Pattern]:
    """Return the patterns of the best whole-numbered choice."""
    model = Model()
    rows: list[list[tuple[int, int]]] = [[] for _ in range(len(master.sizes) + len(master.pool_row) + len(master.lent))]
    for size, row in master.size_row.items():
        rows[row].append((model.variable(0, master.items[size], master.leave * size), 1))
    pooled: Counter[int] = Counter()
    for (parent, state), count in master.lent.items():
        pooled[state] += count
        shared = model.variable(0, count)
        rows[master.bin_row[parent, state]].append((shared, 1))
        rows[master.pool_row[state]].append((shared, -1))
    columns = {}
    for pattern in master.patterns:
        most = min(
            (pooled[state] if parent is None else master.lent[parent, state]) // count
            for (parent, state), count in pattern.uses.items()
        )
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
