"""Members that are named by a pattern or by labels: found among the nodes of all sources, in bounded time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kalloc.io.importing.facts import Facts, Findings, NodeFact

MAX_PATTERN = 200
MAX_OPEN = 2
"""Repetitions without an end in one pattern: with more of them a match may take very long."""

_ATOM = r"(?:\\[dw.\-]|\[\^?[\w.:\\-]+\]|[\w.:/-]|\([\w.:|/-]+\))"
_REPEAT = r"(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})"
_SIMPLE = re.compile(rf"\^?(?:{_ATOM}{_REPEAT}?)*\$?", re.ASCII)
_OPEN = re.compile(r"[*+]|\{\d+,\}")
_REPEATED_GROUP = re.compile(rf"\){_REPEAT}")


def simple(text: str) -> re.Pattern[str] | None:
    """Return a regular expression that is searched for in bounded time, or None where this one may not be.

    It has letters, classes, repetitions of them and groups of alternatives that are not repeated.
    """
    if len(text) > MAX_PATTERN or not _SIMPLE.fullmatch(text):
        return None
    if _REPEATED_GROUP.search(text) or len(_OPEN.findall(text)) > MAX_OPEN:
        return None
    try:
        return re.compile(text)
    except (re.error, OverflowError):
        return None


def resolve(sources: Sequence[Facts], found: Findings) -> None:
    """Place the nodes of all sources that members by pattern or by labels mean."""
    if not any(facts.patterns for facts in sources):
        return
    known: dict[str, dict[str, str]] = {}
    for facts in sources:
        for node in facts.nodes:
            if node.name is not None:
                known.setdefault(node.name, {}).update(node.labels)
    for facts in sources:
        placed = {node.name for node in facts.nodes}
        for pattern in facts.patterns:
            names = [name for name, labels in known.items() if name not in placed and pattern.means(name, labels)]
            facts.nodes += [NodeFact(name, pattern.where, dict(pattern.place)) for name in names]
            placed.update(names)
            if not names:
                found.dropped(pattern.where, f"{pattern.what} is no node that a source names and nothing else holds")
