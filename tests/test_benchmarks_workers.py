"""The benchmark of workers: a row for each number of them, and whether their plan is that of the first."""

from __future__ import annotations

import argparse
from dataclasses import replace

from tests.benchmarks import workers
from tests.benchmarks.__main__ import command, parser
from tests.benchmarks.measure import Run


def options(*words: str) -> argparse.Namespace:
    """Return what the command line says."""
    return parser().parse_args(["workers", *words])


def test_table() -> None:
    """One worker and two make the same plan of a small instance, and the command says what was measured."""
    given = options("--nodes", "64", "--families", "owners", "--workers", "1", "2")
    _, title, _, table = workers.report(given)
    assert title == "## owners, 64 nodes"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert [row[0] for row in rows[2:]] == ["1", "2"]
    assert [row[6] for row in rows[2:]] == ["the same", "the same"]
    assert rows[2][2] == "1.00" and rows[2][4:6] == rows[3][4:6]
    assert command(given).endswith("workers --nodes 64 --families owners --seed 0 --workers 1 2")


def test_other_plans_and_none() -> None:
    """A plan of other seats is told from the first; without a plan there is neither score nor bound."""
    summary = '{"termination": "time_limit", "fragmentation": {"score": 9, "bound": 4}}'
    first = workers.Solved(1, Run(0, 8.0, 100, summary, ""), [b"a", b"b"])
    other = workers.Solved(2, replace(first.run, wall=4.0), [b"a", b"c"])
    assert workers._row(other, first) == ("2", "4.0", "2.00", "100", "9", "4", "another", "time_limit")
    none = workers.Solved(4, Run(4, 2.0, 90, '{"termination": "time_limit"}', ""), [])
    assert workers._row(none, first) == ("4", "2.0", "4.00", "90", "–", "–", "–", "time_limit")
