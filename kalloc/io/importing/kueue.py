"""Kueue: ClusterQueues and Cohorts as pools with quotas, ResourceFlavors as kinds, a Topology as levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kalloc.instance import ALL_KINDS
from kalloc.io.exporting.kueue import EVERY_GPU
from kalloc.io.exporting.objects import ALL_FLAVOR, KIND
from kalloc.io.importing.cohorts import Amount, Group, total, write_pools
from kalloc.io.importing.facts import Facts, Findings, Remark, Where
from kalloc.io.importing.kinds import known_kind, read_kind
from kalloc.io.importing.kubernetes import PRODUCTS, RESOURCES
from kalloc.io.importing.objects import Object, by_kind, listed_labels, maps, texts, whole
from kalloc.io.importing.options import ImportOptions

GROUP = "kueue.x-k8s.io"
READ = ("cohort", "cohortName", "parent", "parentName", "resourceGroups", "namespaceSelector")


@dataclass
class Cluster:
    """What the objects of all files say."""

    flavors: dict[str, Object] = field(default_factory=dict)
    queues: dict[str, Object] = field(default_factory=dict)
    cohorts: dict[str, Object] = field(default_factory=dict)
    topologies: dict[str, Object] = field(default_factory=dict)


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return a pool for each ClusterQueue and Cohort, their quotas of GPUs, and the labels of the Topology."""
    cluster = Cluster()
    names = {
        "ResourceFlavor": cluster.flavors,
        "ClusterQueue": cluster.queues,
        "Cohort": cluster.cohorts,
        "Topology": cluster.topologies,
    }

    def keep(item: Object) -> None:
        first = names[item.kind].setdefault(item.name, item)
        if first is not item:
            found.wrong(item.where, f"{item.kind} {item.name!r} is in {first.where} already")

    by_kind(paths, {(GROUP, kind): keep for kind in names}, found)
    facts = Facts("kueue", label_levels=listed_labels(cluster.topologies.values(), found))
    reader = Quotas(cluster, (EVERY_GPU, *options.resources, *RESOURCES), found)
    cohorts = {name: reader.group(item) for name, item in cluster.cohorts.items()}
    queues = [reader.group(item) for item in cluster.queues.values()]
    for group in queues:
        if group.above is not None and group.above not in cohorts:
            cohorts[group.above] = Group(group.above, None, group.where)
    queues = list(_apart(queues, cohorts, found))
    ours = any(
        name == ALL_FLAVOR or KIND in texts(item.spec.get("nodeLabels")) for name, item in cluster.flavors.items()
    )
    write_pools(queues, cohorts, ours, facts, found)
    return facts


def _apart(queues: Iterable[Group], cohorts: Mapping[str, Group], found: Findings) -> Iterator[Group]:
    """Yield the queues; one without quota in a cohort of its name is that pool, any other gives way to the queue."""
    names = {group.pool: group for group in cohorts.values()}
    for queue in queues:
        cohort = names.get(queue.pool)
        if cohort is None:
            yield queue
        elif queue.above is not None and cohorts[queue.above] is cohort and not queue.has_quota:
            found.guessed(queue.where, f"ClusterQueue and cohort {queue.pool!r} are one pool")
        else:
            cohort.pool = f"cohort {cohort.pool}"
            found.guessed(cohort.where, f"a ClusterQueue has the name of a cohort, whose pool is {cohort.pool!r}")
            yield queue


class Quotas:
    """Reads resource groups."""

    def __init__(self, cluster: Cluster, resources: Sequence[str], found: Findings) -> None:
        self.cluster, self.resources, self.found = cluster, resources, found

    def group(self, item: Object) -> Group:
        """Return a queue or a cohort with its quotas of GPUs by kind."""
        keys = ("cohortName", "cohort") if item.kind == "ClusterQueue" else ("parentName", "parent")
        above = next((item.spec[key] for key in keys if item.spec.get(key)), None)
        group = Group(item.original, None if above is None else str(above), item.where)
        for key in item.spec:
            if key not in READ:
                self.found.once(Remark.DROPPED, item.where, f"{item.kind} {key}", f"{key} of {item.kind} is not read")
        for resources in maps(item.spec.get("resourceGroups")):
            for flavor in maps(resources.get("flavors")):
                for resource in maps(flavor.get("resources")):
                    self._add(group, item, str(flavor.get("name")), resource)
        return group

    def _add(self, group: Group, item: Object, flavor: str, resource: Mapping[str, Any]) -> None:
        name = str(resource.get("name"))
        where = Where(item.where.file, getattr(resource, "line", item.where.number))
        if name not in self.resources:
            self.found.once(Remark.DROPPED, where, f"resource {name}", f"quotas of {name!r} are not read")
            return
        nominal = self._number(item, resource, "nominalQuota", where)
        amount = Amount(
            nominal or 0,
            self._number(item, resource, "borrowingLimit", where),
            self._number(item, resource, "lendingLimit", where),
        )
        kind = self._kind(flavor, item)
        if kind in group.amounts:
            message = f"{item.kind} {item.name!r} has two flavors of the kind {kind!r}; their quotas are added"
            self.found.guessed(where, message)
            amount = total(group.amounts[kind], amount)
        group.amounts[kind] = amount

    def _number(self, item: Object, resource: Mapping[str, Any], key: str, where: Where) -> int | None:
        value = resource.get(key)
        number = whole(value)
        if value is not None and (number is None or number < 0):
            message = f"{item.kind} {item.name!r}: {key} is no whole number of GPUs: {str(value)[:40]!r}"
            self.found.wrong(where, message)
        return number

    def _kind(self, flavor: str, item: Object) -> str:
        known = self.cluster.flavors.get(flavor)
        if flavor == ALL_FLAVOR and known is not None:
            return ALL_KINDS
        if known is not None and KIND in texts(known.spec.get("nodeLabels")):
            return known.original
        if known is None:
            self.found.once(Remark.AMBIGUOUS, item.where, f"flavor {flavor}", f"ResourceFlavor {flavor!r} is nowhere")
        else:
            labels = texts(known.spec.get("nodeLabels"))
            for label in sorted(labels.keys() - {KIND, *PRODUCTS}):
                self.found.once(Remark.DROPPED, known.where, f"label {label}", f"flavors by {label} hold any node here")
            for label in PRODUCTS:
                if label in labels and (kind := read_kind(labels[label], known.where, self.found)):
                    return kind
        kind = known_kind(flavor) or flavor
        self.found.once(Remark.GUESSED, item.where, f"kind {flavor}", f"flavor {flavor!r} is the kind {kind!r}")
        return kind
