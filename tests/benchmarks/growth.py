"""How time and memory of the whole command grow: with nodes, with distinct sizes, with distinct rooms of units."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kalloc.instance import Instance
from kalloc.io import write_instance
from tests.benchmarks import grown
from tests.benchmarks.measure import Run, middle, solve
from tests.benchmarks.tables import markdown, number

TITLE = "how time and memory grow"
ABOUT = """\
Time and memory are those of the whole `kalloc solve`, in a fresh process: from files to a verified plan on disk, with
default options but for a time limit that is named above. *Sizes* are the different numbers of GPUs that projects ask,
*rooms* the different numbers of free GPUs that units have.\
"""
FIXED = 4
"""How many distinct sizes there are where rooms grow, and rooms where sizes grow."""
HEAD = ("nodes", "projects", "sizes", "rooms", "wall s", "peak MiB", "score", "bound", "termination")


@dataclass(frozen=True)
class Point:
    """An instance that was measured."""

    at: int
    """How much there is of what grows."""
    instance: Instance
    runs: Sequence[Run]

    @property
    def wall(self) -> float:
        """Seconds of the whole command, the median of its runs."""
        return middle(self.runs, lambda run: run.wall)

    @property
    def peak(self) -> float:
        """MiB that it held at most, the median of its runs."""
        return middle(self.runs, lambda run: run.peak_mib)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    nodes = [1024, 4096, 16384, 65536, 325000]
    parser.add_argument("--nodes", nargs="*", type=int, default=nodes, help="numbers of nodes (%(default)s)")
    parser.add_argument("--family", default="fragmented", help="the family that has so many nodes (%(default)s)")
    parser.add_argument("--sizes", nargs="*", type=int, default=[1, 2, 4, 8, 16, 32], help="distinct ones: %(default)s")
    parser.add_argument("--rooms", nargs="*", type=int, default=[1, 2, 4, 8, 16], help="distinct ones: %(default)s")
    parser.add_argument("--fixed-nodes", type=int, default=16320, help="nodes where the others grow (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the instances (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="the figure is the median of so many (%(default)s)")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for each solve (kalloc's default)")
    parser.add_argument("--plots", type=Path, metavar="DIR", help='draw each table as SVG: needs "kalloc[bench]"')


def report(given: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield a table for each thing that grows; draw it where that is asked for."""
    yield ABOUT
    fixed, seed = given.fixed_nodes, given.seed
    nodes = ((count, grown.by_nodes(count, given.family, seed)) for count in given.nodes)
    sizes = ((count, grown.half_full(fixed, count, FIXED, seed)) for count in given.sizes)
    rooms = ((count, grown.half_full(fixed, FIXED, count, seed)) for count in given.rooms)
    parts = {
        "nodes": (f"With the number of nodes, family {given.family}", nodes),
        "distinct sizes": (f"With the number of distinct sizes, {fixed:,} nodes, half of them in use", sizes),
        "distinct rooms": (f"With the number of distinct rooms of units, {fixed:,} nodes, half of them in use", rooms),
    }
    for name, (title, instances) in parts.items():
        points = [Point(at, instance, _runs(instance, given)) for at, instance in instances]
        if not points:
            continue
        yield f"## {title}"
        yield markdown(HEAD, [_row(point) for point in points])
        if given.plots is not None:
            from tests.benchmarks.plots import draw

            path = given.plots / f"growth-{name.replace(' ', '-')}.svg"
            draw(path, title, name, points, logarithmic=name == "nodes")
            page = Path() if given.markdown is None else given.markdown.parent
            yield f"![{title}]({Path(os.path.relpath(path, page)).as_posix()})"


def _runs(instance: Instance, given: argparse.Namespace) -> list[Run]:
    with TemporaryDirectory() as scratch:
        write_instance(instance, Path(scratch) / "instance")
        return [solve(Path(scratch) / "instance", Path(scratch) / "plan", given.time_limit) for _ in range(given.runs)]


def _row(point: Point) -> tuple[str, ...]:
    instance, last = point.instance, point.runs[-1]
    has = (instance.topology.node_count, len(instance.projects))
    distinct = (grown.distinct_sizes(instance), grown.distinct_rooms(instance))
    found = last.summary["fragmentation"] if last.status == 0 else {"score": None, "bound": None}
    cost = (f"{point.wall:.1f}", number(round(point.peak)))
    scores = (number(found["score"]), number(found["bound"]))
    return (*map(number, (*has, *distinct)), *cost, *scores, last.summary["termination"])
