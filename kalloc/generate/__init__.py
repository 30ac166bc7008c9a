"""Recipes that make instances: the same recipe, seed and options give the same instance, on any machine."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kalloc.errors import Defect, InstanceError
from kalloc.generate import korea_260k, korea_260k_policy, korea_2026_call1, korea_2026_call1_policy, national
from kalloc.instance import Instance
from kalloc.instance.hints import nearest

__all__ = ["RECIPES", "generate"]

RECIPES: dict[str, Callable[..., Instance]] = {
    korea_2026_call1.NAME: korea_2026_call1.build,
    korea_2026_call1_policy.NAME: korea_2026_call1_policy.build,
    korea_260k.NAME: korea_260k.build,
    korea_260k_policy.NAME: korea_260k_policy.build,
    national.NAME: national.build,
}
"""Each recipe with the function that follows it: the first parameter is the seed, the others are its options."""


def generate(recipe: str, seed: int = 0, **options: Any) -> Instance:
    """Make an instance by a recipe of :data:`RECIPES`.

    Args:
        recipe: ``korea-2026-call1``, ``korea-260k``, each also with ``-policy``, or ``national``.
        seed: Everything that is drawn depends on it and on nothing else.
        options: ``family`` and ``nodes`` for ``national``; the others take none.

    Raises:
        InstanceError: on an unknown recipe or option, or a value that an option cannot have.
    """
    if recipe not in RECIPES:
        raise InstanceError([Defect("recipe", None, None, f"unknown recipe {recipe!r}; {nearest(recipe, RECIPES)}")])
    build = RECIPES[recipe]
    known = list(inspect.signature(build).parameters)[1:]
    unknown = [name for name in options if name not in known]
    if unknown:
        hints = ((name, f"{recipe} has no option {name!r}; {nearest(name, known)}") for name in unknown)
        raise InstanceError([Defect("recipe", None, name, message) for name, message in hints])
    return build(seed, **options)
