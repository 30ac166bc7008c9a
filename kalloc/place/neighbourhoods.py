"""Large neighbourhood search: what some parents hold is taken out of a packing and packed anew (Shaw, 1998).

Neighbourhoods that have no parent in common have nothing to do with each other. So a few of them are packed side by
side, all from the same packing, and every one that is better counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kalloc.place.fillings import Stock
from kalloc.place.packing import FEW_BINS, LIKELY, NOTHING, Packing, Way, dive, volume
from kalloc.place.patterns import Pattern
from kalloc.place.workers import Workers
from kalloc.solver import Limits

MANY_BINS = 200
"""Bins left from which on an integer program decides in a second round, and where some item was left out."""
MOSTLY = 2 / 3
"""Share of what all items ask from which on it matters which of those larger than a bin are taken first."""
TRIES_SHARING, TRIES_APART, PARENTS_A_TRY = 4, 3, 32
"""Neighbourhoods tried since the last that was better, where parents share items, and where they do not; one more for
so many parents there."""
SHARING, APART, BINS_A_NEIGHBOUR = 48, 64, 32
"""Bins of a neighbourhood where parents share items, and where they do not; one more for so many bins there."""
AT_ONCE = 4
"""Neighbourhoods packed from the same packing, on any number of processors."""
WORTH_BINS = 600
"""Bins, of one stock or of several together, from which on processes save more time than it takes to start them."""
NEGLIGIBLE = 2e-5
"""Share of the costs that is not worth another neighbourhood."""


@dataclass(frozen=True)
class Ground:
    """What all neighbourhoods have in common."""

    stock: Stock
    worth: Mapping[int, float]
    """What an item of each size is worth about: prices to begin with."""
    leave: int
    """Price of leaving out an item, for every unit of its size."""

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return sum(map(len, self.stock.parents))

    def cost(self, packing: Packing) -> int:
        """Return what all items pay."""
        return packing.cost(self.stock, self.leave)


class Neighbourhood(NamedTuple):
    """Parents whose bins are packed anew, what may lie in them, and how that is sought."""

    picked: frozenset[int]
    bins: tuple[tuple[int, ...], ...]
    """States of their bins that are free for it, by parent; of other parents none."""
    items: Counter[int]
    cost: int
    """What they cost now."""
    pool: tuple[Pattern, ...]
    """Patterns to begin with."""
    way: Way
    seed: int


class Found(NamedTuple):
    """What a neighbourhood holds anew, and patterns that were of use."""

    packing: Packing
    patterns: tuple[Pattern, ...]


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

    A first packing is improved by neighbourhoods. What comes out does not depend on how many are packed at a time.

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
    ground = Ground(stock, worth, leave)
    way, *others = _ways(ground, sizes)
    best = dive(stock, sizes, worth, leave, floor, way, limits, pool)
    limits = share or limits
    enough = max(floor, best.value) * (1 + NEGLIGIBLE) + 1
    for seed, another in enumerate(others, 1):
        useful = best.left if another.few > way.few else ground.cost(best) >= enough
        if useful and not limits.over:
            other = dive(stock, sizes, worth, leave, floor, another, limits, pool, seed, ground.cost(best))
            if ground.cost(other) < ground.cost(best):
                best, way = other, another
    with Workers(limits.threads if ground.bins >= WORTH_BINS else 1, ground) as workers:
        return _improved(workers, best, way, enough, pool, limits)


def _ways(ground: Ground, items: Counter[int]) -> list[Way]:
    """Return the ways that are worth a dive, the last only where items are left out.

    Two where items larger than a bin ask most: taking them all first leaves hardly one out, but holds many badly.
    """
    large = volume((size, count) for size, count in items.items() if size > ground.stock.room)
    ways = [Way(least=LIKELY), Way()] if large > MOSTLY * volume(items.items()) else [Way()]
    if ground.bins <= MANY_BINS:
        ways.append(Way(MANY_BINS))
    return ways


def _improved(
    workers: Workers[Ground],
    best: Packing,
    way: Way,
    enough: float,
    pool: dict[Pattern, None],
    limits: Limits,
) -> Packing:
    """Return a packing that neighbourhoods make no better, or one that is good enough."""
    ground, dice = workers.shared, np.random.default_rng(limits.seed)
    parents = len(ground.stock.parents)
    most = TRIES_SHARING if ground.stock.shared else TRIES_APART + parents // PARENTS_A_TRY
    for few in (FEW_BINS, MANY_BINS):
        tries = most
        while tries > 0 and ground.cost(best) >= enough and not limits.over:
            parts = _neighbourhoods(ground, best, min(tries, AT_ONCE), most - tries, way._replace(few=few), pool, dice)
            if not parts:
                break
            tries -= len(parts)
            found = _packed(workers, parts, limits)
            pool.update(dict.fromkeys(pattern for one in found for pattern in one.patterns))
            other = _merged(ground, best, parts, found)
            if ground.cost(other) < ground.cost(best):
                best, tries = other, most
    return best


def _packed(workers: Workers[Ground], parts: Sequence[Neighbourhood], limits: Limits) -> list[Found]:
    """Return what is found for every neighbourhood; of one without an end in time all is left out."""
    if workers.count == 1 or len(parts) == 1:
        return [_dived(workers.shared, part, limits, limits.seconds) for part in parts]
    missing = [Found(Packing((), part.items, NOTHING), ()) for part in parts]
    return workers.in_processes(_dived, parts, [1] * len(parts), missing, limits)


def _dived(ground: Ground, part: Neighbourhood, limits: Limits, _: float) -> Found:
    """Pack a neighbourhood anew; cut off by its share of the time, it would be of no use."""
    pool, stock = dict.fromkeys(part.pool), ground.stock.only(part.bins)
    packing = dive(
        stock, part.items, ground.worth, ground.leave, NOTHING, part.way, limits, pool, part.seed, below=part.cost
    )
    return Found(packing, tuple(pool)[len(part.pool) :])


def _merged(ground: Ground, packing: Packing, parts: Sequence[Neighbourhood], found: Sequence[Found]) -> Packing:
    """Return a packing with every neighbourhood that is better anew; what is left out can be in one of them alone."""
    gains = [part.cost - ground.cost(one.packing) for part, one in zip(parts, found, strict=True)]
    better = [number for number, gain in enumerate(gains) if gain > 0]
    left_out = packing.left
    if left_out and better:
        better = [max(better, key=lambda number: gains[number])]
    for number in better:
        picked, anew = parts[number].picked, found[number].packing
        kept = tuple(chosen for chosen in packing.chosen if not picked.issuperset(chosen.parents))
        packing = Packing(kept + anew.chosen, packing.left - left_out + anew.left, packing.value)
    return packing


def _neighbourhoods(
    ground: Ground,
    packing: Packing,
    count: int,
    turn: int,
    way: Way,
    pool: Mapping[Pattern, None],
    dice: np.random.Generator,
) -> list[Neighbourhood]:
    """Return some neighbourhoods without a common parent, as many as there are; none where one would be all."""
    found: list[Neighbourhood] = []
    rest = set(range(len(ground.stock.parents)))
    size = SHARING if ground.stock.shared else APART + ground.bins // BINS_A_NEIGHBOUR
    while len(found) < count and 2 * sum(len(ground.stock.parents[parent]) for parent in rest) > size:
        picked = _picked(ground, packing, turn, size, rest, dice)
        if len(picked) == len(ground.stock.parents):
            break
        found.append(_around(ground, packing, picked, way, pool, int(dice.integers(1 << 30))))
        rest -= picked
    return found


def _picked(
    ground: Ground, packing: Packing, turn: int, size: int, rest: set[int], dice: np.random.Generator
) -> frozenset[int]:
    """Return parents whose bins are to be packed anew, in whole groups where parents must share items.

    Where items are left out, those with room come first; else those of the pattern whose items pay most beyond what
    they are worth, of the second at the second turn, and so on. Any others follow.
    """
    stock = ground.stock
    order = dice.permutation(sorted(rest)).tolist()
    if packing.left:
        free = _free(packing, stock)
        order.sort(key=lambda parent: free[parent] == 0)
    elif inside := [chosen for chosen in packing.chosen if rest.issuperset(chosen.parents)]:
        paid = [found.cost(stock) - sum(ground.worth.get(size, 0.0) for size in found.sizes) for found in inside]
        dearest = sorted(range(len(paid)), key=lambda number: -paid[number])[turn % len(paid)]
        order = [*inside[dearest].parents, *order]
    picked: dict[int, None] = {}
    for parent in order:
        mates = [mate for mate, group in enumerate(stock.groups) if group == stock.groups[parent]]
        picked.update(dict.fromkeys(mates if stock.shared else [parent]))
        if sum(len(stock.parents[parent]) for parent in picked) > size:
            break
    return frozenset(picked)


def _free(packing: Packing, stock: Stock) -> list[int]:
    """Return the room that is left in every parent."""
    free = [sum(int(stock.states.total[state]) for state in bins) for bins in stock.parents]
    for pattern, parents, missing in packing.chosen:
        for parent, filled in zip(parents, pattern.bins, strict=True):
            for item, step in zip(filled.items, filled.steps, strict=True):
                free[parent] -= 0 if item in missing else int(stock.states.part[step])
    return free


def _around(
    ground: Ground, packing: Packing, picked: frozenset[int], way: Way, pool: Mapping[Pattern, None], seed: int
) -> Neighbourhood:
    """Return the neighbourhood of some parents: what they alone hold, and what is left out."""
    out = [chosen for chosen in packing.chosen if picked.issuperset(chosen.parents)]
    items = packing.left + Counter(size for chosen in out for size in chosen.sizes)
    cost = ground.cost(Packing(tuple(out), packing.left, NOTHING))
    free = [Counter(bins if parent in picked else ()) for parent, bins in enumerate(ground.stock.parents)]
    for chosen in packing.chosen:
        if not picked.issuperset(chosen.parents):
            for parent, filled in zip(chosen.parents, chosen.pattern.bins, strict=True):
                if parent in picked:
                    free[parent][filled.state] -= 1
    useful = tuple(
        pattern
        for pattern in pool
        if all(filled.parent is None or filled.parent in picked for filled in pattern.bins)
        and items.keys() >= set(pattern.sizes)
    )
    return Neighbourhood(picked, tuple(tuple(counts.elements()) for counts in free), items, cost, useful, way, seed)
