"""Host lists as Slurm writes them: ``r[1-2]n[001-004],login`` for nine names, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from itertools import product

MAX_HOSTS = 1_000_000
MAX_NAME = 200
"""Characters of one name; no node of an instance has a longer one."""
MAX_DIGITS = 18

RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
NUMBER = re.compile(r"([0-9]+)")
UNFIT = re.compile(r"[][,\s]")

Numbers = tuple[range, int]
"""Numbers in a row, and how many digits they are written with at least."""
Part = str | list[Numbers]
"""A piece of a name: plain text, or what stands in a pair of brackets."""


class HostListError(ValueError):
    """A host list cannot be read, or a name cannot stand in one."""


def expand(text: str, limit: int = MAX_HOSTS) -> list[str]:
    """Return the names of a host list in its order; of several brackets the last one counts fastest.

    Args:
        text: names separated by commas, with numbers and ranges of numbers in any number of brackets.
        limit: the most names that it may stand for; they are counted before any of them is made.

    Raises:
        HostListError: where it cannot be read, or stands for more names.
    """
    names: list[str] = []
    for element in _elements(text):
        parts = list(_parts(element))
        count = math.prod(_count(part) for part in parts)
        if count > limit - len(names):
            raise HostListError(f"{_shown(element)} makes {len(names) + count:,} hosts, more than {limit:,}")
        if sum(map(_width, parts)) > MAX_NAME:
            raise HostListError(f"{_shown(element)} is a name of more than {MAX_NAME} characters")
        names.extend(map("".join, product(*map(_options, parts))))
    return names


def compress(names: Iterable[str]) -> str:
    """Return a host list that :func:`expand` turns into the same names in the same order.

    Names next to each other that differ in one number are put together; sort them first for the shortest list.

    Raises:
        HostListError: for a name that is empty, or has brackets, commas or white space.
    """
    elements = list(names)
    for name in elements:
        if not name or UNFIT.search(name):
            raise HostListError(f"{_shown(name)} cannot stand in a host list")
    before = 0
    while len(elements) != before:
        before = len(elements)
        elements = list(_folded(elements))
    return ",".join(elements)


def _elements(text: str) -> Iterator[str]:
    """Yield what stands between the commas outside brackets."""
    start, depth = 0, 0
    for match in re.finditer(r"[][,]", text + ","):
        mark, at = match[0], match.start()
        if mark != ",":
            depth += 1 if mark == "[" else -1
        if depth not in (0, 1):
            raise HostListError(f"{_shown(text[start : at + 1])} has a bracket that does not belong there")
        if mark == "," and depth == 0:
            if element := text[start:at].strip():
                yield element
            start = at + 1
    if depth:
        raise HostListError(f"{_shown(text[start:])} has a bracket that is not closed")


def _parts(element: str) -> Iterator[Part]:
    """Yield the plain and the bracketed pieces of a name."""
    if re.search(r"\s", element):
        raise HostListError(f"{_shown(element)} has white space in it; names are separated by commas")
    for position, piece in enumerate(re.split(r"[][]", element)):
        if position % 2:
            yield [_numbers(element, one) for one in piece.split(",")]
        elif piece:
            yield piece


def _numbers(element: str, text: str) -> Numbers:
    match = RANGE.fullmatch(text)
    if match is None:
        raise HostListError(f"{_shown(element)} has {_shown(text)} in brackets, which is no number and no range")
    first, last = match[1], match[2] or match[1]
    if max(len(first), len(last)) > MAX_DIGITS:
        raise HostListError(f"{_shown(element)} has a number of more than {MAX_DIGITS} digits")
    if int(last) < int(first):
        raise HostListError(f"{_shown(element)} has a range that ends before it begins: {text}")
    return range(int(first), int(last) + 1), len(first)


def _count(part: Part) -> int:
    return 1 if isinstance(part, str) else sum(len(numbers) for numbers, _ in part)


def _width(part: Part) -> int:
    """Return the characters of the longest text that a piece stands for."""
    if isinstance(part, str):
        return len(part)
    return max(max(width, len(str(numbers[-1]))) for numbers, width in part)


def _options(part: Part) -> list[str]:
    if isinstance(part, str):
        return [part]
    return [f"{number:0{width}d}" for numbers, width in part for number in numbers]


def _folded(elements: list[str]) -> Iterator[str]:
    """Yield elements, those next to each other that differ in one number left of all brackets as one of them."""
    start = 0
    while start < len(elements):
        fields = _fields(elements[start])
        place, end = None, start + 1
        run = [fields]
        while end < len(elements):
            other = _fields(elements[end])
            if place is None:
                place = _difference(fields, other)
            if place is None or not _alike(fields, other, place):
                break
            run.append(other)
            end += 1
        yield "".join(fields) if place is None else _one(run, place)
        start = end


def _fields(element: str) -> list[str]:
    """Return the texts and, between them, the numbers of an element; what begins with a bracket is one text."""
    head, bracket, tail = element.partition("[")
    fields = NUMBER.split(head)
    fields[-1] += bracket + tail
    return fields


def _difference(one: list[str], other: list[str]) -> int | None:
    """Return the place of the only number in which two elements differ."""
    if len(one) != len(other):
        return None
    places = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    return places[0] if len(places) == 1 and _alike(one, other, places[0]) else None


def _alike(one: list[str], other: list[str], place: int) -> bool:
    same = one[:place] == other[:place] and one[place + 1 :] == other[place + 1 :]
    return same and place % 2 == 1 and max(len(one[place]), len(other[place])) <= MAX_DIGITS


def _one(run: list[list[str]], place: int) -> str:
    """Return one element for those of a run, with the numbers at a place in brackets."""
    ranges: list[tuple[str, str]] = []
    for fields in run:
        number = fields[place]
        first, last = ranges[-1] if ranges else ("", "")
        if ranges and number == f"{int(last) + 1:0{len(first)}d}":
            ranges[-1] = (first, number)
        else:
            ranges.append((number, number))
    inside = ",".join(first if first == last else f"{first}-{last}" for first, last in ranges)
    head, tail = run[0][:place], run[0][place + 1 :]
    return f"{''.join(head)}[{inside}]{''.join(tail)}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
