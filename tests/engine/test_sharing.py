"""Bins that must share items: no bound is above what the best groups cost, and groups have room for all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Pool, Project, Request
from kalloc.place import grouping
from kalloc.place.grouping import grouped_bins, hosted
from kalloc.place.nests import BinAt, Nest
from kalloc.place.residues import common_divisor
from kalloc.place.runs import runs_of
from kalloc.place.sharing import Asked, Group, share
from kalloc.solver import Limits
from tests.engine.test_residues import partitions
from tests.engine.test_runs import least, only, run_bound

IMPOSSIBLE = 10**9


def nest_of(dice: random.Random, bins: int, parents: int) -> Nest:
    """Draw a nest of a few bins."""
    rooms: list[list[int]] = [[] for _ in range(parents)]
    for _ in range(bins):
        dice.choice(rooms).append(dice.choice([8, 8, 7, 7, 6, 5, dice.randint(1, 8)]))
    found = tuple(tuple(inside) for inside in rooms if inside)
    regions = tuple(sorted(dice.randint(0, 1) for _ in found))
    return Nest(found, regions, dice.choice([0, 1, 10]), dice.choice([0, 5, 100]), dice.choice([0, 1000]))


def sizes_of(dice: random.Random, room: int, slack: int) -> Counter[int]:
    """Draw items that leave so much room over, most of them multiples of 4."""
    sizes: Counter[int] = Counter()
    left = room - slack
    while left > 0:
        size = min(left, dice.choice([4, 4, 8, 12, 16, 4 if dice.random() < 0.8 else dice.randint(1, 9)]))
        sizes[size] += 1
        left -= size
    return sizes


def cost_of(nest: Nest, group: Sequence[BinAt]) -> int:
    """Return what items pay for a group of bins beyond one region, parent and bin each."""
    parents = {parent for parent, _ in group}
    regions = {nest.regions[parent] for parent in parents}
    above = nest.parent_cost * (len(parents) - 1) + nest.region_cost * (len(regions) - 1)
    return nest.bin_cost * (len(group) - 1) + above


@cache
def fits(rooms: tuple[int, ...], items: tuple[int, ...]) -> bool:
    """Tell whether items fit beside each other into groups of so much room, each whole in one of them."""
    if not items:
        return True
    return any(
        fits(tuple(sorted([*rooms[:at], rooms[at] - items[0], *rooms[at + 1 :]])), items[1:])
        for at in range(len(rooms))
        if rooms[at] >= items[0]
    )


def cheapest(nest: Nest, sizes: Counter[int]) -> int:
    """Return what the best groups of bins cost into which all items fit, over all partitions of the bins."""
    bins = [(parent, room) for parent, rooms in enumerate(nest.bins) for room in rooms]
    items = tuple(sorted(sizes.elements(), reverse=True))
    best = IMPOSSIBLE
    for groups in partitions(list(range(len(bins)))):
        found = [[bins[name] for name in group] for group in groups]
        cost = sum(cost_of(nest, group) for group in found)
        if cost < best and fits(tuple(sorted(sum(room for _, room in group) for group in found)), items):
            best = cost
    return best


def cases(seeds: range) -> Iterator[tuple[Nest, Counter[int]]]:
    """Yield nests and items that fill them, or nearly."""
    for seed in seeds:
        dice = random.Random(seed)
        nest = nest_of(dice, dice.randint(2, 5), dice.randint(1, 3))
        room = sum(nest.rooms)
        yield nest, sizes_of(dice, room, min(room - 1, dice.choice([0, 0, 0, 1, 3])))


def compared(seeds: range) -> tuple[int, int]:
    """Return how many bounds are above nothing, and how many of these are met by the best groups; none is above."""
    some = met = 0
    for nest, sizes in cases(seeds):
        found = share(nest, Asked.of(nest, sizes), Limits())
        best = cheapest(nest, sizes)
        assert found.bound <= best, (nest, sizes)
        some += found.bound > 0
        met += found.bound == best > 0
    return some, met


def test_no_bound_is_above_the_best_groups() -> None:
    """Over all ways to group bins none costs less than is proven, and most bounds are met."""
    some, met = compared(range(100))
    assert some > 40
    assert met * 10 > some * 7


@pytest.mark.long
def test_no_bound_of_thousands_is_above_the_best_groups() -> None:
    """The same on two thousand nests."""
    compared(range(1000, 3000))


def all_bins(groups: Sequence[Group]) -> list[BinAt]:
    """Return the bins of all groups, sorted."""
    return sorted(bin for group in groups for bin in group)


@pytest.mark.parametrize("most", [10, 1])
def test_groups_are_all_bins_with_room_for_large_items(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bin is in one group, groups are multiples but for odd items and waste, and large items find room."""
    monkeypatch.setattr(grouping, "MOST_PARENTS", most)
    monkeypatch.setattr(grouping, "BLOCK", 2)
    met = 0
    for nest, sizes in cases(range(100)):
        asked = Asked.of(nest, sizes)
        groups = grouped_bins(nest, asked, Limits())
        if not groups:
            continue
        assert all_bins(groups) == sorted((parent, room) for parent, rooms in enumerate(nest.bins) for room in rooms)
        assert hosted(groups, asked)
        waste = [sum(room for _, room in group) % asked.divisor for group in groups]
        assert sum(waste) <= asked.slack + sum(asked.odd.elements())
        met += any(len(group) > 1 for group in groups)
    assert met > 20


def test_large_items_find_room_by_hand() -> None:
    """Two groups of two bins hold an item each, not two; an odd one wants what it fills up."""
    groups = (((0, 8), (0, 8)), ((1, 7), (1, 7)))
    assert hosted(groups, Asked(4, Counter(), Counter({16: 1, 12: 1}), 2))
    assert not hosted(groups, Asked(4, Counter(), Counter({16: 2}), 2))
    assert not hosted(groups, Asked(4, Counter({15: 1}), Counter({15: 1}), 0))
    assert hosted(groups, Asked(4, Counter({14: 1}), Counter({14: 1}), 0))


def test_a_small_bin_cannot_hold_the_odd_item_alone() -> None:
    """A bin of 7 and an item of 19 have the same residue; yet the bin must share with others to be filled."""
    nest = Nest(((32, 31, 31, 30), (7,)), (0, 0), 10, 100, 0)
    sizes = Counter({19: 1, 16: 5, 8: 3, 4: 1})
    sizes[4] += (sum(nest.rooms) - sum(size * count for size, count in sizes.items())) // 4
    assert sum(size * count for size, count in sizes.items()) == sum(nest.rooms)
    assert common_divisor(sizes) == (4, 1)
    assert share(nest, Asked.of(nest, sizes), Limits()).bound == 120


def test_large_items_take_bins_that_must_share_anyhow() -> None:
    """An item of five bins costs nothing more than the four bins of 7 that share, beside one of 8."""
    nest = Nest(((8, 8, 8, 8, 8, 8, 7, 7, 7, 7),), (0,), 10, 0, 0)
    assert share(nest, Asked(4, Counter(), Counter(), 0), Limits()).bound == 30
    assert share(nest, Asked(4, Counter(), Counter({28: 1}), 0), Limits()).bound == 30
    assert share(nest, Asked(4, Counter(), Counter({36: 1}), 0), Limits()).bound == 40


def full(dice: random.Random) -> Instance:
    """Draw sites with fabrics of nodes that are asked for to the last GPU, by projects of even sizes but for one."""
    rows, total = [], 0
    for site in range(2):
        for fabric in range(dice.randint(1, 2)):
            for number in range(1):
                gpus = dice.choice([3, 4, 5])
                total += gpus
                path, name = (f"s{site}", f"f{fabric}"), f"n{site}{fabric}{number}"
                rows.append(NodeGroup(path=path, count=1, kind="K", gpus=gpus, owner="P", node=name))
    sizes = []
    while total:
        sizes.append(min(total, dice.choice([2, 2, 4])))
        total -= sizes[-1]
    return Instance(
        name="full",
        hierarchy=Hierarchy(levels=("site", "fabric"), weights={"site": 50, "fabric": 7, "node": 2}),
        kinds=(Kind(kind="K"),),
        pools=(Pool(pool="P"),),
        inventory=tuple(rows),
        projects=tuple(Project(project=f"p{number}", pool="P") for number in range(len(sizes))),
        requests=tuple(
            Request(project=f"p{number}", kind="K", min=size, max=size) for number, size in enumerate(sizes)
        ),
    )


def test_no_bound_of_three_levels_is_above_the_textbook() -> None:
    """Where all is asked for, the text-book model comes to no less than the bound over site, fabric and node."""
    some = 0
    for seed in range(4):
        instance = full(random.Random(seed))
        for run in runs_of(instance.topology.weights)[-1:]:
            found = sum(run_bound(instance, run).values())
            assert found <= least(only(instance, run))
            some += found > 0
    assert some > 0
