"""Parquet: one file per table, with types."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from kalloc.io.exporting.extras import needed
from kalloc.io.exporting.results import Export
from kalloc.io.exporting.sheets import Sheet, sheets

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


def export(instance: Instance | None, plan: Plan | None) -> Export:
    """Return one .parquet per table: texts, whole numbers, numbers, true or false; null stands for nothing."""
    needed("pyarrow", "parquet")
    return Export({f"{sheet.name}.parquet": _file(sheet) for sheet in sheets(instance, plan)})


def _file(sheet: Sheet) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    arrays = []
    for values in zip(*sheet.rows, strict=True) if sheet.rows else [()] * len(sheet.columns):
        array = pa.array(values)
        arrays.append(array.cast(pa.string()) if pa.types.is_null(array.type) else array)
    stream = io.BytesIO()
    parquet.write_table(pa.table(arrays, names=list(sheet.columns)), stream)
    return stream.getvalue()
