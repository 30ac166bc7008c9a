"""Tables as planners keep them: CSV files, the sheets of a workbook, Parquet files; cells by row and heading."""

from __future__ import annotations

import csv
import datetime
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalloc.io.csvs import MAX_ROWS
from kalloc.io.files import MAX_TABLE, MIB, read_bytes
from kalloc.io.importing.facts import Findings, Where
from kalloc.io.importing.reading import fail, library, readable

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MAX_COLUMNS = 1_000
SEPARATORS = ",;\t"

Cell = str | int | float | bool | None
Numbered = tuple[int, Sequence[Cell]]


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
    if path.suffix.lower() in WORKBOOKS:
        return list(_workbook(path, found))
    if path.suffix.lower() in (".parquet", ".pq"):
        return [_parquet(path)]
    return [csv_sheet(path, found)]


def csv_sheet(path: Path, found: Findings) -> Sheet:
    """Return a CSV file as a table; what separates the cells is told by the header."""
    text = _text(path, found)
    first = text.lstrip("\r\n")[:65536].partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    return _headed(path.name.partition(".")[0], str(path), _csv_rows(path, text, separator), found)


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
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            fail(Where(str(path), number), f"cannot be read from here on: {error}; is a quotation mark left open?")
        if cells is None:
            return
        yield number, [cell.strip() for cell in cells]


def _headed(name: str, file: str, rows: Iterator[Numbered], found: Findings) -> Sheet:
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


def _workbook(path: Path, found: Findings) -> Iterator[Sheet]:
    calamine = library("python_calamine", "python-calamine", "formats")
    _check_size(path)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        tables = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    except (calamine.CalamineError, OSError, ValueError) as error:
        fail(Where(str(path)), f"is no workbook that can be read: {error}")
    for name in names:
        rows = ((number, [_plain(cell) for cell in row]) for number, row in enumerate(tables[name], start=1))
        sheet = _headed(name, f"{path}, sheet {name}", iter(rows), found)
        if len(sheet.header) > MAX_COLUMNS:
            fail(sheet.where(sheet.head), f"has more than {MAX_COLUMNS:,} columns")
        if sheet.header:
            yield sheet
        else:
            found.dropped(Where(f"{path}, sheet {name}"), "the sheet is empty")


def _check_size(path: Path) -> None:
    """Refuse a workbook that would unpack to more than a table may have."""
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        fail(Where(str(path)), f"cannot be read: {error}")
    if size > MAX_TABLE:
        fail(Where(str(path)), f"is larger than {MAX_TABLE // MIB} MiB when it is unpacked")


def _plain(value: Any) -> Cell:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _parquet(path: Path) -> Sheet:
    library("pyarrow", "pyarrow", "parquet")
    parquet = library("pyarrow.parquet", "pyarrow", "parquet")
    arrow = library("pyarrow", "pyarrow", "parquet")
    try:
        file = parquet.ParquetFile(path)
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if file.metadata.num_rows > MAX_ROWS or sum(groups) > MAX_TABLE:
            fail(Where(str(path)), f"has more than {MAX_ROWS:,} rows or {MAX_TABLE // MIB} MiB")
        header = tuple(file.schema_arrow.names)
        rows = [list(record.values()) for batch in file.iter_batches() for record in batch.to_pylist()]
    except (arrow.ArrowException, OSError) as error:
        fail(Where(str(path)), f"is no Parquet file that can be read: {error}")
    numbered = [(number, [_plain(cell) for cell in row]) for number, row in enumerate(rows, start=2)]
    return Sheet(path.name.partition(".")[0], str(path), header, 1, numbered)
