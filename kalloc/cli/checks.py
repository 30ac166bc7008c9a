"""``kalloc check``, ``kalloc verify`` and ``kalloc schema``: what is right, without the engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kalloc.cli.app import InstancePath, PlanPath, app
from kalloc.cli.running import Run

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


class Document(StrEnum):
    """What has a schema."""

    INSTANCE = "instance"
    PLAN = "plan"


@app.command()
def check(instance: InstancePath) -> None:
    """Read and validate an instance, and say everything that is wrong with it."""
    import kalloc.io
    from kalloc.screen import size

    with Run().told():
        print(f"{size(kalloc.io.load(instance))}: no defects")


@app.command()
def verify(
    instance: InstancePath,
    plan: PlanPath,
) -> None:
    """Check a plan exactly, and what its summary claims, without the solver."""
    with Run().told():
        violations, score = _violations(instance, plan)
        if violations:
            print("\n".join(violations))
            print(f"{len(violations)} violation{'s' if len(violations) > 1 else ''}", file=sys.stderr)
            raise typer.Exit(1)
        print(f"no violations; {score}")


def _violations(path: Path, directory: Path) -> tuple[list[str], str]:
    """Return what is wrong with a plan and its claims, or else its score in words."""
    import kalloc.io
    from kalloc.screen import number
    from kalloc.verify import score

    instance, plan = kalloc.io.load(path), kalloc.io.read_plan(directory)
    found = violations(instance, plan, kalloc.io.read_summary(directory), directory)
    if found:
        return found, ""
    tiers = score(instance, plan).tiers
    return [], ", ".join(f"{name} {number(float(value))}" for name, value in tiers.items())


def violations(instance: Instance, plan: Plan, summary: Mapping[str, Any], directory: Path) -> list[str]:
    """Return what is wrong with a plan of a directory, with its summary and with the tables beside it."""
    import kalloc.io
    from kalloc.verify import claims, verify

    found = [f"format: {name} does not say the same as plan.json" for name in kalloc.io.stray_tables(plan, directory)]
    broken = verify(instance, plan)
    if not broken:
        from kalloc.explain import check as check_reasons
        from kalloc.slots import cost_rows, slot_rows

        stray = kalloc.io.stray_free(slot_rows(instance, plan), cost_rows(instance, plan), directory)
        found += [f"format: {name} does not say what is free" for name in stray]
        found += map(str, check_reasons(instance, plan))
    return [*found, *map(str, broken or claims(instance, plan, summary))]


@app.command()
def schema(what: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of an instance document or of a plan."""
    import kalloc.io

    print(json.dumps(kalloc.io.schema(what.value), ensure_ascii=False, indent=2))
