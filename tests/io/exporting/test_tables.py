"""CSV, Excel and Parquet: the same tables, and nothing in them is more than what it says."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from zipfile import ZipFile

import pytest
from pyarrow import parquet
from python_calamine import CalamineWorkbook

from kalloc.errors import OutputError
from kalloc.io.exporting import excel, made_of
from kalloc.io.exporting.sheets import SHEETS
from kalloc.plan import Plan
from tests.io.exporting.cases import HOSTILE, instance, plan


def tables() -> dict[str, list[list[str]]]:
    """Return the tables as CSV has them."""
    given = instance()
    files = made_of("csv", given, plan(given)).files
    return {name.removesuffix(".csv"): list(csv.reader(io.StringIO(data.decode()))) for name, data in files.items()}


def workbook(given: Any, decided: Plan | None) -> bytes:
    """Return the workbook."""
    return made_of("excel", given, decided).files[""]


def text(value: Any) -> str:
    """Return a cell as CSV has it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_tables() -> None:
    """All tables that have rows are there; use of pools and nodes is counted from the plan."""
    found = tables()
    given = instance()
    assert list(found) == [name for name in SHEETS if not hasattr(given, name) or getattr(given, name)]
    assert ["nation", "*", "64", "0", "0", "28"] in found["pool_use"]
    assert ["s1", "r1", "a02", "H200", "nation", "up", "8", "4", "4", "0"] in found["node_use"]
    assert found["allocations"][1][:4] == [HOSTILE, "lab", "H200", "12"]


def test_excel_has_the_same() -> None:
    """Each sheet has the rows of the CSV file of its name; the plan's end with totals."""
    given = instance()
    book = CalamineWorkbook.from_filelike(io.BytesIO(workbook(given, plan(given))))
    expected = tables()
    assert book.sheet_names == list(expected)
    for name, rows in expected.items():
        found = [[text(cell) for cell in row] for row in book.get_sheet_by_name(name).to_python()]
        clean = [[re.sub(r"\.0$", "", cell) for cell in row] for row in rows]
        assert found[: len(rows)] == clean, name
        assert len(found) - len(rows) == (name in ("allocations", "placements", "node_use")), name
    totals = book.get_sheet_by_name("allocations").to_python()[-1]
    assert (totals[0], totals[3]) == ("total", 28)


def test_excel_executes_nothing() -> None:
    """The only formulas of the workbook are the totals; a name that is one, or a link, is a text."""
    given = instance()
    with ZipFile(io.BytesIO(workbook(given, plan(given)))) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if "/worksheets/sheet" in name]
    formulas = [formula for page in pages for formula in re.findall(r"<f>(.*?)</f>", page)]
    assert len(formulas) == 6
    assert all(re.fullmatch(r"SUBTOTAL\(109,[A-Z]+2:[A-Z]+\d+\)", formula) for formula in formulas)
    assert not any("<hyperlink" in page for page in pages)


def test_excel_headers_stay_in_sight() -> None:
    """The first row of every sheet is frozen and has a filter."""
    given = instance()
    with ZipFile(io.BytesIO(workbook(given, None))) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if "/worksheets/sheet" in name]
    assert len(pages) == 7
    assert all('<pane ySplit="1" topLeftCell="A2"' in page and "<autoFilter" in page for page in pages)


def test_excel_refuses_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with more rows than a sheet is refused by name."""
    monkeypatch.setattr(excel, "MOST_ROWS", 6)
    with pytest.raises(OutputError, match=r"inventory has 6 rows, more than Excel takes; write parquet or csv"):
        workbook(instance(), None)


def test_parquet_has_types() -> None:
    """Each file has the rows of the CSV file of its name, with numbers, texts, truth values and nulls."""
    given = instance()
    files = made_of("parquet", given, plan(given)).files
    expected = tables()
    for name, rows in expected.items():
        table = parquet.read_table(io.BytesIO(files[f"{name}.parquet"]))
        found = [[text(cell) for cell in row.values()] for row in table.to_pylist()]
        assert [table.column_names, *found] == [[re.sub(r"\.0$", "", cell) for cell in row] for row in rows], name
    schema = parquet.read_schema(io.BytesIO(files["projects.parquet"]))
    assert [str(schema.field(name).type) for name in ("project", "merit", "mandatory")] == ["string", "double", "bool"]
    assert str(parquet.read_schema(io.BytesIO(files["requests.parquet"])).field("value").type) == "string"


def test_plan_alone() -> None:
    """A plan without its instance has its own two tables."""
    files = made_of("csv", None, plan(instance())).files
    assert list(files) == ["allocations.csv", "placements.csv"]
