"""The fewest domains that hold an amount, or several amounts at once. Exact, in integers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, repeat
from math import inf

Vector = tuple[int, ...]
Histogram = Mapping[int, int]
"""How many domains make each offer."""

PRECISION = 2**20
"""Multipliers are whole numbers of about this size; any of them give a valid bound, fine ones a sharper one."""
TRIALS = 32
"""Attempts at a sharper multiplier."""
FIRST_WIDTH = 64
"""States that the first pass of a search follows."""


def fewest(offers: Histogram, amount: int) -> int | float:
    """Return how many domains it takes to hold ``amount``, largest offers first; inf when all do not suffice."""
    used = 0
    for offer, count in sorted(offers.items(), reverse=True):
        if amount <= 0 or offer <= 0:
            break
        taken = min(count, -(-amount // offer))
        used += taken
        amount -= taken * offer
    return used if amount <= 0 else inf


def fewest_together(amounts: Vector, alone: Sequence[Histogram], shared: Sequence[Vector]) -> int | float:
    """Return how many domains it takes to hold every amount, each at least 1, at once; inf when all do not suffice.

    ``alone`` has, per amount, the domains that offer nothing to the others; ``shared`` has the domains that offer
    to several, one vector each. Without shared domains the amounts are apart; with them this is a covering
    problem, decided by dynamic programming over the shared domains, cut by surrogate bounds.
    """
    clipped = [offer for offer in (_clip(offer, amounts) for offer in shared) if any(offer)]
    best = _greedy(amounts, alone, clipped)
    if not clipped or best == inf or best == _floor(amounts, alone, clipped):
        return best
    return _Search(amounts, alone, clipped, int(best)).fewest()


def _clip(offer: Vector, amounts: Vector) -> Vector:
    return tuple(map(min, offer, amounts))


def _less(amounts: Vector, offer: Vector) -> Vector:
    return tuple(max(0, amount - part) for amount, part in zip(amounts, offer, strict=True))


def _weigh(multiplier: Sequence[int], offer: Vector) -> int:
    return sum(weight * part for weight, part in zip(multiplier, offer, strict=True))


def _close(alone: Sequence[Histogram], rest: Vector) -> int | float:
    """Return how many domains hold what is left when no shared one is taken any more."""
    return sum(fewest(offers, amount) for offers, amount in zip(alone, rest, strict=True))


def _floor(amounts: Vector, alone: Sequence[Histogram], shared: Sequence[Vector]) -> int | float:
    """Return the most that a single amount takes, with every domain for itself."""
    columns = zip(amounts, alone, zip(*shared, strict=True), strict=True)
    return max(fewest(Counter(offers) + Counter(parts), amount) for amount, offers, parts in columns)


def _greedy(amounts: Vector, alone: Sequence[Histogram], shared: Sequence[Vector]) -> int | float:
    """Take shared domains one by one, each time the one that holds the largest part of what is left."""
    best, rest, left = _close(alone, amounts), amounts, list(shared)
    for used in range(1, len(shared) + 1):
        if used >= best:
            break
        scale = [PRECISION // amount if amount else 0 for amount in rest]
        parts = [_weigh(scale, _clip(offer, rest)) for offer in left]
        rest = _less(rest, left.pop(parts.index(max(parts))))
        best = min(best, used + _close(alone, rest))
    return best


def _largest(offers: Histogram, count: int) -> list[int]:
    found: list[int] = []
    for offer, times in sorted(offers.items(), reverse=True):
        found.extend(repeat(offer, min(times, count - len(found))))
    return found


class _Search:
    """Looks for fewer domains than ``best``: decides the shared ones in order, the others close what is left."""

    def __init__(self, amounts: Vector, alone: Sequence[Histogram], shared: Sequence[Vector], best: int) -> None:
        self.amounts, self.alone, self.best = amounts, alone, best
        self.items = list(shared)
        for kind, (amount, offers) in enumerate(zip(amounts, alone, strict=True)):
            self.items += [self._unit(kind, min(offer, amount)) for offer in _largest(offers, best)]
        self.multipliers = [self._sharpest(), *(self._unit(kind, 1) for kind in range(len(amounts)))]
        heaviest = sorted((_weigh(self.multipliers[0], item) for item in self.items), reverse=True)
        self.price = heaviest[min(best, len(heaviest)) - 1]
        self.shared = sorted(shared, key=lambda offer: _weigh(self.multipliers[0], offer), reverse=True)

    def fewest(self) -> int:
        """Return the fewest domains: looks where it is promising, then wider until nothing is left out."""
        width = FIRST_WIDTH
        while not self._pass(width):
            width *= 4
        return self.best

    def _pass(self, width: int) -> bool:
        """Improve ``best`` with at most ``width`` states at a time; tell whether that left none out.

        A state is what is left to hold, with the fewest domains used so far.
        """
        complete = True
        states: dict[Vector, int] = {self.amounts: 0}
        for offer, prefixes in zip(self.shared, self._prefixes(), strict=False):
            states = {rest: used for rest, used in states.items() if used + self._bound(prefixes, rest) < self.best}
            if not states:
                break
            if len(states) > width:
                complete = False
                states = dict(sorted(states.items(), key=self._promise)[:width])
            for rest, used in list(states.items()):
                after = _less(rest, offer)
                if used + 1 < states.get(after, inf):
                    states[after] = used + 1
                    self.best = int(min(self.best, used + 1 + _close(self.alone, after)))
        return complete

    def _promise(self, state: tuple[Vector, int]) -> int:
        """Return the weight still to hold, with the domains used so far at the weight of the last one needed."""
        rest, used = state
        return used * self.price + _weigh(self.multipliers[0], rest)

    def _prefixes(self) -> Iterator[list[list[int]]]:
        """Yield, before each shared domain, the sums of the 0, 1, 2 … heaviest domains left, per multiplier."""
        heaviest = [sorted((_weigh(m, item) for item in self.items), reverse=True) for m in self.multipliers]
        for offer in self.shared:
            yield [list(accumulate(weights[: self.best], initial=0)) for weights in heaviest]
            for multiplier, weights in zip(self.multipliers, heaviest, strict=True):
                weights.remove(_weigh(multiplier, offer))

    def _bound(self, prefixes: list[list[int]], rest: Vector) -> int:
        """Return a number of domains that no choice can do without: the heaviest must outweigh what is left."""
        weights = [_weigh(multiplier, rest) for multiplier in self.multipliers]
        return max(bisect_left(sums, weight) for sums, weight in zip(prefixes, weights, strict=True))

    def _sharpest(self) -> Vector:
        """Return the mix of the amounts that asks for the most domains: raises or lowers one share at a time."""
        kinds, finer = range(len(self.amounts)), 1
        shares: Vector = (PRECISION,) * len(self.amounts)
        value = self._asked(shares)
        for _ in range(TRIALS):
            steps = [(kind, sign * (shares[kind] >> finer)) for kind in kinds for sign in (1, -1)]
            trials = [tuple(share + step * (i == kind) for i, share in enumerate(shares)) for kind, step in steps]
            sharper, trial = max((self._asked(trial), trial) for trial in trials)
            if sharper > value:
                shares, value = trial, sharper
            else:
                finer += 1
        return self._scaled(shares)

    def _asked(self, shares: Vector) -> float:
        """Return how many domains a mix asks for, with the part of the last one; only guides the choice."""
        multiplier = self._scaled(shares)
        left = _weigh(multiplier, self.amounts)
        for used, weight in enumerate(sorted((_weigh(multiplier, item) for item in self.items), reverse=True)):
            if weight >= left:
                return used + left / weight
            left -= weight
        return inf

    def _scaled(self, shares: Vector) -> Vector:
        return tuple(share * PRECISION // amount for share, amount in zip(shares, self.amounts, strict=True))

    def _unit(self, kind: int, part: int) -> Vector:
        return tuple(part if i == kind else 0 for i in range(len(self.amounts)))
