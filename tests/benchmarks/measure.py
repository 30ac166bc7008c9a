"""One command in a process of its own: how long it took and how much memory it held."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("kalloc", "ortools", "pulp", "pandas", "pydantic", "rebalancer")
"""Those whose version may matter to what is measured, where they are installed."""


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
    return module("kalloc", *arguments)


def module(name: str, *arguments: object, guard: float | None = None) -> Run:
    """Run a module in a fresh process, wait for its end, and ask the system what it used.

    ``guard`` is how many seconds it may take before it is killed.
    """
    command = [sys.executable, "-m", name, *map(str, arguments)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=error)
        with _killed_after(process, guard):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        texts = []
        for stream in (output, error):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    peak = usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 1024)
    return Run(process.returncode, wall, peak, *texts)


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def solve(instance: Path, out: Path, seconds: float | None = None, threads: int | None = None) -> Run:
    """Solve from files to a verified plan on disk, with default options but for a time limit and threads, if given.

    Memory is that of the process and its workers, as it tells itself: what the system tells of a child includes what
    its parent held when it began.
    """
    given = {"--time-limit": seconds, "--threads": threads}
    options = [word for option in given.items() if option[1] is not None for word in option]
    run = kalloc("solve", instance, "--out", out, "--json", "--quiet", *options)
    told = run.summary["peak_memory_mib"] if run.status == 0 else 0
    return replace(run, peak_mib=told or run.peak_mib)


def middle(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    """Return the median of a figure."""
    return median(of(run) for run in runs)


def machine() -> str:
    """Return what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return f"{cores} cores, {_processor()}, {platform.system()}, Python {platform.python_version()}, {packages}"


def _version(package: str) -> str | None:
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return None


def _processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
