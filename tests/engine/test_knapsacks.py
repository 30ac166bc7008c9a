"""Knapsacks over the bins of many parents, against trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from kalloc.place.knapsacks import TOGETHER, Knapsacks

NEVER = -(2**61)


@pytest.mark.parametrize(("parents", "seed"), [(1, 0), (3, 1), (3, 2), (TOGETHER + 2, 3), (2 * TOGETHER, 4)])
def test_every_amount_is_worth_what_its_best_parts_are(parents: int, seed: int) -> None:
    """Every parent and amount has the worth of the best parts, one a bin at most, and names parts that come to it."""
    dice = np.random.default_rng(seed)
    worth = dice.integers(-9, 10, (parents, 3, 5))
    worth[dice.random(worth.shape) < 0.4] = NEVER
    worth[dice.random((parents, 3)) < 0.3] = NEVER
    most = 7
    knapsacks = Knapsacks(worth, most, NEVER)
    for parent in range(parents):
        best = [0] + [NEVER] * most
        for parts in product(range(5), repeat=3):
            chosen = [int(worth[parent, number, part]) for number, part in enumerate(parts) if part]
            if sum(parts) <= most and NEVER not in chosen:
                best[sum(parts)] = max(best[sum(parts)], sum(chosen))
        found = [value if value > NEVER // 2 else NEVER for value in knapsacks.best[parent].tolist()]
        assert found == best
        for amount in (amount for amount in range(most + 1) if best[amount] > NEVER):
            named = list(knapsacks.parts(parent, amount))
            assert sum(part for _, part in named) == amount
            assert sum(int(worth[parent, number, part]) for number, part in named) == best[amount]
