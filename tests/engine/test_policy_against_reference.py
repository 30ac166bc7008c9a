"""The engine against the reference in models/joint, with every rule of policy, and tiers in any order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, event, given

from kalloc.errors import NoPlanError
from kalloc.instance import Instance
from kalloc.instance.objective import SENSES
from kalloc.plan import Result
from kalloc.verify import score
from models import joint
from models.outcome import Outcome
from models.program import InexactError, Status
from tests.engine.drawing import Size
from tests.engine.judging import bounds_hold_for_the_allocation, engine
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often

SMALL = Size(nodes=5, gpus=4, projects=4, levels=2)
SEVERAL = Size(nodes=6, gpus=4, projects=5, levels=3)


def reference_of(instance: Instance) -> Outcome | None:
    """Return the reference's answer, None where its solver is found to be inexact."""
    try:
        return joint.solve(instance)
    except InexactError:
        return None


def same_tiers(instance: Instance, result: Result, reference: Outcome) -> None:
    """Every tier has the reference's value, exactly, and all its shares."""
    exact = score(instance, result.plan)
    for tier in reference.tiers:
        assert exact.tiers[tier.name] == tier.value, tier.name
        if tier.profile:
            assert [share for share, count in exact.profile for _ in range(count)] == list(tier.profile)


def exactly(instance: Instance) -> None:
    """The default engine proves every tier, at the values of the reference."""
    reference = reference_of(instance)
    assume(reference is not None)
    assert reference is not None
    result = engine(instance)
    event(f"reference {reference.status}")
    assert (result is None) == (reference.status is Status.INFEASIBLE)
    if result is not None:
        same_tiers(instance, result, reference)
        assert result.solution == "proven"


def in_stages(instance: Instance) -> None:
    """Without the joint model no tier is better than the optimum, and every bound is on the far side of it."""
    reference = reference_of(instance)
    assume(reference is not None)
    assert reference is not None
    try:
        result = engine(instance)
    except NoPlanError:
        event("no plan found")
        return
    if result is None:
        assert reference.status is Status.INFEASIBLE
        return
    bounds_enclose(instance, result, reference)
    if result.solution == "proven":
        same_tiers(instance, result, reference)


def for_what_is_granted(instance: Instance) -> None:
    """Bounds that see forms hold for the allocation that they take as given."""
    try:
        result = engine(instance)
    except NoPlanError:
        result = None
    event("no plan found" if result is None else f"bounded {(result.fragmentation_bound or 0) > 0}")
    if result is not None:
        bounds_hold_for_the_allocation(instance, result)


def drawn_often(check: Callable[[Instance], None], seats: bool, size: Size, examples: int) -> None:
    """Run a check on so many drawn instances."""

    @given(instance=policies(size, seats))
    @often(examples)
    def each(instance: Instance) -> None:
        check(instance)

    each()


SEATS = pytest.mark.parametrize("seats", [False, True], ids=["without seats", "with seats"])


@SEATS
def test_every_tier_is_that_of_the_reference(seats: bool) -> None:
    """Every tier equals the reference's and is proven, whatever rules there are and in whatever order tiers stand."""
    drawn_often(exactly, seats, SMALL, 250)


@SEATS
@pytest.mark.usefixtures("staged")
def test_stages_stay_on_the_right_side(seats: bool) -> None:
    """Without the joint model no tier is better than the optimum, and every bound is on the far side of it."""
    drawn_often(in_stages, seats, SMALL, 150)


@pytest.mark.usefixtures("staged")
def test_bounds_with_forms_hold_for_what_is_granted() -> None:
    """No bound of a level or of the score is above the least that models/placement has for what the engine granted."""
    drawn_often(for_what_is_granted, True, SEVERAL, 60)


@pytest.mark.long
@pytest.mark.usefixtures("staged")
def test_bounds_with_forms_hold_on_thousands() -> None:
    """As above, on thousands of instances."""
    drawn_often(for_what_is_granted, True, SEVERAL, 2000)


@SEATS
@pytest.mark.long
def test_every_tier_on_thousands(seats: bool) -> None:
    """As above, on thousands of instances."""
    drawn_often(exactly, seats, SMALL, 3000)


@SEATS
@pytest.mark.long
@pytest.mark.usefixtures("staged")
def test_stages_on_thousands(seats: bool) -> None:
    """As above without the joint model, on thousands of instances."""
    drawn_often(in_stages, seats, SMALL, 3000)


def bounds_enclose(instance: Instance, result: Result, reference: Outcome) -> None:
    """As far as the earlier tiers are optimal, a tier is no better than the optimum, and its bound no worse."""
    exact = score(instance, result.plan)
    for tier, best in zip(result.tiers, reference.tiers, strict=True):
        sign = 1 if SENSES[tier.name] == "max" else -1
        if tier.name != "ranked":
            assert sign * exact.tiers[tier.name] <= sign * best.value
        assert tier.bound is None or tier.given or sign * tier.bound >= sign * float(best.value)
        if exact.tiers[tier.name] != best.value or tier.name in ("ranked", "fairness"):
            return
