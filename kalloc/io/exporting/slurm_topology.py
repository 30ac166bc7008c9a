"""Slurm's topology.conf and topology.yaml: a switch for every domain, and the finest domains as blocks."""

from __future__ import annotations

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

    def yaml(self) -> bytes:
        """Return topology.yaml: the tree, and the finest domains as blocks where every node is in one of several."""
        switches = [
            {"switch": name, "children": below} if below else {"switch": name, "nodes": nodes}
            for name, below, nodes in self.rows()
        ]
        found: list[Object] = [{"topology": "tree", "cluster_default": True, "tree": {"switches": switches}}]
        leaves = [domain for domain in self.domains if domain.nodes]
        finest = len(self.instance.hierarchy.levels) - 1
        if len(leaves) > 1 and not self.loose and all(domain.level == finest for domain in leaves):
            named = [(self.named(self.titles[leaf.path]), self.listed(leaf.nodes)) for leaf in leaves]
            blocks = [{"block": name, "nodes": nodes} for name, nodes in named]
            sizes = [min(len(leaf.nodes) for leaf in leaves)]
            found.append(
                {"topology": "block", "cluster_default": False, "block": {"block_sizes": sizes, "blocks": blocks}}
            )
        return documents([found])
