"""Slurm: what ``scontrol show reservation`` prints, or the commands that make reservations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kalloc.io.importing.facts import Facts, Findings, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import text_of
from kalloc.io.importing.trees import expanded

PAIR = re.compile(r"(\w+)=(\S*)")
BEGIN = re.compile(r"(?=\bReservation(?:Name)?=)", re.IGNORECASE)


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the reserved nodes as held by their reservations, all GPUs of them."""
    facts = Facts("slurm-reservations")
    for path in paths:
        text = text_of(path)
        if not BEGIN.search(text):
            found.wrong(Where(str(path)), "has no ReservationName=")
        at = 0
        for part in BEGIN.split(text):
            where = Where(str(path), text.count("\n", 0, at) + 1)
            at += len(part)
            record = {key.lower(): value for key, value in PAIR.findall(part)}
            name = record.get("reservationname") or record.get("reservation")
            if name is None:
                continue
            hosts = expanded(record.get("nodes", ""), where, found)
            if not hosts:
                found.dropped(where, f"reservation {name!r} names no nodes")
            for host in hosts:
                facts.add("placed", where, project=name, node=host, gpus=None, movable=False)
            found.dropped(where, f"reservation {name!r}: its times, users and accounts are not read")
    return facts
