"""Tiers of seats, on instances worked out by hand of which only the joint model proves the optimum."""

from __future__ import annotations

import pytest

from kalloc.instance import Hierarchy, NodeGroup, Placed, Project, Shape
from tests.engine.test_tiers_policy import decided, projects, proven
from tests.models.small import ask, nodes


@pytest.mark.parametrize(("prefer", "value"), [(None, 1), (3, 4)])
def test_fragmentation(prefer: int | None, value: int) -> None:
    """The 2 GPUs of p fit on one node, but q and o, each whole on a node, leave one on each of two; `prefer` adds 3."""
    instance = decided(
        "merit",
        "fragmentation",
        shapes=() if prefer is None else (Shape(project="p", shape="prefer", level="node", amount=prefer),),
        inventory=(nodes("r", 4, node="n"), nodes("r", 4, node="m")),
        projects=(*projects(p=1), *(Project(project=name, pool="top", level="node") for name in ("q", "o"))),
        requests=(ask("p", 2, 2), ask("q", 3, 3), ask("o", 3, 3)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fragmentation"].value, granted) == (value, {"p": 2, "q": 3, "o": 3})


def test_fragmentation_first_leaves_the_scattered_unserved() -> None:
    """Above merit it grants less rather than scatter: the project that would need both racks gets nothing."""
    instance = decided(
        "fragmentation",
        "merit",
        inventory=(nodes("r", 4, node="n"), nodes("s", 4, node="m")),
        projects=(*projects(p=1), *(Project(project=name, pool="top", merit=5) for name in ("q", "o"))),
        requests=(ask("p", 2, 2), ask("q", 3, 3), ask("o", 3, 3)),
    )
    tiers, granted = proven(instance)
    assert (tiers["fragmentation"].value, tiers["merit"].value, granted) == (0, 30, {"q": 3, "o": 3})


@pytest.mark.parametrize(
    ("level", "count", "value", "expected"),
    [("rack", 1, 1, 4), ("rack", 2, 1, 4), ("hall", 1, 0, 6), ("node", 2, 2, 4), ("node", 9, 3, 2)],
)
def test_reserve(level: str, count: int, value: int, expected: int) -> None:
    """A hall with one GPU that stays in its first rack of 2 + 2, and a second rack of 1 + 2 that is empty.

    Up to ``count`` free domains are worth more than merit: the second rack, never the hall, two or all three nodes.
    """
    instance = decided(
        {"name": "reserve", "level": level, "count": count},
        "merit",
        hierarchy=Hierarchy(levels=("hall", "rack")),
        inventory=tuple(
            NodeGroup(path=("x", rack), node=f"{rack}{number}", kind="h", gpus=gpus, owner="top")
            for rack, sizes in {"r": (2, 2), "s": (1, 2)}.items()
            for number, gpus in enumerate(sizes)
        ),
        projects=projects(p=1),
        requests=(ask("p", 1, 6),),
        placed=(Placed(project="p", node="r0", gpus=1),),
    )
    tiers, granted = proven(instance)
    assert (tiers["reserve"].value, granted) == (value, {"p": expected})
