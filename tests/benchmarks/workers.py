"""How time and memory of the whole command change with its workers, and whether the plan stays the same."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from kalloc.generate import generate
from kalloc.io import write_instance
from tests.benchmarks.measure import Run, solve
from tests.benchmarks.tables import markdown, number

TITLE = "what workers are good for"
ABOUT = """\
Time and memory are those of the whole `kalloc solve --threads N`, in a fresh process with its workers: from files to a
verified plan on disk, other options as they are by default but for a time limit that is named above. *Times as fast* is
against the first row. A plan is *the same* where `allocations.csv` and `placements.csv` are, byte for byte.\
"""
HEAD = ("workers", "wall s", "times as fast", "peak MiB", "score", "bound", "plan", "termination")


class Solved(NamedTuple):
    """What so many workers made of an instance."""

    workers: int
    run: Run
    plan: list[bytes]
    """Its tables, if there is one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--nodes", type=int, default=32500, help="nodes of each instance (%(default)s)")
    parser.add_argument("--families", nargs="+", default=["fragmented"], metavar="NAME", help="%(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the instances (%(default)s)")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8], metavar="N", help="%(default)s")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for each solve (kalloc's default)")


def report(given: argparse.Namespace) -> Iterator[str]:
    """Make and solve, and yield a table for each family."""
    yield ABOUT
    for family in given.families:
        yield f"## {family}, {given.nodes:,} nodes"
        yield f"`kalloc generate national --family {family} --nodes {given.nodes} --seed {given.seed} --out DIR`."
        yield markdown(HEAD, list(_rows(family, given)))


def _rows(family: str, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    with TemporaryDirectory() as scratch:
        instance = Path(scratch) / "instance"
        write_instance(generate("national", given.seed, family=family, nodes=given.nodes), instance)
        solved = [_solved(workers, instance, Path(scratch) / str(workers), given) for workers in given.workers]
    for found in solved:
        yield _row(found, solved[0])


def _solved(workers: int, instance: Path, out: Path, given: argparse.Namespace) -> Solved:
    run = solve(instance, out, given.time_limit, workers)
    tables = ("allocations.csv", "placements.csv") if run.status == 0 else ()
    return Solved(workers, run, [(out / table).read_bytes() for table in tables])


def _row(found: Solved, first: Solved) -> tuple[str, ...]:
    run, summary = found.run, found.run.summary
    cost = (f"{run.wall:.1f}", f"{first.run.wall / run.wall:.2f}", number(run.peak_mib))
    score = summary["fragmentation"] if found.plan else {"score": None, "bound": None}
    same = "–" if not found.plan else "the same" if found.plan == first.plan else "another"
    return (str(found.workers), *cost, number(score["score"]), number(score["bound"]), same, summary["termination"])
