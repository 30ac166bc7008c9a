"""Less for a project that could not be seated: by growing steps, floors kept."""

from __future__ import annotations

import pytest

import kalloc
from kalloc.allocate.build import build
from kalloc.allocate.lessening import keeps_floors, lessened
from kalloc.instance import Instance, Limit, Project, Request
from kalloc.place.engine import seat_all
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError
from kalloc.verify import verify
from tests.models.small import ask, make, nodes


def asks(project: str, most: int) -> Request:
    """Return a request for up to so many GPUs, in nodes of 8."""
    return ask(project, 8, most).model_copy(update={"step": 8})


def instance(least: int | None = None) -> Instance:
    """Return ten nodes of 8, and two projects that ask for up to 80 in nodes; with a floor under the sum, maybe."""
    return make(
        inventory=(nodes("r", 8, count=10),),
        projects=tuple(Project(project=name, pool="top") for name in "pq"),
        requests=tuple(asks(name, 80) for name in "pq"),
        limits=() if least is None else (Limit(limit="floor", per="all", kind="*", least=least),),
    )


def test_steps_grow_until_nothing_is_left() -> None:
    """Of 80 GPUs, then 72, 64, 48 and 16 are left, and in the end none; the other project keeps its own."""
    given = instance()
    allocation = build(given, Rooms.of(given))
    settled = {("p", "h"): 80, ("q", "h"): 40}
    granted, seen = settled, []
    while ("p", "h") in granted:
        seen.append(granted["p", "h"])
        granted = dict(lessened(allocation, settled, granted, "p"))
    assert seen == [80, 72, 64, 48, 16]
    assert granted == {("q", "h"): 40}


@pytest.mark.parametrize(("least", "kept"), [(None, True), (64, True), (65, False)])
def test_floors_are_seen(least: int | None, kept: bool) -> None:
    """A floor of 64 is kept by 64 GPUs, one of 65 is not."""
    assert keeps_floors(instance(least), {("p", "h"): 24, ("q", "h"): 40}) == kept


@pytest.mark.parametrize("must", [False, True], ids=["may be left out", "must be served, content with nothing"])
def test_a_large_model_loses_a_step_and_not_a_project(must: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a project is said to have no room at its amount, it is seated with a step less; the others have theirs."""
    tried = []

    def refuse_once(*arguments: object) -> object:
        tried.append(1)
        if len(tried) == 1:
            raise NoRoomError("p")
        return seat_all(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("kalloc.solving.placing.seat_all", refuse_once)
    monkeypatch.setattr("kalloc.solving.allocating.DECIDED_AGAIN", 0)
    monkeypatch.setattr("kalloc.solving.run.JOINT_NODES", 0)
    given = instance().replace(requests=(asks("p", 48), asks("q", 32)))
    if must:
        given = given.replace(
            projects=tuple(row.model_copy(update={"mandatory": True}) for row in given.projects),
            requests=tuple(row.model_copy(update={"min": 0}) for row in given.requests),
        )
    plan = kalloc.solve(given, threads=1).plan
    assert {grant.project: grant.gpus for grant in plan.grants} == {"p": 40, "q": 32}
    assert verify(given, plan) == []
