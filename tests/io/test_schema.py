"""The schemas say what the readers take, and the reference is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kalloc.io import dump_json, load, schema, write_result
from kalloc.io.tables import TABLES, columns
from tests import reference
from tests.io.plans import result
from tests.io.small import as_object, write


def strays(part: dict[str, Any], value: object, definitions: dict[str, Any], where: str = "") -> list[str]:
    """Return the keys of a document that its schema does not describe, or misses."""
    if "$ref" in part:
        part = definitions[part["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [found for item in value for found in strays(part.get("items", {}), item, definitions, where)]
    if not isinstance(value, dict) or "properties" not in part:
        return []
    found = [f"{where}{key} is missing" for key in part.get("required", ()) if key not in value]
    for key, item in value.items():
        if key in part["properties"]:
            found += strays(part["properties"][key], item, definitions, f"{where}{key}.")
        elif not isinstance(part.get("additionalProperties", True), dict | bool) or not part["additionalProperties"]:
            found.append(f"{where}{key} is unknown")
    return found


def test_instance_document(tmp_path: Path) -> None:
    """A document that kalloc writes has the keys of the schema, and the schema sees one that it has not."""
    described = schema("instance")
    document = as_object(dump_json(load(write(tmp_path))))
    assert strays(described, document, described["$defs"]) == []
    document["requests"] = [{"project": "p", "kinds": "H200"}]
    assert strays(described, document, described["$defs"]) == [
        "requests.kind is missing",
        "requests.min is missing",
        "requests.max is missing",
        "requests.kinds is unknown",
    ]


def test_plan_document(tmp_path: Path) -> None:
    """plan.json and summary.json have the keys of the schema."""
    described = schema("plan")
    write_result(result(), tmp_path)
    for name, part in (("plan.json", described), ("summary.json", described["$defs"]["Summary"])):
        document = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        assert strays(part, document, described["$defs"]) == []


@pytest.mark.parametrize("what", ["instance", "plan"])
def test_sentences(what: Any) -> None:
    """Every key of a schema has a sentence, or is a list of rows that have."""
    described = schema(what)
    parts = {"": described, **described["$defs"]}
    silent = {
        f"{name}.{key}"
        for name, part in parts.items()
        for key, value in part.get("properties", {}).items()
        if not value.get("description", "").endswith((".", "|).", "`."))
    }
    assert silent <= {".cap", *(f".{table}" for table in TABLES)}


def test_columns() -> None:
    """The columns of the contract, in its order, the levels first in the inventory."""
    assert columns("inventory", ("site", "su"))[:8] == ("site", "su", "node", "count", "kind", "gpus", "owner", "state")
    assert columns("requests", ()) == ("project", "kind", "min", "max", "step", "value", "source", "note")


def test_reference_is_up_to_date() -> None:
    """docs/reference/format.md is what `python -m tests.reference` writes."""
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()
