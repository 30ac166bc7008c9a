"""``kalloc report``: a plan to look at."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kalloc.cli.app import InstancePath, app
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
    instance: InstancePath,
    plan: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a plan.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")],
    lang: Annotated[Language, typer.Option("--lang", help="The language of its words.")] = Language.EN,
) -> None:
    """Write a plan as one HTML page to look at, offline; a plan that does not pass its check is refused."""
    import kalloc.io
    from kalloc.io.atomic import publish_file

    with Run().told():
        loaded, decided = kalloc.io.load(instance), kalloc.io.read_plan(plan)
        summary = kalloc.io.read_summary(plan)
        wrong = violations(loaded, decided, summary, plan)
        if wrong:
            head = f"the plan in {plan} does not pass its check, so no report is written; kalloc verify lists it all:"
            raise KallocError("\n".join([head, *(f"  {item}" for item in wrong[:SHOWN])]))
        from kalloc.report import render

        page = render(loaded, decided, summary, lang=lang.value).encode()
        publish_file(out, page)
        print(f"{len(page) / 1e6:.1f} MB: in {out}")
