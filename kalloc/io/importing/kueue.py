"""Kueue: ClusterQueues and Cohorts as pools with quotas, ResourceFlavors as kinds, a Topology as levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, Remark, Where
from kalloc.io.importing.kinds import known_kind, read_kind
from kalloc.io.importing.kubernetes import PRODUCTS, RESOURCES
from kalloc.io.importing.objects import Object, by_kind, maps, texts, whole
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.trees import Switch, parents

GROUP = "kueue.x-k8s.io"
READ = ("cohort", "cohortName", "parent", "parentName", "resourceGroups", "namespaceSelector")


@dataclass
class Amount:
    """Quota of one kind; None is no limit."""

    nominal: int = 0
    borrowing: int | None = 0
    lending: int | None = 0


@dataclass
class Group:
    """A ClusterQueue or a Cohort."""

    pool: str
    above: str | None
    """The cohort that it is in, by its name in Kueue."""
    where: Where
    amounts: dict[str, Amount] = field(default_factory=dict)
    """By kind; for a cohort what it has besides its members."""


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

    by_kind(paths, GROUP, dict.fromkeys(names, keep), found)
    facts = Facts("kueue", label_levels=_levels(cluster.topologies.values(), found))
    reader = _Quotas(cluster, (*options.resources, *RESOURCES), found)
    cohorts = {name: reader.group(item, _pool(name, cluster, found)) for name, item in cluster.cohorts.items()}
    queues = [reader.group(item, name) for name, item in cluster.queues.items()]
    for group in queues:
        if group.above is not None and group.above not in cohorts:
            cohorts[group.above] = Group(group.above, None, group.where)
    _write(queues, cohorts, facts, found)
    return facts


def _pool(cohort: str, cluster: Cluster, found: Findings) -> str:
    """Return the pool of a cohort, which may have the name of a queue."""
    if cohort not in cluster.queues:
        return cohort
    found.guessed(
        cluster.cohorts[cohort].where,
        f"a ClusterQueue has the name of cohort {cohort!r} too: its pool is 'cohort {cohort}'",
    )
    return f"cohort {cohort}"


def _levels(topologies: Iterable[Object], found: Findings) -> tuple[str, ...]:
    """Return the labels of the first Topology."""
    listed: tuple[str, ...] = ()
    for item in topologies:
        if listed:
            found.ambiguous(item.where, f"Topology {item.name!r} is not the first one; its levels are not taken")
            continue
        labels = [level.get("nodeLabel") for level in maps(item.spec.get("levels"))]
        listed = tuple(label for label in labels if isinstance(label, str) and label)
        if not listed:
            found.wrong(item.where, f"Topology {item.name!r} has no levels")
    return listed


class _Quotas:
    """Reads resource groups."""

    def __init__(self, cluster: Cluster, resources: Sequence[str], found: Findings) -> None:
        self.cluster, self.resources, self.found = cluster, resources, found

    def group(self, item: Object, pool: str) -> Group:
        """Return a queue or a cohort with its quotas of GPUs by kind."""
        keys = ("cohortName", "cohort") if item.kind == "ClusterQueue" else ("parentName", "parent")
        above = next((item.spec[key] for key in keys if item.spec.get(key)), None)
        group = Group(pool, None if above is None else str(above), item.where)
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
            amount = _sum(group.amounts[kind], amount)
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
        if known is None:
            self.found.once(Remark.AMBIGUOUS, item.where, f"flavor {flavor}", f"ResourceFlavor {flavor!r} is nowhere")
        else:
            labels = texts(known.spec.get("nodeLabels"))
            for label in PRODUCTS:
                if label in labels and (kind := read_kind(labels[label], known.where, self.found)):
                    return kind
        kind = known_kind(flavor) or flavor
        self.found.once(Remark.GUESSED, item.where, f"kind {flavor}", f"flavor {flavor!r} is the kind {kind!r}")
        return kind


def _sum(one: Amount, other: Amount) -> Amount:
    def both(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else a + b

    borrowing, lending = both(one.borrowing, other.borrowing), both(one.lending, other.lending)
    return Amount(one.nominal + other.nominal, borrowing, lending)


def _write(queues: Sequence[Group], cohorts: Mapping[str, Group], facts: Facts, found: Findings) -> None:
    """Add pools and quotas: a cohort has what its members have, and what it has besides is lent by one more pool."""
    tree = {name: Switch(name, group.where) for name, group in cohorts.items()}
    for name, group in cohorts.items():
        if group.above is not None:
            tree.setdefault(group.above, Switch(group.above, group.where)).children.append(name)
    for name in tree.keys() - cohorts.keys():
        cohorts = {**cohorts, name: Group(name, None, tree[name].where)}
    parents(tree, found)
    found.raise_if_any()
    members: dict[str, list[Group]] = {name: [] for name in cohorts}
    for name, group in cohorts.items():
        if group.amounts:
            own = Group(f"{group.pool} (own)", name, group.where, group.amounts)
            found.guessed(group.where, f"a pool {own.pool!r} is added: it lends what the cohort has itself")
            members[name].append(own)
    for group in queues:
        if group.above is not None:
            members[group.above].append(group)
    for group in (*cohorts.values(), *queues, *(own for held in members.values() for own in held if own not in queues)):
        parent = cohorts[group.above].pool if group.above is not None else None
        facts.add("pools", group.where, pool=group.pool, parent=parent)
    _write_quotas(queues, cohorts, members, facts, found)


def _write_quotas(
    queues: Sequence[Group],
    cohorts: Mapping[str, Group],
    members: Mapping[str, Sequence[Group]],
    facts: Facts,
    found: Findings,
) -> None:
    below: dict[str, list[str]] = {name: [] for name in cohorts}
    for name, group in cohorts.items():
        if group.above is not None:
            below[group.above].append(name)
    totals = {name: _total(name, below, members) for name in cohorts}
    root = {name: _root(name, cohorts) for name in cohorts}
    for name, group in cohorts.items():
        if group.above is not None:
            for kind, amount in totals[name].items():
                most = totals[root[name]].get(kind, Amount()).nominal - amount.nominal
                _row(facts, group, kind, Amount(amount.nominal, most, amount.lending), most)
    for group in (*queues, *(own for held in members.values() for own in held if own not in queues)):
        for kind, amount in group.amounts.items():
            if group.above is None:
                _row(facts, group, kind, Amount(amount.nominal), 0)
                continue
            most = totals[root[group.above]][kind].nominal - amount.nominal
            own = group not in queues
            _row(facts, group, kind, Amount(amount.nominal, 0 if own else amount.borrowing, amount.lending), most)
            if not own and amount.borrowing != 0 and root[group.above] != group.above:
                message = f"{group.pool!r} borrows {kind} of other members of cohort {group.above!r} only"
                found.ambiguous(group.where, f"{message}: kalloc knows no borrowing through cohorts above")


def _row(facts: Facts, group: Group, kind: str, amount: Amount, most: int) -> None:
    borrow = most if amount.borrowing is None else amount.borrowing
    lend = amount.nominal if amount.lending is None else min(amount.lending, amount.nominal)
    facts.add("quotas", group.where, pool=group.pool, kind=kind, gpus=amount.nominal, borrow=borrow, lend=lend)


def _total(name: str, below: Mapping[str, Sequence[str]], members: Mapping[str, Sequence[Group]]) -> dict[str, Amount]:
    """Return what all members under a cohort have, and what they lend, by kind."""
    totals: dict[str, Amount] = {}
    ready = [name]
    for cohort in ready:
        ready.extend(below[cohort])
        for group in members[cohort]:
            for kind, amount in group.amounts.items():
                lending = amount.nominal if amount.lending is None else min(amount.lending, amount.nominal)
                totals[kind] = _sum(totals.get(kind, Amount()), Amount(amount.nominal, None, lending))
    return totals


def _root(name: str, cohorts: Mapping[str, Group]) -> str:
    while (above := cohorts[name].above) is not None:
        name = above
    return name
