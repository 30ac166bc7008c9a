"""The front of merit and fragmentation: against every plan of small instances, and thinned out of large ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import kalloc
from kalloc.allocate import fillings
from kalloc.errors import InfeasibleError, KallocError, NoPlanError
from kalloc.instance import Guarantee, Instance, Objective, Project, Tier
from kalloc.instance.objective import SENSES
from kalloc.whatif import frontier as module
from kalloc.whatif.frontier import Point, frontier
from tests.models.small import ask, make, nodes, sow

BETWEEN = ("merit", "fragmentation")


def front(instance: Instance, points: int = 9) -> list[tuple[float, float]]:
    """Return fragmentation and merit of the points, all proven."""
    found = frontier(instance, BETWEEN, points, 60)
    assert all(point.proven and point.gap == 0 for point in found)
    return [(point.second, point.first) for point in found]


def test_by_hand() -> None:
    """The tiny instance of a scattered project: 84 without scattering, 88 with one unit more than needed."""
    assert front(kalloc.load("instances/tiny/level-request")) == [(0, 84.0), (10, 88.0)]


@pytest.mark.parametrize("seed", range(12))
def test_points_are_the_best_of_their_allowance(seed: int) -> None:
    """No point beats another, the last is the plan of a solve, and no allowance between them would give more merit."""
    instance = sow(seed, nodes=4, gpus=4, projects=4, levels=1)
    try:
        found = front(instance, 50)
    except (InfeasibleError, NoPlanError):
        return
    assert found == sorted(found) and len({merit for _, merit in found}) == len(found)
    result = kalloc.solve(instance, threads=1)
    assert found[-1] == (result.fragmentation, result.tiers[0].value)
    fewer = front(instance, 3)
    assert set(fewer) <= set(found)


def test_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the exact model would be too large, points are real plans of the front or below, with the bound of all."""
    instance = kalloc.load("instances/tiny/level-request")
    exact = dict(front(instance))
    monkeypatch.setattr(module, "EXACT_VARIABLES", 1)
    found = frontier(instance, BETWEEN, 3, 60)
    assert found[-1] == Point(88.0, 10, 88.0)
    assert all(point.bound == 88.0 for point in found)
    for point in found:
        assert point.first <= max(merit for least, merit in exact.items() if least <= point.second)
    assert not found[0].proven and (found[0].gap or 0) > 0
    assert frontier(instance, ("served", "fragmentation"), 3, 60)[0].bound == 3
    with pytest.raises(KallocError, match="at this size"):
        frontier(instance, ("fragmentation", "merit"), 3, 60)


PAIRS = [
    ("merit", "served"),
    ("served", "merit"),
    ("utilisation", "fairness"),
    ("guarantees", "merit"),
    ("served", "fragmentation"),
    ("fragmentation", "utilisation"),
    ("merit", "reserve"),
]


@pytest.mark.parametrize("between", PAIRS)
@pytest.mark.parametrize("seed", range(5))
def test_any_two_tiers(between: tuple[str, str], seed: int) -> None:
    """The ends are what solves by the one tier first and by the other first come to; points in between beat none."""
    instance = sow(seed, nodes=4, gpus=4, projects=4, levels=1)
    promised = Guarantee(guarantee="g", project=instance.projects[0].project, kind="*", gpus=3)
    settings: dict[str, dict[str, Any]] = {
        "fairness": {"rule": "proportional", "by": "pool"},
        "reserve": {"level": "l0", "count": 2},
    }
    tiers = [Tier(name=name, **settings.get(name, {})) for name in between]
    instance = instance.replace(guarantees=(promised,), objective=Objective(tiers=tuple(tiers)))
    try:
        found = frontier(instance, between, 5, 60)
        ends = [
            kalloc.solve(instance.replace(objective=Objective(tiers=tuple(order))), threads=1)
            for order in (tiers, tiers[::-1])
        ]
    except (InfeasibleError, NoPlanError):
        return
    assert all(point.proven for point in found)
    values = [{tier.name: tier.value for tier in end.tiers} for end in ends]
    assert (found[-1].first, found[-1].second) == tuple(values[0][name] for name in between)
    assert (found[0].first, found[0].second) == tuple(values[1][name] for name in between)
    signs = [1 if SENSES[name] == "max" else -1 for name in between]
    assert all(signs[0] * one.first < signs[0] * other.first for one, other in pairwise(found))
    assert all(signs[1] * one.second > signs[1] * other.second for one, other in pairwise(found))


def test_shapes_are_seated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an allocation cannot be seated it is no point, by any model: 4, 4, 5 and 7 are 20, but not 10 and 10."""
    sizes = {"a": 4, "b": 4, "c": 5, "d": 7}
    instance = make(
        inventory=tuple(nodes(rack, 1, count=10) for rack in "rs"),
        projects=tuple(Project(project=name, pool="top", level="rack") for name in sizes),
        requests=tuple(ask(name, size, size) for name, size in sizes.items()),
    )
    assert frontier(instance, ("merit", "utilisation"), 5, 60)[-1].first == 16
    monkeypatch.setattr(module, "EXACT_VARIABLES", 1)
    assert frontier(instance, ("merit", "utilisation"), 2, 60)[-1].first == 16
    monkeypatch.setattr(fillings, "MOST_VARIABLES", 0)
    with pytest.raises(KallocError, match="at this size"):
        frontier(instance, ("merit", "utilisation"), 2, 60)


def test_other_tiers() -> None:
    """Tiers between which no front is known are refused by name."""
    with pytest.raises(KallocError, match="no front between 'merit' and 'luck'"):
        frontier(kalloc.load("instances/tiny/cap"), ("merit", "luck"), 3, 60)
    for between in (("merit", "merit"), ("merit", "reserve")):
        with pytest.raises(KallocError, match="no front between"):
            frontier(kalloc.load("instances/tiny/cap"), between, 3, 60)
