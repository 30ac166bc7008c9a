"""What limits and budgets have used up, and of whom: each counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kalloc.explain.books import Served
    from kalloc.instance import Budget, Instance
    from kalloc.instance.policy import Subject
    from kalloc.verify import Records


class Ledgers:
    """The accounts of limits and budgets; ``chosen`` are the grants that were chosen, the least first."""

    def __init__(self, instance: Instance, records: Records, chosen: Sequence[Served]) -> None:
        self.instance, self.records, self.chosen = instance, records, chosen
        self._last: dict[str | int, list[Served]] = {}

    def subjects(self, project: str) -> Iterable[tuple[int, Subject]]:
        """Return the limits that count a project, each with its number and with all whom it counts with it."""
        return ((number, self.instance.policy.subjects[number]) for number in self._counted.get(project, ()))

    def used(self, number: int) -> Fraction:
        """Return what those whom a limit counts together get, at its rates."""
        return self._used[number]

    def last_on_limit(self, number: int, project: str) -> Served | None:
        """Return who of the others that a limit counts was served last."""
        if number not in self._last:
            subject = self.instance.policy.subjects[number]
            rates = self.instance.policy.rates[subject.limit.limit]
            of_them = (served for name in subject.projects for served in self._chosen_of.get(name, ()))
            numbers = [number for number, served in of_them if served.kind in rates]
            self._last[number] = [self.chosen[place] for place in sorted(numbers)]
        return least(self._last[number], project)

    def budgets(self, pool: str) -> Iterable[Budget]:
        """Return the budgets that a project of a pool is paid from, nearest first."""
        rows = self._budgets
        return (row for above in self.instance.pool_tree.line(pool) for row in rows.get(above, ()))

    def spent(self, row: Budget) -> Fraction:
        """Return what the projects of a budget's pool and below cost, in won."""
        return self._spent[row.pool]

    def last_on_budget(self, row: Budget, project: str) -> Served | None:
        """Return who of the others that a budget pays for was served last; whoever costs nothing does not count."""
        if row.budget not in self._last:
            below, price = self.instance.pool_tree.below[row.pool], self.instance.policy.price
            pool_of = self.instance.project_of
            self._last[row.budget] = [
                one for one in self.chosen if pool_of[one.project].pool in below and price(one.project, one.kind)
            ]
        return least(self._last[row.budget], project)

    @cached_property
    def _counted(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, subject in enumerate(self.instance.policy.subjects):
            if subject.limit.most is not None:
                for project in subject.projects:
                    found[project].append(number)
        return found

    @cached_property
    def _used(self) -> Sequence[Fraction]:
        policy, granted, found = self.instance.policy, self.records.granted, []
        for subject in policy.subjects:
            rates, total = policy.rates[subject.limit.limit], Fraction(0)
            for project in subject.projects if subject.limit.most is not None else ():
                for kind, gpus in granted.get(project, {}).items():
                    total += rates.get(kind, 0) * gpus
            found.append(total)
        return found

    @cached_property
    def _chosen_of(self) -> Mapping[str, list[tuple[int, Served]]]:
        found: dict[str, list[tuple[int, Served]]] = defaultdict(list)
        for number, served in enumerate(self.chosen):
            found[served.project].append((number, served))
        return found

    @cached_property
    def _budgets(self) -> Mapping[str, list[Budget]]:
        found: dict[str, list[Budget]] = defaultdict(list)
        for row in self.instance.budgets:
            found[row.pool].append(row)
        return found

    @cached_property
    def _spent(self) -> Mapping[str, Fraction]:
        found = dict.fromkeys(self._budgets, Fraction(0))
        for project, bundle in self.records.granted.items():
            cost = sum((self.instance.policy.price(project, kind) * gpus for kind, gpus in bundle.items()), Fraction(0))
            for pool in self.instance.pool_tree.line(self.instance.project_of[project].pool):
                if pool in found:
                    found[pool] += cost
        return found


def least(served: Iterable[Served], project: str) -> Served | None:
    """Return the first who is another project."""
    return next((one for one in served if one.project != project), None)
