"""The growth benchmark: instances in which one thing grows and nothing else, tables and plots; medians of families."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.benchmarks import growth
from tests.benchmarks.__main__ import command, parser
from tests.benchmarks.grown import distinct_rooms, distinct_sizes, half_full
from tests.benchmarks.measure import Run
from tests.benchmarks.national import Compared, medians
from tests.benchmarks.tables import spread

NODES = 4080


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16, 32])
def test_distinct_sizes(count: int) -> None:
    """The instance has as many sizes as it claims, whatever their number about as many projects, and the same rooms."""
    instance = half_full(NODES, count, 4)
    assert (distinct_sizes(instance), distinct_rooms(instance)) == (count, 4)
    assert len(instance.projects) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_distinct_rooms(count: int) -> None:
    """The instance has as many rooms as it claims, whatever their number half of its nodes free, and the same sizes."""
    instance = half_full(NODES, 4, count)
    assert (distinct_sizes(instance), distinct_rooms(instance)) == (4, count)
    assert instance.gpus_available == pytest.approx(NODES * 8 / 2, rel=0.05)


def test_no_even_numbers() -> None:
    """Sizes that cannot be spaced evenly are refused rather than made fewer, and so are those without enough nodes."""
    with pytest.raises(ValueError, match="no 5 whole numbers evenly around 32"):
        half_full(NODES, 5, 4)
    with pytest.raises(ValueError, match="510 nodes are too few for 32 sizes and 4 rooms"):
        half_full(510, 32, 4)


def options(*words: str) -> argparse.Namespace:
    """Return what the command line says."""
    return parser().parse_args(["growth", *words])


def test_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One table for each thing that grows, and one plot for each table."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    few = ("--nodes", "64", "--sizes", "2", "--rooms", "--fixed-nodes", "510", "--time-limit", "1")
    text = list(growth.report(options(*few, "--plots", str(tmp_path))))
    assert [part for part in text if part.startswith("##")] == [
        "## With the number of nodes, family fragmented",
        "## With the number of distinct sizes, 510 nodes, half of them in use",
    ]
    assert text[-1].endswith("(growth-distinct-sizes.svg)")
    row = [cell.strip() for cell in text[-2].splitlines()[-1].strip("|").split("|")]
    assert row[0] == "510"
    assert row[2:4] == ["2", "4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["growth-distinct-sizes.svg", "growth-nodes.svg"]
    assert "peak memory, MiB" in (tmp_path / "growth-nodes.svg").read_text(encoding="utf-8")


def test_command() -> None:
    """The command that a page shows measures the same again; where files went is nobody's business."""
    given = parser().parse_args(
        ["national", "--seeds", "0", "1", "--families", "tight", "--time-limit", "5", "--markdown", "page.md"]
    )
    expected = "python -m tests.benchmarks national --nodes 4096 --families tight --seeds 0 1 --time-limit 5"
    assert command(given) == expected
    assert command(parser().parse_args([])) == "python -m tests.benchmarks --runs 3"


def test_medians() -> None:
    """A family's median is over the seeds for which a share is known."""
    run = Run(0, 1.0, 1, '{"fragmentation": {"bound": 0}}', "")
    found = [Compared("tight", seed, 9, run, 100, value) for seed, value in enumerate((10, 20, 60))]
    found += [Compared("caps", 0, 9, run, 0, 0), Compared("caps", 1, 9, run)]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in medians(found).splitlines()[2:]]
    assert lines == [["tight", "3 of 3", "80 %", "40 % to 90 %"], ["caps", "0 of 2", "–", "–"]]


def test_spread() -> None:
    """A median stands alone where the ends are the same, and a dash where nothing was measured."""
    assert spread([3, 1, 2]) == "2 (1 to 3)"
    assert spread([1500.0, None]) == "1,500"
    assert spread([0.25, 0.75], digits=1) == "0.5 (0.2 to 0.8)"
    assert spread([None]) == "–"
