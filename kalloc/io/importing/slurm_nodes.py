"""Slurm: what ``scontrol show nodes --json`` prints: GRES, states, reservations and, in new versions, topology."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.kinds import read_kind
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import json_items

DOWN = frozenset(
    {
        *("DOWN", "DRAIN", "DRAINED", "DRAINING", "ERROR", "FAIL", "FAILING", "FUTURE", "INVALID_REG", "MAINT"),
        *("MAINTENANCE", "NOT_RESPONDING", "NO_RESPOND", "UNKNOWN", "INVAL"),
    }
)
"""States in which a node takes no jobs; a node that is powered down to save energy does."""
UNREAD = ("partitions", "features", "active_features", "alloc_cpus", "weight")
GRES = re.compile(r"gpu(?::([^:(,]+))??:(\d+)(?:\([^)]*\))?|gpu(?:\([^)]*\))?")
MAX_GRES = 10_000
NONE = ("", "(null)", "N/A", "none")


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with their GPUs; what is reserved holds the nodes of its reservation."""
    facts = Facts("slurm-nodes")
    for path in paths:
        for line, item in json_items(path, ("nodes",)):
            where = Where(str(path), line)
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                found.wrong(where, "is no node with a name; give what scontrol show nodes --json prints")
                continue
            _add(item, where, facts, found)
    return facts


def _add(item: dict[str, Any], where: Where, facts: Facts, found: Findings) -> None:
    kind, gpus = read_gres(str(item.get("gres") or ""), str(item["name"]), where, found)
    node = NodeFact(item["name"], where, _place(item, facts), kind, gpus, state=read_state(_states(item)))
    facts.nodes.append(node)
    reservation = item.get("reservation")
    if isinstance(reservation, str) and reservation and gpus:
        facts.add("placed", where, project=reservation, node=node.name, gpus=gpus, movable=False)
    for key in UNREAD:
        if item.get(key):
            found.once(Remark.DROPPED, where, key, f"{key} is not read")
    _, used = read_gres(str(item.get("gres_used") or ""), str(item["name"]), where, found)
    if used:
        found.dropped(where, f"node {node.name!r} has {used} GPUs in use by jobs; jobs are not read")


def _states(item: dict[str, Any]) -> list[str]:
    """Return the states and, in old versions, the flags beside them."""
    found: list[str] = []
    for key in ("state", "state_flags"):
        value = item.get(key) or []
        found += [value] if isinstance(value, str) else map(str, value) if isinstance(value, list) else []
    return found


def _place(item: dict[str, Any], facts: Facts) -> dict[str, str]:
    """Return the domains of the field ``topology``: ``name:coarse:fine``, several separated by commas."""
    place: dict[str, str] = {}
    for one in str(item.get("topology") or "").split(","):
        name, *domains = one.split(":")
        place.update({f"{name}{rank}": domain for rank, domain in enumerate(reversed(domains))})
    for level in sorted(place, reverse=True):
        if level not in facts.levels:
            facts.levels += (level,)
    return place


def read_gres(text: str, node: str, where: Where, found: Findings) -> tuple[str | None, int]:
    """Return kind and number of the GPUs of a GRES such as ``gpu:h200:8(S:0-1)``; other resources are noted."""
    if len(text) > MAX_GRES:
        found.wrong(where, f"node {node!r} has GRES of more than {MAX_GRES:,} characters")
        return None, 0
    kinds: dict[str | None, int] = {}
    for one in re.split(r",(?![^(]*\))", text if text not in NONE else ""):
        match = GRES.fullmatch(one.strip())
        if match is None:
            if one.strip():
                found.once(Remark.DROPPED, where, one.partition(":")[0], f"resource {one[:60]!r} is not read")
            continue
        kind = match[1]
        known = None if kind is None or kind in NONE else read_kind(kind, where, found)
        kinds[known] = kinds.get(known, 0) + int((match[2] or "1")[:9])
    if not kinds:
        return None, 0
    kind, gpus = next(iter(kinds.items()))
    if len(kinds) > 1:
        others = ", ".join(f"{count} {other}" for other, count in list(kinds.items())[1:])
        found.ambiguous(where, f"node {node!r} has GPUs of several kinds; {gpus} {kind} are taken, {others} are not")
    return kind, gpus


def read_state(states: Sequence[str]) -> str:
    """Return ``up`` or ``down`` for the states of a node, long or as sinfo abbreviates them."""
    flags = {flag for state in states for flag in state.upper().replace("*", "+NOT_RESPONDING").split("+")}
    bare = {flag.rstrip("~#!%$@^-") for flag in flags}
    maintained = any(flag.endswith("$") for flag in flags)
    return "down" if maintained or bare & DOWN else "up"
