"""The part of a draft whose names hold together, so that checks of sense can use an instance's views."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kalloc.instance.pools import ALL_KINDS
from kalloc.instance.report import Report
from kalloc.instance.rows import Row

if TYPE_CHECKING:
    from kalloc.instance.instance import Instance

KEYS: Mapping[str, tuple[str, ...]] = {
    "kinds": ("kind",),
    "pools": ("pool",),
    "quotas": ("pool", "kind"),
    "projects": ("project",),
    "requests": ("project", "kind"),
    "placed": ("project", "node"),
    "groups": ("group",),
    "limits": ("limit",),
    "rates": ("limit", "kind"),
    "budgets": ("budget",),
    "guarantees": ("guarantee",),
    "power": ("power",),
    "shapes": ("project", "shape", "level"),
}
"""The columns that together identify a row."""

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "caps": {"pool": "pools", "kind": "kinds"},
    "pools": {"parent": "pools"},
    "quotas": {"pool": "pools", "kind": "kinds"},
    "inventory": {"kind": "kinds", "owner": "pools"},
    "projects": {"pool": "pools", "group": "groups"},
    "requests": {"project": "projects", "kind": "kinds"},
    "limits": {"pool": "pools", "kind": "kinds"},
    "rates": {"limit": "limits", "kind": "kinds"},
    "budgets": {"pool": "pools"},
    "guarantees": {"project": "projects", "pool": "pools", "kind": "kinds"},
    "shapes": {"project": "projects"},
}
"""The columns that name a row of another table. `placed.project` is none: who is not listed is background."""

STARRED = {("quotas", "kind"), ("limits", "kind"), ("guarantees", "kind")}
"""The columns that may say `*`, for all kinds together."""

ORDER = (
    *("kinds", "pools", "groups", "quotas", "caps", "inventory", "projects", "requests", "placed"),
    *("limits", "rates", "budgets", "guarantees", "power", "shapes"),
)
"""The tables so that each comes after those that it names."""

MANY = 1_000
"""With so many inventory rows left out, no node is judged: the search would take long."""

RowT = TypeVar("RowT", bound=Row)


def names_of(instance: Instance, table: str) -> set[str]:
    """Return the names that the rows of a table declare, broken rows included."""
    (column,) = KEYS[table]
    return {name for row in getattr(instance, table) if (name := getattr(row, column)) is not None}


@dataclass(frozen=True)
class Sound:
    """An instance of the sound rows alone, and where each stood in the draft."""

    instance: Instance
    origin: Mapping[str, Sequence[int]]
    """Per table the draft's position of each row; empty when the draft is sound as it is."""
    lost: tuple[str, ...]
    """How the names of nodes begin that cannot be judged, since an inventory row of theirs is left out."""

    @classmethod
    def part_of(cls, draft: Instance, report: Report) -> Sound:
        """Leave out the broken rows, then those that name one of them, and so on."""
        if report.spotless:
            return cls(draft, {}, ())
        origin: dict[str, list[int]] = {}
        names: dict[str, set[str]] = {}
        for table in ORDER:
            rows = getattr(draft, table)
            kept = [index for index in range(len(rows)) if report.whole(table, index)]
            names[table] = _standing(table, rows, kept, names)
            origin[table] = [index for index in kept if _holds(table, rows[index], names)]
        gone = names_of(draft, "projects") - names["projects"]
        origin["placed"] = [index for index in origin["placed"] if draft.placed[index].project not in gone]
        tables = {table: tuple(getattr(draft, table)[index] for index in kept) for table, kept in origin.items()}
        lost = set(_lost(draft, report, origin["inventory"]))
        return cls(draft.model_copy(update=tables), origin, tuple(lost) if len(lost) < MANY else ("",))

    @property
    def complete(self) -> bool:
        """Tell whether nothing was left out."""
        return not self.origin

    def index(self, table: str, index: int) -> int:
        """Return the draft's position of a row."""
        return self.origin[table][index] if self.origin else index

    def rows(self, table: str, rows: Sequence[RowT]) -> Iterator[tuple[int, RowT]]:
        """Return the rows of a table, each with its position in the draft."""
        return zip(self.origin[table], rows, strict=True) if self.origin else enumerate(rows)

    def doubtful(self, node: str) -> bool:
        """Tell whether a node may belong to an inventory row that was left out."""
        return node.startswith(self.lost)


def _standing(table: str, rows: Sequence[Any], kept: Collection[int], names: Mapping[str, set[str]]) -> set[str]:
    """Return the names that hold: for pools, only those whose whole line up to the root does."""
    if len(KEYS.get(table, ())) != 1:
        return set()
    (column,) = KEYS[table]
    if table != "pools":
        return {getattr(rows[index], column) for index in kept if _holds(table, rows[index], names)}
    parent = {rows[index].pool: rows[index].parent for index in kept}
    standing: set[str | None] = {None}
    before = 0
    while len(standing) > before:
        before = len(standing)
        standing |= {pool for pool, above in parent.items() if above in standing}
    return {pool for pool in standing if pool is not None}


def _holds(table: str, row: Row, names: Mapping[str, set[str]]) -> bool:
    for column, target in REFERENCES.get(table, {}).items():
        name = getattr(row, column)
        starred = (table, column) in STARRED and name == ALL_KINDS
        if name is not None and name not in names[target] and not starred:
            return False
    return True


def _lost(draft: Instance, report: Report, kept: Collection[int]) -> Iterator[str]:
    if "inventory" in report.unread or "levels" in report.unread:
        yield ""
    stands = set(kept)
    for index, row in enumerate(draft.inventory):
        if index in stands:
            continue
        if not report.sound("inventory", index, "path", "node"):
            yield ""
        elif row.node is not None:
            yield row.node
        else:
            yield "/".join([*filter(None, ["/".join(row.path)]), "n"])
