"""Who is to be seated: each project's allocation as an item, and items that nobody can tell apart as a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kalloc.instance import Instance
from kalloc.instance.policy import Form
from kalloc.place.forms import form_of
from kalloc.place.rooms import Rooms, Zones

Amounts = tuple[tuple[str, int], ...]
"""GPUs by kind, sorted by kind, zeros left out; a kind stands twice where two zones share it."""


@dataclass(frozen=True)
class Shape:
    """All that placement sees of a project: projects of one shape are interchangeable.

    ``anchor`` is the project's name when it keeps seats, since then its new seats are best beside them; else None.
    """

    amounts: Amounts
    """GPUs to seat anew."""
    zones: tuple[Zones, ...]
    """Per kind of ``amounts``, the zones it may use."""
    level: int | None
    """The level of which one domain must hold the whole project."""
    pool: str | None
    """The pool, where lending limits depend on it; else None."""
    anchor: str | None
    form: Form | None = None
    """How its GPUs must lie; None: anyhow."""

    @property
    def gpus(self) -> int:
        """GPUs to seat anew, all kinds together."""
        return sum(gpus for _, gpus in self.amounts)


@dataclass(frozen=True)
class Item:
    """One project to be seated."""

    project: str
    shape: Shape


def shape_of(instance: Instance, rooms: Rooms, project: str, amounts: Mapping[str, int]) -> Shape:
    """Return the shape of a project that gets the given GPUs by kind, what it keeps included."""
    row = instance.project_of[project]
    kept: dict[str, int] = {}
    for node, gpus in rooms.stays.get(project, {}).items():
        kind = instance.topology.row(node).kind
        kept[kind] = kept.get(kind, 0) + gpus
    fresh = {kind: gpus - kept.get(kind, 0) for kind, gpus in sorted(amounts.items()) if gpus > kept.get(kind, 0)}
    limited = any(row.pool in outsiders for outsiders in rooms.outsiders.values())
    return Shape(
        amounts=tuple(fresh.items()),
        zones=tuple(rooms.zones_for(row.pool, kind) for kind in fresh),
        level=None if row.level is None else instance.topology.levels.index(row.level),
        pool=row.pool if limited else None,
        anchor=project if kept else None,
        form=form_of(instance, project),
    )


def items_of(instance: Instance, rooms: Rooms, allocation: Mapping[tuple[str, str], int]) -> tuple[Item, ...]:
    """Return an item for each project with GPUs to seat anew, in the order of projects.csv."""
    amounts: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in allocation.items():
        if gpus > 0:
            amounts.setdefault(project, {})[kind] = gpus
    items = []
    for row in instance.projects:
        if row.project in amounts:
            shape = shape_of(instance, rooms, row.project, amounts[row.project])
            if shape.amounts:
                items.append(Item(row.project, shape))
    return tuple(items)
