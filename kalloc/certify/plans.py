"""Prices, and branches where they leave a gap, that prove a bound of every plan: of merit, or of fragmentation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import floor, inf
from types import MappingProxyType
from typing import Any, NamedTuple

from kalloc.certificate.case import Bundle, covers
from kalloc.certificate.facts import counted
from kalloc.certificate.plans import Branch, Plans, Priced
from kalloc.certificate.rows import Name
from kalloc.certify.facts import FINE, Site
from kalloc.certify.walks import cut, fill
from kalloc.solver import ColumnProgram, Limits

Node = dict[str, Any]
Taken = tuple[float, int, Bundle]
"""How many projects of a group get a bundle."""
Enough = Callable[[Fraction], bool]
"""Tells whether a least cost proves what is to be proven."""

MAX_ROUNDS = 200
MAX_LEAVES = 60
"""Leaves of the largest tree that is sought."""
MAX_SEATED = 2_000
"""The same where seats are looked at one by one: an instance is small then."""
DEAR = 100
"""Times what anything costs that leaving something out costs in the linear program."""
INTEGRAL, TOLERANCE = 1e-6, 1e-6
"""How far from a whole number a fraction is at least; what the cost of a linear program may lack, as a share of it."""
FINEST = 2**40
"""Denominator of prices while they are sought: limits in watts or won are large."""
PLAIN = (1, 2, 12, 840, FINE, FINEST)
"""Denominators that are tried once prices are found."""


def alike(plans: Plans) -> list[list[str]]:
    """Return the projects in groups that no rule and no sum can tell apart, in the order of projects.csv."""
    case, counted = plans.case, defaultdict[str, list[object]](list)
    for of, line in plans.rows.items():
        for name, factor in line.terms.items():
            if name[0] == "got":
                counted[name[1]].append((of, name[2], factor))
    sums = [aim for aim in (*plans.floors.values(), plans.goal) if aim is not None and aim.parties]
    special = {*counted, *plans.worth}.union(*(aim.parties for aim in sums))
    groups: dict[object, list[str]] = {}
    for project, same in case.same.items():
        key: object = same
        if plans.given is not None:
            key = project
        elif project in special:
            among = tuple(tuple(plans.added(aim, project)) for aim in sums if project in aim.parties)
            key = (same, plans.worth.get(project), *counted[project], among)
        groups.setdefault(key, []).append(project)
    return list(groups.values())


class Column(NamedTuple):
    """A bundle for a project of a group with the parts that it is cut into, or a domain filled."""

    cost: int
    entries: Mapping[int, int]
    """Factors by row."""
    group: int = -1
    bundle: Bundle = MappingProxyType({})


class Columns:
    """The rows that all branches of a tree have, and the columns found so far: what projects and domains like best."""

    def __init__(self, plans: Plans, sites: Sequence[Site]) -> None:
        case = plans.case
        self.plans, self.case, self.sites, self.groups = plans, case, sites, alike(plans)
        self.found: dict[object, Column] = {}
        self.row: dict[object, int] = {}
        self.sides: list[tuple[float, float]] = []
        self.start = Priced(plans, self.node(FINEST, {}, 0), (), self.groups)
        for group, members in enumerate(self.groups):
            self._row(("group", group), len(members), len(members))
        for (rule, key), row in plans.rows.items():
            least = sum(factor * plans.boxes[name][0] for name, factor in row.terms.items() if name in plans.boxes)
            self._row((rule, key), row.most - least if row.equal else -inf, row.most - least)
        for aim in plans.floors.values():
            least = sum(factor * plans.boxes[name][0] for name, factor in aim.terms.items())
            self._row(("tier", aim.name), aim.reached - least, inf)
        for at, market in enumerate(self.start.markets):
            for children, count in Counter(market.domains).items():
                self._row(("state", at, children), -inf, count)
            for part in range(1, market.largest + 1):
                self._row(("part", at, part), 0, inf)
        self.spoken: dict[Name, dict[int, int]] = defaultdict(dict)
        for of, row in plans.rows.items():
            for name, factor in row.terms.items():
                self.spoken[name][self.row[of]] = factor
        for aim in plans.floors.values():
            for name, factor in aim.terms.items():
                self.spoken[name][self.row["tier", aim.name]] = factor
        for group, members in enumerate(self.groups):
            for bundle in self._extremes(members[0]) if not sites else ():
                self._choose(self.start, group, bundle)
        self.grow(self.start)

    def _extremes(self, project: str) -> Iterator[Bundle]:
        """Yield what has the least or the most of each kind, or nothing: all else lies between these."""
        ends = {r.kind: self.case.amounts(r) for r in self.case.instance.requests_of[project]}
        for bundle in self.plans.bundles(project):
            if all(gpus in (ends[kind][0], ends[kind][-1]) for kind, gpus in bundle.items()):
                yield bundle

    def _row(self, name: object, least: float, most: float) -> None:
        self.row[name] = len(self.sides)
        self.sides.append((least, most))

    def node(self, denominator: int, duals: Mapping[object, float], branches: int) -> Node:
        """Return duals, by the names of rows, as a leaf of so many branches, its prices with a denominator."""

        def price(*name: object, signed: bool = False) -> int:
            dual = duals.get(name, 0.0)
            return round((-dual if signed else abs(dual)) * denominator)

        rules: dict[str, list[list[Any]]] = {}
        for (rule, key), row in self.plans.rows.items():
            if found := price(rule, key, signed=row.equal):
                rules.setdefault(rule, []).append([*key, found])
        markets = []
        for at, site in enumerate(self.sites):
            last = max((name[2] for name in duals if isinstance(name, tuple) and name[:2] == ("part", at)), default=0)
            entry = site.entry(denominator, [price("part", at, part) for part in range(1, last + 1)])
            del entry["denominator"]
            markets.append(entry)
        return {
            "denominator": denominator,
            "tiers": {tier: price("tier", tier) for tier in self.plans.floors},
            "rules": rules,
            "branches": [price("branch", at) for at in range(branches)],
            "markets": markets,
        }

    def grow(self, priced: Priced) -> int:
        """Add the best bundles, cuts and fillings at some prices; return how many are new."""
        before = len(self.found)
        for group, members in enumerate(self.groups):
            bundle, _ = min(priced.choices(members[0]), key=lambda choice: choice[1])
            self._choose(priced, group, bundle)
        for at, market in enumerate(priced.markets):
            for children in set(market.domains):
                cost, parts = fill(market, children)
                entries = {self.row["part", at, part]: count for part, count in parts.items()}
                self._add(Column(cost, {self.row["state", at, children]: 1, **entries}))
        return len(self.found) - before

    def _choose(self, priced: Priced, group: int, bundle: Bundle) -> None:
        """Add a bundle of a group, cut as is best at some prices."""
        case, project, weights = self.case, self.groups[group][0], self.plans.weights
        pool = case.pool_of[project]
        floors = self.plans.floors.values()
        entries: Counter[int] = Counter({self.row["tier", aim.name]: aim.adds(project, bundle) for aim in floors})
        entries[self.row["group", group]] = 1
        for kind, gpus in bundle.items():
            for name in (("use", pool, kind), ("got", project, kind)):
                for row, factor in self.spoken[name].items():
                    entries[row] += factor * gpus
        goal = self.plans.goal
        cost, some = 0 if goal is None else -goal.adds(project, bundle), [*priced.markets]
        if some or any(weights):
            seen, left = counted(case, project, bundle, some)
            cost += case.unseen(project, tuple(bundle.items()), left, weights, goal is None)
            for market in seen:
                more, parts = cut(market, project, bundle)
                at, cost = some.index(market), cost + more
                entries.update({self.row["part", at, part]: -count for part, count in parts.items()})
        self._add(Column(cost, entries, group, bundle))

    def _add(self, column: Column) -> None:
        self.found.setdefault((column.group, *column.bundle.items(), *sorted(column.entries.items())), column)


class Program:
    """The linear program of all branches, whose duals are the prices; every question is a row with sides or without."""

    def __init__(self, columns: Columns) -> None:
        self.columns, self.choices, self.names = columns, list[tuple[int, int, Bundle]](), dict[Name, int]()
        self.program, self._known = ColumnProgram(columns.sides), 0
        self.asked: dict[int, tuple[Branch, int]] = {}
        """Questions, by the identity of what they split by, with their rows."""
        plans = columns.plans
        costs = Counter[Name](plans.goal.terms if plans.goal is not None else {})
        most = max([0, *map(abs, costs.values()), *(abs(column.cost) for column in columns.found.values())])
        self.dear = float(DEAR * (1 + most))
        self.least = -float(sum(costs[name] * least for name, (least, _) in plans.boxes.items()))
        for name, box in plans.boxes.items():
            entries = [(row, float(factor)) for row, factor in columns.spoken[name].items()]
            self.names[name] = self.program.add(-float(costs[name]), entries, float(box[1] - box[0]))
        for row, (least, limit) in enumerate(columns.sides):
            for sign in (1.0, -1.0):
                if sign * (least if sign > 0 else limit) > 0:
                    self.program.add(self.dear, [(row, sign)])

    def _ask(self, branch: Branch) -> None:
        """Add the row of a question."""
        row = self.program.row()
        self.asked[id(branch.split)] = branch, row
        if branch.name is not None:
            self.program.set(row, self.names[branch.name], 1.0)
        for at, group, bundle in self.choices:
            if count := branch.counts(self.columns.case, self.columns.groups[group][0], bundle):
                self.program.set(row, at, float(count))
        for sign in (1.0, -1.0):
            self.program.add(self.dear, [(row, sign)])

    def enter(self, path: Sequence[Branch]) -> None:
        """Keep to the answers of a path, and to no others."""
        for branch in path:
            if id(branch.split) not in self.asked:
                self._ask(branch)
        for _, row in self.asked.values():
            self.program.limit(row, -inf, inf)
        for branch in path:
            least = 0 if branch.name is None else self.columns.plans.boxes[branch.name][0]
            more, most = float(branch.split["more"] - least), float(branch.split["most"] - least)
            self.program.limit(self.asked[id(branch.split)][1], *((more, inf) if branch.more else (-inf, most)))

    def solve(self, path: Sequence[Branch], limits: Limits) -> tuple[float, dict[object, float], list[float]] | None:
        """Take in new columns; return cost, duals by the names of rows, and values; None where there is no time.

        More columns can only lessen the cost, and no prices prove more than it comes to.
        """
        case = self.columns.case
        for column in [*self.columns.found.values()][self._known :]:
            terms = [(row, float(factor)) for row, factor in column.entries.items() if factor]
            if column.group >= 0:
                project = self.columns.groups[column.group][0]
                counts = ((row, branch.counts(case, project, column.bundle)) for branch, row in self.asked.values())
                terms += [(row, float(count)) for row, count in counts if count]
            added = self.program.add(float(column.cost), terms)
            if column.group >= 0:
                self.choices.append((added, column.group, column.bundle))
        self._known = len(self.columns.found)
        answer = self.program.solve(limits)
        if answer is None:
            return None
        duals = {name: answer[1][row] for name, row in self.columns.row.items()}
        asked = (answer[1][self.asked[id(branch.split)][1]] for branch in path)
        return answer[0] + self.least, {**duals, **{("branch", at): dual for at, dual in enumerate(asked)}}, answer[2]


class Tree:
    """Looks for a tree of branches with prices at its leaves that proves a least cost."""

    def __init__(self, plans: Plans, sites: Sequence[Site], enough: Enough, limits: Limits, leaves: int) -> None:
        self.plans, self.enough, self.limits = plans, enough, limits
        self.columns, self.leaves = Columns(plans, sites), 0
        self.program = Program(self.columns)
        self.most = leaves if plans.seats is None else MAX_SEATED
        self.step = cache(plans.case.step)
        self._first: Mapping[object, float] | None = None
        """Duals before any question."""

    def root(self) -> Node | None:
        """Return prices that prove the most that they can without a question; None where there was no time for any."""
        return None if self._first is None else self.columns.node(FINEST, self._first, 0)

    def grow(self, path: tuple[Branch, ...] = ()) -> Node | None:
        """Return the tree of a branch, or None where none was found."""
        if self.leaves >= self.most or self.limits.over:
            return None
        program = self.program
        program.enter(path)
        node, values = self._price(path)
        if node is not None or not values:
            self.leaves += 1
            return node
        split = self._split(values) if self.most > 1 else None
        if split is None:
            return None
        low = self.grow((*path, Branch(split, False)))
        high = self.grow((*path, Branch(split, True))) if low is not None else None
        return None if low is None or high is None else {"split": split, "at_most": low, "more": high}

    def _split(self, values: Sequence[float]) -> dict[str, Any] | None:
        """Return a question that the values of the columns leave open, None where they leave none."""
        taken = [(values[at], group, bundle) for at, group, bundle in self.program.choices if values[at] > INTEGRAL]
        return self._by_sum(values) or self._by_usage(taken) or self._by_count(taken) or self._by_name(values)

    def _price(self, path: Sequence[Branch]) -> tuple[Node | None, list[float]]:
        """Return prices that prove enough, or None and the values of the columns at the end."""
        middle: Mapping[object, float] = {}
        best, values = Fraction(-(10**30)), list[float]()
        before: Mapping[object, float] = {}
        for turn in range(MAX_ROUNDS):
            answer = self.program.solve(path, self.limits)
            if answer is None:
                return None, []
            cost, found, values = answer
            self._first = self._first if path else found
            hopeless = not self.enough(Fraction(cost + TOLERANCE * (1 + abs(cost))))
            if hopeless and (self.most == 1 or self._split(values) is not None):
                break
            plain = not self.columns.sites or turn % 3 == 0 or found == before
            duals = found if plain else {name: (dual + middle[name]) / 2 for name, dual in found.items()}
            priced, least = self._priced(path, duals, FINEST)
            if self.enough(least):
                return self._plain(path, duals), []
            if least > best or not middle:
                best, middle = least, duals
            if self.columns.grow(priced) == 0 and plain:
                break
            before = found
        return None, values

    def _priced(
        self, path: Sequence[Branch], duals: Mapping[object, float], denominator: int
    ) -> tuple[Priced, Fraction]:
        node = self.columns.node(denominator, duals, len(path))
        priced = Priced(self.plans, node, path, self.columns.groups)
        return priced, Fraction(priced.total, denominator)

    def _plain(self, path: Sequence[Branch], duals: Mapping[object, float]) -> Node:
        """Return prices of the smallest denominator at which they are whole, nearly, and still prove enough."""
        for denominator in PLAIN:
            whole = all(abs(dual * denominator - round(dual * denominator)) < INTEGRAL for dual in duals.values())
            if (whole or denominator >= FINE) and self.enough(self._priced(path, duals, denominator)[1]):
                break
        return self.columns.node(denominator, duals, len(path))

    def _by_usage(self, taken: Sequence[Taken]) -> dict[str, Any] | None:
        """Return a question about what some pools use, where no multiple of what all amounts are multiples of."""
        instance, groups = self.plans.case.instance, self.columns.groups
        usage: dict[tuple[str, str], float] = defaultdict(float)
        for value, group, bundle in taken:
            for kind, gpus in bundle.items():
                usage[instance.project_of[groups[group][0]].pool, kind] += value * gpus
        for pools, kind in self._usages():
            used = sum(gpus for (pool, of), gpus in usage.items() if pool in pools and covers(kind, of))
            step = self.step(tuple(pools), kind)
            if abs(used / step - round(used / step)) > INTEGRAL:
                most = floor(used / step) * step
                return {"pools": list(pools), "kind": kind, "most": most, "more": most + step}
        return None

    def _usages(self) -> Iterator[tuple[list[str], str]]:
        """Yield pools that share nodes of a kind with nobody else, then those of a quota, then those below any pool."""
        case = self.plans.case
        yield from ((pools, kind) for kind in case.instance.performance for pools in case.neighbours(kind))
        kinds = (*case.instance.performance, "*")
        keys = [*case.tree.quotas, *((pool, kind) for pool in case.tree.parent for kind in kinds)]
        yield from (([p for p in case.pools if p in case.tree.below[pool]], kind) for pool, kind in keys)

    def _by_sum(self, values: Sequence[float]) -> dict[str, Any] | None:
        """Return a question about something that adds to the sum, and that is no or yes."""
        goal, boxes = self.plans.goal, self.plans.boxes
        return self._by_name(values, [name for name in goal.terms if boxes[name] == (0, 1)] if goal is not None else ())

    def _by_name(self, values: Sequence[float], names: Collection[Name] | None = None) -> dict[str, Any] | None:
        """Return a question about something that rows speak of, the most fractional; or about some of that."""
        off, at, name = 0.0, 0, Name()
        for of in self.program.names if names is None else names:
            place = self.program.names[of]
            away = abs(values[place] - round(values[place]))
            off, at, name = (away, place, of) if away > off else (off, at, name)
        most = floor(values[at]) + self.plans.boxes[name][0] if off > INTEGRAL else 0
        return {"of": list(name), "most": most, "more": most + 1} if off > INTEGRAL else None

    def _by_count(self, taken: Sequence[Taken]) -> dict[str, Any] | None:
        """Return a question about how many projects of a group get so much, the answer being most fractional."""
        given: dict[int, list[tuple[float, Bundle]]] = defaultdict(list)
        for value, group, bundle in taken:
            given[group].append((value, bundle))
        best: tuple[float, dict[str, Any]] | None = None
        for group, some in given.items():
            for kind, least in sorted({(kind, gpus) for _, bundle in some for kind, gpus in bundle.items()}):
                count = sum(value for value, bundle in some if bundle.get(kind, 0) >= least)
                off, most = abs(count - round(count)), floor(count)
                if off > INTEGRAL and (best is None or off > best[0]):
                    split = {"projects": self.columns.groups[group], "kind": kind, "least": least}
                    best = off, {**split, "most": most, "more": most + 1}
        return None if best is None else best[1]
