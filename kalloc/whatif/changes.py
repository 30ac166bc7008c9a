"""The cheapest changes that would serve a project, each confirmed by a solve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from kalloc.errors import InfeasibleError, InstanceError, NoPlanError
from kalloc.instance.policy import decimal
from kalloc.whatif.lever import Facts, Lever
from kalloc.whatif.levers import levers_of
from kalloc.whatif.part import part_of
from kalloc.whatif.settle import Settled, settle

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.solver import Limits


@dataclass(frozen=True)
class Change:
    """One change, all else as it is, and what the best allocation then comes to."""

    code: str
    facts: Facts
    gpus: int | None
    """GPUs by which a rule, a request or the supply is loosened; None where nothing is counted."""
    least: bool
    """Whether one step less was solved, too, and does not serve the project."""
    gets: int
    """GPUs that the project then gets."""
    lose: Mapping[str, int]
    """GPUs that others then get less."""
    merit: Fraction
    """What the change adds to the merit of the best plan."""


@dataclass(frozen=True)
class Changes:
    """What would give a project more than the best allocation that was found as things are."""

    gets: int
    """GPUs that the project gets there."""
    merit: Fraction
    """Merit of those projects that can matter to it, there."""
    among: frozenset[str]
    """Those projects."""
    found: tuple[Change, ...]
    """Cheapest first; those that loosen nothing that is counted in GPUs come before."""
    complete: bool
    """Whether everything was tried before the time was up."""
    proven: bool = True
    """Whether the best allocation as things are is proven; where it is not, no change can be confirmed."""


def changes_for(instance: Instance, project: str, limits: Limits) -> Changes:
    """Return the changes that would give a project more.

    Only the part of the instance that can matter is solved (:func:`kalloc.whatif.part.part_of`), which is exact. Every
    change is confirmed by a solve that is proven best on every tier up to merit, or on all that the allocation decides,
    and whose shapes were seated; where the time is up, changes not yet tried are missing.

    Raises:
        NoPlanError: when the instance as it is was not solved within the limits.
        InfeasibleError: when it has no plan at all.
    """
    part = part_of(instance, instance.project_of[project].pool)
    now = settle(part, limits)
    if now is None:
        raise InfeasibleError(["the instance as it is"])
    among = frozenset(part.project_of)
    if not now.proven:
        return Changes(now.gets(project), now.merit, among, (), complete=not limits.over, proven=False)
    search = _Search(part, project, now, limits)
    by_merit = "merit" in part.objective.names and project not in part.stays and not now.gets(project)
    found = list(search.ranked()) if by_merit else []
    found += [change for lever in levers_of(part, project) if (change := search.least(lever)) is not None]
    found.sort(key=lambda change: (change.gpus is not None, change.gpus or 0))
    return Changes(now.gets(project), now.merit, among, tuple(found), complete=not limits.over)


@dataclass
class _Search:
    """Looks for the fewest steps of a lever that serve the project better than now."""

    part: Instance
    project: str
    now: Settled
    limits: Limits

    def least(self, lever: Lever) -> Change | None:
        """Return the change by the fewest steps found, confirmed; None where even the most do not help, or time is up.

        Steps are doubled until the project is served, then the gap is halved.
        """
        if lever.most < 1 or not self._serves(lever, lever.most):
            return None
        low, high = 0, 1
        while high < lever.most and not self._serves(lever, high):
            low, high = high, min(2 * high, lever.most)
        while high - low > 1:
            middle = (low + high) // 2
            if self._serves(lever, middle):
                high = middle
            else:
                low = middle
        return self._confirmed(lever, high, least=not self.limits.over)

    def ranked(self) -> Iterator[Change]:
        """Yield the least merit with which the project is served, and what it costs to serve it in any case."""
        others = self._replaced(None)
        forced = self._settled(self._replaced({"mandatory": True, "merit": 0.0}))
        best = self._settled(others)
        if forced is None or best is None or not forced.gets(self.project):
            return
        if not (forced.proven and best.proven):
            return
        price = best.merit - forced.merit
        must = self._settled(self._replaced({"mandatory": True}))
        if must is not None and must.proven:
            yield self._change("must", {"cost": self.now.merit - must.merit}, None, True, must)
        worth = sum(
            (
                decimal(self.part.value(row)) * forced.granted.get((self.project, row.kind), 0)
                for row in self.part.requests_of[self.project]
            ),
            Fraction(0),
        )
        if worth:
            yield from self._outranking(price / worth)

    def _outranking(self, threshold: Fraction) -> Iterator[Change]:
        """Yield the merit right above a threshold, in the decimals that merits are written in."""
        digits = max(len(repr(row.merit).partition(".")[2].rstrip("0")) for row in self.part.projects)
        enough = Fraction(floor(threshold * 10**digits) + 1, 10**digits)
        served = self._settled(self._replaced({"merit": float(enough)}))
        if served is None or not served.proven or not served.gets(self.project):
            return
        below = self._settled(self._replaced({"merit": max(0.0, float(enough - Fraction(1, 10**digits)))}))
        was = self.part.project_of[self.project].merit
        least = below is not None and below.proven and not below.gets(self.project)
        yield self._change("merit", {"was": was, "now": float(enough)}, None, least, served)

    def _replaced(self, changes: Mapping[str, object] | None) -> Instance:
        """Return the part with the project changed; without it for None."""
        part, project = self.part, self.project
        if changes is not None:
            rows = (r.model_copy(update=changes) if r.project == project else r for r in part.projects)
            return part.replace(projects=tuple(rows))
        tables = ("projects", "requests", "placed", "shapes", "guarantees")
        return part.replace(**{t: tuple(row for row in getattr(part, t) if row.project != project) for t in tables})

    def _settled(self, instance: Instance) -> Settled | None:
        return self._tried(instance, seated=True)

    def _tried(self, instance: Instance, seated: bool) -> Settled | None:
        """Return what an instance comes to; None where it has no plan, or none was found before the time was up."""
        if self.limits.over:
            return None
        try:
            return settle(instance, self.limits, seated)
        except NoPlanError:
            return None

    def _serves(self, lever: Lever, steps: int) -> bool:
        try:
            found = self._tried(lever.apply(steps), seated=False)
        except InstanceError:
            return False
        return found is not None and found.gets(self.project) > self.now.gets(self.project)

    def _confirmed(self, lever: Lever, steps: int, least: bool) -> Change | None:
        found = self._settled(lever.apply(steps))
        if found is None or not found.proven or found.gets(self.project) <= self.now.gets(self.project):
            return None
        gpus = steps * lever.unit if lever.unit else None
        return self._change(lever.code, lever.facts(steps), gpus, least, found)

    def _change(self, code: str, facts: Facts, gpus: int | None, least: bool, found: Settled) -> Change:
        gets = {name: self.now.gets(name) - found.gets(name) for name in self.part.project_of if name != self.project}
        lose = {name: fewer for name, fewer in gets.items() if fewer > 0}
        return Change(code, facts, gpus, least, found.gets(self.project), lose, found.merit - self.now.merit)
