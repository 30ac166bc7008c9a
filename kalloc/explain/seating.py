"""What shapes, neighbours that want to be alone and limits on power leave of the nodes: no more than this fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from kalloc.instance.policy import FREE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kalloc.instance import Instance
    from kalloc.instance.policy import Form, PowerDomain
    from kalloc.instance.topology import Ids
    from kalloc.verify import Records


class Room(NamedTuple):
    """What a project could have of a kind at most, in which domains."""

    gpus: int
    level: int
    open: int
    """Domains of the level that could hold some of it."""
    domains: int
    """Domains of the level with nodes of the kind that serve it."""


class Feed(NamedTuple):
    """A domain with a limit on its power, and what the plan leaves of it."""

    domain: PowerDomain
    watts: Fraction
    groups: tuple[int, ...]
    """Groups of nodes that there are in it."""


class Seating:
    """The nodes beside a plan, as shapes and limits on power see them."""

    def __init__(self, instance: Instance, records: Records, serving: Callable[[str, str], Collection[str]]) -> None:
        """``serving`` tells the owners whose nodes of a kind serve a pool."""
        self.instance, self.records, self.owners = instance, records, serving
        self._serving: dict[tuple[str, str], Ids] = {}
        self._rooms: dict[object, Room] = {}
        self._caps_of_new: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._parents: dict[int, Ids] = {}
        self._shut: dict[tuple[str, str, str | None], int] = {}
        self._draws: dict[tuple[int, str], list[tuple[Feed, Fraction]]] = {}
        self._powered: dict[tuple[str, str], tuple[int, tuple[Feed, ...]]] = {}

    def form(self, project: str, kind: str, single: bool) -> Form:
        """Return the form of a project's GPUs of a kind: segments over several nodes count where it has one kind."""
        form = self.instance.policy.form(project, self.instance.node_gpus[kind])
        return form if single else form.of_part

    def multiple(self, project: str, kind: str, single: bool) -> int:
        """Return the number of which all GPUs of a project together are a multiple."""
        if project not in self.instance.policy.shapes_of:
            return 1
        if single:
            return math.lcm(*self.form(project, kind, True).multiple)
        rows = self.instance.policy.shapes_of[project]
        return math.lcm(*(row.amount or 1 for row in rows if row.shape == "segment"))

    def room(self, project: str, kind: str, form: Form, within: int | None, others: bool, power: bool) -> Room:
        """Return the most GPUs of a kind that a project could hold, were it seated anew.

        ``within`` is the level of which one domain must hold it; without ``others`` only background and what stays are
        there; with ``power``, beside others, no more than limits on power leave. Those without seats are told apart by
        pool and form alone.
        """
        pool, seated = self.instance.project_of[project].pool, project in self.records.seats
        own = project if seated or project in self.instance.stays else None
        key = (own, pool, kind, form, within, others, power)
        if key not in self._rooms:
            self._rooms[key] = self._found(project, kind, form, within, others, power)
        return self._rooms[key]

    def _found(self, project: str, kind: str, form: Form, within: int | None, others: bool, power: bool) -> Room:
        import numpy as np

        topology = self.instance.topology
        serving = self._nodes(self.instance.project_of[project].pool, kind)
        taken = self._taken(project, others)
        offer = np.where(serving, np.maximum(0, topology.gpus - taken), 0)
        for level in form.exclusive:
            shut = self._sums(level, taken) > 0
            offer[shut[topology.domain[level]]] = 0
        if others:
            offer[self._closed_to(project)] = 0
        shown = self._shown(form, within)
        found = seen = offer
        for level in range(len(topology.levels) - 1, -1, -1):
            found = offer if level == len(topology.levels) - 1 else self._gathered(level, found)
            if level == len(topology.levels) - 1 and form.whole:
                found = np.where(found == topology.gpus, found, 0)
            for domain, gpus in self._caps(project, kind, level) if power else ():
                found[domain] = min(int(found[domain]), gpus)
            found = np.minimum(found, form.most[level]) // form.multiple[level] * form.multiple[level]
            if form.whole and level == len(topology.levels) - 1:
                found = np.where(found == topology.gpus, found, 0)
            seen = found if level == shown else seen
            if level == within:
                return self._room(found, found.max(initial=0), level, serving)
        return self._room(seen, found.sum(), shown, serving)

    def _room(self, found: Ids, gpus: int, level: int, serving: Ids) -> Room:
        there = self._sums(level, serving)
        return Room(int(gpus), level, int((found > 0).sum()), int((there > 0).sum()))

    def _shown(self, form: Form, within: int | None) -> int:
        """Return the level whose domains are worth counting: the coarsest that a shape names."""
        last = len(self.instance.topology.levels) - 1
        named = [level for level in range(last + 1) if form.most[level] < FREE or level in form.exclusive]
        named += [level for level in range(last) if form.multiple[level] > form.multiple[level + 1]]
        named += [last] if form.multiple[-1] > 1 or form.whole else []
        return min(named, default=last) if within is None else within

    def closed(self, pool: str, kind: str, project: str) -> int:
        """Return the free GPUs that serve a pool in domains that others than a project have to themselves."""
        key = (pool, kind, project if project in self._alone else None)
        if key not in self._shut:
            self._shut[key] = int(self._free[self._closed_to(project) & self._nodes(pool, kind)].sum())
        return self._shut[key]

    def powered(self, pool: str, kind: str) -> tuple[int, tuple[Feed, ...]]:
        """Return the free GPUs that limits on power let a pool use at most, and the domains that are short of it."""
        if (pool, kind) not in self._powered:
            free = self._free * self._nodes(pool, kind)
            usable, short = int(free.sum()), tuple[Feed, ...]()
            for level in {level for level, _ in self._feeds}:
                total, feeds = self._sums(level, free), []
                for feed, each in self._drawing(level, kind):
                    domain = self._id(level, feed)
                    gpus = feed.watts // each if each else FREE
                    if gpus < total[domain]:
                        total[domain] = gpus
                        feeds.append(feed)
                if total.sum() < usable:
                    usable, short = int(total.sum()), tuple(feeds)
            self._powered[pool, kind] = usable, short
        return self._powered[pool, kind]

    def _nodes(self, pool: str, kind: str) -> Ids:
        """Return which nodes that are up are of a kind and serve a pool, shape (nodes,)."""
        import numpy as np

        if (pool, kind) not in self._serving:
            topology, owners = self.instance.topology, self.owners(pool, kind)
            fits = [row.state == "up" and row.kind == kind and row.owner in owners for row in topology.groups]
            self._serving[pool, kind] = np.array(fits, dtype=bool)[topology.group]
        return self._serving[pool, kind]

    def _sums(self, level: int, gpus: Ids) -> Ids:
        import numpy as np

        topology = self.instance.topology
        count = topology.domain_count(level)
        return np.bincount(topology.domain[level], weights=gpus, minlength=count).astype(np.int64)

    def _gathered(self, level: int, finer: Ids) -> Ids:
        """Return the sums over the domains of a level of a number of each domain of the next finer one."""
        import numpy as np

        topology = self.instance.topology
        if level not in self._parents:
            parent = np.zeros(len(finer), dtype=np.int64)
            parent[topology.domain[level + 1]] = topology.domain[level]
            self._parents[level] = parent
        total = np.bincount(self._parents[level], weights=finer, minlength=topology.domain_count(level))
        return total.astype(np.int64)

    def _counted(self, seats: Iterable[Mapping[int, int]]) -> Ids:
        import numpy as np

        found = np.zeros(self.instance.topology.node_count, dtype=np.int64)
        for nodes in seats:
            for node, gpus in nodes.items():
                found[node] += gpus
        return found

    @cached_property
    def _used(self) -> Ids:
        return self._counted([self.instance.background, *self.records.seats.values()])

    @cached_property
    def _staying(self) -> Ids:
        return self._counted([self.instance.background, *self.instance.stays.values()])

    def _taken(self, project: str, others: bool) -> Ids:
        """Return the GPUs that others have on each node."""
        every, seats = (self._used, self.records.seats) if others else (self._staying, self.instance.stays)
        taken = every.copy()
        for node, gpus in seats.get(project, {}).items():
            taken[node] -= gpus
        return taken

    @cached_property
    def _free(self) -> Ids:
        return (self.instance.topology.gpus - self._used).clip(min=0)

    @cached_property
    def _alone(self) -> Mapping[str, NDArray[np.bool_]]:
        """Per project that is served and wants domains for itself, the nodes in them."""
        import numpy as np

        topology, policy, found = self.instance.topology, self.instance.policy, dict[str, Any]()
        for row in self.instance.shapes:
            if row.shape == "exclusive" and row.project in self.records.seats:
                domain = topology.domain[policy.level(row)]
                nodes = list(self.records.seats[row.project])
                here = np.isin(domain, domain[nodes])
                found[row.project] = found.get(row.project, np.zeros_like(here)) | here
        return found

    @cached_property
    def _owners(self) -> Ids:
        """How many projects have each node to themselves, each counting its own."""
        found = 0 * self._used
        for nodes in self._alone.values():
            found += nodes
        return found

    def _closed_to(self, project: str) -> NDArray[np.bool_]:
        """Return the nodes in domains that others than a project have to themselves, shape (nodes,)."""
        own = self._alone.get(project)
        return self._owners > (0 if own is None else own)

    @cached_property
    def _feeds(self) -> Mapping[tuple[int, int], Feed]:
        """Per level and domain, the limit on power that leaves least, with what the plan leaves."""
        topology, watts, found = self.instance.topology, self.instance.policy.watts, dict[tuple[int, int], Feed]()
        used = self._used - self._counted([self.instance.background])
        for one in self.instance.policy.power_domains:
            level, nodes = topology.levels.index(one.power.level), list(one.nodes)
            sorts, gpus = topology.group[nodes].tolist(), used[nodes].tolist()
            busy = dict.fromkeys(sorts, 0)
            for sort, count in zip(sorts, gpus, strict=True):
                busy[sort] += count
            drawn = sum((watts[sort][1] * count for sort, count in busy.items()), Fraction(0))
            key = level, int(topology.domain[level][nodes[0]])
            if key not in found or one.left - drawn < found[key].watts:
                found[key] = Feed(one, one.left - drawn, tuple(busy))
        return found

    def _drawing(self, level: int, kind: str) -> list[tuple[Feed, Fraction]]:
        """Return the limits on power of a level, each with the least watts of one GPU more of a kind there."""
        if (level, kind) not in self._draws:
            topology, watts = self.instance.topology, self.instance.policy.watts
            found = self._draws[level, kind] = []
            for feed in (feed for (depth, _), feed in self._feeds.items() if depth == level):
                each = [watts[group][1] for group in feed.groups if topology.groups[group].kind == kind]
                if each:
                    found.append((feed, min(each)))
        return self._draws[level, kind]

    def _id(self, level: int, feed: Feed) -> int:
        return int(self.instance.topology.domain[level][feed.domain.nodes[0]])

    def _caps(self, project: str, kind: str, level: int) -> Iterable[tuple[int, int]]:
        """Return the domains of a level with a limit on power, and the GPUs of a kind that a project may have there."""
        own = self.records.seats.get(project, {})
        if own:
            return self._capped(own, kind, level)
        if (kind, level) not in self._caps_of_new:
            self._caps_of_new[kind, level] = list(self._capped(own, kind, level))
        return self._caps_of_new[kind, level]

    def _capped(self, own: Mapping[int, int], kind: str, level: int) -> Iterable[tuple[int, int]]:
        topology, watts = self.instance.topology, self.instance.policy.watts
        for feed, each in self._drawing(level, kind):
            domain = self._id(level, feed)
            here = ((node, gpus) for node, gpus in own.items() if int(topology.domain[level][node]) == domain)
            back = sum((watts[int(topology.group[node])][1] * gpus for node, gpus in here), Fraction(0))
            if each:
                yield domain, int((feed.watts + back) // each)
