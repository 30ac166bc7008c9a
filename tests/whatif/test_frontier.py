"""The front of merit and fragmentation: against every plan of small instances, and thinned out of large ones."""

from __future__ import annotations

import pytest

import kalloc
from kalloc.errors import InfeasibleError, KallocError, NoPlanError
from kalloc.instance import Instance
from kalloc.whatif import frontier as module
from kalloc.whatif.frontier import Point, frontier
from tests.models.small import sow

BETWEEN = ("merit", "fragmentation")


def front(instance: Instance, points: int = 9) -> list[tuple[int, float]]:
    """Return fragmentation and merit of the points, all proven."""
    found = frontier(instance, BETWEEN, points, 60)
    assert all(point.proven and point.gap == 0 for point in found)
    return [(point.fragmentation, point.merit) for point in found]


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
    assert all(point.merit_bound == 88.0 for point in found)
    for point in found:
        assert point.merit <= max(merit for least, merit in exact.items() if least <= point.fragmentation)
    assert not found[0].proven and found[0].gap > 0


def test_other_tiers() -> None:
    """Tiers between which no front is known are refused by name."""
    with pytest.raises(KallocError, match="no front between 'merit' and 'luck'"):
        frontier(kalloc.load("instances/tiny/cap"), ("merit", "luck"), 3, 60)
