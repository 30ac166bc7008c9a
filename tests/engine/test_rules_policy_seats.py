"""Rules of single domains, on instances worked out by hand of which only the joint model proves the optimum."""

from __future__ import annotations

import pytest

from kalloc.instance import Placed, Project
from tests.engine.test_rules_policy import RACKS, P, Q, by_node, by_rack, gpus, shape
from tests.models.small import ask, make, nodes


def test_segment_counts_what_stays() -> None:
    """One GPU stays in rack s, so that with segments of 2 an odd number more comes there, and 4 to rack r."""
    instance = make(
        shapes=(shape("segment", "rack", 2),),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 1, 10),),
        placed=(Placed(project="p", node="s2", gpus=1),),
    )
    assert gpus(instance) == {"p": 8}
    assert by_rack(by_node(instance)) == {"r": 4, "s": 4}


def test_whole_completes_the_node_that_stays() -> None:
    """One GPU of a node of 4 stays: the project gets the whole node, and not the other, which would be one too many."""
    instance = make(
        shapes=(shape("whole"),),
        inventory=(nodes("r", 4, node="n"), nodes("r", 2, node="k")),
        projects=(P,),
        requests=(ask("p", 1, 5),),
        placed=(Placed(project="p", node="n", gpus=1),),
    )
    assert by_node(instance) == {"n": 4}


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
