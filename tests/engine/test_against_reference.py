"""The engine against the reference in models/joint, on hundreds of random small instances."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis.strategies import SearchStrategy

from kalloc.errors import NoPlanError
from kalloc.instance import Instance
from models.program import Status
from tests.engine.drawing import Size, instances, trees
from tests.engine.judging import agree, bounds_hold_for_the_allocation, engine, engine_or_none_found, truth

Check = Callable[[Instance], None]

SMALL = Size()
WIDE = Size(nodes=8, gpus=8, projects=6, levels=3)
TREES = Size(nodes=7, gpus=4, projects=5, levels=7)


def often(examples: int) -> settings:
    """Return the settings of a test with so many examples, the same ones each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def on_thousands(check: Check, drawn: SearchStrategy[Instance]) -> None:
    """Run a check on thousands of drawn instances."""

    @given(instance=drawn)
    @often(3000)
    def each(instance: Instance) -> None:
        check(instance)

    each()


def exactly(instance: Instance) -> None:
    """The default engine proves every tier of a small instance, at the values of the reference."""
    reference = truth(instance)
    assume(reference is not None)
    assert reference is not None
    result = engine(instance)
    event(f"reference {reference.status}")
    assert (result is None) == (reference.status is Status.INFEASIBLE)
    if result is not None:
        agree(result, reference)
        assert result.solution == "proven"


def in_stages(instance: Instance) -> None:
    """Allocation first, placement after: never better than the optimum, and every bound holds."""
    reference = truth(instance)
    assume(reference is not None)
    assert reference is not None
    result = engine_or_none_found(instance)
    if isinstance(result, NoPlanError):
        event("no plan found")
        return
    event("no plan" if result is None else f"solution {result.solution}")
    if reference.status is Status.INFEASIBLE:
        assert result is None
    else:
        assert result is not None
        agree(result, reference)


@given(instance=instances(SMALL))
@often(300)
def test_values_and_bounds_are_those_of_the_reference(instance: Instance) -> None:
    """Every tier equals the reference's, every bound meets it, and there is no plan exactly when it finds none."""
    exactly(instance)


@given(instance=instances(SMALL))
@often(150)
def test_level_bounds_hold_for_the_allocation(instance: Instance) -> None:
    """No level's bound is larger than the fewest spans that a placement of that very allocation can reach."""
    result = engine(instance)
    assume(result is not None)
    assert result is not None
    bounds_hold_for_the_allocation(instance, result)


@pytest.mark.usefixtures("staged")
@given(instance=instances(SMALL))
@often(300)
def test_stages_stay_on_the_right_side(instance: Instance) -> None:
    """Without the joint model values and bounds enclose the optimum; only where levels are asked it may find none."""
    in_stages(instance)


@pytest.mark.usefixtures("staged")
@given(instance=instances(SMALL))
@often(150)
def test_level_bounds_of_stages_hold_for_the_allocation(instance: Instance) -> None:
    """Without the joint model, too, each bound is at most the optimum that it bounds."""
    result = engine_or_none_found(instance)
    assume(result is not None and not isinstance(result, NoPlanError))
    assert result is not None and not isinstance(result, NoPlanError)
    bounds_hold_for_the_allocation(instance, result)


@pytest.mark.usefixtures("staged")
@given(instance=trees(TREES))
@often(60)
def test_level_bounds_of_stages_hold_on_any_tree(instance: Instance) -> None:
    """Without the joint model, on trees of one to seven levels, all are served and no bound is above its optimum."""
    result = engine(instance)
    assert result is not None and result.gpus["allocated"] == instance.gpus_requested
    bounds_hold_for_the_allocation(instance, result)


@pytest.mark.long
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_values_and_bounds_on_thousands(size: Size) -> None:
    """As above, on thousands of instances, of up to eight nodes, six projects and three levels."""
    on_thousands(exactly, instances(size))


@pytest.mark.long
@pytest.mark.usefixtures("staged")
@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_stages_on_thousands(size: Size) -> None:
    """As above without the joint model, on thousands of instances."""
    on_thousands(in_stages, instances(size))
