"""The committed instances: time, memory, values and bounds of the whole command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.measure import Run, kalloc, middle, solve
from tests.benchmarks.tables import holds, markdown, number, share

INSTANCES = Path(__file__).parents[2] / "instances"
TITLE = "the committed instances"
ABOUT = """\
Time and memory are those of the whole command, `kalloc solve INSTANCE --out DIR --json --quiet`, in a fresh process:
from files to a verified plan on disk, the start of Python included, other options as they are by default.\
"""


def committed() -> list[str]:
    """Return the names of the committed instances, large ones first."""
    korea = ["korea-260k", "korea-260k-policy", "korea-2026-call1", "korea-2026-call1-policy"]
    return [*korea, *sorted(f"tiny/{path.name}" for path in (INSTANCES / "tiny").iterdir())]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--runs", type=int, default=3, help="the figure is the median of so many (%(default)s)")
    parser.add_argument("--instances", nargs="+", metavar="NAME", help="names under instances/ (all)")


def report(given: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield the tables one after the other."""
    return measured(given.instances or committed(), given.runs)


def measured(names: Sequence[str], runs: int) -> Iterator[str]:
    """Measure instances, and yield the tables one after the other."""
    yield ABOUT
    found = {name: _measure(name, runs) for name in names}
    cost = ("instance", "wall s", "peak MiB", "termination", "solution")
    yield markdown(cost, [_cost(name, of) for name, of in found.items()])
    solved = {name: of[-1].summary for name, of in found.items() if of[-1].status == 0}
    tiers = ("instance, tier", "value", "proven bound", "gap", "bound holds for")
    yield markdown(tiers, [row for name, summary in solved.items() for row in _tiers(name, summary)])
    levels = ("instance, level", "spans", "needed", "proven bound")
    large = {name: summary for name, summary in solved.items() if not name.startswith("tiny/")}
    if large:
        yield markdown(levels, [row for name, summary in large.items() for row in _levels(name, summary)])
    started = [kalloc("--help") for _ in range(max(runs, 5))]
    yield f"`kalloc --help`: {middle(started, lambda run: run.wall):.2f} s."


def _measure(name: str, runs: int) -> list[Run]:
    with TemporaryDirectory() as scratch:
        return [solve(INSTANCES / name, Path(scratch) / "plan") for _ in range(runs)]


def _cost(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
    wall, peak = middle(runs, lambda run: run.wall), middle(runs, lambda run: run.peak_mib)
    summary = runs[-1].summary
    return (name, f"{wall:.1f}", number(round(peak)), summary["termination"], summary["solution"])


def _tiers(name: str, summary: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for tier in summary["tiers"]:
        figures = (number(tier["value"]), number(tier["bound"]), share(tier["gap"]), holds(tier))
        yield (f"{name}, {tier['name']}", *figures)


def _levels(name: str, summary: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for level, found in summary["fragmentation"]["levels"].items():
        yield (f"{name}, {level}", *map(number, (found["spans"], found["need"], found["bound"])))
