"""What could be changed of the policy tables so that a project gets more: limits, floors, budgets, power and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from kalloc.instance.policy import decimal
from kalloc.whatif.lever import Facts, Lever, same, with_row

if TYPE_CHECKING:
    from fractions import Fraction

    from kalloc.instance import Instance, Request
    from kalloc.instance.rows import Row


def policy_levers(instance: Instance, project: str) -> Iterator[Lever]:
    """Yield the levers that the policy tables give a project: what it must look like first, then what is counted."""
    yield from _shapes(instance, project)
    for request in instance.requests_of[project]:
        yield from _limits(instance, request)
        yield from _budgets(instance, request)
        yield from _power(instance, request)
    yield from _floors(instance)


def _shapes(instance: Instance, project: str) -> Iterator[Lever]:
    """One of its shapes is dropped."""
    for shape in instance.policy.shapes_of.get(project, ()):
        if shape.shape != "prefer":
            rows = tuple(row for row in instance.shapes if row is not shape)
            facts = {"level": shape.level, "amount": shape.amount}
            yield Lever(f"drop_{shape.shape}", 0, 1, partial(_shaped, instance, rows), same(facts))


def _shaped(instance: Instance, rows: tuple[Row, ...], _: int) -> Instance:
    return instance.replace(shapes=rows)


def _limits(instance: Instance, request: Request) -> Iterator[Lever]:
    """A limit that counts it allows more."""
    for subject in instance.policy.subjects:
        row, rate = subject.limit, instance.policy.rates[subject.limit.limit].get(request.kind)
        if row.most is not None and rate and request.project in subject.projects:
            yield _counted(instance, request, "limits", row, "most", rate, {"limit": row.limit})


def _budgets(instance: Instance, request: Request) -> Iterator[Lever]:
    """A budget that pays for it has more."""
    price = instance.policy.price(request.project, request.kind)
    for row in instance.budgets:
        if price and row.pool in instance.pool_tree.line(instance.project_of[request.project].pool):
            yield _counted(instance, request, "budgets", row, "won", price, {"budget": row.budget})


def _power(instance: Instance, request: Request) -> Iterator[Lever]:
    """A limit on power allows what GPUs in use of the kind draw, those that draw most."""
    rows = [group for group in instance.inventory if group.kind == request.kind and group.state == "up"]
    watts = [instance.policy.watts[instance.inventory.index(group)][1] for group in rows]
    if not any(watts):
        return
    for row in instance.power:
        yield _counted(instance, request, "power", row, "kw", max(watts) / 1000, {"power": row.power})


def _floors(instance: Instance) -> Iterator[Lever]:
    """A floor for others is dropped."""
    for row in instance.limits:
        if row.least is not None and row.most is not None:
            apply = partial(_floored, instance, row)
            yield Lever("floor", 0, 1, apply, same({"limit": row.limit, "least": row.least}))


def _floored(instance: Instance, row: Row, _: int) -> Instance:
    return with_row(instance, "limits", row, least=None)


def _counted(
    instance: Instance, request: Request, table: str, row: Row, column: str, each: Fraction, name: Facts
) -> Lever:
    """Return the lever that raises a cell of a row by what steps of a request count there."""
    step, was = instance.step(request), getattr(row, column)

    def raised(steps: int) -> tuple[float, float]:
        """Return by how much, and to what; kilowatts to the watt."""
        grain = 1000 if table == "power" else 1
        more = decimal(ceil(each * step * steps * grain)) / grain
        now = decimal(was) + more
        return (float(more), float(now)) if table == "power" else (int(more), int(now))

    return Lever(
        {"limits": "limit", "budgets": "budget", "power": "power"}[table],
        step,
        -(-request.max // step),
        lambda steps: with_row(instance, table, row, **{column: raised(steps)[1]}),
        lambda steps: {**name, "was": was, "now": raised(steps)[1], "more": raised(steps)[0]},
    )
