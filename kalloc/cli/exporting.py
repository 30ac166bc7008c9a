"""``kalloc export``: plans and instances for the systems that enforce them and the people who read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kalloc.cli.app import InstanceOrPlan, PlanOfInstance, app, instance_and_plan
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
    given: InstanceOrPlan,
    plan: PlanOfInstance = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Where to write it: a directory, or a file for excel.")],
) -> None:
    """Write a plan, or an instance without one, for another system."""
    import kalloc.io

    with Run().told():
        instance, decided = _read(given, plan, FORMATS[format].instance)
        for note in kalloc.io.export(format, instance, decided, out):
            print(f"note: {note}", file=sys.stderr)
        print(f"{format}: in {out}")


def _read(given: Path, directory: Path | None, needed: bool) -> tuple[Instance | None, Plan | None]:
    """Read an instance, a plan where the instance is not needed, or both, and the plan keeps the rules."""
    import kalloc.io
    from kalloc.errors import OutputError
    from kalloc.verify import verify

    if directory is None:
        if given.name != "plan.json" and not (given / "plan.json").exists():
            return kalloc.io.load(given), None
        if not needed:
            return None, kalloc.io.read_plan(given)
    source, folder = instance_and_plan(given, directory)
    instance, plan = kalloc.io.load(source), kalloc.io.read_plan(folder)
    if broken := verify(instance, plan):
        raise OutputError(f"the plan breaks a rule: {broken[0]}; kalloc verify tells all that it breaks")
    return instance, plan
