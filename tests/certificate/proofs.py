"""Certificates of small instances, and certificates with one number changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import kalloc
from kalloc.certificate import Certificate
from kalloc.certify import certify
from kalloc.instance import Instance
from kalloc.plan import Result

Document = dict[str, Any]


def solved(instance: Instance) -> Result:
    """Return a result with its certificate."""
    return certify(instance, kalloc.solve(instance, time_limit=None, threads=1), seconds=60)


def document_of(result: Result) -> Document:
    """Return the certificate as it is read from its file."""
    found: Document = json.loads(json.dumps(result.certificate))
    return found


def read(instance: Instance, result: Result, document: Mapping[str, Any]) -> Certificate:
    """Return a certificate that claims to be of a result."""
    return Certificate(instance, result.plan, result.summary(), document)


def changed(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the document with one number changed, in every place in turn, in some ways; and which place it was."""
    for path, value in _numbers(document, ()):
        for other in {value + 1, value - 1, 2 * value + 7, 0} - {value}:
            copied = copy.deepcopy(document)
            inner: Any = copied
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = other
            yield ".".join(map(str, path)), copied


def broken(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the document with one value of another kind, in every place in turn; and which place it was."""
    others: tuple[Any, ...] = (None, "x", [], {}, -1, 1.5, True, float("inf"), 10**30, [[[]]])
    for path, value in _values(document, ()):
        for other in others:
            if type(other) is not type(value) or isinstance(value, int):
                copied = copy.deepcopy(document)
                inner: Any = copied
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = other
                yield f"{'.'.join(map(str, path))} = {other!r}", copied


def _values(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if path:
        yield path, part
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _values(inner, (*path, key))


def _numbers(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], float]]:
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _numbers(inner, (*path, key))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield path, part
