"""The command line with the real solve: tiny instances from files to a verified plan, or to the reason for none."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kalloc.cli import app
from kalloc.io import load, read_plan, read_summary, write_instance
from tests.engine.hard import endless

INSTANCES = Path(__file__).parents[1] / "instances"
TINY = INSTANCES / "tiny"
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


JOINT = "from kalloc.cli import main; main()"
STAGED = f"import kalloc.solving.flow; kalloc.solving.flow.JOINT_VARIABLES = 0; {JOINT}"
"""What a fresh interpreter runs: the command line, with either engine."""


def start(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environment})


def interrupt(instance: Path, out: Path, stage: str) -> tuple[int, dict[str, Any], float]:
    """Send SIGINT once a stage is reported; return exit status, what was printed, and the seconds it took to end."""
    process = start(JOINT, "solve", instance, "--out", out, "--json", "--threads", 1, "--time-limit", 100)
    assert process.stderr is not None and process.stdout is not None
    assert any(f" {stage} " in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    told, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(told), time.monotonic() - began


@pytest.fixture
def hard(tmp_path: Path) -> Path:
    """Return the directory of an instance that takes long to prove."""
    write_instance(endless(), tmp_path / "hard")
    return tmp_path / "hard"


def test_ctrl_c_leaves_the_best_plan(hard: Path, tmp_path: Path) -> None:
    """SIGINT in the middle of the work: within a second or so the plan is on disk, clean, and says why it ended."""
    status, told, seconds = interrupt(hard, tmp_path / "plan", "allocate")
    assert (status, told["termination"], told["solution"], told["verified"]) == (0, "interrupted", "feasible", True)
    assert seconds < 3.0
    assert told == read_summary(tmp_path / "plan")
    assert run("verify", hard, tmp_path / "plan").exit_code == 0


def test_ctrl_c_on_the_first_call(tmp_path: Path) -> None:
    """SIGINT right after the allocation of the first call of 2026: all GPUs are seated nonetheless."""
    instance = INSTANCES / "korea-2026-call1"
    status, told, seconds = interrupt(instance, tmp_path / "plan", "allocate")
    assert (status, told["gpus"]["allocated"]) == (0, 4336)
    assert told["termination"] in ("interrupted", "optimal") and seconds < 3.0
    assert run("verify", instance, tmp_path / "plan").exit_code == 0


@pytest.mark.long
def test_ctrl_c_on_the_nation(tmp_path: Path) -> None:
    """SIGINT once the nation's first placement is known: a plan of 260,000 GPUs is on disk and clean."""
    instance = INSTANCES / "korea-260k"
    status, told, seconds = interrupt(instance, tmp_path / "plan", "place")
    assert (status, told["termination"], told["verified"]) == (0, "interrupted", True)
    assert seconds < 5.0
    assert run("verify", instance, tmp_path / "plan").exit_code == 0


def test_time_limit(hard: Path, tmp_path: Path) -> None:
    """At its time limit the solve ends with exit status 0, a clean plan on disk, and the limit as reason."""
    answer = run("solve", hard, "--out", tmp_path / "plan", "--json", "--threads", 1, "--time-limit", 1.5)
    told = json.loads(answer.stdout)
    assert (answer.exit_code, told["termination"], told["solution"]) == (0, "time_limit", "feasible")
    assert told["seconds"]["allocate"] + told["seconds"]["place"] < 3.0
    assert run("verify", hard, tmp_path / "plan").exit_code == 0


def test_no_plan_in_time_leaves_the_old_one(hard: Path, tmp_path: Path) -> None:
    """Without any time there is exit status 4, and the plan of an earlier solve stays as it was."""
    out = tmp_path / "plan"
    assert run("solve", TINY / "cap", "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    answer = run("solve", hard, "--out", out, "--json", "--time-limit", 0)
    assert (answer.exit_code, json.loads(answer.stdout)["termination"]) == (4, "time_limit")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("code", [JOINT, STAGED], ids=["joint", "staged"])
@pytest.mark.parametrize("name", ["korea-2026-call1", "tiny/lending-nodes"])
def test_same_bytes_in_fresh_processes(name: str, code: str, tmp_path: Path) -> None:
    """Two processes with other hash seeds write the same bytes, with either engine."""
    for seed in ("1", "2"):
        process = start(
            code, "solve", INSTANCES / name, "--out", tmp_path / seed, "--quiet", "--threads", 1, PYTHONHASHSEED=seed
        )
        assert process.communicate(timeout=100) == ("", "")
        assert process.returncode == 0
    for file in STABLE:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


LATE = """
import os, signal, sys
import kalloc.cli.solve as solve
from kalloc.cli import main
answer = solve._answer
def late(*given):
    os.kill(os.getpid(), signal.SIGINT)
    answer(*given)
    os.kill(os.getpid(), signal.SIGINT)
solve._answer = late
sys.argv = ["kalloc", "solve", *sys.argv[1:]]
try:
    main()
finally:
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_interrupts_after_the_answer_change_nothing(tmp_path: Path) -> None:
    """SIGINT before and after the answer is printed, and while Python shuts down: status 0, nothing said."""
    command = [sys.executable, "-c", LATE, str(TINY / "call"), "--out", str(tmp_path / "plan"), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and json.loads(ended.stdout)["verified"] is True
    assert "stopping" not in ended.stderr and (tmp_path / "plan" / "plan.json").exists()
