"""Fractions as integers: rows and objectives that mean the same and have no point."""

from __future__ import annotations

from fractions import Fraction

import pytest

from models.exact import at_least, at_most, whole
from models.program import InexactError, Program


def test_factors_become_the_smallest_integers() -> None:
    """0.4 and 1 become 2 and 5, multiplied by 5; 6 and 4 become 3 and 2, by a half; zeros are left out."""
    program = Program("small")
    x, y, z = (program.integer(name, upper=9) for name in "xyz")
    assert whole([(Fraction("0.4"), x), (1, y), (0, z)]) == (2 * x + 5 * y, Fraction(5))
    total, multiplier = whole([(6, x), (4, y)])
    assert (dict(total.items()), multiplier) == ({x: 3, y: 2}, Fraction(1, 2))
    assert (dict(whole([(0, x)])[0].items()), whole([])[1]) == ({}, Fraction(1))


@pytest.mark.parametrize(("bound", "most", "least"), [("0.9", 4, 5), ("1", 5, 5), ("1.1", 5, 6)])
def test_bounds_are_rounded_to_what_integers_can_reach(bound: str, most: int, least: int) -> None:
    """0.2 · x within a bound is x within the integer below or above five times as much."""
    program = Program("small")
    x = program.integer("x", upper=9)
    at_most(program, "limit", "most", terms=[(Fraction("0.2"), x)], bound=Fraction(bound))
    assert program.maximise(x)(x) == most
    program = Program("small")
    x = program.integer("x", upper=9)
    at_least(program, "limit", "least", terms=[(Fraction("0.2"), x)], bound=Fraction(bound))
    assert program.minimise(x)(x) == least


def test_large_prices_stay_exact() -> None:
    """Of 30,000,001 and 20,000,000 won each, one won short of two and three of them is one GPU less."""
    for won, expected in ((120_000_002, 5), (120_000_001, 4)):
        program = Program("small")
        x, y = program.integer("x", upper=2), program.integer("y", upper=3)
        at_most(program, "budget", terms=[(30_000_001, x), (20_000_000, y)], bound=won)
        assert program.maximise(x + y)(x + y) == expected


def test_a_row_beyond_the_solver_is_refused() -> None:
    """Where prices differ by one in ten thousand million, no solver in floating point can be asked."""
    program = Program("small")
    x, y = program.integer("x", upper=2), program.integer("y", upper=3)
    with pytest.raises(InexactError, match="budget"):
        at_most(program, "budget", terms=[(10**10, x), (10**10 + 1, y)], bound=10**11)
