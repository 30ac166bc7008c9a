"""Writes docs/reference/format.md from the models that read the files: ``python -m tests.reference``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kalloc.instance import NodeGroup
from kalloc.io import schema
from kalloc.io.tables import PATH, REQUIRED, ROWS, TABLES, fields

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "format.md"

INTRODUCTION = """\
# The files

Generated from the models that read them (`python -m tests.reference`): do not edit.

An instance is a directory of one `instance.toml` and CSV tables, or one JSON document of the same. Tables are UTF-8
with a header row, cells separated by commas; a large one may be packed as `.csv.gz`, a document as `.json.gz`. An empty
cell stands for the default. `kinds`, `pools` and `inventory` must be there, the other tables may be missing. Unknown
columns, keys and `.csv` files are errors; other files in the directory are left alone.

In a document the tables are lists of objects with the columns as keys; an empty level is left out. Names may have 200
characters, none of them a control character; texts 10,000, with line breaks. An instance may have a million nodes, a
table a million rows and 256 MiB, a line of it 1 MiB, a document 128 MiB, all unpacked.
"""

PLAN = """\
# A plan

`kalloc solve INSTANCE --out DIR` writes `plan.json`, its tables, `summary.json` and
[`certificate.json`](certificate.md) into `DIR`, all or nothing: an earlier plan there is replaced in one step, and a
directory with anything else in it is refused. `plan.json` and the tables are the same bytes for the same input, seed
and threads when no time limit is reached; what differs from run to run is in `summary.json` alone, which is also what
`--json` prints.
"""

TIERS = """\
A tier is its name, `"merit"`, or a table of the name and its settings,
`{name = "fairness", rule = "maxmin", by = "pool", of = "quota"}`. docs/reference/rules.md says what each tier is.
"""

PLAN_TABLES = {
    "allocations.csv": "Allocation",
    "placements.csv": "Placement",
    "slots.csv": "Slot",
    "blocks.csv": "BlockCost",
}
LEVEL = "*one per level*"


def page() -> str:
    """Return the whole page."""
    instance, plan = schema("instance"), schema("plan")
    definitions = instance["$defs"]
    head = {name: value for name, value in instance["properties"].items() if name not in {*TABLES, "cap"}}
    parts = [INTRODUCTION, "## instance.toml\n", _table("key", head, instance["required"])]
    for key, model in (("topology", "Hierarchy"), ("objective", "Objective")):
        parts += [f"### [{key}]\n", _table("key", definitions[model]["properties"], [])]
    parts += ["### objective.tiers\n", TIERS, _table("key", definitions["Tier"]["anyOf"][1]["properties"], ["name"])]
    parts += ["### [[cap]]\n", definitions["Cap"]["description"] + "\n", _rows_table("caps", definitions["Cap"])]
    for table in TABLES:
        model = definitions[ROWS[table].__name__]
        need = "" if table in REQUIRED else " May be missing."
        parts += [f"## {table}.csv\n", f"A row: {_low(model['description'])}{need}\n", _rows_table(table, model)]
    parts += [PLAN, *_plan(plan)]
    return "\n".join(parts)


def _plan(plan: Mapping[str, Any]) -> Iterator[str]:
    definitions = plan["$defs"]
    yield "## plan.json\n"
    yield _table("key", plan["properties"])
    for file, model in PLAN_TABLES.items():
        yield f"## {file}\n"
        yield definitions[model]["description"] + "\n"
        yield _table("column", definitions[model]["properties"])
    yield "## summary.json\n"
    yield _table("key", definitions["Summary"]["properties"])
    parts = {
        "instance": "SummaryInstance",
        "tiers": "Tier",
        "gpus": "Gpus",
        "fragmentation": "Fragmentation",
        "fragmentation.levels": "Level",
        "certified": "Certified",
        "curve": "CurvePoint",
        "slots": "Slot",
        "blocks": "Block",
    }
    for key, model in parts.items():
        yield f"### {key}\n"
        yield _table("key", definitions[model]["properties"])


def _rows_table(table: str, model: Mapping[str, Any]) -> str:
    """Return the columns in the order of the table; the levels stand in one line."""
    place = {"type": "string", "minLength": 1, "description": NodeGroup.model_fields[PATH].description}
    named = {LEVEL if name == PATH else name: model["properties"].get(name, place) for name in fields(table)}
    return _table("column", named, model["required"])


def _table(first: str, properties: Mapping[str, Any], required: Sequence[str] | None = None) -> str:
    """Return a table of keys; with a column of defaults where ``required`` says what has none."""
    heads = [first, "type", "range", *(["default"] if required is not None else []), "meaning"]
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for name, value in properties.items():
        shape = _shape(value)
        cells = [name if name == LEVEL else f"`{name}`", _type(shape), _range(shape)]
        if required is not None:
            cells.append("must be given" if name in required else _default(value.get("default")))
        elif shape is not value:
            cells[1] += " or null"
        lines.append(" | ".join(cell.replace("|", "\\|") for cell in [*cells, value.get("description", "")]))
    return "\n".join([*(f"| {line} |" for line in lines), ""])


def _shape(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a value that is there: of optional ones the part that is not null."""
    options = [option for option in value.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if options else value


def _type(shape: Mapping[str, Any]) -> str:
    if "enum" in shape or "const" in shape:
        return "word" if isinstance((shape.get("enum") or [shape["const"]])[0], str) else "whole number"
    if shape.get("format") == "date":
        return "date"
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "array": "list"}
    names |= {"object": "object", "string": "name" if shape.get("minLength") else "text"}
    return names.get(shape.get("type", "object"), "object")


def _range(shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return ", ".join(f"`{word}`" for word in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    least, most, above = shape.get("minimum"), shape.get("maximum"), shape.get("exclusiveMinimum")
    if least is None and most is None and above is None:
        return f"at most {shape['maxItems']}" if "maxItems" in shape else ""
    first = f"over {above:g}" if least is None and above is not None else f"{least:,.0f}"
    return f"{first} to {most:,.0f}" if most is not None else f"from {first}"


def _default(value: object) -> str:
    if value in (None, "", []) or isinstance(value, dict):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if not isinstance(value, list) else ", ".join(f"`{item}`" for item in value)


def _low(sentence: str) -> str:
    return sentence if sentence.startswith("GPU") else sentence[0].lower() + sentence[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
