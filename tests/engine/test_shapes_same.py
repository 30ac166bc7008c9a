"""The same seed gives the same plan, whatever the number of threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import kalloc
from kalloc.generate import generate
from kalloc.generate.national import FAMILIES
from kalloc.instance import Instance
from kalloc.plan import Result
from tests.engine.test_shapes import BY_HAND, pairs, single_gpus
from tests.engine.test_shapes_levels import DEEP, LARGE, NAMES, comb, uneven

SHAPES: dict[str, Callable[[], Instance]] = {
    "larger than a unit": lambda: BY_HAND["larger than a unit, odd"][0],
    "residues, cut": lambda: BY_HAND["every node another residue, cut"][0],
    "residues, in pairs": lambda: pairs(60),
    "one GPU each": lambda: single_gpus(400, residue=True),
    "five levels": lambda: DEEP.make(dict.fromkeys(NAMES, 1)),
    "without weights": lambda: DEEP.make(dict.fromkeys(NAMES, 0)),
    "units of 72": lambda: LARGE[1].make({}),
    "units of 2,048": lambda: LARGE[-1].make({}),
    "comb": lambda: comb().ask(*[8 * size for size in range(1, 40)]).make(),
    "uneven": lambda: uneven().ask(*[56] * 65).make(),
}


def same(instance: Instance, seed: int = 0) -> None:
    """Solve with one thread, and with two: all that is decided and proven is the same, to the byte."""
    one, two = (kalloc.solve(instance, time_limit=None, threads=threads, seed=seed) for threads in (1, 2))
    assert decided(one) == decided(two)


def decided(result: Result) -> tuple[object, ...]:
    """Return what is decided as the bytes of tables, and what is proven."""
    tables = [table.to_csv(index=False).encode() for table in (result.plan.allocations, result.plan.placements)]
    return *tables, result.tiers, result.levels, result.termination, result.solution


@pytest.mark.parametrize("build", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("seed", [0, 7])
def test_shapes(build: Callable[[], Instance], seed: int) -> None:
    """Odd shapes get the same plan and the same proofs from one thread and from two."""
    same(build(), seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family: str) -> None:
    """Each family of a thousand nodes gets the same plan and the same proofs from one thread and from two."""
    same(generate("national", 0, family=family, nodes=1024))


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_families_of_512_nodes(family: str) -> None:
    """As above where there are as few nodes as an exact model of both decisions may have."""
    same(generate("national", 0, family=family, nodes=512))
