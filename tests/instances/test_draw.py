"""Sizes that are drawn."""

from __future__ import annotations

from random import Random

import pytest

from kalloc.generate.draw import Law, blend, even, fill, meet


def test_blend_scales_each_part_to_its_share() -> None:
    """Frequencies of a part count relative to each other, and parts in the shares that are given."""
    mixed = blend((0.75, {1: 3.0, 2: 1.0}), (0.25, even((2, 3))))
    assert mixed == pytest.approx({1: 0.5625, 2: 0.1875 + 0.125, 3: 0.125})


def test_law_draws_in_proportion() -> None:
    """A size three times as frequent is drawn about three times as often."""
    rng, law = Random(1), Law({1: 3, 5: 1})
    ones = sum(law.draw(rng) == 1 for _ in range(4000))
    assert 2900 < ones < 3100


@pytest.mark.parametrize("total", [0, 1, 9, 10, 10_007])
def test_fill_meets_the_total(total: int) -> None:
    """The drawn sizes add up to the total, and only the last is trimmed."""
    sizes = fill(Random(2), Law(even((10, 20))), total)
    assert sum(sizes) == total
    assert set(sizes[:-1]) <= {10, 20}


@pytest.mark.parametrize("total", [100, 150, 331, 500])
def test_meet_keeps_to_the_laws(total: int) -> None:
    """As many sizes as laws, each one that its law has, meet the total from below and from above."""
    laws = [Law({1: 4, 2: 2, 4: 1}), Law({1: 1, 2: 1, 32: 1})] * 50
    sizes = meet(Random(3), laws, total)
    assert sum(sizes) == total
    assert all(size in law.sizes for size, law in zip(sizes, laws, strict=True))
