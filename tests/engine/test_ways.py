"""The cheapest ways to a plan where shapes leave none: seats are in view, and where they are not, that is said."""

from __future__ import annotations

import pytest

import kalloc
from kalloc.errors import InfeasibleError, Way
from kalloc.instance import Instance, Project, Quota, Shape
from kalloc.solving import ways as module
from tests.models.small import ask, make, nodes

THREE = tuple(Project(project=name, pool="top", mandatory=True, level="rack") for name in "abc")


def ways(instance: Instance) -> list[Way]:
    """Return the cheapest ways of an instance without a plan."""
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(instance, threads=1)
    return list(caught.value.ways)


def test_rooms_of_single_domains() -> None:
    """Three times three GPUs in two racks of five: totals would do, but one of them must go without."""
    instance = make(
        inventory=(nodes("r", 5), nodes("s", 5)), projects=THREE, requests=tuple(ask(name, 3, 3) for name in "abc")
    )
    [way] = ways(instance)
    assert (way.unit, way.amount, way.seen) == ("GPUs", 3, module.SEATED)
    assert len(way.loosened) == 1 and way.loosened[0].startswith("mandatory")


def test_a_quota_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """By totals one GPU more of a quota would do; beside seats only the project that finds none may go, for three."""
    projects = (*THREE[:2], THREE[2].model_copy(update={"level": None}))
    instance = make(
        inventory=(nodes("r", 2), nodes("r", 2), nodes("s", 2), nodes("s", 2)),
        quotas=(Quota(pool="top", kind="h", gpus=7),),
        projects=projects,
        requests=(ask("a", 3, 3), ask("b", 3, 3), ask("c", 2, 2)),
        shapes=(Shape(project="c", shape="whole"),),
    )
    found = ways(instance)
    assert all(way.amount >= 1 for way in found) and found[-1].seen in ("", module.SEATED)
    least = min(way.amount for way in found)
    monkeypatch.setattr(module, "SEATED_VARIABLES", 0)
    blind = ways(instance)
    assert [way.seen for way in blind] == [module.UNSEATED] * len(blind)
    assert all(way.amount <= least for way in blind)
    assert "whether all can then be seated was not looked at" in str(InfeasibleError([], blind))
