"""Who writes certificates: every bound of the shipped instances is certified, and the files say so."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import threading
import time
import tokenize
from pathlib import Path
from typing import Any

import pytest

import kalloc
from kalloc.certify import certify
from tests.certificate.proofs import document_of, read, solved
from tests.instances.places import INSTANCES, TINY

ROOT = Path(__file__).parents[2]
SHIPPED = [path for path in TINY if "infeasible" not in path.name] + [INSTANCES / "korea-2026-call1"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_bound_of_what_is_shipped_is_certified(path: Path) -> None:
    """All bounds of a small shipped instance are certified, whatever its rules and tiers, and counted."""
    instance = kalloc.load(path)
    result = solved(instance)
    lines = list(read(instance, result, document_of(result)).lines())
    assert [line for line in lines if line.trouble or not line.certified] == []
    assert result.summary()["certified"] == {"bounds": len(lines), "certified": len(lines)}


def test_too_many_amounts_stay_a_solvers_word() -> None:
    """A project with too many amounts to choose from costs its merit the proof, and nobody the plan."""
    small = kalloc.load(INSTANCES / "tiny" / "cap")
    nodes = (small.inventory[0].model_copy(update={"count": 1, "gpus": 100_000}), *small.inventory[1:])
    ask = small.requests[0].model_copy(update={"project": "b", "min": 1, "max": 90_000, "step": 1})
    instance = small.replace(inventory=nodes, requests=(ask,))
    result = solved(instance)
    lines = {line.name: line for line in read(instance, result, document_of(result)).lines()}
    assert not lines["merit"].certified and not lines["merit"].trouble
    assert lines["fragmentation"].certified and lines["spans of node"].certified


@pytest.mark.long
def test_the_bounds_of_the_whole_nation_are_certified() -> None:
    """All bounds of korea-260k but that of four levels at once are proven by facts, in 2 s and a fifth of the solve."""
    instance = kalloc.load(INSTANCES / "korea-260k")
    result = kalloc.solve(instance, threads=2)
    start = time.monotonic()
    result = certify(instance, result)
    took = time.monotonic() - start
    assert result.certified == {"bounds": 7, "certified": 6}
    assert took < 3 + 0.2 * (result.seconds["allocate"] + result.seconds["place"])
    [open_still] = [line for line in read(instance, result, document_of(result)).lines() if not line.certified]
    assert open_still.name == "fragmentation" and not open_still.trouble


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the checker as a user does."""
    command = [sys.executable, "-m", "kalloc.certificate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a plan with its certificate."""
    out = tmp_path_factory.mktemp("plans") / "plan"
    solve = ["solve", str(ROOT / "instances/tiny/mandatory"), "--out", str(out), "--quiet"]
    subprocess.run([sys.executable, "-m", "kalloc", *solve], check=True, capture_output=True)
    return out


def test_the_program_checks_what_was_written(written: Path) -> None:
    """`kalloc solve` writes a certificate, and `python -m kalloc.certificate DIR` finds its instance and accepts it."""
    answer = run(written)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1] == "certified: 4 of 4 bounds"
    assert json.loads((written / "summary.json").read_text())["certified"] == {"bounds": 4, "certified": 4}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("certificate.json", '"bound": 10', '"bound": 9', "the certificate says 9, the summary 10"),
        ("summary.json", '"certified": 4', '"certified": 3', "the summary counts"),
        ("plan.json", '"gpus": 16', '"gpus": 24', "another plan.json"),
        ("placements.csv", "H200", "B200", "does not say the same as plan.json"),
    ],
)
def test_the_program_tells_what_is_wrong(written: Path, file: str, old: str, new: str, said: str) -> None:
    """Exit status 1 and a sentence where a file of the plan says something else than the others."""
    text = (written / file).read_text()
    assert old in text
    try:
        (written / file).write_text(text.replace(old, new, 1))
        answer = run(written)
    finally:
        (written / file).write_text(text)
    assert answer.returncode == 1 and said in answer.stdout


def test_the_program_tells_what_is_missing(tmp_path: Path) -> None:
    """Exit status 2 and a sentence where there is no certificate."""
    answer = run(tmp_path)
    assert answer.returncode == 2 and "certificate.json" in answer.stderr


def test_the_checker_knows_no_engine() -> None:
    """What checks a certificate loads neither OR-Tools nor any part of kalloc that solves."""
    code = "import kalloc.certificate.__main__, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    engine = ("kalloc.solver", "kalloc.place", "kalloc.allocate", "kalloc.joint", "kalloc.solving", "kalloc.certify")
    assert not [name for name in loaded if name.startswith((*engine, "ortools", "pulp"))]


def test_the_checker_is_short() -> None:
    """What judges proofs has no more than 564 lines of code; what rebuilds rules, tiers and seats, no more than 684."""
    lines = {path.stem: code_lines(path) for path in (ROOT / "kalloc" / "certificate").glob("*.py")}
    rebuilt = sum(lines.pop(name) for name in ("alone", "case", "rows", "seats", "tiers"))
    assert sum(lines.values()) <= 564 and rebuilt <= 684


def code_lines(path: Path) -> int:
    """Return the lines of a file that are neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    skipped = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in skipped]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        value: Any = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            lines -= {*range(node.lineno, (node.end_lineno or 0) + 1)}  # type: ignore[attr-defined]
    return len(lines)


@pytest.mark.parametrize("early", [True, False])
def test_stop_ends_the_search_for_proofs(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stop, or with one in the middle, a solver's word stands for every bound, and that at once."""
    instance, stop, end = kalloc.load("instances/tiny/cap"), threading.Event(), threading.Event()
    result = kalloc.solve(instance, threads=1)
    if early:
        stop.set()
    else:
        module = sys.modules["kalloc.certify.certify"]
        monkeypatch.setattr(module._Work, "_goal", lambda *_: end.wait(20))
        threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    found = certify(instance, result, stop=stop).certified
    end.set()
    assert found is not None and found["certified"] == 0 and found["bounds"] > 0
    assert time.monotonic() - began < 2
