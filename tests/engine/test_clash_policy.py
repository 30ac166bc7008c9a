"""Why there is no plan where rules of policy cut what single projects may get: each that matters is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Cap, Instance, Limit, NodeGroup, Placed, Pool, Power, Project, Quota, Shape
from tests.engine.drawing import Size
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often
from tests.engine.test_clash import LOOSEN, clash
from tests.models.small import ask, make, nodes

Rows = dict[str, Any]
TWO = (nodes("r", 4, node="n1"), nodes("s", 4, node="n2"))
POOLS = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))


def kept(*seats: tuple[str, int]) -> tuple[Placed, ...]:
    """Return what p keeps."""
    return tuple(Placed(project="p", node=node, gpus=gpus) for node, gpus in seats)


def p(**more: Any) -> tuple[Project, ...]:
    """Return the one project."""
    return (Project(project="p", pool="a", **more),)


CASES: dict[str, tuple[Rows, list[str]]] = {
    "whole nodes, seats kept and a quota": (
        {
            "quotas": (Quota(pool="a", kind="h", gpus=4),),
            "projects": p(),
            "requests": (ask("p", 1, 8),),
            "placed": kept(("n1", 1), ("n2", 1)),
            "shapes": (Shape(project="p", shape="whole"),),
        },
        ["stays", "quota", "whole"],
    ),
    "what may be borrowed is too little": (
        {
            "quotas": (Quota(pool="a", kind="h", gpus=2, borrow=2), Quota(pool="b", kind="h", gpus=8, lend=8)),
            "projects": p(),
            "requests": (ask("p", 1, 8),),
            "placed": kept(("n1", 1), ("n2", 1)),
            "shapes": (Shape(project="p", shape="whole"),),
        },
        ["stays", "quota", "whole"],
    ),
    "whole nodes, seats kept and a cap": (
        {
            "caps": (Cap(pool="a", kind="h", gpus=4),),
            "projects": p(),
            "requests": (ask("p", 1, 8),),
            "placed": kept(("n1", 1), ("n2", 1)),
            "shapes": (Shape(project="p", shape="whole"),),
        },
        ["stays", "whole", "cap"],
    ),
    "a limit on each project": (
        {
            "limits": (Limit(limit="each", per="project", kind="h", most=5),),
            "projects": p(mandatory=True),
            "requests": (ask("p", 6, 8),),
        },
        ["mandatory", "limit"],
    ),
    "a level, seats kept and others beside": (
        {
            "projects": (*p(level="node"), Project(project="q", pool="b")),
            "requests": (ask("p", 4, 8), ask("q", 1, 2)),
            "placed": (*kept(("n1", 1)), Placed(project="q", node="n1", gpus=1)),
        },
        ["stays", "level"],
    ),
    "must be served and keeps seats": (
        {
            "projects": p(mandatory=True),
            "requests": (ask("p", 1, 4),),
            "placed": kept(("n1", 1), ("n2", 1)),
            "shapes": (Shape(project="p", shape="whole"),),
        },
        ["stays", "whole"],
    ),
    "whole nodes that have no power": (
        {
            "inventory": (NodeGroup(path=("r",), node="n1", kind="h", gpus=4, owner="top", loaded_watts=400),),
            "power": (Power(power="w", level="rack", kw=0.3),),
            "projects": p(mandatory=True),
            "requests": (ask("p", 1, 4),),
            "shapes": (Shape(project="p", shape="whole"),),
        },
        ["power", "mandatory", "whole"],
    ),
}
WITHOUT: dict[str, Callable[[Instance], Instance]] = {
    "quota": lambda instance: instance.replace(quotas=()),
    "cap": lambda instance: instance.replace(caps=()),
    "limit": lambda instance: instance.replace(limits=()),
    "power": lambda instance: instance.replace(power=()),
}


def loosened(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what a sentence says."""
    rule = sentence.partition(":")[0]
    if rule in WITHOUT:
        return WITHOUT[rule](instance)
    if rule in LOOSEN:
        return LOOSEN[rule](instance, sentence)
    name = re.findall(r"'(\w+)'", sentence)[0]
    rows = tuple(row for row in instance.shapes if (row.shape, row.project) != (rule, name))
    return instance.replace(shapes=rows)


@pytest.mark.parametrize("case", CASES)
def test_what_cuts_amounts_is_named_and_needed(case: str) -> None:
    """Rules on single projects stand beside the rows that they make impossible; without any of them there is a plan."""
    changes, expected = CASES[case]
    instance = make(**{"pools": POOLS, "inventory": TWO, **changes})
    found = clash(instance)
    assert sorted(sentence.partition(":")[0] for sentence in found) == sorted(expected)
    for sentence in found:
        assert kalloc.solve(loosened(instance, sentence), threads=1).solution == "proven"


def named(instance: Instance) -> None:
    """Where no plan can exist, something is named."""
    try:
        kalloc.solve(instance, time_limit=None, threads=1)
    except NoPlanError:
        event("no plan found")
    except InfeasibleError as error:
        event("infeasible")
        assert error.clash


@given(instance=policies(Size(nodes=6, gpus=4, projects=5, levels=3)))
@often(150)
def test_a_clash_is_never_empty(instance: Instance) -> None:
    """Whatever rules there are: where no plan can exist, something is named."""
    named(instance)


@pytest.mark.usefixtures("staged")
@given(instance=policies(Size(nodes=6, gpus=4, projects=5, levels=3)))
@often(150)
def test_a_clash_is_never_empty_in_stages(instance: Instance) -> None:
    """As above, without the joint model."""
    named(instance)
