"""Kubernetes: nodes as ``kubectl get nodes -o json`` prints them, or as YAML documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kalloc.io.exporting.objects import KIND, OWNER, PROJECT
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark
from kalloc.io.importing.kinds import known_kind, read_kind
from kalloc.io.importing.objects import Object, by_kind, maps, texts, true, whole
from kalloc.io.importing.options import ImportOptions

RESOURCES = (
    *("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe", "habana.ai/gaudi"),
    *("furiosa.ai/rngd", "rebellions.ai/ATOM", "alibabacloud.com/gpu-count"),
)
"""Extended resources that count whole GPUs."""
PRODUCTS = (
    *("nvidia.com/gpu.product", "amd.com/gpu.product-name", "cloud.google.com/gke-accelerator"),
    *("alibabacloud.com/gpu-card-model", "gpu.nvidia.com/model"),
)
"""Labels that say which GPU a node has."""
TYPES = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes: as many GPUs as are allocatable; cordoned nodes and those not ready are down."""
    facts = Facts("kubernetes")
    resources = (*options.resources, *RESOURCES)
    by_kind(paths, {("", "Node"): lambda item: facts.nodes.append(_node(item, resources, found))}, found)
    return facts


def _node(item: Object, resources: Sequence[str], found: Findings) -> NodeFact:
    labels = texts(item.metadata.get("labels"))
    labels |= {key: name for key, name in texts(item.metadata.get("annotations")).items() if key in labels}
    if item.spec.get("taints"):
        found.once(Remark.DROPPED, item.where, "taints", "taints of nodes are not read")
    gpus = _gpus(item, resources, found)
    kind = _kind(item, labels, found) if gpus != 0 else None
    count = labels.get("nvidia.com/gpu.count")
    if count is not None and gpus is not None and whole(count) != gpus:
        found.ambiguous(item.where, f"node {item.name!r}: {gpus} GPUs are allocatable, its label says {count}")
    if any(key.startswith(f"{PROJECT}/") for key in labels):
        found.once(Remark.DROPPED, item.where, "seats", "what a plan of kalloc has placed on nodes is not read")
    return NodeFact(item.original, item.where, {}, kind, gpus, labels.get(OWNER), _state(item), labels=labels)


def _gpus(item: Object, resources: Sequence[str], found: Findings) -> int | None:
    """Return the GPUs that are allocatable; 0 for a node that lists none, None where nothing is listed at all."""
    allocatable = item.status.get("allocatable")
    if not isinstance(allocatable, dict):
        found.ambiguous(item.where, f"node {item.name!r} has no status.allocatable")
        return None
    sizes = {name: _size(item, name, allocatable, found) for name in resources if name in allocatable}
    used = {name: size for name, size in sizes.items() if size}
    for name in allocatable:
        if name.startswith("nvidia.com/mig-"):
            found.once(Remark.DROPPED, item.where, name, f"parts of GPUs, {name}, are not read")
    if len(used) > 1:
        found.ambiguous(item.where, f"node {item.name!r} has {', '.join(used)}; the first is taken")
    return next(iter(used.values()), 0)


def _size(item: Object, name: str, allocatable: Mapping[str, Any], found: Findings) -> int:
    size = whole(allocatable[name])
    if size is None or size < 0:
        found.wrong(item.where, f"node {item.name!r}: {name} is no number of GPUs: {str(allocatable[name])[:60]!r}")
        return 0
    return size


def _kind(item: Object, labels: Mapping[str, str], found: Findings) -> str | None:
    if KIND in labels:
        return labels[KIND]
    for label in PRODUCTS:
        if label in labels:
            return read_kind(labels[label], item.where, found)
    for label in TYPES:
        if label in labels and known_kind(labels[label]):
            return read_kind(labels[label], item.where, found)
    return None


def _state(item: Object) -> str:
    ready = next((one.get("status") for one in maps(item.status.get("conditions")) if one.get("type") == "Ready"), None)
    fit = ready is None or ready in ("True", "true", True)
    return "up" if fit and not true(item.spec.get("unschedulable")) else "down"
