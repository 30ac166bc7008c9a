"""Three levels at once: no bound is above the text-book optimum, whatever the prices, and most are at it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from kalloc.place.fillings import Stock
from kalloc.place.large import _proven, losses_of, several, three_levels
from kalloc.place.prices import SCALE, Reaction, pooled
from kalloc.solver import Limits
from tests.engine.stocks import Case, draw


@cache
def case(seed: int) -> Case:
    """Return a case whose regions cost nothing, and whose items may be larger than a bin."""
    drawn = draw(seed, parents=3, bins=3, count=2, room=3)
    return replace(drawn, costs=(*drawn.costs[:3], 0))


def stock(of: Case) -> Stock:
    """Return the stock; parents cost nothing in it."""
    made = of.stock()
    return Stock.of(made.parents, made.states, made.bin_cost, made.piece_cost)


@cache
def least(seed: int) -> int:
    """Return the optimum of the text-book model, with a parent for every item."""
    of = case(seed)
    return of.least() + of.items.total() * of.costs[2]


def met(seeds: range) -> tuple[int, int]:
    """Check many bounds; return how many are at the optimum, and how many have items larger than a bin."""
    at, large = 0, 0
    for seed in seeds:
        of, made = case(seed), stock(case(seed))
        prices = pooled(made, of.items, Limits())
        bound = three_levels(made, of.items, of.costs[2], prices, Limits()).bound
        assert prices.bound + of.costs[2] * of.items.total() <= bound <= least(seed), seed
        at += bound == least(seed)
        large += max(of.items) > made.room
    return at, large


def test_no_bound_is_above_the_optimum() -> None:
    """On 150 cases, many with items larger than a bin, the bound is no higher than the optimum, and equal in most."""
    at, large = met(range(150))
    assert large > 40 and at > 100


@pytest.mark.long
def test_no_bound_of_many_is_above_the_optimum() -> None:
    """The same on three thousand."""
    met(range(150, 3_150))


def test_any_prices_give_a_bound() -> None:
    """Prices of parts and of shares drawn at random prove no more than the optimum."""
    dice = random.Random(0)
    for seed in range(60):
        of, made = case(seed), stock(case(seed))
        small = Counter({size: n for size, n in of.items.items() if size <= made.room})
        large = of.items - small
        if not large:
            continue
        most = max(sum(int(made.states.total[state]) for state in states) for states in made.parents)
        for _ in range(10):
            price = np.array([0, *(dice.randint(0, 20 * SCALE) for _ in range(made.room))], dtype=np.int64)
            worth = {share: dice.uniform(0, 60) for share in range(1, most + 1)}
            reaction = Reaction.to(made, price, max(small, default=0))
            found = _proven(reaction, losses_of(reaction, most), small, large, worth, of.costs[2])
            assert found <= least(seed) * SCALE, seed


def test_what_many_parents_gain_is_added_exactly() -> None:
    """Shares so dear that 32 parents gain 2**59 units each: their sum, beyond 64 bits, is exact."""
    of = Case(tuple(((1,), (1,)) for _ in range(32)), (0,) * 32, Counter({2: 1}), (1, 1, 1, 0))
    reaction = Reaction.to(stock(of), np.zeros(2, dtype=np.int64), 0)
    found = _proven(reaction, losses_of(reaction, 2), Counter(), of.items, {2: 2.0**39}, 1)
    assert found == 2 * SCALE - 32 * (2**59 - 2 * (1 + 1) * SCALE)


def test_a_large_item_by_hand() -> None:
    """Two parents of two bins of 2, an item of 4 and two of 2: the first fills one parent, so nobody is cut in vain."""
    of = Case((((2,), (2,)), ((2,), (2,))), (0, 0), Counter({4: 1, 2: 2}), (1, 1, 10, 0))
    made = stock(of)
    assert three_levels(made, of.items, 10, pooled(made, of.items, Limits()), Limits()).bound == 3 * 10 + 4 * 2


def test_a_large_item_that_no_parent_holds() -> None:
    """Two parents of one bin of 3 each: an item of 4 enters both, which two levels alone do not see."""
    of = Case((((3,),), ((3,),)), (0, 0), Counter({4: 1}), (1, 1, 10, 0))
    made = stock(of)
    prices = pooled(made, of.items, Limits())
    assert prices.bound + 10 == 14 < three_levels(made, of.items, 10, prices, Limits()).bound <= 24


def test_several_shares_together() -> None:
    """The most that shares of 1 and 3, worth 2 and 7, are worth in up to 5; an item alone has one share."""
    worth = np.array([0, 2, 2, 7, 7, 7], dtype=np.int64)
    assert several(worth, 2).tolist() == [0, 2, 4, 7, 9, 11]
    assert several(worth, 1).tolist() == worth.tolist()
