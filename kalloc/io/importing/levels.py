"""The levels of an inventory: those of its sources under one set of names, coarse to fine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from kalloc.instance import NODE
from kalloc.instance.checks import RESERVED
from kalloc.instance.hints import nearest
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Where

MAX_LEVELS = 7
OPTION = Where("--levels")
GEOGRAPHIC = ("region", "site", "zone")
"""Levels that hold whatever has as few domains as they have."""


def rename(sources: Iterable[Facts], wanted: Sequence[str]) -> list[str]:
    """Give the levels of the sources the names that are wanted, and return those names.

    ``wanted`` has a name, ``new=old`` or ``new=old|other`` for each level.
    """
    names: dict[str, str] = {}
    for entry in wanted:
        new, _, old = (part.strip() for part in entry.partition("="))
        names.update({one.strip(): new for one in old.split("|")} if old else {})
    for facts in sources:
        if not names.keys() & set(facts.levels):
            continue
        facts.levels = tuple(dict.fromkeys(names.get(level, level) for level in facts.levels))
        for node in facts.nodes:
            place: dict[str, str] = {}
            for level, domain in node.place.items():
                place.setdefault(names.get(level, level), domain)
            node.place = place
    return [entry.partition("=")[0].strip() for entry in wanted]


def choose(sources: Sequence[Facts], wanted: Sequence[str], found: Findings) -> dict[str, str]:
    """Return the levels of the inventory, coarse to fine, each with the name that it gets.

    Wanted levels that no source has, all of them, are taken as new names for those that the sources have.
    """
    names = rename(sources, wanted)
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        found.wrong(OPTION, f"has the level {name!r} twice")
    found.raise_if_any()
    known, woven = _merged(sources, found)
    if woven and not set(names) & set(known):
        found.guessed(OPTION, f"the order of the levels of all sources: {', '.join(known)}")
    chosen = dict(zip(known, known, strict=True))
    if names and not set(names) & set(known):
        chosen = dict(zip(known, names, strict=False))
        if len(names) != len(known):
            have = ", ".join(known) or "none"
            found.wrong(
                OPTION, f"no source has any of {', '.join(names)}, and they are not as many as there are: {have}"
            )
    elif names:
        chosen = {name: name for name in names}
        for name in dict.fromkeys(name for name in names if name not in known):
            found.wrong(OPTION, f"no source has the level {name!r}; {nearest(name, known)}")
        for level in known:
            if level not in names:
                found.dropped(OPTION, f"level {level!r} is not among the levels that are wanted")
    _check(list(chosen.values()), found)
    return chosen


def _check(names: Sequence[str], found: Findings) -> None:
    for name in names:
        if name in RESERVED or name == NODE:
            found.wrong(OPTION, f"{name!r} is a column of the tables; rename that level: new=old")
        if not name:
            found.wrong(OPTION, "has a level without a name")
    if len(names) > MAX_LEVELS:
        found.wrong(OPTION, f"there are {len(names)} levels; choose {MAX_LEVELS} at most: {', '.join(names)[:300]}")


def _merged(sources: Sequence[Facts], found: Findings) -> tuple[list[str], bool]:
    """Return the levels of all sources in one order, and whether it is a guess: fewer domains first."""
    _unite(sources, found)
    merged: list[str] = []
    woven = False
    for facts in sources:
        new = [level for level in facts.levels if level not in merged]
        if merged and new:
            counts = {level: _count(sources, level) for level in (*merged, *new)}
            merged = list(_woven(merged, facts.levels, counts))
            woven = True
        else:
            merged += new
    return merged, woven


def _woven(one: Sequence[str], other: Sequence[str], counts: dict[str, int]) -> Iterator[str]:
    """Weave two orders into one; what both have in common stands where the first has it."""
    left, right = list(one), [level for level in other if level not in one]
    while left and right:
        first = (counts[left[0]], left[0] not in GEOGRAPHIC) <= (counts[right[0]], right[0] not in GEOGRAPHIC)
        yield (left if first else right).pop(0)
    yield from (*left, *right)


def _count(sources: Iterable[Facts], level: str) -> int:
    return len({node.place[level] for facts in sources for node in facts.nodes if level in node.place})


def _unite(sources: Sequence[Facts], found: Findings) -> None:
    """Let levels of two sources that have the same domain for every node be one level."""
    known: dict[str, dict[str, str]] = {}
    others: dict[str, None] = {}
    for facts in sources:
        for level in facts.levels if others else ():
            pairs = [(known[str(node.name)], node.place[level]) for node in facts.nodes if _in_both(node, known, level)]
            for other in others:
                if other in facts.levels or level in others or not pairs:
                    continue
                if all(place.get(other) == domain for place, domain in pairs):
                    message = f"level {level!r} of {facts.source} is taken for {other!r}: every node has the same there"
                    found.guessed(facts.nodes[0].where, message)
                    rename([facts], [f"{other}={level}"])
                    break
        others.update(dict.fromkeys(facts.levels))
        for node in facts.nodes:
            if node.name is not None:
                known[node.name] = {**node.place, **known.get(node.name, {})}


def _in_both(node: NodeFact, known: Collection[str], level: str) -> bool:
    """Tell whether a source that came before has the node too, and this one its domain of a level."""
    return node.name in known and level in node.place


def note_split_domains(levels: Sequence[str], nodes: Iterable[NodeFact], found: Findings) -> None:
    """Note the names that stand in several domains of the level above: they are as many domains."""
    where: dict[tuple[str, str], tuple[str, str, Where]] = {}
    split: dict[str, tuple[int, str, Where]] = {}
    for node in nodes:
        for coarse, fine in pairwise(levels):
            above, name = node.place.get(coarse, ""), node.place.get(fine, "")
            if not name:
                continue
            first = where.setdefault((fine, name), (above, name, node.where))
            if first[0] != above:
                count, example, at = split.get(fine, (0, f"{name!r} in {first[0]!r} and {above!r}", node.where))
                split[fine] = (count + 1, example, at)
    for level, (count, example, at) in split.items():
        message = (
            f"names of {level!r} are in several domains above, {example} first (nodes: {count:,}); each is its own"
        )
        found.ambiguous(at, message)
