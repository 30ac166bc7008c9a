"""Integer linear programs, the answers to them, and how long a solver may take."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Terms = list[tuple[int, int]]
"""(variable, factor) pairs of a row."""


class Stop(Protocol):
    """Anything that can say that the work should end, such as a ``threading.Event``."""

    def is_set(self) -> bool:
        """Tell whether to stop."""


class Status(Enum):
    """What is known of a model after a solve."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """An answer that was checked in integers.

    ``values`` has one integer per variable, or is None without a solution. ``bound`` is a proven lower bound of the
    objective (models minimise), or None.
    """

    status: Status
    values: Ids | None
    value: int | None
    bound: int | None

    @classmethod
    def nothing(cls, status: Status) -> Answer:
        """Return an answer that has no point and no bound."""
        return cls(status, None, None, None)


@dataclass(frozen=True)
class Limits:
    """How long a solve may take. ``deadline`` is on the clock of ``time.monotonic``; ``effort`` is reproducible.

    ``effort`` counts CP-SAT's deterministic seconds; the same model and effort give the same answer on any machine.
    """

    deadline: float = math.inf
    effort: float = math.inf
    stop: Stop | None = None
    seed: int = 0
    threads: int = 1
    gap: float = 0.0
    """Relative gap at which a solve may stop."""

    @property
    def seconds(self) -> float:
        """Seconds left before the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def stopped(self) -> bool:
        """Tell whether somebody said stop."""
        return self.stop is not None and self.stop.is_set()

    @property
    def over(self) -> bool:
        """Tell whether the deadline has passed or somebody said stop."""
        return self.seconds <= 0 or self.stopped


@dataclass
class Model:
    """An integer linear program, minimised. Variables and rows are numbered from 0; coefficients are integers."""

    lower: list[int] = field(default_factory=list)
    upper: list[int] = field(default_factory=list)
    cost: list[int] = field(default_factory=list)
    row_lower: list[int | None] = field(default_factory=list)
    row_upper: list[int | None] = field(default_factory=list)
    row_columns: list[list[int]] = field(default_factory=list)
    row_factors: list[list[int]] = field(default_factory=list)
    offset: int = 0

    def variable(self, lower: int, upper: int, cost: int = 0) -> int:
        """Add an integer variable and return its number."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.cost.append(cost)
        return len(self.lower) - 1

    def row(self, terms: Iterable[tuple[int, int]], lower: int | None, upper: int | None) -> int:
        """Add lower ≤ Σ factor · variable ≤ upper over (variable, factor) pairs and return its number."""
        merged: dict[int, int] = {}
        for column, factor in terms:
            merged[column] = merged.get(column, 0) + factor
        self.row_columns.append([column for column, factor in merged.items() if factor])
        self.row_factors.append([factor for factor in merged.values() if factor])
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.row_lower) - 1

    def truncate(self, rows: int, variables: int) -> None:
        """Drop the rows and variables after the first so many; no row that is left may use such a variable."""
        for part in (self.row_lower, self.row_upper, self.row_columns, self.row_factors):
            del part[rows:]
        for column in (self.lower, self.upper, self.cost):
            del column[variables:]

    @property
    def absurd(self) -> bool:
        """Whether a row or a variable alone admits nothing: solvers warn of that on the terminal."""
        rows = zip(self.row_lower, self.row_upper, strict=True)
        sides = any(low is not None and high is not None and low > high for low, high in rows)
        return sides or any(low > high for low, high in zip(self.lower, self.upper, strict=True))

    @property
    def size(self) -> int:
        """Number of variables."""
        return len(self.lower)

    def value(self, values: Ids) -> int:
        """Return the objective of a point, exactly."""
        return self.offset + sum(cost * int(value) for cost, value in zip(self.cost, values, strict=True) if cost)

    def admits(self, values: Ids) -> bool:
        """Tell whether a point satisfies every bound and row, exactly."""
        point = [int(value) for value in values]
        inside = all(low <= x <= high for low, x, high in zip(self.lower, point, self.upper, strict=True))
        return inside and all(self._satisfied(row, point) for row in range(len(self.row_lower)))

    def _satisfied(self, row: int, point: Sequence[int]) -> bool:
        total = sum(f * point[c] for c, f in zip(self.row_columns[row], self.row_factors[row], strict=True))
        low, high = self.row_lower[row], self.row_upper[row]
        return (low is None or total >= low) and (high is None or total <= high)


def whole_row(
    model: Model, terms: Sequence[tuple[int, Fraction]], lower: Fraction | None, upper: Fraction | None
) -> int:
    """Add a row of rational factors as one of integers that admits the same points, and return its number."""
    scale = math.lcm(*(factor.denominator for _, factor in terms)) if terms else 1
    factors = [(variable, int(factor * scale)) for variable, factor in terms]
    common = math.gcd(*(factor for _, factor in factors)) or 1
    low = None if lower is None else math.ceil(lower * scale / common)
    high = None if upper is None else math.floor(upper * scale / common)
    return model.row([(variable, factor // common) for variable, factor in factors], low, high)
