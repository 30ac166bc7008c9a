"""How many domains of each level a project needs: the fewest that could hold it if it were alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kalloc.verify.cover import fewest_together

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.instance.topology import Ids

Hosts = tuple[str, frozenset[str]]
"""A kind, and the owners whose nodes of that kind serve a pool: pools with the same hosts have the same offers."""
Own = list[tuple[int, str, int]]
"""Staying GPUs of one project: node, kind, GPUs."""


@dataclass(frozen=True)
class _Offers:
    """What the domains of one level offer of one kind to one class of pools; ``domains`` ascend."""

    domains: Ids
    gpus: Ids

    def at(self, domain: int) -> int:
        index = int(self.domains.searchsorted(domain))
        return int(self.gpus[index]) if index < len(self.domains) and self.domains[index] == domain else 0


@dataclass(frozen=True)
class _Market:
    """Offers of several kinds at one level: how many domains make each offer, and those that offer several kinds."""

    alone: tuple[Counter[int], ...]
    shared: Mapping[int, tuple[int, ...]]


class Needs:
    """need of every level for any project and bundle, with everything that projects have in common kept."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._free = _free(instance)
        self._nodes = _nodes(instance)
        self._hosts: dict[tuple[str, str], Hosts] = {}
        self._offers: dict[tuple[Hosts, int], _Offers] = {}
        self._markets: dict[tuple[tuple[Hosts, ...], int], _Market] = {}
        self._known: dict[tuple[tuple[Hosts, ...], tuple[int, ...]], tuple[int, ...]] = {}

    def of(self, project: str, bundle: Mapping[str, int]) -> tuple[int, ...]:
        """Return the fewest domains, per level from coarse to ``node``, that could hold GPUs by kind.

        Raises:
            ValueError: when the nodes that serve the project do not have that many.
        """
        pool = self._instance.project_of[project].pool
        kinds = [kind for kind in sorted(bundle) if bundle[kind] > 0]
        if not kinds:
            return (0,) * len(self._instance.topology.levels)
        hosts = tuple(self._hosts_of(pool, kind) for kind in kinds)
        amounts = tuple(bundle[kind] for kind in kinds)
        own = self._own(project)
        found = None if own else self._known.get((hosts, amounts))
        if found is None:
            levels = range(len(self._instance.topology.levels))
            counts = [self._fewest(level, hosts, amounts, own) for level in levels]
            if any(isinstance(count, float) for count in counts):
                raise ValueError(f"project {project!r} cannot hold {dict(bundle)} even alone")
            found = tuple(int(count) for count in counts)
        if not own:
            self._known[hosts, amounts] = found
        return found

    def _own(self, project: str) -> Own:
        row = self._instance.topology.row
        return [(node, row(node).kind, gpus) for node, gpus in self._instance.stays.get(project, {}).items()]

    def _hosts_of(self, pool: str, kind: str) -> Hosts:
        if (pool, kind) not in self._hosts:
            owners = [owner for owner, owned in self._nodes if owned == kind]
            serves = self._instance.pool_tree.serves
            self._hosts[pool, kind] = (kind, frozenset(owner for owner in owners if serves(owner, pool, kind)))
        return self._hosts[pool, kind]

    def _fewest(self, level: int, hosts: tuple[Hosts, ...], amounts: tuple[int, ...], own: Own) -> int | float:
        market = self._market(level, hosts)
        if own:
            market = self._with_own(market, level, hosts, own)
        return fewest_together(amounts, market.alone, tuple(market.shared.values()))

    def _with_own(self, market: _Market, level: int, hosts: tuple[Hosts, ...], own: Own) -> _Market:
        """Return what is on offer to a project that keeps GPUs: its own are no obstacle to it."""
        alone, shared = tuple(Counter(offers) for offers in market.alone), dict(market.shared)
        gains: Counter[tuple[int, int]] = Counter()
        position = {kind: index for index, (kind, _) in enumerate(hosts)}
        for node, kind, gpus in own:
            if kind in position:
                gains[position[kind], int(self._instance.topology.domain[level][node])] += gpus
        for (index, domain), gpus in gains.items():
            if domain in shared:
                offer = shared[domain]
                shared[domain] = (*offer[:index], offer[index] + gpus, *offer[index + 1 :])
                continue
            before = self._offer(level, hosts[index]).at(domain)
            alone[index][before] -= 1
            alone[index][before + gpus] += 1
        return _Market(alone, shared)

    def _market(self, level: int, hosts: tuple[Hosts, ...]) -> _Market:
        import numpy as np

        if (hosts, level) not in self._markets:
            offers = [self._offer(level, host) for host in hosts]
            domains, sellers = np.unique(np.concatenate([offer.domains for offer in offers]), return_counts=True)
            several = domains[sellers > 1]
            shared = {domain: tuple(offer.at(domain) for offer in offers) for domain in several.tolist()}
            apart = [offer.gpus[~np.isin(offer.domains, several)] for offer in offers]
            self._markets[hosts, level] = _Market(tuple(map(_count, apart)), shared)
        return self._markets[hosts, level]

    def _offer(self, level: int, host: Hosts) -> _Offers:
        import numpy as np

        if (host, level) not in self._offers:
            kind, owners = host
            parts = [self._nodes[owner, kind] for owner in sorted(owners)]
            nodes = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
            domains, position = np.unique(self._instance.topology.domain[level][nodes], return_inverse=True)
            gpus = np.zeros(len(domains), dtype=np.int64)
            np.add.at(gpus, position, self._free[nodes])
            self._offers[host, level] = _Offers(domains, gpus)
        return self._offers[host, level]


def need(instance: Instance, project: str, bundle: Mapping[str, int]) -> tuple[int, ...]:
    """Return need of one project for GPUs by kind, per level; for many projects, keep a :class:`Needs`."""
    return Needs(instance).of(project, bundle)


def _count(offers: Ids) -> Counter[int]:
    import numpy as np

    values, counts = np.unique(offers, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _free(instance: Instance) -> Ids:
    """Return the GPUs of each node that neither background nor anything that stays takes."""
    free = instance.topology.gpus.copy()
    for taken in (instance.background, *instance.stays.values()):
        for node, gpus in taken.items():
            free[node] = max(0, free[node] - gpus)
    return free


def _nodes(instance: Instance) -> dict[tuple[str, str], Ids]:
    """Return the nodes that are up, by owner and kind."""
    import numpy as np

    ids: dict[tuple[str, str], int] = {}
    groups = instance.topology.groups
    sort = np.array([ids.setdefault((row.owner, row.kind), len(ids)) for row in groups], dtype=np.int64)
    up = np.array([row.state == "up" for row in groups], dtype=bool)
    sort, up = sort[instance.topology.group], up[instance.topology.group]
    return {key: np.flatnonzero(up & (sort == index)) for key, index in ids.items()}
