"""The notes of an import as files: notes.csv and reconciliation.csv."""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path

from kalloc.io.atomic import publish
from kalloc.io.dump import csv_text
from kalloc.io.importing import Difference, Imported

NOTES = "notes.csv"
RECONCILIATION = "reconciliation.csv"


def write_notes(imported: Imported, directory: Path) -> None:
    """Write both files, all or nothing; what was there must be such files too."""
    notes = csv_text(
        ("file", "line", "remark", "message"),
        ((note.where.file, note.where.number, str(note.remark), note.message) for note in imported.notes),
    )
    rows = csv_text([field.name for field in fields(Difference)], map(astuple, imported.differences))
    files = {NOTES: notes.encode(), RECONCILIATION: rows.encode()}
    publish(directory, files.items(), files, NOTES)
