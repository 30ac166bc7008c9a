"""What prices prove of every plan: how much merit there is, and how little fragmentation with so much merit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Any

from kalloc.certificate.case import Bundle, Case, covers, refuse_unless
from kalloc.certificate.facts import Granted, apart
from kalloc.certificate.market import Market
from kalloc.certificate.rows import RULES, Name, boxes

MOST_DEPTH = 200
"""Branches below one another."""


@dataclass(frozen=True)
class Branch:
    """One side of a question to which every plan has an answer: how often something is counted over all projects.

    Counted are the GPUs of a kind (or ``*``) that projects of some pools get, or those of some projects that get so
    many GPUs of a kind at least.
    """

    split: Mapping[str, Any]
    more: bool

    def counts(self, case: Case, project: str, bundle: Bundle) -> int:
        """Return what a project with this bundle adds."""
        kind = self.split["kind"]
        if "projects" in self.split:
            return int(project in self.split["projects"] and bundle.get(kind, 0) >= self.split["least"])
        counted = case.instance.project_of[project].pool in self.split["pools"]
        return sum(gpus for of, gpus in bundle.items() if covers(kind, of)) if counted else 0

    @property
    def side(self) -> int:
        """1 where there are so many at most, −1 where there are so many at least."""
        return -1 if self.more else 1

    def check(self, case: Case) -> None:
        """Refuse a question that leaves some plans out: there may be no count between its two sides."""
        split, step = self.split, 1
        if "projects" not in split:
            step = step_of(case, split["pools"], split["kind"])
        most, more = split["most"], split["more"]
        refuse_unless(type(most) is type(more) is int, "both sides of a split are whole numbers")
        refuse_unless(most // step == (more - 1) // step, f"a plan may have more than {most} and less than {more}")


def step_of(case: Case, pools: Collection[str], kind: str) -> int:
    """Return what the GPUs of a kind, or of all, that projects of some pools get are a multiple of."""
    instance = case.instance
    rows = [r for r in instance.requests if covers(kind, r.kind) and instance.project_of[r.project].pool in pools]
    return gcd(*(number for row in rows for number in (instance.amounts(row).start, instance.step(row)))) or 1


TIERS: dict[str, Callable[[Case, str, Bundle], int]] = {
    "merit": Case.merit,
    "served": lambda case, project, bundle: int(bool(bundle)),
}
"""Tiers to which every project adds what its bundle is worth, a whole number; the more the better."""


class Plans:
    """All plans that are as good on some tiers, and the tier that is bounded."""

    def __init__(self, case: Case, goal: str, floors: Mapping[str, int]) -> None:
        """``floors`` are what plans reach at least on earlier tiers; ``goal`` is one of ``TIERS``, or fragmentation."""
        self.case, self.goal, self.floors = case, goal, floors
        self.rows = {(rule, row.key): row for rule, function in RULES.items() for row in function(case)}
        self.boxes = boxes(case)
        self.weights = case.weights if goal == "fragmentation" else [0] * len(case.weights)

    def least(self, node: Mapping[str, Any], path: tuple[Branch, ...] = ()) -> Fraction:
        """Return the least cost of all plans that a tree of questions proves: that of the side where it is less.

        The cost is fragmentation, or what a tier is worth with a minus.
        """
        if "split" not in node:
            return Fraction(Priced(self, node, path).total, node["denominator"])
        refuse_unless(len(path) < MOST_DEPTH, f"more than {MOST_DEPTH} branches below one another")
        low, high = (Branch(node["split"], more) for more in (False, True))
        low.check(self.case)
        return min(self.least(node["at_most"], (*path, low)), self.least(node["more"], (*path, high)))

    def only(self, node: Mapping[str, Any], granted: Granted, value: int) -> None:
        """Refuse prices at which a plan that reaches a value of the tier may have another allocation.

        Whatever else a project gets must lose more than prices leave between bound and value.
        """
        priced = Priced(self, node, ())
        slack = -priced.total - value * node["denominator"]
        for project, least in priced.least.items():
            within = [bundle for bundle, cost in priced.choices(project) if cost - least <= slack]
            refuse_unless(within == [granted.get(project, {})], f"project {project!r} may get something else")


class Priced:
    """What plans cost at least at some prices: rows and branches are paid for instead of kept."""

    def __init__(self, plans: Plans, node: Mapping[str, Any], path: Sequence[Branch]) -> None:
        self.plans, self.case, self.denominator = plans, plans.case, node["denominator"]
        rules = [(rule, tuple(key), price) for rule in RULES for *key, price in node["rules"].get(rule, ())]
        self.tiers: dict[str, int] = dict(node["tiers"])
        paid = [*node["branches"], *self.tiers.values(), *(price for _, _, price in rules)]
        refuse_unless(all(type(x) is int and x >= 0 for x in paid), "prices are whole numbers of at least 0")
        refuse_unless(type(self.denominator) is int and self.denominator > 0, "a denominator is at least 1")
        self.branches = list(zip(path, node["branches"], strict=True))
        self.charge: Counter[Name] = Counter()
        self.total = self._rules(rules) + self._branches()
        self.total += sum(price * plans.floors[tier] for tier, price in self.tiers.items())
        self.tiers |= {plans.goal: self.denominator} if plans.goal in TIERS else {}
        self.markets = [self._market(entry) for entry in node["markets"]]
        apart(self.markets)
        self.total -= sum(market.gains() for market in self.markets)
        self.least = {project: self._least(project) for project in self.case.instance.project_of}
        self.total += sum(self.least.values())

    def _rules(self, rules: Iterable[tuple[str, Name, int]]) -> int:
        """Charge what rows speak of; return what is paid back: every row's limit, and all that may be had."""
        total = 0
        for rule, key, price in rules:
            row = self.plans.rows[rule, key]
            total -= price * row.most
            for name, factor in row.terms.items():
                self.charge[name] += price * factor
        return total + sum(min(self.charge[name] * x for x in box) for name, box in self.plans.boxes.items())

    def _branches(self) -> int:
        total = 0
        for branch, price in self.branches:
            total += price * (branch.split["more"] if branch.more else -branch.split["most"])
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
        pool = case.instance.project_of[project].pool
        for bundle in case.bundles(project):
            cost = self._scattered(project, bundle) if scattered else 0
            if cost is not None:
                cost += sum(self.charge["use", pool, kind] * gpus for kind, gpus in bundle.items())
                cost += sum(price * of.side * of.counts(case, project, bundle) for of, price in self.branches)
                cost -= sum(price * TIERS[tier](case, project, bundle) for tier, price in self.tiers.items())
                yield bundle, cost

    def _scattered(self, project: str, bundle: Bundle) -> int | None:
        """Return what a project pays in markets, less what it needs; None where it could not sit even alone."""
        least = self.case.least(project, bundle)
        if least is None:
            return None
        seen = [market for market in self.markets if market.sees(project, bundle)]
        counted = {level for market in seen for level in market.run}
        paid = sum(market.pays(project, bundle) for market in seen)
        for level, (weight, (need, spans)) in enumerate(zip(self.plans.weights, least, strict=True)):
            paid += self.denominator * weight * ((0 if level in counted else spans) - need)
        return paid
