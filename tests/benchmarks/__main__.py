"""``python -m tests.benchmarks`` measures the committed instances; with the name of a part, others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import curve, fair, growth, instances, national, peers, workers
from tests.benchmarks.measure import machine

PARTS = {
    "national": (national, "made by the recipe, against best fit"),
    "peers": (peers, "beside other methods that seat the same allocation"),
    "growth": (growth, "time and memory by nodes, by distinct sizes and by distinct rooms"),
    "workers": (workers, "time and memory by the number of workers, and whether the plan stays the same"),
    "fair": (fair, "max-min of many projects"),
    "curve": (curve, "score and bound of one instance as seconds pass"),
}
POSITIONAL = ("instance",)
NOT_MEASURED = ("name", "part", "markdown", "plans", "plots")
"""What the arguments hold that does not say what to measure."""


def main() -> None:
    """Measure, print the tables as they come, and write them where that is asked for."""
    given = parser().parse_args()
    parts = []
    for part in _report(given):
        print(part, end="\n\n", flush=True)
        parts.append(part)
    if given.markdown is not None:
        given.markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Return what every part takes: the committed instances where none is named."""
    found = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    found.set_defaults(name=None, part=instances)
    instances.arguments(found)
    _common(found)
    parts = found.add_subparsers()
    for name, (part, about) in PARTS.items():
        added = parts.add_parser(name, help=about, description=part.__doc__)
        added.set_defaults(name=name, part=part, runs=None, instances=None)
        part.arguments(added)
        _common(added)
    return found


def _common(added: argparse.ArgumentParser) -> None:
    added.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to a file, too")


def _report(given: argparse.Namespace) -> Iterator[str]:
    yield f"# Benchmarks: {given.part.TITLE}"
    yield f"Measured by `{command(given)}` on {machine()}."
    yield from given.part.report(given)


def command(given: argparse.Namespace) -> str:
    """Return the command that measures the same, without the files that it writes."""
    words = ["python -m tests.benchmarks", *([given.name] if given.name else [])]
    for name, value in vars(given).items():
        if name not in NOT_MEASURED and value is not None:
            words += [] if name in POSITIONAL else [f"--{name.replace('_', '-')}"]
            words += map(_word, value if isinstance(value, list) else [value])
    return " ".join(words)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
