"""From head and records to an instance: every value judged, then every row against the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from kalloc.instance import Head, Hierarchy, Instance, Objective, Tier
from kalloc.instance.checks import check
from kalloc.instance.report import HEAD, Report
from kalloc.instance.rows import Row
from kalloc.instance.sound import KEYS, REFERENCES
from kalloc.io.csvs import Record
from kalloc.io.sentences import sentence
from kalloc.io.sources import TOML_KEYS, Source, plain_record
from kalloc.io.tables import PATH, ROWS, TABLES, columns, fields

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

NAMES = {
    *("level", "node", "applicant", "region", PATH),
    *(name for table in (KEYS, REFERENCES) for names in table.values() for name in names),
}
"""Columns that hold names: all that is read of a row in which something is wrong."""


def build(source: Source) -> Instance:
    """Return the instance of a source, or raise an InstanceError with every defect."""
    report = Report(source.locate)
    raw = source.head(report)
    caps = _caps(raw, report)
    head = _head(raw, report)
    levels = None if "levels" in report.unread else head.hierarchy.levels
    tables: dict[str, Any] = {"caps": _rows("caps", caps, (), True, report)}
    for table in TABLES:
        records = source.records(table, levels, report)
        if table == "inventory":
            _place(records, levels, report)
        tables[table] = _rows(table, records, levels or (), source.strict, report)
    instance = Instance.model_construct(**dict(head), **tables)
    check(instance, report)
    report.raise_if_any()
    return instance


def _caps(raw: dict[str, Any] | None, report: Report) -> list[Record]:
    listed = [] if raw is None else raw.pop("cap", [])
    if not isinstance(listed, list):
        report.add(HEAD, None, "cap", "must be a list of tables, each begun by [[cap]]")
        return []
    return [plain_record("caps", index, item, report) for index, item in enumerate(listed)]


def _head(raw: dict[str, Any] | None, report: Report) -> Head:
    """Return what stands before the tables; what is wrong in it is told and left at its default."""
    values = {"hierarchy" if key == "topology" else key: value for key, value in (raw or {}).items()}
    if raw is None:
        report.unread.add("levels")
        values = {"name": "?"}
    try:
        return Head.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
    for item in found:
        column = _key(["topology" if part == "hierarchy" else part for part in item["loc"]])
        report.add(HEAD, None, column, sentence(item, _keys_at(item)))
    wrong = {item["loc"][0] for item in found}
    if "hierarchy" in wrong:
        report.unread.add("levels")
    return Head.model_validate({"name": "?", **{key: value for key, value in values.items() if key not in wrong}})


def _key(parts: Iterable[int | str]) -> str:
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{str(part)[:60]}" for part in parts).lstrip(".")


def _keys_at(error: ErrorDetails) -> Sequence[str]:
    if len(error["loc"]) == 1:
        return TOML_KEYS
    if "tiers" in error["loc"]:
        return tuple(Tier.model_fields)
    return tuple((Hierarchy if error["loc"][0] == "hierarchy" else Objective).model_fields)


def _place(records: list[Record], levels: Sequence[str] | None, report: Report) -> None:
    """Join the columns of the levels into the path of each inventory record."""
    for index, record in enumerate(records):
        if PATH in record:
            report.add("inventory", index, PATH, "unknown; a place has one key per level")
        record[PATH] = tuple(record.pop(level, "") for level in levels or ())
        if levels is None:
            report.distrust("inventory", index, PATH)


@cache
def _adapter(table: str) -> TypeAdapter[list[Row]]:
    rows: Any = GenericAlias(list, (ROWS[table],))
    return TypeAdapter(rows)


def _rows(table: str, records: list[Record], levels: Sequence[str], strict: bool, report: Report) -> tuple[Row, ...]:
    try:
        return tuple(_adapter(table).validate_python(records, strict=strict or None))
    except ValidationError as error:
        found = error.errors(include_url=False)
    broken = set()
    for item in found:
        index, column = int(item["loc"][0]), _column(item["loc"], levels)
        broken.add(index)
        trusted = PATH if item["loc"][1] == PATH else column
        if report.sound(table, index, trusted):
            known = [name for name in columns(table, levels) if name != PATH]
            report.add(table, index, column, sentence(item, known))
        report.distrust(table, index, trusted)
    good = [record for index, record in enumerate(records) if index not in broken]
    rows = iter(_adapter(table).validate_python(good, strict=strict or None))
    return tuple(
        _names_alone(table, index, record, report) if index in broken else next(rows)
        for index, record in enumerate(records)
    )


def _column(loc: tuple[int | str, ...], levels: Sequence[str]) -> str:
    if loc[1] == PATH and len(loc) > 2:
        return levels[int(loc[2])]
    return str(loc[1])[:60]


def _names_alone(table: str, index: int, record: Mapping[str, Any], report: Report) -> Row:
    """Return a broken row with nothing but its names, and let nobody judge the rest of it."""
    values: dict[str, Any] = dict.fromkeys(fields(table))
    for name in values:
        value = record.get(name)
        if name in NAMES and isinstance(value, str):
            values[name] = value.strip() or None
        elif name not in NAMES:
            report.distrust(table, index, name)
    if PATH in values:
        values[PATH] = tuple(map(str, record[PATH]))
    return ROWS[table].model_construct(**values)
