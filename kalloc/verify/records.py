"""The records of a plan: whether they fit the instance at all, and what they say by name and id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.verify.needs import Needs

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Grant, Plan, Seat

FIRST_ROW = 2
"""Row of the first record in a table: the header is row 1."""


def identity(instance: Instance, plan: Plan) -> Iterator[str]:
    """Tell where the plan was made for another instance."""
    if plan.instance_name != instance.name:
        yield f"the plan is for instance {plan.instance_name!r}, not {instance.name!r}"
    if plan.instance_sha256 != instance.sha256:
        yield f"the plan is for an instance with fingerprint {plan.instance_sha256!r}, not {instance.sha256!r}"
    if plan.levels != instance.hierarchy.levels:
        yield f"the plan has levels {plan.levels!r}, not {instance.hierarchy.levels!r}"


def malformed(instance: Instance, plan: Plan) -> Iterator[str]:
    """Tell which records name what does not exist, contradict the instance or come twice."""
    granted: dict[tuple[object, object], int] = {}
    for row, grant in enumerate(plan.grants, FIRST_ROW):
        found = [*_grant(instance, grant), *_repeated(granted, row, project=grant.project, kind=grant.kind)]
        yield from (f"allocations row {row}: {message}" for message in found)
    for request in instance.requests:
        if (request.project, request.kind) not in granted:
            yield f"allocations: no row for the request of project {request.project!r} for {request.kind!r}"
    seated: dict[tuple[object, object], int] = {}
    for row, seat in enumerate(plan.seats, FIRST_ROW):
        found = [*_seat(instance, seat), *_repeated(seated, row, project=seat.project, node=seat.node)]
        yield from (f"placements row {row}: {message}" for message in found)


def _repeated(seen: dict[tuple[object, object], int], row: int, **key: object) -> Iterator[str]:
    first, second = key.values()
    if isinstance(first, str) and isinstance(second, str) and seen.setdefault((first, second), row) != row:
        what = " and ".join(f"{column} {name!r}" for column, name in key.items())
        yield f"{what} are already in row {seen[first, second]}"


def _grant(instance: Instance, grant: Grant) -> Iterator[str]:
    if not _whole(grant.gpus, least=0):
        yield f"gpus must be a whole number of at least 0, not {grant.gpus!r}"
    if not isinstance(grant.kind, str) or grant.kind not in instance.performance:
        yield f"unknown kind {grant.kind!r}"
    if not isinstance(grant.project, str) or grant.project not in instance.project_of:
        yield f"unknown project {grant.project!r}"
        return
    project = instance.project_of[grant.project]
    if grant.pool != project.pool:
        yield f"project {grant.project!r} belongs to pool {project.pool!r}, not {grant.pool!r}"
    ranges = [(row.min, row.max) for row in instance.requests_of[grant.project] if row.kind == grant.kind]
    stated = (grant.requested_min, grant.requested_max)
    if ranges and stated != ranges[0]:
        yield f"project {grant.project!r} asked {ranges[0]} of {grant.kind!r} (min, max), not {stated}"
    if not ranges and grant.gpus == 0:
        yield f"project {grant.project!r} did not ask for {grant.kind!r}"


def _seat(instance: Instance, seat: Seat) -> Iterator[str]:
    if not _whole(seat.gpus, least=1):
        yield f"gpus must be a whole number of at least 1, not {seat.gpus!r}"
    if not isinstance(seat.project, str) or seat.project not in instance.project_of:
        yield f"unknown project {seat.project!r}"
    node = instance.topology.node_ids.get(seat.node) if isinstance(seat.node, str) else None
    if node is None:
        yield f"unknown node {seat.node!r}"
        return
    row = instance.topology.row(node)
    if seat.path != row.path:
        yield f"node {seat.node!r} stands at {row.path!r}, not {seat.path!r}"
    if seat.kind != row.kind:
        yield f"node {seat.node!r} is of kind {row.kind!r}, not {seat.kind!r}"


def _whole(value: object, least: int) -> bool:
    return type(value) is int and value >= least


@dataclass(frozen=True)
class Records:
    """A plan by names and ids; made of records that are not malformed."""

    instance: Instance
    granted: Mapping[str, Mapping[str, int]]
    """x: GPUs by project and kind, where there are any."""
    seats: Mapping[str, Mapping[int, int]]
    """y: GPUs by project and node id."""

    @classmethod
    def of(cls, instance: Instance, plan: Plan) -> Records:
        """Read the records of a plan."""
        granted: dict[str, dict[str, int]] = {}
        for grant in plan.grants:
            if grant.gpus > 0:
                granted.setdefault(grant.project, {})[grant.kind] = grant.gpus
        seats: dict[str, dict[int, int]] = {}
        for seat in plan.seats:
            seats.setdefault(seat.project, {})[instance.topology.node_ids[seat.node]] = seat.gpus
        return cls(instance, granted, seats)

    @cached_property
    def held(self) -> Mapping[str, Mapping[str, int]]:
        """GPUs that are seated, by project and kind."""
        group, kind_of = self.instance.topology.group.tolist(), [row.kind for row in self.instance.topology.groups]
        found: dict[str, dict[str, int]] = {}
        for project, nodes in self.seats.items():
            kinds: dict[str, int] = {}
            for node, gpus in nodes.items():
                kind = kind_of[group[node]]
                kinds[kind] = kinds.get(kind, 0) + gpus
            found[project] = kinds
        return found

    @cached_property
    def usage(self) -> Mapping[str, Counter[str]]:
        """GPUs granted below each pool, itself included, by kind."""
        return _by_pool(self.instance, self.granted)

    @cached_property
    def used(self) -> Mapping[str, Counter[str]]:
        """GPUs that are seated of the projects below each pool, itself included, by kind."""
        return _by_pool(self.instance, self.held)

    @cached_property
    def spans(self) -> Mapping[str, tuple[int, ...]]:
        """Domains that each seated project spans, per level from coarse to ``node``."""
        domains = [domain.tolist() for domain in self.instance.topology.domain]
        return {
            project: tuple(len({domain[node] for node in nodes}) for domain in domains)
            for project, nodes in self.seats.items()
        }

    @cached_property
    def needs(self) -> Mapping[str, tuple[int, ...]]:
        """Domains that each seated project needs, per level from coarse to ``node``.

        Raises:
            ValueError: when a project holds more than the nodes have.
        """
        needs = Needs(self.instance)
        return {project: needs.of(project, self.held[project]) for project in self.seats}


def _by_pool(instance: Instance, bundles: Mapping[str, Mapping[str, int]]) -> Mapping[str, Counter[str]]:
    own: Counter[tuple[str, str]] = Counter()
    for project, bundle in bundles.items():
        for kind, gpus in bundle.items():
            own[instance.project_of[project].pool, kind] += gpus
    found: dict[str, Counter[str]] = {pool: Counter() for pool in instance.pool_tree.parent}
    for (of, kind), gpus in own.items():
        for pool in instance.pool_tree.line(of):
            found[pool][kind] += gpus
    return found
