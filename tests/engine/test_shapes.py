"""Nations of odd sizes: what is asked, what is free, and how little of either is alike."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import Instance
from kalloc.plan import Grant, Termination
from models import joint
from models.program import Status
from tests.engine.shapes import Nation, best, checked, fits, pieces


def units_of(count: int, nodes: int, *sizes: int, unit: int = 5) -> Instance:
    """Return alike units of nodes of 8 GPUs in one fabric, where projects ask whole nodes."""
    nation = Nation(("fabric", "unit"), {"fabric": 100, "unit": unit})
    for number in range(count):
        nation.nodes(f"f/u{number}", nodes)
    return nation.ask(*(8 * size for size in sizes)).make()


def conflicting(fabric: int) -> Instance:
    """Return one project of 8 GPUs that fits one fabric of eight small nodes, or two nodes of two fabrics."""
    nation = Nation(("fabric",), {"fabric": fabric})
    return nation.nodes("small", 8, 1).nodes("large", 1, 4).nodes("other", 1, 4).ask(8).make()


def residues(*sizes: int) -> Instance:
    """Return a rack of eight nodes, of which 1, 2, 3 and so on to 8 GPUs are free, all of them asked."""
    return Nation(("rack",), {"rack": 7, "node": 2}).free("r", *range(1, 9)).ask(*sizes).make()


def distinct_units(*sizes: int) -> Instance:
    """Return units of one, two, three and so on to six nodes of 2 GPUs, in two fabrics."""
    nation = Nation(("fabric", "unit"), {"fabric": 10, "unit": 3})
    for size in range(1, 7):
        nation.nodes(f"f{size % 2}/u{size}", size, 2)
    return nation.ask(*sizes).make()


def racks_of_seven(*sizes: int) -> Instance:
    """Return three racks of five nodes with 7 of 8 GPUs free."""
    nation = Nation(("rack",), {"rack": 0, "node": 4})
    for rack in "rst":
        nation.free(rack, *[7] * 5)
    return nation.ask(*sizes).make()


BY_HAND: dict[str, tuple[Instance, int]] = {
    # Two projects of 6 fill three units of 4 as 4 + 2 and 2 + 4, which is what each needs.
    "larger than a unit, even": (units_of(6, 4, 6, 6, 6, 6), 0),
    # Four of 7 are one group with seven units of 4: 7 + 4 - 1 shares, two more than the four times 2 that they need.
    "larger than a unit, odd": (units_of(7, 4, 7, 7, 7, 7), 2 * 5),
    # 12 fill three units, 5 and 7 the other three as 4 + 1 and 3 + 4.
    "larger than a unit, mixed": (units_of(6, 4, 12, 7, 5), 0),
    # A second fabric for 10 costs more than the six nodes beyond the two that 8 GPUs need; for 3 it costs less.
    "one project, compact": (conflicting(10), 6),
    "one project, two fabrics": (conflicting(3), 3),
    "one project, everything": (residues(36), 0),
    "every node another residue, matched": (residues(*range(1, 9)), 0),
    "every node another residue, paired": (residues(9, 9, 9, 9), 0),
    # Nodes in groups of a multiple of 4: {4}, {8}, {1, 3}, {5, 7}, {2, 6}; so 8 + 9 - 5 shares, three beyond the need.
    "every node another residue, cut": (residues(*[4] * 9), 3 * 2),
    "all units distinct, matched": (distinct_units(2, 4, 6, 8, 10, 12), 0),
    # Six nodes are the unit of 6, or units of 5 + 1 in the one fabric, or of 4 + 2 in the other; three are that of 3.
    "all units distinct, one rest": (distinct_units(12, 12, 12, 6), 2 * 3),
    # Seven of 5 fill five nodes of 7 in 5 + 7 - 1 shares, four beyond what they need; three times that.
    "asked is free, to the GPU": (racks_of_seven(*[5] * 21), 3 * 4 * 4),
    "nobody asks": (racks_of_seven(), 0),
}


@pytest.mark.parametrize(("instance", "fragmentation"), BY_HAND.values(), ids=BY_HAND)
def test_optimum_by_hand(instance: Instance, fragmentation: int) -> None:
    """Everybody is served, and the fragmentation derived by hand is reached and proven."""
    best(instance, fragmentation)


PAIRS = 100
"""Pairs of a project and a node that the text-book model decides in a moment."""
TINY = [name for name, (one, _) in BY_HAND.items() if len(one.projects) * one.topology.node_count <= PAIRS]


@pytest.mark.parametrize("name", TINY)
def test_optimum_by_hand_is_that_of_the_textbook(name: str) -> None:
    """What is derived by hand is also what the text-book model finds."""
    instance, fragmentation = BY_HAND[name]
    reference = joint.solve(instance)
    assert (reference.status, reference.fragmentation) == (Status.OPTIMAL, fragmentation)
    assert reference.merit == instance.gpus_requested


def pairs(count: int) -> Instance:
    """Return nodes of which 1, 2, 3 and so on GPUs are free, and projects that each fill two of them."""
    nation = Nation(("rack",)).free("r", *range(1, 2 * count + 1), gpus=2 * count)
    return nation.ask(*[2 * count + 1] * count).make()


def single_gpus(nodes: int, residue: bool) -> Instance:
    """Return a project of one GPU for each that is free, on whole nodes or on nodes of any residue."""
    nation, racks = Nation(("unit", "rack")), range(nodes // 4)
    dice = random.Random(5)
    for rack in racks:
        free = [dice.randint(1, 8) if residue else 8 for _ in range(4)]
        nation.free(f"u{rack // 8}/r{rack}", *free)
    return nation.ask(*[1] * nation.room).make()


def matched_units(count: int, gpus: int) -> Instance:
    """Return units of one, two, three and so on nodes, and a project that fills each."""
    nation = Nation(("fabric", "unit"), {"fabric": 100, "unit": 10})
    for size in range(1, count + 1):
        nation.nodes(f"f/u{size}", size, gpus)
    return nation.ask(*(gpus * size for size in range(1, count + 1))).make()


def matched_nodes(count: int) -> Instance:
    """Return nodes of 1, 2, 3 and so on GPUs, and a project that fills each."""
    nation = Nation(("rack",))
    for gpus in range(1, count + 1):
        nation.nodes(f"r{gpus % 7}", 1, gpus)
    return nation.ask(*range(1, count + 1)).make()


EASY: dict[str, Callable[[], Instance]] = {
    "200 residues in pairs": lambda: pairs(100),
    "10,000 projects of one GPU": lambda: single_gpus(1250, residue=False),
    "one GPU each, every residue": lambda: single_gpus(1000, residue=True),
    "40 distinct units": lambda: matched_units(40, 8),
    "200 distinct nodes": lambda: matched_nodes(200),
}


@pytest.mark.parametrize("build", EASY.values(), ids=EASY)
def test_nothing_is_scattered_where_all_fits_whole(build: Callable[[], Instance]) -> None:
    """However many or distinct they are, projects that fill their domains exactly are not scattered, and proven so."""
    best(build(), 0)


def test_ten_thousand_for_half_as_many() -> None:
    """Of 10,000 alike projects of one GPU the first 5,000 are served where so many are free, and nobody is cut."""
    instance = Nation(("rack",)).nodes("r", 625).ask(*[1] * 10_000).make()
    result = checked(instance)
    assert [grant.gpus for grant in result.plan.grants] == [1] * 5_000 + [0] * 5_000
    assert (result.solution, result.fragmentation) == ("proven", 0)


def test_two_hundred_distinct_sizes() -> None:
    """Projects of 1, 2, 3 and so on to 200 GPUs take all but a few GPUs of units of 32 nodes: bounds enclose it."""
    nation = Nation(("fabric", "unit"), {"fabric": 100, "unit": 10})
    for unit in range(79):
        nation.nodes(f"f{unit // 8}/u{unit}", 32)
    result = checked(nation.ask(*range(1, 201)).make(), time_limit=30)
    assert fits(result) and result.termination != Termination.TIME_LIMIT


def claims_nothing(instance: Instance) -> None:
    """Solve an instance that has a plan without any scattering: everybody is served, and no bound denies that plan."""
    result = checked(instance, time_limit=20)
    assert fits(result)
    assert result.fragmentation_bound == 0
    assert all(level.bound == level.need for level in result.levels.values())


@pytest.mark.parametrize("most", [6, 21, 60])
def test_bound_is_none_where_nobody_need_be_cut(most: int) -> None:
    """Units of any number of nodes are cut into whole projects: all is asked, and no bound says that one is cut."""
    dice = random.Random(most)
    nation, sizes = Nation(("fabric", "unit"), {"fabric": 100, "unit": 10}), []
    for unit in range(40):
        count = dice.randint(most, 2 * most)
        nation.nodes(f"f{unit // 6}/u{unit}", count)
        sizes += [8 * size for size in pieces(dice, count, most)]
    dice.shuffle(sizes)
    claims_nothing(nation.ask(*sizes).make())


def test_bound_is_none_where_no_gpu_need_be_cut() -> None:
    """Nodes of any residue are cut into whole projects of single GPUs: no bound says that one is cut."""
    dice = random.Random(2)
    nation, sizes = Nation(("unit", "rack")), []
    for rack in range(60):
        free = [dice.randint(1, 8) for _ in range(4)]
        nation.free(f"u{rack // 8}/r{rack}", *free)
        sizes += [size for part in free for size in pieces(dice, part, 8)]
    dice.shuffle(sizes)
    claims_nothing(nation.ask(*sizes).make())


@pytest.mark.parametrize("mandatory", [False, True], ids=["optional", "mandatory"])
def test_each_whole_in_a_unit_of_its_own(mandatory: bool) -> None:
    """Projects that each need one unit, and fill one of 40 distinct ones, are all served."""
    instance = matched_units(40, 8)
    change = {"level": "unit", "mandatory": mandatory}
    best(instance.replace(projects=tuple(row.model_copy(update=change) for row in instance.projects)), 0)


def test_walls_of_units() -> None:
    """Ten units of four nodes hold one project of three whole nodes each, and none of five, though 40 are free."""
    nation = Nation(("unit",))
    for unit in range(10):
        nation.nodes(f"u{unit}", 4)
    instance = nation.ask(*[8 * 5] * 3, level="unit", merit=9).ask(*[8 * 3] * 13, level="unit").make()
    result = checked(instance)
    assert [grant.gpus for grant in result.plan.grants] == [0] * 3 + [24] * 10 + [0] * 3
    assert (result.tiers[0].bound, result.fragmentation, result.solution) == (240, 0, "proven")


NOTHING: dict[str, Nation] = {
    "all down": Nation(("rack",)).nodes("r", 9, state="down").nodes("s", 1, 4, state="down"),
    "all taken": Nation(("rack",)).free("r", *[0] * 9).free("s", 0, gpus=4),
    "taken or down": Nation(("rack",)).free("r", 0, 0).nodes("r", 5, state="down"),
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("more", [{}, {"level": "rack"}, {"merit": 0}], ids=["optional", "whole", "without merit"])
def test_nothing_is_free(name: str, more: dict[str, object]) -> None:
    """Where nothing is free everybody gets nothing, and that is proven best."""
    ground = NOTHING[name]
    nation = Nation(ground.levels, rows=ground.rows, placed=ground.placed)
    result = best_of_nothing(nation.ask(1, 8, 70, **more).make())
    assert [grant.gpus for grant in result] == [0, 0, 0]


def best_of_nothing(instance: Instance) -> tuple[Grant, ...]:
    """Return the grants of a plan without seats that is proven best."""
    result = checked(instance)
    assert result.plan.seats == () and result.solution == "proven"
    assert [tier.value for tier in result.tiers] == [0, 0]
    assert all((level.spans, level.need, level.bound) == (0, 0, 0) for level in result.levels.values())
    return result.plan.grants


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_free_for_a_mandatory_project(name: str) -> None:
    """Where nothing is free and one must be served there is no plan, and the clash names that project."""
    ground = NOTHING[name]
    nation = Nation(ground.levels, rows=ground.rows, placed=ground.placed)
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(nation.ask(8, 8).ask(1, mandatory=True).make(), time_limit=None, threads=1)
    assert any("mandatory" in sentence and "'p2'" in sentence for sentence in caught.value.clash)
