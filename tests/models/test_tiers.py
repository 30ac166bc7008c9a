"""The joint model's tiers, one after the other, and what a limit leaves of them."""

from __future__ import annotations

import pytest

from kalloc.instance import Instance, Project
from models import joint
from models.program import Answer, InexactError, Program, Status
from tests.models.small import ask, make, nodes


@pytest.fixture
def instance() -> Instance:
    """Return two projects of 2 GPUs and two nodes of 3."""
    return make(
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(Project(project="p", pool="top"), Project(project="q", pool="top")),
        requests=(ask("p", 2, 2), ask("q", 2, 2)),
    )


def test_a_limit_in_the_second_tier_leaves_the_first(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found for fragmentation leaves the plan of most merit, which is feasible and not proven."""
    monkeypatch.setattr(Program, "minimise", lambda *arguments: Answer(Status.UNKNOWN, {}))
    outcome = joint.solve(instance)
    assert outcome.status == Status.FEASIBLE
    assert outcome.merit == 4
    assert outcome.fragmentation is not None and sum(outcome.seats.values()) == 4


def test_a_second_tier_without_plans_is_no_answer(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that finds no plan as good as its own contradicts itself."""
    monkeypatch.setattr(Program, "minimise", lambda *arguments: Answer(Status.INFEASIBLE, {}))
    with pytest.raises(InexactError, match="merit"):
        joint.solve(instance)


def test_the_time_limit_is_for_both_tiers(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second tier gets what the first left, and no limit when there is none."""
    given: list[float | None] = []

    def minimise(program: Program, objective: object, solver: str | None, seconds: float | None) -> Answer:
        given.append(seconds)
        return Answer(Status.UNKNOWN, {})

    monkeypatch.setattr(Program, "minimise", minimise)
    joint.solve(instance, time_limit=60)
    joint.solve(instance)
    assert given[0] is not None and 0 < given[0] < 60
    assert given[1] is None
