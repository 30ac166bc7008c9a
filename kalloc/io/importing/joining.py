"""Several sources as one inventory, by the names of nodes, and where they do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, NodeFact

FIELDS = ("kind", "gpus", "owner", "state")
ONLY = "only in one source"


@dataclass(frozen=True)
class Difference:
    """A node of which two sources say different things, or that only one has: a row of the reconciliation."""

    node: str
    what: str
    """A level, ``kind``, ``gpus``, ``owner``, ``state``, or that it is only in one source."""
    source: str
    value: str
    """What is taken."""
    other: str
    other_value: str

    def __str__(self) -> str:
        """Return ``node 'g1', rack: slurm-nodes says 'r1', netbox says 'r2'``."""
        if self.what == ONLY:
            return f"node {self.node!r} is in {self.source}, but not in {self.other}"
        said = f"{self.source} says {self.value!r}, {self.other} says {self.other_value!r}"
        return f"node {self.node!r}, {self.what}: {said}"


@dataclass(frozen=True)
class Joined:
    """The nodes of all sources, each once."""

    nodes: tuple[NodeFact, ...]
    differences: tuple[Difference, ...]


def join(sources: Sequence[Facts], levels: Sequence[str], found: Findings) -> Joined:
    """Return every node with what the first source says that says it, and where a later one says otherwise.

    A device that is only in a source of devices is left out; so is a node of which no source says how many
    GPUs it has, where another source says that of its own nodes.
    """
    held = [(facts.source, _once(facts, found)) for facts in sources if facts.nodes]
    differences: list[Difference] = []
    joined: list[NodeFact] = []
    for name in dict.fromkeys(name for _, nodes in held for name in nodes):
        said = [(source, nodes[name]) for source, nodes in held if name in nodes]
        if len(held) > 1 and len(said) < len(held) and not all(node.device for _, node in said):
            differences += _missing(name, said, held)
        joined.append(_merge(said))
        differences += _differences(name, said, levels)
    unnamed = [node for facts in sources for node in facts.nodes if node.name is None]
    return Joined(tuple(_sorted_out([*joined, *unnamed], len(held) > 1, found)), tuple(differences))


def _once(facts: Facts, found: Findings) -> dict[str, NodeFact]:
    """Return the named nodes of a source, those that it lists again left out."""
    nodes: dict[str, NodeFact] = {}
    for node in facts.nodes:
        if node.name is None:
            continue
        first = nodes.setdefault(node.name, node)
        if first is node:
            continue
        differ = [name for name in (*FIELDS, "place") if getattr(node, name) != getattr(first, name)]
        if differ:
            message = f"node {node.name!r} is in {first.where} with another {differ[0]}; what is there is taken"
            found.ambiguous(node.where, message)
        else:
            found.dropped(node.where, f"node {node.name!r} is in {first.where} already")
    return nodes


def _merge(said: Sequence[tuple[str, NodeFact]]) -> NodeFact:
    """Return one node: of every value the first that is given."""
    first = said[0][1]
    if len(said) == 1:
        return first
    place: dict[str, str] = {}
    for _, node in reversed(said):
        place.update(node.place)
    given: dict[str, Any] = {
        name: next((value for _, node in said if (value := getattr(node, name)) is not None), None) for name in FIELDS
    }
    return replace(first, place=place, device=all(node.device for _, node in said), **given)


def _missing(
    name: str, said: Sequence[tuple[str, NodeFact]], held: Sequence[tuple[str, Mapping[str, NodeFact]]]
) -> Iterator[Difference]:
    has = {source for source, _ in said}
    for source, nodes in held:
        if name not in nodes:
            yield Difference(name, ONLY, ", ".join(sorted(has)), "", source, "")


def _differences(name: str, said: Sequence[tuple[str, NodeFact]], levels: Sequence[str]) -> Iterator[Difference]:
    """Yield where a later source says something else than the first one that says it."""
    taken: dict[str, tuple[str, str]] = {}
    for source, node in said:
        values = {level: node.place.get(level) for level in levels}
        values |= {field: getattr(node, field) for field in FIELDS}
        for what, value in values.items():
            if value is None:
                continue
            first, text = taken.setdefault(what, (source, str(value)))
            if text != str(value):
                yield Difference(name, what, first, text, source, str(value))


def _sorted_out(nodes: Sequence[NodeFact], several: bool, found: Findings) -> Iterator[NodeFact]:
    """Yield the nodes that have GPUs, as far as anybody says; the others are noted."""
    counted = several and any(node.gpus is not None for node in nodes)
    for node in nodes:
        if node.device:
            found.dropped(node.where, f"device {node.name!r} is a GPU node by nothing that is said of it")
        elif node.gpus == 0:
            found.dropped(node.where, f"node {node.name!r} has no GPUs")
        elif counted and node.gpus is None:
            found.dropped(node.where, f"node {node.name!r} is in no source that says how many GPUs a node has")
        else:
            yield node
