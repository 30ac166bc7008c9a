"""Excel: one workbook with a sheet per table, headers that stay in sight, and totals."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from kalloc.errors import OutputError
from kalloc.io.exporting.extras import needed
from kalloc.io.exporting.results import Export
from kalloc.io.exporting.sheets import Sheet, sheets

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

MOST_ROWS = 1_048_576
"""Rows of a sheet; a header and a total are among them."""
WIDEST = 40
TEXTS_ONLY = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
"""A name that looks like a formula, a link or a number is a text all the same."""


def export(instance: Instance | None, plan: Plan | None) -> Export:
    """Return a workbook. The plan's tables end with totals; those of an instance do not, so they can be read again."""
    needed("xlsxwriter")
    import xlsxwriter

    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {**TEXTS_ONLY, "in_memory": True}) as book:
        bold = book.add_format({"bold": True})
        for sheet in sheets(instance, plan):
            if len(sheet.rows) + 2 > MOST_ROWS:
                message = f"{sheet.name} has {len(sheet.rows):,} rows, more than Excel takes; write parquet or csv"
                raise OutputError(message)
            _write(book.add_worksheet(sheet.name), sheet, bold)
    return Export({"": stream.getvalue()})


def _write(page: Any, sheet: Sheet, bold: Any) -> None:
    page.freeze_panes(1, 0)
    for column, name in enumerate(sheet.columns):
        page.write_string(0, column, name, bold)
    for number, row in enumerate(sheet.rows, 1):
        for column, value in enumerate(row):
            if isinstance(value, bool | int | float):
                page.write(number, column, value)
            elif value is not None:
                page.write_string(number, column, str(value))
    last = len(sheet.rows)
    page.autofilter(0, 0, last, len(sheet.columns) - 1)
    for column, name in enumerate(sheet.columns):
        page.set_column(column, column, _width([name, *(row[column] for row in sheet.rows[:1000])]))
        if name in sheet.sums and last:
            _total(page, sheet, column, bold)


def _total(page: Any, sheet: Sheet, column: int, bold: Any) -> None:
    """Write the sum of a column below it: of the rows that a filter leaves in sight."""
    from xlsxwriter.utility import xl_range

    last = len(sheet.rows)
    page.write_string(last + 1, 0, "total", bold)
    total = sum(value for row in sheet.rows if isinstance(value := row[column], int))
    page.write_formula(last + 1, column, f"=SUBTOTAL(109,{xl_range(1, column, last, column)})", bold, total)


def _width(values: list[Any]) -> int:
    return min(WIDEST, 2 + max(len(str(value)) for value in values if value is not None))
