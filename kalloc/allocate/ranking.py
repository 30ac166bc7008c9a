"""The tier `ranked`: one project after another gets the most that it can have beside those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

from kalloc.allocate.lexicographic import Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.instance.policy import decimal
from kalloc.solver import Status, Terms, whole_row

CLOSED_TOGETHER = (1000, 200, 40)
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

    def demand(self, worth: Fraction, count: int) -> None:
        """Let so many projects of the class have at least a worth."""
        if worth not in self.rows:
            self.rows[worth] = self._row(worth)
        self.allocation.model.row_lower[self.rows[worth]] = count

    def release(self) -> None:
        """Demand no more than what was decided."""
        for worth, row in self.rows.items():
            self.allocation.model.row_lower[row] = sum(1 for had in self.got if had >= worth)

    def _row(self, worth: Fraction) -> int:
        members = self.allocation.classes[self.index]
        if members.amount_is_one:
            return self.allocation.model.row(self.having(worth), 0, None)
        # A class of one project: it has the worth where its GPUs of all kinds together are worth as much.
        return self._whole(worth)

    def _whole(self, worth: Fraction) -> int:
        allocation, members = self.allocation, self.allocation.classes[self.index]
        any_of = allocation.model.variable(0, 1)
        shares = [
            (variable, wish.value * factor)
            for offer, wish in enumerate(members.offers)
            for variable, factor in allocation.gpus(self.index, offer)
        ]
        whole_row(allocation.model, [*shares, (any_of, -worth)], Fraction(0), None)
        return allocation.model.row([(any_of, 1)], 0, None)

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

    Several in a row that can all have what each wants most need one solve; so do several that can have nothing.
    """
    allocation = search.allocation
    lines = [Line(allocation, index, _worths(allocation, index)) for index in range(len(allocation.classes))]
    order = _order(allocation)
    if search.values is None:
        search.maximise([])
    at, stride, complete = 0, 1, True
    while at < len(order) and complete:
        ahead = order[at : at + stride]
        outcome = _serve(search, lines, ahead)
        if outcome is None:
            complete = False
        elif outcome:
            at, stride = at + len(ahead), stride * 2
        elif len(ahead) > 1:
            stride = max(1, len(ahead) // 4)
        else:
            lines[ahead[0]].worths.pop(0)
            if not lines[ahead[0]].worths:
                complete = _close(search, lines, order[at:])
    for line in lines:
        line.release()
    merits = [merit_of(allocation, line.index) for line in lines]
    total = sum((merit * sum(line.got, Fraction(0)) for merit, line in zip(merits, lines, strict=True)), Fraction(0))
    return Settled("ranked", total, total if complete else None, complete)


def merit_of(allocation: Allocation, index: int) -> Fraction:
    """Return the merit of the projects of a class."""
    return decimal(allocation.instance.project_of[allocation.classes[index].members[0]].merit)


def _worths(allocation: Allocation, index: int) -> list[Fraction]:
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


def _serve(search: Search, lines: Sequence[Line], ahead: Sequence[int]) -> bool | None:
    """Give the next projects what each wants most, if they can have it all together; None where that stays open."""
    wanted = list(_wanted(lines, ahead))
    for line, worth, count in wanted:
        line.demand(worth, count)
    answer = search.solve([]) if wanted else None
    if answer is None or answer.values is not None:
        for index in ahead:
            line = lines[index]
            line.got.append(line.worths[0] if line.worths else Fraction(0))
        return True
    for line in {id(line): line for line, _, _ in wanted}.values():
        line.release()
    return False if answer.status is Status.INFEASIBLE else None


def _wanted(lines: Sequence[Line], ahead: Sequence[int]) -> Iterator[tuple[Line, Fraction, int]]:
    """Yield the classes of the next projects with the worth that each wants most and how many are to have it."""
    more: dict[int, int] = {}
    for index in ahead:
        more[index] = more.get(index, 0) + 1
    for index, count in more.items():
        line = lines[index]
        if line.worths:
            yield line, line.worths[0], sum(1 for had in line.got if had >= line.worths[0]) + count


def _close(search: Search, lines: Sequence[Line], rest: Sequence[int]) -> bool:
    """Drop all hopes of the next projects where none of them can have anything; tell whether that could be decided."""
    for size in CLOSED_TOGETHER:
        classes = [lines[index] for index in dict.fromkeys(rest[:size]) if lines[index].worths]
        if not classes or any(not line.allocation.classes[line.index].amount_is_one for line in classes):
            continue
        terms = [term for line in classes for term in line.having(line.worths[-1])]
        decided = sum(sum(1 for had in line.got if had >= line.worths[-1]) for line in classes)
        answer = search.solve([(variable, -factor) for variable, factor in terms])
        if answer.bound is None:
            return False
        if -answer.bound <= decided:
            for line in classes:
                line.worths.clear()
            return True
    return True
