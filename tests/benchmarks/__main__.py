"""``python -m tests.benchmarks`` measures the committed instances, ``… national`` the families of that recipe."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import instances
from tests.benchmarks.measure import machine

TITLES = {"instances": "The committed instances", "national": "The families of the recipe `national`"}


def main() -> None:
    """Measure, print the tables as they come, and write them where that is asked for."""
    arguments = _parser().parse_args()
    parts = []
    for part in _report(arguments):
        print(part, end="\n\n", flush=True)
        parts.append(part)
    if arguments.markdown is not None:
        arguments.markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to a file, too")
    parser.add_argument("--runs", type=int, default=3, help="the figure is the median of so many (%(default)s)")
    parser.add_argument("--instances", nargs="+", metavar="NAME", help="names under instances/ (all)")
    parser.set_defaults(what="instances")
    national = parser.add_subparsers().add_parser("national", help="made by the recipe, against best fit")
    national.add_argument("--nodes", type=int, default=4096, help="nodes of each instance (%(default)s)")
    national.add_argument("--families", nargs="+", metavar="NAME", help="names of families (all)")
    national.add_argument("--seeds", nargs="+", type=int, default=[0], help="one instance for each (%(default)s)")
    national.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to a file, too")
    national.set_defaults(what="national")
    return parser


def _report(arguments: argparse.Namespace) -> Iterator[str]:
    yield f"# Benchmarks: {TITLES[arguments.what].lower()}"
    yield f"Measured by `{_command(arguments)}` on {machine()}."
    if arguments.what == "instances":
        yield from instances.report(arguments.instances or instances.committed(), arguments.runs)
        return
    from kalloc.generate.national import FAMILIES
    from tests.benchmarks import national

    yield from national.report(arguments.families or list(FAMILIES), arguments.nodes, arguments.seeds)


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that measures the same, without the file."""
    parts = ["python -m tests.benchmarks"]
    if arguments.what == "national":
        parts += ["national", f"--nodes {arguments.nodes}"]
        parts += [f"--families {' '.join(arguments.families)}"] if arguments.families else []
        parts += [f"--seeds {' '.join(map(str, arguments.seeds))}"]
    else:
        parts += [f"--runs {arguments.runs}"]
        parts += [f"--instances {' '.join(arguments.instances)}"] if arguments.instances else []
    return " ".join(parts)


if __name__ == "__main__":
    main()
