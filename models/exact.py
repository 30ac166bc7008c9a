"""Fractions as the integers that a solver takes: each row and each objective multiplied by its own denominator."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import pulp

from models.program import Expression, Program

Terms = Iterable[tuple[Fraction | int, Expression]]
"""Factors, each with an expression of integer coefficients without a constant."""


def whole(terms: Terms) -> tuple[Expression, Fraction]:
    """Return Σ factor · expression with the smallest integers in proportion, and what it was multiplied by."""
    kept = [(Fraction(factor), expression) for factor, expression in terms if factor != 0]
    times = multiplier(factor for factor, _ in kept)
    return pulp.lpSum(int(factor * times) * expression for factor, expression in kept), times


def multiplier(factors: Iterable[Fraction]) -> Fraction:
    """Return what makes some factors the smallest integers in proportion."""
    kept = [factor for factor in factors if factor != 0]
    parts = math.lcm(*(factor.denominator for factor in kept))
    return Fraction(parts, math.gcd(*(int(factor * parts) for factor in kept)) or 1)


def at_most(program: Program, label: str, *keys: object, terms: Terms, bound: Fraction | int) -> None:
    """Add Σ factor · expression ≤ bound in integers: nothing is lost, since what is left of the bound has no use."""
    total, multiplier = whole(terms)
    program.rule(label, *keys, row=total <= math.floor(bound * multiplier))


def at_least(program: Program, label: str, *keys: object, terms: Terms, bound: Fraction | int) -> None:
    """Add Σ factor · expression ≥ bound in integers."""
    total, multiplier = whole(terms)
    program.rule(label, *keys, row=total >= math.ceil(bound * multiplier))
