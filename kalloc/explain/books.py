"""What is used and what is left once a plan is known, counted once and asked often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from kalloc.explain.ledgers import Ledgers, least
from kalloc.explain.seating import Seating
from kalloc.instance.policy import decimal
from kalloc.verify import Records

if TYPE_CHECKING:
    from kalloc.instance import Instance, Quota
    from kalloc.plan import Plan

ALL = "*"


class Served(NamedTuple):
    """A grant of some GPUs of a kind that was chosen by merit."""

    merit: float
    value: float
    project: str
    kind: str

    @property
    def worth(self) -> Fraction:
        """What one GPU of it adds to the merit of the plan."""
        return decimal(self.merit) * decimal(self.value)


class Books:
    """The accounts of a plan: usage of quotas, what outsiders hold, free GPUs by owner, who was served last."""

    def __init__(self, instance: Instance, plan: Plan, records: Records | None = None) -> None:
        self.instance = instance
        self.records = records or Records.of(instance, plan)
        self.deciding = next((name for name in instance.objective.names if name in ("merit", "ranked")), None)
        """The tier by which merit decides, None where none does."""
        self.alone_somewhere = any(row.shape == "exclusive" for row in instance.shapes)
        """Whether some project wants domains for itself."""
        self._domains: dict[tuple[str, int], Mapping[int, Mapping[str, int]]] = {}
        self._reach: dict[tuple[str, str, int], dict[int, int]] = {}
        self._serving: dict[tuple[str, str], frozenset[str]] = {}
        self._used: dict[tuple[str, str], int] = {}
        self._beside: dict[tuple[str, str], tuple[int, int]] = {}

    def gets(self, project: str, kind: str) -> int:
        """Return the GPUs of a kind that a project is granted."""
        return self.records.granted.get(project, {}).get(kind, 0)

    def usage(self, pool: str, kind: str) -> int:
        """Return the GPUs of a kind, or of all for ``*``, that projects of the pool and below it are granted."""
        if (pool, kind) not in self._used:
            used = self.records.usage[pool]
            self._used[pool, kind] = used.total() if kind == ALL else used[kind]
        return self._used[pool, kind]

    def beside(self, row: Quota) -> tuple[int, int]:
        """Return the GPUs that the siblings of a pool can lend by rows of the kind, and those that they borrow."""
        key = (row.pool, row.kind)
        if key not in self._beside:
            tree = self.instance.pool_tree
            others = [pool for pool in tree.siblings[tree.parent[row.pool] or ""] if pool != row.pool]
            rows = [tree.quotas[pool, row.kind] for pool in others if (pool, row.kind) in tree.quotas]
            left = [other.gpus - self.usage(other.pool, other.kind) for other in rows]
            lent = sum(min(other.lend, max(0, rest)) for other, rest in zip(rows, left, strict=True))
            self._beside[key] = lent, sum(max(0, -rest) for rest in left)
        return self._beside[key]

    def rows(self, pool: str, kind: str) -> Iterator[Quota]:
        """Yield the quota rows that count GPUs of a kind for a pool: its own first, then those above it."""
        quotas = self.instance.pool_tree.quotas
        for above in self.instance.pool_tree.line(pool):
            yield from (quotas[key] for key in ((above, kind), (above, ALL)) if key in quotas)

    def serving(self, pool: str, kind: str) -> frozenset[str]:
        """Return the owners whose nodes of a kind serve a pool; empty where none that is up does."""
        if (pool, kind) not in self._serving:
            owners = {row.owner for row in self.instance.inventory if row.kind == kind and row.state == "up"}
            serves = self.instance.pool_tree.serves
            self._serving[pool, kind] = frozenset(owner for owner in owners if serves(owner, pool, kind))
        return self._serving[pool, kind]

    def free(self, pool: str, kind: str) -> int:
        """Return the GPUs that the plan leaves free on the nodes that serve a pool."""
        return sum(self._free[owner, kind] for owner in self.serving(pool, kind))

    def alone(self, pool: str, kind: str) -> int:
        """Return the GPUs that background and what stays leave free on the nodes that serve a pool."""
        return sum(self._alone[owner, kind] for owner in self.serving(pool, kind))

    def reach(self, pool: str, kind: str) -> int:
        """Return the free GPUs that one project more of a pool could take: within what owners still lend."""
        return self._within_lending(pool, kind, self._free_of_kind[kind])

    def reach_by_domain(self, pool: str, kind: str, depth: int) -> Mapping[int, int]:
        """Return :meth:`reach` for the nodes of each domain of a level, where it is not 0."""
        if (pool, kind, depth) not in self._reach:
            if (kind, depth) not in self._domains:
                self._domains[kind, depth] = self._by_domain(kind, depth)
            within = self._domains[kind, depth].items()
            found = {domain: self._within_lending(pool, kind, free) for domain, free in within}
            self._reach[pool, kind, depth] = {domain: gpus for domain, gpus in found.items() if gpus > 0}
        return self._reach[pool, kind, depth]

    def last_on_quota(self, row: Quota, project: str) -> Served | None:
        """Return who of the others that a quota row counts adds least merit by a GPU; None where it serves no other.

        Projects that must be served, or keep GPUs, were not chosen by merit and do not count.
        """
        return least(self._served_by_quota.get((row.pool, row.kind), []), project)

    def last_on_nodes(self, pool: str, kind: str, project: str) -> Served | None:
        """Return the same of the others that sit on the nodes of a kind that serve a pool."""
        every = (self._served_by_owner.get((owner, kind), []) for owner in self.serving(pool, kind))
        firsts = (least(served, project) for served in every)
        return min((served for served in firsts if served is not None), key=self._order, default=None)

    @cached_property
    def of_groups(self) -> Mapping[str | None, int]:
        """The GPUs that the projects of each group are granted, and under None those of projects without a group."""
        found: dict[str | None, int] = defaultdict(int)
        for project, bundle in self.records.granted.items():
            found[self.instance.project_of[project].group] += sum(bundle.values())
        return dict(found)

    @cached_property
    def ledgers(self) -> Ledgers:
        """The accounts of limits and budgets."""
        return Ledgers(self.instance, self.records, self._chosen)

    @cached_property
    def seats(self) -> Seating:
        """What shapes and limits on power leave of the nodes."""
        return Seating(self.instance, self.records, self.serving)

    def _order(self, served: Served) -> tuple[Fraction, str, str]:
        """Return where a grant stands among others: by what it adds to merit, or where that ranks, by its merit."""
        rank = decimal(served.merit) if self.deciding == "ranked" else served.worth
        return rank, served.project, served.kind

    @cached_property
    def _lines(self) -> Mapping[str, tuple[str, ...]]:
        return {pool: self.instance.pool_tree.line(pool) for pool in self.instance.pool_tree.parent}

    @cached_property
    def _free(self) -> Mapping[tuple[str, str], int]:
        """Free GPUs beside the plan, by owner and kind."""
        return self._by_owner([*self.records.seats.values(), self.instance.background])

    @cached_property
    def _alone(self) -> Mapping[tuple[str, str], int]:
        return self._by_owner([*self.instance.stays.values(), self.instance.background])

    @cached_property
    def _free_of_kind(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (owner, kind), gpus in self._free.items():
            found[kind][owner] = gpus
        return found

    def _by_owner(self, taken: list[Mapping[int, int]]) -> Mapping[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = defaultdict(int)
        for row in self.instance.inventory:
            found[row.owner, row.kind] += row.gpus * row.count if row.state == "up" else 0
        for nodes in taken:
            for node, gpus in nodes.items():
                row = self.instance.topology.row(node)
                found[row.owner, row.kind] -= gpus if row.state == "up" else 0
        return found

    @cached_property
    def _free_nodes(self) -> list[int]:
        free = [int(gpus) for gpus in self.instance.topology.gpus]
        for nodes in (*self.records.seats.values(), self.instance.background):
            for node, gpus in nodes.items():
                free[node] = max(0, free[node] - gpus)
        return free

    def _by_domain(self, kind: str, depth: int) -> Mapping[int, Mapping[str, int]]:
        """Return free GPUs by owner in each domain of a level."""
        topology = self.instance.topology
        found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        domain = topology.domain[depth].tolist()
        for node, gpus in enumerate(self._free_nodes):
            row = topology.row(node)
            if gpus and row.kind == kind:
                found[domain[node]][row.owner] += gpus
        return found

    @cached_property
    def lendable(self) -> Mapping[tuple[str, str], int]:
        """GPUs that each quota row may still lend: its lend less what outsiders hold below it."""
        tree, left = self.instance.pool_tree, {key: row.lend for key, row in self.instance.pool_tree.quotas.items()}
        for project, nodes in self.records.seats.items():
            pool = self.instance.project_of[project].pool
            for node, gpus in nodes.items():
                group = self.instance.topology.row(node)
                for row in self.rows(group.owner, group.kind):
                    if pool not in tree.below[row.pool]:
                        left[row.pool, row.kind] -= gpus
        return left

    def _within_lending(self, pool: str, kind: str, free: Mapping[str, int]) -> int:
        """Return the free GPUs that a pool may take: each lender above an owner lets only so many out."""
        tree, serving = self.instance.pool_tree, self.serving(pool, kind)
        through: dict[str, int] = defaultdict(int)
        for owner, gpus in free.items():
            if owner in serving and gpus > 0:
                through[owner] += gpus
        total = 0
        touched = {above for owner in through for above in self._lines[owner]}
        for at in sorted(touched, key=lambda name: (-len(self._lines[name]), name)):
            gpus = through[at]
            if gpus and pool not in tree.below[at]:
                keys = [key for key in ((at, kind), (at, ALL)) if key in tree.quotas]
                gpus = min(gpus, *(self.lendable[key] for key in keys)) if keys else gpus
            above = tree.parent[at]
            if above is None:
                total += max(0, gpus)
            elif gpus > 0:
                through[above] += gpus
        return total

    @cached_property
    def _chosen(self) -> list[Served]:
        """Every grant that was chosen by merit, the least first."""
        projects, stays = self.instance.project_of, self.instance.stays
        found = []
        for row in self.instance.requests:
            project = projects[row.project]
            if self.gets(row.project, row.kind) and not project.mandatory and row.project not in stays:
                found.append(Served(project.merit, self.instance.value(row), row.project, row.kind))
        order = {served: self._order(served) for served in found}
        unit = lcm(*(rank.denominator for rank, *_ in order.values()))
        # Whole numbers of one unit compare faster than fractions.
        return sorted(found, key=lambda of: (int(order[of][0] * unit), *order[of][1:]))

    @cached_property
    def _served_by_quota(self) -> Mapping[tuple[str, str], list[Served]]:
        found: dict[tuple[str, str], list[Served]] = defaultdict(list)
        for served in self._chosen:
            for row in self.rows(self.instance.project_of[served.project].pool, served.kind):
                found[row.pool, row.kind].append(served)
        return found

    @cached_property
    def _served_by_owner(self) -> Mapping[tuple[str, str], list[Served]]:
        found: dict[tuple[str, str], list[Served]] = defaultdict(list)
        for served in self._chosen:
            rows = map(self.instance.topology.row, self.records.seats.get(served.project, {}))
            for owner in {row.owner for row in rows if row.kind == served.kind}:
                found[owner, served.kind].append(served)
        return found
