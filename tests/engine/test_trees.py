"""Trees of any shape, drawn at random, where everybody is served: scattered as little as the text-book model says."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from kalloc.instance import NODE, Instance
from models import placement
from models.program import InexactError, Status
from tests.engine.drawing import Size, trees
from tests.engine.judging import bounds_hold_for_the_allocation
from tests.engine.shapes import Even, checked, encloses, fits
from tests.engine.test_against_reference import TREES, often, on_thousands

WIDE = Size(nodes=10, gpus=8, projects=7, levels=7)


def least(instance: Instance) -> int:
    """Return the fragmentation of the text-book model where everybody gets what is asked."""
    asked = {(row.project, row.kind): row.max for row in instance.requests}
    try:
        reference = placement.solve(instance, asked)
    except InexactError:
        assume(False)
    assert reference.status is Status.OPTIMAL and reference.fragmentation is not None
    return reference.fragmentation


def exactly(instance: Instance) -> None:
    """Everybody is served, and the least scattering is reached and proven."""
    result = checked(instance)
    assert fits(result)
    fragmentation = least(instance)
    event("scattered" if fragmentation else "not scattered")
    assert (result.fragmentation, result.fragmentation_bound) == (fragmentation, fragmentation)
    assert result.solution == "proven"


@given(instance=trees(TREES))
@often(200)
def test_any_tree_is_scattered_as_little_as_the_textbook_says(instance: Instance) -> None:
    """On trees of one to seven levels, with any weights and partly free nodes, the text-book's optimum is proven."""
    exactly(instance)


@given(instance=trees(TREES))
@often(40)
def test_level_bounds_of_any_tree_hold(instance: Instance) -> None:
    """No level's bound is larger than the text-book's fewest spans of that level alone."""
    bounds_hold_for_the_allocation(instance, checked(instance))


@st.composite
def evens(draw: st.DrawFn) -> tuple[Even, dict[str, int]]:
    """Draw an even tree of one to seven levels, of up to 400 nodes, and its weights."""
    branching = draw(st.lists(st.sampled_from([2, 1, 3, 5, 16, 72]), min_size=2, max_size=8))
    while prod(branching) > 400:
        branching[branching.index(max(branching))] //= 2
    gpus = draw(st.sampled_from([8, 1, 4, 72]))
    total = prod(branching) * gpus
    size = draw(st.sampled_from([size for size in range(1, total + 1) if total % size == 0 and total // size <= 600]))
    shape = Even(tuple(branching), gpus, size)
    weights = draw(st.lists(st.sampled_from([1, 0, 10, 1000]), min_size=len(branching), max_size=len(branching)))
    return shape, dict(zip((*shape.levels, NODE), weights, strict=True))


def within_bounds(drawn: tuple[Even, dict[str, int]]) -> None:
    """Bounds are at most, values at least what the formula says, at every level and in the score."""
    shape, weights = drawn
    result = encloses(shape.make(weights), shape.excess(), time_limit=3)
    event(f"{result.solution}, scattered" if any(shape.excess().values()) else "not scattered")


@given(drawn=evens())
@often(30)
def test_bounds_and_values_enclose_the_formula(drawn: tuple[Even, dict[str, int]]) -> None:
    """On even trees of hundreds of nodes no bound is above the least excess of its level, and no value below it."""
    within_bounds(drawn)


@pytest.mark.long
def test_thousands_of_trees() -> None:
    """As above, on thousands of trees of up to ten nodes and seven projects."""
    on_thousands(exactly, trees(WIDE))


@pytest.mark.long
def test_bounds_and_values_enclose_the_formula_of_hundreds() -> None:
    """As above, on hundreds of even trees."""
    given(drawn=evens())(often(600)(within_bounds))()
