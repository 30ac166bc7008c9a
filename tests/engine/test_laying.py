"""Packing laid on real domains: every item whole and once, on free nodes of its zone."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given

from kalloc.instance import Hierarchy, Instance, Placed, Shape
from kalloc.place import engine, jobs, laying, yards
from kalloc.place import states as states_module
from kalloc.place.jobs import Job, pack_job, pack_jobs
from kalloc.place.laying import pack_zones
from kalloc.place.packing import Packing
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.place.shaping import of_nodes
from kalloc.place.yards import Scope, scopes, share_out, yard_of
from kalloc.solver import Limits
from tests.engine.drawing import Size, trees
from tests.engine.test_against_reference import often
from tests.engine.test_place import asking, items
from tests.halls import halves
from tests.models.small import nodes

TREES = Size(nodes=9, gpus=8, projects=7, levels=4)
WIDE = Size(nodes=40, gpus=8, projects=40, levels=4)


def laid(instance: Instance) -> Seating:
    """Seat all items by packing the only zone, and check that each has what it asks where there was room."""
    rooms, waiting = Rooms.of(instance), items(instance)
    seating = Seating(rooms)
    if waiting:
        pack_zones(seating, {0: waiting}, Limits())
    used, got = Counter[int](), Counter[str]()
    for (project, node), gpus in seating.seats.items():
        assert gpus > 0 and rooms.zone[node] == 0
        used[node] += gpus
        got[project] += gpus
    assert got == Counter({item.project: item.shape.gpus for item in waiting})
    left = rooms.room - np.array([used[node] for node in range(len(rooms.room))])
    assert (left >= 0).all() and (left == seating.room).all()
    return seating


@given(instance=trees(TREES))
@often(120)
def test_every_item_is_seated_whole_and_once(instance: Instance) -> None:
    """On trees of one to four levels, with weights of nothing and partly free nodes, everybody has what is asked."""
    laid(instance)


@given(instance=trees(WIDE))
@often(30)
def test_every_item_of_larger_trees_is_seated_whole_and_once(instance: Instance) -> None:
    """As above, with up to forty nodes and forty projects."""
    laid(instance)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_blocks_and_few_siblings_lose_nobody(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few bins are packed together, or seen as siblings, everybody is seated, few projects or many."""
    monkeypatch.setattr(yards, "MOST_BINS", most)
    monkeypatch.setattr(yards, "MOST_SIBLINGS", most)
    for seed in range(25):
        dice = random.Random(seed)
        racks = tuple(nodes(f"r{rack}", 4, count=dice.randint(1, 3)) for rack in range(dice.randint(1, 7)))
        left, sizes = sum(4 * row.count for row in racks), list[int]()
        while left and len(sizes) < dice.choice([1, 3, 20]):
            sizes.append(dice.randint(1, min(left, 9)))
            left -= sizes[-1]
        laid(asking(sizes, racks))


def test_projects_of_whole_nodes_are_packed_with_others() -> None:
    """Projects that demand whole nodes have whole nodes, beside others that may be cut and nodes that are taken."""
    packed = 0
    for seed in range(40):
        dice = random.Random(seed)
        names = [f"n{number}" for number in range(dice.randint(3, 9))]
        inventory = tuple(nodes(dice.choice("rst"), 4, node=name) for name in names)
        taken = dice.sample(names, dice.randint(0, 2))
        placed = tuple(Placed(project="other", node=name, gpus=dice.randint(1, 3)) for name in taken)
        left, sizes = 4 * (len(names) - len(taken)), list[int]()
        while left > 0 and len(sizes) < 6:
            sizes.append(dice.choice([4, 8, dice.randint(1, 6)]))
            left -= sizes[-1]
        sizes = sizes if left >= 0 else sizes[:-1]
        whole = {f"p{number}" for number, size in enumerate(sizes) if size % 4 == 0 and dice.random() < 0.6}
        shapes = tuple(Shape(project=name, shape="whole", level="node") for name in sorted(whole))
        instance = asking(sizes, inventory, placed=placed, shapes=shapes)
        assert all(item.shape.form is None or of_nodes(Rooms.of(instance), item) for item in items(instance))
        seats = laid(instance).seats
        assert all(gpus == 4 for (name, _), gpus in seats.items() if name in whole), seed
        packed += bool(whole)
    assert packed >= 20


@pytest.mark.parametrize("limit", [0, 5, 40])
def test_too_many_steps_lose_nobody(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the states of bins are too many to be listed, everybody is seated all the same."""
    monkeypatch.setattr(states_module, "MAX_STATES", limit)
    racks = tuple(nodes(rack, gpus, count=2) for rack, gpus in zip("rst", (4, 3, 2), strict=True))
    laid(asking([5, 5, 4, 3, 1], racks))


def test_whole_nodes_are_asked_but_none_is_free() -> None:
    """Projects of whole nodes sit on parts where every node is taken in part."""
    names = [f"n{number}" for number in range(4)]
    placed = tuple(Placed(project="other", node=name, gpus=1) for name in names)
    laid(asking([4, 4], tuple(nodes("r", 4, node=name) for name in names), placed=placed))


def test_more_blocks_than_items() -> None:
    """One project in a nation of more racks than are packed together has its seats."""
    laid(asking([4], tuple(nodes(f"r{rack}", 4, count=2) for rack in range(yards.MOST_BINS + 1))))


def test_an_item_goes_where_it_is_whole() -> None:
    """Two racks of two nodes of 4, projects of 8, 4, 3 and 1: one fills a rack, the small ones share a node."""
    instance = asking([8, 4, 3, 1], (nodes("r", 4, count=2), nodes("s", 4, count=2)))
    seats = laid(instance).seats
    by_project = Counter(project for project, _ in seats)
    assert by_project == Counter({"p0": 2, "p1": 1, "p2": 1, "p3": 1})
    rack_of = instance.topology.domain[0]
    assert len({int(rack_of[node]) for project, node in seats if project == "p0"}) == 1


def test_share_out_keeps_every_item_once() -> None:
    """Shares add up to the items; a block gets items in proportion to its room."""
    for seed in range(200):
        dice = random.Random(seed)
        sizes = Counter(dice.randint(1, 9) for _ in range(dice.randint(1, 40)))
        rooms = [dice.randint(1, 60) for _ in range(dice.randint(1, 6))]
        shares = share_out(dict(sizes), rooms)
        assert sum(shares, Counter[int]()) == sizes and len(shares) == len(rooms)
    assert share_out({4: 3, 2: 2}, [12, 4]) == [Counter({4: 2, 2: 2}), Counter({4: 1})]


def test_no_block_gets_more_than_its_room_where_items_can_change_places() -> None:
    """Where all room is asked for, by items of 9 to 27, every block is full to the last node."""
    for seed in range(50):
        dice = random.Random(seed)
        rooms = [dice.randint(200, 900) for _ in range(dice.randint(2, 10))]
        sizes: Counter[int] = Counter()
        while (left := sum(rooms) - sum(sizes.elements())) > 0:
            sizes[left if left <= 27 else dice.randint(9, min(27, left - 9))] += 1
        shares = share_out(sizes, rooms)
        assert sum(shares, Counter[int]()) == sizes
        assert [sum(share.elements()) for share in shares] == rooms
    assert share_out({5: 2, 3: 1}, [8, 5]) == [Counter({5: 1, 3: 1}), Counter({5: 1})]


def test_large_items_go_to_blocks_whose_groups_hold_them() -> None:
    """Groups of 12 and 8 nodes in one block and two of 8 in another: items of 12 and 7 go where they fit exactly."""
    insides: tuple[tuple[tuple[int, ...], ...], ...] = (((6,), (6,)), ((4,), (4,)), ((5,), (2,)), ((5,), (4,)))
    domains = ((0, 1), (2, 3), (4, 5), (6, 7))
    yard = yards.Yard(Scope(-1, 0, 1), 1, domains, insides, {}, groups=(0, 1, 2, 3))
    first, second = yards.shares_of(yard, [[0, 1], [2, 3]], Counter({12: 1, 7: 1, 4: 4}))
    assert (first, second) == (Counter({12: 1, 4: 2}), Counter({7: 1, 4: 2}))
    assert yards.shares_of(yard, [[0, 1, 2, 3]], Counter({12: 1, 4: 2})) == [Counter({12: 1, 4: 2})]


def test_processes_pack_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stocks packed by two processes come out in their order, as if they were packed one after the other."""
    seating, waiting = Seating(Rooms.of(halves())), items(halves())
    zones = {zone: [item for item in waiting if item.shape.zones[0] == {zone}] for zone in (0, 1)}
    found = [laying._batch(seating, zone, members, Limits()) for zone, members in zones.items()]
    several = [job for batch in found for job in batch.jobs] * 3
    alone = pack_jobs(several, Limits(threads=1))
    monkeypatch.setattr(jobs, "WORTH_BINS", 0)
    assert pack_jobs(several, Limits(threads=2)) == alone
    assert pack_jobs(several, Limits(threads=2, deadline=0.0)) == [
        Packing((), +job.sizes, float("-inf")) for job in several
    ]


def test_large_instances_are_fitted_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Racks of 3, 4 and 5 nodes, projects of 4, 4 and 3: best fit seats each in one rack, end to end cuts two.

    It ends without an answer once its time is up, or is left out where there are too many nodes and projects.
    """
    instance = asking([4, 4, 3], tuple(nodes(f"r{nodes_in}", 1, count=nodes_in) for nodes_in in (3, 4, 5)))
    rooms, waiting, told = Rooms.of(instance), items(instance), list[int]()
    assert engine.seat_first(Seating(rooms), waiting, Limits(), until=0.0) is None
    monkeypatch.setattr(engine, "pack_zones", lambda *_: set())
    monkeypatch.setattr(engine, "fitted_whole", lambda *_: None)
    monkeypatch.setattr(engine, "MOST_FITTED", 0)
    engine.seat_all(rooms, waiting, {}, {}, Limits(deadline=time.monotonic() + 60), told.append)
    assert len(told) == 2 and told[1] < told[0]
    monkeypatch.setattr(engine, "MOST_LOOKED_AT", 0)
    engine.seat_all(rooms, waiting, {}, {}, Limits(deadline=time.monotonic() + 60), told.append)
    assert told[2:] == told[:1]


WEIGHTS = {"site": 0, "hall": 9, "rack": 5, "node": 1}


@pytest.mark.parametrize(
    ("weights", "grain", "expected"),
    [
        (WEIGHTS, 2, [Scope(1, 2, 3), Scope(2, 3, -1)]),
        (WEIGHTS, 4, [Scope(-1, 1, 2), Scope(1, 2, -1)]),
        ({**WEIGHTS, "hall": 0, "rack": 0}, 2, [Scope(-1, 3, -1)]),
        ({**WEIGHTS, "hall": 0, "rack": 0}, 4, []),
    ],
)
def test_scopes_are_the_finest_levels_that_cost_something(
    weights: dict[str, int], grain: int, expected: list[Scope]
) -> None:
    """Two levels under a third are seen, then one under another; whole nodes leave the nodes out."""
    levels = ("site", "hall", "rack")
    row = nodes("r", 4, path=("a", "b", "c"))
    instance = asking([grain], (row,), hierarchy=Hierarchy(levels=levels, weights=weights))
    assert list(scopes(Rooms.of(instance), 0, grain)) == expected


def test_a_scope_costs_what_is_entered_below_its_parent() -> None:
    """A bin costs its level and all between it and the parent, a child what is between it and the bin."""
    weights = (7, 0, 3, 2, 1)
    assert (Scope(0, 2, 4).costs(weights), Scope(0, 2, 4).region(weights)) == ((3, 3), -1)
    assert (Scope(2, 3, -1).costs(weights), Scope(2, 3, -1).region(weights)) == ((2, 0), 0)
    assert Scope(-1, 2, 3).costs(weights) == (10, 2)


def test_a_yard_has_every_free_grain_once() -> None:
    """Bins and their children hold what is free in grains, under their own parents, full domains left out."""
    for seed in range(50):
        dice = random.Random(seed)
        rows = tuple(
            nodes("", dice.randint(1, 8), path=(f"h{dice.randint(0, 1)}", f"r{dice.randint(0, 2)}")) for _ in range(9)
        )
        instance = asking([1], rows, hierarchy=Hierarchy(levels=("hall", "rack")))
        seating, grain = Seating(Rooms.of(instance)), dice.randint(1, 4)
        yard = yard_of(seating, 0, grain, Scope(0, 1, 2))
        free = seating.rooms.room // grain
        children = [child for bins in yard.domains for bin in bins for child in yard.children[bin]]
        assert sorted(node for _, node in children) == np.flatnonzero(free).tolist()
        assert all(room == free[node] for room, node in children)
        hall, rack = instance.topology.domain[:2]
        for bins, insides in zip(yard.domains, yard.insides, strict=True):
            assert len({int(hall[rack == bin][0]) for bin in bins}) == 1
            for bin, inside in zip(bins, insides, strict=True):
                assert inside == tuple(sorted((room for room, _ in yard.children[bin]), reverse=True))
                assert all(rack[node] == bin for _, node in yard.children[bin])


def test_stop_leaves_zones_that_are_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop while the second of two zones is packed: the first is seated as packed, of the second nobody."""
    instance, stop = halves(), threading.Event()
    rooms, waiting = Rooms.of(instance), items(instance)
    zones = {zone: [item for item in waiting if item.shape.zones[0] == {zone}] for zone in (0, 1)}

    def interrupted(jobs: Sequence[Job], limits: Limits) -> list[Packing]:
        done = pack_job(jobs[0], limits, 60.0)
        stop.set()
        return [done, *(Packing((), +job.sizes, float("-inf")) for job in jobs[1:])]

    monkeypatch.setattr(laying, "seat_loose", lambda *_: False)
    monkeypatch.setattr(laying, "pack_jobs", interrupted)
    seating = Seating(rooms)
    assert pack_zones(seating, zones, Limits(stop=stop)) == {0}
    assert {project for project, _ in seating.seats} == {item.project for item in zones[0]}
    assert pack_zones(Seating(rooms), zones, Limits(stop=stop)) == set()
