"""An instance back into files: the inverse of reading, so that what is read again is the same instance."""

from __future__ import annotations

import datetime
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kalloc.instance import Instance
from kalloc.instance.rows import Row
from kalloc.io.atomic import publish
from kalloc.io.files import MIB
from kalloc.io.sources import HEAD_FILE
from kalloc.io.tables import PATH, REQUIRED, TABLES, columns, fields, required

PACK_ABOVE = 4 * MIB
"""Bytes from which on a table is written as `.csv.gz`."""

FILES = frozenset({HEAD_FILE, *(f"{table}.csv{end}" for table in TABLES for end in ("", ".gz"))})

Cells = dict[str, Any]

MARKED = re.compile('[,"\r\n]')
"""What a cell of a CSV table must be quoted for."""


def dump_json(instance: Instance) -> str:
    """Return an instance as a JSON document: one line per row, defaults left out."""
    entries = [f"{_json(key)}: {_json(value)}" for key, value in _head(instance).items()]
    for table in ("caps", *TABLES):
        rows: Sequence[Row] = getattr(instance, table)
        if rows or table in REQUIRED:
            lines = ",\n".join(f"  {_json(_given(table, instance.hierarchy.levels, row))}" for row in rows)
            entries.append(f"{_json('cap' if table == 'caps' else table)}: [\n{lines}\n]")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def write_instance(instance: Instance, directory: str | Path) -> None:
    """Write an instance as a directory of tables, all or nothing; what was there must be an instance too.

    Raises:
        OutputError: where the directory cannot be written, or holds anything else.
    """
    levels = instance.hierarchy.levels
    files = {HEAD_FILE: _toml(instance).encode()}
    for table in TABLES:
        rows = getattr(instance, table)
        if rows or table in REQUIRED:
            data = _table(table, levels, rows)
            name, packed = f"{table}.csv", data.encode()
            if len(packed) > PACK_ABOVE:
                name, packed = f"{name}.gz", gzip.compress(packed, mtime=0)
            files[name] = packed
    publish(Path(directory), files.items(), FILES, HEAD_FILE)


def _table(table: str, levels: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a table as CSV, without the optional columns that nothing but defaults would fill."""
    every, default = [_cells(levels, row) for row in rows], _defaults(table)
    needed = required(table, levels)
    used = [
        name
        for name in columns(table, levels)
        if name in needed or any(cells[name] != default[name] for cells in every)
    ]
    return csv_text(used, ([cells[name] for name in used] for cells in every))


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a CSV table; empty cells stand for None."""
    return "".join(",".join(map(_cell, row)) + "\n" for row in (header, *rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if MARKED.search(text) else text


def _cells(levels: Sequence[str], row: Row) -> Cells:
    """Return a row by column, the place of a node by level."""
    values: Cells = {}
    for name, value in row:
        values.update(zip(levels, value, strict=True) if name == PATH else ((name, value),))
    return values


def _given(table: str, levels: Sequence[str], row: Row) -> Cells:
    """Return a row by column without what a reader would put there anyway."""
    cells, default = _cells(levels, row), _defaults(table)
    return {name: cells[name] for name in columns(table, levels) if name not in default or cells[name] != default[name]}


def _defaults(table: str) -> Cells:
    return {name: field.default for name, field in fields(table).items() if not field.is_required()}


def _head(instance: Instance) -> Cells:
    """Return what stands before the tables, by the keys of files."""
    hierarchy = instance.hierarchy
    head: Cells = {"format": instance.format, "name": instance.name}
    if instance.title:
        head["title"] = instance.title
    if instance.as_of:
        head["as_of"] = instance.as_of
    head["topology"] = {"levels": list(hierarchy.levels), "weights": dict(hierarchy.weights)}
    head["objective"] = instance.objective.model_dump(mode="json")
    return head


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)


def _toml(instance: Instance) -> str:
    head = _head(instance)
    tables = {key: head.pop(key) for key in ("topology", "objective")}
    weights = tables["topology"].pop("weights")
    lines = [*_pairs(head), "", "[topology]", *_pairs(tables["topology"]), ""]
    if weights:
        lines += ["[topology.weights]", *_pairs(weights), ""]
    for cap in instance.caps:
        lines += ["[[cap]]", *_pairs(_given("caps", (), cap)), ""]
    return "\n".join([*lines, "[objective]", *_pairs(tables["objective"]), ""])


def _pairs(values: Mapping[str, object]) -> Iterator[str]:
    """Return the lines of a TOML table; its strings and keys are those of JSON but for DEL."""
    for key, value in values.items():
        text = value.isoformat() if isinstance(value, datetime.date) else _value(value)
        name = key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _json(key)
        yield f"{name} = {text}".replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    """Return a value of TOML: that of JSON, but for inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _json(value)
