"""What the loss of any one domain would do to a plan: who is hit, and who could be seated again in what is free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kalloc.explain import Books
from kalloc.instance.rows import MAX_GPUS
from kalloc.verify import Records

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.instance.topology import Ids
    from kalloc.plan import Plan

Stock = dict[tuple[str, str], int]
"""Free GPUs by owner and kind."""


@dataclass(frozen=True)
class Hit:
    """A project that loses GPUs with a domain."""

    project: str
    gpus: int
    """GPUs that it has there."""
    again: bool
    """Whether they, or all of it where one domain must hold it, can be seated again in what is free elsewhere."""


@dataclass(frozen=True)
class Loss:
    """The loss of one domain. Hits are in the order in which they are seated again."""

    level: str
    domain: str
    gpus: int
    """GPUs of its nodes that were up."""
    hits: tuple[Hit, ...]

    @property
    def hit_gpus(self) -> int:
        """GPUs of projects that are lost."""
        return sum(hit.gpus for hit in self.hits)

    @property
    def left_gpus(self) -> int:
        """GPUs of those that cannot be seated again."""
        return sum(hit.gpus for hit in self.hits if not hit.again)


def losses(instance: Instance, plan: Plan) -> Iterator[Loss]:
    """Yield the loss of every domain that holds projects, level by level, coarse to fine.

    Projects that are hit are seated again one after the other while all others stay: first those that one domain must
    hold whole, then the others, each by falling merit; own nodes are taken before lent ones. Exact for that order, by
    arithmetic; what one takes is gone for the next. Background and what was free there are lost, too.
    """
    view = _View(instance, plan)
    for depth, level in enumerate(instance.topology.levels):
        domain = instance.topology.domain[depth].tolist()
        held: dict[int, Counter[str]] = defaultdict(Counter)
        for project, nodes in view.records.seats.items():
            for node, gpus in nodes.items():
                held[domain[node]][project] += gpus
        nodes_of: dict[int, list[int]] = defaultdict(list)
        for node, of in enumerate(domain):
            if of in held:
                nodes_of[of].append(node)
        for of in sorted(held):
            yield view.loss(level, depth, nodes_of[of], held[of])


class _View:
    """A plan, what it leaves free, and the order in which projects are seated again."""

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.instance, self.records = instance, Records.of(instance, plan)
        self.books = Books(instance, plan)
        self.free = instance.topology.gpus.copy()
        for nodes in (*self.records.seats.values(), instance.background):
            for node, gpus in nodes.items():
                self.free[node] -= gpus
        self.stock: Stock = defaultdict(int)
        for node in self.free.nonzero()[0].tolist():
            row = instance.topology.row(node)
            self.stock[row.owner, row.kind] += int(self.free[node])
        ranked = sorted(instance.projects, key=lambda row: (row.level is None, -row.merit))
        self.rank = {row.project: number for number, row in enumerate(ranked)}
        self._open: dict[tuple[str, str], Ids] = {}

    def open_to(self, pool: str, kind: str) -> Ids:
        """Return the nodes of a kind that serve a pool."""
        import numpy as np

        if (pool, kind) not in self._open:
            topology, serving = self.instance.topology, self.books.serving(pool, kind)
            rows = [row.kind == kind and row.owner in serving and row.state == "up" for row in topology.groups]
            self._open[pool, kind] = np.flatnonzero(np.array(rows, dtype=bool)[topology.group])
        return self._open[pool, kind]

    def loss(self, level: str, depth: int, nodes: list[int], held: Mapping[str, int]) -> Loss:
        """Return the loss of the nodes of one domain with what projects hold there."""
        topology = self.instance.topology
        again = _Again(self, nodes, held)
        hits = tuple(
            Hit(project, held[project], again.seat(project)) for project in sorted(held, key=self.rank.__getitem__)
        )
        fine = depth == len(topology.levels) - 1
        name = topology.names[nodes[0]] if fine else " / ".join(topology.row(nodes[0]).path[: depth + 1])
        return Loss(level, name, int(topology.gpus[nodes].sum()), hits)


class _Again:
    """Seats those who are hit again, one after the other, outside some nodes."""

    def __init__(self, view: _View, lost: list[int], hit: Iterable[str]) -> None:
        self.view, self.lost = view, set(lost)
        self.stock: Stock = dict(view.stock)
        self.change = Counter[int]()
        """GPUs that are free on nodes beyond what the plan leaves; below zero where they are taken."""
        self.lent = Counter[tuple[str, str]]()
        for node in lost:
            row = view.instance.topology.row(node)
            if view.free[node]:
                self.stock[row.owner, row.kind] -= int(view.free[node])
            self.change[node] = -int(view.free[node])
        for project in hit:
            seats = view.records.seats[project]
            for node in self.lost & seats.keys():
                row = view.instance.topology.row(node)
                self._lend(view.instance.project_of[project].pool, row.owner, row.kind, -seats[node])

    def seat(self, project: str) -> bool:
        """Tell whether a project can be seated again, and take what it needs."""
        row = self.view.instance.project_of[project]
        if row.level is not None:
            return self._whole(project, row.level)
        wanted = Counter[str]()
        for node, gpus in self.view.records.seats[project].items():
            if node in self.lost:
                wanted[self.view.instance.topology.row(node).kind] += gpus
        done: list[tuple[str, str, int]] = []
        for kind, gpus in wanted.items():
            for owner in self._owners(row.pool, kind):
                part = min(gpus, self.stock.get((owner, kind), 0), self._lendable(row.pool, owner, kind))
                if part > 0:
                    self._take(row.pool, owner, kind, part)
                    done.append((owner, kind, part))
                    gpus -= part
            if gpus:
                for owner, of, part in done:
                    self._take(row.pool, owner, of, -part)
                return False
        return True

    def _owners(self, pool: str, kind: str) -> list[str]:
        """Return whose nodes a pool may take, its own line's first."""
        line = self.view.instance.pool_tree.line(pool)
        return sorted(self.view.books.serving(pool, kind), key=lambda owner: (owner not in line, owner))

    def _lendable(self, pool: str, owner: str, kind: str) -> int:
        """Return the GPUs that an owner, and those above it, still let a pool have."""
        tree, left = self.view.instance.pool_tree, self.view.books.lendable
        rows = (row for row in self.view.books.rows(owner, kind) if pool not in tree.below[row.pool])
        keys = ((row.pool, row.kind) for row in rows)
        return min((left[key] - self.lent[key] for key in keys), default=MAX_GPUS)

    def _take(self, pool: str, owner: str, kind: str, gpus: int) -> None:
        self.stock[owner, kind] = self.stock.get((owner, kind), 0) - gpus
        self._lend(pool, owner, kind, gpus)

    def _lend(self, pool: str, owner: str, kind: str, gpus: int) -> None:
        for row in self.view.books.rows(owner, kind):
            if pool not in self.view.instance.pool_tree.below[row.pool]:
                self.lent[row.pool, row.kind] += gpus

    def _whole(self, project: str, level: str) -> bool:
        """Seat a project whole in one domain of a level: where it leaves nodes that are not lost, they are free."""
        import numpy as np

        view, topology = self.view, self.view.instance.topology
        pool, wanted = view.instance.project_of[project].pool, view.records.held[project]
        standing = {node: n for node, n in view.records.seats[project].items() if node not in self.lost}
        self._move(pool, standing, -1)
        free = view.free.copy()
        for node, gpus in self.change.items():
            free[node] += gpus
        domain = topology.domain[topology.levels.index(level)]
        fits = np.ones(int(domain.max()) + 1, dtype=bool)
        for kind, gpus in wanted.items():
            nodes = view.open_to(pool, kind)
            fits &= np.bincount(domain[nodes], weights=free[nodes], minlength=len(fits)) >= gpus
        for at in np.flatnonzero(fits).tolist():
            if self._fill(pool, at, domain, free, wanted):
                return True
        self._move(pool, standing, 1)
        return False

    def _fill(self, pool: str, at: int, domain: Ids, free: Ids, wanted: Mapping[str, int]) -> bool:
        """Take nodes of a domain one by one, within what owners lend; tell whether they hold all that is wanted."""
        taken: dict[int, int] = {}
        for kind, gpus in wanted.items():
            nodes = self.view.open_to(pool, kind)
            for node in nodes[domain[nodes] == at].tolist():
                owner = self.view.instance.topology.row(node).owner
                part = min(gpus, int(free[node]), self._lendable(pool, owner, kind))
                if part > 0:
                    taken[node] = part
                    self._move(pool, {node: part}, 1)
                    gpus -= part
            if gpus:
                self._move(pool, taken, -1)
                return False
        return True

    def _move(self, pool: str, nodes: Mapping[int, int], sign: int) -> None:
        """Take GPUs of nodes for a pool, or give them back."""
        for node, gpus in nodes.items():
            row = self.view.instance.topology.row(node)
            self.change[node] -= sign * gpus
            self._take(pool, row.owner, row.kind, sign * gpus)
