"""Instances that are filled to the last node: one that is soon proven, and one that takes long."""

from __future__ import annotations

import random

from kalloc.generate import generate
from kalloc.instance import Hierarchy, Instance, Project
from tests.models.small import ask, make, nodes


def endless() -> Instance:
    """Return a nation that is asked in sizes that its rooms are no multiples of: no plan meets the bound."""
    return generate("national", 0, family="kinds", nodes=4096)


def full(racks: int = 24, most: int = 31) -> Instance:
    """Return racks of at least half of ``most`` nodes each, and projects of whole nodes that take them all."""
    dice = random.Random(3)
    inventory = tuple(nodes(f"r{rack}", 8, count=dice.randint(most // 2, most)) for rack in range(racks))
    left, sizes = sum(row.count for row in inventory), []
    while left > 0:
        sizes.append(min(left, dice.randint(most // 4, most - 4)))
        left -= sizes[-1]
    names = [f"p{number}" for number in range(len(sizes))]
    return make(
        hierarchy=Hierarchy(levels=("rack",), weights={"rack": 10, "node": 1}),
        inventory=inventory,
        projects=tuple(Project(project=name, pool="top") for name in names),
        requests=tuple(ask(name, 8 * size, 8 * size) for name, size in zip(names, sizes, strict=True)),
    )
