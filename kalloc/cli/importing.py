"""``kalloc import``: an instance from the files of other systems."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kalloc.cli.app import app
from kalloc.cli.running import Run
from kalloc.errors import Defect, InstanceError

if TYPE_CHECKING:
    from kalloc.io.importing import Imported

MOST_LINES = 20
"""Notes of a remark, and differences, that are printed; `--notes` has them all."""

Formats = Annotated[str, typer.Argument(metavar="FORMAT", help="What the files are; `kalloc formats` lists them.")]


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


@app.command("import")
def import_(
    format: Formats,
    files: Annotated[list[Path], typer.Argument(metavar="FILES…", help="The files, plain or .gz.")],
    out: Annotated[Path, typer.Option("--out", help="Directory to write the instance to.")],
    join: Annotated[
        list[str] | None, typer.Option("--join", metavar="FORMAT:FILE", help="One more source, joined by node name.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="The accelerator, where no source says it.")] = None,
    gpus_per_node: Annotated[int | None, typer.Option(min=1, help="GPUs of a node, where no source says it.")] = None,
    levels: Annotated[str | None, typer.Option(help="Levels, coarse to fine: names, new=old, or new names.")] = None,
    owner: Annotated[str | None, typer.Option(help="The pool of nodes of which no source says it.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Tables: a TOML file of sheets and columns.")] = None,
    roles: Annotated[str | None, typer.Option(help="NetBox: roles of GPU nodes.")] = None,
    resources: Annotated[str | None, typer.Option(help="Kubernetes: more resources that are GPUs.")] = None,
    id_prefix: Annotated[str, typer.Option(help="topograph: what ids have before the node's name.")] = "",
    name: Annotated[str, typer.Option(help="Name of the instance; that of the first file by default.")] = "",
    notes: Annotated[Path | None, typer.Option(help="Directory for all notes and the reconciliation.")] = None,
) -> None:
    """Make an instance from the files of another system, and say what was dropped, guessed or ambiguous."""
    import kalloc.io
    from kalloc.io.importing import ImportOptions
    from kalloc.screen import size

    with Run().told():
        options = ImportOptions(
            name=name,
            kind=kind,
            gpus_per_node=gpus_per_node,
            levels=_words(levels),
            owner=owner,
            roles=_words(roles),
            resources=_words(resources),
            id_prefix=id_prefix,
            mapping=mapping,
        )
        imported = kalloc.io.import_files(format, files, options, joined=_joined(join or ()))
        kalloc.io.write_instance(imported.instance, out)
        if notes is not None:
            kalloc.io.write_notes(imported, notes)
        _tell(imported, notes)
        print(f"{size(imported.instance)}: in {out}")


@app.command()
def formats() -> None:
    """List what can be imported and exported."""
    from kalloc.io.exporting import FORMATS as EXPORTS
    from kalloc.io.importing import FORMATS as IMPORTS

    out = {name: format.title for name, format in EXPORTS.items()}
    width = max(map(len, (*IMPORTS, *out)))
    for heading, formats in (("import", IMPORTS), ("export", out)):
        print(heading)
        for name, what in formats.items():
            print(f"  {name:<{width}}  {what}")


def _joined(pairs: Sequence[str]) -> dict[str, list[Path]]:
    joined: dict[str, list[Path]] = {}
    for pair in pairs:
        format, colon, file = pair.partition(":")
        if not colon or not file:
            raise InstanceError([Defect(f"--join {pair}", None, None, "must be FORMAT:FILE, as netbox:devices.csv")])
        joined.setdefault(format, []).append(Path(file))
    return joined


def _tell(imported: Imported, notes: Path | None) -> None:
    """Print the first notes of every remark and the first differences on standard error."""
    counts = Counter(note.remark for note in imported.notes)
    for remark, count in counts.items():
        for note in [note for note in imported.notes if note.remark == remark][:MOST_LINES]:
            print(note, file=sys.stderr)
        if count > MOST_LINES:
            print(f"… and {count - MOST_LINES:,} more {remark}", file=sys.stderr)
    for row in imported.differences[:MOST_LINES]:
        print(row, file=sys.stderr)
    if len(imported.differences) > MOST_LINES:
        print(f"… and {len(imported.differences) - MOST_LINES:,} more differences", file=sys.stderr)
    total = len(imported.notes) + len(imported.differences)
    if total:
        where = f"in {notes}" if notes is not None else "--notes DIR writes them all"
        print(f"{len(imported.notes):,} notes, {len(imported.differences):,} differences: {where}", file=sys.stderr)
