"""The command line with the real solve: tiny instances from files to a verified plan, or to the reason for none."""

from __future__ import annotations

import importlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kalloc.cli import app
from kalloc.io import load, read_plan, read_summary

TINY = Path(__file__).parents[1] / "instances" / "tiny"
FEASIBLE = sorted(path.name for path in TINY.iterdir() if path.is_dir() and not path.name.startswith("infeasible"))
INFEASIBLE = sorted(path.name for path in TINY.iterdir() if path.name.startswith("infeasible"))
STABLE = ("plan.json", "allocations.csv", "placements.csv")


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", FEASIBLE)
def test_tiny(name: str, tmp_path: Path) -> None:
    """A tiny instance is solved to a proof, what is written is what was printed, and `verify` finds it clean."""
    answer = run("solve", TINY / name, "--out", tmp_path / "plan", "--json", "--threads", 1)
    assert answer.exit_code == 0, answer.stderr
    summary = json.loads(answer.stdout)
    assert summary == read_summary(tmp_path / "plan")
    assert (summary["termination"], summary["verified"]) == ("optimal", True)
    assert summary["instance"]["sha256"] == load(TINY / name).sha256 == read_plan(tmp_path / "plan").instance_sha256
    checked = run("verify", TINY / name, tmp_path / "plan")
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("name", INFEASIBLE)
def test_infeasible(name: str, tmp_path: Path) -> None:
    """An instance that cannot be met ends with exit status 3 and the clash, and nothing is written."""
    answer = run("solve", TINY / name, "--out", tmp_path / "plan", "--json")
    told = json.loads(answer.stdout)
    assert (answer.exit_code, told["termination"], told["solution"]) == (3, "infeasible", "none")
    assert told["clash"]
    assert all(reason in answer.stderr for reason in told["clash"])
    assert list(tmp_path.iterdir()) == []


def test_same_bytes(tmp_path: Path) -> None:
    """The same input, seed and threads make the same plan, byte for byte."""
    for name in ("a", "b"):
        assert run("solve", TINY / FEASIBLE[0], "--out", tmp_path / name, "--seed", 1, "--threads", 1).exit_code == 0
    for file in STABLE:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_text(tmp_path: Path) -> None:
    """What is printed for people fits 80 columns, and progress is not among it."""
    answer = run("solve", TINY / "cap")
    assert answer.exit_code == 0, answer.stderr
    assert max(map(len, answer.stdout.splitlines())) <= 80
    assert "termination optimal" in answer.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sends SIGINT right before the real solve begins."""
    module = importlib.import_module("kalloc.solving")
    real = module.solve

    def solve(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(module, "solve", solve)
    yield


@pytest.mark.usefixtures("interrupted")
def test_interrupt(tmp_path: Path) -> None:
    """After Ctrl-C the best plan so far is on disk and clean, or there was none yet and that is said."""
    answer = run("solve", TINY / "cap", "--out", tmp_path / "plan", "--json")
    told = json.loads(answer.stdout)
    if answer.exit_code == 4:
        assert told["termination"] == "interrupted"
        assert list(tmp_path.iterdir()) == []
    else:
        assert answer.exit_code == 0, answer.stderr
        assert told["termination"] in ("interrupted", "optimal")
        assert run("verify", TINY / "cap", tmp_path / "plan").exit_code == 0
