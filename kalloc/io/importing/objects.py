"""Objects of Kubernetes from YAML documents or JSON, Lists taken apart, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalloc.io.exporting.objects import NAME
from kalloc.io.importing.facts import Findings, Remark, Where
from kalloc.io.importing.reading import Map, documents


@dataclass(frozen=True)
class Object:
    """An object of Kubernetes."""

    kind: str
    group: str
    """The API group, empty for the core."""
    name: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    where: Where

    @property
    def original(self) -> str:
        """The name before an export of kalloc made one of it that Kubernetes takes."""
        return texts(self.metadata.get("annotations")).get(NAME, self.name)


def objects(paths: Sequence[Path], found: Findings) -> Iterator[Object]:
    """Yield the objects of all files; what is none is a defect."""
    for path in paths:
        for document in documents(path, ("items",)):
            yield from _taken_apart(path, document, found)


def _taken_apart(path: Path, document: Any, found: Findings) -> Iterator[Object]:
    if document is None:
        return
    if not isinstance(document, dict):
        found.wrong(Where(str(path)), "has a document that is no object of Kubernetes")
        return
    where = Where(str(path), getattr(document, "line", None))
    items = document.get("items")
    if isinstance(items, list):
        for item in items:
            yield from _taken_apart(path, item if isinstance(item, Map) else [], found)
        return
    kind, metadata = document.get("kind"), document.get("metadata")
    if not isinstance(kind, str):
        found.wrong(where, "is no object of Kubernetes: it has no kind")
        return
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        found.once(Remark.DROPPED, where, f"nameless {kind}", f"{kind} has no name")
        return
    group = str(document.get("apiVersion") or "").rpartition("/")[0]
    spec, status = (part if isinstance(part := document.get(key), dict) else {} for key in ("spec", "status"))
    yield Object(kind, group, name, metadata, spec, status, where)


def by_kind(
    paths: Sequence[Path], readers: Mapping[tuple[str, str], Callable[[Object], None]], found: Findings
) -> None:
    """Hand each object to the reader of its API group and kind; the others are noted."""
    read = False
    for item in objects(paths, found):
        reader = readers.get((item.group, item.kind))
        if reader is not None:
            reader(item)
            read = True
        else:
            found.once(Remark.DROPPED, item.where, f"kind {item.kind}", f"objects of kind {item.kind!r} are not read")
    if not read:
        found.raise_if_any()
        kinds = " or ".join(f"{kind} of {group or 'the core API'}" for group, kind in readers)
        found.wrong(Where(", ".join(map(str, paths))), f"has no {kinds}")


def listed_labels(topologies: Iterable[Object], found: Findings) -> tuple[str, ...]:
    """Return the labels that the first object of the kind Topology lists, coarse to fine."""
    listed: tuple[str, ...] = ()
    for item in topologies:
        if listed:
            found.ambiguous(item.where, f"Topology {item.name!r} is not the first one; its levels are not taken")
            continue
        labels = [level.get("nodeLabel") for level in maps(item.spec.get("levels"))]
        listed = tuple(label for label in labels if isinstance(label, str) and label)
        if not listed:
            found.wrong(item.where, f"Topology {item.name!r} has no levels")
    return listed


def whole(value: Any) -> int | None:
    """Return a whole number, written as one or as text, or None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 18:
        text = value.strip()
        scale = 1000 if text.endswith("k") else 1
        text = text.removesuffix("k")
        text = text[:-2] if text.endswith(".0") else text
        if text.removeprefix("-").isdecimal() and text.isascii():
            return int(text) * scale
    return None


def true(value: Any) -> bool:
    """Tell whether a flag is set, written as one or as text."""
    return value is True or value == "true"


def texts(value: Any) -> dict[str, str]:
    """Return what is text in a mapping of labels."""
    if not isinstance(value, dict):
        return {}
    return {key: part for key, part in value.items() if isinstance(part, str) and part}


def maps(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
