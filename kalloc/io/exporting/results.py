"""What an export makes: files, and what a reader of them must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kalloc.io.dump import csv_text
from kalloc.io.exporting import NAMES_FILE
from kalloc.io.exporting.names import Names


@dataclass(frozen=True)
class Export:
    """Contents by file name; a format that is one file has the name ``""`` for it."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


def named(files: Mapping[str, bytes], notes: tuple[str, ...], *names: Names) -> Export:
    """Return an export with the table of the names that are not the original ones, where there are any."""
    changed = list(dict.fromkeys(row for used in names for row in used.changed()))
    told = dict.fromkeys([*notes, *(note for used in names for note in used.notes)])
    if not changed:
        return Export(files, tuple(told))
    table = csv_text(("of", "name", "here"), changed).encode()
    told[f"names that are written otherwise here: {len(changed):,}; {NAMES_FILE} says how"] = None
    return Export({**files, NAMES_FILE: table}, tuple(told))
