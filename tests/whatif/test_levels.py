"""Fronts of tiers of many values: against every allocation of small instances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise, product

import pytest

import kalloc
from kalloc.errors import InfeasibleError, KallocError, NoPlanError
from kalloc.instance import Instance, Tier
from kalloc.instance.policy import decimal
from kalloc.whatif import frontier as module
from kalloc.whatif.frontier import Point, frontier
from tests.models.small import deciding, sow

MAXMIN = {"name": "fairness", "rule": "maxmin", "by": "project"}
Gpus = dict[str, int]
"""What every project gets, in all."""


def drawn(seed: int) -> Instance | None:
    """Return a random instance of three projects of one kind each, with no level; None where there is no plan."""
    instance = sow(seed, nodes=3, gpus=3, projects=3, levels=1)
    first = {row.project: row for row in reversed(instance.requests)}
    projects = tuple(row.model_copy(update={"level": None}) for row in instance.projects)
    instance = instance.replace(projects=projects, requests=tuple(first.values()), placed=())
    try:
        kalloc.solve(instance, threads=1)
    except InfeasibleError:
        return None
    return instance


def allocations(instance: Instance) -> Iterator[Gpus]:
    """Yield what the projects could get, each tried by a solve."""
    for amounts in product(*((0, *instance.amounts(row)) for row in instance.requests)):
        given = {row.project: gpus for row, gpus in zip(instance.requests, amounts, strict=True)}
        rows = (row.model_copy(update={"min": given[row.project]}) for row in instance.requests if given[row.project])
        asked = tuple(row.model_copy(update={"max": row.min, "step": row.min}) for row in rows)
        least = {row.project: row.min for row in instance.requests}
        if any(row.mandatory and given.get(row.project, 0) < least.get(row.project, 1) for row in instance.projects):
            continue
        must = tuple(row.model_copy(update={"mandatory": given.get(row.project, 0) > 0}) for row in instance.projects)
        try:
            kalloc.solve(instance.replace(projects=must, requests=asked), threads=1)
        except (InfeasibleError, KallocError):
            continue
        yield given


def merit(instance: Instance, given: Gpus) -> Fraction:
    """Return Σ merit · value · GPUs."""
    rows = instance.requests
    merits = {row.project: decimal(row.merit) for row in instance.projects}
    return sum((merits[row.project] * decimal(instance.value(row)) * given[row.project] for row in rows), Fraction(0))


def ranked(instance: Instance, given: Gpus) -> list[Fraction]:
    """Return what the projects get is worth to them, in the order in which they are served."""
    values = {row.project: decimal(instance.value(row)) for row in instance.requests}
    order = sorted(instance.projects, key=lambda row: -row.merit)
    return [values.get(row.project, 0) * given.get(row.project, 0) for row in order]  # type: ignore[misc]


def shares(instance: Instance, given: Gpus) -> list[Fraction]:
    """Return the shares of those who ask for something, ascending."""
    asked = {row.project: instance.policy.asked(row.project) for row in instance.projects}
    return sorted(Fraction(given.get(project, 0), gpus) for project, gpus in asked.items() if gpus)


def kept(best: list[Fraction], mine: list[Fraction], every: bool) -> int:
    """Return how many of the first levels of the best values some values keep; a level is a value, or alike ones."""
    levels = list(range(1, len(best) + 1)) if every else [n for n in range(1, len(best) + 1) if _ends(best, n)]
    return next((number for number, end in enumerate(levels) if mine[:end] < best[:end]), len(levels))


def _ends(best: list[Fraction], place: int) -> bool:
    return place == len(best) or best[place] != best[place - 1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("many", ["ranked", "fairness"])
def test_against_every_allocation(many: str, seed: int) -> None:
    """For every number of first levels kept there is no more merit than the points say, and so much there is."""
    against_all(many, seed)


@pytest.mark.long
@pytest.mark.parametrize("many", ["ranked", "fairness"])
def test_against_every_allocation_of_hundreds(many: str) -> None:
    """As above, on a hundred instances."""
    for seed in range(100, 200):
        against_all(many, seed)


def against_all(many: str, seed: int) -> None:
    """Compare the front with every allocation of a drawn instance, in both orders of the tiers."""
    instance = drawn(seed)
    if instance is None:
        return
    values = ranked if many == "ranked" else shares
    plans = list(allocations(instance))
    best = max(values(instance, given) for given in plans)
    all_points = [(kept(best, values(instance, given), many == "ranked"), merit(instance, given)) for given in plans]
    front = {
        point
        for point in all_points
        if not any(other != point and other[0] >= point[0] and other[1] >= point[1] for other in all_points)
    }
    posed = instance.replace(objective=deciding("ranked" if many == "ranked" else MAXMIN))
    found = frontier(posed, ("merit", many), 9, 60)
    assert all(point.proven for point in found)
    assert {(point.second, point.first) for point in found} == {(level, float(value)) for level, value in front}
    turned = frontier(posed, (many, "merit"), 9, 60)
    assert all(point.proven for point in turned)
    assert {(point.first, point.second) for point in turned} == {(level, float(value)) for level, value in front}


@pytest.mark.parametrize("seed", range(4))
def test_two_of_many_values(seed: int) -> None:
    """Ranks and shares: each end keeps all levels of its tier, and no point beats another."""
    instance = sow(seed, nodes=3, gpus=3, projects=4, levels=1).replace(objective=deciding("ranked", MAXMIN))
    try:
        found = frontier(instance, ("ranked", "fairness"), 9, 60)
    except (InfeasibleError, NoPlanError):
        return
    assert all(point.proven for point in found)
    assert all(one.first < other.first and one.second > other.second for one, other in pairwise(found))
    assert found[-1].first == len(instance.projects)


@pytest.mark.parametrize("tier", ["ranked", MAXMIN])
def test_beyond_the_exact_model(tier: str | dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects taken out of the best plan make points no better than the exact front, under bounds that hold."""
    name, seen = tier if isinstance(tier, str) else "fairness", 0
    for seed in range(8):
        instance = sow(seed, nodes=5, gpus=4, projects=5, levels=2).replace(objective=deciding(tier, "fragmentation"))
        with suppress(InfeasibleError, NoPlanError):
            exact = frontier(instance, (name, "fragmentation"), 99, 60)
            with monkeypatch.context() as patched:
                patched.setattr(module, "EXACT_VARIABLES", 1)
                found = frontier(instance, (name, "fragmentation"), 5, 60)
                turned = frontier(instance, ("fragmentation", name), 5, 60)
            for point in found:
                assert point.bound is not None and point.first <= _reach(exact, point.second) <= point.bound
            assert found[-1].proven and all(point.bound is not None and point.bound <= point.first for point in turned)
            seen += len(found)
    assert seen > 4


def _reach(front: list[Point], most: float) -> float:
    """Return the most of the first tier on a front with no more of the second."""
    return max((point.first for point in front if point.second <= most), default=0)


def test_beside_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scattering nobody keeps fewer ranks; where the exact model would be too large, other tiers are refused."""
    instance = kalloc.load("instances/tiny/level-request")
    found = frontier(instance, ("fragmentation", "ranked"), 9, 60)
    assert all(point.proven for point in found)
    assert found[0].second == 4 and found[-1].first == 0
    monkeypatch.setattr(module, "EXACT_VARIABLES", 1)
    reserve = Tier(name="reserve", level="su", count=1)
    with pytest.raises(KallocError, match="at this size"):
        frontier(instance.replace(objective=deciding("ranked", reserve)), ("reserve", "ranked"), 9, 60)
