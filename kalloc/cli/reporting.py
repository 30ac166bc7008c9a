"""``kalloc report``: a plan to look at."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kalloc.cli.app import InstanceOrPlan, PlanOfInstance, app, instance_and_plan
from kalloc.cli.checks import violations
from kalloc.cli.running import Run
from kalloc.errors import KallocError

SHOWN = 10
"""Violations that are shown of a plan that is refused."""


class Language(StrEnum):
    """The languages of the report."""

    EN = "en"
    KO = "ko"


@app.command()
def report(
    given: InstanceOrPlan,
    plan: PlanOfInstance = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")],
    lang: Annotated[Language, typer.Option("--lang", help="The language of its words.")] = Language.EN,
) -> None:
    """Write a plan as one HTML page to look at, offline; a plan that does not pass its check is refused."""
    import kalloc.io
    from kalloc.io.atomic import publish_file

    with Run().told():
        instance, directory = instance_and_plan(given, plan)
        loaded, decided = kalloc.io.load(instance), kalloc.io.read_plan(directory)
        summary = kalloc.io.read_summary(directory)
        wrong = violations(loaded, decided, summary, directory)
        if wrong:
            head = f"the plan in {directory} does not pass its check, so no report is written; kalloc verify lists all:"
            raise KallocError("\n".join([head, *(f"  {item}" for item in wrong[:SHOWN])]))
        from kalloc.report import render

        page = render(loaded, decided, summary, lang=lang.value).encode()
        publish_file(out, page)
        print(f"{len(page) / 1e6:.1f} MB: in {out}")
