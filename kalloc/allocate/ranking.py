"""The tier `ranked`: one project after another gets the most that it can have beside those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.instance.policy import decimal
from kalloc.solver import Status, Terms, whole_row

MAX_WEIGHT = 2**28
"""Weights up to which solvers in floating point tell a sum from the next one."""
CLOSED_TOGETHER = (1000, 200)
"""Projects in a row that are shown together to get nothing, where they cannot."""


@dataclass
class Line:
    """The projects of one class in their order, of which the first ones are served; the worths that are still open.

    Alike projects come one after another: what one could not get, a later one cannot get either.
    """

    allocation: Allocation
    index: int
    worths: list[Fraction]
    """Worths that a project may get, the largest first; those that are out of reach are dropped."""
    got: list[Fraction] = field(default_factory=list)
    """What the projects decided so far get."""
    rows: dict[Fraction, int] = field(default_factory=dict)

    def decided(self, worth: Fraction) -> int:
        """Return how many projects decided so far have at least a worth."""
        return sum(1 for had in self.got if had >= worth)

    def take(self, worth: Fraction) -> None:
        """Decide that the next project of the class gets a worth, no less."""
        self.got.append(worth)
        if worth == 0:
            return
        if worth not in self.rows:
            self.rows[worth] = self._demand(worth)
        self.allocation.model.row_lower[self.rows[worth]] = self.decided(worth)

    def _demand(self, worth: Fraction) -> int:
        """Return a row that demands that enough projects have at least a worth."""
        if self.allocation.classes[self.index].amount_is_one:
            return self.allocation.model.row(self.having(worth), 0, None)
        had = self.allocation.model.variable(0, 1)
        self.bound([had], worth)
        return self.allocation.model.row([(had, 1)], 0, None)

    def bound(self, marks: Sequence[int], worth: Fraction) -> None:
        """Let no more of some variables be 1 than projects beyond those decided can have at least a worth."""
        model, members = self.allocation.model, self.allocation.classes[self.index]
        if members.amount_is_one:
            model.row([*self.having(worth), *((mark, -1) for mark in marks)], self.decided(worth), None)
            return
        # A class of one project: it has the worth where its GPUs of all kinds together are worth as much.
        for mark in marks:
            whole_row(model, [*self.worth_of_all(), (mark, -worth)], Fraction(0), None)

    def worth_of_all(self) -> list[tuple[int, Fraction]]:
        """Return what the GPUs of all kinds are worth to a class of one project."""
        return [
            (variable, wish.value * factor)
            for offer, wish in enumerate(self.allocation.classes[self.index].offers)
            for variable, factor in self.allocation.gpus(self.index, offer)
        ]

    def has(self, search: Search, worth: Fraction) -> bool:
        """Tell whether the next project has at least a worth at the best point so far."""
        assert search.values is not None
        if self.allocation.classes[self.index].amount_is_one:
            return search.of(self.having(worth)) > self.decided(worth)
        return sum(factor * int(search.values[variable]) for variable, factor in self.worth_of_all()) >= worth

    def having(self, worth: Fraction) -> Terms:
        """Return how many projects of the class have at least a worth, where each has one amount."""
        found: Terms = []
        for offer, wish in enumerate(self.allocation.classes[self.index].offers):
            rungs = self.allocation.ladder[self.index, offer]
            enough = (rung for gpus, rung in zip(wish.amounts, rungs, strict=True) if gpus * wish.value >= worth)
            found += [(rung, 1) for rung in islice(enough, 1)]
        return found


def ranked(search: Search) -> Settled:
    """Serve the projects by falling merit, those of equal merit in the order of the table.

    One solve decides the next few at once: what each may get is weighed more than all that those after it may. Whoever
    has all it wants at the point found needs no solve of its own, and many of whom none can have anything need one.
    """
    allocation = search.allocation
    lines = [Line(allocation, index, worths_of(allocation, index)) for index in range(len(allocation.classes))]
    order = _order(allocation)
    if search.values is None:
        search.maximise([])
    at, complete = 0, True
    while at < len(order) and complete:
        at += _content(search, lines, order[at:])
        block = _block(lines, order[at:])
        served = _decide(search, lines, block) if block else False
        complete = served is not None
        at += len(block) if complete else 0
        if complete and not served and at < len(order):
            complete = _close(search, lines, order[at:])
    total = sum((merit_of(allocation, line.index) * sum(line.got, Fraction(0)) for line in lines), Fraction(0))
    return Settled("ranked", total, total if complete else None, complete)


def merit_of(allocation: Allocation, index: int) -> Fraction:
    """Return the merit of the projects of a class."""
    return decimal(allocation.instance.project_of[allocation.classes[index].members[0]].merit)


def worths_of(allocation: Allocation, index: int) -> list[Fraction]:
    """Return what a project of a class may get, the most first; nothing is always possible, and not listed."""
    members = allocation.classes[index]
    sums = {Fraction(0)}
    for wish in members.offers:
        each = {wish.value * gpus for gpus in wish.amounts}
        sums |= each if members.amount_is_one else {had + worth for had in sums for worth in each}
    return sorted((worth for worth in sums if worth > 0), reverse=True)


def _order(allocation: Allocation) -> list[int]:
    """Return the class of each project, in the order in which they are served."""
    instance = allocation.instance
    class_of = {name: index for index, members in enumerate(allocation.classes) for name in members.members}
    return [class_of[row.project] for row in sorted(instance.projects, key=lambda row: -row.merit)]


def _content(search: Search, lines: Sequence[Line], rest: Sequence[int]) -> int:
    """Give the next projects what they want most as long as the point at hand does; return how many they are."""
    for count, index in enumerate(rest):
        line = lines[index]
        if line.worths and not line.has(search, line.worths[0]):
            return count
        line.take(line.worths[0] if line.worths else Fraction(0))
    return len(rest)


def _block(lines: Sequence[Line], rest: Sequence[int]) -> list[int]:
    """Return the next projects that one solve can tell apart by weight."""
    block: list[int] = []
    size = 1
    for index in rest:
        size *= len(lines[index].worths) + 1
        if block and size > MAX_WEIGHT:
            break
        block.append(index)
    return block


def _decide(search: Search, lines: Sequence[Line], block: Sequence[int]) -> bool | None:
    """Give each of some projects the most that it can have beside those before it.

    Returns whether any of them gets anything, None where that stays open.
    """
    model = search.allocation.model
    rows, size = len(model.row_lower), model.size
    places: dict[int, list[list[int]]] = {}
    cost: Terms = []
    weight = 1
    reached: list[list[int]] = []
    for index in reversed(block):
        steps = [model.variable(0, 1) for _ in lines[index].worths]
        places.setdefault(index, []).append(steps)
        cost += [(step, -weight) for step in steps]
        weight *= len(steps) + 1
        reached.append(steps)
    for index, members in places.items():
        for position, worth in enumerate(lines[index].worths):
            lines[index].bound([steps[position] for steps in members], worth)
    answer = search.solve(cost)
    search.forget(rows, size)
    if answer.status is not Status.OPTIMAL or answer.values is None:
        return None
    for index, steps in zip(block, reversed(reached), strict=True):
        worths = lines[index].worths
        got = sum(int(answer.values[step]) for step in steps)
        del worths[: len(worths) - got]
        lines[index].take(worths[0] if worths else Fraction(0))
    return any(lines[index].got[-1] for index in block)


def _close(search: Search, lines: Sequence[Line], rest: Sequence[int]) -> bool:
    """Drop all hopes of the next projects where none of them can have anything; tell whether that could be decided."""
    for size in CLOSED_TOGETHER:
        classes = [lines[index] for index in dict.fromkeys(rest[:size]) if lines[index].worths]
        if not classes or any(not line.allocation.classes[line.index].amount_is_one for line in classes):
            continue
        terms = [term for line in classes for term in line.having(line.worths[-1])]
        decided = sum(line.decided(line.worths[-1]) for line in classes)
        answer = search.solve([(variable, -factor) for variable, factor in terms])
        if answer.bound is None:
            return False
        if -answer.bound <= decided:
            for line in classes:
                line.worths.clear()
            return True
    return True
