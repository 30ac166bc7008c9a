"""What could be changed so that a project gets more: every rule that bears on it, loosened step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS, NODE, NodeGroup, Request
from kalloc.instance.rows import Row
from kalloc.whatif.lever import Lever, from_to, same, with_row
from kalloc.whatif.policy_levers import policy_levers

if TYPE_CHECKING:
    from kalloc.instance import Cap, Instance, Quota


def levers_of(instance: Instance, project: str) -> Iterator[Lever]:
    """Yield the levers of a project: its own requests and level first, then caps, quotas, lending, nodes and policy."""
    for request in instance.requests_of[project]:
        yield from _least(instance, request)
    yield from _level(instance, project)
    yield from _kinds(instance, project)
    for request in instance.requests_of[project]:
        yield from _caps(instance, request)
        yield from _quotas(instance, request)
        yield from _nodes(instance, request)
    yield from policy_levers(instance, project)


def _least(instance: Instance, request: Request) -> Iterator[Lever]:
    """Less is of use to it."""
    step = instance.step(request)
    most = max(0, request.min - 1) // step

    def apply(steps: int) -> Instance:
        return with_row(instance, "requests", request, min=request.min - steps * step, step=step)

    if most:
        yield Lever(
            "min",
            step,
            most,
            apply,
            lambda steps: {"kind": request.kind, "was": request.min, "now": request.min - steps * step},
        )


def _level(instance: Instance, project: str) -> Iterator[Lever]:
    """A coarser level, and then none, must hold the whole project."""
    row = instance.project_of[project]
    if row.level is None:
        return
    levels = (*instance.hierarchy.levels, NODE)
    for level in levels[: levels.index(row.level)][::-1]:
        apply = _set(instance, "projects", row, level=level)
        yield Lever("level", 0, 1, apply, same({"level": row.level, "to": level}))
    yield Lever("no_level", 0, 1, _set(instance, "projects", row, level=None), same({"level": row.level}))


def _kinds(instance: Instance, project: str) -> Iterator[Lever]:
    """It mixes the kinds that it asks for, or takes as much of a kind that it does not ask for."""
    row, requests = instance.project_of[project], instance.requests_of[project]
    if row.mix == "one" and len(requests) > 1:
        yield Lever("mix", 0, 1, _set(instance, "projects", row, mix="any"), same({}))
    asked = {request.kind for request in requests}
    serves = instance.pool_tree.serves
    for kind in instance.performance:
        up = (group for group in instance.inventory if group.kind == kind and group.state == "up")
        if requests and kind not in asked and any(serves(group.owner, row.pool, kind) for group in up):
            first = requests[0]
            more = Request(project=project, kind=kind, min=first.min, max=first.max, step=instance.step(first))
            yield Lever(
                "kind",
                0,
                1,
                _replaced(instance, requests=(*instance.requests, more)),
                same({"kind": kind, "least": first.min, "most": first.max}),
            )


def _caps(instance: Instance, request: Request) -> Iterator[Lever]:
    line = instance.pool_tree.line(instance.project_of[request.project].pool)
    step = instance.step(request)
    for row in instance.caps:
        if row.pool in line and row.kind == request.kind and row.gpus < request.max:
            yield Lever(
                "cap",
                step,
                -(-(request.max - row.gpus) // step),
                partial(_capped, instance, row, step),
                partial(from_to, row.pool, row.kind, row.gpus, step),
            )


def _quotas(instance: Instance, request: Request) -> Iterator[Lever]:
    """Quotas on its line own more or borrow more, and those beside them lend more."""
    tree = instance.pool_tree
    for pool in tree.line(instance.project_of[request.project].pool):
        for row in (tree.quotas[key] for key in ((pool, request.kind), (pool, ALL_KINDS)) if key in tree.quotas):
            yield _quota(instance, request, row, "gpus", _asked(instance, row) - row.gpus)
            siblings = tree.siblings[parent] if (parent := tree.parent[pool]) is not None else ()
            beside = [tree.quotas[key] for key in ((name, row.kind) for name in siblings) if key in tree.quotas]
            lent = sum(other.lend for other in beside if other is not row)
            if 0 < row.borrow < lent:
                yield _quota(instance, request, row, "borrow", lent - row.borrow)
            if row.borrow:
                yield from (
                    _quota(instance, request, other, "lend", other.gpus - other.lend)
                    for other in beside
                    if other is not row and 0 < other.lend < other.gpus
                )


def _quota(instance: Instance, request: Request, row: Quota, column: str, room: int) -> Lever:
    step, was = instance.step(request), int(getattr(row, column))
    return Lever(
        {"gpus": "quota"}.get(column, column),
        step,
        max(0, -(-room // step)),
        lambda steps: with_row(instance, "quotas", row, **{column: was + steps * step}),
        partial(from_to, row.pool, row.kind, was, step),
    )


def _nodes(instance: Instance, request: Request) -> Iterator[Lever]:
    """There are more nodes like the largest group of them that serves the project's pool, and quotas to match."""
    pool = instance.project_of[request.project].pool
    groups = [row for row in instance.inventory if row.kind == request.kind and row.state == "up"]
    serving = [row for row in groups if instance.pool_tree.serves(row.owner, pool, row.kind)]
    if not serving:
        return
    like = max(serving, key=lambda row: row.count * row.gpus)
    line = instance.pool_tree.line(pool)
    above = [row for row in instance.quotas if row.pool in line and row.kind in (request.kind, ALL_KINDS)]

    def apply(steps: int) -> Instance:
        more = NodeGroup(path=like.path, count=steps, kind=like.kind, gpus=like.gpus, owner=like.owner)
        grown = (
            row.model_copy(update={"gpus": row.gpus + steps * like.gpus}) if row in above else row
            for row in instance.quotas
        )
        return instance.replace(inventory=(*instance.inventory, more), quotas=tuple(grown))

    yield Lever(
        "nodes",
        like.gpus,
        -(-request.max // like.gpus),
        apply,
        lambda steps: {"owner": like.owner, "kind": like.kind, "count": steps, "gpus": steps * like.gpus},
    )


def _asked(instance: Instance, row: Quota) -> int:
    """Return the most that projects could count against a quota."""
    below = instance.pool_tree.below[row.pool]
    if row.kind == ALL_KINDS:
        return sum(instance.most_requested(p.project) for p in instance.projects if p.pool in below)
    requests = (r for r in instance.requests if r.kind == row.kind)
    return sum(r.max for r in requests if instance.project_of[r.project].pool in below)


def _capped(instance: Instance, row: Cap, step: int, steps: int) -> Instance:
    return with_row(instance, "caps", row, gpus=row.gpus + steps * step)


def _replaced(instance: Instance, **tables: object) -> Callable[[int], Instance]:
    return lambda _: instance.replace(**tables)


def _set(instance: Instance, table: str, row: Row, **changes: object) -> Callable[[int], Instance]:
    return lambda _: with_row(instance, table, row, **changes)
