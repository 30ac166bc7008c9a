"""Where every input comes from, and which of it is assumed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.instance.rows import Row

if TYPE_CHECKING:
    import pandas as pd

    from kalloc.instance import Instance

GRADE = re.compile(r"(?:^|;)\s*([HMDA])(?=:|\s*(?:;|$))")
"""What a source begins with, or a part of it after a semicolon: ``H: press; A: merit``."""
ASSUMED = re.compile(r"\bassum(?:ed|ption|ptions)\b|가정|추정", re.IGNORECASE)


def grades(text: str) -> str:
    """Return the grades of a source in the order H, M, D, A; a text that says that it assumes has an A."""
    found = set(GRADE.findall(text)) | ({"A"} if ASSUMED.search(text) else set())
    return "".join(grade for grade in "HMDA" if grade in found)


def _rows(instance: Instance, table: str) -> Iterator[Row]:
    """Yield the rows of a table; none of what is no table."""
    value = getattr(instance, table)
    yield from (row for row in value if isinstance(row, Row)) if isinstance(value, tuple) else ()


def sources(instance: Instance) -> pd.DataFrame:
    """Return the sources of every table, each with its rows; what assumes first, then the most rows.

    Returns:
        Columns table, source (empty where a row names none), note (where all of these rows have the same one), notes
        (how many different ones they have), rows, grades (letters of H, M, D, A), assumed.
    """
    import pandas as pd

    found = []
    for table in type(instance).model_fields:
        rows: Counter[str] = Counter()
        notes: dict[str, set[str]] = {}
        for row in _rows(instance, table):
            rows[row.source] += 1
            notes.setdefault(row.source, set()).add(row.note)
        part = []
        for source, count in rows.items():
            several = notes[source]
            note = next(iter(several)) if len(several) == 1 else ""
            grade = grades("; ".join(filter(None, (source, note))))
            part.append((table, source, note, len(several - {""}), count, grade, "A" in grade))
        found += sorted(part, key=lambda row: (not row[6], -row[4], row[1]))
    return pd.DataFrame(found, columns=["table", "source", "note", "notes", "rows", "grades", "assumed"])
