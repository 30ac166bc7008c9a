"""Small files of other systems, written for a test, and what an import of them says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kalloc.errors import InstanceError
from kalloc.io import import_files
from kalloc.io.importing import Imported, ImportOptions

GIVEN: dict[str, Any] = {"kind": "H200", "gpus_per_node": 8}


def write(folder: Path, name: str, text: str) -> Path:
    """Return a file with a text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def imported(format: str, folder: Path, name: str, text: str, **options: Any) -> Imported:
    """Import a text as a file of this name."""
    return import_files(format, [write(folder, name, text)], ImportOptions(**options))


def refused(format: str, folder: Path, name: str, text: str, **options: Any) -> list[str]:
    """Return the defects for which a text is refused, without the folder."""
    with pytest.raises(InstanceError) as caught:
        imported(format, folder, name, text, **options)
    return [str(defect).replace(f"{folder}/", "") for defect in caught.value.defects]


def places(result: Imported) -> dict[str, tuple[str, ...]]:
    """Return the domains of every node, coarse to fine."""
    return {str(row.node): row.path for row in result.instance.inventory}


def said(result: Imported, folder: Path) -> list[str]:
    """Return the notes, without the folder, but for those that every small import has."""
    notes = [str(note).replace(f"{folder}/", "") for note in result.notes]
    return [note for note in notes if "not described" not in note and "a pool 'all' is added" not in note]
