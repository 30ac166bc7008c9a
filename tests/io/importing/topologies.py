"""Real and synthetic files of other systems, which stand beside the repository; and what an import says of nodes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kalloc.instance import Instance
from kalloc.io import import_files
from kalloc.io.importing import Imported, ImportOptions

FOLDER = Path(__file__).parents[3].parent / "shared" / "data" / "topologies"
ROSETTA = FOLDER / "synthetic_rosetta"

needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder ../shared/data/topologies is not there")


@cache
def truth() -> Mapping[str, Mapping[str, Any]]:
    """Return what is true of each node of the cluster that stands there in every format."""
    with (ROSETTA / "canonical.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {
        row["node"]: {
            **{level: row[level] for level in ("site", "pod", "su", "rack")},
            "kind": row["gpu_model"],
            "gpus": int(row["gpus"]),
            "state": "up" if row["status"] == "active" else "down",
        }
        for row in rows
    }


def nodes(instance: Instance) -> dict[str, dict[str, Any]]:
    """Return every node with its domains, kind, GPUs and state."""
    levels = instance.hierarchy.levels
    return {
        str(row.node): {
            **dict(zip(levels, row.path, strict=True)),
            "kind": row.kind,
            "gpus": row.gpus,
            "state": row.state,
        }
        for row in instance.inventory
    }


def read(format: str, *paths: Path, join: Mapping[str, Sequence[Path]] | None = None, **options: Any) -> Imported:
    """Import files with options."""
    return import_files(format, paths, ImportOptions(**options), joined=join)
