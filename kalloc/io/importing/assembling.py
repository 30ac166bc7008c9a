"""From joined facts to an instance: what an instance needs and no source says is added, and noted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from kalloc.errors import Defect, InstanceError
from kalloc.instance import ALL_KINDS, NODE, Instance
from kalloc.instance.report import HEAD, HEADER, Place, Report
from kalloc.instance.sound import KEYS
from kalloc.io.build import build
from kalloc.io.csvs import Record
from kalloc.io.importing.facts import Entry, Facts, Findings, NodeFact, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.tables import ROWS

EVERYBODY = "all"
"""Name of the pool that owns nodes where there is no other."""
NAMES = {"pool": "pools", "parent": "pools", "owner": "pools", "kind": "kinds"}
"""Columns that name a row of another table."""


def assemble(
    name: str,
    levels: Mapping[str, str],
    nodes: Sequence[NodeFact],
    sources: Iterable[Facts],
    options: ImportOptions,
    found: Findings,
) -> Instance:
    """Return the instance of the nodes and the tables of all sources.

    Args:
        name: of the instance.
        levels: the levels of the nodes' places, coarse to fine, each with its name in the instance.

    Raises:
        InstanceError: with every defect, at the file and line of the source.
    """
    tables: dict[str, list[Entry]] = {table: [] for table in ROWS}
    for facts in sources:
        for table, entries in facts.tables.items():
            tables[table] += entries
    for table, (column, *more) in KEYS.items():
        if not more:
            tables[table] = _once(tables[table], column, found)
    tables["inventory"] = _inventory(levels, nodes, options, found)
    tables["placed"] = _placed(tables, found)
    _complete_requests(tables, list(levels.values()), options, found)
    _add_missing(tables, "kinds", "kind", found)
    _add_missing(tables, "pools", "pool", found)
    _give_owners(tables, options, found)
    found.raise_if_any()
    draft = Draft(name, tuple(levels.values()), tables)
    try:
        return build(draft)
    except InstanceError as error:
        raise InstanceError([draft.as_lines(defect) for defect in error.defects]) from None


def _once(entries: Sequence[Entry], column: str, found: Findings) -> list[Entry]:
    """Return the entries without those that another source has already under the same name."""
    kept: dict[Any, Entry] = {}
    for index, entry in enumerate(entries):
        name = entry.record.get(column)
        first = kept.setdefault(index if name is None else name, entry)
        if first is not entry:
            same = first.record == entry.record
            message = f"{column} {name!r} is in {first.where} already"
            (found.dropped if same else found.ambiguous)(entry.where, message + ("" if same else "; that is taken"))
    return list(kept.values())


def _inventory(
    levels: Mapping[str, str], nodes: Sequence[NodeFact], options: ImportOptions, found: Findings
) -> list[Entry]:
    entries = []
    for node in nodes:
        record: dict[str, Any] = {new: node.place.get(old, "") for old, new in levels.items()}
        record |= {
            "node": node.name,
            "count": node.count,
            "kind": node.kind or options.kind,
            "gpus": node.gpus if node.gpus is not None else options.gpus_per_node,
            "owner": node.owner,
            "state": node.state or "up",
            "source": node.source or _cited(node.where),
            "note": node.note,
        }
        entries.append(Entry(record, node.where))
    for column, what, option in (
        ("kind", "says which accelerator", "--kind H200"),
        ("gpus", "says how many GPUs", "--gpus-per-node 8"),
    ):
        lacking = [entry for entry in entries if entry.record[column] is None]
        if lacking:
            one = f"node {lacking[0].record['node']!r}" if lacking[0].record["node"] else "a row"
            others = f" and {len(lacking) - 1:,} more have" if len(lacking) > 1 else " has"
            found.wrong(lacking[0].where, f"no source {what} {one}{others}; give {option}")
    return entries


def _placed(tables: Mapping[str, Sequence[Entry]], found: Findings) -> list[Entry]:
    """Return what runs; without a number it is all GPUs of a node of the inventory that nothing else has there."""
    free = {entry.record["node"]: entry.record["gpus"] or 0 for entry in tables["inventory"]}
    kept: list[Entry] = []
    seen: set[tuple[str, str]] = set()
    for entry in tables["placed"]:
        project, node = (str(entry.record.get(column, "")) for column in ("project", "node"))
        if "gpus" not in entry.record or entry.record["gpus"] is not None:
            kept.append(entry)
        elif node not in free:
            found.dropped(entry.where, f"{project!r} is on node {node!r}, which is not in the inventory")
        elif (project, node) not in seen:
            seen.add((project, node))
            if free[node]:
                kept.append(Entry({**entry.record, "gpus": free[node]}, entry.where))
                free[node] = 0
            else:
                found.ambiguous(entry.where, f"{project!r} is on node {node!r}, all of whose GPUs another one has")
    return kept


def _complete_requests(
    tables: Mapping[str, Sequence[Entry]], levels: Sequence[str], options: ImportOptions, found: Findings
) -> None:
    """Give requests their kind, where the options say it; without an inventory there is no level to ask for."""
    for entry in tables["requests"]:
        if entry.record.get("kind") is None and options.kind is not None:
            entry.record["kind"] = options.kind
    for entry in tables["projects"]:
        level = entry.record.get("level")
        if level and not levels and level != NODE:
            found.dropped(
                entry.where, f"project {entry.record.get('project')!r} wants one {level}: no source has levels"
            )
            entry.record["level"] = None


def _cited(where: Where) -> str:
    """Return a place as the column `source` has it, without the folders of whoever imported."""
    return str(where._replace(file=re.sub(r"^[^,]*[/\\]", "", where.file) or PurePath(where.file).name))


def _add_missing(tables: Mapping[str, list[Entry]], target: str, column: str, found: Findings) -> None:
    """Add a row for each kind or pool that is named and nowhere described."""
    known = {entry.record.get(column) for entry in tables[target]} | {None, "", ALL_KINDS}
    for table in ("quotas", "caps", "inventory", "projects", "requests", "pools"):
        for entry in tables[table]:
            for field in (
                name for name, goal in NAMES.items() if goal == target and (table, name) != ("pools", "pool")
            ):
                name = entry.record.get(field)
                if name in known:
                    continue
                known.add(name)
                tables[target].append(Entry({column: name}, entry.where))
                more = "performance 1, as an H200 has, no memory, no power" if target == "kinds" else "a root"
                found.guessed(entry.where, f"{column} {name!r} is named, but not described: {more}")


def _give_owners(tables: Mapping[str, list[Entry]], options: ImportOptions, found: Findings) -> None:
    """Let the nodes of which no source says it belong to the one pool above all, or to the one that is wanted."""
    without = [entry for entry in tables["inventory"] if entry.record["owner"] is None]
    pools = {str(entry.record.get("pool", "")) for entry in tables["pools"]}
    roots = [entry for entry in tables["pools"] if not entry.record.get("parent")]
    if not without and pools:
        return
    owner = options.owner or (str(roots[0].record.get("pool", "")) if len(roots) == 1 else unused(EVERYBODY, pools))
    where = without[0].where if without else Where("the sources")
    if owner not in pools:
        tables["pools"].insert(0, Entry({"pool": owner}, where))
        if options.owner is None and without:
            for entry in roots:
                entry.record["parent"] = owner
            over = f", above the {len(roots)} roots" if roots else ""
            found.guessed(where, f"a pool {owner!r} is added{over}, to own the nodes of which no owner is said")
    elif options.owner is None and without:
        found.guessed(
            where, f"{len(without):,} nodes belong to {owner!r}: no source says whose they are; or give --owner"
        )
    for entry in without:
        entry.record["owner"] = owner


def unused(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: this one or, with a number, the first that is free."""
    return next(one for one in (name, *(f"{name} {number}" for number in range(2, len(taken) + 3))) if one not in taken)


class Draft:
    """The records of an instance, each with the place in the source that a defect of it is told of."""

    strict = False

    def __init__(self, name: str, levels: Sequence[str], tables: Mapping[str, Sequence[Entry]]) -> None:
        self.name, self.levels, self.tables = name, levels, tables
        self.lined = {
            entry.where.file for entries in tables.values() for entry in entries if entry.where.unit == "line"
        }

    def locate(self, table: str, index: int | None, column: str | None) -> Place:
        """Return file, line or row, and column of what a record was read from."""
        if table == HEAD or index is None or index == HEADER:
            return "the import", None, f"{table}.{column}" if column else table
        where = self.tables[table][index].where
        return where.file, where.number, column

    def as_lines(self, defect: Defect) -> Defect:
        """Return a defect that counts lines where its file is no table."""
        if defect.file in self.lined:
            return replace(defect, row=None, line=defect.row)
        return defect

    def head(self, report: Report) -> dict[str, Any]:
        """Return what stands before the tables."""
        caps = [entry.record for entry in self.tables["caps"]]
        return {"format": 1, "name": self.name, "topology": {"levels": list(self.levels)}, "cap": caps}

    def records(self, table: str, levels: Sequence[str] | None, report: Report) -> list[Record]:
        """Return the records of a table, without what is not given."""
        return [
            {name: value for name, value in entry.record.items() if value is not None} for entry in self.tables[table]
        ]
