"""The rows of Excel workbooks and Parquet files, after a look at how much memory they would take."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kalloc.io.csvs import MAX_ROWS
from kalloc.io.files import MAX_TABLE, MIB
from kalloc.io.importing.facts import Where
from kalloc.io.importing.reading import fail, library

MAX_WORKBOOK = 128 * MIB
"""Bytes of a workbook when it is unpacked."""
MAX_CELLS = 10_000_000
"""Cells of the rectangles that hold all that is on the sheets: a library makes them all."""

REFERENCE = re.compile(rb"""\sr\s*=\s*["']([^"']{0,40})["']""")
PLACE = re.compile(rb"([A-Z]{0,3})([0-9]{1,7})")
OPENING = re.compile(rb"<(?:\w+:)?c[\s/>]")

Cell = str | int | float | bool | None
Numbered = tuple[int, Sequence[Cell]]
"""The cells of a row, and its number in the sheet."""


def workbook(path: Path) -> Iterator[tuple[str, Iterator[Numbered]]]:
    """Yield the sheets of a workbook by name.

    Raises:
        InstanceError: where it is none, or would take too much memory.
    """
    calamine = library("python_calamine", "python-calamine", "formats")
    _check_workbook(path)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        for name in book.sheet_names:
            yield name, _numbered(book.get_sheet_by_name(name).to_python(skip_empty_area=False), 1)
    except (calamine.CalamineError, OSError, ValueError) as error:
        fail(Where(str(path)), f"is no workbook that can be read: {error}")


def _numbered(rows: Sequence[Sequence[Any]], first: int) -> Iterator[Numbered]:
    for number, row in enumerate(rows, start=first):
        yield number, [_plain(cell) for cell in row]


def _plain(value: Any) -> Cell:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _check_workbook(path: Path) -> None:
    """Refuse a workbook that unpacks to too much, or whose sheets reach too far."""
    where = Where(str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_WORKBOOK:
                fail(where, f"is larger than {MAX_WORKBOOK // MIB} MiB when it is unpacked")
            cells = sum(_reach(archive, member, where) for member in archive.infolist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        fail(where, f"is no workbook that can be read: {error}")
    if cells > MAX_CELLS:
        fail(where, f"has sheets that reach over {cells:,} cells, more than {MAX_CELLS:,}; delete what is far out")


def _reach(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: Where) -> int:
    """Return the cells of the rectangle from the first one of a sheet to the last row and column that it names."""
    rows = columns = nameless = 0
    is_sheet = False
    for tags in _tags(archive, member, where):
        is_sheet = is_sheet or b"sheetData" in tags
        nameless += len(OPENING.findall(tags))
        for match in REFERENCE.finditer(tags):
            place = PLACE.fullmatch(match[1])
            if place is not None:
                rows, columns = max(rows, int(place[2])), max(columns, _column(place[1]))
                nameless -= place[1] != b""
            elif is_sheet:
                fail(where, f"has a cell at no place that there is: {match[1][:40]!r}")
    return rows * max(columns, nameless) if is_sheet else 0


def _tags(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: Where) -> Iterator[bytes]:
    """Yield the content of a member in pieces that end where a tag begins."""
    held, read = b"", 0
    with archive.open(member) as stream:
        while chunk := stream.read(MIB):
            read += len(chunk)
            if read > MAX_WORKBOOK:
                fail(where, f"is larger than {MAX_WORKBOOK // MIB} MiB when it is unpacked")
            whole, mark, rest = (held + chunk).rpartition(b"<")
            yield whole
            held = mark + rest
    yield held


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def parquet(path: Path) -> Iterator[Numbered]:
    """Yield the columns' names as row 1 and the records of a Parquet file.

    Raises:
        InstanceError: where it is none, or would take too much memory.
    """
    library("pyarrow", "pyarrow", "parquet")
    parquet = library("pyarrow.parquet", "pyarrow", "parquet")
    arrow = library("pyarrow", "pyarrow", "parquet")
    where = Where(str(path))
    try:
        names = parquet.read_schema(path).names
        file = parquet.ParquetFile(path, read_dictionary=names)
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if file.metadata.num_rows > MAX_ROWS or sum(groups) > MAX_TABLE or path.stat().st_size > MAX_TABLE:
            fail(where, f"has more than {MAX_ROWS:,} rows or {MAX_TABLE // MIB} MiB")
        yield 1, names
        first, left = 2, MAX_TABLE
        for batch in file.iter_batches():
            left -= sum(_bytes(column) for column in batch.columns)
            if left < 0:
                fail(where, f"is larger than {MAX_TABLE // MIB} MiB when it is unpacked")
            yield from _numbered([list(record.values()) for record in batch.to_pylist()], first)
            first += len(batch)
    except (arrow.ArrowException, OSError) as error:
        fail(where, f"is no Parquet file that can be read: {error}")


def _bytes(column: Any) -> int:
    """Return the bytes of a column, every text counted as often as it is there."""
    if not hasattr(column, "dictionary"):
        return int(column.nbytes)
    compute = library("pyarrow.compute", "pyarrow", "parquet")
    lengths = compute.binary_length(column.dictionary)
    return int(compute.sum(compute.take(lengths, column.indices)).as_py() or 0)
