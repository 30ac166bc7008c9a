"""The command line: what it prints where, and the exit status; the solve itself is a stand-in here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kalloc.cli import ProgressPrinter, app
from kalloc.errors import InfeasibleError, NoPlanError, PlanRejectedError
from kalloc.explain import explained
from kalloc.instance import Instance
from kalloc.io import load, read_plan, read_summary, write_result
from kalloc.plan import Grant, LevelResult, Plan, Seat, Solution, Termination, TierResult
from kalloc.plan import Result as Solved
from kalloc.slots import block_rows, cost_rows, slot_rows
from tests.io.small import edited, write

Solve = Callable[..., Solved]


def run(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def plan_of(instance: Instance, first: str = "a/r1/n1") -> Solved:
    """Return a plan of the small instance, worked out by hand, and what is true of it; nothing is proven."""
    plan = Plan(
        instance_name=instance.name,
        instance_sha256=instance.sha256,
        levels=("site", "rack"),
        grants=(
            Grant("p", "lab", "H200", 8, 8, 16, "tie"),
            Grant("q", "firm", "B200", 1, 1, 12, "tie"),
            Grant("q", "firm", "H200", 0, 8, 8, "tie"),
        ),
        seats=(Seat("p", "H200", ("a", "r1"), first, 8), Seat("q", "B200", ("b", "r1"), "b1", 1)),
    )
    plan = explained(instance, plan) if first == "a/r1/n1" else plan
    return Solved(
        plan=plan,
        termination=Termination.TIME_LIMIT,
        solution=Solution.FEASIBLE,
        tiers=(TierResult("merit", 19.5, None, None), TierResult("fragmentation", 0, None, "allocation")),
        levels={level: LevelResult(2, 2, None) for level in ("site", "rack", "node")},
        fragmentation=0,
        fragmentation_bound=None,
        instance={"name": instance.name, "sha256": instance.sha256, "gpus": 72, "nodes": 9, "projects": 2},
        gpus={"available": 52, "requested": 36, "allocated": 9},
        seconds={"allocate": 0.25},
        slots=tuple(slot_rows(instance, plan)),
        blocks=tuple(block_rows(instance, plan)),
        block_costs=tuple(cost_rows(instance, plan)),
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small instance as a directory."""
    return write(tmp_path / "small")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Solve], None]:
    """Puts a function in place of the solve."""

    def put(solve: Solve) -> None:
        monkeypatch.setitem(sys.modules, "kalloc.solving", SimpleNamespace(solve=solve))

    return put


def refuse(error: Exception) -> Solve:
    """Return a solve that ends with an error."""

    def solve(instance: Instance, **options: Any) -> Solved:
        raise error

    return solve


def test_check(small: Path) -> None:
    """`check` says in a line how large a sound instance is, and exits 0."""
    answer = run("check", small)
    assert (answer.exit_code, answer.stdout) == (0, "small: 72 GPUs on 9 nodes, 2 projects: no defects\n")


def test_check_defects(tmp_path: Path) -> None:
    """`check` lists every defect on standard error, prints no traceback, and exits 2."""
    changes = edited("kinds.csv", "2.25", "x") | edited("pools.csv", "firm,nation", "firm,nations")
    answer = run("check", write(tmp_path, changes))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "kinds.csv, row 3, column 'performance'" in answer.stderr
    assert "pools.csv, row 4, column 'parent'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "x", "--bad"),
        ("solve", "x", "--gap", "nan"),
        ("solve", "x", "--time-limit", "-1"),
        ("solve", "x", "--time-limit", "soon"),
        ("solve", "x", "--threads", "0"),
        ("solve", "x", "--seed", "1.5"),
        ("solve",),
        ("slove", "x"),
        ("schema", "plans"),
        ("solve", "/nowhere/at/all"),
        ("verify", "/nowhere/at/all", "x"),
        ("generate", "korea", "--out", "x"),
        ("generate", "national", "--family", "none", "--out", "x"),
    ],
)
def test_usage(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user gets wrong ends in exit status 2, a sentence on standard error, no traceback and no file."""
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["instance", "plan"])
def test_schema(what: str) -> None:
    """`schema` prints one JSON Schema."""
    answer = run("schema", what)
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["$schema"].startswith("https://json-schema.org/")


def test_generate(tmp_path: Path) -> None:
    """`generate` writes an instance that `check` finds sound, the same one for the same seed."""
    for name in ("a", "b"):
        assert run("generate", "national", "--nodes", 60, "--seed", 3, "--out", tmp_path / name).exit_code == 0
    assert run("check", tmp_path / "a").exit_code == 0
    assert load(tmp_path / "a").sha256 == load(tmp_path / "b").sha256


def test_json(small: Path, tmp_path: Path, stand_in: Callable[[Solve], None]) -> None:
    """`--json` prints one object, the summary that is on disk; what else is said goes to standard error."""
    stand_in(lambda instance, **options: plan_of(instance))
    answer = run("solve", small, "--out", tmp_path / "plan", "--json")
    assert answer.exit_code == 0, answer.stderr
    summary = json.loads(answer.stdout)
    assert summary == read_summary(tmp_path / "plan")
    assert list(summary["seconds"]) == ["load", "allocate", "place", "verify", "certify", "write", "total"]
    assert summary["seconds"]["allocate"] == 0.25
    assert summary["seconds"]["total"] > summary["seconds"]["load"] + summary["seconds"]["write"] > 0
    assert summary["peak_memory_mib"] > 10


def test_text(small: Path, stand_in: Callable[[Solve], None]) -> None:
    """Without --json the answer fits 80 columns and says who got what; nothing is written, and that is said."""
    stand_in(lambda instance, **options: plan_of(instance))
    answer = run("solve", small)
    assert answer.exit_code == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert ["lab", "1", "1", "8", "16"] in [line.split() for line in lines]
    assert ["all", "2", "2", "9", "36"] in [line.split() for line in lines]
    assert lines[-2].startswith("termination time_limit, solution feasible, verified, peak memory ")
    assert "nothing is written without --out" in answer.stderr
    assert run("solve", small, "--quiet").output == ""


def test_options(small: Path, stand_in: Callable[[Solve], None]) -> None:
    """The options reach the solve; without --threads it takes its own default."""
    seen: list[dict[str, Any]] = []

    def solve(instance: Instance, **options: Any) -> Solved:
        seen.append(options)
        return plan_of(instance)

    stand_in(solve)
    run("solve", small, "--time-limit", 5, "--gap", 0.01, "--seed", 7, "--threads", 3, "--quiet")
    run("solve", small)
    assert {key: seen[0][key] for key in ("time_limit", "gap", "seed", "threads")} == {
        "time_limit": 5.0,
        "gap": 0.01,
        "seed": 7,
        "threads": 3,
    }
    assert "on_progress" not in seen[0]
    assert isinstance(seen[1]["on_progress"], ProgressPrinter)
    assert "threads" not in seen[1]


ERRORS = [
    (InfeasibleError(["a asks 16", "there are 8"]), 3, "infeasible"),
    (NoPlanError("no plan within 60 s"), 4, "time_limit"),
    (PlanRejectedError(["room: too many"]), 1, "error"),
    (RuntimeError("who knows"), 1, "error"),
]


@pytest.mark.parametrize(("error", "status", "termination"), ERRORS)
def test_no_plan(
    small: Path, tmp_path: Path, stand_in: Callable[[Solve], None], error: Exception, status: int, termination: str
) -> None:
    """Without a plan the exit status and the one JSON object say why, and nothing is written."""
    stand_in(refuse(error))
    answer = run("solve", small, "--out", tmp_path / "plan", "--json")
    told = json.loads(answer.stdout)
    assert answer.exit_code == status
    assert (told["termination"], told["solution"], told["verified"]) == (termination, "none", False)
    assert told["instance"]["name"] == "small"
    assert str(error) in told["error"]
    assert str(error) in answer.stderr
    assert not (tmp_path / "plan").exists()
    assert run("solve", small).exit_code == status


def test_defects_as_json(tmp_path: Path) -> None:
    """With --json the defects of an instance are objects too, and nothing is written."""
    path = write(tmp_path / "small", edited("kinds.csv", "2.25", "x"))
    answer = run("solve", path, "--json", "--out", tmp_path / "plan")
    assert answer.exit_code == 2
    (defect,) = json.loads(answer.stdout)["defects"]
    assert (defect["file"], defect["row"], defect["column"]) == ("kinds.csv", 3, "performance")
    assert not (tmp_path / "plan").exists()


def test_out_is_checked_first(small: Path, tmp_path: Path, stand_in: Callable[[Solve], None]) -> None:
    """A place that cannot be written is told before anything is solved."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    stand_in(refuse(AssertionError("solved in vain")))
    answer = run("solve", small, "--out", tmp_path / "mine")
    assert answer.exit_code == 1
    assert "holds 'x'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(small: Path, tmp_path: Path, stand_in: Callable[[Solve], None], number: signal.Signals) -> None:
    """A signal sets the stop event, the best plan so far is written, and the handlers are as before."""
    before = signal.getsignal(number)

    def solve(instance: Instance, *, stop: Any, **options: Any) -> Solved:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5
        while not stop.is_set() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert stop.is_set()
        return plan_of(instance)

    stand_in(solve)
    answer = run("solve", small, "--out", tmp_path / "plan")
    assert answer.exit_code == 0, answer.stderr
    assert read_plan(tmp_path / "plan").seats
    assert signal.getsignal(number) == before


def test_interrupted_without_plan(small: Path, stand_in: Callable[[Solve], None]) -> None:
    """An interrupt before any plan was found ends as interrupted, with exit status 4."""

    def solve(instance: Instance, *, stop: Any, **options: Any) -> Solved:
        stop.set()
        raise NoPlanError("stopped before a plan was found")

    stand_in(solve)
    answer = run("solve", small, "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["termination"]) == (4, "interrupted")


def test_verify(small: Path, tmp_path: Path) -> None:
    """`verify` says in a line that a sound plan is sound, with its score, and exits 0."""
    write_result(plan_of(load(small)), tmp_path / "plan")
    answer = run("verify", small, tmp_path / "plan")
    assert (answer.exit_code, answer.stdout) == (0, "no violations; merit 19.50, fragmentation 0\n")


def test_verify_violations(small: Path, tmp_path: Path) -> None:
    """`verify` names the rule of each violation and exits 1, for a plan, its tables and its claims."""
    write_result(plan_of(load(small), first="a/r1/n2"), tmp_path / "full")
    answer = run("verify", small, tmp_path / "full")
    assert answer.exit_code == 1
    assert [line.partition(":")[0] for line in answer.stdout.splitlines()] == ["room"]
    write_result(plan_of(load(small)), tmp_path / "edited")
    edits = [("placements.csv", "b1", "b2"), ("summary.json", "19.5", "99.5"), ("slots.csv", "node", "rack")]
    edits.append(("plan.json", " are granted.", " were granted."))
    for name, old, new in edits:
        file = tmp_path / "edited" / name
        file.write_text(file.read_text().replace(old, new))
    answer = run("verify", small, tmp_path / "edited")
    assert answer.exit_code == 1
    assert "placements.csv does not say the same as plan.json" in answer.stdout
    assert "reason: allocations row 2: sentence is" in answer.stdout
    assert "slots.csv does not say what is free" in answer.stdout
    assert "tiers.merit.value is 99.5" in answer.stdout


def test_verify_no_plan(small: Path, tmp_path: Path) -> None:
    """`verify` of what is no plan exits 2."""
    answer = run("verify", small, tmp_path)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "plan.json" in answer.stderr


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is a line for each stage, and one a second within it."""
    printer: Callable[[Any], None] = ProgressPrinter()
    for stage, seconds, bound in (("merit", 0.1, None), ("merit", 0.2, 5), ("merit", 1.3, 5), ("units", 1.4, 2.5)):
        printer(SimpleNamespace(stage=stage, seconds=seconds, incumbent=1234, bound=bound))
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert [(line[0], line[2], line[-1]) for line in lines] == [
        ("0.1", "merit", "–"),
        ("1.3", "merit", "5"),
        ("1.4", "units", "2.50"),
    ]
    assert "1,234," in lines[0]


def test_starts_light() -> None:
    """`python -m kalloc --help` works, and the command line imports nothing heavy."""
    heavy = "{'pandas', 'numpy', 'ortools', 'networkx', 'pulp', 'pydantic'}"
    program = f"import sys, kalloc.cli; print(sorted({heavy} & set(sys.modules)))"
    light = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert light.stdout == "[]\n"
    told = subprocess.run([sys.executable, "-m", "kalloc", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("kalloc ")
