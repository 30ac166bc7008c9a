"""The domains of a topology as a tree of names, for systems that know neither levels nor paths."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kalloc.instance import Topology

Path = tuple[str, ...]


@dataclass
class Domain:
    """A domain that has a name, what is right below it, and its nodes that are in no domain below."""

    path: Path
    level: int
    """Depth of its level, 0 for the coarsest."""
    below: list[Domain] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    """Ids of the nodes that hang on it directly."""

    def repeats(self) -> bool:
        """Tell whether it holds nothing but one domain of its own name: a branch with fewer levels than others."""
        return not self.nodes and len(self.below) == 1 and self.below[0].path[-1] == self.path[-1]


def tree(topology: Topology) -> tuple[list[Domain], list[int]]:
    """Return the domains, each after the one above it, and the nodes that are in none.

    A level where a place has no name is passed over: what is there hangs on the next domain above that has one. So
    is a domain that holds nothing but one of its own name.
    """
    found: dict[Path, Domain] = {}
    loose: list[int] = []
    tops: list[Domain] = []
    for node in range(topology.node_count):
        path = topology.row(node).path
        above = None
        for depth, name in enumerate(path):
            if name == "":
                continue
            key = path[: depth + 1]
            if key not in found:
                found[key] = Domain(key, depth)
                (tops if above is None else above.below).append(found[key])
            above = found[key]
        (loose if above is None else above.nodes).append(node)
    return _in_order(tops), loose


def _in_order(domains: list[Domain]) -> list[Domain]:
    """Return domains with all that are below them, coarse before fine, without those that repeat a name."""
    ordered: list[Domain] = []
    domains[:] = [_meant(domain) for domain in domains]
    for domain in domains:
        ordered.append(domain)
        ordered += _in_order(domain.below)
    return ordered


def _meant(domain: Domain) -> Domain:
    while domain.repeats():
        domain = domain.below[0]
    return domain


def titles(domains: list[Domain]) -> list[str]:
    """Return a name for each domain: its own where no other one has it, else its path joined by slashes."""
    seen = Counter(domain.path[-1] for domain in domains)
    return [
        domain.path[-1] if seen[domain.path[-1]] == 1 else "/".join(filter(None, domain.path)) for domain in domains
    ]
