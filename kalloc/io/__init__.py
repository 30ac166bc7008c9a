"""Files in and out: instances as directories or documents, plans as directories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kalloc.errors import Defect, InstanceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kalloc.instance import Instance
    from kalloc.io.importing import Imported, ImportOptions
    from kalloc.plan import Plan, Result

__all__ = [
    "check_writable",
    "dump_json",
    "export",
    "import_files",
    "instance_path",
    "load",
    "read_plan",
    "read_summary",
    "schema",
    "stray_free",
    "stray_tables",
    "write_instance",
    "write_notes",
    "write_result",
]


def load(path: str | Path) -> Instance:
    """Read and validate an instance.

    Args:
        path: a directory with instance.toml and tables, that instance.toml, or one document (.json, .json.gz).

    Raises:
        InstanceError: with every defect that can be told at once.
    """
    from kalloc.io.build import build
    from kalloc.io.files import UnreadableError
    from kalloc.io.sources import HEAD_FILE, Directory, Document

    path = Path(path)
    try:
        if path.is_dir():
            return build(Directory(path))
        if path.name == HEAD_FILE:
            return build(Directory(path.parent))
        if path.name.endswith((".json", ".json.gz")):
            return build(Document(path))
        path.stat()
        message = "is no instance: give a directory with instance.toml, or a .json document"
    except UnreadableError as error:
        message = str(error)
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise InstanceError([Defect(str(path), None, None, message)])


def dump_json(instance: Instance) -> str:
    """Return an instance as a JSON document: one line per row, defaults left out."""
    from kalloc.io.dump import dump_json

    return dump_json(instance)


def import_files(
    format: str,
    paths: Sequence[str | Path],
    options: ImportOptions | None = None,
    *,
    joined: Mapping[str, Sequence[str | Path]] | None = None,
) -> Imported:
    """Return the instance of some files of another system, with notes on what was dropped, guessed or ambiguous.

    Args:
        format: one of ``kalloc.io.importing.FORMATS``.
        paths: the files, plain or packed by gzip.
        options: what the files do not say.
        joined: further files by format; their nodes are joined to those of ``paths`` by name.

    Raises:
        InstanceError: with every defect that can be told at once, each with its file and line.
    """
    from kalloc.io.importing import import_files

    return import_files(format, paths, options, joined=joined)


def write_notes(imported: Imported, directory: str | Path) -> None:
    """Write notes.csv and reconciliation.csv of an import, all or nothing.

    Raises:
        OutputError: where the directory cannot be written, or holds anything else.
    """
    from kalloc.io.importing.notes import write_notes

    write_notes(imported, Path(directory))


def write_instance(instance: Instance, directory: str | Path) -> None:
    """Write an instance as a directory of tables, all or nothing; what it replaces must be an instance too.

    Raises:
        OutputError: where the directory cannot be written, or holds anything else.
    """
    from kalloc.io.dump import write_instance

    write_instance(instance, Path(directory))


def check_writable(directory: str | Path) -> None:
    """Raise an OutputError where :func:`write_result` would refuse to write, before anything is solved."""
    from kalloc.io.plans import check_writable

    check_writable(Path(directory))


def write_result(result: Result, directory: str | Path) -> Result:
    """Write plan.json, its tables and summary.json, all or nothing.

    An earlier plan in the directory stays whole until the new one is complete, and is then replaced in one step.

    Returns:
        The result as summary.json tells it: with the seconds that the writing took, also in the total.

    Raises:
        OutputError: where the directory cannot be written, or holds anything that is no plan.
    """
    from kalloc.io.plans import write_result

    return write_result(result, Path(directory))


def read_plan(directory: str | Path) -> Plan:
    """Read the plan in a directory; it may still break every rule.

    Raises:
        InstanceError: with every defect of plan.json.
    """
    from kalloc.io.plans import read_plan

    return read_plan(Path(directory))


def read_summary(directory: str | Path) -> dict[str, Any]:
    """Read what summary.json in a plan's directory claims; it may still be untrue.

    Raises:
        InstanceError: with every defect of summary.json.
    """
    from kalloc.io.plans import read_summary

    return read_summary(Path(directory))


def instance_path(directory: str | Path) -> Path:
    """Return where the instance of the plan in a directory is, as certificate.json there tells.

    Raises:
        InstanceError: where that file tells no path, or nothing is there.
    """
    from kalloc.io.plans import instance_path

    return instance_path(Path(directory))


def stray_tables(plan: Plan, directory: str | Path) -> list[str]:
    """Return the tables beside plan.json that do not say the same as it does."""
    from kalloc.io.plans import stray_tables

    return stray_tables(plan, Path(directory))


def stray_free(slots: Iterable[Mapping[str, Any]], costs: Iterable[Mapping[str, Any]], directory: Path) -> list[str]:
    """Return those of slots.csv and blocks.csv that do not say what was counted anew."""
    from kalloc.io.plans import stray_free

    return stray_free(slots, costs, directory)


def export(format: str, instance: Instance | None, plan: Plan | None, out: str | Path) -> tuple[str, ...]:
    """Write a plan, its instance or both for another system, all or nothing.

    Args:
        format: one of ``kalloc.io.exporting.FORMATS``.
        instance: what the plan is for; tables of a plan can do without.
        plan: what was decided; without it the files say what there is and who may use how much.
        out: a directory, or a file where the format is one.

    Returns:
        What a reader of the files must know, a sentence each: names that had to be changed, rules that have no place.

    Raises:
        OutputError: where something is missing, plan and instance do not fit, or ``out`` cannot be written.
    """
    from kalloc.io.exporting import export

    return export(format, instance, plan, Path(out))


def schema(what: Literal["instance", "plan"]) -> dict[str, Any]:
    """Return the JSON Schema of an instance document or of plan.json, with a sentence for every key."""
    from kalloc.io.schemas import instance_schema, plan_schema

    return instance_schema() if what == "instance" else plan_schema()
