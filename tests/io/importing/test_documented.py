"""The page of imports is complete: every format, label, remark and key of a mapping."""

from __future__ import annotations

import re
from pathlib import Path

from kalloc.io.importing import FORMATS
from kalloc.io.importing.facts import Remark
from kalloc.io.importing.headings import LEVELS
from kalloc.io.importing.labels import PRESETS
from kalloc.io.importing.mapping import KEYS

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "imports.md").read_text(encoding="utf-8")


def rows(head: str) -> list[str]:
    """Return the first cells of the table under a heading."""
    text = PAGE.partition(f"\n## {head}\n")[2].partition("\n## ")[0] if head else PAGE.partition("\n## ")[0]
    return re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)


def test_formats() -> None:
    """Each format has a row, in the order of the command line."""
    assert rows("") == list(FORMATS)


def test_remarks_and_keys() -> None:
    """Each remark and each key of a mapping has a row."""
    assert rows("Notes") == list(Remark)
    assert [key for key in rows("Tables") if key in KEYS] == list(KEYS)


def test_labels_and_levels() -> None:
    """The level of each label that is known, and the levels of tables, are on the page."""
    for level in PRESETS.values():
        assert re.sub(r"-\d$", "-N", level) in PAGE or level in PAGE, level
    assert f"known as levels: {', '.join(LEVELS)}" in PAGE
