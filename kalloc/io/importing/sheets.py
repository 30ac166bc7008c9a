"""Tables as planners keep them: CSV files, the sheets of a workbook, Parquet files; cells by row and heading."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kalloc.io.csvs import MAX_ROWS
from kalloc.io.files import MAX_TABLE, read_bytes
from kalloc.io.importing.facts import Findings, Where
from kalloc.io.importing.reading import fail, readable
from kalloc.io.importing.workbooks import Numbered, parquet, workbook

OTHER_WORKBOOKS = (".xlsb", ".xls", ".ods", ".numbers")
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Sheet:
    """A table with a row of headings."""

    name: str
    """Of the sheet, or of the file without its endings."""
    file: str
    header: tuple[str, ...]
    head: int
    """Row of the header, from 1."""
    rows: Iterable[Numbered]
    """Cells with the number of their row; rows without any are left out."""

    def where(self, number: int | None) -> Where:
        """Return the place of a row."""
        return Where(self.file, number, "row")


def sheets(path: Path, found: Findings) -> list[Sheet]:
    """Return the tables of a file.

    Raises:
        InstanceError: where it cannot be read, or is too large.
    """
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xlsm"):
        return [headed(name, f"{path}, sheet {name}", rows, found) for name, rows in workbook(path)]
    if ending in (".parquet", ".pq"):
        return [headed(path.name.partition(".")[0], str(path), parquet(path), found)]
    if ending in OTHER_WORKBOOKS:
        fail(Where(str(path)), f"workbooks of the kind {ending} are not read; save it as .xlsx")
    return [csv_sheet(path, found)]


def csv_sheet(path: Path, found: Findings) -> Sheet:
    """Return a CSV file as a table; what separates the cells is told by the header."""
    text = _text(path, found)
    first = text.lstrip("\r\n")[:65536].partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    return headed(path.name.partition(".")[0], str(path), _csv_rows(path, text, separator), found)


def _text(path: Path, found: Findings) -> str:
    """Return the text of a CSV file: UTF-8, UTF-16 with its mark, or else what Korean spreadsheets write."""
    with readable(path):
        data = read_bytes(path, MAX_TABLE)
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp949"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        if encoding == "cp949":
            found.guessed(Where(str(path)), "the text is not UTF-8; it is read as CP949")
        return text
    fail(Where(str(path)), "is no text in UTF-8, UTF-16 or CP949; save it as UTF-8")


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[Numbered]:
    """Yield the records of a CSV text; the number of a record is its row in a spreadsheet."""
    number = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            fail(Where(str(path), number), f"cannot be read from here on: {error}; is a quotation mark left open?")
        if cells is None:
            return
        yield number, [cell.strip() for cell in cells]


def headed(name: str, file: str, rows: Iterator[Numbered], found: Findings) -> Sheet:
    """Return a sheet whose header is the first row with two cells or more, or the first row at all."""
    first: Numbered | None = None
    for number, cells in rows:
        filled = [cell for cell in cells if cell not in (None, "")]
        if not filled:
            continue
        first = first or (number, cells)
        if len(filled) > 1 or len(cells) == 1:
            if first[0] != number:
                found.dropped(Where(file, first[0], "row"), f"rows above the header in row {number} are not read")
            return Sheet(name, file, tuple(str(cell or "").strip() for cell in cells), number, _filled(file, rows))
    if first is None:
        return Sheet(name, file, (), 1, ())
    return Sheet(name, file, tuple(str(cell or "").strip() for cell in first[1]), first[0], ())


def _filled(file: str, rows: Iterator[Numbered]) -> Iterator[Numbered]:
    for count, (number, cells) in enumerate(rows):
        if count >= MAX_ROWS:
            fail(Where(file), f"has more than {MAX_ROWS:,} rows")
        if any(cell not in (None, "") for cell in cells):
            yield number, cells
