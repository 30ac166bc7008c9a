"""Labels of nodes that name domains: those that clouds and tools are known to set, and the user's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from kalloc.io.exporting.objects import KIND, NAME, OWNER, PLAN, POOL, PREFIX
from kalloc.io.importing.facts import Facts, Findings, NodeFact
from kalloc.io.importing.levels import GEOGRAPHIC
from kalloc.io.importing.options import ImportOptions

HOST = "kubernetes.io/hostname"
ACCELERATOR = "accelerator"

PRESETS: Mapping[str, str] = {
    "topology.kubernetes.io/region": "region",
    "failure-domain.beta.kubernetes.io/region": "region",
    "topology.kubernetes.io/zone": "zone",
    "failure-domain.beta.kubernetes.io/zone": "zone",
    "oci.oraclecloud.com/rdma.hpc_island_id": "hpc-island",
    "oci.oraclecloud.com/rdma.network_block_id": "network-block",
    "oci.oraclecloud.com/rdma.local_block_id": "local-block",
    "topology.k8s.aws/network-node-layer-1": "layer-1",
    "topology.k8s.aws/network-node-layer-2": "layer-2",
    "topology.k8s.aws/network-node-layer-3": "layer-3",
    "topology.k8s.aws/network-node-layer-4": "layer-4",
    "topology.k8s.aws/ultraserver-id": "ultraserver",
    "cloud.google.com/gce-topology-block": "gce-block",
    "cloud.google.com/gce-topology-subblock": "gce-subblock",
    "network.topology.nvidia.com/datacenter": "datacenter",
    "network.topology.nvidia.com/core": "core",
    "network.topology.nvidia.com/spine": "spine",
    "network.topology.nvidia.com/leaf": "leaf",
    "network.topology.nvidia.com/block": "leaf",
    "topology.kubernetes.io/network-level-3": "network-level-3",
    "topology.kubernetes.io/network-level-2": "network-level-2",
    "topology.kubernetes.io/network-level-1": "network-level-1",
    **{f"fabric.topograph.run/tier-{tier}": f"tier-{tier}" for tier in reversed(range(10))},
    "cloud.provider.com/topology-block": "block",
    "cloud.provider.com/topology-rack": "rack",
    "network.topology.nvidia.com/accelerator": ACCELERATOR,
    "accelerator.topograph.run/domain": ACCELERATOR,
    "accelerator.topology.test/domain": ACCELERATOR,
}
"""Level by label, coarse to fine: Kubernetes, OCI, EKS, GKE, topograph old and new, Kueue's example labels."""


def place_by_labels(sources: Sequence[Facts], options: ImportOptions, found: Findings) -> None:
    """Give nodes with labels their domains.

    The levels are the labels that a Kueue Topology lists, if there is one, or else those that kalloc itself has set,
    or else the known ones; and always those that the options name.
    """
    listed = [label for facts in sources for label in facts.label_levels if label != HOST]
    own = [label for entry in options.sources_of_levels for label in entry.split("|")]
    for facts in sources:
        labelled = [node for node in facts.nodes if node.labels]
        if not labelled:
            continue
        used = {label for node in labelled for label in node.labels}
        chosen = {label: level_of(label) for label in listed if label in used}
        ours = {label: level_of(label) for label in labelled[0].labels if _is_ours(label)}
        if not chosen and ours:
            chosen = ours
        elif not chosen:
            chosen = {label: level for label, level in PRESETS.items() if label in used}
        elif ignored := [label for label in PRESETS if label in used and label not in chosen]:
            found.dropped(labelled[0].where, f"labels that the Topology does not list: {', '.join(ignored)}")
        chosen |= {label: label for label in own if label in used}
        _set(labelled, chosen)
        levels = _distinct((*facts.levels, *chosen.values()), {*own, *ours.values()}, labelled, found)
        ordered = listed or (ours and list(ours) != sorted(ours))
        facts.levels = levels if ordered else tuple(sorted(levels, key=lambda level: _fineness(labelled, level)))
        _note_lacking(labelled, chosen, found)


def level_of(label: str) -> str:
    """Return the level that a label stands for; a label that nobody knows is its own level."""
    return PRESETS.get(label) or (label.removeprefix(f"{PREFIX}/") if _is_ours(label) else label)


def _is_ours(label: str) -> bool:
    """Tell whether kalloc has made a label of a level."""
    return label.startswith(f"{PREFIX}/") and label not in (KIND, OWNER, POOL, PLAN, NAME)


def _set(nodes: Iterable[NodeFact], chosen: Mapping[str, str]) -> None:
    for node in nodes:
        for label, level in chosen.items():
            if label in node.labels:
                node.place.setdefault(level, node.labels[label])


def _distinct(
    levels: Iterable[str], own: Collection[str], nodes: Sequence[NodeFact], found: Findings
) -> tuple[str, ...]:
    """Return the levels without those that say of every node what an earlier one says, unless they are asked for."""
    kept: dict[tuple[str | None, ...], str] = {}
    left = []
    for level in dict.fromkeys(levels):
        domains = tuple(node.place.get(level) for node in nodes)
        same = kept.setdefault(domains, level)
        if same == level or level in own:
            left.append(level)
        else:
            found.dropped(nodes[0].where, f"level {level!r} says of every node what {same!r} says")
    return tuple(left)


def _fineness(nodes: Iterable[NodeFact], level: str) -> tuple[bool, int, int]:
    """Return how fine a level is: places on the map first, then what has fewer domains, then as in the presets."""
    return level not in GEOGRAPHIC, len({node.place.get(level) for node in nodes}), _rank(level)


def _rank(level: str) -> int:
    """Return how fine a level is among the known ones; the user's own come last."""
    known = list(dict.fromkeys(PRESETS.values()))
    return known.index(level) if level in known else len(known)


def _note_lacking(nodes: Sequence[NodeFact], chosen: Mapping[str, str], found: Findings) -> None:
    for level in dict.fromkeys(chosen.values()):
        lacking = [node for node in nodes if level not in node.place]
        if lacking:
            one = f"node {lacking[0].name!r}" + (f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else "")
            found.ambiguous(lacking[0].where, f"no label gives the {level} of {one}; they share a nameless one")
