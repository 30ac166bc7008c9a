"""Projects that the rules cannot tell apart, counted as one class; what each may get of each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from kalloc.instance import Instance, Project, Request
from kalloc.instance.policy import FREE, Form, decimal
from kalloc.place.forms import form_of, lacking, offers, untouched
from kalloc.place.rooms import Rooms, Zones
from kalloc.solver import Ids

OWN_AMOUNTS = frozenset({"served", "ranked", "fairness"})
"""Tiers that look at what each single project gets."""


@dataclass(frozen=True)
class Offer:
    """The amounts of one kind that a project of a class may get: ``first``, ``first + step`` … besides nothing."""

    kind: str
    first: int
    step: int
    extra: int
    """How many steps may follow the first amount."""
    kept: int
    """GPUs of the kind that stay where they are, so that nothing less will do."""
    worth: Fraction
    """Merit of one GPU."""
    value: Fraction
    """Worth of one GPU to the project, whatever its merit."""

    @property
    def amounts(self) -> range:
        """The amounts, without nothing."""
        return range(self.first, self.first + self.step * self.extra + 1, self.step)


@dataclass(frozen=True)
class ProjectClass:
    """Alike projects, in the order of projects.csv."""

    members: tuple[str, ...]
    pool: str
    one_kind: bool
    level: int | None
    mandatory: bool
    kept: tuple[str, ...]
    """Kinds of which the project keeps GPUs where they are."""
    offers: tuple[Offer, ...]

    @property
    def size(self) -> int:
        """Number of projects."""
        return len(self.members)

    @property
    def amount_is_one(self) -> bool:
        """Whether a project has GPUs of at most one offer."""
        return self.one_kind or len(self.offers) <= 1


def classes_of(instance: Instance, rooms: Rooms, alone: bool = False) -> tuple[ProjectClass, ...]:
    """Return the classes, in the order of their first members; a project that keeps seats is a class of its own.

    With ``alone`` every project is a class of its own.
    """
    sight = _Sight(instance, rooms)
    found: dict[object, list[str]] = {}
    made: dict[object, ProjectClass] = {}
    for row in instance.projects:
        requests = instance.requests_of[row.project]
        single = alone or row.project in rooms.stays or sight.separate(row, requests)
        key = (
            *(row.pool, row.mix, row.level, row.mandatory, sight.policy_of(row)),
            *(tuple(sight.wish(row, request) for request in requests), row.project if single else None),
        )
        if key not in made:
            made[key] = _class(instance, rooms, row, requests, sight)
        found.setdefault(key, []).append(row.project)
    return tuple(replace(made[key], members=tuple(members)) for key, members in found.items())


def _class(instance: Instance, rooms: Rooms, row: Project, requests: Sequence[Request], sight: _Sight) -> ProjectClass:
    kept: dict[str, int] = {}
    for node, gpus in rooms.stays.get(row.project, {}).items():
        kind = instance.topology.row(node).kind
        kept[kind] = kept.get(kind, 0) + gpus
    level = None if row.level is None else instance.topology.levels.index(row.level)
    merit = decimal(row.merit)
    single = row.mix == "one" or len(requests) == 1
    offered = []
    for request in requests:
        least = kept.get(request.kind, 0)
        fewest, most = sight.span(row, request.kind, level, single)
        fitting = [gpus for gpus in sight.amounts(row, request, single) if fewest <= gpus - least <= most]
        if fitting and not (row.mix == "one" and kept and request.kind not in kept):
            step = fitting[1] - fitting[0] if len(fitting) > 1 else instance.step(request)
            value = decimal(instance.value(request))
            offered.append(Offer(request.kind, fitting[0], step, len(fitting) - 1, least, merit * value, value))
    return ProjectClass((), row.pool, row.mix == "one", level, row.mandatory, tuple(kept), tuple(offered))


class _Sight:
    """What decides whether two projects are alike, and what each could have at most if it were alone."""

    def __init__(self, instance: Instance, rooms: Rooms) -> None:
        self.instance, self.rooms = instance, rooms
        self.forms: dict[str, Form | None] = {row.project: form_of(instance, row.project) for row in instance.projects}
        self._found: dict[object, tuple[int, int]] = {}

    @cached_property
    def _counted(self) -> Mapping[str, tuple[object, ...]]:
        """Per project the limits that count it: of its own by name, those it shares by number."""
        found: dict[str, list[object]] = defaultdict(list)
        for number, subject in enumerate(self.instance.policy.subjects):
            for project in subject.projects:
                found[project].append(subject.limit.limit if subject.limit.per == "project" else number)
        return {project: tuple(marks) for project, marks in found.items()}

    @cached_property
    def _named(self) -> frozenset[str | None]:
        """Projects that a row names."""
        return frozenset(row.project for row in self.instance.guarantees)

    @cached_property
    def _grouped(self) -> bool:
        return bool(self.instance.budgets) or any(row.share is not None for row in self.instance.groups)

    @cached_property
    def own_amounts(self) -> bool:
        """Tell whether some tier looks at what each single project gets."""
        return any(tier.name in OWN_AMOUNTS and tier.by != "pool" for tier in self.instance.objective.tiers)

    def policy_of(self, row: Project) -> tuple[object, ...]:
        """Return what the policy says of a project."""
        return (
            row.project in self.instance.policy.refused,
            row.group if self._grouped else None,
            self._counted.get(row.project, ()),
            row.weight if "fairness" in self.instance.objective.names else 1.0,
            self.forms[row.project],
            row.project if row.project in self._named else None,
        )

    @cached_property
    def _weighing(self) -> bool:
        """Tell whether some tier looks at merits or values."""
        return not {"merit", "ranked"}.isdisjoint(self.instance.objective.names)

    def wish(self, row: Project, request: Request) -> tuple[object, ...]:
        """Return what a request asks, with what it is worth where that counts."""
        worth = (row.merit, self.instance.value(request)) if self._weighing else ()
        return (request.kind, request.min, request.max, self.instance.step(request), *worth)

    def separate(self, row: Project, requests: Sequence[Request]) -> bool:
        """Tell whether what one project gets of several kinds counts together, so that it must be told from others."""
        if row.mix == "one" or len(requests) < 2:
            return False
        return self.own_amounts or self.forms[row.project] is not None or bool(self._own_limits(row.project))

    def _own_limits(self, project: str) -> list[str]:
        return [mark for mark in self._counted.get(project, ()) if isinstance(mark, str)]

    @cached_property
    def _most(self) -> Mapping[str, int]:
        return {row.limit: row.most for row in self.instance.limits if row.most is not None}

    def amounts(self, row: Project, request: Request, single: bool) -> list[int]:
        """Return what a project may get of a kind by its request, its caps, its call and its own limits.

        Where it is the only kind that it gets, ``single``, its form must allow the amount, too.
        """
        policy = self.instance.policy
        if row.project in policy.refused:
            return []
        rates = [
            (policy.rates[name].get(request.kind, Fraction(0)), self._most[name])
            for name in self._own_limits(row.project)
            if name in self._most
        ]
        form = self.forms[row.project]
        multiple = form.multiple[0] if form is not None and single else 1
        return [
            gpus
            for gpus in self.instance.amounts(request)
            if gpus % multiple == 0 and all(rate * gpus <= most for rate, most in rates)
        ]

    def span(self, row: Project, kind: str, level: int | None, single: bool) -> tuple[int, int]:
        """Return the fewest and the most GPUs that a project can have of a kind besides what it keeps, were it alone.

        One domain must hold all where there is a level (rule `level`), that of what it keeps. Its form must allow the
        amounts; where it may have several kinds, what it demands of each.
        """
        zones, stays = self.rooms.zones_for(row.pool, kind), self.rooms.stays.get(row.project, {})
        form = self.forms[row.project]
        if form is not None and not single:
            form = form.of_part
        key = (zones, level, form, row.project if stays else None)
        if key not in self._found:
            own = np.zeros(self.instance.topology.node_count, dtype=np.int64)
            own[list(stays)] = list(stays.values())
            self._found[key] = self._span(zones, level, form, own)
        return self._found[key] if single else (0, self._found[key][1])

    def _span(self, zones: Zones, level: int | None, form: Form | None, own: Ids) -> tuple[int, int]:
        topology, room = self.instance.topology, self.rooms.relaxed.open(zones)
        if level is not None and own.any():
            room = np.where(topology.domain[level] == topology.domain[level][int(own.argmax())], room, 0)
        if form is not None:
            room = np.where(untouched(topology, form, self.rooms.occupied & (own == 0)), room, 0)
            by_level = offers(topology, room, form, own)
            least = int(lacking(topology, form, own)[0].sum())
        else:
            at = 0 if level is None else level
            by_level = [np.bincount(topology.domain[at], weights=room)] * (at + 1)
            least = 0
        if level is None:
            return least, int(by_level[0].sum())
        beside = int(own.sum())
        spread = min(form.most[:level], default=FREE) - beside if form is not None else FREE
        return least, max(0, min(spread, int(by_level[level].max(initial=0))))
