"""Rules of single domains, on instances worked out by hand of which only the joint model proves the optimum."""

from __future__ import annotations

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import Kind, Placed, Pool, Power, Project
from tests.engine.judging import granted
from tests.engine.test_rules_policy import P, Q, gpus, shape
from tests.models.small import ask, make, nodes


def test_segment_may_be_of_mixed_kinds() -> None:
    """A segment of 2 in a rack is one GPU of each kind, where there is one of each."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        shapes=(shape("segment", "rack", 2),),
        inventory=(nodes("r", 1), nodes("r", 1, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 1), ask("p", 1, 1, kind="b")),
    )
    assert granted(instance) == {("p", "h"): 1, ("p", "b"): 1}


def test_whole_nodes_that_are_kept_in_part_are_no_plan() -> None:
    """A project of any mix keeps one GPU of a node of 3 and takes whole nodes, but asks for one GPU alone."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        shapes=(shape("whole"),),
        inventory=(nodes("r", 3, node="n"), nodes("r", 2, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 1), ask("p", 2, 2, kind="b")),
        placed=(Placed(project="p", node="n", gpus=1),),
    )
    with pytest.raises(InfeasibleError):
        kalloc.solve(instance)


@pytest.mark.parametrize(("level", "expected"), [(None, 7), ("node", 6), ("rack", 5)])
def test_exclusive(level: str | None, expected: int) -> None:
    """p needs one GPU: q gets all others, those but one node's, or those of the other rack alone."""
    instance = make(
        shapes=(shape("exclusive", level),) if level else (),
        inventory=(nodes("r", 3, node="r3"), nodes("s", 3, node="s3"), nodes("s", 2, node="s2")),
        projects=(P, Q),
        requests=(ask("p", 1, 1), ask("q", 1, 9)),
    )
    assert gpus(instance) == {"p": 1, "q": expected}


def test_exclusive_keeps_others_from_where_it_stays() -> None:
    """p keeps one GPU in rack r for itself: nobody else comes there, whatever is free."""
    instance = make(
        shapes=(shape("exclusive", "rack"),),
        inventory=(nodes("r", 4, node="r4"), nodes("s", 2, node="s2")),
        projects=(Project(project="p", pool="top", merit=0), Q),
        requests=(ask("p", 1, 1), ask("q", 1, 9)),
        placed=(Placed(project="p", node="r4", gpus=1),),
    )
    assert gpus(instance) == {"p": 1, "q": 2}


def test_level_and_power_of_a_project_that_keeps_gpus() -> None:
    """Of a rack of 300 W, one of 45, p keeps one GPU, and gets two more beside it, whatever sits there last."""
    instance = make(
        kinds=(Kind(kind="h", watts=100),),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        power=(Power(power="rack", level="rack", kw=0.3),),
        inventory=tuple(
            nodes(f"r{rack}", 4, node=f"{owner}{rack}", owner=owner) for rack in range(45) for owner in ("a", "top")
        ),
        projects=(Project(project="p", pool="top", level="rack"),),
        requests=(ask("p", 1, 4),),
        placed=(Placed(project="p", node="top0", gpus=1),),
    )
    assert kalloc.solve(instance, threads=1).tiers[0].bound == 3


@pytest.mark.usefixtures("both_engines")
def test_level_holds_all_kinds_of_a_project_with_a_shape() -> None:
    """Two GPUs of each of two kinds, alone in one rack: only rack t has both, though r and s are tighter for one."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        shapes=(shape("exclusive", "rack"),),
        inventory=(nodes("r", 2), nodes("s", 2, kind="b"), nodes("t", 3), nodes("t", 3, kind="b")),
        projects=(Project(project="p", pool="top", mix="any", level="rack"),),
        requests=(ask("p", 2, 2), ask("p", 2, 2, kind="b")),
    )
    assert granted(instance) == {("p", "h"): 2, ("p", "b"): 2}
