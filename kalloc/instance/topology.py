"""The static topology as dense ids and arrays: nodes, the domains of every level, and who holds whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kalloc.instance.rows import NodeGroup

if TYPE_CHECKING:
    import networkx as nx

NODE = "node"
"""The finest level, always there and never listed."""

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Topology:
    """Nodes and domains by dense ids. Level 0 is the coarsest; the last level is ``node``.

    A domain is its whole path: rack ``r1`` under ``su1`` and rack ``r1`` under ``su2`` are two domains.
    """

    levels: tuple[str, ...]
    """Names, coarse to fine, ``node`` last."""
    weights: tuple[int, ...]
    """Cost of one domain more than needed, per level."""
    groups: tuple[NodeGroup, ...]
    group: Ids
    """Group of each node, shape (nodes,)."""
    domain: tuple[Ids, ...]
    """Per level the domain of each node, shape (nodes,); at level ``node`` the node itself."""
    paths: tuple[tuple[tuple[str, ...], ...], ...]
    """Per level but the last, the path of each domain."""

    @classmethod
    def of(cls, levels: Sequence[str], weights: Sequence[int], groups: Sequence[NodeGroup]) -> Topology:
        """Number the nodes in the order of the groups, and the domains in the order of first appearance."""
        counts = np.array([row.count for row in groups], dtype=np.int64)
        group = np.repeat(np.arange(len(groups), dtype=np.int64), counts)
        domain, paths = [], []
        for depth in range(1, len(levels) + 1):
            ids: dict[tuple[str, ...], int] = {}
            of_group = np.array([ids.setdefault(row.path[:depth], len(ids)) for row in groups], dtype=np.int64)
            domain.append(of_group[group])
            paths.append(tuple(ids))
        domain.append(np.arange(len(group), dtype=np.int64))
        return cls((*levels, NODE), tuple(weights), tuple(groups), group, tuple(domain), tuple(paths))

    def __getstate__(self) -> dict[str, object]:
        """Return what other processes get: all but what can be made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def node_count(self) -> int:
        """Number of nodes, those that are down included."""
        return len(self.group)

    def domain_count(self, level: int) -> int:
        """Return the number of domains of a level."""
        return self.node_count if level == len(self.levels) - 1 else len(self.paths[level])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each node: its own, or its path joined by ``/`` and ``n1``, ``n2`` and so on within its place."""
        names: list[str] = []
        seen: dict[tuple[str, ...], int] = {}
        for row in self.groups:
            if row.node is not None:
                names.append(row.node)
                continue
            first = seen.get(row.path, 0)
            place = "/".join(row.path)
            names.extend(f"{place}/n{first + i + 1}" if place else f"n{first + i + 1}" for i in range(row.count))
            seen[row.path] = first + row.count
        return tuple(names)

    @cached_property
    def node_ids(self) -> dict[str, int]:
        """Id of each node by its name."""
        return {name: node for node, name in enumerate(self.names)}

    @cached_property
    def gpus(self) -> Ids:
        """GPUs of each node that is up, 0 where it is down, shape (nodes,)."""
        usable = np.array([row.gpus if row.state == "up" else 0 for row in self.groups], dtype=np.int64)
        return np.asarray(usable[self.group])

    @cached_property
    def _rows(self) -> list[NodeGroup]:
        return [self.groups[group] for group in self.group.tolist()]

    def row(self, node: int) -> NodeGroup:
        """Return the inventory row of a node."""
        return self._rows[node]

    def graph(self) -> nx.DiGraph[Any]:
        """Return the topology as a tree of networkx, edges from coarse to fine.

        The root is the empty tuple, a domain is its path, a node is its name. Domains carry ``level``; nodes
        carry ``level``, ``kind``, ``gpus``, ``owner`` and ``state``.
        """
        import networkx as nx

        graph: nx.DiGraph[Any] = nx.DiGraph()
        graph.add_node((), level="")
        for level, paths in zip(self.levels, self.paths, strict=False):
            for path in paths:
                graph.add_node(path, level=level)
                graph.add_edge(path[:-1], path)
        for node, name in enumerate(self.names):
            row = self.row(node)
            graph.add_node(name, level=NODE, kind=row.kind, gpus=row.gpus, owner=row.owner, state=row.state)
            graph.add_edge(row.path, name)
        return graph
