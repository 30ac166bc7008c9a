"""What one project gets in the best ranking, decided only up to its turn, from a plan whose ranking is near to it.

Two rankings compare by the first project that gets something else. So a single integer program tells whether any plan
is better than a known one up to some turn: it chooses a turn, keeps what all before it have, and gives the one whose
turn it is more. Where there is such a plan, the earliest turn is where the best ranking leaves the known one for good;
what it gets then is found in the same way. Where there is none, all up to the turn is decided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from kalloc.allocate.build import build
from kalloc.allocate.decode import bundles_of, decode
from kalloc.allocate.goals import GOALS
from kalloc.allocate.lexicographic import NoAnswerError, Search
from kalloc.allocate.ranking import Line, worths_of
from kalloc.allocate.tiers import prepare
from kalloc.errors import InstanceError
from kalloc.instance.objective import SENSES
from kalloc.instance.policy import decimal
from kalloc.place.rooms import Rooms
from kalloc.solver import Answer, Limits, Status, solve_cp_sat, solve_scip, whole_row
from kalloc.verify import TIER_VALUES
from kalloc.whatif.equal import Unseated
from kalloc.whatif.lever import Facts, Lever
from kalloc.whatif.levers import levers_of
from kalloc.whatif.settle import seatable, shaped

if TYPE_CHECKING:
    from kalloc.allocate.model import Allocation
    from kalloc.instance import Instance

Granted = Mapping[tuple[str, str], int]
"""GPUs by project and kind, where there are any."""
NEARER_EFFORT = 0.5
"""Deterministic seconds to look for a plan nearer to the known one, once it must be left."""


@dataclass(frozen=True)
class Turn:
    """What a project gets in the best ranking, and who before it gets something else than in the known plan."""

    gets: int
    others: Mapping[str, int]
    """GPUs that those before it in the ranking get more than in the known plan, below zero where less."""
    granted: Granted
    """An allocation whose ranking is the best up to the turn of the project; after it, it need not be."""


def by_turns(instance: Instance) -> bool:
    """Tell whether what a project gets is decided by `ranked`, after tiers that are one sum and see no merit."""
    names = instance.objective.names
    sums = GOALS.keys() - {"merit"}
    return "ranked" in names and sums.issuperset(names[: names.index("ranked")])


def turn_of(instance: Instance, project: str, known: Granted, limits: Limits) -> Turn | None:
    """Return what a project gets in the best ranking; None where that is not proven, or cannot be seated, in time.

    ``known`` is what some plan of the instance grants. That of the best ranking is seated, too, where seats matter.

    Raises:
        NoAnswerError: where the instance has no plan.
    """
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    best = _kept(allocation, known, limits)
    ranking = _Ranking.of(allocation, project, limits)
    found = None if best is None else ranking.decided(best)
    if found is None:
        return None
    if found is not known and shaped(instance) and not seatable(instance, found, limits):
        return None
    had, has = _totals(known), _totals(found)
    others = {name: has[name] - had[name] for name in ranking.order[:-1] if has[name] != had[name]}
    return Turn(has[project], others, found)


def enough(instance: Instance, project: str, known: Granted, limits: Limits) -> tuple[float, int] | None:
    """Return the least merit with which a project that gets nothing is served, and the GPUs that it then gets.

    ``known`` is what the best ranking grants up to its turn. It keeps being the best before an earlier turn, so the
    latest turn at which the project can have anything beside those before it is enough. None where that is not proven,
    or cannot be seated, in time.

    Raises:
        NoAnswerError: where the instance has no plan.
    """
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    ranking = _Ranking.of(allocation, project, limits)
    found = None if _kept(allocation, known, limits) is not known else ranking.latest(known)
    if found is None:
        return None
    granted, turn = found
    merit = _least_merit(instance, project, ranking.order[turn])
    if merit is None:
        return None
    rows = (row.model_copy(update={"merit": merit}) if row.project == project else row for row in instance.projects)
    then = turn_of(instance.replace(projects=tuple(rows)), project, granted, limits)
    return None if then is None else (merit, then.gets)


def changes_by_turns(
    instance: Instance, project: str, now: Turn, limits: Limits
) -> Iterator[tuple[str, Facts, int, bool]]:
    """Yield the levers that give a project more, each decided anew up to its turn, as long as there is time.

    Each is told by the name and figures of its sentence, by what the project then gets, and by whether it is counted
    and one step less was solved, too. Whom it costs is not told: those after it in the ranking are not decided.
    """
    for lever in levers_of(instance, project):
        tried = {0: now.gets}
        low, high = 0, lever.most
        while high > 0 and (high - low > 1 or high not in tried):
            steps = high if high not in tried else (low + high) // 2
            gets = _after(lever, steps, project, now, limits)
            if gets is None:
                break
            tried[steps] = gets
            if gets > now.gets:
                high = steps
            elif steps == lever.most:
                break
            else:
                low = steps
        if tried.get(high, 0) > now.gets:
            yield lever.code, lever.facts(high), tried[high], bool(lever.unit) and high - low == 1


def _after(lever: Lever, steps: int, project: str, now: Turn, limits: Limits) -> int | None:
    """Return what a project gets in its turn after some steps of a lever; None where that is not proven in time."""
    try:
        found = None if limits.over else turn_of(lever.apply(steps), project, now.granted, limits)
    except (NoAnswerError, InstanceError):
        return None
    return None if found is None else found.gets


def _least_merit(instance: Instance, project: str, before: str) -> float | None:
    """Return the least merit, in the decimals that merits are written in, with which a project comes before another."""
    digits = max(len(repr(row.merit).partition(".")[2].rstrip("0")) for row in instance.projects)
    place = {row.project: number for number, row in enumerate(instance.projects)}
    other = decimal(instance.project_of[before].merit)
    more = 0 if place[project] < place[before] else Fraction(1, 10**digits)
    return float(other + more) if other + more > decimal(instance.project_of[project].merit) else None


def _totals(granted: Granted) -> Mapping[str, int]:
    return defaultdict(int, {name: sum(bundle.values()) for name, bundle in bundles_of(granted).items()})


def _kept(allocation: Allocation, known: Granted, limits: Limits) -> Granted | None:
    """Settle the tiers before `ranked` and keep them; return an allocation that does, the known one if it can be.

    A sum of nothing but losses that is 0 in the known allocation needs no solve. None where a tier is not proven.
    """
    instance, search = allocation.instance, Search(allocation, limits)
    bundles = bundles_of(known)
    records, as_good = Unseated(instance, bundles, {name: {} for name in bundles}), True
    for tier in instance.objective.tiers[: instance.objective.names.index("ranked")]:
        goal, value = GOALS[tier.name](allocation, tier), TIER_VALUES[tier.name](records, tier)
        if as_good and SENSES[tier.name] == "min" and value == 0:
            allocation.model.row(goal.terms, 0, None)
            continue
        settled = search.settle(tier.name, goal)
        if settled.value != settled.bound or not settled.complete:
            return None
        as_good = as_good and settled.value == value
    if not as_good:
        search.maximise([])
    return known if as_good or search.values is None else decode(allocation, search.values)


@dataclass
class _Ranking:
    """The turns up to that of a project."""

    allocation: Allocation
    limits: Limits
    order: list[str]
    """The projects in the order of their turns, the one that is looked at last."""
    class_of: Mapping[str, int]
    lines: Sequence[Line]

    @classmethod
    def of(cls, allocation: Allocation, project: str, limits: Limits) -> _Ranking:
        """Return the turns of an allocation up to a project."""
        order = [row.project for row in sorted(allocation.instance.projects, key=lambda row: -row.merit)]
        class_of = {name: index for index, members in enumerate(allocation.classes) for name in members.members}
        lines = [Line(allocation, index, worths_of(allocation, index)) for index in range(len(allocation.classes))]
        return cls(allocation, limits, order[: order.index(project) + 1], class_of, lines)

    def decided(self, known: Granted) -> Granted | None:
        """Return an allocation whose ranking is the best up to the last turn; None where that is not proven."""
        best, start = known, 0
        while not self.limits.over:
            answer, start = self._better(best, start)
            if answer.status is Status.INFEASIBLE:
                return best
            if answer.status is not Status.OPTIMAL or answer.values is None:
                return None
            best = decode(self.allocation, answer.values)
        return None

    def _better(self, known: Granted, start: int) -> tuple[Answer, int]:
        """Return a plan that leaves the ranking of a known one for a better one as early as can be.

        The turns before ``start`` are decided; also returned is from which on they are not then.
        """
        model = self.allocation.model
        rows, size = len(model.row_lower), model.size
        marks = self._turns(self._worths(known), start)
        if not marks:
            return Answer.nothing(Status.INFEASIBLE), start
        model.cost[:] = [0] * model.size
        for turn, mark in marks.items():
            model.cost[mark] = turn
        answer = solve_scip(model, self.limits)
        if answer.status is Status.OPTIMAL and answer.values is not None:
            start = next(turn for turn, mark in marks.items() if answer.values[mark])
            answer = self._nearer(known, start, marks[start], answer)
        model.truncate(rows, size)
        return answer, start

    def latest(self, known: Granted) -> tuple[Granted, int] | None:
        """Return the latest turn at which the last project could have anything beside those before it, and a plan.

        In the plan it has the most that it could. None where there is none, or the time is up.
        """
        model, index = self.allocation.model, self.class_of[self.order[-1]]
        rows, size = len(model.row_lower), model.size
        counted: dict[tuple[int, Fraction], int] = defaultdict(int)
        demands: dict[tuple[int, Fraction], dict[int, int]] = defaultdict(dict)
        marks = [model.variable(0, 1) for _ in self.order]
        for mark, name, worth in zip(marks, self.order, self._worths(known), strict=True):
            for key, count in counted.items():
                demands[key][mark] = count
            for less in self.lines[self.class_of[name]].worths:
                if less <= worth:
                    counted[self.class_of[name], less] += 1
        own, wanted = self.lines[index].worths, list[int]()
        for worth in own:
            wanted.append(model.variable(0, 1))
            demands[index, worth][wanted[-1]] = 1
        for key, counts in demands.items():
            self._demand(*key, counts)
        model.row([(mark, 1) for mark in marks], 1, 1)
        model.row([(want, 1) for want in wanted], 1, 1)
        model.cost[:] = [0] * model.size
        for turn, mark in enumerate(marks):
            model.cost[mark] = -turn * len(own)
        for place, want in enumerate(wanted):
            model.cost[want] = place
        answer = solve_scip(model, self.limits)
        model.truncate(rows, size)
        if answer.status is not Status.OPTIMAL or answer.values is None:
            return None
        turn = next(turn for turn, mark in enumerate(marks) if answer.values[mark])
        return decode(self.allocation, answer.values), turn

    def _worths(self, granted: Granted) -> list[Fraction]:
        """Return what the GPUs of each project in the order are worth to it."""
        found = []
        for name in self.order:
            offers = self.allocation.classes[self.class_of[name]].offers
            found.append(sum((offer.value * granted.get((name, offer.kind), 0) for offer in offers), Fraction(0)))
        return found

    def _turns(self, worths: Sequence[Fraction], start: int) -> dict[int, int]:
        """Add a mark for each turn from a start on at which somebody might get more, of which one is set, and its rows.

        A class counts how many of its members have at least a worth. Before the turn of the mark that is set, as many
        as in the known ranking have; at the turn itself, one more has the next better worth.
        """
        marks = dict[int, int]()
        counted: dict[tuple[int, Fraction], int] = defaultdict(int)
        demands: dict[tuple[int, Fraction], dict[int, int]] = defaultdict(dict)
        for turn, (name, worth) in enumerate(zip(self.order, worths, strict=True)):
            index = self.class_of[name]
            better = [more for more in self.lines[index].worths if more > worth] if turn >= start else []
            if better:
                mark = marks[turn] = self.allocation.model.variable(0, 1)
                for key, count in counted.items():
                    demands[key][mark] = count
                demands[index, better[-1]][mark] = counted[index, better[-1]] + 1
            for had in self.lines[index].worths:
                if had <= worth:
                    counted[index, had] += 1
        for (index, worth), counts in demands.items():
            self._demand(index, worth, counts)
        self.allocation.model.row([(mark, 1) for mark in marks.values()], 1, 1)
        return marks

    def _demand(self, index: int, worth: Fraction, counts: Mapping[int, int], least: int = 0) -> None:
        """Demand that at least so many of a class have at least a worth, and as many more as variables count."""
        line, model = self.lines[index], self.allocation.model
        if self.allocation.classes[index].amount_is_one:
            model.row([*line.having(worth), *((mark, -count) for mark, count in counts.items())], least, None)
        else:  # a class of one project
            less = [(mark, -worth * count) for mark, count in counts.items() if count]
            whole_row(model, [*line.worth_of_all(), *less], least * worth, None)

    def _nearer(self, known: Granted, turn: int, mark: int, found: Answer) -> Answer:
        """Return a plan that leaves the known ranking at the same turn, with more for whose turn it is if that can be.

        Then, it takes less from those after it.
        """
        model, own = self.allocation.model, self.class_of[self.order[turn]]
        counted: dict[tuple[int, Fraction], int] = defaultdict(int)
        wanted: dict[tuple[int, Fraction], int] = {}
        for at, (name, worth) in enumerate(zip(self.order, self._worths(known), strict=True)):
            index = self.class_of[name]
            reached = next((less for less in self.lines[index].worths if less <= worth), None)
            if reached is not None:
                counted[index, reached] += 1
            for more in self.lines[index].worths if at == turn else ():
                if more > worth:
                    wanted[own, more] = sum(n for (i, had), n in counted.items() if i == own and had >= more)
        cost = []
        for key, count in counted.items():
            lost = model.variable(0, count)
            cost.append((lost, 1))
            self._demand(*key, {lost: -1}, count)
        for key, count in wanted.items():
            up = model.variable(0, 1)
            cost.append((up, -len(self.order)))
            self._demand(*key, {mark: count, up: 1})
        model.lower[mark] = 1
        model.cost[:] = [0] * model.size
        for variable, each in cost:
            model.cost[variable] = each
        nearer = solve_cp_sat(model, replace(self.limits, effort=NEARER_EFFORT))
        return found if nearer.values is None else replace(nearer, status=Status.OPTIMAL)
