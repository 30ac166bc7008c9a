"""Plans in files: the bytes that are promised, and no trust in what is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kalloc.errors import InstanceError, OutputError
from kalloc.io import check_writable, read_plan, read_summary, stray_free, stray_tables, write_result
from tests.io.plans import result


def test_files(tmp_path: Path) -> None:
    """A plan's directory holds its files, with the columns of the reference and quoted names."""
    write_result(result(), tmp_path / "plan")
    held = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "plan").iterdir()}
    assert set(held) == {"plan.json", "allocations.csv", "placements.csv", "slots.csv", "blocks.csv", "summary.json"}
    assert held["allocations.csv"] == (
        "project,pool,kind,gpus,requested_min,requested_max,reason,sentence,sentence_ko\n"
        "p,lab,H200,8,8,16,full,All.,전량 배정하였습니다.\n"
        '"서울, p",lab,H200,0,8,8,room,"None, sorry.",없음\n'
    )
    assert held["placements.csv"] == 'project,kind,site,rack,node,gpus\np,H200,a,,"n,1",8\n'
    assert held["slots.csv"] == "level,kind,gpus,before,after\nsite,H200,8,2,1\n"
    assert held["blocks.csv"] == "project,level,kind,gpus\np,site,H200,8\n"
    document = json.loads(held["plan.json"])
    assert list(document) == ["format", "instance", "levels", "allocations", "placements", "summary"]
    assert document["placements"] == [
        {"project": "p", "kind": "H200", "site": "a", "rack": "", "node": "n,1", "gpus": 8}
    ]


def test_read_back(tmp_path: Path) -> None:
    """What is read back is the plan that was written, and the summary that the write returned."""
    written = write_result(result(), tmp_path)
    assert read_plan(tmp_path) == result().plan == read_plan(tmp_path / "plan.json")
    assert read_summary(tmp_path) == written.summary()
    assert stray_tables(read_plan(tmp_path), tmp_path) == []
    assert stray_free(written.slots, written.block_costs, tmp_path) == []
    assert stray_free([], [], tmp_path) == ["slots.csv", "blocks.csv"]


def test_curve(tmp_path: Path) -> None:
    """summary.json keeps the anytime curve, plan.json does not; a summary without one is read as no points."""
    write_result(result(), tmp_path)
    points = [{"seconds": 0.25, "score": 5, "bound": None}, {"seconds": 1.5, "score": 3, "bound": 2}]
    file = tmp_path / "summary.json"
    assert read_summary(tmp_path)["curve"] == points
    assert "curve" not in json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["summary"]
    file.write_text(json.dumps({key: value for key, value in read_summary(tmp_path).items() if key != "curve"}))
    assert read_summary(tmp_path)["curve"] == []


def test_seconds(tmp_path: Path) -> None:
    """The summary has what the writing took, and the total has it too; the other figures stay."""
    seconds = write_result(result(), tmp_path).seconds
    assert seconds["write"] > 0
    assert seconds["total"] == pytest.approx(2.0 + seconds["write"])
    assert seconds["load"] == 0.5


def test_same_bytes(tmp_path: Path) -> None:
    """Runs that differ in time and memory alone write the same plan, byte for byte."""
    write_result(result(), tmp_path / "a")
    write_result(replace(result(), seconds={"total": 9.0}, peak_memory_mib=99), tmp_path / "b")
    for name in ("plan.json", "allocations.csv", "placements.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", ["allocations.csv", "placements.csv"])
def test_edited_table(tmp_path: Path, name: str) -> None:
    """A table that was edited, or is gone, does not pass for what plan.json says."""
    write_result(result(), tmp_path)
    file = tmp_path / name
    file.write_text(file.read_text(encoding="utf-8").replace("8", "9"), encoding="utf-8")
    assert stray_tables(read_plan(tmp_path), tmp_path) == [name]
    file.unlink()
    assert stray_tables(read_plan(tmp_path), tmp_path) == [name]


def spoil(document: dict[str, Any], path: str, value: object) -> None:
    """Set what stands at a path of keys; None takes it away."""
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    at: Any = document
    for key in way:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value


SPOILED: list[tuple[str, object, int | None, str, str]] = [
    ("format", 2, None, "format", "must be one of 1, not 2"),
    ("levels", None, None, "levels", "is empty, but must be given"),
    ("levels", ["site"], 1, "placements", "must have the levels site, not site, rack"),
    ("allocations.0.gpus", -8, 1, "allocations.gpus", "is negative: -8"),
    ("allocations.1.gpus", "8", 2, "allocations.gpus", "is not a whole number: '8'"),
    ("allocations.1.extra", 1, 2, "allocations.extra", "unknown"),
    ("placements.0.gpus", 0, 1, "placements.gpus", "must be 1 or more, not 0"),
    ("placements.0.gpus", True, 1, "placements.gpus", "is not a whole number: True"),
    ("placements.0.site", 3, 1, "placements.site", "is not a text: 3"),
    ("placements", {}, None, "placements", "must be a list, not {}"),
    ("summary.solution", "best", None, "summary.solution", "must be one of"),
]


@pytest.mark.parametrize(("path", "value", "row", "column", "message"), SPOILED)
def test_spoiled_plan(tmp_path: Path, path: str, value: object, row: int | None, column: str, message: str) -> None:
    """A plan.json that is none is told with the position and key of what is wrong."""
    write_result(result(), tmp_path)
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    spoil(document, path, value)
    (tmp_path / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InstanceError) as caught:
        read_plan(tmp_path)
    (defect,) = caught.value.defects
    assert (defect.file, defect.row, defect.column) == ("plan.json", row, column)
    assert message in defect.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "format": 1}', "\0", "NaN"])
def test_no_plan(tmp_path: Path, text: str) -> None:
    """Files that hold no plan or summary, and a directory without any, are refused without a traceback."""
    for read, name in ((read_plan, "plan.json"), (read_summary, "summary.json")):
        with pytest.raises(InstanceError, match="No such file"):
            read(tmp_path / "nowhere")
        (tmp_path / name).write_text(text)
        with pytest.raises(InstanceError, match=name):
            read(tmp_path)


def test_refused_directories(tmp_path: Path) -> None:
    """What is no plan is never replaced: foreign files, a directory without plan.json, a file, a name below a file."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text("{}")
    cases = {"mine": "holds 'thesis.txt'", "other": "holds no 'plan.json'", "mine/thesis.txt": "is a file"}
    for name, message in {**cases, "mine/thesis.txt/x": "is a file"}.items():
        for act in (check_writable, lambda path: write_result(result(), path)):
            with pytest.raises(OutputError, match=message):
                act(tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["mine", "other", "summary.json", "thesis.txt"]
