"""How so much of an item is best laid over the bins of a parent: a knapsack for every parent, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Worths = TypeVar("Worths", NDArray[np.float64], NDArray[np.int64])

TOGETHER = 64
"""Parents whose tables are filled together: so many stay in the cache of a processor."""


class Knapsacks(Generic[Worths]):
    """The best worth of every amount, up to a largest, in the bins of every parent."""

    def __init__(self, worth: Worths, most: int, never: int | float) -> None:
        """Fill bin after bin.

        Args:
            worth: of a part of every size in every bin of every parent, shape (parents, bins, sizes).
            most: the largest amount.
            never: worth of what cannot be.
        """
        parents, bins, _ = worth.shape
        self._worth: Worths = worth
        table: Worths = np.full((parents, most + 1), never, dtype=worth.dtype)
        table[:, 0] = 0
        self._tables: list[Worths] = [table]
        for number in range(bins):
            table = self._tables[-1].copy()
            largest = _largest(worth[:, number] > never)
            order = np.argsort(-largest, kind="stable")
            for first in range(0, parents, TOGETHER):
                rows = order[first : first + TOGETHER]
                if largest[rows[0]]:
                    table[rows] = _filled(table[rows], worth[rows, number, : largest[rows[0]] + 1], never)
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


def _largest(possible: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the largest part that every parent's bin can hold, 0 where it holds none, from (parents, sizes)."""
    parts = np.arange(possible.shape[1])
    return np.asarray((possible * parts).max(axis=1, initial=0), dtype=np.int64)


def _filled(table: Worths, worth: Worths, never: int | float) -> Worths:
    """Return the best worths of some parents, shape (parents, amounts), with one bin more."""
    after, most = table.copy(), table.shape[1] - 1
    reached = int(np.flatnonzero((table > never).any(axis=0)).max(initial=0))
    for part in (np.flatnonzero((worth[:, 1 : most + 1] > never).any(axis=0)) + 1).tolist():
        end = min(most, reached + part) + 1
        np.maximum(after[:, part:end], table[:, : end - part] + worth[:, part, None], out=after[:, part:end])
    return np.asarray(np.maximum(after, never))
