"""Trees of switches: who hangs below whom, in lines of any order, as one domain a level for every node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kalloc.instance.hints import Hints
from kalloc.io.hostlists import MAX_HOSTS, HostListError, expand
from kalloc.io.importing.facts import Findings, NodeFact, Where

MAX_RANKS = 64
"""Switches one below the other; no network has half as many."""


@dataclass
class Switch:
    """A switch, or anything that holds nodes or others of its like."""

    name: str
    where: Where
    children: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    """What it says of every node below."""


Switches = Mapping[str, Switch]


def expanded(text: str, where: Where, found: Findings) -> list[str]:
    """Return the names of a host list, or none and a defect."""
    try:
        names = expand(text, min(MAX_HOSTS, found.hosts_left))
    except HostListError as error:
        found.wrong(where, f"the host list {error}")
        return []
    found.hosts_left -= len(names)
    return names


def parents(switches: Switches, found: Findings) -> dict[str, str]:
    """Return the switch above each that has one; unknown children and cycles are defects."""
    above: dict[str, str] = {}
    hints = Hints(switches)
    for switch in switches.values():
        for child in switch.children:
            if child not in switches:
                message = f"{switch.name!r} holds {child!r}, which nothing describes{hints.of(child)}"
                found.wrong(switch.where, message)
            elif child in above:
                message = f"{child!r} hangs below {above[child]!r} and {switch.name!r}; the first is taken"
                found.ambiguous(switch.where, message)
            else:
                above[child] = switch.name
    for loop in _loops(above):
        first = loop.index(min(loop, key=lambda name: switches[name].where.number or 0))
        loop = [*loop[first:], *loop[:first]]
        found.wrong(switches[loop[0]].where, f"{loop[0]!r} is below itself: {' → '.join([*loop, loop[0]][:12])}")
    return above


def _loops(above: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield the names of each cycle once."""
    done: set[str] = set()
    for start in above:
        line: dict[str, None] = {}
        name: str | None = start
        while name is not None and name not in done and name not in line:
            line[name] = None
            name = above.get(name)
        if name is not None and name in line:
            names = list(line)
            yield names[names.index(name) :]
        done.update(line)


def heights(switches: Switches, above: Mapping[str, str]) -> dict[str, int]:
    """Return how many switches stand one below the other under each; there must be no cycle."""
    left = dict.fromkeys(switches, 0)
    for parent in above.values():
        left[parent] += 1
    height = dict.fromkeys(switches, 0)
    ready = [name for name, count in left.items() if count == 0]
    for name in ready:
        over = above.get(name)
        if over is None:
            continue
        height[over] = max(height[over], height[name] + 1)
        left[over] -= 1
        if left[over] == 0:
            ready.append(over)
    return height


def place_by_height(switches: Switches, level: str, found: Findings) -> tuple[tuple[str, ...], list[NodeFact]]:
    """Return the levels, coarse to fine, and every node with its domain at each of them.

    The switches over nodes are level 0, any other is one above the highest below it; ``level`` and that number is
    the name of a level. A branch that lacks a level has the name of the domain below there: what it holds is
    joined higher up only.
    """
    above = parents(switches, found)
    found.raise_if_any()
    rank = heights(switches, above)
    most = max(rank.values(), default=-1)
    if most >= MAX_RANKS:
        top = next(name for name, height in rank.items() if height == most)
        found.wrong(
            switches[top].where, f"under {top!r} are {most} switches one below the other, more than {MAX_RANKS}"
        )
        found.raise_if_any()
    names = [f"{level}{height}" for height in range(most + 1)]
    return tuple(reversed(names)), place_by_rank(switches, above, rank, names, found)


def place_by_rank(
    switches: Switches,
    above: Mapping[str, str],
    rank: Mapping[str, int],
    names: Sequence[str],
    found: Findings,
    used: Iterable[str] = (),
) -> list[NodeFact]:
    """Return every node with the switches above it; ``names`` are the levels by rank, fine to coarse.

    Switches that hold no node are noted, but for those that are ``used`` otherwise.
    """
    nodes: dict[str, NodeFact] = {}
    for switch in switches.values():
        if not switch.nodes:
            continue
        place, labels = place_over(switch.name, switches, above, rank, names)
        for name in switch.nodes:
            first = nodes.setdefault(name, NodeFact(name, switch.where, dict(place), labels=labels))
            if first.place != place:
                message = f"node {name!r} hangs on another one too, in {first.where}; that one is taken"
                found.ambiguous(switch.where, f"{switch.name!r}: {message}")
    used = {*used, *(domain for node in nodes.values() for domain in node.place.values())}
    for switch in switches.values():
        if switch.name not in used:
            found.dropped(switch.where, f"{switch.name!r} holds no node")
    return list(nodes.values())


def place_over(
    name: str, switches: Switches, above: Mapping[str, str], height: Mapping[str, int], names: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the domains over the nodes of a switch by level, and the labels on the way; the nearest one counts."""
    place: dict[str, str] = {}
    labels: dict[str, str] = {}
    at: str | None = name
    rank = height[name]
    last = name
    while at is not None:
        while rank < height[at]:
            place[names[rank]] = last
            rank += 1
        place[names[rank]], last = at, at
        rank += 1
        labels = {**switches[at].labels, **labels}
        at = above.get(at)
    place.update(dict.fromkeys(names[rank:], last))
    return place, labels
