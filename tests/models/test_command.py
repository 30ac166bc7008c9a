"""The models as programs of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Write an instance: 6 GPUs on two nodes, asked for by two projects."""
    tables = {
        "instance.toml": 'format = 1\nname = "two"\n[topology]\nlevels = ["rack"]\n',
        "kinds.csv": "kind,performance\nh,1\n",
        "pools.csv": "pool,parent\ntop,\n",
        "inventory.csv": "rack,node,kind,gpus,owner\nr,n,h,4,top\nr,m,h,2,top\n",
        "projects.csv": "project,pool,merit\np,top,1\nq,top,1.5\n",
        "requests.csv": "project,kind,min,max,step\np,h,1,4,1\nq,h,2,2,1\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def call(model: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a model as a program."""
    command = [sys.executable, "-m", f"models.{model}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("model", ["joint", "placement"])
def test_prints_tiers_allocation_and_seats(instance: Path, model: str) -> None:
    """The joint model, and the placement of what the allocation decides, print the one best plan."""
    done = call(model, instance)
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("status         optimal", "merit          7", "fragmentation  0", "  p: 4 on n", "  q: 2 on m"):
        assert line in done.stdout.splitlines()


def test_prints_every_tier_in_order(instance: Path) -> None:
    """4 and 2 GPUs fill a node each, and 3 of 4 and 3 of 3 are fairer where seats do not come first."""
    fairness = '{name = "fairness", rule = "maxmin"}'
    head = f'format = 1\nname = "two"\nobjective.tiers = ["fragmentation", {fairness}, "utilisation"]\n'
    (instance / "instance.toml").write_text(f'{head}[topology]\nlevels = ["rack"]\n', encoding="utf-8")
    (instance / "requests.csv").write_text("project,kind,min,max,step\np,h,1,4,1\nq,h,1,3,1\n", encoding="utf-8")
    joint = ["fragmentation  0", "fairness       0.666667", "  shares: 0.666667, 1", "utilisation    6"]
    assert call("joint", instance).stdout.splitlines()[1:5] == joint
    alone = ["fairness       0.75", "  shares: 0.75, 1", "utilisation    6"]
    assert call("allocation", instance).stdout.splitlines()[1:4] == alone


def test_allocation_prints_no_seats(instance: Path) -> None:
    """The allocation alone prints who gets what, and no place."""
    done = call("allocation", instance, "--time-limit", "10")
    assert done.returncode == 0
    assert "  p: 4 h" in done.stdout.splitlines()
    assert "seats" not in done.stdout


def test_placement_of_a_given_allocation(instance: Path, tmp_path: Path) -> None:
    """An allocation that a file gives is seated as it is; one of an unknown project is refused with its row."""
    given = tmp_path / "given.txt"
    given.write_text("project,kind,gpus\np,h,3\n", encoding="utf-8")
    done = call("placement", instance, "--allocation", given)
    assert "  p: 3 on n" in done.stdout.splitlines()
    given.write_text("project,kind,gpus\nnobody,h,3\n", encoding="utf-8")
    done = call("placement", instance, "--allocation", given)
    assert done.returncode == 2
    assert "row 2" in done.stderr and "nobody" in done.stderr and "Traceback" not in done.stderr


def test_no_plan_and_no_instance(instance: Path) -> None:
    """A mandatory project beyond the supply ends with status 3, a missing instance with 2 and a sentence."""
    projects = "project,pool,merit,mandatory\np,top,1,true\nq,top,1.5,true\n"
    (instance / "projects.csv").write_text(projects, encoding="utf-8")
    (instance / "requests.csv").write_text("project,kind,min,max,step\np,h,5,5,1\nq,h,2,2,1\n", encoding="utf-8")
    done = call("joint", instance)
    assert (done.returncode, done.stdout) == (3, "status         infeasible\n")
    done = call("joint", instance / "nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr and "Traceback" not in done.stderr
