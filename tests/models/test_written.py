"""The models as LP and MPS files: other solvers read them and find the same optimum."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pulp
import pytest

import kalloc
from kalloc.instance import Instance, Project
from models import allocation, joint, placement
from models.posed import Posed
from models.program import InexactError
from tests.instances.places import INSTANCES
from tests.models.small import ask, make, nodes, sow
from tests.models.test_command import call, instance

__all__ = ["instance"]

TINY = ("borrowing", "mixed-kinds", "unit-of-31", "weights-decide")
FORMS = ("lp", "mps")


def cbc(path: Path) -> float:
    """Return the optimum that the program of CBC finds of a file."""
    command = [pulp.PULP_CBC_CMD.pulp_cbc_path, str(path), "-preprocess", "off", "-solve", "-printingOptions", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Objective value:\s+(-?[\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def optimum(posed: Posed | None, form: str, directory: Path) -> float:
    """Write a model, let CBC solve the file, and return the value in the direction of the model."""
    assert posed is not None
    path = directory / f"model.{form}"
    posed.write(path if form == "lp" else None, path if form == "mps" else None)
    value = cbc(path)
    return -value if form == "mps" and posed.maximise else abs(value) if posed.maximise else value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
def test_same_optimum(name: str, form: str, tmp_path: Path) -> None:
    """Allocation, placement, and both tiers of the joint model have in a file the optimum that they have in PuLP."""
    given = kalloc.load(INSTANCES / "tiny" / name)
    best = joint.solve(given)
    assert best.merit is not None and best.fragmentation is not None
    merit = optimum(joint.pose(given), form, tmp_path)
    assert merit == optimum(allocation.pose(given), form, tmp_path)
    assert best.merit * factor(joint.pose(given)) == merit
    assert optimum(joint.pose(given, round(merit)), form, tmp_path) == best.fragmentation
    placed = placement.solve(given, best.allocation)
    assert optimum(placement.pose(given, best.allocation), form, tmp_path) == placed.fragmentation


def factor(posed: Posed) -> Fraction:
    """Return by what the merit is multiplied in a file."""
    return Fraction(posed.means.removeprefix("merit").removeprefix(" times ") or 1)


@pytest.mark.parametrize("seed", range(6))
def test_random(seed: int, tmp_path: Path) -> None:
    """The files of random instances have the merit that the model has."""
    given = sow(seed, nodes=4, gpus=3, projects=3, levels=1)
    best = joint.solve(given)
    if best.merit is not None:
        posed = joint.pose(given)
        assert (
            optimum(posed, "lp", tmp_path) == optimum(joint.pose(given), "mps", tmp_path) == best.merit * factor(posed)
        )


def test_fractions_become_whole_numbers() -> None:
    """Merits that are no whole numbers are multiplied, and by what is said."""
    given = two(merit=1.5)
    assert joint.pose(given).means == "merit times 2"
    assert joint.pose(two(merit=1)).means == "merit"


def two(merit: float) -> Instance:
    """Return an instance of two projects, one with the merit."""
    projects = (Project(project="p", pool="top"), Project(project="q", pool="top", merit=merit))
    return make(inventory=(nodes("r", 4),), projects=projects, requests=(ask("p", 1, 4), ask("q", 2, 2)))


def test_too_fine_for_a_file(tmp_path: Path) -> None:
    """An objective with more digits than an LP file has is refused, and nothing is written."""
    given = two(merit=1.00000000001)
    given = given.replace(inventory=(nodes("r", 8),), requests=(ask("p", 1, 8), ask("q", 2, 2)))
    posed = allocation.pose(given)
    with pytest.raises(InexactError, match="too fine"):
        posed.write(tmp_path / "model.lp", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["allocation", "joint", "placement"])
def test_command(instance: Path, model: str, tmp_path: Path) -> None:
    """Each model writes both files on demand, and says what the objective is; it does not solve then."""
    lp, mps = tmp_path / "out" / "m.lp", tmp_path / "out" / "m.mps"
    done = call(model, instance, "--write-lp", lp, "--write-mps", mps)
    assert (done.returncode, done.stderr) == (0, "")
    said = "minimise fragmentation" if model == "placement" else "maximise merit times 2"
    assert done.stdout.splitlines()[:3] == [said, f"written to {lp}", f"written to {mps}"]
    assert abs(cbc(lp)) == abs(cbc(mps)) == (0 if model == "placement" else 14)


def test_command_second_tier(instance: Path, tmp_path: Path) -> None:
    """With what was reached in the first tier, the joint model writes the second."""
    done = call("joint", instance, "--write-lp", tmp_path / "m.lp", "--reached", "14")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "minimise fragmentation")
    assert cbc(tmp_path / "m.lp") == 0


def test_command_that_cannot_write(instance: Path, tmp_path: Path) -> None:
    """A directory in place of the file ends with status 1 and a sentence."""
    done = call("joint", instance, "--write-mps", tmp_path)
    assert done.returncode == 1
    assert "it is a directory; name a file" in done.stderr and "Traceback" not in done.stderr
