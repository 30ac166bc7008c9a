"""Slurm: what ``sinfo -N`` prints, with its header or with the format that a comment names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import lines_of
from kalloc.io.importing.slurm_nodes import read_gres, read_state
from kalloc.io.importing.trees import expanded

HEADS = {"NODELIST": "node", "HOSTNAMES": "node", "NODE_ADDR": "", "GRES": "gres", "STATE": "state"}
LETTERS = {"N": "node", "n": "node", "G": "gres", "T": "state", "t": "state"}
FORMAT = re.compile(r"%-?\.?\d*([A-Za-z])")
STATE = re.compile(
    r"(alloc|allocated|comp|completing|down|drain|drained|draining|drng|fail|failg|failing|future|futr|idle|maint|"
    r"mix|mixed|npc|perfctrs|planned|plnd|power_down|power_up|reserved|resv|unk|unknown|boot|reboot|inval)[*~#!%$@^+-]*",
    re.IGNORECASE,
)
SHORT = {"DRNG": "DRAINING", "FAILG": "FAILING", "UNK": "UNKNOWN", "FUTR": "FUTURE"}

Line = tuple[Where, list[str]]


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with their GPUs and states; partitions and features are noted."""
    facts = Facts("sinfo")
    for path in paths:
        columns: list[str] = []
        seen: set[str] = set()
        for where, cells in _lines(path, columns):
            columns[:] = columns or _guessed(where, cells, found)
            if len(cells) < len(columns):
                found.wrong(where, f"has {len(cells)} fields, not {len(columns)}")
                continue
            for node in _nodes(where, dict(zip(columns, cells, strict=False)), found):
                if node.name not in seen:
                    facts.nodes.append(node)
                seen.add(str(node.name))
    return facts


def _lines(path: Path, columns: list[str]) -> Iterator[Line]:
    """Yield the fields of every line of nodes; what a header or a format names goes into ``columns``."""
    for number, line in lines_of(path):
        if line.startswith("#"):
            columns[:] = [LETTERS.get(letter, "") for letter in FORMAT.findall(line)] or columns
            continue
        cells = [cell.strip() for cell in line.split("|")] if "|" in line else line.split()
        if {"NODELIST", "HOSTNAMES"} & set(cells):
            columns[:] = [HEADS.get(cell, "") for cell in cells]
        elif cells:
            yield Where(str(path), number), cells


def _guessed(where: Where, cells: Sequence[str], found: Findings) -> list[str]:
    """Return what the fields of a first line look like."""
    columns = ["node"] + ["gres" if "gpu" in cell or cell == "(null)" else "" for cell in cells[1:]]
    states = [place for place, cell in enumerate(cells) if place and STATE.fullmatch(cell)]
    if len(states) == 1:
        columns[states[0]] = "state"
    found.guessed(where, f"there is no header: fields are taken for {', '.join(name or 'unread' for name in columns)}")
    return columns


def _nodes(where: Where, record: dict[str, str], found: Findings) -> Iterator[NodeFact]:
    if "node" not in record:
        found.wrong(where, "has no field of node names; print %N, %G and %T")
        return
    if "gres" not in record:
        found.once(Remark.AMBIGUOUS, where, "gres", "there is no field of GRES (%G), so no node has a number of GPUs")
    if "" in record:
        found.once(Remark.DROPPED, where, "fields", "fields other than node, GRES and state are not read")
    kind, gpus = read_gres(record["gres"], record["node"], where, found) if "gres" in record else (None, None)
    state = record.get("state", "").upper()
    for name in expanded(record["node"], where, found):
        yield NodeFact(name, where, {}, kind, gpus, state=read_state([SHORT.get(state.rstrip("*"), state)]))
