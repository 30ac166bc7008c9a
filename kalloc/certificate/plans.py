"""What prices prove of every plan as good on some tiers: how much of another tier it has, how little fragmentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from math import floor, gcd
from typing import Any

from kalloc.certificate.case import Bundle, Case, covers, refuse_unless
from kalloc.certificate.facts import Granted, apart, counted
from kalloc.certificate.market import Market
from kalloc.certificate.rows import RULES, Name, places_of
from kalloc.certificate.seats import SEAT_RULES, Seats
from kalloc.certificate.tiers import Aim, worths

MOST_DEPTH = 200
"""Branches below one another."""


@dataclass(frozen=True)
class Branch:
    """One side of a question to which every plan has an answer: how often something is counted.

    Counted are the GPUs of a kind (or ``*``) that projects of some pools get, those of some projects that get so
    many GPUs of a kind at least, or something that rows speak of: all of that can be whole numbers in every plan.
    """

    split: Mapping[str, Any]
    more: bool

    def counts(self, case: Case, project: str, bundle: Bundle) -> int:
        """Return what a project with this bundle adds."""
        if "of" in self.split:
            return 0
        kind = self.split["kind"]
        if "projects" in self.split:
            return int(project in self.split["projects"] and bundle.get(kind, 0) >= self.split["least"])
        counted = case.pool_of[project] in self.split["pools"]
        return sum(gpus for of, gpus in bundle.items() if covers(kind, of)) if counted else 0

    def concerns(self, project: str, pool: str) -> bool:
        """Tell whether a project of a pool may add anything."""
        return project in self.split.get("projects", ()) or pool in self.split.get("pools", ())

    @property
    def side(self) -> int:
        """1 where there are so many at most, −1 where there are so many at least."""
        return -1 if self.more else 1

    @property
    def name(self) -> Name | None:
        """What rows speak of that is counted, if it is such."""
        return tuple(self.split["of"]) if "of" in self.split else None

    def check(self, plans: Plans) -> None:
        """Refuse a question that leaves some plans out: there may be no count between its two sides."""
        split, step = self.split, 1
        if "pools" in split:
            step = plans.case.step(split["pools"], split["kind"])
        refuse_unless(self.name is None or self.name in plans.boxes, f"no row speaks of {self.name}")
        most, more = split["most"], split["more"]
        refuse_unless(type(most) is type(more) is int, "both sides of a split are whole numbers")
        refuse_unless(most // step == (more - 1) // step, f"a plan may have more than {most} and less than {more}")


class Plans:
    """All plans that are as good on some tiers, and the sum that is bounded."""

    def __init__(
        self,
        case: Case,
        goal: Aim | None,
        floors: Iterable[Aim] = (),
        worth: Mapping[str, tuple[Fraction, bool]] | None = None,
        seats: Seats | None = None,
        only: Granted | None = None,
    ) -> None:
        """Without a ``goal`` fragmentation is bounded; of the ``floors`` plans have as much as the one at hand.

        ``worth`` is what projects have by their own values, exactly or at least; ``only`` an allocation that is given.
        """
        self.case, self.goal, self.floors = case, goal, {aim.name: aim for aim in floors}
        self.worth, self.given, self.seats = worth or {}, only, seats
        places = seats or places_of(case)
        self.rows = {(rule, row.key): row for rule, function in RULES.items() for row in function(places)}
        self.boxes = {**places.boxes}
        self.boxes |= {("over", row.pool, row.kind): (-row.lend, row.borrow) for row in case.instance.quotas}
        if seats is not None:
            self.rows |= {(rule, row.key): row for rule, function in SEAT_RULES.items() for row in function(seats)}
        for aim in [*self.floors.values(), *([goal] if goal is not None else [])]:
            self.rows |= {(aim.name, row.key): row for row in aim.rows}
            self.boxes |= aim.boxes
        self.weights = tuple(case.weights) if goal is None else (0,) * len(case.weights)
        self.bundles, self._known = cache(self._bundles), dict[tuple[str, str], list[int]]()

    def _bundles(self, project: str) -> list[Bundle]:
        """Return what a project may get in such plans."""
        case, least = self.case, self.worth.get(project)
        if self.given is not None:
            return [self.given.get(project, {})]
        if least is None:
            return case.bundles(project)
        has = [(worths(case, project, bundle), bundle) for bundle in case.bundles(project)]
        return [bundle for worth, bundle in has if worth == least[0] or (worth > least[0] and not least[1])]

    def added(self, aim: Aim, project: str) -> list[int]:
        """Return what a project adds to a sum with each of its bundles."""
        if (aim.name, project) not in self._known:
            self._known[aim.name, project] = [aim.adds(project, bundle) for bundle in self.bundles(project)]
        return self._known[aim.name, project]

    @cached_property
    def step(self) -> int:
        """What the sum that is bounded is a multiple of, or fragmentation."""
        if self.goal is None:
            return gcd(*self.case.weights) or 1
        step = gcd(*self.goal.terms.values())
        for project in self.case.asks:
            step = gcd(step, *self.added(self.goal, project)) if step != 1 else 1
        return step or 1

    def most(self, node: Mapping[str, Any]) -> int:
        """Return the most that a tree of questions proves of the sum."""
        return floor(-self.least(node) / self.step) * self.step

    def least(self, node: Mapping[str, Any], path: tuple[Branch, ...] = ()) -> Fraction:
        """Return the least cost of all plans that a tree of questions proves: that of the side where it is less.

        The cost is fragmentation, or the sum with a minus.
        """
        if "split" not in node:
            return Fraction(Priced(self, node, path).total, node["denominator"])
        refuse_unless(len(path) < MOST_DEPTH, f"more than {MOST_DEPTH} branches below one another")
        low, high = (Branch(node["split"], more) for more in (False, True))
        low.check(self)
        return min(self.least(node["at_most"], (*path, low)), self.least(node["more"], (*path, high)))

    def only(self, node: Mapping[str, Any], granted: Granted) -> None:
        """Refuse prices at which a plan that has as much of the sum may have another allocation.

        Whatever else a project gets must lose more than prices leave between bound and value.
        """
        priced = Priced(self, node, ())
        slack = -priced.total - (0 if self.goal is None else self.goal.reached) * node["denominator"]
        for project, least in priced.least.items():
            within = [bundle for bundle, cost in priced.choices(project) if cost - least <= slack]
            refuse_unless(within == [granted.get(project, {})], f"project {project!r} may get something else")


class Priced:
    """What plans cost at least at some prices: rows and branches are paid for instead of kept."""

    def __init__(
        self, plans: Plans, node: Mapping[str, Any], path: Sequence[Branch], groups: Iterable[Sequence[str]] = ()
    ) -> None:
        """Of ``groups`` of projects that nothing tells apart the first is looked at; without them, everybody."""
        self.plans, self.case, self.denominator = plans, plans.case, node["denominator"]
        rules = [(rule, tuple(key), price) for rule, rows in node["rules"].items() for *key, price in rows]
        self.tiers: dict[str, int] = dict(node["tiers"])
        paid = [*node["branches"], *self.tiers.values()]
        paid += [abs(price) if plans.rows[rule, key].equal else price for rule, key, price in rules]
        refuse_unless(all(type(x) is int and x >= 0 for x in paid), "prices are whole numbers of at least 0")
        refuse_unless(type(self.denominator) is int and self.denominator > 0, "a denominator is at least 1")
        self.branches = [(of, price) for of, price in zip(path, node["branches"], strict=True) if price]
        self.charge: Counter[Name] = Counter()
        self.aims = [(price, plans.floors[name]) for name, price in self.tiers.items()]
        self.total = sum(price * aim.reached for price, aim in self.aims)
        self.aims += [(self.denominator, plans.goal)] if plans.goal is not None else []
        self.total += self._rules(rules) + self._branches()
        self.total += sum(min(self.charge[name] * x for x in box) for name, box in plans.boxes.items())
        self.markets = [self._market(entry) for entry in node["markets"]]
        apart(self.markets)
        self.total -= sum(market.gains() for market in self.markets)
        counts = {group[0]: len(group) for group in groups} or dict.fromkeys(self.case.instance.project_of, 1)
        self.least = {project: self._least(project) for project in counts}
        self.total += sum(count * self.least[project] for project, count in counts.items())

    def _rules(self, rules: Iterable[tuple[str, Name, int]]) -> int:
        """Charge what rows speak of, and pay for what adds to sums; return what is paid back: every row's limit."""
        total = 0
        for rule, key, price in rules:
            row = self.plans.rows[rule, key]
            total -= price * row.most
            for name, factor in row.terms.items():
                self.charge[name] += price * factor
        for price, aim in self.aims:
            for name, factor in aim.terms.items():
                self.charge[name] -= price * factor
        return total

    def _branches(self) -> int:
        total = 0
        for branch, price in self.branches:
            total += price * (branch.split["more"] if branch.more else -branch.split["most"])
            if branch.name is not None:
                self.charge[branch.name] += price * branch.side
        return total

    def _market(self, entry: Mapping[str, Any]) -> Market:
        costs = [self.plans.weights[self.case.levels.index(level)] for level in entry["levels"]]
        return Market(self.case, entry["levels"], {**entry, "denominator": self.denominator}, costs)

    def _least(self, project: str) -> int:
        """Return the cost of the bundle of a project that costs least."""
        least = min((cost for _, cost in self.choices(project)), default=None)
        refuse_unless(least is not None, f"project {project!r} can get nothing that it may have")
        return least or 0

    def choices(self, project: str) -> Iterator[tuple[Bundle, int]]:
        """Yield every bundle of a project with what it costs."""
        case, scattered = self.case, self.markets or any(self.plans.weights)
        pool = case.pool_of[project]
        paid = self.charge
        charge = {kind: paid["use", pool, kind] + paid["got", project, kind] for kind in case.asks[project]}
        asked = [(of, price * of.side) for of, price in self.branches if of.concerns(project, pool)]
        sums = [(price, self.plans.added(aim, project)) for price, aim in self.aims if price]
        for place, bundle in enumerate(self.plans.bundles(project)):
            cost = self._scattered(project, bundle) if scattered else 0
            if cost is not None:
                cost += sum([charge[kind] * gpus for kind, gpus in bundle.items()])
                cost += sum([price * of.counts(case, project, bundle) for of, price in asked])
                yield bundle, cost - sum([price * adds[place] for price, adds in sums])

    def _scattered(self, project: str, bundle: Bundle) -> int | None:
        """Return what a project pays in markets, less what it needs; None where it could not sit even alone."""
        case = self.case
        if case.least(project, bundle) is None:
            return None
        found, left = counted(case, project, bundle, self.markets)
        rest = case.unseen(project, tuple(bundle.items()), left, self.plans.weights, self.plans.goal is None)
        return sum(market.pays(project, bundle) for market in found) + int(self.denominator * rest)
