"""The anytime curve of one instance: as a table, and drawn."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import pytest

from tests.benchmarks import curve
from tests.benchmarks.__main__ import command, parser
from tests.benchmarks.instances import INSTANCES

INSTANCE = INSTANCES / "tiny" / "weights-decide"


def options(*words: str) -> argparse.Namespace:
    """Return what the command line says."""
    return parser().parse_args(["curve", *words])


def test_table() -> None:
    """Seats of ten beyond need come first, the optimum of the instance's note and its proof last."""
    _, table, end = curve.report(options(str(INSTANCE)))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert rows[0] == ["seconds", "score", "proven bound", "gap"]
    assert rows[2][1:] == ["10", "–", "–"]
    assert rows[-1][1:] == ["2", "2", "0 %"]
    assert end == "Termination optimal; the last bound holds for every plan."


def test_command() -> None:
    """The instance is named as it was, without an option; where the picture went is nobody's business."""
    given = options("instances/korea-260k", "--time-limit", "20", "--plots", "pictures")
    assert command(given) == "python -m tests.benchmarks curve instances/korea-260k --time-limit 20"


def test_plot(tmp_path: Path) -> None:
    """One picture, with both curves, the same bytes for the same points."""
    pytest.importorskip("matplotlib")
    from tests.benchmarks.plots import draw_curve

    list(curve.report(options(str(INSTANCE), "--plots", str(tmp_path))))
    [path] = tmp_path.iterdir()
    assert path.name == "curve-tiny-weights-decide.svg"
    drawn = path.read_text(encoding="utf-8")
    assert all(word in drawn for word in ("score", "proven bound", "seconds since the start of the solve"))
    points = pd.DataFrame({"seconds": [0.1, 2.0], "score": [9, 4], "bound": pd.array([None, 3], dtype="Int64")})
    for name in ("one.svg", "two.svg"):
        draw_curve(tmp_path / name, "Twice", points)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_plot_without_a_bound(tmp_path: Path) -> None:
    """A curve on which nothing is proven has its score alone."""
    pytest.importorskip("matplotlib")
    from tests.benchmarks.plots import draw_curve

    draw_curve(tmp_path / "open.svg", "Open", pd.DataFrame({"seconds": [0.1], "score": [9], "bound": [pd.NA]}))
    assert "proven bound" not in (tmp_path / "open.svg").read_text(encoding="utf-8")
