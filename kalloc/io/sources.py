"""The two forms of an instance on disk: a directory of tables, and one JSON document."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kalloc.errors import Defect
from kalloc.instance.hints import nearest
from kalloc.instance.report import FIRST_ROW, HEAD, HEADER, Place, Report, in_head
from kalloc.io.csvs import Record, TableReader
from kalloc.io.files import MIB, UnreadableError, opened, read_text
from kalloc.io.tables import REQUIRED, TABLES, required

TOML_KEYS = ("format", "name", "title", "as_of", "topology", "cap", "objective")
HEAD_FILE = "instance.toml"


class Source(Protocol):
    """Where an instance is read from. Both forms give the same head and the same records."""

    strict: bool
    """Whether values have types of their own; in CSV all are text."""

    def locate(self, table: str, index: int | None, column: str | None) -> Place:
        """Return file, row and column of what stands at a position."""

    def head(self, report: Report) -> dict[str, Any] | None:
        """Return what stands before the tables, or None when it cannot be read."""

    def records(self, table: str, levels: Sequence[str] | None, report: Report) -> list[Record]:
        """Return the records of a table; without ``levels`` any unknown column may be one."""


class Directory:
    """``instance.toml`` and CSV tables, each of them plain or packed by gzip."""

    strict = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = {table: f"{table}.csv" for table in TABLES}
        self.rows: dict[str, list[int]] = {table: [] for table in TABLES}

    def locate(self, table: str, index: int | None, column: str | None) -> Place:
        """Return the file, the spreadsheet row and the column."""
        if table not in self.files:
            return HEAD_FILE, None, in_head(table, index, column)
        if index is None or index == HEADER:
            return self.files[table], None if index is None else FIRST_ROW - 1, column
        return self.files[table], self.rows[table][index], column

    def head(self, report: Report) -> dict[str, Any] | None:
        """Read instance.toml, and look for tables that nobody knows."""
        self._list(report)
        if not (self.path / HEAD_FILE).exists():
            report.add(HEAD, None, None, "the file is missing; every instance has one, with a name at least")
            return None
        try:
            return tomllib.loads(read_text(self.path / HEAD_FILE, 16 * MIB))
        except UnreadableError as error:
            report.add(HEAD, None, None, str(error))
        except (ValueError, RecursionError) as error:
            line = re.search(r"\(at line (\d+), column \d+\)", str(error))
            place = f"line {line[1]}: " if line else ""
            report.add(HEAD, None, None, f"{place}is no TOML: {error}")
        return None

    def _list(self, report: Report) -> None:
        try:
            names = sorted(item.name for item in self.path.iterdir())
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        known = [f"{table}.csv" for table in TABLES]
        for name in names:
            plain = name.removesuffix(".gz")
            if not plain.endswith(".csv"):
                continue
            if plain not in known:
                report.defects.append(Defect(name, None, None, f"unknown table; {nearest(plain, known)}"))
            elif name != plain:
                table = plain.removesuffix(".csv")
                self.files[table] = name
                if plain in names:
                    report.add(table, None, None, f"is there as {plain} too; keep one of them")

    def records(self, table: str, levels: Sequence[str] | None, report: Report) -> list[Record]:
        """Read one table; a missing one is empty, unless an instance needs it."""
        path = self.path / self.files[table]
        if not path.exists() and not path.is_symlink():
            if table in REQUIRED:
                needed = ", ".join(required(table, levels or ()))
                report.add(table, None, None, f"the file is missing; it must be there, with the columns {needed}")
                report.unread.add(table)
            return []
        reader = TableReader(table, levels, report, self.rows[table])
        try:
            with opened(path) as stream:
                return reader.read(stream)
        except UnreadableError as error:
            report.add(table, None, None, str(error))
            report.unread.add(table)
        return []


class Document:
    """One JSON document whose keys are those of instance.toml and the names of the tables."""

    strict = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: Mapping[str, Any] = {}

    def locate(self, table: str, index: int | None, column: str | None) -> Place:
        """Return the file, the position in the list from 1, and the list and key."""
        if table in (HEAD, "caps"):
            return self.path.name, None, in_head(table, index, column)
        key = table if column is None else f"{table}.{column}"
        return self.path.name, None if index is None else index + 1, key

    def head(self, report: Report) -> dict[str, Any] | None:
        """Read the document and return what is no table."""
        document = parse_json(read_text(self.path))
        if not isinstance(document, dict):
            raise UnreadableError("must hold one JSON object")
        self.document = document
        known = (*TOML_KEYS, *TABLES)
        for key in document:
            if key not in known:
                report.add(HEAD, None, key[:60], f"unknown key; {nearest(key, known)}")
        head = {key: document[key] for key in TOML_KEYS if key in document}
        for key in (*_doubled(document), *_doubled_below({name: head.get(name) for name in ("topology", "objective")})):
            report.add(HEAD, None, key, "is given twice; keep one of them")
        head["as_of"] = _date(head.get("as_of"))
        return head

    def records(self, table: str, levels: Sequence[str] | None, report: Report) -> list[Record]:
        """Return the objects of a list; a missing one is empty, unless an instance needs it."""
        listed = self.document.get(table)
        if listed is None and table not in self.document and table not in REQUIRED:
            return []
        if not isinstance(listed, list):
            message = "must be a list of objects" if table in self.document else "the list is missing"
            report.add(table, None, None, message)
            report.unread.add(table)
            return []
        return [plain_record(table, index, item, report) for index, item in enumerate(listed)]


def plain_record(table: str, index: int, item: object, report: Report) -> Record:
    """Return an object of a list, after a look at what a dict cannot show."""
    if not isinstance(item, dict):
        report.add(table, index, None, "must be an object")
        return {}
    for key in _doubled(item):
        report.add(table, index, key, "is given twice; keep one of them")
    return dict(item)


class _Doubled(dict[str, Any]):
    """An object some of whose keys were given twice."""

    keys_twice: tuple[str, ...] = ()


def _doubled(value: object) -> Iterable[str]:
    return value.keys_twice if isinstance(value, _Doubled) else ()


def _doubled_below(value: Mapping[str, object], above: str = "") -> Iterator[str]:
    """Return the keys given twice in the objects of an object, each with the keys that lead to it."""
    for key, part in value.items():
        if isinstance(part, dict):
            yield from (f"{above}{key}.{name}" for name in _doubled(part))
            yield from _doubled_below(part, f"{above}{key}.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = _Doubled(found)
    keys = [key for key, _ in pairs]
    twice.keys_twice = tuple(key for key in found if keys.count(key) > 1)
    return twice


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or raise an UnreadableError that names a key given twice."""
    found = _object(pairs)
    for key in _doubled(found):
        raise UnreadableError(f"has an object with the key {key[:60]!r} twice; keep one of them")
    return found


def parse_json(text: str, hook: Callable[[list[tuple[str, Any]]], dict[str, Any]] = _object) -> object:
    """Return what a JSON text holds, or raise an UnreadableError that says where it breaks."""
    try:
        return json.loads(text, object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        message = f"is no JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise UnreadableError(message if text.strip() else "is empty") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no JSON that can be read: {error}") from error


def _date(value: object) -> object:
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
