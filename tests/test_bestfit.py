"""Best fit beside stays, levels and lending: seats that break no rule, and none where there is no room."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalloc import load, solve, verify
from kalloc.bestfit import best_fit
from kalloc.generate import generate
from kalloc.plan import Plan
from tests.benchmarks import fits
from tests.halls import granted, hall

TINY = Path(__file__).parents[1] / "instances" / "tiny"
NAMES = sorted(path.name for path in TINY.iterdir() if path.is_dir() and not path.name.startswith("infeasible"))


def seats(plan: Plan) -> set[tuple[str, str, int]]:
    """Return project, node and GPUs of every seat."""
    return {(seat.project, seat.node, seat.gpus) for seat in plan.seats}


@pytest.mark.parametrize("name", NAMES)
def test_tiny(name: str) -> None:
    """On every tiny instance some projects find no room at most; shapes and power alone are rules it does not know."""
    instance = load(TINY / name)
    found = best_fit(instance, solve(instance).plan)
    unknown = {"power", *(row.shape for row in instance.shapes)}
    assert {violation.rule for violation in verify(instance, found)} <= {"seated", *unknown}


@pytest.mark.parametrize("family", ["fragmented", "partial", "owners"])
def test_same_as_the_reference(family: str) -> None:
    """Where nobody stays, borrows or names a level, the seats are those of the reference of the benchmarks."""
    instance = generate("national", 2, family=family, nodes=320)
    plan = granted(instance)
    assert seats(best_fit(instance, plan)) == seats(fits.best_fit(instance, plan))


def test_stays() -> None:
    """What stays keeps its seat, and only the rest is seated anew."""
    instance = load(TINY / "staying-project")
    kept = {(p, instance.topology.names[node]) for p, nodes in instance.stays.items() for node in nodes}
    found = best_fit(instance, solve(instance).plan)
    assert kept <= {(project, node) for project, node, _ in seats(found)}


def test_level() -> None:
    """A project that must sit in one rack takes the tightest one, though another has a node that is free."""
    instance = hall({"a": 3, "b": 2}, {"p": 16})
    held = instance.replace(projects=(instance.projects[0].model_copy(update={"level": "rack"}),))
    assert {node for _, node, _ in seats(best_fit(held, granted(held)))} == {"b/n1", "b/n2"}


def test_no_room() -> None:
    """A project for which no rack has room gets no seats, and the plan says so to the checker."""
    instance = hall({"a": 1, "b": 1}, {"p": 16})
    held = instance.replace(projects=(instance.projects[0].model_copy(update={"level": "rack"}),))
    found = best_fit(held, granted(held))
    assert found.seats == ()
    assert {violation.rule for violation in verify(held, found)} == {"seated"}
