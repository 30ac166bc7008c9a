"""The committed instances as a whole: where they come from and what they weigh."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kalloc.generate import generate
from kalloc.io import load
from kalloc.io.tables import TABLES
from tests.instances.places import INSTANCES, RECIPES, TINY

ALL = [*(INSTANCES / name for name in RECIPES), *TINY]
PAGE = (INSTANCES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_makes_what_is_committed(name: str) -> None:
    """The tables are what the recipe makes with the seed of the README, to the last cell."""
    assert f"kalloc generate {name} --seed {RECIPES[name]} " in PAGE
    committed, made = load(INSTANCES / name), generate(name, RECIPES[name])
    assert committed == made
    assert committed.sha256 == made.sha256


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_every_row_has_a_source(path: Path) -> None:
    """Every row of every table, and every cap, names its source in the terms of the README."""
    instance = load(path)
    rows = [row for table in ("caps", *TABLES) for row in getattr(instance, table)]
    assert len(rows) > 3
    assert [row for row in rows if not re.match(r"[HMDA]: \S", row.source)] == []


def test_ten_megabytes() -> None:
    """All committed instances together weigh less than 10 MB."""
    assert sum(path.stat().st_size for path in INSTANCES.rglob("*") if path.is_file()) < 10_000_000


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_readme_lists_it(path: Path) -> None:
    """The table of the README has the instance with the number of its nodes and projects."""
    instance = load(path)
    where = path.relative_to(INSTANCES).as_posix()
    nodes, projects = instance.topology.node_count, len(instance.projects)
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| [{where}]"))
    assert f"| {nodes:,} | {projects:,} |" in row
