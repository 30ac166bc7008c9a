"""CSV: one file per table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalloc.io.dump import csv_text
from kalloc.io.exporting.results import Export
from kalloc.io.exporting.sheets import sheets

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


def export(instance: Instance | None, plan: Plan | None) -> Export:
    """Return one .csv per table: UTF-8, with a header, what is empty stands for nothing."""
    return Export(
        {f"{sheet.name}.csv": csv_text(sheet.columns, sheet.rows).encode() for sheet in sheets(instance, plan)}
    )
