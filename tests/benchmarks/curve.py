"""The anytime curve of one instance: how good the best plan known was, and what was proven of it, as seconds passed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import kalloc
from tests.benchmarks.tables import markdown, number, share

TITLE = "the anytime curve"
ABOUT = """\
One solve of a loaded instance in this process, with default options but for a time limit that is named above. Seconds
count from the start of the solve: reading the files comes before it. A row says which fragmentation score the best
seats had by then, and which lower bound was proven by then; a dash where none was. Gap is (score − bound) / score.\
"""
HEAD = ("seconds", "score", "proven bound", "gap")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("instance", type=Path, metavar="INSTANCE", help="directory or document of the instance")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for the solve (kalloc's default)")
    parser.add_argument("--plots", type=Path, metavar="DIR", help='draw the curve as SVG: needs "kalloc[bench]"')


def report(given: argparse.Namespace) -> Iterator[str]:
    """Solve once, and yield the curve as a table; draw it where that is asked for."""
    yield ABOUT
    limit = {} if given.time_limit is None else {"time_limit": given.time_limit}
    instance = kalloc.load(given.instance)
    result = kalloc.solve(instance, **limit)
    yield markdown(HEAD, [_row(*point) for point in result.curve])
    holds = {None: "every plan", "allocation": "this allocation"}
    given_of = {tier.name: tier.given for tier in result.tiers}
    yield f"Termination {result.termination}; the last bound holds for {holds[given_of.get('fragmentation')]}."
    if given.plots is not None:
        from tests.benchmarks.plots import draw_curve

        draw_curve(given.plots / f"curve-{instance.name}.svg", f"Fragmentation of {instance.name}", result.anytime)


def _row(seconds: float, score: int, bound: int | None) -> tuple[str, ...]:
    gap = None if bound is None else abs(score - bound) / max(1, score)
    return (f"{seconds:.2f}", number(score), number(bound), share(gap))
