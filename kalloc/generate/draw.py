"""What is drawn by chance: sizes of requests, and how they add up to a total that is known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from random import Random


class Law:
    """A distribution of sizes, given by the relative frequency of each."""

    def __init__(self, frequency: Mapping[int, float]) -> None:
        self.sizes = tuple(frequency)
        self._cumulative = tuple(accumulate(frequency.values()))

    def draw(self, rng: Random) -> int:
        """Draw one size."""
        return rng.choices(self.sizes, cum_weights=self._cumulative)[0]


def even(sizes: range | tuple[int, ...]) -> dict[int, float]:
    """Give every size the same frequency, 1 in sum."""
    return {size: 1 / len(sizes) for size in sizes}


def blend(*parts: tuple[float, Mapping[int, float]]) -> dict[int, float]:
    """Mix frequencies, each scaled to the share that is given with it."""
    mixed: dict[int, float] = {}
    for share, frequency in parts:
        total = sum(frequency.values())
        for size, weight in frequency.items():
            mixed[size] = mixed.get(size, 0.0) + share * weight / total
    return mixed


def fill(rng: Random, law: Law, total: int) -> list[int]:
    """Draw sizes until they reach a total, and trim the last so that they meet it."""
    sizes: list[int] = []
    left = total
    while left > 0:
        sizes.append(min(law.draw(rng), left))
        left -= sizes[-1]
    return sizes


def meet(rng: Random, laws: list[Law], total: int) -> list[int]:
    """Draw one size by each law so that they add up to a total.

    Sizes are drawn again, one at a time, and kept when the sum comes nearer; so the law holds but for what the
    total asks. Each law must have sizes 1 and 2, or the last step could be missing.
    """
    sizes = [law.draw(rng) for law in laws]
    excess = sum(sizes) - total
    while excess:
        index = rng.randrange(len(laws))
        change = laws[index].draw(rng) - sizes[index]
        if abs(excess + change) < abs(excess):
            sizes[index] += change
            excess += change
    return sizes
