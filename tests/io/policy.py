"""A small sound instance with every policy table, as records, for tests to spoil and to write in both forms."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from kalloc.io.dump import csv_text

Records = dict[str, list[dict[str, Any]]]

TIERS: tuple[Any, ...] = (
    "merit",
    "ranked",
    {"name": "fairness", "rule": "maxmin", "by": "pool", "of": "quota"},
    "served",
    {"name": "utilisation", "unit": "performance"},
    "guarantees",
    "balance",
    "fragmentation",
    {"name": "reserve", "level": "rack", "count": 1},
)

TABLES: Records = {
    "kinds": [
        {"kind": "H200", "performance": 1.0, "watts": 700, "won": 40_000_000},
        {"kind": "B200", "performance": 2.25, "watts": 1000, "won": 70_000_000},
    ],
    "pools": [
        {"pool": "nation"},
        {"pool": "lab", "parent": "nation", "opens": "2025-12-22", "closes": "2026-01-28"},
        {"pool": "firm", "parent": "nation", "weight": 0.5},
    ],
    "quotas": [{"pool": "lab", "kind": "*", "gpus": 64}],
    "inventory": [
        {"site": "a", "rack": "r1", "count": 4, "kind": "H200", "gpus": 8, "owner": "nation", "idle_watts": 1500},
        {"site": "a", "rack": "r2", "count": 2, "kind": "H200", "gpus": 8, "owner": "nation", "loaded_watts": 9000},
        {"site": "b", "rack": "r1", "count": 2, "kind": "B200", "gpus": 8, "owner": "nation"},
    ],
    "projects": [
        {"project": "p", "pool": "lab", "applicant": "kaist", "group": "uni", "region": "daejeon"},
        {"project": "q", "pool": "lab", "applicant": "kaist", "group": "uni", "region": "seoul", "weight": 2.0},
        {"project": "r", "pool": "firm", "applicant": "wrtn", "group": "sme", "region": "seoul"},
    ],
    "requests": [
        {"project": "p", "kind": "H200", "min": 8, "max": 32, "step": 4},
        {"project": "q", "kind": "H200", "min": 8, "max": 16},
        {"project": "q", "kind": "B200", "min": 8, "max": 8},
        {"project": "r", "kind": "B200", "min": 8, "max": 16},
    ],
    "groups": [
        {"group": "uni", "share": 60.0, "tolerance": 5.0, "discount": 12.5},
        {"group": "sme", "share": 30.5},
    ],
    "limits": [
        {"limit": "exchange", "per": "project", "most": 256},
        {"limit": "applicant", "per": "applicant", "kind": "H200", "most": 40},
        {"limit": "floor", "per": "region", "of": "seoul", "pool": "nation", "kind": "*", "least": 8},
    ],
    "rates": [
        {"limit": "exchange", "kind": "H200", "rate": 1.0},
        {"limit": "exchange", "kind": "B200", "rate": 2.0},
    ],
    "budgets": [{"budget": "term", "pool": "lab", "won": 2_000_000_000}],
    "guarantees": [
        {"guarantee": "own", "project": "p", "kind": "H200", "gpus": 16},
        {"guarantee": "all", "pool": "firm", "kind": "*", "gpus": 8},
    ],
    "power": [
        {"power": "feed", "level": "rack", "kw": 40.5},
        {"power": "hall", "level": "rack", "domain": "a/r2", "kw": 30.0},
    ],
    "shapes": [
        {"project": "p", "shape": "segment", "level": "rack", "amount": 16},
        {"project": "p", "shape": "segment", "level": "node", "amount": 4},
        {"project": "q", "shape": "whole"},
        {"project": "q", "shape": "prefer", "level": "site", "amount": 5},
        {"project": "r", "shape": "spread", "level": "node", "amount": 8},
        {"project": "r", "shape": "exclusive", "level": "node"},
    ],
}


def spoiled(*changes: tuple[str, int, dict[str, Any]]) -> Records:
    """Return the tables with cells changed, a value None left out: table, position of the record, cells."""
    tables = copy.deepcopy(TABLES)
    for table, index, cells in changes:
        record = tables[table][index] | cells
        tables[table][index] = {column: value for column, value in record.items() if value is not None}
    return tables


def directory(path: Path, tables: Records, tiers: tuple[Any, ...] = TIERS) -> Path:
    """Write the instance as a directory."""
    path.mkdir(exist_ok=True)
    listed = ", ".join(map(_toml, tiers))
    head = 'name = "policy"\n[topology]\nlevels = ["site", "rack"]\n[objective]\ntiers = '
    (path / "instance.toml").write_text(f"{head}[{listed}]\n", encoding="utf-8")
    for table, records in tables.items():
        columns = list(dict.fromkeys(column for record in records for column in record))
        rows = ([record.get(column) for column in columns] for record in records)
        (path / f"{table}.csv").write_text(csv_text(columns, rows), encoding="utf-8")
    return path


def document(path: Path, tables: Records, tiers: tuple[Any, ...] = TIERS) -> Path:
    """Write the instance as one document."""
    head = {"name": "policy", "topology": {"levels": ["site", "rack"]}, "objective": {"tiers": tiers}}
    file = path / "policy.json"
    file.write_text(json.dumps({**head, **tables}), encoding="utf-8")
    return file


def _toml(tier: Any) -> str:
    if isinstance(tier, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in tier.items()) + "}"
    return json.dumps(tier)
