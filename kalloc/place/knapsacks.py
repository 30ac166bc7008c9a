"""How so much of an item is best laid over the bins of a parent: a knapsack for every parent, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Worths = TypeVar("Worths", NDArray[np.float64], NDArray[np.int64])


class Knapsacks(Generic[Worths]):
    """The best worth of every amount, up to a largest, in the bins of every parent."""

    def __init__(self, worth: Worths, most: int, never: int | float) -> None:
        """Fill bin after bin.

        Args:
            worth: of a part of every size in every bin of every parent, shape (parents, bins, sizes).
            most: the largest amount.
            never: worth of what cannot be.
        """
        parents, bins, sizes = worth.shape
        self._worth: Worths = worth
        table: Worths = np.full((parents, most + 1), never, dtype=worth.dtype)
        table[:, 0] = 0
        self._tables: list[Worths] = [table]
        for number in range(bins):
            after = table.copy()
            possible = np.any(worth[:, number, 1 : min(sizes - 1, most) + 1] > never, axis=0)
            for part in (np.flatnonzero(possible) + 1).tolist():
                np.maximum(after[:, part:], table[:, :-part] + worth[:, number, part, None], out=after[:, part:])
            table = np.maximum(after, never)
            self._tables.append(table)

    @property
    def best(self) -> Worths:
        """Best worth by parent and amount, shape (parents, most + 1)."""
        return self._tables[-1]

    def parts(self, parent: int, amount: int) -> Iterator[tuple[int, int]]:
        """Yield the bins of a parent, by position, with the parts in which so much is worth most, from the last."""
        for number in range(self._worth.shape[1] - 1, -1, -1):
            before = self._tables[number][parent]
            parts = np.arange(1, min(amount, self._worth.shape[2] - 1) + 1)
            if not len(parts):
                return
            worth = before[amount - parts] + self._worth[parent, number, parts]
            if worth.max() > before[amount]:
                part = int(parts[worth.argmax()])
                yield number, part
                amount -= part
