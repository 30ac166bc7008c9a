"""What excludes itself where the allocation alone has a plan, but nobody can seat it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count

from kalloc.instance import Instance
from kalloc.instance.policy import FORM_RULES
from kalloc.joint.bundles import TooManyBundlesError
from kalloc.joint.solve import solve_joint
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status

Demand = tuple[str, str]
"""A rule, and the project or the row of a table that it is about."""
PLENTY = 10**6
"""GPUs of a quota that binds nobody."""


def seating_clash(instance: Instance, size: int, limits: Limits) -> list[str]:
    """Return what excludes itself where the allocation alone has a plan, but nobody can seat it.

    A smallest set of rules and of requirements on single projects is found by leaving them out, many at once where
    that goes.
    """
    sentences = {**dict(_rules(instance)), **dict(_requirements(instance))}
    kept = set(sentences)
    leave_out(kept, list(sentences), lambda left: _unseatable(instance, left, size, limits))
    clash = [f"{rule}: {sentence}" for (rule, name), sentence in sentences.items() if (rule, name) in kept]
    if _unseatable(_roomier(instance), kept, size, limits):
        return clash
    return [*clash, "room: the free GPUs of single domains do not hold them together"]


def leave_out(kept: set[Demand], part: Sequence[Demand], impossible: Callable[[Collection[Demand]], bool]) -> None:
    """Take demands from those that are kept as long as the rest exclude each other, many at once where that goes."""
    if not part:
        return
    if impossible(kept - set(part)):
        kept -= set(part)
    elif len(part) > 1:
        leave_out(kept, part[: len(part) // 2], impossible)
        leave_out(kept, part[len(part) // 2 :], impossible)


def _requirements(instance: Instance) -> Iterator[tuple[Demand, str]]:
    """Yield what is required of projects that must be served or keep GPUs, in words."""
    stuck = {row.project: row for row in instance.projects if row.mandatory or row.project in instance.stays}
    yield from ((("mandatory", name), f"project {name!r} must be served") for name in stuck if stuck[name].mandatory)
    yield from ((("stays", name), f"project {name!r} keeps GPUs where they are") for name in instance.stays)
    whole = {name: row.level for name, row in stuck.items() if row.level is not None}
    yield from ((("level", name), f"project {name!r} must sit in one {level}") for name, level in whole.items())
    shapes = {(row.shape, row.project) for row in instance.shapes if row.shape in FORM_RULES and row.project in stuck}
    yield from (((rule, name), f"project {name!r} must have its GPUs in this shape") for rule, name in sorted(shapes))


def _rules(instance: Instance) -> Iterator[tuple[Demand, str]]:
    """Yield the rows of rules on several projects or domains, in words."""
    for quota in instance.quotas:
        most = quota.gpus + quota.borrow
        yield _of_quota(quota.pool, quota.kind), f"pool {quota.pool!r} may use {most} GPUs of kind {quota.kind!r}"
    for limit in instance.limits:
        said = [f"at most {limit.most}"] if limit.most is not None else []
        said += [f"at least {limit.least}"] if limit.least is not None else []
        yield ("limit", limit.limit), f"{limit.limit!r} gives projects {' and '.join(said)}"
    for budget in instance.budgets:
        said_of = f"{budget.budget!r} lets projects of pool {budget.pool!r} cost {budget.won:,} won"
        yield ("budget", budget.budget), said_of
    for power in instance.power:
        yield ("power", power.power), f"{power.power!r} allows {power.kw:g} kW in each {power.level}"


def _of_quota(pool: str, kind: str) -> Demand:
    return "quota", f"{pool} {kind}"


def _roomier(instance: Instance) -> Instance:
    """Return the instance with as many nodes again, in domains of their own."""
    paths, names = {row.path[:1] for row in instance.inventory}, set(instance.topology.names)
    coarse = next(name for number in count() if ((name := f"more{number}"),) not in paths)
    fresh = (name for number in count() if (name := f"more{number}") not in names)
    more = (
        row.model_copy(update={"node": next(fresh), "count": 1, "path": (coarse, *row.path[1:]) if row.path else ()})
        for row in instance.inventory
        for _ in range(row.count)
    )
    return instance.replace(inventory=(*instance.inventory, *more))


def _unseatable(instance: Instance, kept: Collection[Demand], size: int, limits: Limits) -> bool:
    """Tell whether nobody can seat a plan that meets only some rules and requirements."""
    fewer = _fewer(instance, kept)
    try:
        status, _ = solve_joint(fewer, Rooms.of(fewer), {}, size, limits)
    except (TooLargeError, TooManyBundlesError):
        return False
    return status is Status.INFEASIBLE


def _fewer(instance: Instance, kept: Collection[Demand]) -> Instance:
    projects = tuple(
        row.model_copy(
            update={
                "mandatory": ("mandatory", row.project) in kept,
                "level": row.level if ("level", row.project) in kept else None,
            }
        )
        for row in instance.projects
    )
    limits = tuple(row for row in instance.limits if ("limit", row.limit) in kept)
    left = {row.limit for row in limits}
    return instance.replace(
        projects=projects,
        placed=tuple(
            row.model_copy(update={"movable": row.movable or ("stays", row.project) not in kept})
            for row in instance.placed
        ),
        shapes=tuple(row for row in instance.shapes if row.shape not in FORM_RULES or (row.shape, row.project) in kept),
        quotas=tuple(
            row if _of_quota(row.pool, row.kind) in kept else row.model_copy(update={"gpus": PLENTY})
            for row in instance.quotas
        ),
        limits=limits,
        rates=tuple(row for row in instance.rates if row.limit in left),
        budgets=tuple(row for row in instance.budgets if ("budget", row.budget) in kept),
        power=tuple(row for row in instance.power if ("power", row.power) in kept),
    )
