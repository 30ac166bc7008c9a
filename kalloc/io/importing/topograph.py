"""topograph: models of switches and blocks, and graphs of instances with their network layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, NodeFact, Where
from kalloc.io.importing.objects import texts
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import Map, documents
from kalloc.io.importing.trees import Switch, expanded, place_by_height

TIER = "tier-"
"""Levels are named as topograph's labels: tier-0 is the switch that nodes hang on."""


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with the switches above them, and their labels of region, zone and accelerator domain."""
    facts = Facts("topograph")
    for path in paths:
        levels: tuple[str, ...] = ()
        for document in documents(path, ("instances",)):
            where = Where(str(path), getattr(document, "line", None))
            instances = document.get("instances") if isinstance(document, Map) else None
            if isinstance(document, Map) and ("switches" in document or "blocks" in document):
                levels = _model(path, document, facts, found)
            elif isinstance(instances, list):
                levels = _widest(levels, [_instance(path, item, options, facts, found) for item in instances])
            elif isinstance(document, Map) and "id" in document:
                levels = _widest(levels, [_instance(path, document, options, facts, found)])
            else:
                found.wrong(where, "has neither switches and blocks nor instances of topograph")
        facts.levels = _widest(facts.levels, [levels])
    return facts


def _widest(levels: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return max((levels, *others), key=len)


def _instance(path: Path, item: Any, options: ImportOptions, facts: Facts, found: Findings) -> tuple[str, ...]:
    where = Where(str(path), getattr(item, "line", None))
    name = item.get("id") if isinstance(item, Map) else None
    layers = item.get("network_layers") or [] if isinstance(item, Map) else None
    if not isinstance(name, str) or not name or not isinstance(layers, list):
        found.wrong(where, "is no instance with an id and a list of network_layers")
        return ()
    if options.id_prefix and not name.startswith(options.id_prefix):
        found.ambiguous(where, f"the id {name!r} does not begin with {options.id_prefix!r}; it is taken as a name")
    place = {f"{TIER}{tier}": str(layer) for tier, layer in enumerate(layers) if layer}
    name = name.removeprefix(options.id_prefix)
    facts.nodes.append(NodeFact(name, where, place, labels=texts(item.get("labels"))))
    return tuple(f"{TIER}{tier}" for tier in reversed(range(len(layers))))


def _model(path: Path, document: Map, facts: Facts, found: Findings) -> tuple[str, ...]:
    """Read switches by name and the blocks that hang on them."""
    switches: dict[str, Switch] = {}
    described = document.get("switches") or Map()
    if not isinstance(described, Map):
        found.wrong(Where(str(path), document.line), "switches must be a mapping of names")
        described = Map()
    for name, item in described.items():
        where = Where(str(path), getattr(item, "line", described.line))
        item = item if isinstance(item, Map) else Map()
        children = [host for text in _list(item, "switches") for host in expanded(text, where, found)]
        switches[name] = Switch(name, where, children, labels=texts(item.get("labels")))
    labels: dict[str, dict[str, str]] = {}
    for block in _entries(document.get("blocks")):
        where = Where(str(path), getattr(block, "line", document.line))
        if not isinstance(block, Map) or not isinstance(block.get("switch"), str):
            found.wrong(where, "is no block with a switch")
            continue
        switch = switches.setdefault(block["switch"], Switch(block["switch"], where))
        hosts = [host for text in _list(block, "nodes") for host in expanded(text, where, found)]
        switch.nodes += hosts
        labels.update(dict.fromkeys(hosts, texts(block.get("annotations"))))
    levels, nodes = place_by_height(switches, TIER, found)
    for node in nodes:
        node.labels = {**node.labels, **labels[str(node.name)]}
    facts.nodes += nodes
    return levels


def _entries(value: Any) -> list[Any]:
    """Return what is in a list; anything else is taken for an entry that is none."""
    return value if isinstance(value, list) else [value] if value else []


def _list(item: Map, key: str) -> list[str]:
    value = item.get(key) or []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
