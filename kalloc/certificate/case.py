"""What a proof speaks of, rebuilt from the instance row by row: who may sit where, and what everybody may get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from math import gcd, lcm, prod
from typing import Any

from kalloc.certificate.alone import Alone
from kalloc.instance import ALL_KINDS, Instance, Limit, Project, Request, Shape, Tier
from kalloc.verify import Needs, dues

Bundle = Mapping[str, int]
"""GPUs by kind; kinds of which there are none are left out."""
Children = tuple[int, ...]
"""Free rooms of what a domain is made of, the largest first."""
Bundles = tuple[tuple[str, int], ...]
Member = tuple[str, Bundles]
"""A project, and what it gets of every kind."""
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
        self.pool_of = {row.project: row.pool for row in instance.projects}
        self.asks = {project: [row.kind for row in instance.requests_of[project]] for project in instance.project_of}
        self.hosts, self.spans = cache(self._hosts), cache(self._spans)
        self.reach, self.rooms, self.due = cache(self._reach), cache(self._rooms), cache(self._due)
        self.room, self._bundles_of = cache(self._room), cache(self._bundles)
        self.domains, self.apart, self.unseen = cache(self._domains), cache(self._apart), cache(self._unseen)
        self.alone, self.paid, self.multiple = Alone(self).costs, cache(self._paid), cache(self._multiple)

    def _hosts(self, pool: str, kind: str) -> frozenset[str]:
        """Return the owners whose nodes of a kind may hold projects of a pool (rules `eligible` and `lend`)."""
        shut = [self.tree.below[row.pool] for row in self.instance.quotas if row.lend == 0 and covers(row.kind, kind)]
        owners = (owner for owner, of in self.owned if of == kind and self.tree.serves(owner, pool, kind))
        return frozenset(o for o in owners if all(pool in below for below in shut if o in below))

    def _room(self, owner: str, kind: str) -> int:
        """Return the free GPUs of a kind on the nodes of an owner."""
        return sum(self.free[node] for node in self.owned.get((owner, kind), ()))

    def _rooms(self, level: int, kind: str, owners: frozenset[str]) -> Counter[int]:
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
        stays = self.instance.stays.get(project, {})
        return {node: gpus for node, gpus in stays.items() if kind in (None, self.instance.topology.row(node).kind)}

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
        """Return what a request may get besides nothing (`request`, `cap`, `call`, `stays`, `level`, `room`)."""
        project, amounts = self.instance.project_of[request.project], self.instance.amounts(request)
        if project.project in self.instance.policy.refused:
            return range(0)
        kept = self.kept_gpus(project.project, request.kind)
        at = next(iter(self.kept(project.project)), None) if project.level is not None else None
        most = kept + self.reach(project.pool, request.kind, self.level(project.project), at)
        fewer = len(range(amounts.start, kept, amounts.step))
        return range(amounts.start + fewer * amounts.step, min(amounts.stop, most + 1), amounts.step)

    def bundles(self, project: str) -> list[Bundle]:
        """Return what a project may get."""
        return self._bundles_of(self.same[project])

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
            fits = self._whole(project, bundle) and self._within(project, bundle)
            if kept <= bundle.keys() and (served or not row.mandatory) and fits:
                found.append(bundle)
        return found

    def _whole(self, project: str, bundle: Bundle) -> bool:
        """Tell whether one domain could hold several kinds, where a project wants a level (rule `level`)."""
        found = self.least(project, bundle) if len(bundle) > 1 and self.level(project) >= 0 else None
        return found is None or found[self.level(project)][1] <= 1

    def _within(self, project: str, bundle: Bundle) -> bool:
        """Tell whether the limits of a project allow what it gets, and its shapes (`limit`, `segment` and `whole`)."""
        for row, rates in self.limits.get(project, ()):
            counted = sum(rates.get(kind, 0) * gpus for kind, gpus in bundle.items())
            if not (row.least or 0) <= counted <= (counted if row.most is None else row.most):
                return False
        sizes = [row.amount or 1 for row in self.shapes(project) if row.shape == "segment"]
        if any(row.shape == "whole" for row in self.shapes(project)):
            sizes.append(gcd(*(row.gpus for row in self.instance.inventory if row.kind in bundle)) or 1)
        return not any(sum(bundle.values()) % size for size in sizes)

    @cached_property
    def limits(self) -> dict[str, list[tuple[Limit, Mapping[str, Fraction]]]]:
        """Limits that a project has for itself, with their rates."""
        found: dict[str, list[tuple[Limit, Mapping[str, Fraction]]]] = {}
        for one in self.instance.policy.subjects:
            if one.limit.per == "project":
                found.setdefault(one.name, []).append((one.limit, self.instance.policy.rates[one.limit.limit]))
        return found

    def shapes(self, project: str) -> Sequence[Shape]:
        """Return the shapes of a project."""
        return self.instance.policy.shapes_of.get(project, ())

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
        if bundle and not self.kept(project) and self.shapes(project):
            spans = [0]
            for costs in self.units:
                counts = [self.alone(project, kind, gpus, costs) for kind, gpus in bundle]
                if None in counts:
                    return None
                spans.append(max(spans[-1], *(count or 0 for count in counts)))
            spans = spans[1:]
        return tuple((n, max(n, held)) for n, held in zip(need, spans, strict=True))

    @cached_property
    def units(self) -> list[tuple[int, ...]]:
        """Costs that count the spans of one level, for every level."""
        return [tuple(int(at == level) for at in range(len(self.levels))) for level in range(len(self.levels))]

    def neighbours(self, kind: str) -> list[list[str]]:
        """Return the pools in groups that share no nodes of a kind with each other."""
        linked: list[tuple[set[str], frozenset[str]]] = []
        for pool in self.pools:
            pools, owners = {pool}, self.hosts(pool, kind)
            for group in [group for group in linked if group[1] & owners]:
                pools, owners = pools | group[0], owners | group[1]
            linked = [group for group in linked if not group[1] & owners] + [(pools, owners)]
        return [sorted(pools) for pools, _ in linked]

    def _multiple(self, name: tuple[Any, ...]) -> int:
        """Return what the GPUs that projects get, as rows speak of them, are a multiple of; 0 where there are none."""
        what, who, kind = name
        some = [who] if what == "got" else [project for project, pool in self.pool_of.items() if pool == who]
        rows = (row for project in some for row in self.instance.requests_of[project] if row.kind == kind)
        return gcd(*(number for of in map(self.amounts, rows) for number in (of.start, of.step) if of))

    def step(self, pools: Collection[str], kind: str) -> int:
        """Return what the GPUs of a kind, or of all, that projects of some pools get are a multiple of."""
        return gcd(*map(self.multiple, self.usage(pools, kind))) or 1

    def usage(self, pools: Iterable[str], kind: str) -> dict[tuple[str, ...], int]:
        """Return the GPUs of a kind, or of all, that projects of some pools get, as what rows speak of."""
        kinds = [of for of in self.instance.performance if covers(kind, of)]
        return {("use", pool, of): 1 for pool in self.pools if pool in pools for of in kinds}

    def least(self, project: str, bundle: Bundle) -> Spans | None:
        """Return, per level, what a project needs and what it spans at least, since it keeps what it keeps.

        None where it could not sit even alone.
        """
        return self.spans(project, tuple(bundle.items()))

    def spanned(self, project: str, bundle: Bundle, levels: Sequence[int], costs: Sequence[int]) -> int:
        """Return Σ cost · spans of some levels that a project cannot do without."""
        return self.paid(project, tuple(bundle.items()), tuple(levels), tuple(costs))

    def _paid(self, project: str, bundle: tuple[tuple[str, int], ...], at: tuple[int, ...], of: tuple[int, ...]) -> int:
        found = self.spans(project, bundle)
        refuse_unless(found is not None, f"project {project!r} could not sit even alone")
        least = sum(cost * (found or ())[level][1] for cost, level in zip(of, at, strict=True))
        if len(bundle) != 1 or len(at) < 2 or self.kept(project) or least == sum(of):
            return least
        costs = tuple(dict(zip(at, of, strict=True)).get(level, 0) for level in range(len(self.levels)))
        return max(least, self.alone(project, *bundle[0], costs) or 0)

    def _unseen(
        self, project: str, bundle: Bundles, left: tuple[frozenset[str], ...], weights: tuple[int, ...], score: bool
    ) -> int:
        """Return what a project pays for what is left of it, per level, less Σ weight · need.

        In the ``score`` with what it prefers on top of the weights, where all of it is left.
        """
        least = self.spans(project, bundle)
        refuse_unless(least is not None, f"project {project!r} could not sit even alone")
        more = self.preferred(project) if score else [0] * len(weights)
        kinds = frozenset(kind for kind, _ in bundle)
        costs = [weight + extra * (of == kinds) for weight, extra, of in zip(weights, more, left, strict=True)]
        total = -sum(cost * need for cost, (need, _) in zip(costs, least or (), strict=True))
        for some in {*left} - {frozenset()}:
            levels = [level for level, of in enumerate(left) if of == some]
            rest = {kind: gpus for kind, gpus in bundle if kind in some}
            total += self.spanned(project, rest, levels, [costs[level] for level in levels])
        return total

    def preferred(self, project: str) -> list[int]:
        """Return what a project pays for a domain of each level on top of its weight (shape `prefer`)."""
        rows = [(self.instance.policy.level(of), of.amount or 0) for of in self.shapes(project) if of.shape == "prefer"]
        return [sum(amount for at, amount in rows if at == level) for level in range(len(self.levels))]

    def member(self, project: str, bundle: Bundle) -> Member:
        """Return the first project that sits like a project, and what this one gets."""
        return self.twins[project], tuple(sorted(bundle.items()))

    def members(self, granted: Mapping[str, Bundle]) -> Counter[Member]:
        """Return how many projects get what, those alike under the name of the first."""
        return Counter(self.member(*some) for some in granted.items())

    def _due(self, tier: Tier) -> dict[Fraction, list[str]]:
        """Return whose shares the tier `fairness` compares, by the weighted GPUs of which their share is one."""
        found: dict[Fraction, list[str]] = {}
        for who, (weight, gpus) in dues(self.instance, tier).items():
            found.setdefault(weight * gpus, []).append(who)
        return found

    @cached_property
    def twins(self) -> dict[str, str]:
        """For every project the first that sits like it: of its pool, with its kinds and shapes, and keeping none."""
        return self._firsts(lambda row: (row.pool, row.mix, row.level, *self.asks[row.project]))

    @cached_property
    def same(self) -> dict[str, str]:
        """For every project the first that may get the same, and counts the same wherever it is not named."""

        def asks(row: Project) -> object:
            own = tuple(limit.limit for limit, _ in self.limits.get(row.project, ()))
            some = ((of, self.instance.step(of)) for of in self.instance.requests_of[row.project])
            wishes = tuple((of.kind, of.min, of.max, step, self.instance.value(of)) for of, step in some)
            refused = row.project in self.instance.policy.refused
            return row.pool, row.mix, row.level, row.mandatory, row.merit, row.weight, refused, own, wishes

        return self._firsts(asks)

    def _firsts(self, told: Callable[[Project], object]) -> dict[str, str]:
        """Return for every project the first that has its shapes, of which the same is told, and that keeps nothing."""
        first, found = dict[object, str](), dict[str, str]()
        for project, row in self.instance.project_of.items():
            shapes = tuple((of.shape, of.level, of.amount) for of in self.shapes(project))
            found[project] = first.setdefault(project if self.kept(project) else (told(row), shapes), project)
        return found


def covers(row: str, kind: str) -> bool:
    """Tell whether a row for a kind, or for all kinds, speaks of a kind."""
    return row in (kind, ALL_KINDS)


def one_of(some: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Yield nothing, then every amount of one request alone."""
    yield (0,) * len(some)
    for place, amounts in enumerate(some):
        for amount in amounts:
            yield (0,) * place + (amount,) + (0,) * (len(some) - place - 1)
