"""Shapes of which the domains hold fewer than must be served: by hand, irreducible, and never where there is a plan."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import event, given

import kalloc
from kalloc.allocate.build import build
from kalloc.errors import InfeasibleError
from kalloc.instance import Hierarchy, Instance, Project, Shape
from kalloc.joint import crowded, seating_clash, solve_joint
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status
from tests.engine.drawing import Size
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often
from tests.models.small import ask, make, nodes

SMALL = Size(nodes=5, gpus=4, projects=4, levels=2)


def shaped(racks: list[list[int]], asked: list[int], rule: str, level: str | None, amount: int | None) -> Instance:
    """Return racks of nodes of some GPUs, and projects that must have just so many in one shape."""
    names = [f"p{number}" for number in range(len(asked))]
    return make(
        hierarchy=Hierarchy(levels=("rack",)),
        inventory=tuple(nodes(f"r{rack}", gpus) for rack, sizes in enumerate(racks) for gpus in sizes),
        projects=tuple(Project(project=name, pool="top", mandatory=True) for name in names),
        requests=tuple(ask(name, gpus, gpus) for name, gpus in zip(names, asked, strict=True)),
        shapes=tuple(Shape(project=name, shape=rule, level=level, amount=amount) for name in names),
    )


CASES: dict[str, tuple[Instance, list[str]]] = {
    "segment": (
        shaped([[3, 3], [3, 3], [3]], [4, 4, 4], "segment", "rack", 4),
        ["room: the domains of level rack hold 8 GPUs of such projects, not more"],
    ),
    "whole": (
        shaped([[4, 4], [4, 2, 2]], [8, 6], "whole", None, None).replace(
            placed=({"project": "background", "node": "r0/n1", "gpus": 1, "movable": False},)
        ),
        [],
    ),
    "spread": (
        shaped([[8], [1], [1]], [4, 4], "spread", "rack", 2),
        ["room: the domains of level rack hold 6 GPUs of such projects, not more"],
    ),
    "exclusive": (
        shaped([[8], [1], [1]], [1, 1, 1, 1], "exclusive", "rack", None),
        ["room: 3 domains of level rack have room for them, not more"],
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_by_hand(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clash names has no plan together; without any one of its projects or shapes there is one."""
    instance, room = CASES[rule]
    monkeypatch.setattr("kalloc.solving.run.JOINT_NODES", 0)
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(instance, threads=1)
    assert {sentence.partition(":")[0] for sentence in caught.value.clash} == {"mandatory", rule, "room"}
    assert not room or list(caught.value.clash[-1:]) == room
    only, removals = named_alone(instance, caught.value.clash)
    assert removals
    with pytest.raises(InfeasibleError):
        kalloc.solve(only, threads=1)
    for fewer in removals:
        assert kalloc.solve(fewer, threads=1).plan.seats


def named_alone(instance: Instance, clash: Sequence[str]) -> tuple[Instance, list[Instance]]:
    """Return an instance of nothing but what a clash names, and that without one project or one shape of each kind."""
    said = re.findall(r"(\w+): (\d*) ?projects? (?:alike )?'(p\d)'", "\n".join(clash))
    asked = {row.project: row.max for row in instance.requests}
    chosen: dict[str, list[str]] = {}
    for what, count, first in said:
        like = [row.project for row in instance.projects if asked[row.project] == asked[first]]
        chosen.setdefault(what, []).extend(like[: int(count or 1)])
    assert all(len(names) == len(set(names)) for names in chosen.values())
    must = [row.model_copy(update={"mandatory": row.project in chosen["mandatory"]}) for row in instance.projects]
    shapes = tuple(row for row in instance.shapes if row.project in chosen.get(row.shape, ()))
    only, removals = instance.replace(projects=tuple(must), shapes=shapes), []
    for what, _, first in said:
        last = max(name for name in chosen[what] if asked[name] == asked[first])
        fewer = tuple(row for row in must if what != "mandatory" or row.project != last)
        there = {row.project for row in fewer}
        rows = tuple(row for row in shapes if row.project in there and (row.shape != what or row.project != last))
        requests = tuple(row for row in instance.requests if row.project in there)
        removals.append(instance.replace(projects=fewer, requests=requests, shapes=rows))
    return only, removals


def test_small_ones_name_shapes() -> None:
    """Where a small instance is decided exactly, the clash names shapes, too, and only those that matter."""
    instance = shaped([[8], [1], [1]], [4, 4], "spread", "rack", 2)
    odd = instance.replace(shapes=(*instance.shapes, Shape(project="p0", shape="segment", level="rack", amount=1)))
    found = seating_clash(odd, 8_000, Limits())
    assert {sentence.partition(":")[0] for sentence in found} == {"mandatory", "spread", "room"}


def test_content_with_nothing() -> None:
    """Whoever must be served but is content with nothing does not count: so many have a plan, without seats."""
    instance = CASES["segment"][0]
    content = instance.replace(requests=[row.model_copy(update={"min": 0, "step": 4}) for row in instance.requests])
    assert crowded(build(instance, Rooms.of(instance)))
    assert crowded(build(content, Rooms.of(content))) == []


@given(instance=policies(SMALL, True))
@often(150)
def test_what_is_crowded_has_no_plan(instance: Instance) -> None:
    """Wherever the count says that shapes do not fit, the exact model has no plan either."""
    check(instance)


@pytest.mark.long
@given(instance=policies(SMALL, True))
@often(3000)
def test_what_is_crowded_has_no_plan_on_thousands(instance: Instance) -> None:
    """As above, on thousands of instances."""
    check(instance)


def check(instance: Instance) -> None:
    """Compare the count with the exact model, all projects to be served."""
    must = instance.replace(
        projects=tuple(row.model_copy(update={"mandatory": True, "applied": None}) for row in instance.projects)
    )
    rooms = Rooms.of(must)
    found = crowded(build(must, rooms))
    event(f"crowded: {found[-1].split()[1:3] if found else None}")
    if found:
        status, _ = solve_joint(must, rooms, {}, 8_000, Limits())
        assert status is Status.INFEASIBLE
