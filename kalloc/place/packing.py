"""Packing: whole numbers of patterns for what the linear program takes in parts.

It is nearly whole by itself. So what it takes whole is taken, and what is left of items and bins is priced anew, until
so little is left that an integer program over its patterns decides it: a dive by column generation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.master import TOLERANCE, Master
from kalloc.place.patterns import Pattern
from kalloc.solver import Limits, Model, solve_scip

MAX_DIVES = 60
"""Times that what is left is priced anew."""
MAX_NODES = 500
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
FEW_BINS, MANY_BINS = 64, 200
"""Bins left from which on an integer program decides; in a second round, and where some item was left out."""
TRIES_SHARING, TRIES_APART, PARENTS_A_TRY = 4, 3, 32
"""Neighbourhoods tried since the last that was better, where parents share items, and where they do not; one more for
so many parents there."""
SHARING, APART, BINS_A_NEIGHBOUR = 48, 64, 32
"""Bins of a neighbourhood where parents share items, and where they do not; one more for so many bins there."""
NEGLIGIBLE = 2e-5
"""Share of the costs that is not worth another neighbourhood."""
LIKELY = 0.5
"""Share from which on a pattern is taken that the linear program does not take wholly."""
MAX_KEPT = 600
"""Patterns that a dive leaves to those after it."""
VARIATIONS = 5
"""Times that prices are varied before whole numbers are chosen."""
SOFT, HARD = 2.0, float("inf")
"""Times its worth that leaving an item out costs: at first, and once some would be left out."""
MOSTLY = 2 / 3
"""Share of what all items ask from which on it matters which of those larger than a bin are taken first."""
NOTHING = float("-inf")


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
        return paid + leave * _volume(self.left.items())


def pack(
    stock: Stock,
    sizes: Counter[int],
    worth: Mapping[int, float],
    leave: int,
    floor: float,
    limits: Limits,
    share: Limits | None = None,
) -> Packing:
    """Return patterns that hold most items at little cost; every bin is in one of them at most.

    A first packing is improved by neighbourhoods: what some parents hold is taken out and packed anew.

    Args:
        stock: the bins.
        sizes: how many items there are of each size.
        worth: what an item of each size is worth about: prices to begin with.
        leave: price of leaving out an item, for every unit of its size.
        floor: what all costs at least: nothing better is sought once it is reached.
        limits: of the solve.
        share: the same with less time: once it is over, the first packing stands as soon as it is there.
    """
    pool: dict[Pattern, None] = {}
    way, *others = _ways(stock, sizes)
    best = dive(stock, sizes, worth, leave, floor, way, limits, pool)
    limits = share or limits
    enough = max(floor, best.value) * (1 + NEGLIGIBLE) + 1
    for seed, another in enumerate(others, 1):
        useful = best.left if another.few > way.few else best.cost(stock, leave) >= enough
        if useful and not limits.over:
            other = dive(stock, sizes, worth, leave, floor, another, limits, pool, seed)
            if other.cost(stock, leave) < best.cost(stock, leave):
                best, way = other, another
    dice = np.random.default_rng(limits.seed)
    most = TRIES_SHARING if stock.shared else TRIES_APART + len(stock.parents) // PARENTS_A_TRY
    for few in (FEW_BINS, MANY_BINS):
        tries = most
        while tries and best.cost(stock, leave) >= enough and not limits.over:
            tries -= 1
            picked = _neighbours(best, stock, worth, most - 1 - tries, dice)
            if len(picked) == len(stock.parents):
                break
            again = way._replace(few=few)
            other = _again(best, stock, worth, leave, picked, again, limits, pool, int(dice.integers(1 << 30)))
            if other.cost(stock, leave) < best.cost(stock, leave):
                best, tries = other, most
    return best


def _ways(stock: Stock, items: Counter[int]) -> list[Way]:
    """Return the ways that are worth a dive, the last only where items are left out.

    Two where items larger than a bin ask most: taking them all first leaves hardly one out, but holds many badly.
    """
    large = _volume((size, count) for size, count in items.items() if size > stock.room)
    ways = [Way(least=LIKELY), Way()] if large > MOSTLY * _volume(items.items()) else [Way()]
    if sum(map(len, stock.parents)) <= MANY_BINS:
        ways.append(Way(MANY_BINS))
    return ways


def _volume(items: Iterable[tuple[int, int]]) -> int:
    """Return what items ask together, given by size and count."""
    return sum(size * count for size, count in items)


def _neighbours(
    packing: Packing, stock: Stock, worth: Mapping[int, float], turn: int, dice: np.random.Generator
) -> set[int]:
    """Return parents whose bins are to be packed anew, in whole groups where parents must share items.

    Where items are left out, those with room come first; else those of the pattern whose items pay most beyond what
    they are worth, of the second at the second turn, and so on. Any others follow.
    """
    order = dice.permutation(len(stock.parents)).tolist()
    if packing.left:
        free = _free(packing, stock)
        order.sort(key=lambda parent: free[parent] == 0)
    else:
        paid = [found.cost(stock) - sum(worth.get(size, 0.0) for size in found.sizes) for found in packing.chosen]
        dearest = sorted(range(len(paid)), key=lambda number: -paid[number])[turn % len(paid)]
        order = [*packing.chosen[dearest].parents, *order]
    most = SHARING if stock.shared else APART + sum(map(len, stock.parents)) // BINS_A_NEIGHBOUR
    picked: dict[int, None] = {}
    for parent in order:
        mates = [mate for mate, group in enumerate(stock.groups) if group == stock.groups[parent]]
        picked.update(dict.fromkeys(mates if stock.shared else [parent]))
        if sum(len(stock.parents[parent]) for parent in picked) > most:
            break
    return set(picked)


def _free(packing: Packing, stock: Stock) -> list[int]:
    """Return the room that is left in every parent."""
    free = [sum(int(stock.states.total[state]) for state in bins) for bins in stock.parents]
    for pattern, parents, missing in packing.chosen:
        for parent, filled in zip(parents, pattern.bins, strict=True):
            for item, step in zip(filled.items, filled.steps, strict=True):
                free[parent] -= 0 if item in missing else int(stock.states.part[step])
    return free


def _again(
    packing: Packing,
    stock: Stock,
    worth: Mapping[int, float],
    leave: int,
    picked: set[int],
    way: Way,
    limits: Limits,
    pool: dict[Pattern, None],
    seed: int,
) -> Packing:
    """Pack anew what some parents hold, and what is left out."""
    kept = tuple(chosen for chosen in packing.chosen if not picked.issuperset(chosen.parents))
    out = [chosen for chosen in packing.chosen if picked.issuperset(chosen.parents)]
    items = packing.left + Counter(size for chosen in out for size in chosen.sizes)
    free = [Counter(bins if parent in picked else ()) for parent, bins in enumerate(stock.parents)]
    for chosen in kept:
        for parent, filled in zip(chosen.parents, chosen.pattern.bins, strict=True):
            if parent in picked:
                free[parent][filled.state] -= 1
    part = stock.only([tuple(counts.elements()) for counts in free])
    found = dive(part, items, worth, leave, NOTHING, way, limits, pool, seed)
    return Packing(kept + found.chosen, found.left, packing.value)


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
) -> Packing:
    """Take what the linear program takes whole, again and again, and decide in whole numbers over the last few bins."""
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
