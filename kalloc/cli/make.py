"""``kalloc generate``: instances by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kalloc.cli.app import app
from kalloc.cli.running import Run


@app.command()
def generate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="The name of a recipe.")],
    out: Annotated[Path, typer.Option("--out", help="Directory to write the instance to.")],
    seed: Annotated[int, typer.Option(min=0, help="Where random draws begin.")] = 0,
    family: Annotated[str | None, typer.Option(help="The family of instances, where the recipe has several.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Nodes, where the recipe takes any number.")] = None,
) -> None:
    """Make an instance by a recipe; the same recipe, seed and options make the same instance."""
    import kalloc.io
    from kalloc.generate import generate
    from kalloc.screen import size

    with Run().told():
        options: dict[str, Any] = {"family": family, "nodes": nodes}
        instance = generate(recipe, seed, **{name: value for name, value in options.items() if value is not None})
        kalloc.io.write_instance(instance, out)
        print(f"{size(instance)}: in {out}")
