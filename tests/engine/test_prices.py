"""Bounds of two levels by prices: never above the optimum whatever the prices are, and mostly at it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from kalloc.place.fillings import Stock
from kalloc.place.prices import SCALE, Reaction, _pooled_bound, cheapest_cuts, cut, in_units, pooled
from kalloc.solver import Ids, Limits
from tests.engine.stocks import Case, alike, children, sizes

SEEDS = 100
MANY_SEEDS = 1500


def draw_two(seed: int) -> Case:
    """Return bins with children of uneven room and items for them, the costs far apart or near."""
    dice = random.Random(seed)
    bins = [children(dice, 3, 4) for _ in range(dice.randint(1, 4))]
    items = sizes(dice, sum(map(sum, bins)), 14, dice.random() < 0.7)
    return alike(bins, items, dice.choice([0, 1, 3, 10, 1000]), dice.choice([0, 1, 1, 2, 7]))


@cache
def least(seed: int) -> int:
    """Return the optimum of the text-book model."""
    return draw_two(seed).least()


def bins_of(stock: Stock) -> Counter[int]:
    """Return how many bins there are of each state."""
    return Counter(state for bins in stock.parents for state in bins)


def test_cheapest_cuts_are_the_cheapest_of_all_compositions() -> None:
    """An item pays the least over all ways to cut it into parts, and the cut that is named pays just that."""
    for seed in range(150):
        dice = random.Random(seed)
        largest = dice.randint(1, 9)
        price = np.array([0, *(dice.randint(-2, 9) * SCALE // 2 for _ in range(dice.randint(1, 6)))], dtype=np.int64)
        bin_cost = dice.randint(0, 4)
        pays = cheapest_cuts(price, bin_cost, largest)
        assert pays[0] == 0
        for size in range(1, largest + 1):
            costs = [sum(int(price[part]) + bin_cost * SCALE for part in parts) for parts in compositions(size, price)]
            assert pays[size] == min(costs)
            named = cut(size, price, pays)
            assert sum(named) == size
            assert sum(int(price[part]) + bin_cost * SCALE for part in named) == pays[size]


def compositions(size: int, price: Ids) -> Iterator[tuple[int, ...]]:
    """Yield every way to write a size as a sum of parts that have a price, in order."""
    if size == 0:
        yield ()
    for part in range(1, min(size, len(price) - 1) + 1):
        for rest in compositions(size - part, price):
            yield (part, *rest)


def bounded(seeds: range) -> float:
    """Return the share of cases whose bound is the optimum; none is above it."""
    met = 0
    for seed in seeds:
        case = draw_two(seed)
        found = pooled(case.stock(), case.items, Limits())
        assert found.bound <= least(seed), seed
        met += found.bound == least(seed)
    return met / len(seeds)


def test_no_bound_is_above_the_optimum_and_most_are_at_it() -> None:
    """The text-book model never comes to less than the bound, and in three of four cases to just that."""
    assert bounded(range(SEEDS)) >= 0.75


@pytest.mark.long
def test_no_bound_of_many_is_above_the_optimum_and_most_are_at_it() -> None:
    """As above, on more than a thousand cases."""
    assert bounded(range(MANY_SEEDS)) >= 0.75


def any_prices(dice: random.Random, stock: Stock) -> Ids:
    """Return prices of parts: wild ones, or near what a part costs."""
    costs = stock.piece_cost + 1
    wild = [dice.randint(-5, 20) * SCALE * costs // dice.randint(1, 9) for _ in range(stock.room)]
    near = [part * costs * SCALE // 4 + dice.randint(-SCALE, SCALE) for part in range(1, stock.room + 1)]
    return np.array([0, *dice.choice([wild, near])], dtype=np.int64)


def test_any_prices_give_a_bound() -> None:
    """Whatever parts cost, negative prices included, the bound is not above the optimum: weak duality."""
    for seed in range(SEEDS):
        dice, case = random.Random(seed), draw_two(seed)
        stock = case.stock()
        for _ in range(30):
            price = any_prices(dice, stock)
            reaction = Reaction.to(stock, price, max(case.items))
            assert _pooled_bound(reaction, bins_of(stock), case.items) <= least(seed) * SCALE, seed


def test_prices_prove_the_bound_that_they_come_with() -> None:
    """The bound is what the prices that are handed out prove, in integers, rounded up."""
    for seed in range(SEEDS):
        case = draw_two(seed)
        stock = case.stock()
        found = pooled(stock, case.items, Limits())
        reaction = Reaction.to(stock, found.price, max(case.items))
        assert found.bound == -(-_pooled_bound(reaction, bins_of(stock), case.items) // SCALE)
        paid = found.pays(stock.bin_cost, sorted(case.items))
        pays = cheapest_cuts(found.price, stock.bin_cost, max(case.items))
        assert paid == {size: int(pays[size]) / SCALE for size in case.items}


def test_gains_stay_exact_at_the_largest_weights() -> None:
    """With weights of a million, what bins gain is what integers without a largest one say."""
    for seed in range(40):
        case = draw_two(seed)
        dear = Case(case.insides, case.regions, case.items, (10**6, 10**6, 0, 0))
        stock = dear.stock()
        price = pooled(stock, dear.items, Limits()).price
        for state in bins_of(stock):
            values = Reaction.to(stock, price, 0).values
            assert values[state] == in_integers(stock, state, [int(part) for part in price])


def test_prices_are_small_enough_for_sums_to_be_exact() -> None:
    """Duals without end become prices of which any item and any bin may pay and gain as many as they have parts."""
    case = alike([(7, 5), (6,)], Counter({2000: 3, 7: 1}), 10**6, 10**6)
    stock, largest = case.stock(), max(case.items)
    dice = random.Random(1)
    for _ in range(5):
        duals = [0.0, *(dice.choice([-1e30, 0.0, 5e5, 1e14, 1e30]) for _ in range(stock.room))]
        price = in_units(duals, largest)
        assert price.min() >= 0 and price.max() * (largest + 1) <= 2**61
        values, pays = Reaction.to(stock, price, 0).values, cheapest_cuts(price, stock.bin_cost, largest)
        listed, exact = [int(part) for part in price], [0]
        for size in range(1, largest + 1):
            parts = range(1, min(size, stock.room) + 1)
            exact.append(min(listed[part] + exact[size - part] for part in parts) + stock.bin_cost * SCALE)
        assert pays.tolist() == exact
        assert all(values[state] == in_integers(stock, state, listed) for state in bins_of(stock))


def test_prices_of_little_are_rounded_and_kept() -> None:
    """Prices far from what sums allow are only rounded to units; those below nothing are nothing."""
    assert in_units([0.0, 1.5, -2.0, 0.25 / SCALE], 10).tolist() == [0, 3 * SCALE // 2, 0, 0]


def in_integers(stock: Stock, state: int, price: list[int]) -> int:
    """Return the most that a state gains, in integers that have no largest."""
    here, states = stock.states.steps(state), stock.states
    return max(
        [0]
        + [
            price[int(states.part[step])]
            - SCALE * stock.piece_cost * int(states.pieces[step])
            + in_integers(stock, int(states.target[step]), price)
            for step in range(here.start, here.stop)
        ]
    )


def test_nothing_costs_nothing() -> None:
    """Without items, or without bins, the bound is 0."""
    stock = alike([(2, 1)], Counter({3: 1}), 1, 1).stock()
    assert pooled(stock, Counter(), Limits()).bound == 0
    assert pooled(stock.only([()]), Counter({3: 1}), Limits()).bound == 0


def test_one_bin_by_hand() -> None:
    """Two items of 3 in two bins of children 2 + 1: each a bin and two children, 2 · (10 + 2)."""
    case = alike([(2, 1), (2, 1)], Counter({3: 2}), 10, 1)
    assert pooled(case.stock(), case.items, Limits()).bound == 24


def test_a_cut_by_hand() -> None:
    """Three items of 2 in two bins of one child of 3: one is cut, four bins and four children are entered."""
    case = alike([(3,), (3,)], Counter({2: 3}), 10, 1)
    assert pooled(case.stock(), case.items, Limits()).bound == 44
