"""Fillings of single bins: alone and beside parts of cut items, against every sequence of steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from kalloc.place.fillings import NEVER, Fillings, Laid, Stock
from tests.engine.stocks import draw


def priced(seed: int, **size: int) -> tuple[random.Random, Fillings]:
    """Return fillings of a tiny stock at random prices."""
    dice, case = random.Random(seed), draw(seed, **size)
    sizes = np.array(sorted(case.items), dtype=np.int64)
    worth = np.array([size * dice.choice([0, 1, 2, 4, 8]) + dice.randint(-3, 12) for size in sizes.tolist()], float)
    return dice, Fillings(case.stock(shared=True), sizes, np.maximum(worth, 0.0))


def cases(count: int) -> Iterator[Fillings]:
    """Yield fillings of tiny stocks."""
    return (priced(seed)[1] for seed in range(count))


def best_beside(fillings: Fillings) -> Callable[[int, tuple[int, ...]], float]:
    """Return what gives the best value of a state with some parts of cut items, laid in any order, whole ones between.

    A part of a cut item is worth nothing here; a whole item is worth what it is.
    """
    stock, states = fillings.stock, fillings.stock.states
    worth = dict(zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True))

    @cache
    def best(state: int, parts: tuple[int, ...]) -> float:
        found = [NEVER if parts else 0.0]
        here = states.steps(state)
        for step in range(here.start, here.stop):
            part, target, cost = int(states.part[step]), int(states.target[step]), int(stock.lay_cost[step])
            if part in parts:
                at = parts.index(part)
                found.append(best(target, parts[:at] + parts[at + 1 :]) - cost)
            if part in worth:
                found.append(worth[part] + best(target, parts) - cost)
        return max(found)

    return lambda state, parts: best(state, tuple(sorted(parts)))


def never(value: float) -> bool:
    """Tell whether something cannot be."""
    return value < NEVER / 2


def same(found: float, expected: float) -> bool:
    """Tell whether two values are equal, or neither can be."""
    return (never(found) and never(expected)) or abs(found - expected) < 1e-9


def test_values_are_those_of_the_best_filling() -> None:
    """A state is worth what the best of all sequences of whole items in it is worth."""
    for fillings in cases(100):
        best = best_beside(fillings)
        assert all(same(value, best(state, ())) for state, value in enumerate(fillings.values.tolist()))


def test_beside_one_is_the_best_beside_a_part() -> None:
    """For every state and part, no order of laying it among whole items comes to more than laying it first."""
    for fillings in cases(100):
        best = best_beside(fillings)
        for (state, part), value in np.ndenumerate(fillings.beside_one):
            if part:
                assert same(value, best(state, (part,))), (fillings, state, part)


def test_beside_two_is_the_best_beside_two_parts() -> None:
    """For every state in use and two parts, no order among whole items comes to more than laying both first."""
    for fillings in cases(100):
        best = best_beside(fillings)
        for (used, one, other), value in np.ndenumerate(fillings.beside_two):
            if one and other:
                assert same(value, best(fillings.stock.used[used], (one, other)))


def value_of(fillings: Fillings, state: int, laid: list[Laid]) -> float:
    """Return what is laid is worth, less its cost; every step must begin where the one before ended."""
    states = fillings.stock.states
    worth = dict(zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True))
    total = 0.0
    for size, step in laid:
        assert int(states.source[step]) == state and size in (0, int(states.part[step]))
        state = int(states.target[step])
        total += (worth[size] if size else 0.0) - int(fillings.stock.lay_cost[step])
    return total


def test_fill_lays_the_parts_first_and_attains_the_best() -> None:
    """Filled with no, one or two parts, a bin holds just these parts and whole items, at the value promised."""
    for fillings in cases(100):
        states = fillings.stock.states
        for used, state in enumerate(fillings.stock.used):
            wanted: list[tuple[tuple[int, ...], float]] = [((), float(fillings.values[state]))]
            wanted += [((part,), value) for part, value in enumerate(fillings.beside_one[state].tolist())]
            wanted += [((one, two), value) for (one, two), value in np.ndenumerate(fillings.beside_two[used])]
            for parts, value in wanted:
                if not never(value):
                    laid = fillings.fill(state, *parts)
                    assert tuple(int(states.part[step]) for _, step in laid[: len(parts)]) == parts
                    assert [size > 0 for size, _ in laid] == [False] * len(parts) + [True] * (len(laid) - len(parts))
                    assert same(value_of(fillings, state, laid), value)


def test_stock_numbers_its_bins() -> None:
    """The grid has the position of each bin of each parent among the states in use; one more where there is none."""
    stock = draw(0).stock()
    three = stock.only([(0,), (1, 0)])
    assert (three.used, three.grid.tolist()) == ([0, 1], [[0, 2], [1, 0]])


def test_stock_of_bins_alone_costs_no_parents() -> None:
    """Parents of a plain stock are apart: each a region and a group of its own that costs nothing."""
    states = draw(0).stock().states
    stock = Stock.of(((0,), (0,)), states, 3, 1)
    assert (stock.regions, stock.groups, stock.parent_cost, stock.region_cost) == ((0, 1), (0, 1), 0, 0)
    assert stock.lay_cost.tolist() == (3 + states.pieces).tolist()
