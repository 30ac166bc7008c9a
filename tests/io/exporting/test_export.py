"""Exports as a whole: what is refused, and that nothing is half written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import kalloc.io
from kalloc.cli import app
from kalloc.errors import OutputError
from kalloc.instance import NodeGroup, Pool
from kalloc.io.exporting import FORMATS, extras, made_of
from tests.instances.places import INSTANCES
from tests.io.exporting.cases import HOSTILE, instance, plan

BORROWING = INSTANCES / "tiny" / "borrowing"


@pytest.fixture
def solved(tmp_path: Path) -> Path:
    """Write the plan of a tiny instance."""
    result = kalloc.solve(kalloc.load(BORROWING), time_limit=10, threads=1)
    kalloc.io.write_result(result, tmp_path / "plan")
    return tmp_path / "plan"


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str, solved: Path, tmp_path: Path) -> None:
    """Every format is written for a plan, and written again in place of the first; its files are those it may have."""
    out = tmp_path / "out"
    for _ in range(2):
        done = run(format, BORROWING, solved, "--out", out)
        assert (done.exit_code, done.stdout) == (0, f"{format}: in {out}\n")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    assert names <= {*FORMATS[format].names(), "names.csv"}
    assert bool(names) == bool(FORMATS[format].names())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "plan"]


@pytest.mark.parametrize("format", FORMATS)
def test_without_a_plan(format: str, tmp_path: Path) -> None:
    """Every format takes an instance alone."""
    assert run(format, BORROWING, "--out", tmp_path / "out").exit_code == 0


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "excel"])
def test_same_bytes(format: str) -> None:
    """The same plan makes the same files; but a workbook says when it was made."""
    given = instance()
    assert made_of(format, given, plan(given)).files == made_of(format, given, plan(given)).files


def test_plan_alone(solved: Path, tmp_path: Path) -> None:
    """Tables take a plan alone; what needs an instance that no file tells says so, and writes nothing."""
    assert run("csv", solved, "--out", tmp_path / "csv").exit_code == 0
    done = run("slurm", solved, "--out", tmp_path / "slurm")
    assert done.exit_code == 2
    assert f"{solved / 'certificate.json'}: does not tell where the instance of the plan is; name the" in done.stderr
    assert not (tmp_path / "slurm").exists()
    with pytest.raises(OutputError, match="slurm needs the instance beside the plan; give both"):
        made_of("slurm", None, plan(instance()))


def test_plan_that_tells_of_its_instance(tmp_path: Path) -> None:
    """The plan of a solve finds its instance, until either of them is moved away."""
    place, out = tmp_path / "instance", tmp_path / "plan"
    kalloc.io.write_instance(kalloc.load(BORROWING), place)
    assert CliRunner().invoke(app, ["solve", str(place), "--out", str(out), "--quiet"]).exit_code == 0
    assert run("slurm", out, "--out", tmp_path / "slurm").exit_code == 0
    assert (tmp_path / "slurm" / "reservations.sh").exists()
    place.rename(tmp_path / "elsewhere")
    done = run("slurm", out, "--out", tmp_path / "other")
    assert (done.exit_code, f"tells of an instance at {place}, where nothing is" in done.stderr) == (2, True)
    assert not (tmp_path / "other").exists()


def test_unknown_format(tmp_path: Path) -> None:
    """A format that nobody knows is refused with the known ones."""
    done = run("pbs", BORROWING, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "slurm" in done.stderr
    with pytest.raises(OutputError, match="unknown format 'pbs'; known: slurm, "):
        made_of("pbs", instance(), None)
    with pytest.raises(OutputError, match="kueue needs an instance or a plan"):
        made_of("kueue", None, None)


def test_formats_are_listed() -> None:
    """The command line lists every format that can be imported or exported, each with what it is."""
    import kalloc.io.importing

    done = CliRunner().invoke(app, ["formats"])
    read, _, written = done.stdout.partition("\nexport\n")
    assert [line.split()[0] for line in read.splitlines()] == ["import", *kalloc.io.importing.FORMATS]
    assert [tuple(line.split(None, 1)) for line in written.splitlines()] == [
        (name, format.title) for name, format in FORMATS.items()
    ]


def test_plan_of_another_instance(solved: Path, tmp_path: Path) -> None:
    """A plan is not written for an instance that it was not made for."""
    done = run("kueue", INSTANCES / "tiny" / "cap", solved, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "'tiny-cap'" in done.stderr
    with pytest.raises(OutputError, match="solve again, or give the instance"):
        made_of("kueue", instance(name="other"), plan(instance()))


def test_plan_that_breaks_a_rule(solved: Path, tmp_path: Path) -> None:
    """A plan that somebody spoiled is refused with what it breaks; nothing is written."""
    document = json.loads((solved / "plan.json").read_text(encoding="utf-8"))
    document["placements"][0]["gpus"] = 16
    (solved / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    done = run("slurm", BORROWING, solved, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "the plan breaks" in done.stderr and "kalloc verify" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["kueue", "csv"])
def test_directory_of_something_else(format: str, tmp_path: Path) -> None:
    """A directory that holds anything else, be it an instance, is left alone."""
    kalloc.io.write_instance(kalloc.load(BORROWING), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    done = run(format, BORROWING, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "will not replace" in done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("format", "package", "extra"), [("kueue", "yaml", "formats"), ("parquet", "pyarrow", "parquet")]
)
def test_missing_package(format: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package that a format needs, the message says what to install."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match=f"needs the package '{package}'; install it: .*kalloc.{extra}"):
        made_of(format, instance(), None)


def test_notes_are_returned(tmp_path: Path) -> None:
    """The function returns what the command says on standard error."""
    notes = kalloc.io.export("kueue", instance(), None, tmp_path / "out")
    assert any("clash" in note or "several" in note for note in notes)
    listed: Mapping[str, object] = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(listed) == ["kueue.yaml", "manager-config.yaml", "names.csv"]


@pytest.mark.parametrize(
    ("to", "file", "format"),
    [("kwok", "nodes.yaml", "kubernetes"), ("csv", "", "table"), ("excel", "", "table"), ("parquet", "", "table")],
)
def test_names_come_back(to: str, file: str, format: str, tmp_path: Path) -> None:
    """Names that are formulas, commands or not in Latin letters come back: annotations and tables keep them."""
    rows = tuple(
        NodeGroup(path=(site, HOSTILE), node=f"n{number}", kind="RTX PRO 6000", gpus=8, owner="기관 A")
        for number, site in enumerate(("서울", "부산"))
    )
    pools = (Pool(pool="nation"), Pool(pool="기관 A", parent="nation"))
    one = instance(inventory=rows, pools=pools, quotas=(), projects=(), requests=(), placed=())
    out = tmp_path / ("out.xlsx" if to == "excel" else "out")
    kalloc.io.export(to, one, None, out)
    paths = sorted(out.glob(file or "*")) if out.is_dir() else [out]
    other = kalloc.io.import_files(format, paths).instance
    assert other.hierarchy.levels == one.hierarchy.levels
    for before, after in zip(one.inventory, other.inventory, strict=True):
        assert (after.path, after.node, after.kind, after.owner) == (
            before.path,
            before.node,
            before.kind,
            before.owner,
        )
