"""The reference against everything: all seatings of tiny instances, and kalloc's own checker on small ones."""

from __future__ import annotations

import pytest

from kalloc.instance import Instance
from kalloc.verify import score, verify
from models import allocation, joint, placement
from models.joint import to_plan
from models.program import Status
from tests.models import brute
from tests.models.small import sow


def without_levels(instance: Instance) -> Instance:
    """Return the instance with no project that names a level."""
    return instance.replace(projects=tuple(row.model_copy(update={"level": None}) for row in instance.projects))


@pytest.mark.parametrize("seed", range(60))
def test_joint_equals_every_seating_tried(seed: int) -> None:
    """Merit and fragmentation equal the best over all seatings, and there is no plan exactly when none passes."""
    instance = sow(seed, nodes=4, gpus=3, projects=3, levels=2)
    outcome = joint.solve(instance)
    best = brute.best(instance)
    if best is None:
        assert outcome.status == Status.INFEASIBLE
    else:
        assert (outcome.status, outcome.merit, outcome.fragmentation) == (Status.OPTIMAL, *best)


def test_the_seeds_are_worth_their_while() -> None:
    """Among the seeds above some instances have no plan, and some none without fragmentation."""
    found = [brute.best(sow(seed, nodes=4, gpus=3, projects=3, levels=2)) for seed in range(60)]
    assert sum(best is None for best in found) >= 5
    assert sum(best is not None and best[1] > 0 for best in found) >= 3


@pytest.mark.parametrize("seed", range(30))
def test_the_plan_passes_the_checker(seed: int) -> None:
    """The checker finds nothing wrong with the reference's plan and gives it the same score."""
    instance = sow(seed, nodes=8, gpus=8, projects=5, levels=3)
    outcome = joint.solve(instance)
    if outcome.status == Status.INFEASIBLE:
        pytest.skip("no plan")
    plan = to_plan(instance, outcome)
    assert verify(instance, plan) == []
    counted = score(instance, plan)
    assert (counted.merit, counted.fragmentation) == (outcome.merit, outcome.fragmentation)


@pytest.mark.parametrize("seed", range(30))
def test_flows_between_pools_and_owners_are_exact_without_levels(seed: int) -> None:
    """The allocation alone has the merit of the joint model where no project names a level, and never less."""
    instance = sow(seed, nodes=6, gpus=4, projects=5, levels=2)
    alone, together = allocation.solve(instance), joint.solve(instance)
    if together.merit is not None:
        assert alone.merit is not None and alone.merit >= together.merit
    free = without_levels(instance)
    assert allocation.solve(free).merit == joint.solve(free).merit


@pytest.mark.parametrize("seed", range(20))
def test_placement_of_the_joint_allocation_is_as_good(seed: int) -> None:
    """Placed by itself, the allocation of the joint model is scattered exactly as little."""
    instance = sow(seed, nodes=6, gpus=4, projects=5, levels=2)
    together = joint.solve(instance)
    if together.status == Status.INFEASIBLE:
        pytest.skip("no plan")
    alone = placement.solve(instance, together.allocation)
    assert (alone.status, alone.fragmentation) == (Status.OPTIMAL, together.fragmentation)
    assert (alone.merit, alone.need) == (together.merit, together.need)
