"""One CSV table into records, line by line: a monstrous or mangled line is told and left, the rest is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from kalloc.instance.hints import nearest
from kalloc.instance.report import ANY, HEADER, Report
from kalloc.instance.sound import KEYS
from kalloc.io.files import MAX_TABLE, MIB, UnreadableError
from kalloc.io.tables import PATH, TEXTS, columns, required

MAX_LINE = MIB
"""Bytes of one line. A longer one is read past, not kept."""
HEAD_OF_LINE = 100_000
"""Bytes of an overlong line that are looked at, to tell which cell is too long."""
MAX_ROWS = 1_000_000

FLAGS = {"true": True, "false": False}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Record = dict[str, Any]


class Lines:
    """The lines of a file as text; ``trouble`` holds what is wrong with those given out since it was cleared."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream = stream
        self.size = 0
        self.trouble: list[tuple[int | None, str]] = []
        """Position of a cell, or None for the whole row, and what is wrong with it."""

    def __iter__(self) -> Iterator[str]:
        while raw := self._next():
            if self.size == len(raw):
                raw = _without_mark(raw)
            if len(raw) > MAX_LINE:
                raw = self._cut(raw)
            if b"\0" in raw:
                self.trouble.append((None, "has NUL bytes; the file must be UTF-8 text"))
                raw = raw.replace(b"\0", b"")
            try:
                yield raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self.trouble.append((None, f"is not UTF-8 at byte {error.start + 1}; save the file as UTF-8"))
                yield raw.decode("utf-8", "replace")

    def _next(self) -> bytes:
        raw = self.stream.readline(MAX_LINE + 1)
        self.size += len(raw)
        if self.size > MAX_TABLE:
            raise UnreadableError(f"is larger than {MAX_TABLE // MIB} MiB")
        return raw

    def _cut(self, raw: bytes) -> bytes:
        """Read to the end of an overlong line and return its cells before the one that is too long."""
        head, more = raw[:HEAD_OF_LINE], raw
        while more and not more.endswith(b"\n"):
            more = self._next()
        cells = next(csv.reader([head.decode("utf-8", "replace").replace("\n", " ")]))
        self.trouble.append((len(cells) - 1, f"makes the line longer than {MAX_LINE:,} bytes; shorten it"))
        out = io.StringIO()
        csv.writer(out).writerow([*cells[:-1], ""])
        return out.getvalue().encode()


def _without_mark(raw: bytes) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("is UTF-16; save it as UTF-8")
    return raw.removeprefix(BYTE_ORDER_MARK)


class TableReader:
    """Reads one table; ``rows`` gets the spreadsheet row of each record, as its defects need it."""

    def __init__(self, table: str, levels: Sequence[str] | None, report: Report, rows: list[int]) -> None:
        self.table = table
        self.levels = levels
        self.report = report
        self.rows = rows
        self.header: list[str] = []
        self.missing: list[str] = []

    def read(self, stream: io.BufferedIOBase) -> list[Record]:
        """Return the records of the table: the cells that are not empty, by column."""
        lines = Lines(stream)
        records: list[Record] = []
        number = 0
        reader = csv.reader(lines)
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self._give_up(number, records, error)
                break
            if cells is None:
                break
            if any(cells) or lines.trouble:
                self._take(number, cells, lines.trouble, records)
            lines.trouble.clear()
            if len(records) >= MAX_ROWS:
                raise UnreadableError(f"has more than {MAX_ROWS:,} rows")
        if not self.header:
            raise UnreadableError("is empty; it must begin with the columns " + self._columns_needed())
        return records

    def _take(
        self, number: int, cells: list[str], trouble: list[tuple[int | None, str]], records: list[Record]
    ) -> None:
        if not self.header:
            self._read_header(cells)
            for _, message in trouble:
                self.report.add(self.table, HEADER, None, message)
            return
        index = len(records)
        self.rows.append(number)
        records.append(self._record(cells))
        for position, message in trouble:
            column = self.header[position] if position is not None and position < len(self.header) else None
            self.report.add(self.table, index, column, message)
            self.report.distrust(self.table, index, ANY)
        if len(cells) != len(self.header) and not trouble:
            message = f"has {len(cells)} cells, but the header has {len(self.header)}"
            self.report.add(self.table, index, None, message)
        for column in self.missing:
            self.report.distrust(self.table, index, column)

    def _record(self, cells: list[str]) -> Record:
        record: Record = {}
        for column, cell in zip(self.header, cells, strict=False):
            text = cell if column in TEXTS else cell.strip()
            if text and column and column not in record:
                record[column] = FLAGS.get(text.lower(), text) if column in ("mandatory", "movable") else text
        return record

    def _give_up(self, number: int, records: list[Record], error: csv.Error) -> None:
        message = f"cannot be read from here on: {error}; is a quotation mark left open?"
        self.rows.append(number)
        records.append({})
        self.report.add(self.table, len(records) - 1, None, message)
        self.report.unread.add(self.table)
        self.header = self.header or ["?"]

    def _columns_needed(self) -> str:
        return ", ".join(required(self.table, self.levels or ()))

    def _read_header(self, cells: list[str]) -> None:
        names = [cell.strip() for cell in cells]
        known = columns(self.table, self.levels or ())
        for position, name in enumerate(names):
            if not name:
                self.report.add(self.table, HEADER, None, f"the column at position {position + 1} has no name")
            elif name in names[:position]:
                self.report.add(self.table, HEADER, name, "is there twice; keep one of them")
            elif name not in known and not self._may_be_level(name):
                message = f"unknown column; {_separator(names) or nearest(name, known)}"
                self.report.add(self.table, HEADER, name[:60], message)
        self.missing = [name for name in required(self.table, self.levels or ()) if name not in names]
        for name in self.missing:
            self.report.add(self.table, HEADER, name, f"column is missing; the table needs {self._columns_needed()}")
        if set(self.missing).intersection(KEYS.get(self.table, ())):
            self.report.unread.add(self.table)
        if self.levels and set(self.missing).intersection(self.levels):
            self.missing.append(PATH)
        self.header = [name if name in known else "" for name in names]

    def _may_be_level(self, name: str) -> bool:
        return self.levels is None and self.table == "inventory"


def _separator(names: Sequence[str]) -> str | None:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return "cells must be separated by commas"
    return None
