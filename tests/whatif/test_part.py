"""The part of an instance that decides what a pool gets: its best is the whole's, as it is and after every change."""

from __future__ import annotations

from contextlib import suppress

import pytest

from kalloc.errors import NoPlanError
from kalloc.instance import Instance, Pool, Project, Quota
from kalloc.solver import Limits
from kalloc.whatif.levers import levers_of
from kalloc.whatif.part import part_of
from kalloc.whatif.settle import merit_of, settle
from tests.models.small import ask, make, nodes, sow

LIMITS = Limits()


@pytest.mark.parametrize("seed", range(40))
def test_the_best_of_the_part_is_that_of_the_whole(seed: int) -> None:
    """What the pool's part comes to at best is what its projects add to the best plan of the whole."""
    instance = sow(seed, nodes=6, gpus=4, projects=6, levels=1)
    with suppress(NoPlanError):
        whole = settle(instance, LIMITS)
        for pool in sorted({row.pool for row in instance.projects}):
            part = part_of(instance, pool)
            found = settle(part, LIMITS)
            if whole is None or found is None:
                assert found is None or whole is None
                continue
            mine = {key: gpus for key, gpus in whole.granted.items() if key[0] in part.project_of}
            if whole.proven and found.proven:
                assert merit_of(instance, mine) == found.merit


@pytest.mark.parametrize("seed", range(100, 115))
def test_changes_of_the_part_are_those_of_the_whole(seed: int) -> None:
    """Every lever, pulled on the part and on the whole, adds the same merit."""
    instance = sow(seed, nodes=6, gpus=4, projects=5, levels=1)
    for row in instance.projects[:3]:
        with suppress(NoPlanError):
            part = part_of(instance, row.pool)
            pairs = zip(levers_of(instance, row.project), levers_of(part, row.project), strict=True)
            for on_whole, on_part in pairs:
                assert (on_whole.code, on_whole.facts(1)) == (on_part.code, on_part.facts(1))
                if on_whole.most and (gain := gained(instance, on_whole.apply(1))) is not None:
                    assert gain == gained(part, on_part.apply(1))


def gained(before: Instance, after: Instance) -> object:
    """Return what a change adds to the best merit; None where that is not proven or the change makes no instance."""
    first, second = settle(before, LIMITS), settle(after, LIMITS)
    return second.merit - first.merit if first and second and first.proven and second.proven else None


PAIR = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))


def test_what_is_apart_is_left_out() -> None:
    """Pools with nodes of their own and quotas that cannot bind do not see each other; with less quota they do."""
    instance = make(
        pools=PAIR,
        quotas=(Quota(pool="top", kind="*", gpus=16),),
        inventory=(nodes("r", 8, owner="a"), nodes("s", 8, owner="b")),
        projects=(Project(project="p", pool="a"), Project(project="q", pool="b")),
        requests=(ask("p", 1, 8), ask("q", 1, 8)),
    )
    loose = instance.replace(quotas=(Quota(pool="top", kind="*", gpus=24),))
    part = part_of(loose, "a")
    assert [row.project for row in part.projects] == ["p"]
    assert [row.path for row in part.inventory] == [("r",)]
    assert len(part_of(instance, "a").projects) == 2


def test_names_of_nodes_stay() -> None:
    """Nodes without a name keep the one that counting gave them, whoever else stands at their place."""
    instance = make(
        pools=PAIR,
        inventory=(nodes("r", 8, owner="b", count=2), nodes("r", 8, owner="a"), nodes("s", 8, owner="b")),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 8),),
    )
    assert part_of(instance, "a").topology.names == ("r/n1", "r/n2", "r/n3")
