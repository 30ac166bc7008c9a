"""Patterns that pricing finds: whole in themselves, worth what was promised, and the best of their kind."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from kalloc.place.fillings import NEVER, Fillings
from kalloc.place.patterns import MOST_BINS, Pattern, Rents, chains, galaxies, knapsacks_of, singles, stars
from tests.engine.stocks import consistent, cost_of, worth_of
from tests.engine.test_fillings import best_beside, never, priced

EVERYTHING = -1e9
"""A threshold that all that can be is beyond."""

Beside = Callable[[int, tuple[int, ...]], float]


def cases(number: int, **size: int) -> Iterator[tuple[Fillings, Rents]]:
    """Yield fillings of tiny stocks and rents: one for each state, and one for each state of each parent."""
    for seed in range(number):
        dice, fillings = priced(seed, **size)
        stock = fillings.stock
        by_parent = np.zeros(stock.grid.shape)
        for parent, row in enumerate(stock.grid):
            rents = [dice.randint(0, 6) for _ in range(len(stock.used) + 1)]
            by_parent[parent] = [rents[used] for used in row.tolist()]
        yield fillings, Rents(np.array([float(dice.randint(0, 6)) for _ in stock.used]), by_parent)


def rent_of(pattern: Pattern, fillings: Fillings, rents: Rents) -> float:
    """Return what the bins of a pattern cost."""
    stock, total = fillings.stock, 0.0
    for filled in pattern.bins:
        used = stock.used.index(filled.state)
        if filled.parent is None:
            total += rents.pooled[used]
        else:
            total += rents.by_parent[filled.parent, stock.grid[filled.parent].tolist().index(used)]
    return total


def values_of(patterns: Iterable[Pattern], fillings: Fillings, rents: Rents) -> list[float]:
    """Return what patterns are worth beyond what they and their bins cost; each must be whole in itself."""
    found = []
    for pattern in patterns:
        assert consistent(pattern, fillings.stock)
        assert pattern.cost == cost_of(pattern, fillings.stock)
        found.append(worth_of(pattern, fillings) - pattern.cost - rent_of(pattern, fillings, rents))
    return found


def shares(size: int, rooms: list[int]) -> Iterator[tuple[int, ...]]:
    """Yield every way to share a size out."""
    ranges = (range(min(size, room) + 1) for room in rooms)
    return (parts for parts in itertools.product(*ranges) if sum(parts) == size)


def bins_of(fillings: Fillings, parent: int) -> list[tuple[int, int]]:
    """Return (number, state) of the bins of a parent."""
    stock = fillings.stock
    return [(number, stock.used[used]) for number, used in enumerate(stock.grid[parent]) if used < len(stock.used)]


def test_singles_are_worth_the_best_filling() -> None:
    """Every state whose best filling is worth more than its bin gives that filling, and no other does."""
    for fillings, rents in cases(300):
        stock = fillings.stock
        best = best_beside(fillings)
        promised = [best(state, ()) - rent for state, rent in zip(stock.used, rents.pooled.tolist(), strict=True)]
        found = values_of(singles(fillings, rents, 1e-6), fillings, rents)
        assert np.allclose(found, [value for value in promised if value > 1e-6])


def best_parts(fillings: Fillings, rents: Rents, beside: Beside, parent: int, size: int) -> tuple[float, float]:
    """Return what it comes to at best to lay so much over bins of a parent: over any, and over one alone."""
    bins = bins_of(fillings, parent)
    total, alone = NEVER, NEVER
    for parts in shares(size, [int(fillings.stock.states.total[state]) for _, state in bins]):
        laid = [
            beside(state, (part,)) - rents.by_parent[parent, number]
            for part, (number, state) in zip(parts, bins, strict=True)
            if part
        ]
        total = max(total, sum(laid))
        alone = max(alone, sum(laid) if len(laid) == 1 else NEVER)
    return total, alone


def test_stars_are_the_best_of_their_parent() -> None:
    """The star of a parent is worth what the best of all cuts of all items is; there is none where a bin alone is."""
    seen = 0
    for fillings, rents in cases(300):
        beside = best_beside(fillings)
        found = list(stars(fillings, knapsacks_of(fillings, rents), EVERYTHING, 1))
        values = values_of(found, fillings, rents)
        by_parent = {pattern.bins[0].parent: value for pattern, value in zip(found, values, strict=True)}
        assert len(by_parent) == len(found) and all(len(pattern.bins) > 1 for pattern in found)
        for parent in range(len(fillings.stock.parents)):
            best, single = NEVER, NEVER
            for size, worth in zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True):
                total, alone = best_parts(fillings, rents, beside, parent, size)
                best, single = max(best, worth + total), max(single, worth + alone)
            if parent in by_parent:
                seen += 1
                assert abs(by_parent[parent] - best) < 1e-6
            else:
                assert never(best) or single > best - 1e-6
    assert seen > 80


def test_stars_below_the_threshold_are_not_yielded() -> None:
    """All that is yielded is worth more than the threshold."""
    for fillings, rents in cases(60):
        values = values_of(stars(fillings, knapsacks_of(fillings, rents), 5.0, 1), fillings, rents)
        assert all(value > 5.0 for value in values)


def best_galaxy(fillings: Fillings, parents: list[list[float]], size: int) -> float:
    """Return what it comes to at best to lay so much over any parents, at what each part comes to in each."""
    stock, best = fillings.stock, NEVER
    for parts in shares(size, [len(worth) - 1 for worth in parents]):
        chosen = {parent: part for parent, part in enumerate(parts) if part}
        regions = {stock.regions[parent] for parent in chosen}
        beyond = stock.parent_cost * (len(chosen) - 1) + stock.region_cost * (len(regions) - 1)
        best = max(best, sum(parents[parent][part] for parent, part in chosen.items()) - beyond)
    return best


def test_galaxies_are_the_best_of_their_group() -> None:
    """Of all items cut over parents the best is yielded, unless one in a parent alone is as good."""
    seen = 0
    for fillings, rents in cases(1200, parents=4, bins=1, count=2, room=2):
        stock, beside = fillings.stock, best_beside(fillings)
        found = list(galaxies(fillings, knapsacks_of(fillings, rents), EVERYTHING, 1))
        values = values_of(found, fillings, rents)
        assert all(len({filled.parent for filled in pattern.bins}) > 1 for pattern in found)
        parents = [
            [best_parts(fillings, rents, beside, parent, size)[0] for size in range(int(fillings.sizes.max()) + 1)]
            for parent in range(len(stock.parents))
        ]
        priced = list(zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True))
        best = max(worth + best_galaxy(fillings, parents, size) for size, worth in priced)
        alone = max(worth + options[size] for options in parents for size, worth in priced)
        assert max(values, default=best) < best + 1e-6
        if best > alone + 1e-6:
            seen += 1
            assert abs(max(values) - best) < 1e-6
    assert seen > 20


def best_chains(fillings: Fillings, rents: Rents, beside: Beside, parent: int) -> float:
    """Return what the best chain of three bins and more of a parent is worth, over every order, item and cut."""
    stock, best = fillings.stock, NEVER
    room, totals = stock.room, stock.states.total
    priced = list(zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True))
    for count in range(3, MOST_BINS + 1):
        for bins in itertools.permutations(bins_of(fillings, parent), count):
            rent = sum(rents.by_parent[parent, number] for number, _ in bins)
            handed: dict[int, float] = defaultdict(lambda: NEVER)
            for size, worth in priced:
                for part in range(max(1, size - room), size):
                    handed[size - part] = max(handed[size - part], worth + beside(bins[0][1], (part,)))
            for _, state in bins[1:-1]:
                further: dict[int, float] = defaultdict(lambda: NEVER)
                for taken, value in handed.items():
                    total = int(totals[state])
                    if taken > total:
                        further[taken - total] = max(further[taken - total], value + beside(state, (total,)))
                    for size, worth in priced:
                        for part in range(max(1, size - room), size):
                            sum_of = value + worth + beside(state, (taken, part))
                            further[size - part] = max(further[size - part], sum_of)
                handed = further
            ends = [value + beside(bins[-1][1], (taken,)) for taken, value in handed.items()]
            best = max([best, *(end - rent for end in ends)])
    return best


def test_chains_are_the_best_of_their_parent() -> None:
    """The chain of a parent is worth what the best of all chains of three or four bins is."""
    seen = 0
    for fillings, rents in cases(150, parents=2, bins=4, count=2, room=3):
        beside = best_beside(fillings)
        found = list(chains(fillings, rents, EVERYTHING, 1))
        values = values_of(found, fillings, rents)
        by_parent = {pattern.bins[0].parent: value for pattern, value in zip(found, values, strict=True)}
        for parent in range(len(fillings.stock.parents)):
            best = best_chains(fillings, rents, beside, parent)
            if parent in by_parent:
                seen += 1
                assert abs(by_parent[parent] - best) < 1e-6
            else:
                assert never(best)
    assert seen > 20
