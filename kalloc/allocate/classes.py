"""Projects that the rules cannot tell apart, counted as one class; what each may get of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from kalloc.instance import Instance, Project, Request
from kalloc.place.rooms import Rooms


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
    def bound(self) -> bool:
        """Whether the projects must be served, or keep seats."""
        return self.mandatory or bool(self.kept)

    @property
    def size(self) -> int:
        """Number of projects."""
        return len(self.members)


def classes_of(instance: Instance, rooms: Rooms) -> tuple[ProjectClass, ...]:
    """Return the classes, in the order of their first members; a project that keeps seats is a class of its own."""
    reach = _Reach(instance, rooms)
    found: dict[object, list[str]] = {}
    made: dict[object, ProjectClass] = {}
    for row in instance.projects:
        requests = instance.requests_of[row.project]
        key = (row.pool, row.mix, row.level, row.mandatory, row.merit, tuple(_wish(instance, r) for r in requests))
        if row.project in rooms.stays:
            key = (row.project, key)  # type: ignore[assignment]
        if key not in made:
            made[key] = _class(instance, rooms, row, requests, reach)
        found.setdefault(key, []).append(row.project)
    return tuple(replace(made[key], members=tuple(members)) for key, members in found.items())


def _wish(instance: Instance, request: Request) -> tuple[object, ...]:
    return (request.kind, request.min, request.max, instance.step(request), instance.value(request))


def _class(
    instance: Instance, rooms: Rooms, row: Project, requests: Sequence[Request], reach: _Reach
) -> ProjectClass:
    kept: dict[str, int] = {}
    for node, gpus in rooms.stays.get(row.project, {}).items():
        kind = instance.topology.row(node).kind
        kept[kind] = kept.get(kind, 0) + gpus
    level = None if row.level is None else instance.topology.levels.index(row.level)
    merit = Fraction(repr(row.merit))
    offers = []
    for request in requests:
        least = kept.get(request.kind, 0)
        amounts = instance.amounts(request)
        limit = least + reach.room(row.project, row.pool, request.kind, level)
        fitting = [gpus for gpus in amounts if least <= gpus <= limit]
        if fitting and not (row.mix == "one" and kept and request.kind not in kept):
            worth = merit * Fraction(repr(float(instance.value(request))))
            offers.append(Offer(request.kind, fitting[0], amounts.step, len(fitting) - 1, least, worth))
    return ProjectClass((), row.pool, row.mix == "one", level, row.mandatory, tuple(kept), tuple(offers))


class _Reach:
    """The most GPUs of a kind that one project of a pool could ever be seated on."""

    def __init__(self, instance: Instance, rooms: Rooms) -> None:
        self.topology, self.rooms = instance.topology, rooms
        self._found: dict[tuple[str, str, int | None], int] = {}

    def room(self, project: str, pool: str, kind: str, level: int | None) -> int:
        """Return the free GPUs open to the pool, in the largest domain where one must hold all (rule `level`).

        A project that keeps seats must stay in their domain.
        """
        zones = self.rooms.zones_for(pool, kind)
        if level is not None and project in self.rooms.stays:
            node = next(iter(self.rooms.stays[project]))
            domain = self.topology.domain[level]
            return int(self.rooms.open(zones)[domain == domain[node]].sum())
        key = (pool, kind, level)
        if key not in self._found:
            room = self.rooms.open(zones)
            if level is not None:
                room = np.bincount(self.topology.domain[level], weights=room).astype(np.int64)
            self._found[key] = int(room.max(initial=0) if level is not None else room.sum())
        return self._found[key]
