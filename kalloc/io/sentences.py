"""What is wrong with one value, in a sentence a planner understands."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kalloc.instance.hints import nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

WHOLE = ("int_type", "int_parsing", "int_parsing_size", "int_from_float")
NUMBER = ("float_type", "float_parsing")
FLAG = ("bool_type", "bool_parsing")


def sentence(error: ErrorDetails, known: Collection[str]) -> str:
    """Return what is wrong; ``known`` are the names that may stand where an unknown one does."""
    what, given = error["type"], shown(error["input"])
    if what == "extra_forbidden":
        return f"unknown; {nearest(str(error['loc'][-1]), known)}" if known else "unknown"
    if what == "missing" or (what == "string_too_short" and not str(error["input"]).strip()):
        return "is empty, but must be given"
    if what in WHOLE:
        return f"is not a whole number: {given}"
    if what in NUMBER:
        return f"is not a number: {given}"
    if what in FLAG:
        return f"must be true or false, not {given}"
    if what == "literal_error":
        return f"must be one of {error['ctx']['expected'].replace(' or ', ', ')}, not {given}"
    return _limit(what, error.get("ctx", {}), given) or _text(what, error.get("ctx", {}), given) or error["msg"]


def shown(value: object) -> str:
    """Return a value as it was written, cut where it is long."""
    text = repr(value[:60]) if isinstance(value, str) else repr(value)[:60]
    return text + " …" if isinstance(value, str) and len(value) > 60 else text


def _limit(what: str, context: dict[str, Any], given: str) -> str | None:
    if what == "greater_than_equal":
        return f"is negative: {given}" if context["ge"] == 0 else f"must be {context['ge']} or more, not {given}"
    if what == "greater_than":
        return f"must be more than {context['gt']:g}, not {given}"
    if what == "less_than_equal":
        most = context["le"]
        return f"must be {int(most) if most == int(most) else most:,} or less, not {given}"
    return f"must be a finite number, not {given}" if what == "finite_number" else None


def _text(what: str, context: dict[str, Any], given: str) -> str | None:
    if what == "string_type":
        return f"is not a text: {given}"
    if what == "string_too_long":
        return f"is longer than {context['max_length']:,} characters: {given}"
    if what == "string_pattern_mismatch":
        return f"has control characters: {given}"
    if what == "string_unicode":
        return "has characters that are no Unicode text"
    if what == "too_short":
        return f"has fewer than {context['min_length']} entries"
    if what == "too_long":
        return f"has more than {context['max_length']} entries"
    if what.startswith("date"):
        return f"is not a date such as 2026-01-28: {given}"
    shapes = {"tuple_type": "a list", "list_type": "a list", "dict_type": "a table", "model_type": "a table"}
    return f"must be {shapes[what]}, not {given}" if what in shapes else None
