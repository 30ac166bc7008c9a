"""Trees of odd shapes: any weights, one to seven levels, single children, uneven branching, domains of any size."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from math import prod

import pytest

from kalloc.instance import NODE, Hierarchy, Instance
from kalloc.plan import Termination
from models import placement
from models.program import Status
from tests.engine.shapes import Even, Nation, best, checked, encloses, fits, pieces
from tests.models.small import sow

DEEP = Even((3, 2, 2, 2, 2), gpus=2, size=3)
"""Three sites of two fabrics of two units of two racks of two nodes, and 32 projects of 3 GPUs."""
NAMES = (*DEEP.levels, NODE)


def test_formula_by_hand() -> None:
    """Sites, fabrics, units and racks of 32, 16, 8 and 4 GPUs: 32 projects of 3 in groups of 96, 48, 24 and 12."""
    excess = {"l0": 3 - 1, "l1": 6 - 2, "l2": 12 - 4, "l3": 24 - 8, NODE: 48 + 32 - 16 - 2 * 32}
    assert DEEP.excess() == excess


@pytest.mark.parametrize("shape", [Even((2, 2), 2, 4), Even((2, 3), 2, 3), Even((1, 2, 3), 1, 2), Even((4,), 3, 4)])
def test_formula_is_that_of_the_textbook(shape: Even) -> None:
    """With a weight on one level alone, the text-book model finds the excess of the formula at that level."""
    for level, least in shape.excess().items():
        instance = shape.make({name: int(name == level) for name in (*shape.levels, NODE)})
        reference = placement.solve(instance, {(row.project, row.kind): row.max for row in instance.requests})
        assert (reference.status, reference.fragmentation) == (Status.OPTIMAL, least)


def total(shape: Even, weights: Mapping[str, int]) -> int:
    """Return the least fragmentation of an even tree."""
    return sum(weights[level] * count for level, count in shape.excess().items())


@pytest.mark.parametrize("level", NAMES)
def test_one_weight_that_is_not_zero(level: str) -> None:
    """Where one level alone costs anything, its least excess is reached and proven."""
    weights = {name: 7 * (name == level) for name in NAMES}
    best(DEEP.make(weights), total(DEEP, weights))


def test_all_weights_zero() -> None:
    """Where nothing costs anything the fragmentation of any seating is 0, and levels are still counted and bounded."""
    encloses(DEEP.make(dict.fromkeys(NAMES, 0)), DEEP.excess())
    best(DEEP.make(dict.fromkeys(NAMES, 0)), 0)


@pytest.mark.parametrize(
    "weights",
    [(1, 1, 1, 1, 1), (1000, 100, 10, 1, 10), (1, 10, 100, 1000, 10_000), (0, 5, 0, 5, 0), (10**6, 0, 1, 0, 10**6)],
    ids=str,
)
def test_any_weights(weights: tuple[int, ...]) -> None:
    """Finer levels may cost more than coarser ones, or nothing: the optimum of the formula is reached and proven."""
    priced = dict(zip(NAMES, weights, strict=True))
    best(DEEP.make(priced), total(DEEP, priced))


def test_few_large_projects_on_two_levels() -> None:
    """18 units of 32 GPUs in nine fabrics: four projects of 144 laid end to end span three fabrics and five units each.

    The second of them begins in the middle of a unit, so that 144 GPUs end with it: 16 + 4 * 32, then 4 * 32 + 16.
    """
    shape = Even((3, 3, 2, 32), gpus=1, size=144)
    assert shape.excess() == {"l0": 2, "l1": 0, "l2": 0, NODE: 0}
    best(shape.make({"l0": 0, "l1": 1000, "l2": 1000, NODE: 1}), 0)


BRANCHING = (3, 2, 1, 2, 1, 1, 2, 2)
"""Of seven levels and nodes: at three of them every domain has a single child."""


@pytest.mark.parametrize("depth", range(8))
def test_from_no_level_to_seven(depth: int) -> None:
    """48 nodes under any number of levels, some with a single child each: the optimum is reached and proven."""
    shape = Even((*BRANCHING[:depth], prod(BRANCHING[depth:])), gpus=2, size=3)
    assert len(shape.levels) == depth
    weights = {f"l{level}": 10 ** (level % 4) for level in range(depth)} | {NODE: 3}
    best(shape.make(weights), total(shape, weights))


# Levels that say nothing


def with_single_children(instance: Instance, at: int, share: int) -> Instance:
    """Put a level below another one whose domains have one child each; the two share the weight."""
    levels, weights = list(instance.hierarchy.levels), dict(instance.hierarchy.weights)
    level = levels[at]
    levels.insert(at + 1, "only")
    weights[level], weights["only"] = weights[level] - share, share
    inventory = tuple(
        row.model_copy(update={"path": (*row.path[: at + 1], "child", *row.path[at + 1 :])})
        for row in instance.inventory
    )
    return instance.replace(hierarchy=Hierarchy(levels=tuple(levels), weights=weights), inventory=inventory)


def ragged(seed: int) -> Instance:
    """Return a random instance of up to six nodes in two levels where all weights are some."""
    instance = sow(seed, nodes=6, gpus=4, projects=4, levels=2)
    weights = {level: weight + 2 for level, weight in instance.hierarchy.weights.items()}
    projects = tuple(row.model_copy(update={"mandatory": False}) for row in instance.projects)
    return instance.replace(
        hierarchy=Hierarchy(levels=instance.hierarchy.levels, weights=weights), projects=projects, placed=()
    )


@pytest.mark.parametrize("share", [0, 1, 2])
def test_a_level_of_single_children_changes_nothing(share: int) -> None:
    """A domain and its only child cost together what the domain cost alone, on two dozen drawn instances."""
    scattered = 0
    for seed in range(24):
        before = checked(ragged(seed))
        for at in range(2):
            after = checked(with_single_children(ragged(seed), at, share))
            assert [tier.value for tier in after.tiers] == [tier.value for tier in before.tiers], seed
            assert (before.solution, after.solution) == ("proven", "proven"), seed
        scattered += before.fragmentation > 0
    assert scattered > 0


# Trees of very different parts


def comb() -> Nation:
    """Return sites of 1, 10, 100 and 1,000 nodes, in units of 1, 5, 25 and 125, in racks of 1, 1, 5 and 25."""
    nation = Nation(("site", "unit", "rack"), {"site": 1000, "unit": 10, "rack": 1, "node": 10})
    for power in range(4):
        for unit in range(max(1, 2**power)):
            nodes, racks = 5**power, max(1, 5 ** (power - 1))
            for rack in range(nodes // racks):
                nation.nodes(f"s{power}/u{unit}/r{rack}", racks)
    return nation


def uneven() -> Nation:
    """Return a fabric of one unit of one node, one of sixty units of one node, and one of a unit of 400 nodes."""
    nation = Nation(("fabric", "unit", "rack"), {"fabric": 100, "unit": 10, "rack": 1})
    nation.nodes("one/u/r", 1)
    for unit in range(60):
        nation.nodes(f"many/u{unit}/r", 1)
    return nation.nodes("large/u/", 300).nodes("large/u/r", 100)


def without_racks() -> Nation:
    """Return units of racks, units without racks, nodes under no unit at all, and nodes of 1, 8 and 72 GPUs."""
    nation = Nation(("site", "unit", "rack"), {"site": 100, "unit": 10, "rack": 0, "node": 1})
    for unit in range(6):
        nation.nodes(f"a/u{unit}/r1", 4).nodes(f"a/u{unit}/r2", 1 + unit).nodes(f"b/u{unit}/", 9)
    return nation.nodes("c//", 30, 1).nodes("c//r", 3, 72).nodes("d//", 1, 72).nodes("d/u/r", 40, 1)


def partial() -> Nation:
    """Return units of very different sizes with nodes of every residue."""
    dice = random.Random(8)
    nation = Nation(("site", "unit"), {"site": 9, "unit": 3})
    for unit, count in enumerate((1, 1, 2, 3, 5, 8, 13)):
        nation.free(f"s{unit % 2}/u{unit}", *(dice.randint(0, 8) for _ in range(count)))
    return nation


RAGGED: dict[str, tuple[Callable[[], Nation], int, int]] = {
    "comb": (comb, 8, 64),
    "uneven": (uneven, 8, 30),
    "without racks": (without_racks, 1, 90),
    "partial": (partial, 1, 24),
}
"""Nations with the GPUs in which projects ask, and how many of these one asks at most."""


@pytest.mark.parametrize("name", RAGGED)
@pytest.mark.parametrize("seed", range(2))
def test_ragged_tree_filled_to_the_last_gpu(name: str, seed: int) -> None:
    """Whatever hangs where, everybody is served of all that is free, and every bound is on its side."""
    build, grain, most = RAGGED[name]
    nation = build()
    sizes = [grain * size for size in pieces(random.Random(seed), nation.room // grain, most)]
    instance = nation.ask(*sizes).make()
    result = checked(instance, time_limit=6)
    assert fits(result) and result.gpus["allocated"] == instance.gpus_available


# Large domains


LARGE = [
    Even((5, 8, 72), gpus=8, size=8 * 5),
    Even((5, 8, 72), gpus=8, size=8 * 80),
    Even((3, 5, 256), gpus=8, size=8 * 3),
    Even((3, 5, 256), gpus=8, size=20),
    Even((2, 2048), gpus=8, size=8 * 64),
    Even((3, 2048), gpus=8, size=8 * 3),
    Even((3, 2048), gpus=8, size=12),
]


@pytest.mark.parametrize("shape", LARGE, ids=lambda shape: f"{shape.branching}, {shape.size}")
def test_large_units_filled_by_alike_projects(shape: Even) -> None:
    """Units of 72, 256 and 2,048 nodes: bounds and values enclose the optimum of the formula."""
    weights = dict(zip((*shape.levels, NODE), (100, 10, 10), strict=False))
    result = encloses(shape.make(weights), shape.excess(), time_limit=30)
    assert result.termination != Termination.TIME_LIMIT


@pytest.mark.parametrize(("units", "nodes"), [(48, 72), (14, 256), (2, 2048)])
@pytest.mark.parametrize("grain", [8, 1], ids=["nodes", "GPUs"])
def test_large_units_filled_by_any_projects(units: int, nodes: int, grain: int) -> None:
    """Units of 72, 256 and 2,048 nodes less a few, asked to the last GPU, in sizes from one to beyond a unit."""
    dice = random.Random(units)
    nation = Nation(("fabric", "unit"), {"fabric": 100, "unit": 10, "node": 10})
    for unit in range(units):
        nation.nodes(f"f{unit // 8}/u{unit}", nodes - dice.randint(0, 9))
    sizes = [8 * (nodes + 5) // grain]
    left = nation.room // grain - sizes[0]
    while left:
        most = dice.choice([4, 16, 40, 8 * nodes // grain // 2])
        sizes.append(min(left, dice.randint(1, most)))
        left -= sizes[-1]
    result = checked(nation.ask(*(grain * size for size in sizes)).make(), time_limit=120)
    assert fits(result) and result.termination != Termination.TIME_LIMIT
