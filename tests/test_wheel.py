"""The wheel: the package and a tiny instance, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
TINY = ROOT / "instances" / "tiny" / "cap"
USE = """
from importlib.resources import files
import kalloc
instance = kalloc.load(files("kalloc") / "examples" / "cap")
print(kalloc.__file__, kalloc.solve(instance).solution)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel of the work tree, built by the backend that pip would use."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=ROOT, check=True)
    [path] = target.glob("*.whl")
    return ZipFile(path)


def test_contents(wheel: ZipFile) -> None:
    """The wheel holds every module of kalloc, what its report is made of and a tiny instance, and nothing else."""
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kalloc").rglob("*.py")}
    example = {f"kalloc/examples/cap/{path.name}" for path in TINY.iterdir()}
    parts = [path for kind in ("templates", "words") for path in (ROOT / "kalloc" / "report" / kind).iterdir()]
    report = {path.relative_to(ROOT).as_posix() for path in parts}
    assert names == {*modules, *example, *report, "kalloc/py.typed"}


def test_licence(wheel: ZipFile) -> None:
    """The wheel says its licence as SPDX does, and holds its text."""
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert "License-Expression: Apache-2.0\n" in wheel.read(metadata).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


def test_use(wheel: ZipFile, tmp_path: Path) -> None:
    """From the wheel alone, the example is found as documented and solved to a proof."""
    wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", USE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(tmp_path / "site" / "kalloc" / "__init__.py"), "proven"]
