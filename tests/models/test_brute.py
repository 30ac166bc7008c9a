"""The reference against everything: all seatings of tiny instances, and kalloc's own checker on small ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kalloc.instance import Hierarchy, Instance, Objective, Project, Shape
from kalloc.verify import score, verify
from models import allocation, joint, placement
from models.joint import Outcome, to_plan
from models.program import Status
from tests.models import brute
from tests.models.policies import sow_policy
from tests.models.small import ask, make, nodes, sow

POLICY_SEEDS = 60


def policy(seed: int) -> Instance:
    """Return a random instance with policy, small enough to try every seating."""
    return sow_policy(seed, nodes=4, gpus=4, projects=4, levels=2)


def without_shape(shape: str) -> Callable[[Instance], Instance]:
    """Return a function that takes one kind of shape out of an instance."""
    return lambda instance: instance.replace(shapes=tuple(row for row in instance.shapes if row.shape != shape))


RELAXED: dict[str, Callable[[Instance], Instance]] = {
    "call": lambda instance: instance.replace(
        projects=tuple(row.model_copy(update={"applied": None}) for row in instance.projects)
    ),
    "limit": lambda instance: instance.replace(limits=(), rates=()),
    "budget": lambda instance: instance.replace(budgets=()),
    "power": lambda instance: instance.replace(power=()),
    **{shape: without_shape(shape) for shape in ("segment", "spread", "whole", "exclusive")},
}
"""What takes the rows of a rule out of an instance."""


def without_levels(instance: Instance) -> Instance:
    """Return the instance with no project that names a level, no shapes and no limit on power."""
    projects = tuple(row.model_copy(update={"level": None}) for row in instance.projects)
    return instance.replace(projects=projects, shapes=(), power=())


def reached(outcome: Outcome) -> list[brute.Reached] | None:
    """Return what an outcome reaches on every tier, None when there is no plan."""
    if outcome.status == Status.INFEASIBLE:
        return None
    assert outcome.status == Status.OPTIMAL
    return [(tier.name, tier.value, tier.profile) for tier in outcome.tiers]


@pytest.mark.parametrize("seed", range(60))
def test_joint_equals_every_seating_tried(seed: int) -> None:
    """Merit and fragmentation equal the best over all seatings, and there is no plan exactly when none passes."""
    instance = sow(seed, nodes=4, gpus=3, projects=3, levels=2)
    assert reached(joint.solve(instance)) == brute.best(instance)


def test_the_seeds_are_worth_their_while() -> None:
    """Among the seeds above some instances have no plan, and some none without fragmentation."""
    found = [brute.best(sow(seed, nodes=4, gpus=3, projects=3, levels=2)) for seed in range(60)]
    assert sum(best is None for best in found) >= 5
    assert sum(best is not None and best[1][1] > 0 for best in found) >= 3


@pytest.mark.parametrize("seed", range(POLICY_SEEDS))
def test_joint_equals_every_seating_tried_under_policy(seed: int) -> None:
    """With every rule on and all tiers in random order, each tier is the best over all seatings, profiles included."""
    instance = policy(seed)
    assert reached(joint.solve(instance)) == brute.best(instance)


def preferring(seed: int) -> Instance:
    """Return four projects that fill three nodes, one of them split; each prefers few racks, or few nodes."""
    dice = random.Random(seed)
    names, racks = "pqos", dice.choice(["rrs", "rss", "rst"])
    return make(
        objective=Objective(tiers=("utilisation", "fragmentation")),
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": dice.choice([0, 1]), "node": dice.choice([0, 1])}),
        inventory=tuple(nodes(rack, 3) for rack in racks),
        projects=tuple(Project(project=name, pool="top") for name in names),
        requests=tuple(ask(name, size, size) for name, size in zip(names, dice.sample([2, 2, 2, 3], 4), strict=True)),
        shapes=tuple(
            Shape(project=name, shape="prefer", level=dice.choice(["rack", "node"]), amount=dice.randint(1, 3))
            for name in names
        ),
    )


@pytest.mark.parametrize("seed", range(12))
def test_joint_equals_every_seating_tried_where_levels_are_preferred(seed: int) -> None:
    """What projects prefer is weighed like every seating tried."""
    instance = preferring(seed)
    assert reached(joint.solve(instance)) == brute.best(instance)


def test_preferences_are_worth_their_while() -> None:
    """Among the seeds above some have a score that depends on what is preferred."""
    instances = map(preferring, range(12))
    assert sum(brute.best(one) != brute.best(one.replace(shapes=())) for one in instances) >= 3


def test_the_policies_are_worth_their_while() -> None:
    """Each rule of the policy decides something on some seeds: without its rows the best plan is another."""
    instances = [policy(seed) for seed in range(POLICY_SEEDS)]
    best = [brute.best(instance) for instance in instances]
    assert POLICY_SEEDS // 10 <= sum(found is None for found in best) <= POLICY_SEEDS // 2
    for rule, without in RELAXED.items():
        pairs = ((without(instance), instance, known) for instance, known in zip(instances, best, strict=True))
        assert sum(brute.best(free) != known for free, instance, known in pairs if free != instance) >= 1, rule


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


@pytest.mark.parametrize("seed", range(20))
def test_the_plan_passes_the_checker_under_policy(seed: int) -> None:
    """The checker finds that the reference's plan keeps the policy too, and gives it the same value on every tier."""
    instance = sow_policy(seed, nodes=6, gpus=6, projects=5, levels=3)
    outcome = joint.solve(instance)
    if outcome.status == Status.INFEASIBLE:
        pytest.skip("no plan")
    plan = to_plan(instance, outcome)
    assert verify(instance, plan) == []
    assert score(instance, plan).tiers == {tier.name: tier.value for tier in outcome.tiers}


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
def test_the_allocation_alone_decides_every_tier_that_needs_no_seats(seed: int) -> None:
    """Where seats are no matter the allocation alone reaches on every tier what the joint model reaches."""
    instance = without_levels(sow_policy(seed, nodes=5, gpus=4, projects=4, levels=1))
    tiers = tuple(tier for tier in instance.objective.tiers if tier.name not in ("fragmentation", "reserve"))
    instance = instance.replace(objective=Objective(tiers=tiers))
    assert reached(allocation.solve(instance)) == reached(joint.solve(instance))


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


@pytest.mark.parametrize("seed", range(20))
def test_placement_of_the_joint_allocation_reaches_every_tier(seed: int) -> None:
    """Where the tiers on seats come last, the allocation of the joint model, placed by itself, reaches all the same."""
    instance = sow_policy(seed, nodes=5, gpus=4, projects=4, levels=2)
    tiers = sorted(instance.objective.tiers, key=lambda tier: tier.name in ("fragmentation", "reserve"))
    instance = instance.replace(objective=Objective(tiers=tuple(tiers)))
    together = joint.solve(instance)
    if together.status == Status.INFEASIBLE:
        pytest.skip("no plan")
    assert reached(placement.solve(instance, together.allocation)) == reached(together)
