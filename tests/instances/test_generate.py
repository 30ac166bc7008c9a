"""The door to the recipes: what it knows, what it refuses, and that the seed decides all."""

from __future__ import annotations

from typing import Any

import pytest

from kalloc.errors import InstanceError
from kalloc.generate import RECIPES, generate
from kalloc.generate.national import FAMILIES

MAKES = [
    ("korea-2026-call1", {}),
    ("korea-2026-call1-policy", {}),
    ("korea-260k", {}),
    ("korea-260k-policy", {}),
    *(("national", {"family": family, "nodes": 600}) for family in FAMILIES),
]


def test_the_recipes() -> None:
    """Two Korean ones, each with a policy variant, and one for any size."""
    korea = {"korea-2026-call1", "korea-260k"}
    assert set(RECIPES) == {*korea, *(f"{name}-policy" for name in korea), "national"}


@pytest.mark.parametrize(("recipe", "options"), MAKES)
def test_the_seed_decides(recipe: str, options: dict[str, Any]) -> None:
    """The same seed gives the same instance, another seed another."""
    made = generate(recipe, 7, **options)
    assert made == generate(recipe, 7, **options)
    assert made.replace(name="x", title="") != generate(recipe, 8, **options).replace(name="x", title="")


@pytest.mark.parametrize(
    ("recipe", "options", "told"),
    [
        ("korea-260", {}, ["unknown recipe 'korea-260'; did you mean 'korea-260k'?"]),
        ("korea-260k", {"nodes": 3}, ["korea-260k has no option 'nodes'; there is none"]),
        ("national", {"famly": "caps"}, ["national has no option 'famly'; did you mean 'family'?"]),
        ("national", {"family": "nlv"}, ["unknown family 'nlv'; did you mean 'nvl'?"]),
        ("national", {"family": "x", "nodes": 0}, ["unknown family 'x'", "from 1 to 4000000, not 0"]),
        ("national", {"nodes": 2.5}, ["not 2.5"]),
        ("national", {"nodes": True}, ["not True"]),
    ],
)
def test_what_is_wrong_is_told_at_once(recipe: str, options: dict[str, Any], told: list[str]) -> None:
    """An unknown recipe, option or value is a wrong input whose message names the nearest known one."""
    with pytest.raises(InstanceError) as caught:
        generate(recipe, **options)
    assert len(caught.value.defects) == len(told)
    for part, defect in zip(told, caught.value.defects, strict=True):
        assert part in str(defect)
