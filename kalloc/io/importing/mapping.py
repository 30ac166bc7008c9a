"""The TOML file that says which sheet is which table, and which column is what."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kalloc.instance.hints import nearest
from kalloc.io.files import MIB
from kalloc.io.importing.facts import Findings, Where
from kalloc.io.importing.headings import APPLICATIONS, COLUMNS
from kalloc.io.importing.reading import fail, text_of
from kalloc.io.tables import ROWS, fields

TABLE_NAMES = (*ROWS, APPLICATIONS)
KEYS = ("sheet", "columns", "levels", "defaults")


@dataclass(frozen=True)
class TableMapping:
    """What a mapping says of one table."""

    table: str
    sheet: str | None = None
    """The sheet, or the file without its endings."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Heading by column."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """Heading by level, coarse to fine."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Value by column, where a cell is empty or there is no such column."""


def read_mapping(path: Path, found: Findings) -> list[TableMapping]:
    """Return what a mapping says of each table.

    Raises:
        InstanceError: where it is no TOML, or says what is not known.
    """
    where = Where(str(path))
    try:
        document = tomllib.loads(text_of(path, MIB))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        fail(where._replace(number=int(line[1]) if line else None), f"is no TOML: {error}")
    mappings = []
    for name, value in document.items():
        if name not in TABLE_NAMES:
            found.wrong(where, f"unknown table {name[:60]!r}; {nearest(name, TABLE_NAMES)}")
        elif not isinstance(value, dict):
            found.wrong(where, f"must be a table, begun by [{name}]", name)
        else:
            mappings.append(_table(where, name, value, found))
    found.raise_if_any()
    return mappings


def _table(where: Where, name: str, value: Mapping[str, Any], found: Findings) -> TableMapping:
    for key in value:
        if key not in KEYS:
            found.wrong(where, f"unknown key; {nearest(key, KEYS)}", f"{name}.{key[:60]}")
    columns = _texts(where, f"{name}.columns", value.get("columns", {}), found)
    defaults = value.get("defaults", {})
    if not isinstance(defaults, dict):
        found.wrong(where, "must be a table of columns", f"{name}.defaults")
        defaults = {}
    known = known_columns(name)
    for key in (*columns, *defaults):
        if key not in known:
            found.wrong(where, f"unknown column; {nearest(key, known)}", f"{name}.{key[:60]}")
    sheet, levels = value.get("sheet"), value.get("levels", {})
    if sheet is not None and not isinstance(sheet, str):
        found.wrong(where, "must be the name of a sheet or of a file", f"{name}.sheet")
        sheet = None
    if sheet is not None and re.search(r"[/\\]", sheet):
        found.wrong(
            where, "names a path; give the files to import, and here the name of one without folders", f"{name}.sheet"
        )
    if isinstance(levels, list):
        levels = {str(level): str(level) for level in levels}
    return TableMapping(name, sheet, columns, _texts(where, f"{name}.levels", levels, found), defaults)


def known_columns(table: str) -> list[str]:
    """Return the columns that a mapping may name."""
    if table == APPLICATIONS:
        return list(dict.fromkeys((*fields("projects"), *fields("requests"))))
    return [column for column in fields(table) if column != "path"] if table in COLUMNS else []


def _texts(where: Where, key: str, value: Any, found: Findings) -> dict[str, str]:
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    found.wrong(where, "must give a heading, as text, for each name", key)
    return {}
