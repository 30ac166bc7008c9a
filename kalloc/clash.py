"""Why no plan can exist: a smallest set of requests and rules that exclude each other, and the cheapest way out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil

from kalloc.allocate.model import Allocation, Measure
from kalloc.errors import Way
from kalloc.solver import Answer, Limits, Model, Status, solve_cp_sat, solve_scip, whole_row

PER_GPU = frozenset({"quota", "borrowing", "room", "lend"})
"""Rules whose rows count GPUs: loosened by one, they cost one GPU."""
PER_PROJECT = frozenset({"mandatory", "stays"})
"""Rules whose rows count projects: each that is let go costs the GPUs that it must have."""


UNITS = {
    "GPUs": PER_GPU | PER_PROJECT | {"limit"},
    "won": frozenset({"budget"}),
    "kW": frozenset({"power"}),
}
"""Which rules give way, by what the cheapest way to a plan is counted in."""


@dataclass(frozen=True)
class Loosened:
    """One rule or request of the cheapest way to a plan, and by how much it gives way."""

    sentence: str
    amount: int
    """GPUs that a rule allows more (or a floor less), or that projects do without; won; or watts."""
    unit: str
    fewer: bool = False

    @property
    def shown(self) -> float:
        """The amount in its unit, watts as kW."""
        return self.amount / 1000 if self.unit == "kW" else self.amount

    def __str__(self) -> str:
        """Return the sentence with its amount."""
        return f"{self.sentence}; {self.shown:,.12g} {self.unit} {'fewer' if self.fewer else 'more'}"


def why_impossible(allocation: Allocation, limits: Limits) -> tuple[list[str], list[Way]]:
    """Return what excludes itself, and the cheapest way to a plan by each measure that has one."""
    ways = ways_of(allocation, limits)
    return clash_of(allocation, limits), ways


def ways_of(allocation: Allocation, limits: Limits) -> list[Way]:
    """Return the cheapest way to a plan by each measure that has one, as far as the model sees."""
    ways = []
    for unit in UNITS:
        found = relaxation_of(allocation, limits, unit)
        if found:
            total = sum(one.amount for one in found)
            ways.append(Way(unit, total / 1000 if unit == "kW" else total, tuple(map(str, found))))
    return ways


def clash_of(allocation: Allocation, limits: Limits) -> list[str]:
    """Return the sentences of a set of rules that cannot hold together and of which none can be missed.

    Rows are put in order, rules first and then requests by falling size; the shortest run of them from the start that
    excludes itself is found by halving. Then rules and requests are left out as long as the others exclude themselves,
    many at once where that goes. Where time runs out, the set excludes itself still, but may not be smallest. Empty
    when the rules by themselves leave a plan.
    """
    rows = _Rows(allocation)
    named = sorted(allocation.clash, key=lambda row: (row in rows.asked, -rows.asked.get(row, 0), row))
    if not rows.impossible(named, limits):
        return []
    low, high = 0, len(named)
    while high - low > 1 and not limits.over:
        middle = (low + high) // 2
        low, high = (low, middle) if rows.impossible(named[:middle], limits) else (middle, high)
    kept = set(named[:high])
    _leave_out(rows, kept, [[row] for row in named[:high] if row not in rows.asked], limits)
    _leave_out(rows, kept, rows.alike([row for row in named[:high] if row in rows.asked], kept), limits)
    return _sentences(rows, kept, limits)


def _sentences(rows: _Rows, kept: set[int], limits: Limits) -> list[str]:
    """Return what some rows say, without what all rows of the other sentences make needless."""
    clash = rows.allocation.clash
    said = list(dict.fromkeys(clash[row] for row in sorted(kept)))
    same = {sentence: {row for row, other in clash.items() if other == sentence} for sentence in said}
    if sum(map(len, same.values())) > len(kept):
        every = set[int]().union(*same.values())
        for sentence in list(said):
            if not limits.over and rows.impossible(every - same[sentence], limits):
                every -= same[sentence]
                said.remove(sentence)
    return said


def exclusive(allocation: Allocation, rows: Collection[int], limits: Limits) -> bool:
    """Tell whether some named rows exclude each other, together with all that has no name."""
    return _Rows(allocation).impossible(rows, limits)


def _leave_out(rows: _Rows, kept: set[int], groups: Sequence[Sequence[int]], limits: Limits) -> None:
    """Take groups of rows from those that are kept, all or some members, as long as the rest exclude each other.

    The first members of a group are those that can be missed first: where the first cannot, no other can.
    """
    if not groups or limits.over:
        return
    members = {row for group in groups for row in group}
    if rows.impossible(kept - members, limits):
        kept -= members
    elif len(groups) > 1:
        middle = len(groups) // 2
        _leave_out(rows, kept, groups[middle:], limits)
        _leave_out(rows, kept, groups[:middle], limits)
    else:
        group, low, high = groups[0], 0, len(groups[0])
        while high - low > 1 and not limits.over:
            middle = (low + high) // 2
            low, high = (middle, high) if rows.impossible(kept - {*group[:middle]}, limits) else (low, middle)
        kept -= {*group[:low]}


def relaxation_of(allocation: Allocation, limits: Limits, unit: str = "GPUs") -> list[Loosened]:
    """Return the rules and requests to loosen so that the rules leave a plan, by the least of a unit in all.

    Named rows of that unit may be violated at a price: a GPU more of a rule costs one, as do a GPU that a limit counts,
    a won of a budget, and a watt; a project that must be served or stay costs the fewest GPUs that it must have. All
    other rows hold. Empty where no way was proven cheapest within the limits.
    """
    if not any(sentence.partition(":")[0] in UNITS[unit] for sentence in allocation.clash.values()):
        return []
    full = allocation.model
    rows = _Rows(allocation)
    upper = [allocation.loose.get(variable, most) for variable, most in enumerate(full.upper)]
    model = Model(lower=list(full.lower), upper=upper, cost=[0] * full.size)
    slack: list[tuple[int, int, int]] = []
    for row, columns in enumerate(full.row_columns):
        terms = list(zip(columns, full.row_factors[row], strict=True))
        low, high = full.row_lower[row], full.row_upper[row]
        rule = allocation.clash.get(row, "").partition(":")[0]
        if rule in UNITS[unit] and row in allocation.measures:
            slack += [(row, variable, 1) for variable in _measured(model, allocation.measures[row])]
            continue
        if rule in UNITS[unit] & (PER_GPU | PER_PROJECT):
            price = rows.fewest(row) if rule in PER_PROJECT else 1
            most = abs(low or 0) if rule in PER_PROJECT else _furthest(model, terms)
            variable = model.variable(0, most, price)
            slack.append((row, variable, price))
            terms.append((variable, 1 if low is not None else -1))
        model.row(terms, low, high)
    answer = _cheapest(model, limits)
    if answer.values is None or answer.status is not Status.OPTIMAL:
        return []
    used = ((row, int(answer.values[variable]) * price) for row, variable, price in slack)
    return [_loosened(allocation.clash[row], amount, unit) for row, amount in used if amount]


def _loosened(sentence: str, amount: int, unit: str) -> Loosened:
    return Loosened(sentence, amount, unit, sentence.partition(":")[0] in PER_PROJECT)


def _measured(model: Model, measure: Measure) -> list[int]:
    """Add a row that may be violated by whole units; return the variables that count by how many."""
    shares, found = list(measure.shares), []
    furthest = sum((abs(factor) * model.upper[column] for column, factor in shares), Fraction(0))
    for side, sign in ((measure.high, -1), (measure.low, 1)):
        if side is not None:
            found.append(model.variable(0, ceil(furthest + abs(side)), 1))
            shares.append((found[-1], Fraction(sign)))
    whole_row(model, shares, measure.low, measure.high)
    return found


def _cheapest(model: Model, limits: Limits) -> Answer:
    answer = solve_scip(model, limits)
    return answer if answer.status is Status.OPTIMAL else solve_cp_sat(model, limits)


def _furthest(model: Model, terms: Sequence[tuple[int, int]]) -> int:
    """Return the most that a row could come to."""
    return sum(max(factor * model.lower[column], factor * model.upper[column]) for column, factor in terms)


@dataclass
class _Rows:
    """The named rows of an allocation model, and whether some of them exclude each other."""

    allocation: Allocation
    known: dict[frozenset[int], bool] = field(default_factory=dict)

    @cached_property
    def class_of(self) -> dict[int, int]:
        """Class of each variable that counts projects or their GPUs."""
        counted = (self.allocation.served, self.allocation.extra)
        return {variable: index for variables in counted for (index, _), variable in variables.items()}

    @cached_property
    def class_at(self) -> dict[int, int]:
        """Class of the projects that a row asks to be served, for each row that asks for those of one class."""
        model, found = self.allocation.model, {}
        for row in self.allocation.clash:
            columns = [column for column in model.row_columns[row] if model.upper[column] or column in self.class_of]
            classes = {self.class_of.get(column, -1) for column in columns}
            if model.row_lower[row] is not None and classes - {-1} == classes and len(classes) <= 1:
                found[row] = min(classes, default=-1)
        return found

    @cached_property
    def wide(self) -> frozenset[int]:
        """Named rows that ask for more than the projects of one class, so that nobody may be left out beside them."""
        lower = self.allocation.model.row_lower
        return frozenset(row for row in self.allocation.clash if lower[row] is not None and row not in self.class_at)

    @cached_property
    def asking(self) -> bool:
        """Whether a row without a name asks for anything, beyond what seats and sums are equal to."""
        model = self.allocation.model
        for row, (low, high) in enumerate(zip(model.row_lower, model.row_upper, strict=True)):
            if low is not None and low != high and row not in self.allocation.clash:
                classes = {self.class_of.get(column, -1) for column in model.row_columns[row]}
                if len(classes) > 1 or low > 0:
                    return True
        return False

    def fewest(self, row: int) -> int:
        """Return the fewest GPUs of one project that a row asks to be served."""
        index = self.class_at.get(row, -1)
        offers = self.allocation.classes[index].offers if index >= 0 else ()
        return min((offer.first for offer in offers), default=1)

    @cached_property
    def asked(self) -> dict[int, int]:
        """The fewest GPUs that a row asks for, all its projects together; rows that ask for none are missing."""
        classes = self.allocation.classes
        sizes = {row: classes[index].size if index >= 0 else 1 for row, index in self.class_at.items()}
        return {row: size * self.fewest(row) for row, size in sizes.items()}

    def alike(self, rows: Sequence[int], kept: Collection[int]) -> list[list[int]]:
        """Return rows in groups, in each those that ask for less first.

        A group counts alike in every other row that is kept, and sits on the same nodes: its rows differ in size
        alone, so that where the others can be met without a smaller one, they can without a larger one.
        """
        if self.asking or self.wide & frozenset(kept):
            return [[row] for row in rows]
        groups: dict[object, list[int]] = defaultdict(list)
        for row in rows:
            groups[self._kind_of(row, kept)].append(row)
        return [sorted(group, key=lambda row: self.asked[row]) for group in groups.values()]

    def _kind_of(self, row: int, kept: Collection[int]) -> object:
        """Return what rows of one group have in common; the row itself where it is like no other."""
        allocation, index = self.allocation, self.class_at[row]
        members = allocation.classes[index] if index >= 0 else None
        if members is None or len(members.offers) != 1 or members.kept:
            return row
        offer, served = members.offers[0], allocation.served[index, 0]
        marks = []
        for other in self.rows_of[index]:
            columns = allocation.model.row_columns[other]
            named = other in allocation.clash
            own = not named and all(self.class_of.get(column) == index for column in columns)
            flow = allocation.model.row_lower[other] == allocation.model.row_upper[other]
            if own or flow or other in self.asked or (named and other not in kept):
                continue
            factor = allocation.model.row_factors[other][columns.index(served)] if served in columns else 0
            marks.append((other, "GPUs") if factor == offer.first else (other, factor, offer.first))
        rooms = allocation.rooms
        lenders = [lender for lender, outsiders in rooms.outsiders.items() if members.pool in outsiders]
        return tuple(marks), offer.kind, rooms.zones_for(members.pool, offer.kind), tuple(lenders)

    @cached_property
    def rows_of(self) -> dict[int, list[int]]:
        """Rows that have a variable of each class; under −1 those that have none of any."""
        found: dict[int, list[int]] = defaultdict(list)
        for row, columns in enumerate(self.allocation.model.row_columns):
            for index in {self.class_of.get(column, -1) for column in columns} or {-1}:
                found[index].append(row)
        return found

    def impossible(self, rows: Collection[int], limits: Limits) -> bool:
        """Tell whether some named rows exclude each other, together with all that has no name."""
        key = frozenset(rows)
        if key not in self.known:
            self.known[key] = solve_cp_sat(self._model(key), limits).status is Status.INFEASIBLE
        return self.known[key]

    def _model(self, named: frozenset[int]) -> Model:
        """Return the model of some named rows and all that has no name.

        Projects that no row asks for get nothing, which is never in anybody's way, and are left out.
        """
        full, classes = self.allocation.model, self.allocation.classes
        everybody = self.asking or bool(named & self.wide)
        asked = {self.class_at[row] for row in named & self.asked.keys()}
        active = asked | {index for index, members in enumerate(classes) if members.kept or everybody} | {-1}
        model, place = Model(), dict[int, int]()
        for row in self._wanted(active, named):
            terms = []
            for column, factor in zip(full.row_columns[row], full.row_factors[row], strict=True):
                if self.class_of.get(column, -1) in active:
                    if column not in place:
                        most = self.allocation.loose.get(column, full.upper[column])
                        place[column] = model.variable(full.lower[column], most)
                    terms.append((place[column], factor))
            model.row(terms, full.row_lower[row], full.row_upper[row])
        return model

    def _wanted(self, active: Collection[int], named: frozenset[int]) -> Iterator[int]:
        seen = {row for index in active for row in self.rows_of.get(index, ())} | named
        return (row for row in sorted(seen) if row in named or row not in self.allocation.clash)
