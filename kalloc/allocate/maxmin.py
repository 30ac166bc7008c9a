"""The lexicographic max-min of shares: the smallest as large as possible, then the second, and so on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kalloc.allocate.fairness import Sharer
from kalloc.allocate.lexicographic import Search, Settled
from kalloc.solver import Answer, Status, Terms

SMALL = 1_500
"""Variables up to which every share is proven exactly, whoever may have it."""
SCALE = 10_000
"""Sums are pushed up together in steps of 1 / SCALE before they are told apart exactly."""
PUSH_NODES = 200
"""Nodes of the branch-and-bound tree that a step on a large model may take."""
LEAP_NODES = 5
"""The same for a step of alike projects whose relaxation is not whole."""
MOST_STEPS = 5
"""Times that the smallest share of a large model is raised once more before its bound is taken for good enough."""


def maxmin(search: Search, everyone: Sequence[Sharer]) -> Settled:
    """Settle the tier `fairness` with the rule `maxmin`."""
    if not everyone:
        return Settled("fairness", Fraction(0), Fraction(0))
    if search.values is None:
        _most(search, [])
    if search.allocation.model.size > SMALL and not any(one.rungs for one in everyone):
        return _Pools(search, list(everyone)).settle()
    return _by_counts(search, everyone)


def _by_counts(search: Search, everyone: Sequence[Sharer]) -> Settled:
    """Raise how many have more than each share, from the smallest share on.

    On finite sets the sorted shares are compared like these numbers: so a share is proven when no plan has more above
    it (Ogryczak and Śliwiński, 2006).
    """
    left = sum(one.count for one in everyone)
    profile: list[tuple[Fraction, int]] = []
    complete = True
    if all(one.rungs for one in everyone):
        _leap(search, everyone, left)
    while left and complete:
        _push_sums(search, everyone, left)
        share = _smallest(search, everyone, left)
        search.allocation.model.row(_at_least(search, everyone, share), left if share else 0, None)
        more = _at_least(search, everyone, _above(everyone, share))
        answer = _most(search, more)
        complete = answer.status is Status.OPTIMAL and answer.value is not None
        if complete and -(answer.value or 0) < left:
            profile.append((share, left + (answer.value or 0)))
            left = -(answer.value or 0)
            search.allocation.model.row(more, left, None)
    if not complete:
        _keep(search, everyone)
    least = _smallest(search, everyone, sum(one.count for one in everyone))
    gap = Fraction(0) if complete else None
    return Settled("fairness", least, least if profile else None, complete, tuple(profile), gap)


def _most(search: Search, terms: Terms) -> Answer:
    """Return the best point for a sum: that of the linear relaxation where it is whole.

    Steps of one size make a level a flow, since whoever rises takes one step more: then it is.
    """
    answer = search.relax([(variable, -factor) for variable, factor in terms])
    return answer if answer.status is Status.OPTIMAL else search.maximise(terms)


def _leap(search: Search, everyone: Sequence[Sharer], left: int) -> None:
    """Find by halving a point where all have the largest share that all can have; it only proposes the point."""
    steps = sorted({share for one in everyone for share in one.steps})
    low, high = 0, len(steps)
    while low < high and not search.limits.over:
        middle, before = (low + high) // 2, search.values
        cost = [(rung, -factor) for rung, factor in _at_least(search, everyone, steps[middle])]
        answer = search.relax(cost)
        if answer.value is None and answer.bound is not None and -answer.bound >= left:
            answer = search.propose(cost, LEAP_NODES)
        if answer.value is not None and -answer.value >= left:
            low = middle + 1
        else:
            high, search.values = middle, before


def _push_sums(search: Search, everyone: Sequence[Sharer], left: int) -> None:
    """Look for a point where those that have more than the smallest share left have more, where all of them are sums.

    It only proposes a point: what is settled is proven afterwards. Alike projects need no push.
    """
    if any(one.rungs for one in everyone):
        return
    share, before = _smallest(search, everyone, left), search.values
    rising = [one for one in everyone if one.share(search) >= share]
    if len(rising) == left:
        push(search, rising, search.nodes)
        if _smallest(search, everyone, left) < share:
            search.values = before


def push(search: Search, rising: Sequence[Sharer], nodes: int | None) -> Answer:
    """Look for a point where all of some sums have a larger share; what is more than one of SCALE steps is found."""
    model = search.allocation.model
    rows, size = len(model.row_lower), model.size
    level = model.variable(0, SCALE * max(math.ceil(one.most / one.whole) for one in rising))
    for one in rising:
        factors = [(variable, factor * SCALE * one.whole.denominator) for variable, factor in one.terms]
        model.row([*factors, (level, -one.whole.numerator)], 0, None)
    answer = search.propose([(level, -1)], nodes)
    search.forget(rows, size)
    return answer


def _at_least(search: Search, everyone: Iterable[Sharer], share: Fraction) -> Terms:
    """Return how many have at least a share over 0, as terms."""
    return [term for one in everyone for term in one.at_least(search.allocation, share)]


def _smallest(search: Search, everyone: Sequence[Sharer], left: int) -> Fraction:
    """Return the smallest of the ``left`` largest shares."""
    held = Counter[Fraction]()
    for one in everyone:
        held.update(one.held(search))
    for share in sorted(held, reverse=True):
        left -= held[share]
        if left <= 0:
            return share
    raise ValueError("there are not so many shares")


def _above(everyone: Iterable[Sharer], share: Fraction) -> Fraction:
    """Return a share such that whoever has more than the given one has at least this."""
    return min(one.above(share) for one in everyone)


def _keep(search: Search, everyone: Sequence[Sharer]) -> None:
    """Let nobody fall below the share it has, where time did not suffice to prove the rest."""
    for one in everyone:
        sums = [[(rung, 1)] for rungs in one.rungs for _, rung in rungs] or [one.terms]
        for terms in sums:
            search.allocation.model.row(terms, search.of(terms), None)


@dataclass
class _Pools:
    """Sums in a large model: who can have no more is settled, the others are raised together.

    Each has a row that keeps what it has. A level is exact where a solve proves who can rise, and that nobody else can
    in their stead; else the relaxation bounds it, and what was settled after it does not bound later tiers.
    """

    search: Search
    rising: list[Sharer]
    levels: list[tuple[Fraction, int]] = field(default_factory=list)
    gap: Fraction | None = Fraction(0)
    """The largest relative gap of a level; None where one has no bound."""
    first_bound: Fraction | None = None

    def settle(self) -> Settled:
        """Settle level after level."""
        rows = {id(one): self.search.allocation.model.row(one.terms, 0, None) for one in self.rising}
        while self.rising:
            bound = self._push()
            share, above, exact = self._raise(rows)
            self._note(share, share if exact else bound, len(self.rising) - len(above))
            if not exact and not self.search.loose:
                self.search.loose = [(rows[id(one)], _gpus(one, share)) for one in self.rising]
            self.rising = above
        complete = self.gap == 0
        return Settled("fairness", self.levels[0][0], self.first_bound, complete, tuple(self.levels), self.gap)

    def _note(self, share: Fraction, bound: Fraction | None, count: int) -> None:
        if not self.levels:
            self.first_bound = bound
        self.levels.append((share, count))
        if bound is None or self.gap is None:
            self.gap = None
        elif bound > share:
            self.gap = max(self.gap, (bound - share) / max(share, Fraction(1, 10**6)))

    def _share(self) -> Fraction:
        return min(one.share(self.search) for one in self.rising)

    def _push(self) -> Fraction | None:
        """Look for a point where all that rise have more; return a bound of the share that all of them can have."""
        share, before = self._share(), self.search.values
        answer = push(self.search, self.rising, PUSH_NODES)
        if self._share() < share:
            self.search.values = before
        return None if answer.bound is None else Fraction(-answer.bound + 1, SCALE)

    def _raise(self, rows: dict[int, int]) -> tuple[Fraction, list[Sharer], bool]:
        """Raise the smallest share step by step; return it, who has more, and whether that is proven to be the best."""
        model = self.search.allocation.model
        for _ in range(MOST_STEPS):
            share = self._share()
            for one in self.rising:
                model.row_lower[rows[id(one)]] = _gpus(one, share)
            length, size = len(model.row_lower), model.size
            marks = self._marks(share)
            answer = self.search.propose([(mark, -1) for mark in marks], PUSH_NODES)
            above = [one for one in self.rising if one.share(self.search) > share]
            proven = answer.status is Status.OPTIMAL and len(above) == -(answer.value or 0)
            over = len(above) < len(self.rising)
            only = proven and over and self._nobody_else(marks, above)
            self.search.forget(length, size)
            if proven and over:
                return share, above, only
            if over:
                break
        return share, [one for one in self.rising if one.share(self.search) > share], False

    def _marks(self, share: Fraction) -> list[int]:
        """Return variables that are 1 only where one that rises has more than a share."""
        model, marks = self.search.allocation.model, []
        for one in self.rising:
            marks.append(model.variable(0, 1))
            more = math.floor(share * one.whole) + 1
            low = _gpus(one, share)
            model.row([*one.terms, (marks[-1], low - more)], low, None)
        return marks

    def _nobody_else(self, marks: Sequence[int], above: Sequence[Sharer]) -> bool:
        """Tell whether no other set of as many could have more than the smallest share."""
        names = {id(one) for one in above}
        model, before = self.search.allocation.model, self.search.values
        others = [mark for mark, one in zip(marks, self.rising, strict=True) if id(one) not in names]
        row, cost = model.row([(mark, 1) for mark in marks], len(above), None), [(mark, -1) for mark in others]
        answer = self.search.relax(cost)
        if answer.bound is None or answer.bound < 0:
            answer = self.search.propose(cost, PUSH_NODES)
        model.truncate(row, model.size)
        self.search.values = before
        return answer.bound is not None and answer.bound >= 0


def _gpus(one: Sharer, share: Fraction) -> int:
    """Return the GPUs that a share takes."""
    return math.ceil(share * one.whole)
