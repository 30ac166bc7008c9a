"""Slurm: what ``scontrol show reservation`` prints, or the commands that make reservations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import is_json, json_items, text_of
from kalloc.io.importing.trees import expanded

PAIR = re.compile(r"(\w+)=(\S*)")
BEGIN = re.compile(r"(?=\bReservation(?:Name)?=)", re.IGNORECASE)


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the reserved nodes as held by their reservations, all GPUs of them."""
    facts = Facts("slurm-reservations")
    for path in paths:
        if is_json(path):
            for line, item in json_items(path, ("reservations",)):
                record = item if isinstance(item, dict) else {}
                _add(record.get("name"), record.get("node_list"), Where(str(path), line), facts, found)
            continue
        text = text_of(path)
        if not BEGIN.search(text):
            found.wrong(Where(str(path)), "has no ReservationName=")
        at = 0
        for part in BEGIN.split(text):
            where = Where(str(path), text.count("\n", 0, at) + 1)
            at += len(part)
            record = {key.lower(): value for key, value in PAIR.findall(part)}
            name = record.get("reservationname") or record.get("reservation")
            if name is not None:
                _add(name, record.get("nodes"), where, facts, found)
    return facts


def _add(name: Any, nodes: Any, where: Where, facts: Facts, found: Findings) -> None:
    if not isinstance(name, str) or not name:
        found.wrong(where, "is no reservation with a name")
        return
    hosts = expanded(str(nodes or ""), where, found)
    if not hosts:
        found.dropped(where, f"reservation {name!r} names no nodes")
    for host in hosts:
        facts.add("placed", where, project=name, node=host, gpus=None, movable=False)
    found.dropped(where, f"reservation {name!r}: its times, users and accounts are not read")
