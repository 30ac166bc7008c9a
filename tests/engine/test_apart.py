"""Parents priced apart: no bound is above the text-book optimum, whatever the prices, and most are at it."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from kalloc.place.apart import _Case, _Parent, parents_apart
from kalloc.place.fillings import Stock
from kalloc.place.large import Offer, three_levels
from kalloc.place.prices import SCALE, pooled
from kalloc.solver import Limits
from tests.engine.stocks import Case
from tests.engine.test_large import case, least, stock

FAR = 10**9
"""A plan so far away that the bound does all it can."""


def offer(of: Case, made: Stock) -> Offer:
    """Return the prices of two levels and of large items."""
    return three_levels(made, of.items, of.costs[2], pooled(made, of.items, Limits()), Limits())


def met(seeds: range) -> tuple[int, int]:
    """Check many bounds; return how many are at the optimum, and how many are higher than with the same prices."""
    at, higher = 0, 0
    for seed in seeds:
        of, made = case(seed), stock(case(seed))
        before = offer(of, made)
        bound = parents_apart(made, of.items, of.costs[2], before, FAR, Limits())
        assert before.bound <= bound <= least(seed), seed
        at += bound == least(seed)
        higher += bound > before.bound
    return at, higher


def test_no_bound_is_above_the_optimum() -> None:
    """On 150 cases the bound is no higher than the optimum, equal in most, and higher than before in some."""
    at, higher = met(range(150))
    assert at > 115 and higher > 5


@pytest.mark.long
def test_no_bound_of_many_is_above_the_optimum() -> None:
    """The same on three thousand."""
    met(range(150, 3_150))


def test_any_prices_give_a_bound() -> None:
    """Prices of parts drawn at random in every parent, and of shares, prove no more than the optimum."""
    dice = random.Random(0)
    for seed in range(100):
        of, made = case(seed), stock(case(seed))
        large = frozenset(size for size in of.items if size > made.room)
        small = {size: count for size, count in of.items.items() if size not in large}
        most = max(sum(int(made.states.total[state]) for state in states) for states in made.parents)
        if not small:
            continue
        for _ in range(5):
            steps = sorted(dice.randint(0, 40 * SCALE) for _ in range(most))
            prices = Offer(0, np.zeros(made.room + 1, dtype=np.int64), np.array([0, *steps]), large)
            settled = []
            for states in made.parents:
                price = np.array([0, *(dice.randint(0, 20 * SCALE) for _ in range(made.room))], dtype=np.int64)
                settled.append(_Parent(made.only([states]), price, most).answer(max(small)))
            assert _Case(of.items, small, of.costs[2], prices).bound(settled) <= least(seed), seed


THREE = Case((((2,), (2,)), ((1,), (1,)), ((3,),)), (0, 0, 0), Counter({3: 3}), (1, 1, 10, 0))
"""Parents of two bins of 2, of two bins of 1 and of one bin of 3, and three items of 3."""


def test_parents_that_hold_no_two_items() -> None:
    """One item has a bin to itself; were parts alike everywhere, both others would be 2 and 1, in one parent each."""
    made = stock(THREE)
    before = offer(THREE, made)
    assert before.bound == 3 * 10 + 5 * 2
    assert 43 < parents_apart(made, THREE.items, 10, before, FAR, Limits()) <= THREE.least() + 3 * 10 == 52


def test_no_more_is_done_than_it_takes() -> None:
    """A plan at the bound so far, or a single parent, leaves that bound; without time, prices are alike everywhere."""
    made = stock(THREE)
    before = offer(THREE, made)
    assert parents_apart(made, THREE.items, 10, before, before.bound, Limits()) == before.bound
    assert parents_apart(made.only(made.parents[:1]), THREE.items, 10, before, FAR, Limits()) == before.bound
    assert before.bound <= parents_apart(made, THREE.items, 10, before, FAR, Limits(deadline=0.0)) <= 52
