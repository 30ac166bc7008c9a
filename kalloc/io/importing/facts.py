"""What a source says, each fact with where it says it; what was left out or guessed on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from kalloc.errors import Defect, InstanceError

MAX_HOSTS = 2_000_000
"""Names that the host lists of one import may stand for, all together."""
MAX_DEFECTS = 1_000
"""No more defects are collected: whoever has so many reads the first ones."""


class Where(NamedTuple):
    """A place in a file."""

    file: str
    number: int | None = None
    unit: str = "line"
    """What is counted: ``line`` in a text, ``row`` in a table."""

    def __str__(self) -> str:
        """Return ``file, line 3``."""
        return self.file if self.number is None else f"{self.file}, {self.unit} {self.number}"


class Remark(StrEnum):
    """Why something is noted."""

    DROPPED = "dropped"
    """The source says it, the instance does not."""
    GUESSED = "guessed"
    """The instance says it, the source does not in so many words."""
    AMBIGUOUS = "ambiguous"
    """The source can be read in more than one way; one was taken."""


@dataclass(frozen=True, order=True)
class Note:
    """Something that an import dropped, guessed or found ambiguous."""

    where: Where
    remark: Remark
    message: str

    def __str__(self) -> str:
        """Return ``file, line 3: dropped: …``."""
        return f"{self.where}: {self.remark}: {self.message}"


@dataclass(slots=True)
class NodeFact:
    """What one source says of a node, or of ``count`` nodes without names."""

    name: str | None
    where: Where
    place: dict[str, str] = field(default_factory=dict)
    """Domain by level, for the levels that the source knows."""
    kind: str | None = None
    gpus: int | None = None
    owner: str | None = None
    state: str | None = None
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that may name domains; which of them do is decided when all sources are read."""
    source: str | None = None
    """Where the facts come from, as the source itself says."""
    note: str | None = None
    device: bool = False
    """Whether it may be anything with a name; it is a node only if another source says so."""


@dataclass
class Pattern:
    """Nodes of a place that are named by a pattern or by labels."""

    what: str
    """The words for it."""
    where: Where
    place: Mapping[str, str]
    expression: re.Pattern[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def means(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether what has this name and these labels is meant."""
        if self.expression is not None:
            return self.expression.search(name) is not None
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass
class Entry:
    """A record of a table of the instance, and where it was read."""

    record: dict[str, Any]
    where: Where


@dataclass
class Facts:
    """Everything that one source says."""

    source: str
    """The name of its format."""
    levels: tuple[str, ...] = ()
    """The levels that it knows, coarse to fine."""
    nodes: list[NodeFact] = field(default_factory=list)
    tables: dict[str, list[Entry]] = field(default_factory=dict)
    """Records of the tables of an instance other than the inventory."""
    patterns: list[Pattern] = field(default_factory=list)
    """Nodes that are known when all sources are read."""
    label_levels: tuple[str, ...] = ()
    """Labels of nodes that are levels, coarse to fine, where the source lists them."""

    def add(self, table: str, where: Where, **record: Any) -> None:
        """Add a record to a table."""
        self.tables.setdefault(table, []).append(Entry(record, where))


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is: control characters of untrusted names are written out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Findings:
    """Notes and defects of an import, in the order in which they were found."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.defects: list[Defect] = []
        self.hosts_left = MAX_HOSTS
        self._said: set[tuple[str, str, str]] = set()

    def dropped(self, where: Where, message: str) -> None:
        """Note what the source says and the instance does not."""
        self._note(Remark.DROPPED, where, message)

    def guessed(self, where: Where, message: str) -> None:
        """Note what the instance says and the source does not in so many words."""
        self._note(Remark.GUESSED, where, message)

    def ambiguous(self, where: Where, message: str) -> None:
        """Note what can be read in more than one way, and how it was."""
        self._note(Remark.AMBIGUOUS, where, message)

    def _note(self, remark: Remark, where: Where, message: str) -> None:
        self.notes.append(Note(where, remark, printable(message)))

    def once(self, remark: Remark, where: Where, what: str, message: str) -> None:
        """Note something the first time that it comes up in a file; ``what`` tells it from other things."""
        if (key := (where.file, remark, what)) not in self._said:
            self._said.add(key)
            self._note(remark, where, message)

    def wrong(self, where: Where, message: str, column: str | None = None) -> None:
        """Add a defect of the source."""
        line, row = (where.number, None) if where.unit == "line" else (None, where.number)
        self.defects.append(Defect(where.file, row, column and printable(column), printable(message), line))
        if len(self.defects) >= MAX_DEFECTS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise all defects at once, if there are any."""
        if self.defects:
            raise InstanceError(self.defects)
