"""``kalloc export``: plans and instances for the systems that enforce them and the people who read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kalloc.cli.app import app
from kalloc.cli.running import Run
from kalloc.io.exporting import FORMATS

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


def _known(name: str) -> str:
    if name not in FORMATS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(FORMATS)}")
    return name


@app.command()
def export(
    format: Annotated[str, typer.Argument(metavar="FORMAT", callback=_known, help=", ".join(FORMATS))],
    paths: Annotated[
        list[Path], typer.Argument(metavar="[INSTANCE] [DIR]", help="An instance, the directory of a plan, or both.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where to write it: a directory, or a file for excel.")],
) -> None:
    """Write a plan, or an instance without one, for another system."""
    import kalloc.io

    with Run().told():
        instance, plan = _read(paths)
        for note in kalloc.io.export(format, instance, plan, out):
            print(f"note: {note}", file=sys.stderr)
        print(f"{format}: in {out}")


def _read(paths: list[Path]) -> tuple[Instance | None, Plan | None]:
    """Read an instance, a plan, or an instance and a plan that keeps its rules."""
    import kalloc.io
    from kalloc.errors import OutputError
    from kalloc.verify import verify

    if len(paths) > 2:
        raise OutputError(f"export takes an instance and the directory of a plan, not {len(paths)} paths")
    if len(paths) == 1:
        alone = paths[0]
        if alone.name == "plan.json" or (alone / "plan.json").exists():
            return None, kalloc.io.read_plan(alone)
        return kalloc.io.load(alone), None
    instance, plan = kalloc.io.load(paths[0]), kalloc.io.read_plan(paths[1])
    if broken := verify(instance, plan):
        raise OutputError(f"the plan breaks {len(broken)} rules, the first: {broken[0]}; see all with kalloc verify")
    return instance, plan
