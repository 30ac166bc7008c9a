"""``kalloc explain``: what to answer an applicant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kalloc.cli.app import InstancePath, PlanPath, app, finite
from kalloc.cli.running import Run
from kalloc.errors import Defect, InstanceError, KallocError
from kalloc.whatif.phrases import Language

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


@app.command()
def explain(
    instance: InstancePath,
    plan: PlanPath,
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The name of a project.")],
    lang: Annotated[Language, typer.Option(help="The language: English or Korean.")] = Language.ENGLISH,
    time_limit: Annotated[float, typer.Option(callback=finite, help="Seconds to look for changes at most.")] = 8.0,
) -> None:
    """Tell why a project gets what it gets and sits where it sits, and what would give it more."""
    with Run().told():
        whole, made = sound(instance, plan)
        if project not in whole.project_of:
            from kalloc.instance.hints import Hints

            message = f"unknown project {project!r}{Hints(whole.project_of).of(project)}"
            raise InstanceError([Defect(str(instance), None, "project", message)])
        from kalloc.whatif.story import story

        for line in story(whole, made, project, lang, time_limit):
            print(line)


def sound(path: Path, directory: Path) -> tuple[Instance, Plan]:
    """Return an instance and a plan of it that keeps every rule.

    Raises:
        KallocError: where it breaks one.
    """
    import kalloc.io
    from kalloc.verify import verify

    instance, plan = kalloc.io.load(path), kalloc.io.read_plan(directory)
    broken = verify(instance, plan)
    if broken:
        message = f"the plan in {directory} breaks rules ({len(broken)} times), first {broken[0]}"
        raise KallocError(f"{message}; `kalloc verify` lists them all")
    return instance, plan
