"""The answer as a plan."""

from __future__ import annotations

from kalloc.instance import Project
from kalloc.plan import Grant, Seat
from models.joint import solve, to_plan
from tests.models.small import ask, make, nodes


def test_a_plan_has_a_grant_for_every_request() -> None:
    """Grants are in the order of the requests, those of nothing included; seats are by project and node."""
    instance = make(
        inventory=(nodes("r", 2), nodes("s", 2)),
        projects=(Project(project="z", pool="top"), Project(project="a", pool="top"), Project(project="b", pool="top")),
        requests=(ask("z", 2, 2), ask("b", 5, 9), ask("a", 2, 2)),
    )
    plan = to_plan(instance, solve(instance))
    assert plan.grants == (
        Grant("z", "top", "h", 2, 2, 2, ""),
        Grant("b", "top", "h", 0, 5, 9, ""),
        Grant("a", "top", "h", 2, 2, 2, ""),
    )
    assert [seat.project for seat in plan.seats] == ["a", "z"]
    assert {(seat.path, seat.node) for seat in plan.seats} == {(("r",), "r/n1"), (("s",), "s/n1")}
    assert plan.seats[0] == Seat("a", "h", plan.seats[0].path, f"{plan.seats[0].path[0]}/n1", 2)
