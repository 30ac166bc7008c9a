"""Files that nobody vouches for as JSON items or YAML documents, each with its line; bounded in size and depth."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kalloc.errors import Defect, InstanceError, KallocError
from kalloc.io.files import MIB, UnreadableError, opened, read_text
from kalloc.io.importing.facts import Where

if TYPE_CHECKING:
    from yaml.events import Event

MAX_JSON = 512 * MIB
MAX_TEXT = 128 * MIB
MAX_YAML = 64 * MIB
MAX_VALUES = 5_000_000
"""Values of one YAML file; each takes longer to read than any in JSON."""
MAX_DEPTH = 60
"""Objects in objects; no format here goes half as deep."""

BLANK = re.compile(r"[ \t\n\r]*")
CORE_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null"))


class Map(dict[str, Any]):
    """A mapping of a document, and the line where it begins."""

    line: int = 1


def fail(where: Where, message: str) -> NoReturn:
    """Raise an InstanceError with one defect."""
    raise InstanceError([Defect(where.file, None, None, message, where.number)])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what makes a file unreadable into an InstanceError."""
    try:
        yield
    except UnreadableError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise InstanceError([Defect(str(path), None, None, str(error), int(line[1]) if line else None)]) from error


def library(module: str, package: str, extra: str) -> Any:
    """Return a module of an optional library, or say how to get it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise KallocError(f"reading this needs {package}: pip install 'kalloc[{extra}]'") from error


def text_of(path: Path, limit: int = MAX_TEXT) -> str:
    """Return the text of a file, plain or packed by gzip.

    Raises:
        InstanceError: where it is no such text, or larger than the limit.
    """
    with readable(path):
        return read_text(path, limit)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, as editors count them.

    Raises:
        InstanceError: where it is no text.
    """
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        yield number, line.removesuffix("\r")


def is_json(path: Path) -> bool:
    """Tell whether a file is JSON: its text begins as an object or a list, and its name does not say YAML."""
    if path.suffix in (".yaml", ".yml"):
        return False
    with readable(path), opened(path) as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def json_items(path: Path, keys: Collection[str]) -> Iterator[tuple[int, Any]]:
    """Yield the entries of a JSON list with their lines: of the list itself, or of those under some keys.

    One entry is in memory at a time. What stands under no such key is skipped; an object that has none of the
    keys is itself the one entry.

    Raises:
        InstanceError: where the text is no JSON.
    """
    reader = _Json(path, text_of(path, MAX_JSON))
    reader.blank()
    if reader.mark() == "[":
        yield from reader.entries()
    elif reader.mark() == "{":
        yield from reader.members(keys)
    else:
        reader.fail("must be a JSON object or list" if reader.text.strip() else "is empty")
    reader.blank()
    if reader.at < len(reader.text):
        reader.fail("is no JSON: there is more after its end")


class _Json:
    """A JSON text and how far it is read; lines are counted on the way."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.at, self.line, self.counted = 0, 1, 0
        self.decode = json.JSONDecoder().raw_decode

    def fail(self, message: str) -> NoReturn:
        fail(Where(str(self.path), self.lines()), message)

    def lines(self) -> int:
        """Return the line of the place that is read."""
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def mark(self) -> str:
        return self.text[self.at : self.at + 1]

    def blank(self) -> None:
        match = BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, marks: str) -> str:
        """Read one of the marks."""
        self.blank()
        mark = self.mark()
        if not mark or mark not in marks:
            wanted = " or ".join(f"'{one}'" for one in marks)
            self.fail(f"is no JSON: {wanted} is missing" + (" where the file ends" if not mark else ""))
        self.at += 1
        return mark

    def value(self) -> Any:
        """Read a whole value."""
        self.blank()
        try:
            found, self.at = self.decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.at = error.pos
            self.fail(f"is no JSON: {error.msg}" + (" where the file ends" if error.pos >= len(self.text) else ""))
        except (ValueError, RecursionError) as error:
            self.fail(f"is no JSON that can be read: {error}")
        return found

    def entries(self) -> Iterator[tuple[int, Any]]:
        """Read a list, entry by entry."""
        self.take("[")
        self.blank()
        if self.mark() == "]":
            self.at += 1
            return
        while True:
            self.blank()
            line = self.lines()
            yield line, self.value()
            if self.take(",]") == "]":
                return

    def members(self, keys: Collection[str]) -> Iterator[tuple[int, Any]]:
        """Read an object: the entries of the lists under the keys, or else the object."""
        line, start, found = self.lines(), self.at, False
        self.take("{")
        self.blank()
        while self.mark() != "}":
            self.blank()
            if self.mark() != '"':
                self.fail("is no JSON: a key in double quotes is missing")
            key = self.value()
            self.take(":")
            self.blank()
            if key in keys and self.mark() == "[":
                found = True
                yield from self.entries()
            else:
                self.value()
            if self.take(",}") == "}":
                self.at -= 1
        self.at += 1
        if not found:
            self.at, end = start, self.at
            whole = self.value()
            self.at = end
            yield line, whole


def yaml_documents(path: Path) -> list[Any]:
    """Return the documents of a YAML file: mappings with their lines, lists, and every scalar as text or None.

    Aliases, tags of programs and keys given twice are refused: no format needs them, and bombs are made of them.

    Raises:
        InstanceError: where it is no such YAML.
    """
    yaml = library("yaml", "PyYAML", "formats")
    text = text_of(path, MAX_YAML)
    builder = _Builder(str(path))
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
        fail(Where(str(path), mark.line + 1 if mark else None), f"is no YAML: {problem}")
    return builder.documents


class _Builder:
    """Documents from the events of a YAML parser, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.documents: list[Any] = []
        self.stack: list[Map | list[Any]] = []
        self.keys: list[str | None] = []
        self.left = MAX_VALUES

    def take(self, event: Event) -> None:
        """Add what an event says."""
        where = Where(self.file, event.start_mark.line + 1 if event.start_mark else None)
        kind = type(event).__name__
        if kind == "AliasEvent":
            fail(where, "has an alias (*), which is not read here; write out what it stands for")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None and tag not in ("!", *CORE_TAGS):
            fail(where, f"has the tag {tag[:60]!r}, which is not read here; remove it")
        if kind == "ScalarEvent":
            self._add(_scalar(event), where)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._open(Map() if kind == "MappingStartEvent" else [], where)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.stack.pop()
            self.keys.pop()

    def _open(self, value: Map | list[Any], where: Where) -> None:
        if isinstance(value, Map) and where.number is not None:
            value.line = where.number
        self._add(value, where)
        self.stack.append(value)
        self.keys.append(None)
        if len(self.stack) > MAX_DEPTH:
            fail(where, f"goes deeper than {MAX_DEPTH} levels")

    def _add(self, value: Any, where: Where) -> None:
        self.left -= 1
        if self.left < 0:
            fail(where, f"has more than {MAX_VALUES:,} values; give it as JSON")
        if not self.stack:
            self.documents.append(value)
            return
        top, key = self.stack[-1], self.keys[-1]
        if isinstance(top, list):
            top.append(value)
        elif key is not None:
            top[key], self.keys[-1] = value, None
        elif not isinstance(value, str):
            fail(where, "has a key that is no text")
        elif value in top:
            fail(where, f"has the key {value[:60]!r} twice; keep one of them")
        else:
            self.keys[-1] = value


def _scalar(event: Any) -> str | None:
    """Return the text of a scalar, or None where it is plain and says so."""
    plain = event.implicit[0] and not event.style
    return None if plain and event.value in ("", "~", "null", "Null", "NULL") else str(event.value)


def json_documents(path: Path, keys: Collection[str] = ()) -> list[Any]:
    """Return the entries of a JSON file as :func:`yaml_documents` does, objects with their lines."""
    found = []
    for line, value in json_items(path, keys):
        if isinstance(value, dict):
            value = Map(value)
            value.line = line
        found.append(value)
    return found


def documents(path: Path, keys: Collection[str] = ()) -> list[Any]:
    """Return the documents of a file, YAML or JSON."""
    return json_documents(path, keys) if is_json(path) else yaml_documents(path)
