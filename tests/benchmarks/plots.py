"""Tables as pictures: SVG by matplotlib, which comes with ``pip install "kalloc[bench]"``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter
from pandas import DataFrame

STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "kalloc", "font.size": 9}
"""Text stays text, and the same figures give the same bytes."""


class Measured(Protocol):
    """What a plot needs of a point."""

    @property
    def at(self) -> int: ...
    @property
    def wall(self) -> float: ...
    @property
    def peak(self) -> float: ...


def draw(path: Path, title: str, name: str, points: Sequence[Measured], logarithmic: bool = False) -> None:
    """Draw wall time and peak memory over what grows, side by side; ``logarithmic`` with both axes."""
    at = [point.at for point in points]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _panel(left, at, [point.wall for point in points], name, "wall time, s", logarithmic)
        _panel(right, at, [point.peak for point in points], name, "peak memory, MiB", logarithmic)
        figure.suptitle(title)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def draw_curve(path: Path, title: str, curve: DataFrame) -> None:
    """Draw score and bound over seconds: each holds from when it was known until a better one was.

    The last bound is drawn over the whole width, too: it was true from the beginning, though nobody knew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds, end = curve["seconds"].to_list(), float(curve["seconds"].max())
    with rc_context(STYLE):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.step(seconds, curve["score"].to_list(), where="post", marker="o", color="#1f5a94", label="score")
        known = curve[curve["bound"].notna()]
        if len(known):
            at, bounds = known["seconds"].to_list(), known["bound"].astype(int).to_list()
            axes.step(at, bounds, where="post", marker="s", color="#b5542b", label="proven bound")
            axes.axhline(bounds[-1], linestyle=":", color="#b5542b", zorder=1)
        axes.set_xlim(0, 1.03 * end)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.set_xlabel("seconds since the start of the solve")
        axes.set_ylabel("fragmentation")
        _bare(axes)
        axes.legend(frameon=False)
        axes.set_title(title)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bare(axes: Axes) -> None:
    axes.grid(color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)


def _panel(axes: Axes, at: Sequence[int], values: Sequence[float], name: str, label: str, logarithmic: bool) -> None:
    axes.plot(at, values, marker="o", color="#1f5a94")
    axes.set_xscale("log", base=2)
    axes.set_xticks(at, [f"{value:,}" for value in at])
    axes.xaxis.set_minor_locator(NullLocator())
    if logarithmic:
        axes.set_yscale("log")
        proportional = [values[-1] * value / at[-1] for value in at]
        axes.plot(at, proportional, linestyle="--", color="#999999", zorder=1, label=f"proportional to {name}")
        axes.legend(frameon=False)
    else:
        axes.set_ylim(0, 1.1 * max(values))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.set_xlabel(name)
    axes.set_ylabel(label)
    _bare(axes)
