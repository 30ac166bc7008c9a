"""Tables of applications, inventory and pools: CSV, Excel and Parquet, with headings in English or Korean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalloc.instance.hints import nearest
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.headings import APPLICATIONS, FLAGS, LEVELS, STATES, columns_of, table_named, table_of
from kalloc.io.importing.kinds import read_kind
from kalloc.io.importing.mapping import TableMapping, read_mapping
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.sheets import Sheet, sheets
from kalloc.io.importing.workbooks import Cell
from kalloc.io.tables import columns as columns_of_instance
from kalloc.io.tables import fields

WHOLE = frozenset({"count", "gpus", "min", "max", "step", "borrow", "lend", "memory_gb", "watts"})
LEVEL_NAMES = tuple(LEVELS)
MAX_DIGITS = 19
OF_PROJECT = ("pool", "merit", "mandatory", "mix", "level", "title")


@dataclass(frozen=True)
class _Plan:
    """How a sheet is read: the column or the level of each position."""

    table: str
    columns: Mapping[int, str]
    levels: Mapping[int, str]
    defaults: Mapping[str, Any]


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return what the tables of all files say; which table a sheet is, its name or its headings tell."""
    mappings = read_mapping(options.mapping, found) if options.mapping else []
    every = [sheet for path in paths for sheet in sheets(path, found)]
    _check_sheets(mappings, every, options, found)
    facts = Facts("table")
    projects: dict[str, dict[str, Any]] = {}
    for sheet in every:
        for mapping in _mappings(sheet, mappings, len(every), found):
            plan = _plan(sheet, mapping, options, found)
            if plan.table == "inventory":
                facts.levels = tuple(dict.fromkeys((*facts.levels, *plan.levels.values())))
            for number, cells in sheet.rows:
                where = sheet.where(number)
                if any(cell not in (None, "") for cell in cells[len(sheet.header) :]):
                    found.wrong(where, f"has {len(cells)} cells, but the header has {len(sheet.header)}")
                _take(where, _record(where, cells, plan, found), plan, facts, projects, found)
    return facts


def _check_sheets(
    mappings: Sequence[TableMapping], every: Sequence[Sheet], options: ImportOptions, found: Findings
) -> None:
    names = [sheet.name for sheet in every]
    for mapping in mappings:
        if mapping.sheet is not None and mapping.sheet not in names:
            message = f"no sheet or file is named {mapping.sheet!r}; {nearest(mapping.sheet, names)}"
            found.wrong(Where(str(options.mapping)), message, f"{mapping.table}.sheet")
    found.raise_if_any()


def _mappings(sheet: Sheet, mappings: Sequence[TableMapping], sheets: int, found: Findings) -> list[TableMapping]:
    """Return what is read of a sheet: what mappings say of it, or what its name or its headings look like."""
    named = [mapping for mapping in mappings if mapping.sheet == sheet.name]
    if named:
        return named
    table = _likely(sheet)
    own = next((mapping for mapping in mappings if mapping.sheet is None and mapping.table == table), None)
    if own is None and table is None and sheets == 1 and len(mappings) == 1 and mappings[0].sheet is None:
        own = mappings[0]
    if own is not None:
        return [own]
    where = sheet.where(sheet.head)
    if table is not None:
        found.guessed(where, f"{sheet.name!r} is taken for the table {table!r}")
        return [TableMapping(table)]
    message = f"{sheet.name!r} is no table that is known by its name or headings; a mapping may say what it is"
    found.dropped(where, message) if sheets > 1 else found.wrong(where, message)
    return []


def _likely(sheet: Sheet) -> str | None:
    """Return the table that a sheet is by its name, or else by its headings; both tables of applications may be one."""
    named = table_named(sheet.name)
    if named in ("projects", "requests", None):
        columns = set(columns_of(APPLICATIONS, sheet.header).values())
        if named is None or (columns & {"min", "max"} and columns & set(OF_PROJECT)):
            return table_of(sheet.header) or named
    return named


def _plan(sheet: Sheet, mapping: TableMapping, options: ImportOptions, found: Findings) -> _Plan:
    """Return what each position of a sheet is: by the mapping, by the levels that are wanted, by its heading."""
    columns = _positions(sheet, mapping.columns, found)
    levels = _levels(sheet, mapping, options, found) if mapping.table == "inventory" else {}
    for position, name in columns_of(mapping.table, sheet.header, {**columns, **levels}).items():
        if name not in (*columns.values(), *LEVEL_NAMES):
            columns[position] = name
    unread = [head for position, head in enumerate(sheet.header) if head and position not in {**columns, **levels}]
    if unread:
        found.dropped(sheet.where(sheet.head), f"columns that are not read: {', '.join(unread)[:500]}")
    return _Plan(mapping.table, columns, levels, mapping.defaults)


def _positions(sheet: Sheet, wanted: Mapping[str, str], found: Findings) -> dict[int, str]:
    """Return the positions of the headings that a mapping names."""
    positions = {head: position for position, head in reversed(list(enumerate(sheet.header)))}
    for head in wanted.values():
        if head not in positions:
            message = f"there is no column {head[:60]!r}; {nearest(head, sheet.header)}"
            found.wrong(sheet.where(sheet.head), message, head[:60])
    return {positions[head]: name for name, head in wanted.items() if head in positions}


def _levels(sheet: Sheet, mapping: TableMapping, options: ImportOptions, found: Findings) -> dict[int, str]:
    """Return the level of each position, coarse to fine.

    They are those of a mapping, or of a table that kalloc has written, or else the headings that are known or that
    the options name.
    """
    if mapping.levels:
        return _positions(sheet, mapping.levels, found)
    own = columns_of_instance("inventory", ())
    if sheet.header[-len(own) :] == own:
        return dict(enumerate(sheet.header[: -len(own)]))
    wanted = {head for entry in options.sources_of_levels for head in entry.split("|")}
    levels = {position: name for position, name in columns_of("inventory", sheet.header).items() if name in LEVEL_NAMES}
    levels |= {position: head for position, head in enumerate(sheet.header) if head in wanted}
    rank = {name: LEVEL_NAMES.index(name) if name in LEVEL_NAMES else len(LEVEL_NAMES) for name in levels.values()}
    return dict(sorted(levels.items(), key=lambda item: (rank[item[1]], item[0])))


def _record(where: Where, cells: Sequence[Cell], plan: _Plan, found: Findings) -> dict[str, Any]:
    """Return the cells that are not empty by column, levels under their names."""
    record: dict[str, Any] = {}
    for position, name in (*plan.columns.items(), *plan.levels.items()):
        cell = cells[position] if position < len(cells) else None
        if cell in (None, ""):
            cell = plan.defaults.get(name)
        if cell is not None:
            record[name] = _value(where, name, cell, found) if position in plan.columns else str(cell)
    for name, value in plan.defaults.items():
        record.setdefault(name, value)
    return record


def _value(where: Where, column: str, cell: Cell, found: Findings) -> Any:
    """Return a cell as the instance has it: kinds by their names, whole numbers, flags and states."""
    text = str(cell).strip()
    if column == "kind":
        return read_kind(text, where, found) if text != "*" else text
    if column in WHOLE:
        bare = text.replace(",", "")
        return int(bare) if bare.isdecimal() and len(bare) < MAX_DIGITS else bare
    if column in ("mandatory", "movable"):
        return FLAGS.get(text.lower(), text)
    if column == "state":
        state = STATES.get(text.lower())
        if state is None:
            found.wrong(where, f"is a state that is not known: {text[:60]!r}; write up or down", column)
        elif state != text:
            found.once(Remark.GUESSED, where, f"state {text}", f"the state {text!r} is read as {state!r}")
        return state
    return text


def _take(
    where: Where,
    record: dict[str, Any],
    plan: _Plan,
    facts: Facts,
    projects: dict[str, dict[str, Any]],
    found: Findings,
) -> None:
    """Add a record to the facts."""
    if plan.table == "inventory":
        facts.nodes.append(_node(where, record, plan, found))
    elif plan.table == APPLICATIONS:
        _application(where, record, facts, projects, found)
    else:
        facts.add(plan.table, where, **record)


def _node(where: Where, record: dict[str, Any], plan: _Plan, found: Findings) -> NodeFact:
    numbers = {}
    for column in ("count", "gpus"):
        text = str(record.get(column, ""))
        if text and not (text.isdecimal() and len(text) < 10):
            found.wrong(where, f"is not a whole number: {text[:60]!r}", column)
        numbers[column] = int(text) if text.isdecimal() and len(text) < 10 else None
    place = {level: record[level] for level in plan.levels.values() if level in record}
    return NodeFact(
        record.get("node"),
        where,
        place,
        record.get("kind"),
        numbers["gpus"],
        record.get("owner"),
        record.get("state"),
        1 if numbers["count"] is None else numbers["count"],
        source=record.get("source"),
        note=record.get("note"),
    )


def _application(
    where: Where, record: dict[str, Any], facts: Facts, projects: dict[str, dict[str, Any]], found: Findings
) -> None:
    """Add a row that is a project and a request; of a project in several rows the first one counts."""
    if "min" not in record and "max" in record:
        found.once(Remark.GUESSED, where, "min", "there is no least amount: what is asked is taken as all or nothing")
        record["min"] = record["max"]
    name = str(record.get("project", ""))
    mine = {column: record[column] for column in OF_PROJECT if column in record}
    if name not in projects:
        projects[name] = mine
        facts.add("projects", where, project=name, **mine, **_rest(record))
    elif mine != projects[name]:
        found.ambiguous(where, f"project {name!r} is in an earlier row with other values; those are taken")
    request = {column: record[column] for column in fields("requests") if column in record}
    facts.add("requests", where, **{**request, "project": name})


def _rest(record: Mapping[str, Any]) -> dict[str, Any]:
    return {column: record[column] for column in ("source", "note") if column in record}
