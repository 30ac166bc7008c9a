"""What a proof speaks of, rebuilt from the instance row by row: who may sit where, and what everybody may get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from math import lcm, prod

from kalloc.instance import ALL_KINDS, Instance, Request
from kalloc.verify import Needs

Bundle = Mapping[str, int]
"""GPUs by kind; kinds of which there are none are left out."""
Children = tuple[int, ...]
"""Free rooms of what a domain is made of, the largest first."""
Spans = tuple[tuple[int, int], ...]
"""Per level the domains that are needed, and those that are spanned at least."""
MOST_BUNDLES = 50_000
"""A project with more bundles to choose from is not looked at."""


class RefusedError(Exception):
    """A proof does not prove what it says; the message tells why."""


def refuse_unless(condition: bool, message: str) -> None:
    """Raise a RefusedError where a condition does not hold."""
    if not condition:
        raise RefusedError(message)


class Case:
    """An instance, as proofs see it."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.tree, self.needs = instance, instance.pool_tree, Needs(instance)
        topology = instance.topology
        self.levels, self.weights = topology.levels, topology.weights
        self.finest = len(self.levels) - 1
        self.domain = [domain.tolist() for domain in topology.domain]
        self.free: list[int] = topology.gpus.tolist()
        for taken in (instance.background, *instance.stays.values()):
            for node, gpus in taken.items():
                self.free[node] = max(0, self.free[node] - gpus)
        self.owned: dict[tuple[str, str], list[int]] = {}
        for node, group in enumerate(topology.group.tolist()):
            row = topology.groups[group]
            if row.state == "up":
                self.owned.setdefault((row.owner, row.kind), []).append(node)
        self.pools = sorted({row.pool for row in instance.projects})
        self.hosts, self.spans = cache(self._hosts), cache(self._spans)
        self.reach, self.room, self.bundles = cache(self._reach), cache(self._room), cache(self._bundles)
        self.domains, self.apart = cache(self._domains), cache(self._apart)

    def _hosts(self, pool: str, kind: str) -> frozenset[str]:
        """Return the owners whose nodes of a kind may hold projects of a pool (rules `eligible` and `lend`)."""
        shut = [self.tree.below[row.pool] for row in self.instance.quotas if row.lend == 0 and covers(row.kind, kind)]
        owners = (owner for owner, of in self.owned if of == kind and self.tree.serves(owner, pool, kind))
        return frozenset(o for o in owners if all(pool in below for below in shut if o in below))

    def _room(self, owner: str, kind: str) -> int:
        """Return the free GPUs of a kind on the nodes of an owner."""
        return sum(self.free[node] for node in self.owned.get((owner, kind), ()))

    def rooms(self, level: int, kind: str, owners: Iterable[str]) -> Counter[int]:
        """Return the free GPUs of a kind in every domain of a level, on the nodes of some owners."""
        found: Counter[int] = Counter()
        for owner in owners:
            for node in self.owned.get((owner, kind), ()):
                found[self.domain[level][node]] += self.free[node]
        return found

    def _domains(self, run: tuple[int, ...], kind: str, owners: frozenset[str], grain: int) -> list[Children]:
        """Return the rooms of the last of some levels in every domain of the first, in grains, rounded up."""
        above = dict(zip(self.domain[run[-1]], self.domain[run[0]], strict=True))
        inside: dict[int, list[int]] = {}
        for domain, gpus in self.rooms(run[-1], kind, owners).items():
            inside.setdefault(above[domain], []).extend([-(-gpus // grain)] if gpus else [])
        return [tuple(sorted(rooms, reverse=True)) for rooms in inside.values() if rooms]

    def _apart(self, pool: str, kinds: frozenset[str], level: int) -> bool:
        """Tell whether no domain of a level has nodes of two kinds for projects of a pool."""
        domains = [self.rooms(level, kind, self.hosts(pool, kind)).keys() for kind in kinds]
        return level == self.finest or len(set().union(*domains)) == sum(map(len, domains))

    def kept(self, project: str, kind: str | None = None) -> dict[int, int]:
        """Return the GPUs that a project keeps by node, of one kind or of all."""
        row = self.instance.topology.row
        stays = self.instance.stays.get(project, {})
        return {node: gpus for node, gpus in stays.items() if kind in (None, row(node).kind)}

    def kept_gpus(self, project: str, kind: str) -> int:
        """Return the GPUs of a kind that a project keeps."""
        return sum(self.kept(project, kind).values())

    def level(self, project: str) -> int:
        """Return the level of which one domain must hold a project; −1 where there is none (rule `level`)."""
        name = self.instance.project_of[project].level
        return -1 if name is None else self.levels.index(name)

    def _reach(self, pool: str, kind: str, level: int, at: int | None) -> int:
        """Return the most free GPUs that one project could be seated on; in the domain of a node, if one is given."""
        hosts = self.hosts(pool, kind)
        if level < 0:
            return sum(self.room(owner, kind) for owner in hosts)
        rooms = self.rooms(level, kind, hosts)
        return max(rooms.values(), default=0) if at is None else rooms[self.domain[level][at]]

    def amounts(self, request: Request) -> range:
        """Return what a request may get besides nothing (rules `request`, `cap`, `stays`, `level` and `room`)."""
        project, amounts = self.instance.project_of[request.project], self.instance.amounts(request)
        kept = self.kept_gpus(project.project, request.kind)
        at = next(iter(self.kept(project.project)), None) if project.level is not None else None
        most = kept + self.reach(project.pool, request.kind, self.level(project.project), at)
        fewer = len(range(amounts.start, kept, amounts.step))
        return range(amounts.start + fewer * amounts.step, min(amounts.stop, most + 1), amounts.step)

    def _bundles(self, project: str) -> list[Bundle]:
        """Return what a project may get (rules `mix`, `mandatory`, `stays` and, for several kinds, `level`)."""
        row, requests = self.instance.project_of[project], self.instance.requests_of[project]
        amounts = [self.amounts(request) for request in requests]
        one = row.mix == "one"
        count = sum(map(len, amounts)) if one else prod(len(some) + 1 for some in amounts)
        refuse_unless(count < MOST_BUNDLES, f"project {project!r} has too many bundles to choose from")
        every = one_of(amounts) if one else product(*([0, *some] for some in amounts))
        kept, found = {self.instance.topology.row(node).kind for node in self.kept(project)}, list[Bundle]()
        for gpus in every:
            bundle = {request.kind: x for request, x in zip(requests, gpus, strict=True) if x}
            served = any(x >= request.min for request, x in zip(requests, gpus, strict=True))
            if kept <= bundle.keys() and (served or not row.mandatory) and self._whole(project, bundle):
                found.append(bundle)
        return found

    def _whole(self, project: str, bundle: Bundle) -> bool:
        """Tell whether one domain could hold several kinds, where a project wants a level (rule `level`)."""
        found = self.least(project, bundle) if len(bundle) > 1 and self.level(project) >= 0 else None
        return found is None or found[self.level(project)][1] <= 1

    @cached_property
    def unit(self) -> int:
        """Merit is counted in 1 / unit."""
        return lcm(*(self._worth(row).denominator for row in self.instance.requests))

    @cached_property
    def worth(self) -> dict[tuple[str, str], int]:
        """Merit of one GPU by project and kind, in units."""
        return {(row.project, row.kind): int(self._worth(row) * self.unit) for row in self.instance.requests}

    def _worth(self, row: Request) -> Fraction:
        merit = self.instance.project_of[row.project].merit
        return Fraction(repr(float(merit))) * Fraction(repr(float(self.instance.value(row))))

    def merit(self, project: str, bundle: Bundle) -> int:
        """Return the merit of what a project gets, in units."""
        return sum(self.worth[project, kind] * gpus for kind, gpus in bundle.items())

    def _spans(self, project: str, bundle: tuple[tuple[str, int], ...]) -> Spans | None:
        try:
            need = self.needs.of(project, dict(bundle))
        except ValueError:
            return None
        row = self.instance.topology.row
        kept = [node for node in self.kept(project) if row(node).kind in dict(bundle)]
        spans = [len({domain[node] for node in kept}) for domain in self.domain]
        return tuple((needed, max(needed, held)) for needed, held in zip(need, spans, strict=True))

    def least(self, project: str, bundle: Bundle) -> Spans | None:
        """Return, per level, what a project needs and what it spans at least, since it keeps what it keeps.

        None where it could not sit even alone.
        """
        return self.spans(project, tuple(bundle.items()))

    def spanned(self, project: str, bundle: Bundle, levels: Sequence[int], costs: Sequence[int]) -> int:
        """Return Σ cost · spans of some levels that a project cannot do without."""
        found = self.least(project, bundle) or ()
        refuse_unless(bool(found), f"project {project!r} could not sit even alone")
        return sum(cost * found[level][1] for cost, level in zip(costs, levels, strict=True))


def covers(row: str, kind: str) -> bool:
    """Tell whether a row for a kind, or for all kinds, speaks of a kind."""
    return row in (kind, ALL_KINDS)


def one_of(some: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Yield nothing, then every amount of one request alone."""
    yield (0,) * len(some)
    for place, amounts in enumerate(some):
        for amount in amounts:
            yield (0,) * place + (amount,) + (0,) * (len(some) - place - 1)
