"""Which projects policy makes different, and what is left of what they may get."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kalloc.allocate.classes import ProjectClass, classes_of
from kalloc.instance import (
    Budget,
    Group,
    Guarantee,
    Instance,
    Limit,
    Placed,
    Pool,
    Project,
    Rate,
    Shape,
)
from kalloc.place.rooms import Rooms
from tests.models.small import ask, deciding, make, nodes

GROUPS = (Group(group="g", discount=50), Group(group="i"))


def classes(first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Return the classes of two projects that are alike but for some fields."""
    return classes_in(pair(first or {}, second or {}, **changes))


def classes_in(instance: Instance) -> tuple[ProjectClass, ...]:
    """Return the classes of an instance."""
    return classes_of(instance, Rooms.of(instance))


def pair(first: dict[str, Any], second: dict[str, Any], **changes: Any) -> Instance:
    """Return an instance of two projects that are alike but for some fields."""
    fields: dict[str, Any] = {
        "pools": (Pool(pool="top", closes=date(2026, 1, 28)),),
        "groups": GROUPS,
        "inventory": (nodes("r", 4, node="n"), nodes("r", 4)),
        "projects": (
            Project(**{"project": "p", "pool": "top", **first}),
            Project(**{"project": "q", "pool": "top", **second}),
        ),
        "requests": (ask("p", 1, 8), ask("q", 1, 8)),
    }
    return make(**{**fields, **changes})


BY_APPLICANT = Limit(limit="l", per="applicant", kind="*", most=9)
FAIR = deciding({"name": "fairness", "by": "project"})


@pytest.mark.parametrize(
    ("first", "changes"),
    [
        ({"applied": date(2026, 2, 1)}, {}),
        ({"group": "g"}, {"budgets": (Budget(budget="b", pool="top", won=1),)}),
        ({"group": "g"}, {"groups": (Group(group="g", share=30),)}),
        ({"applicant": "u"}, {"limits": (BY_APPLICANT,)}),
        ({"region": "seoul"}, {"limits": (Limit(limit="l", per="region", kind="*", most=9),)}),
        ({"weight": 2.0}, {"objective": FAIR}),
        ({}, {"guarantees": (Guarantee(guarantee="g", project="p", kind="*", gpus=1),)}),
        ({}, {"shapes": (Shape(project="p", shape="whole"),)}),
        ({}, {"placed": (Placed(project="p", node="n", gpus=1),)}),
    ],
    ids=["call", "budget", "balance", "applicant", "region", "weight", "guarantee", "shape", "stays"],
)
def test_what_makes_two_projects_different(first: dict[str, Any], changes: dict[str, Any]) -> None:
    """One field of one of two projects, where a rule or a tier looks at it, makes two classes of one."""
    assert [row.members for row in classes(first, **changes)] == [("p",), ("q",)]


@pytest.mark.parametrize(
    ("first", "second", "changes"),
    [
        ({"applied": date(2026, 1, 1)}, {}, {}),
        ({"group": "g"}, {"group": "i"}, {}),
        ({"applicant": "u"}, {"applicant": "v"}, {}),
        ({"region": "seoul", "applicant": "u"}, {"applicant": "u"}, {"limits": (BY_APPLICANT,)}),
        ({"weight": 2.0}, {}, {}),
        ({"title": "one"}, {"title": "another"}, {"objective": FAIR}),
        ({}, {}, {"limits": (Limit(limit="l", per="project", kind="*", most=3),)}),
        ({}, {}, {"shapes": tuple(Shape(project=name, shape="spread", level="node", amount=2) for name in "pq")}),
        ({}, {}, {"guarantees": (Guarantee(guarantee="g", pool="top", kind="*", gpus=1),)}),
    ],
    ids=["in time", "group", "applicant", "region", "weight", "title", "own limit", "same shape", "pool's guarantee"],
)
def test_what_does_not(first: dict[str, Any], second: dict[str, Any], changes: dict[str, Any]) -> None:
    """What no rule and no tier looks at leaves two projects alike, and so does what holds for both."""
    assert [row.members for row in classes(first, second, **changes)] == [("p", "q")]


@pytest.mark.parametrize("tiers", [("merit",), ("served",), ("ranked",)])
def test_mixes_are_told_apart_where_all_kinds_count_together(tiers: tuple[str, ...]) -> None:
    """Of alike projects with any mix each is a class of its own where a tier looks at what each gets of all kinds."""
    instance = pair({"mix": "any"}, {"mix": "any"}, objective=deciding(*tiers))
    kinds = (*instance.kinds, instance.kinds[0].model_copy(update={"kind": "b"}))
    requests = (*instance.requests, ask("p", 1, 8, kind="b"), ask("q", 1, 8, kind="b"))
    both = instance.replace(kinds=kinds, requests=requests, inventory=(*instance.inventory, nodes("r", 8, kind="b")))
    assert len(classes_in(both)) == (1 if tiers == ("merit",) else 2)


@pytest.mark.parametrize(
    ("first", "changes", "expected"),
    [
        ({"applied": date(2026, 2, 1)}, {}, []),
        ({}, {"limits": (Limit(limit="l", per="project", kind="h", most=3),)}, [1, 2, 3]),
        (
            {},
            {"limits": (Limit(limit="l", per="project", most=3),), "rates": (Rate(limit="l", kind="h", rate=0.5),)},
            [1, 2, 3, 4, 5, 6],
        ),
        ({}, {"shapes": (Shape(project="p", shape="segment", level="rack", amount=3),)}, [3, 6]),
        ({}, {"shapes": (Shape(project="p", shape="segment", level="node", amount=3),)}, [3, 6]),
        ({}, {"shapes": (Shape(project="p", shape="spread", level="node", amount=2),)}, [1, 2, 3, 4]),
        ({}, {"shapes": (Shape(project="p", shape="whole"),)}, [4, 8]),
        (
            {},
            {
                "shapes": (Shape(project="p", shape="exclusive", level="node"),),
                "placed": (Placed(project="other", node="n", gpus=1),),
            },
            [1, 2, 3, 4],
        ),
        ({}, {"placed": (Placed(project="p", node="n", gpus=2),)}, [2, 3, 4, 5, 6, 7, 8]),
    ],
    ids=["call", "limit", "rate", "segments", "segments of nodes", "spread", "whole", "exclusive", "stays"],
)
def test_amounts_that_a_project_may_get(first: dict[str, Any], changes: dict[str, Any], expected: list[int]) -> None:
    """Of 1 to 8 GPUs on two nodes of 4, what its call, its own limits, its form and what is there leave it."""
    mine = next(row for row in classes(first, **changes) if "p" in row.members)
    assert [gpus for offer in mine.offers for gpus in offer.amounts] == expected
