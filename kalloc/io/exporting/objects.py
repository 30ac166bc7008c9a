"""What all exports to Kubernetes share: the names of objects, and the labels of nodes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.io.exporting.names import DNS_LABEL, DNS_NAME, LABEL_NAME, LABEL_VALUE, Names, fit
from kalloc.io.exporting.yamls import Object

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

GPU = "nvidia.com/gpu"
"""The resource that pods ask for, whatever the kind."""
HOSTNAME = "kubernetes.io/hostname"
PREFIX = "kalloc"
"""What stands before the slash in the keys of labels and annotations."""
KIND, OWNER, POOL, PLAN, NAME = (f"{PREFIX}/{name}" for name in ("kind", "owner", "pool", "plan", "name"))
ALL_FLAVOR = "all-kinds"
"""The flavor that stands for all kinds together."""
PROJECT = f"project.{PREFIX}"
"""What stands before the slash in the key of the label that says how many GPUs a project has on a node."""

SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that every cluster has."""
QUALIFIED = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9]([-_.A-Za-z0-9]{,61}[A-Za-z0-9])?")


def meta(name: str, original: str = "", labels: Mapping[str, str] | None = None, **annotations: str) -> Object:
    """Return the metadata of an object; an annotation keeps the original name where it is another."""
    kept = {NAME: original} if original not in ("", name) else {}
    found: Object = {"name": name}
    if labels:
        found["labels"] = dict(labels)
    if kept or annotations:
        found["annotations"] = {**kept, **annotations}
    return found


def fingerprint(plan: Plan) -> str:
    """Return twelve digits that tell this plan from others, as the value of a label."""
    return hashlib.sha256(repr((plan.instance_sha256, plan.grants, plan.seats)).encode()).hexdigest()[:12]


def unnamed(instance: Instance) -> tuple[str, ...]:
    """Return a note where nodes have names that kalloc gave them, if there are any."""
    count = sum(row.count for row in instance.inventory if row.node is None)
    note = f"nodes without a name in the inventory: {count:,}; no cluster knows the names that kalloc gives them"
    return (note,) if count else ()


class Cluster:
    """An instance, and perhaps a plan for it, under names that Kubernetes takes."""

    def __init__(self, instance: Instance, plan: Plan | None) -> None:
        self.instance = instance
        self.plan = plan
        self.name = fit(DNS_NAME, [("instance", instance.name)])("instance", instance.name)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Label key by level: ``kalloc/LEVEL``, or the level itself where it is a key with a prefix."""
        levels = self.instance.hierarchy.levels
        reserved = [key.partition("/")[2] for key in (KIND, OWNER, POOL, PLAN, NAME)]
        made = fit(LABEL_NAME, (("level", level) for level in levels), reserved)
        return {level: level if QUALIFIED.fullmatch(level) else f"{PREFIX}/{made('level', level)}" for level in levels}

    @cached_property
    def pools(self) -> Names:
        """Names of queues and cohorts."""
        return fit(DNS_NAME, (("pool", row.pool) for row in self.instance.pools))

    @cached_property
    def kinds(self) -> Names:
        """Names of kinds as objects."""
        return fit(DNS_NAME, (("kind", row.kind) for row in self.instance.kinds), taken=(ALL_FLAVOR,))

    @cached_property
    def projects(self) -> Names:
        """Names of the namespaces of the projects that get GPUs."""
        grants = () if self.plan is None else self.plan.grants
        return fit(DNS_LABEL, (("project", grant.project) for grant in grants if grant.gpus), taken=SYSTEM)

    @cached_property
    def nodes(self) -> Names:
        """Names of nodes."""
        return fit(DNS_NAME, (("node", name) for name in self.instance.topology.names))

    @cached_property
    def hostnames(self) -> Names:
        """Names of nodes as values of labels."""
        return fit(LABEL_VALUE, (("node", name) for name in self.nodes.made.values()))

    @cached_property
    def values(self) -> dict[str, Names]:
        """Values of labels, by the label's key."""
        instance = self.instance
        found = {
            KIND: fit(LABEL_VALUE, (("kind", row.kind) for row in instance.kinds)),
            OWNER: fit(LABEL_VALUE, (("pool", row.pool) for row in instance.pools)),
        }
        for depth, (level, key) in enumerate(self.keys.items()):
            found[key] = fit(LABEL_VALUE, ((level, row.path[depth]) for row in instance.inventory))
        return found

    @cached_property
    def seats(self) -> dict[str, dict[str, str]]:
        """Labels of each node that say which project has how many GPUs there."""
        found: dict[str, dict[str, str]] = {}
        for seat in () if self.plan is None else self.plan.seats:
            key = f"{PROJECT}/{self.projects('project', seat.project)}"
            found.setdefault(seat.node, {})[key] = str(seat.gpus)
        return found

    def place(self, group: int) -> tuple[dict[str, str], dict[str, str]]:
        """Return the labels of the nodes of an inventory row, and the annotations that keep what labels cannot say."""
        row = self.instance.inventory[group]
        places = ((self.keys[level], level, name) for level, name in zip(self.keys, row.path, strict=True))
        said = [*places, (KIND, "kind", row.kind), (OWNER, "pool", row.owner)]
        labels = {key: self.values[key](what, name) for key, what, name in said}
        return labels, {key: name for key, _, name in said if labels[key] != name}

    def node_metadata(self) -> Iterator[Object]:
        """Yield the metadata of each node: its place, kind and owner, and the GPUs of each project on it."""
        topology = self.instance.topology
        places = [self.place(group) for group in range(len(topology.groups))]
        for name, group in zip(topology.names, topology.group.tolist(), strict=True):
            labels, annotations = places[group]
            here = {**labels, **self.seats.get(name, {})}
            yield meta(self.nodes("node", name), name, here, **annotations)
