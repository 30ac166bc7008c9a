"""Files in and out: instances as directories or documents, plans as directories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kalloc.errors import Defect, InstanceError

if TYPE_CHECKING:
    from kalloc.instance import Instance

__all__ = ["dump_json", "load", "write_instance"]


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
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
    raise InstanceError([Defect(str(path), None, None, message)])


def dump_json(instance: Instance) -> str:
    """Return an instance as a JSON document: one line per row, defaults left out."""
    from kalloc.io.dump import dump_json

    return dump_json(instance)


def write_instance(instance: Instance, directory: str | Path) -> None:
    """Write an instance as a directory of tables, all or nothing; what it replaces must be an instance too.

    Raises:
        OutputError: where the directory cannot be written, or holds anything else.
    """
    from kalloc.io.dump import write_instance

    write_instance(instance, directory)
