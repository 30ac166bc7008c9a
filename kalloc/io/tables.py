"""The tables of an instance: which there are, their columns and what each column may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic.fields import FieldInfo

from kalloc.instance.policy_rows import Budget, Group, Guarantee, Limit, Power, Rate, Shape
from kalloc.instance.rows import Cap, Kind, NodeGroup, Placed, Pool, Project, Quota, Request, Row

TABLES: Mapping[str, type[Row]] = {
    "kinds": Kind,
    "pools": Pool,
    "quotas": Quota,
    "inventory": NodeGroup,
    "projects": Project,
    "requests": Request,
    "placed": Placed,
    "groups": Group,
    "limits": Limit,
    "rates": Rate,
    "budgets": Budget,
    "guarantees": Guarantee,
    "power": Power,
    "shapes": Shape,
}
"""The tables in the order in which a reader meets them: one CSV file, or one key of a document, each."""

ROWS: Mapping[str, type[Row]] = {"caps": Cap, **TABLES}
"""Everything that is a list of rows; caps stand in instance.toml, under the key `cap`."""

REQUIRED = ("kinds", "pools", "inventory")
"""The tables that an instance cannot do without."""

TEXTS = frozenset({"source", "note", "title"})
"""Columns of free text, kept as they are written."""

PATH = "path"
"""The field that stands for one column per level."""


def fields(table: str) -> dict[str, FieldInfo]:
    """Return the fields of a table's rows, `source` and `note` last, the levels as the one field `path`."""
    every = ROWS[table].model_fields
    own = [name for name in every if name not in Row.model_fields]
    return {name: every[name] for name in (*own, *Row.model_fields)}


def columns(table: str, levels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a table, those of the levels included."""
    return tuple(
        column for name in fields(table) for column in (levels if name == PATH and table == "inventory" else (name,))
    )


def required(table: str, levels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a file of the table must have."""
    every = fields(table)
    return tuple(name for name in columns(table, levels) if name not in every or every[name].is_required())
