"""What the policy tables say of single projects, kinds and nodes: read once, exact."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from kalloc.instance.pools import ALL_KINDS
from kalloc.instance.topology import NODE

if TYPE_CHECKING:
    from kalloc.instance.instance import Instance
    from kalloc.instance.policy_rows import Limit, Power, Shape
    from kalloc.instance.rows import Project


@lru_cache(maxsize=10_000)
def decimal(number: float) -> Fraction:
    """Return the decimal number that was written: 0.1 is a tenth."""
    return Fraction(repr(float(number)))


@dataclass(frozen=True)
class Subject:
    """Projects that a limit counts together."""

    limit: Limit
    name: str
    """The project, applicant, group or region; empty for all."""
    projects: tuple[str, ...]


@dataclass(frozen=True)
class PowerDomain:
    """The nodes of one domain that draw power under one limit. Watts are exact."""

    power: Power
    name: str
    nodes: tuple[int, ...]
    """Ids of its nodes that are up."""
    left: Fraction
    """Watts that the projects' GPUs may draw: the limit less idle power and background; negative where that is over."""


FORM_RULES = frozenset({"segment", "spread", "whole", "exclusive"})
"""Rules that say how the GPUs of one project must lie."""
FREE = 2**40
"""More GPUs than any domain has: no bound."""


@dataclass(frozen=True)
class Form:
    """How the GPUs of one project must lie (rules `segment`, `spread`, `whole`, `exclusive`), per level."""

    multiple: tuple[int, ...]
    """What it has in a domain is a multiple of this; a coarser level takes over what a finer one demands."""
    most: tuple[int, ...]
    """The most that it has in a domain."""
    whole: bool
    exclusive: tuple[int, ...]
    """Levels at which nobody else may be where it is."""

    @property
    def of_part(self) -> Form:
        """What it demands of the GPUs of one kind among several: segments over several nodes may be of mixed kinds."""
        return replace(self, multiple=(*(1 for _ in self.multiple[1:]), self.multiple[-1]))


@dataclass(frozen=True)
class Policy:
    """Views of the policy of an instance."""

    instance: Instance

    @cached_property
    def refused(self) -> frozenset[str]:
        """Projects that applied outside a call of their pool or of a pool above: they get nothing (rule `call`)."""
        calls = {row.pool: row for row in self.instance.pools if row.opens is not None or row.closes is not None}
        found = set()
        for row in self.instance.projects:
            if row.applied is None:
                continue
            for pool in self.instance.pool_tree.line(row.pool):
                call = calls.get(pool)
                early = call is not None and call.opens is not None and row.applied < call.opens
                late = call is not None and call.closes is not None and row.applied > call.closes
                if early or late:
                    found.add(row.project)
        return frozenset(found)

    def asked(self, project: str) -> int:
        """Return the most GPUs that a project could take of what it asks; 0 where a call refuses it."""
        return 0 if project in self.refused else self.instance.most_requested(project)

    @cached_property
    def rates(self) -> Mapping[str, Mapping[str, Fraction]]:
        """What a GPU of each kind counts against each limit; kinds that do not count are missing."""
        found: dict[str, dict[str, Fraction]] = {row.limit: {} for row in self.instance.limits}
        for row in self.instance.limits:
            if row.kind is not None:
                kinds = [kind.kind for kind in self.instance.kinds] if row.kind == ALL_KINDS else [row.kind]
                found[row.limit] = dict.fromkeys(kinds, Fraction(1))
        for rate in self.instance.rates:
            found[rate.limit][rate.kind] = decimal(rate.rate)
        return found

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Every set of projects that a limit counts together, in the order of limits.csv (rule `limit`)."""
        found = []
        for limit in self.instance.limits:
            members: dict[str, list[str]] = {}
            for row in self._candidates(limit):
                name = subject_of(limit, row)
                below = limit.pool is None or row.pool in self.instance.pool_tree.below[limit.pool]
                if name is not None and below and limit.of in (None, name):
                    members.setdefault(name, []).append(row.project)
            found += [Subject(limit, name, tuple(projects)) for name, projects in members.items()]
        return tuple(found)

    def _candidates(self, limit: Limit) -> Iterable[Project]:
        """Return projects, in the order of the table, among which are all that a limit counts."""
        if limit.of is not None:
            return self._members.get((limit.per, limit.of), ())
        if limit.pool is None:
            return self.instance.projects
        below = self.instance.pool_tree.below[limit.pool]
        numbers = sorted(number for pool in below for number in self._of_pool.get(pool, ()))
        return (self.instance.projects[number] for number in numbers)

    @cached_property
    def _members(self) -> Mapping[tuple[str, str | None], tuple[Project, ...]]:
        """The projects of each applicant, group and region that a limit names."""
        found: dict[tuple[str, str | None], list[Project]] = {}
        for limit in self.instance.limits:
            if limit.of is not None:
                found[limit.per, limit.of] = []
        for per in {per for per, _ in found}:
            for row in self.instance.projects:
                if (key := (per, getattr(row, per, None))) in found:
                    found[key].append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def _of_pool(self) -> Mapping[str, list[int]]:
        """The places in the table of the projects of each pool itself."""
        found: dict[str, list[int]] = {}
        for number, row in enumerate(self.instance.projects):
            found.setdefault(row.pool, []).append(number)
        return found

    @cached_property
    def _discounts(self) -> Mapping[str, Fraction]:
        return {row.group: 1 - decimal(row.discount) / 100 for row in self.instance.groups}

    @cached_property
    def _won(self) -> Mapping[str, int]:
        return {row.kind: row.won for row in self.instance.kinds}

    def price(self, project: str, kind: str) -> Fraction:
        """Return what one GPU of a kind costs a project, in won (rule `budget`)."""
        group = self.instance.project_of[project].group
        return self._won[kind] * (Fraction(1) if group is None else self._discounts[group])

    @cached_property
    def shapes_of(self) -> Mapping[str, tuple[Shape, ...]]:
        """The shapes of each project that has any, in the order of the table."""
        found: dict[str, list[Shape]] = {}
        for row in self.instance.shapes:
            found.setdefault(row.project, []).append(row)
        return {project: tuple(rows) for project, rows in found.items()}

    def form(self, project: str, node: int, rules: Container[str] = FORM_RULES) -> Form:
        """Return the form of a project's GPUs by some rules; whole nodes have a multiple of ``node`` GPUs."""
        shapes = [row for row in self.shapes_of.get(project, ()) if row.shape in rules]
        count = len(self.instance.topology.levels)
        multiple, most = [1] * count, [FREE] * count
        for row in shapes:
            level, amount = self.level(row), row.amount or 1
            if row.shape == "segment":
                multiple[level] = math.lcm(multiple[level], amount)
            elif row.shape == "spread":
                most[level] = min(most[level], amount)
        whole = any(row.shape == "whole" for row in shapes)
        if whole:
            multiple[-1] = math.lcm(multiple[-1], node)
        for level in range(count - 2, -1, -1):
            multiple[level] = math.lcm(multiple[level], multiple[level + 1])
        exclusive = tuple(sorted(self.level(row) for row in shapes if row.shape == "exclusive"))
        return Form(tuple(multiple), tuple(most), whole, exclusive)

    def level(self, shape: Shape) -> int:
        """Return the depth of the level of a shape."""
        return self.instance.topology.levels.index(shape.level or NODE)

    @cached_property
    def watts(self) -> tuple[tuple[int, Fraction], ...]:
        """Per inventory row, the idle power of a node and what each GPU in use adds to it, in W."""
        per_gpu = {row.kind: row.watts for row in self.instance.kinds}
        found = []
        for row in self.instance.inventory:
            loaded = row.gpus * per_gpu[row.kind] if row.loaded_watts is None else row.loaded_watts
            found.append((row.idle_watts, Fraction(max(0, loaded - row.idle_watts), row.gpus)))
        return tuple(found)

    @cached_property
    def power_domains(self) -> tuple[PowerDomain, ...]:
        """Every domain with a limit on its power, in the order of power.csv (rule `power`)."""
        topology = self.instance.topology
        found = []
        for row in self.instance.power:
            level = topology.levels.index(row.level)
            for domain, nodes in self._nodes_up(level).items():
                name = self.domain_name(level, domain)
                if row.domain in (None, name):
                    found.append(PowerDomain(row, name, tuple(nodes), self._left(row, nodes)))
        return tuple(found)

    def _nodes_up(self, level: int) -> Mapping[int, list[int]]:
        """Return the nodes that are up by domain of a level; two domains may have one name."""
        topology, found = self.instance.topology, dict[int, list[int]]()
        up = [row.state == "up" for row in topology.groups]
        for node, (domain, group) in enumerate(
            zip(topology.domain[level].tolist(), topology.group.tolist(), strict=True)
        ):
            if up[group]:
                found.setdefault(domain, []).append(node)
        return found

    def _left(self, row: Power, nodes: list[int]) -> Fraction:
        background, sorts = self.instance.background, self.instance.topology.group[nodes].tolist()
        drawn = Fraction(sum(self.watts[sort][0] for sort in sorts))
        for node, sort in zip(nodes, sorts, strict=True):
            if node in background:
                drawn += self.watts[sort][1] * background[node]
        return 1000 * decimal(row.kw) - drawn

    def domain_name(self, level: int, domain: int) -> str:
        """Return the name of a domain: its path joined by `/`, or the name of a node."""
        topology = self.instance.topology
        if level == len(topology.levels) - 1:
            return topology.names[domain]
        return "/".join(topology.paths[level][domain])

    @cached_property
    def empty_domains(self) -> Mapping[str, tuple[int, ...]]:
        """Per level, the domains with GPUs that are up of which nobody who stays holds any: what `reserve` can keep."""
        topology, instance = self.instance.topology, self.instance
        taken = {node for nodes in instance.stays.values() for node in nodes} | set(instance.background)
        found = {}
        for level, domain in zip(topology.levels, topology.domain, strict=True):
            used = {int(domain[node]) for node in taken}
            alive = dict.fromkeys(int(domain[node]) for node in range(topology.node_count) if topology.gpus[node])
            found[level] = tuple(one for one in alive if one not in used)
        return found


def nepers(gpus: Fraction | int) -> Fraction:
    """Return ln(1 + GPUs) as the tier `fairness` with the rule `proportional` has it: exact between whole steps.

    It is the logarithm, rounded to a millionth, at 0, 1, 2, 3, 4, 6, 8, 12 … and straight between.
    """
    low, high = steps_around(gpus)
    below, above = _logarithm(low), _logarithm(high)
    return below + (above - below) * (Fraction(gpus) - low) / (high - low)


def steps_around(gpus: Fraction | int) -> tuple[int, int]:
    """Return the greatest of 0, 1, 2, 3, 4, 6, 8, 12 … that is not over a number, and the one after it."""
    if gpus < 2:
        return (0, 1) if gpus < 1 else (1, 2)
    power = 1 << (int(gpus).bit_length() - 1)
    return (power, power * 3 // 2) if 2 * gpus < 3 * power else (power * 3 // 2, power * 2)


def _logarithm(step: int) -> Fraction:
    return Fraction(round(10**6 * math.log1p(step)), 10**6)


def subject_of(limit: Limit, row: Project) -> str | None:
    """Return what a limit counts a project under, None where it has no applicant, group or region."""
    if limit.per == "all":
        return ""
    return row.project if limit.per == "project" else getattr(row, limit.per)
