"""A summary with any tier and a profile of shares: read as it is written, refused where it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kalloc.errors import InstanceError
from kalloc.instance.objective import TIERS
from kalloc.io import read_summary, schema, write_result
from tests.io.plans import result
from tests.io.test_schema import strays


def _summary(directory: Path, **profile: Any) -> dict[str, Any]:
    """Write a plan whose summary has every tier, that of fairness with a profile."""
    write_result(result(), directory)
    summary: dict[str, Any] = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    summary["tiers"] = [{"name": name, "value": 0.5, "bound": None, "gap": None, "given": None} for name in TIERS]
    summary["tiers"][TIERS.index("fairness")] |= profile
    (directory / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return summary


@pytest.mark.parametrize("profile", [{}, {"profile": None}, {"profile": []}, {"profile": [[0.25, 2], [0.5, 1.0]]}])
def test_read_back(tmp_path: Path, profile: dict[str, Any]) -> None:
    """Every tier is read, with the profile if there is one, and the schema describes it."""
    written = _summary(tmp_path, **profile)
    assert read_summary(tmp_path) == written
    described = schema("plan")
    assert strays(described["$defs"]["Summary"], written, described["$defs"]) == []


@pytest.mark.parametrize("profile", [3, [0.5, 1], [[0.5]], [[0.5, 1, 2]], [["0.5", 1]]])
def test_refused(tmp_path: Path, profile: object) -> None:
    """A profile that is no list of pairs of numbers is told by its place, and nothing is read."""
    _summary(tmp_path, profile=profile)
    with pytest.raises(InstanceError) as caught:
        read_summary(tmp_path)
    assert {(d.file, d.row) for d in caught.value.defects} == {("summary.json", 3)}
    assert all(str(defect.column).startswith("tiers.profile") for defect in caught.value.defects)


def test_unknown_tier(tmp_path: Path) -> None:
    """A tier that no objective knows is told by its place."""
    _summary(tmp_path, name="fairnes")
    with pytest.raises(
        InstanceError, match=r"summary.json, row 3, column 'tiers.name': must be one of 'merit', 'ranked'"
    ):
        read_summary(tmp_path)
