"""The application that the commands are added to, and what every command line shares."""

from __future__ import annotations

import gc
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

YOUNG_OBJECTS = 100_000
"""New objects after which cycles of garbage are looked for: tables make many, and hardly a cycle."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Decide who gets how many of a nation's GPUs and where they sit, with a proven bound.",
    epilog="Exit status: 0 done, 1 an error, 2 the input is wrong, 3 no plan can exist, 4 none was found in time.",
)

INSTANCE = typer.Argument(metavar="INSTANCE", help="A directory with instance.toml and tables, or a .json document.")
InstancePath = Annotated[Path, INSTANCE]
PlanPath = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a plan.")]

InstanceOrPlan = Annotated[
    Path, typer.Argument(metavar="INSTANCE|DIR", help="An instance, or the directory of a plan whose files tell it.")
]
PlanOfInstance = Annotated[Path | None, typer.Argument(metavar="DIR", help="The directory of a plan of the instance.")]


def main() -> None:
    """Run the command line; once it has answered, an interrupt no longer changes how it ends."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(YOUNG_OBJECTS, 50, 100)
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"kalloc {version('kalloc')}")
        raise typer.Exit


def finite(value: float) -> float:
    """Return an option that must be a finite number of at least 0."""
    if not 0 <= value < float("inf"):
        raise typer.BadParameter(f"{value} is not a finite number of at least 0")
    return value


def instance_and_plan(given: Path, plan: Path | None) -> tuple[Path, Path]:
    """Return where an instance and its plan are: both given, or the plan alone, whose certificate tells.

    Raises:
        InstanceError: where the plan does not tell.
    """
    import kalloc.io

    return (kalloc.io.instance_path(given), given) if plan is None else (given, plan)


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Decide who gets how many of a nation's GPUs and where they sit, with a proven bound."""
