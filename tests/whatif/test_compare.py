"""Plans and instances beside each other, by hand, and the commands that show what would be if."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import kalloc
from kalloc.cli import app
from kalloc.instance import Project
from kalloc.io import write_instance, write_result
from kalloc.screen import table_lines
from kalloc.whatif import compare
from tests.models.small import ask, make, nodes
from tests.test_slots import seated

ONE = make(
    inventory=(nodes("r", 4, count=2), nodes("s", 4)),
    projects=(Project(project="p", pool="top"), Project(project="q", pool="top", merit=2)),
    requests=(ask("p", 4, 8), ask("q", 4, 4)),
)
OTHER = ONE.replace(requests=(ask("p", 4, 4), ask("q", 4, 8)), projects=ONE.projects)


def test_projects_and_places() -> None:
    """p loses 4, q gains 4 and moves: what stays on its node counts as not moved."""
    first, second = kalloc.solve(ONE, threads=1).plan, kalloc.solve(OTHER, threads=1).plan
    rows = {row["project"]: row for row in compare.projects(first, second)}
    assert [(name, row["first"], row["second"], row["change"]) for name, row in rows.items()] == [
        ("p", 8, 4, -4),
        ("q", 4, 8, 4),
    ]
    assert compare.pools(first, second) == [{"pool": "top", "first": 12, "second": 12, "change": 0}]
    assert compare.projects(first, first) == [] and compare.places(first, first) == []


def test_moved() -> None:
    """GPUs that sit on other nodes count as moved, and their places change."""
    plan = kalloc.solve(ONE, threads=1).plan
    first = {("p", "r/n1"): 4, ("p", "r/n2"): 4, ("q", "s/n1"): 4}
    second = {("p", "r/n1"): 4, ("p", "s/n1"): 4, ("q", "r/n2"): 4}
    sides = [replace(plan, seats=seated(ONE, places).seats) for places in (first, second)]
    rows = compare.projects(*sides)
    assert [(row["project"], row["change"], row["moved"]) for row in rows] == [("p", 0, 4), ("q", 0, 4)]
    assert compare.places(*sides) == []


def test_inputs() -> None:
    """Cells that differ are told by table, row and column, rows that only one has as such."""
    more = OTHER.replace(projects=(*OTHER.projects, Project(project="new", pool="top")))
    assert [tuple(row.values()) for row in compare.inputs(ONE, more)] == [
        ("projects", "new", "", "", "there"),
        ("requests", "p h", "max", 8, 4),
        ("requests", "q h", "max", 4, 8),
    ]
    assert compare.inputs(ONE, ONE) == []


def test_table_lines() -> None:
    """Texts stand to the left and figures to the right; what is cut is counted."""
    rows: list[dict[str, Any]] = [
        {"name": "가", "gpus": 8, "proven": True},
        {"name": "bb", "gpus": None, "proven": False},
    ]
    assert list(table_lines(rows, 1)) == ["name  gpus  proven", "가       8  yes", "… and 1 more"]
    assert list(table_lines(rows))[2] == "bb       –  no"
    assert list(table_lines([])) == []


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Two instances and their plans as directories."""
    for name, instance in (("one", ONE), ("other", OTHER)):
        write_instance(instance, tmp_path / name)
        write_result(kalloc.solve(instance, threads=1), tmp_path / f"{name}-plan")
    return {name: str(tmp_path / name) for name in ("one", "other", "one-plan", "other-plan", "table.csv")}


def run(*words: str) -> str:
    """Run a command that succeeds and return what it prints."""
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_compare(files: dict[str, str]) -> None:
    """Plans are compared by tier, pool, project and place; instances by row; a plan and an instance are not."""
    plans = json.loads(run("compare", files["one-plan"], files["other-plan"], "--json"))
    assert list(plans) == ["tiers", "pools", "projects", "places"]
    assert plans["tiers"][0] == {"tier": "merit", "first": 16.0, "second": 20.0, "change": 4.0}
    assert "requests  q h  max" in run("compare", files["one"], files["other"])
    assert run("compare", files["one"], files["one"]) == "inputs: no difference\n"
    mixed = CliRunner().invoke(app, ["compare", files["one-plan"], files["other"]])
    assert mixed.exit_code == 2
    assert "compare two plans or two instances" in mixed.stderr


def test_commands_write_their_tables(files: dict[str, str]) -> None:
    """frontier, stress and worth print their tables, and write them whole as CSV."""
    assert "fragmentation" in run("frontier", files["one"], "--points", "3", "--out", files["table.csv"])
    assert Path(files["table.csv"]).read_text().startswith("fragmentation,merit,merit_bound,gap,proven\n")
    assert "losses" in run("stress", files["one"], files["one-plan"], "--out", files["table.csv"])
    assert Path(files["table.csv"]).read_text().startswith("level,domain,gpus,hit,hit_gpus,again,left_gpus,left\n")
    rows = json.loads(run("worth", files["one"], files["one-plan"], "--json", "--out", files["table.csv"]))["steps"]
    row = {"rule": "nodes", "pool": "top", "kind": "h", "gpus": 4, "merit": 0.0, "fragmentation": 0.0}
    assert rows == [{**row, "not_sought": ""}]
    head = "rule,pool,kind,gpus,merit,fragmentation,not_sought"
    assert Path(files["table.csv"]).read_text() == f"{head}\nnodes,top,h,4,0,0,\n"
