"""One command in a process of its own: how long it took and how much memory it held."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    status: int
    wall: float
    """Seconds from start to end, the start of Python included."""
    peak_mib: int
    """The most memory that the process held."""
    output: str
    error: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object that it printed."""
        answer: dict[str, Any] = json.loads(self.output)
        return answer


def kalloc(*arguments: object) -> Run:
    """Run a command of kalloc in a fresh process, wait for its end, and ask the system what it used."""
    command = [sys.executable, "-m", "kalloc", *map(str, arguments)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=error)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (output, error):
            stream.seek(0)
            texts.append(stream.read().decode())
    peak = usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 1024)
    return Run(process.returncode, wall, peak, *texts)


def solve(instance: Path, out: Path) -> Run:
    """Solve with default options, from files to a verified plan on disk."""
    return kalloc("solve", instance, "--out", out, "--json", "--quiet")


def middle(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    """Return the median of a figure."""
    return median(of(run) for run in runs)


def machine() -> str:
    """Return what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = ("kalloc", "ortools", "pandas", "pydantic")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{cores} cores, {_processor()}, {platform.system()}, Python {platform.python_version()}, {packages}"


def _processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
