"""NetBox: devices as its tables export them (CSV), as its API answers (JSON), or as a dump of its database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.kinds import known_kind, read_kind
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import is_json, json_items
from kalloc.io.importing.sheets import csv_sheet

LEVELS = ("site", "location", "rack")
HEADS = {"type": "device_type", "device type": "device_type", "device role": "role", "device_role": "role"}
READ = ("name", "role", "tenant", "manufacturer", "device_type", "status", *LEVELS)
UP = "active"

Device = tuple[Where, dict[str, str]]


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the devices with site, location, rack and tenant.

    A GPU node is what has one of the roles that the options name, or else what has a known accelerator in its
    type or GPUs in its role. Any other device only adds to the nodes that another source has.
    """
    facts = Facts("netbox")
    used: set[str] = set()
    for path in paths:
        for where, device in _json(path) if is_json(path) else _csv(path, found):
            node = _node(where, device, options, found)
            if node is not None:
                facts.nodes.append(node)
                used.update(node.place)
    facts.levels = tuple(level for level in LEVELS if level in used)
    return facts


def _node(where: Where, device: Mapping[str, str], options: ImportOptions, found: Findings) -> NodeFact | None:
    name, role = device.get("name", ""), device.get("role", "")
    if not name:
        found.dropped(where, f"a device of the role {role or 'unknown'!r} has no name")
        return None
    model = f"{device.get('manufacturer', '')} {device.get('device_type', '')}".strip()
    fits = role in options.roles if options.roles else bool(known_kind(model)) or "gpu" in role.lower()
    status = device.get("status", "").lower()
    if status not in ("", UP):
        found.once(Remark.GUESSED, where, status, f"devices that are {status!r} are taken to be down")
    return NodeFact(
        name,
        where,
        {level: device[level] for level in LEVELS if device.get(level)},
        read_kind(model, where, found) if fits and known_kind(model) else None,
        owner=device.get("tenant") or None,
        state="up" if status in ("", UP) else "down",
        device=not fits,
    )


def _csv(path: Path, found: Findings) -> Iterator[Device]:
    sheet = csv_sheet(path, found)
    columns = [HEADS.get(head.strip().lower(), head.strip().lower()) for head in sheet.header]
    if "name" not in columns:
        found.wrong(sheet.where(sheet.head), f"has no column name; it has {', '.join(columns)[:200]}")
        return
    ignored = [column for column in columns if column not in READ]
    if ignored:
        found.dropped(sheet.where(sheet.head), f"columns that are not read: {', '.join(ignored)}")
    for number, cells in sheet.rows:
        yield sheet.where(number), {column: str(cell) for column, cell in zip(columns, cells, strict=False)}


def _json(path: Path) -> Iterator[Device]:
    """Yield the devices of an API's answer or of a dump, whose objects name each other by number."""
    names: dict[tuple[str, Any], str] = {}
    models: dict[Any, dict[str, Any]] = {}
    held: list[tuple[Where, dict[str, Any]]] = []
    for line, item in json_items(path, ("results",)):
        if not isinstance(item, dict):
            continue
        fields = item.get("fields")
        if not isinstance(fields, dict):
            yield Where(str(path), line), {key: _text(item.get(key)) for key in READ} | _type(item)
            continue
        table = str(item.get("model"))
        names[table, item.get("pk")] = str(fields.get("name") or fields.get("model") or "")
        if table == "dcim.devicetype":
            models[item.get("pk")] = fields
        if table == "dcim.device":
            held.append((Where(str(path), line), fields))
    for where, fields in held:
        yield where, _resolved(fields, names, models)


def _text(value: Any) -> str:
    """Return the name of a nested object of the API, or the text itself."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("value", "name", "model", "display") if value.get(key)), "")
    return "" if value is None else str(value)


def _type(item: Mapping[str, Any]) -> dict[str, str]:
    kind = item.get("device_type")
    maker = kind.get("manufacturer") if isinstance(kind, dict) else None
    role = {} if item.get("role") else {"role": _text(item.get("device_role"))}
    return {"manufacturer": _text(maker), **role}


def _resolved(
    fields: Mapping[str, Any], names: Mapping[tuple[str, Any], str], models: Mapping[Any, Mapping[str, Any]]
) -> dict[str, str]:
    def name(table: str, key: str) -> str:
        return names.get((table, fields.get(key)), "")

    maker = models.get(fields.get("device_type"), {}).get("manufacturer")
    return {
        "name": str(fields.get("name") or ""),
        "status": str(fields.get("status") or ""),
        "role": name("dcim.devicerole", "role") or name("dcim.devicerole", "device_role"),
        "tenant": name("tenancy.tenant", "tenant"),
        "device_type": name("dcim.devicetype", "device_type"),
        "manufacturer": names.get(("dcim.manufacturer", maker), ""),
        **{level: name(f"dcim.{level}", level) for level in LEVELS},
    }
