"""Every defect of the policy tables is told by file, row and column, in both forms, and nothing is planned."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kalloc.cli import app
from kalloc.errors import Defect, InstanceError
from kalloc.io import load
from tests.io.policy import TABLES, TIERS, Records, directory, document, spoiled
from tests.io.small import defects
from tests.io.test_load_tables import mangled

FORMS = ("tables", "document")
Told = tuple[str, int | None, str | None]


def _write(form: str, path: Path, tables: Records, tiers: tuple[Any, ...] = TIERS) -> Path:
    return directory(path, tables, tiers) if form == "tables" else document(path, tables, tiers)


def _cell(form: str, table: str, index: int, column: str) -> Told:
    """Return where a form tells of a cell."""
    return (f"{table}.csv", index + 2, column) if form == "tables" else ("policy.json", index + 1, f"{table}.{column}")


def _key(form: str, key: str) -> Told:
    return "instance.toml" if form == "tables" else "policy.json", None, key


def _places(found: list[Defect]) -> list[Told]:
    return [(defect.file, defect.row, defect.column) for defect in found]


def _refused(path: Path, out: Path, found: list[Defect]) -> None:
    """The command line says the same, with exit status 2 and no traceback, and writes nothing."""
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    done = CliRunner().invoke(app, ["solve", str(path), "--out", str(out)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert all(str(defect) in done.stderr for defect in found)
    assert "Traceback" not in done.stderr
    assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == before


CELLS: dict[str, tuple[str, int, dict[str, Any], str, str]] = {
    "share over 100": ("groups", 0, {"share": 140.0}, "share", "must be 100 or less, not"),
    "shares over 100": ("groups", 1, {"share": 40.5}, "share", "with group 'sme' the shares come to 100.5 %, over 100"),
    "negative share": ("groups", 1, {"share": -1.0}, "share", "is negative"),
    "negative tolerance": ("groups", 0, {"tolerance": -5.0}, "tolerance", "is negative"),
    "discount over 100": ("groups", 0, {"discount": 101.0}, "discount", "must be 100 or less"),
    "unknown group": ("projects", 0, {"group": "uny"}, "group", "unknown group 'uny'; did you mean 'uni'?"),
    "region nobody has": ("limits", 2, {"of": "seul"}, "of", "no project has the region 'seul'; did you mean 'seoul'?"),
    "region of another pool": ("limits", 2, {"of": "daejeon", "pool": "firm"}, "of", "of pool 'firm' has the region"),
    "per nothing": ("limits", 2, {"per": "town"}, "per", "must be one of 'project', 'applicant', 'group', 'region'"),
    "of a project": ("limits", 0, {"of": "p"}, "of", "per project there is nothing to name"),
    "least of a project": ("limits", 0, {"most": None, "least": 8}, "least", "a single project has no least"),
    "no bounds": ("limits", 1, {"most": None}, "most", "limit 'applicant' bounds nothing; give most, least or both"),
    "least over most": ("limits", 1, {"least": 41}, "least", "least 41 is over most 40"),
    "kind and rates": ("limits", 0, {"kind": "H200"}, "kind", "limit 'exchange' has rates in rates.csv too"),
    "no kind and no rates": ("limits", 1, {"kind": None}, "kind", "limit 'applicant' counts no kind"),
    "limit twice": ("limits", 2, {"limit": "applicant"}, "limit", "limit 'applicant' is already in"),
    "rate of zero": ("rates", 1, {"rate": 0.0}, "rate", "must be more than 0, not"),
    "rate of a limit unknown": ("rates", 1, {"limit": "exchang"}, "limit", "unknown limit 'exchang'; did you mean"),
    "rate of all kinds": ("rates", 1, {"kind": "*"}, "kind", "unknown kind '*'"),
    "rate twice": ("rates", 1, {"kind": "H200"}, "kind", "is already in"),
    "budget of nobody": ("budgets", 0, {"pool": "lap"}, "pool", "unknown pool 'lap'; did you mean 'lab'?"),
    "negative budget": ("budgets", 0, {"won": -1}, "won", "is negative"),
    "guarantee of both": ("guarantees", 0, {"pool": "lab"}, "project", "'own' must name a project or a pool"),
    "guarantee of none": ("guarantees", 1, {"pool": None}, "project", "'all' must name a project or a pool"),
    "guarantee of nothing": ("guarantees", 1, {"gpus": 0}, "gpus", "must be 1 or more"),
    "call closes early": ("pools", 1, {"closes": "2025-12-21"}, "closes", "closes on 2025-12-21, before it opens on"),
    "day that is none": ("pools", 1, {"closes": "2026-02-30"}, "closes", "is not a date such as 2026-01-28"),
    "day of a project": ("projects", 0, {"applied": "soon"}, "applied", "is not a date such as 2026-01-28: 'soon'"),
    "weight of zero": ("projects", 1, {"weight": 0.0}, "weight", "must be more than 0"),
    "loaded below idle": ("inventory", 1, {"idle_watts": 9001}, "loaded_watts", "draws 9000 W, less than the 9001 W"),
    "unknown level of power": ("power", 0, {"level": "rak"}, "level", "unknown level 'rak'; did you mean 'rack'?"),
    "unknown domain": ("power", 1, {"domain": "a/r3"}, "domain", "unknown rack 'a/r3'; did you mean 'a/r"),
    "domain without its path": ("power", 1, {"domain": "r2"}, "domain", "unknown rack 'r2'"),
    "negative power": ("power", 0, {"kw": -1.0}, "kw", "is negative"),
    "whole with a level": ("shapes", 2, {"level": "rack"}, "level", "nodes are taken as a whole, not a rack"),
    "no level": ("shapes", 5, {"level": None}, "level", "shape 'exclusive' needs a level; known: node, rack, site"),
    "unknown level": ("shapes", 4, {"level": "nod"}, "level", "unknown level 'nod'; did you mean 'node'?"),
    "no amount": ("shapes", 0, {"amount": None}, "amount", "shape 'segment' needs an amount"),
    "an amount too many": ("shapes", 5, {"amount": 8}, "amount", "shape 'exclusive' takes no amount; clear it"),
    "amount of zero": ("shapes", 4, {"amount": 0}, "amount", "must be 1 or more"),
    "unknown shape": ("shapes", 4, {"shape": "sprad"}, "shape", "must be one of 'segment', 'spread'"),
    "shape of nobody": ("shapes", 4, {"project": "rr"}, "project", "unknown project 'rr'; did you mean 'r'?"),
    "segment too large": ("shapes", 1, {"amount": 16}, "amount", "segment of 16 GPUs is larger than the largest node"),
    "segments that do not divide": ("shapes", 0, {"amount": 18}, "amount", "not made of its finer segments of 4"),
    "segments of no amount": (
        *("shapes", 4, {"shape": "segment", "level": "site", "amount": 12}),
        *("amount", "project 'r' asks no amount that is a multiple of 12 GPUs"),
    ),
}


def test_sound(tmp_path: Path) -> None:
    """The instance that the other tests spoil is sound, and the same in both forms."""
    tables, text = load(directory(tmp_path / "in", TABLES)), load(document(tmp_path, TABLES))
    assert tables == text
    assert tables.sha256 == text.sha256
    assert str(tables.pools[1].closes) == "2026-01-28"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CELLS)
def test_cell(tmp_path: Path, case: str, form: str) -> None:
    """A wrong cell of a policy table is told once, where it stands, in words of a planner; exit status 2."""
    table, index, cells, column, message = CELLS[case]
    path = _write(form, tmp_path / "in" if form == "tables" else tmp_path, spoiled((table, index, cells)))
    found = defects(path)
    assert _places(found) == [_cell(form, table, index, column)], "\n".join(map(str, found))
    assert message in found[0].message
    _refused(path, tmp_path / "out", found)


HEADS: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "tier twice": (("merit", "served", "merit"), "objective.tiers[3]", "tier 'merit' is listed twice"),
    "tier twice with settings": (
        ({"name": "fairness", "by": "pool"}, "merit", {"name": "fairness"}),
        *("objective.tiers[3]", "tier 'fairness' is listed twice"),
    ),
    "unknown tier": (("merit", "fairnes"), "objective.tiers[2].name", "must be one of 'merit', 'ranked', 'fairness'"),
    "unknown tier in a table": (({"name": "fairnes", "by": "pool"},), "objective.tiers[1].name", "must be one of"),
    "no name": (({"rule": "maxmin"},), "objective.tiers[1].name", "is empty, but must be given"),
    "no tier": ((), "objective.tiers", "names no tier"),
    "number": (("merit", 7), "objective.tiers[2]", "must be a table, not 7"),
    "unknown setting": (
        ({"name": "merit", "unti": "gpus"},),
        "objective.tiers[1].unti",
        "unknown; did you mean 'unit'?",
    ),
    "setting of another tier": (
        ("merit", {"name": "served", "unit": "gpus"}),
        *("objective.tiers[2].unit", "tier 'served' has no setting 'unit'; it takes none"),
    ),
    "setting of another tier that takes others": (
        ({"name": "utilisation", "rule": "maxmin"},),
        *("objective.tiers[1].rule", "tier 'utilisation' has no setting 'rule'; it takes 'unit'"),
    ),
    "wrong word": (
        ({"name": "fairness", "rule": "minmax"},),
        *("objective.tiers[1].rule", "must be one of 'maxmin', 'proportional', not 'minmax'"),
    ),
    "quota of a project": (
        ({"name": "fairness", "by": "project", "of": "quota"},),
        *("objective.tiers[1].of", "only pools have quotas"),
    ),
    "reserve without level": (
        ({"name": "reserve", "count": 1},),
        "objective.tiers[1].level",
        "needs the setting 'level'",
    ),
    "reserve without count": (
        ({"name": "reserve", "level": "rack"},),
        *("objective.tiers[1].count", "tier 'reserve' needs the setting 'count'"),
    ),
    "reserve of nothing": (
        ({"name": "reserve", "level": "rack", "count": 0},),
        *("objective.tiers[1].count", "must be 1 or more, not 0"),
    ),
    "reserve at no level": (
        ({"name": "reserve", "level": "rak", "count": 1},),
        *("objective.tiers[1].level", "unknown level 'rak'; did you mean 'rack'?"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", HEADS)
def test_tiers(tmp_path: Path, case: str, form: str) -> None:
    """A wrong tier is told once, by its position in the list and its setting; exit status 2."""
    tiers, key, message = HEADS[case]
    path = _write(form, tmp_path / "in" if form == "tables" else tmp_path, TABLES, tiers)
    found = defects(path)
    assert _places(found) == [_key(form, key)], "\n".join(map(str, found))
    assert message in found[0].message
    _refused(path, tmp_path / "out", found)


@pytest.mark.parametrize("form", FORMS)
def test_reserve_by_name_alone(tmp_path: Path, form: str) -> None:
    """A tier whose settings must be given is told of each that is missing."""
    path = _write(form, tmp_path / "in" if form == "tables" else tmp_path, TABLES, ("reserve",))
    assert _places(defects(path)) == [_key(form, f"objective.tiers[1].{key}") for key in ("level", "count")]


@pytest.mark.parametrize("form", FORMS)
def test_tiers_without_their_tables(tmp_path: Path, form: str) -> None:
    """`balance` without any share and `guarantees` without rows decide nothing, and are told."""
    tables = {name: records for name, records in TABLES.items() if name != "guarantees"}
    tables["groups"] = [{"group": "uni"}, {"group": "sme"}]
    found = defects(_write(form, tmp_path / "in" if form == "tables" else tmp_path, tables, ("guarantees", "balance")))
    assert _places(found) == [_key(form, "objective.tiers[1]"), _key(form, "objective.tiers[2]")]
    assert "needs rows in guarantees.csv" in found[0].message
    assert "needs a share for some group in groups.csv" in found[1].message


@pytest.mark.parametrize("form", FORMS)
def test_all_at_once(tmp_path: Path, form: str) -> None:
    """Defects of many policy tables at once are all told, each in its place, and no other."""
    cases = (
        *("negative tolerance", "region nobody has", "kind and rates", "rate of a limit unknown", "guarantee of both"),
        *("call closes early", "loaded below idle", "unknown level of power", "whole with a level", "no amount"),
        *("an amount too many", "negative budget", "weight of zero"),
    )
    changes = [CELLS[case][:3] for case in cases]
    tiers = ("merit", "merit", {"name": "reserve", "count": 1})
    found = defects(_write(form, tmp_path / "in" if form == "tables" else tmp_path, spoiled(*changes), tiers))
    told = {_cell(form, CELLS[case][0], CELLS[case][1], CELLS[case][3]) for case in cases}
    told |= {_key(form, "objective.tiers[2]"), _key(form, "objective.tiers[3].level")}
    assert set(_places(found)) == told, "\n".join(map(str, found))
    assert len(found) == len(told)


@pytest.mark.parametrize(
    ("table", "index", "cells"),
    [
        ("groups", 1, {"discount": -1.0}),
        ("limits", 0, {"most": -1}),
        ("projects", 2, {"merit": -1.0}),
        ("pools", 2, {"weight": -1.0}),
        ("inventory", 0, {"gpus": 0}),
        ("shapes", 1, {"amount": -4}),
        ("requests", 0, {"max": 0}),
        ("kinds", 0, {"won": -1}),
    ],
)
def test_no_follow_up(tmp_path: Path, table: str, index: int, cells: dict[str, Any]) -> None:
    """One broken row is one defect, whatever limits, rates, shapes and domains refer to what it says."""
    found = defects(directory(tmp_path / "in", spoiled((table, index, cells))))
    assert _places(found) == [_cell("tables", table, index, next(iter(cells)))], "\n".join(map(str, found))


def test_two_defects_of_a_limit(tmp_path: Path) -> None:
    """A limit that counts nothing of a region that nobody has is told of both at once."""
    found = defects(directory(tmp_path / "in", spoiled(("limits", 2, {"of": "seul", "kind": None}))))
    assert sorted(_places(found)) == [("limits.csv", 4, "kind"), ("limits.csv", 4, "of")]


@pytest.mark.parametrize("text", ["0", "86400", "2026-1-28", "28.01.2026", "2026-01-28T00:00:00"])
def test_day_that_is_none(tmp_path: Path, text: str) -> None:
    """A day is written as 2026-01-28 and in no other way: a number is not taken for seconds."""
    found = defects(directory(tmp_path / "in", spoiled(("projects", 0, {"applied": text}))))
    assert _places(found) == [("projects.csv", 2, "applied")]
    assert f"is not a date such as 2026-01-28: '{text}'" in found[0].message


def test_segments_are_judged_without_a_walk(tmp_path: Path) -> None:
    """Whether a range of a billion amounts has a multiple of a segment is told at once, exactly."""
    huge = {"min": 1, "max": 10**9, "step": 2}
    odd = spoiled(("requests", 0, huge), ("shapes", 0, {"amount": 32}), ("shapes", 1, {"amount": 8}))
    found = defects(directory(tmp_path / "in", odd))
    assert _places(found) == [("shapes.csv", 2, "amount"), ("shapes.csv", 3, "amount")]
    assert "asks no amount that is a multiple of 32 GPUs" in found[0].message


def test_segments_of_a_mix(tmp_path: Path) -> None:
    """A project that mixes kinds may make segments of several, so that no request alone is judged."""
    mixed = spoiled(
        ("projects", 1, {"mix": "any"}),
        ("requests", 1, {"min": 4, "max": 4}),
        ("requests", 2, {"min": 12, "max": 12}),
        ("shapes", 3, {"shape": "segment", "level": "site", "amount": 16}),
    )
    assert len(load(directory(tmp_path / "in", mixed)).shapes) == 6


@pytest.mark.parametrize("seed", range(3))
def test_mangled(tmp_path: Path, seed: int) -> None:
    """Whatever a policy table holds, loading ends in an instance or in an InstanceError, and in nothing else."""
    chance = random.Random(seed)
    path = directory(tmp_path / "in", TABLES)
    sound = {file: file.read_bytes() for file in sorted(path.iterdir())}
    refused = 0
    for _ in range(60):
        file = chance.choice(list(sound))
        file.write_bytes(mangled(sound[file], chance))
        try:
            load(path)
        except InstanceError as error:
            refused += len(error.defects) > 0
        file.write_bytes(sound[file])
    assert refused > 30
