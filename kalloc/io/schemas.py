"""The JSON Schema of an instance document and of a plan, from the models that read them."""

from __future__ import annotations

from typing import Any

from kalloc.instance import Instance
from kalloc.io.planfile import BlockCost, PlanFile, Summary
from kalloc.io.tables import PATH, REQUIRED

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def instance_schema() -> dict[str, Any]:
    """Return the JSON Schema of an instance document."""
    schema = Instance.model_json_schema()
    properties = schema["properties"]
    renamed = {"hierarchy": "topology", "caps": "cap"}
    schema["properties"] = {renamed.get(name, name): value for name, value in properties.items()}
    schema["required"] = [*schema["required"], *REQUIRED]
    node = schema["$defs"]["NodeGroup"]
    node["required"].remove(PATH)
    node["additionalProperties"] = {
        "type": "string",
        "maxLength": 200,
        "description": "One key per level of topology.levels: " + node["properties"].pop(PATH)["description"],
    }
    return {"$schema": DRAFT, "title": "kalloc instance", **_without_titles(schema)}


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of plan.json; `$defs` has summary.json, too (`Summary`), and a row of blocks.csv."""
    schema = PlanFile.model_json_schema()
    summary = Summary.model_json_schema()
    schema["$defs"].update(summary.pop("$defs"))
    schema["$defs"]["Summary"] = summary
    schema["$defs"]["BlockCost"] = BlockCost.model_json_schema()
    return {"$schema": DRAFT, "title": "kalloc plan", **_without_titles(schema)}


def _without_titles(part: Any) -> Any:
    """Drop the titles that pydantic makes of names: they say nothing new."""
    if isinstance(part, dict):
        named = part.get("properties")
        kept = {key: _without_titles(value) for key, value in part.items() if key not in ("title", "properties")}
        if isinstance(named, dict):
            kept["properties"] = {name: _without_titles(value) for name, value in named.items()}
        return kept
    return [_without_titles(item) for item in part] if isinstance(part, list) else part
