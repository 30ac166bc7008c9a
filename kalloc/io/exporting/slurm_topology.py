"""Slurm's topology.conf and topology.yaml: a switch for every domain, and the finest domains as blocks."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from kalloc.io.exporting.domains import titles, tree
from kalloc.io.exporting.names import Names, fit
from kalloc.io.exporting.slurm_names import SWITCH
from kalloc.io.exporting.yamls import Object, documents
from kalloc.io.hostlists import compress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalloc.instance import Instance

Switch = tuple[str, str, str]
"""A name, and host lists of the switches and of the nodes below it: one of them is empty."""


class Fabric:
    """The switches of an instance, each after the one above it."""

    def __init__(self, instance: Instance, hosts: Names) -> None:
        self.instance = instance
        self.hosts = hosts
        self.domains, self.loose = tree(instance.topology)
        self.titles = {domain.path: title for domain, title in zip(self.domains, titles(self.domains), strict=True)}
        mixed = (self.inner(domain.path) for domain in self.domains if domain.below and domain.nodes)
        keys = [*(("switch", title) for title in self.titles.values()), *(("switch", title) for title in mixed)]
        self.switches = fit(SWITCH, [*keys, ("switch", instance.name)])

    def inner(self, path: tuple[str, ...]) -> str:
        """Return the title of a switch for nodes that hang on a domain which has others below it."""
        return f"{self.titles[path]}/nodes"

    def rows(self) -> list[Switch]:
        """Return the switches; nodes that are in no domain have one of their own."""
        found = []
        for domain in self.domains:
            below = [self.titles[other.path] for other in domain.below]
            if below and domain.nodes:
                found.append((self.named(self.inner(domain.path)), "", self.listed(domain.nodes)))
                below.append(self.inner(domain.path))
            nodes = "" if below else self.listed(domain.nodes)
            found.append((self.named(self.titles[domain.path]), compress(map(self.named, below)), nodes))
        if self.loose:
            found.append((self.named(self.instance.name), "", self.listed(self.loose)))
        return found

    def named(self, title: str) -> str:
        """Return the name of a switch."""
        return self.switches("switch", title)

    def listed(self, nodes: Iterable[int]) -> str:
        """Return nodes as a host list."""
        names = self.instance.topology.names
        return compress(self.hosts("node", names[node]) for node in nodes)

    def conf(self) -> bytes:
        """Return topology.conf for the plugin topology/tree."""
        lines = [
            f"SwitchName={name} {f'Switches={switches}' if switches else f'Nodes={nodes}'}"
            for name, switches, nodes in self.rows()
        ]
        head = "# For TopologyPlugin=topology/tree. Slurm ignores this file where there is a topology.yaml."
        return "\n".join([head, *lines, ""]).encode()

    def blocks(self) -> tuple[list[tuple[str, str]], list[int]]:
        """Return the finest domains as blocks with their nodes, and the block sizes; none where they are no blocks.

        They are blocks where each node is in one of several. The smallest of them is the base size, and a level whose
        domains all hold as many of them, one after the other, a power of two, is a larger size.
        """
        leaves = [domain for domain in self.domains if domain.nodes]
        finest = len(self.instance.hierarchy.levels) - 1
        if len(leaves) < 2 or self.loose or any(leaf.level != finest for leaf in leaves):
            return [], []
        counts = [1]
        for depth in range(finest, 0, -1):
            runs = [len(list(run)) for _, run in groupby(leaf.path[:depth] for leaf in leaves)]
            alike = len(set(runs)) == 1 and len(runs) == len({leaf.path[:depth] for leaf in leaves})
            if alike and runs[0] > counts[-1] and runs[0].bit_count() == 1:
                counts.append(runs[0])
        base = min(len(leaf.nodes) for leaf in leaves)
        named = [(self.named(self.titles[leaf.path]), self.listed(leaf.nodes)) for leaf in leaves]
        return named, [base * count for count in counts]

    def block_conf(self) -> bytes | None:
        """Return topology.conf for the plugin topology/block, or None where the finest domains are no blocks."""
        blocks, sizes = self.blocks()
        lines = [f"BlockName={name} Nodes={nodes}" for name, nodes in blocks]
        head = "# For TopologyPlugin=topology/block: rename it topology.conf. Slurm ignores it where there is a .yaml."
        return "\n".join([head, *lines, f"BlockSizes={','.join(map(str, sizes))}", ""]).encode() if blocks else None

    def yaml(self) -> bytes:
        """Return topology.yaml: the tree, and the blocks where there are any."""
        switches = [
            {"switch": name, "children": below} if below else {"switch": name, "nodes": nodes}
            for name, below, nodes in self.rows()
        ]
        found: list[Object] = [{"topology": "tree", "cluster_default": True, "tree": {"switches": switches}}]
        blocks, sizes = self.blocks()
        if blocks:
            listed = [{"block": name, "nodes": nodes} for name, nodes in blocks]
            block = {"block_sizes": sizes, "blocks": listed}
            found.append({"topology": "block", "cluster_default": False, "block": block})
        return documents([found])
