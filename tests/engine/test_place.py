"""Placement by parts: the tree, the flow over it and its decoding, the bounds of one level, best fit."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request
from kalloc.place.bounds import fewest_spans
from kalloc.place.flow import Demand, FlowBuilder, TooLargeError, decode
from kalloc.place.items import Item, items_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seating
from kalloc.place.spans import scattering
from kalloc.place.tree import Place, build_tree
from kalloc.place.workers import Workers
from kalloc.place.zones import assign_zones
from kalloc.solver import Limits, Model, Status, solve_scip
from models import placement
from tests.engine.drawing import Size, instances
from tests.engine.test_against_reference import SMALL, often
from tests.models.small import ask, make, nodes

Seats = dict[tuple[str, int], int]


def asking(sizes: list[int], inventory: tuple[object, ...], level: str | None = None, **more: object) -> Instance:
    """Return an instance where projects p0, p1 … ask just so many GPUs each."""
    names = [f"p{number}" for number in range(len(sizes))]
    return make(
        inventory=inventory,
        projects=tuple(Project(project=name, pool="top", level=level) for name in names),
        requests=tuple(ask(name, size, size) for name, size in zip(names, sizes, strict=True)),
        **more,
    )


def items(instance: Instance) -> tuple[Item, ...]:
    """Return an item for each project, which gets all that it asks."""
    granted = {(row.project, row.kind): row.max for row in instance.requests}
    return items_of(instance, Rooms.of(instance), granted)


def whole_tree(instance: Instance, rooms: Rooms) -> Place:
    """Return the tree of all nodes and levels."""
    levels = range(len(instance.topology.levels))
    return build_tree(rooms, np.arange(instance.topology.node_count), list(levels))


def bins(place: Place) -> Iterator[tuple[int, int, list[list[int]]]]:
    """Yield room, weight and members of every class of bins."""
    for key, members in place.bins.items():
        yield key.room, key.weight, [member.tolist() for member in members]
    for below in place.places:
        yield from bins(below)


# The tree


def test_tree_of_alike_nodes_counts_them() -> None:
    """Three alike nodes of a rack are one class of three bins under one place that costs the rack's weight."""
    instance = asking([1], (nodes("r", 4, count=3),), hierarchy=Hierarchy(levels=("rack",), weights={"rack": 7}))
    tree = whole_tree(instance, Rooms.of(instance))
    assert [(place.level, place.weight) for place in tree.places] == [(0, 7)]
    assert list(bins(tree)) == [(4, 1, [[0], [1], [2]])]


def test_tree_merges_a_place_that_leaves_no_choice() -> None:
    """A rack of one node is a bin of the root that costs both weights, so that nobody enters it twice."""
    weights = {"rack": 7, "node": 2}
    instance = asking([1], (nodes("r", 4), nodes("s", 4)), hierarchy=Hierarchy(levels=("rack",), weights=weights))
    tree = whole_tree(instance, Rooms.of(instance))
    assert tree.places == [] and list(bins(tree)) == [(4, 9, [[0], [1]])]


def test_tree_without_a_level_hangs_its_contents_higher() -> None:
    """With racks only, a rack is a bin of the room of its nodes; full and down nodes are not in it."""
    inventory = (nodes("r", 4, node="full"), nodes("r", 4, count=2), nodes("r", 4, state="down"), nodes("s", 3))
    instance = asking([1], inventory, placed=(Placed(project="other", node="full", gpus=4),))
    tree = build_tree(Rooms.of(instance), np.arange(5), [0])
    assert sorted(bins(tree)) == [(3, 1, [[4]]), (8, 1, [[1, 2]])]


@given(instance=instances(SMALL))
@often(150)
def test_tree_has_every_free_node_once(instance: Instance) -> None:
    """Each node with room that serves somebody is in just one bin, and rooms add up."""
    rooms = Rooms.of(instance)
    tree = whole_tree(instance, rooms)
    seen = [(room, member) for room, _, members in bins(tree) for member in members]
    free = [node for node in range(instance.topology.node_count) if rooms.zone[node] >= 0 and rooms.room[node] > 0]
    assert sorted(node for _, member in seen for node in member) == free
    assert all(room == int(rooms.room[member].sum()) for room, member in seen)
    assert tree.room(frozenset(range(len(rooms.zones)))) == int(rooms.room[free].sum())


# The flow


def least_scattering(instance: Instance, granted: dict[tuple[str, str], int]) -> tuple[int, Seats]:
    """Return the optimum of the flow of the whole tree, what is kept included, and its decoded seats."""
    rooms = Rooms.of(instance)
    waiting = items_of(instance, rooms, granted)
    tree, model = whole_tree(instance, rooms), Model()
    demands = {shape: Demand([], count, count) for shape, count in Counter(item.shape for item in waiting).items()}
    split = FlowBuilder(rooms, model, 100_000).build(tree, demands)
    answer = solve_scip(model, Limits())
    assert answer.status is Status.OPTIMAL and answer.values is not None and answer.value is not None
    seats: Seats = defaultdict(int)
    for project, members, gpus in decode(split, answer.values, [(item.project, item.shape) for item in waiting]):
        assert len(members) == 1
        seats[project, int(members[0])] += gpus
    kept = {(project, node): gpus for project, held in rooms.stays.items() for node, gpus in held.items()}
    for seat, gpus in kept.items():
        seats[seat] += gpus
    return answer.value + scattering(rooms, kept, {}), dict(seats)


@given(instance=instances(SMALL))
@often(150)
def test_flow_finds_the_least_scattering_and_decodes_to_it(instance: Instance) -> None:
    """For the allocation of a plan the flow's value is the reference's optimum, and its seats cost just that."""
    try:
        plan = kalloc.solve(instance, time_limit=None, threads=1).plan
    except InfeasibleError:
        assume(False)
    granted = {(grant.project, grant.kind): grant.gpus for grant in plan.grants}
    value, seats = least_scattering(instance, granted)
    best = placement.solve(instance, granted)
    weights = zip(instance.topology.levels, instance.topology.weights, strict=True)
    assert value == sum(weight * best.spans[level] for level, weight in weights)
    rooms = Rooms.of(instance)
    assert scattering(rooms, seats, {}) == value
    got: Counter[tuple[str, str]] = Counter()
    for (project, node), gpus in seats.items():
        got[project, instance.topology.row(node).kind] += gpus
    assert got == Counter({key: gpus for key, gpus in granted.items() if gpus})


def test_flow_cuts_an_item_where_it_costs_least() -> None:
    """Two racks of nodes 3 + 3 and three projects of 4: all sit on two nodes, one of them in two racks as well."""
    hierarchy = Hierarchy(levels=("rack",), weights={"rack": 10, "node": 1})
    instance = asking([4, 4, 4], (nodes("r", 3, count=2), nodes("s", 3, count=2)), hierarchy=hierarchy)
    value, seats = least_scattering(instance, {(row.project, "h"): 4 for row in instance.requests})
    assert (value, len(seats)) == (4 * 10 + 6 * 1, 6)


def test_flow_keeps_a_level_in_one_domain() -> None:
    """Three projects of 4 that each need one rack do not fit two racks of 6, though 12 GPUs are free."""
    instance = asking([4, 4, 4], (nodes("r", 3, count=2), nodes("s", 3, count=2)), level="rack")
    rooms, model = Rooms.of(instance), Model()
    demands = {shape: Demand([], count, count) for shape, count in Counter(i.shape for i in items(instance)).items()}
    FlowBuilder(rooms, model, 1000).build(whole_tree(instance, rooms), demands)
    assert solve_scip(model, Limits()).status is Status.INFEASIBLE


def test_flow_refuses_to_grow_too_large() -> None:
    """A model that would need more variables than allowed is not built."""
    instance = asking([7, 5, 3], (nodes("r", 8, count=3),))
    rooms = Rooms.of(instance)
    demands = {item.shape: Demand([], 1, 1) for item in items(instance)}
    with pytest.raises(TooLargeError):
        FlowBuilder(rooms, Model(), 20).build(whole_tree(instance, rooms), demands)


# Bounds of one level


@cache
def fewest_by_brute_force(free: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """Return the fewest (item, domain) pairs over every way to cut and seat the items."""
    if not sizes:
        return 0
    found = []
    for parts in itertools.product(*(range(min(room, sizes[0]) + 1) for room in free)):
        if sum(parts) == sizes[0]:
            left = tuple(sorted(room - part for room, part in zip(free, parts, strict=True)))
            found.append(sum(part > 0 for part in parts) + fewest_by_brute_force(left, sizes[1:]))
    return min(found, default=10**6)


def far(needs: dict[str, int]) -> dict[str, int]:
    """Return spans so far from the needs that the bound does all it can."""
    return dict.fromkeys(needs, 10**6)


@given(
    free=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
@often(150)
def test_fewest_spans_equals_brute_force(free: list[int], sizes: list[int]) -> None:
    """Where rooms are small the bound of a level is the very optimum over every way to cut the items."""
    assume(sum(sizes) <= sum(free))
    instance = asking(sizes, tuple(nodes(f"r{rack}", room) for rack, room in enumerate(free)))
    best = fewest_by_brute_force(tuple(sorted(free)), tuple(sizes))
    needs = {item.project: 1 for item in items(instance)}
    assert fewest_spans(Workers(1, Rooms.of(instance)), items(instance), needs, far(needs), 0, Limits()).total == best


@pytest.mark.parametrize(
    "sizes",
    [
        [72, 72, 72, 72, 72, 80, 64],
        [72] * 7,
    ],
)
def test_fewest_spans_of_large_domains_counts_in_grains(sizes: list[int]) -> None:
    """A unit of 31 nodes of 8 and one of 32: seven projects of about 9 nodes span eight units."""
    instance = asking(sizes, (nodes("r", 8, count=31), nodes("s", 8, count=32)))
    needs = {item.project: 1 for item in items(instance)}
    assert fewest_spans(Workers(1, Rooms.of(instance)), items(instance), needs, far(needs), 0, Limits()).total == 8


def test_fewest_spans_stops_at_what_a_plan_reached() -> None:
    """A plan that spans what its projects need is proven best without any model."""
    instance = asking([2, 2], (nodes("r", 4), nodes("s", 4)))
    needs = {"p0": 1, "p1": 1}
    stopped = Limits(deadline=0.0)
    assert fewest_spans(Workers(1, Rooms.of(instance)), items(instance), needs, needs, 0, stopped).total == 2


@pytest.mark.parametrize("level", [None, "rack"])
def test_fewest_spans_knows_who_must_not_be_cut(level: str | None) -> None:
    """Racks of 5 and 3, projects of 4, 3 and 1: they fit whole as 4 + 1 and 3, whether they must or not."""
    instance = asking([4, 3, 1], (nodes("r", 5), nodes("s", 3)), level=level)
    needs = {item.project: 1 for item in items(instance)}
    assert fewest_spans(Workers(1, Rooms.of(instance)), items(instance), needs, far(needs), 0, Limits()).total == 3


# Zones


@pytest.mark.parametrize("asked", list(itertools.permutations(["hb", "h", "b"])))
def test_both_kinds_of_a_project_share_a_site(asked: tuple[str, ...]) -> None:
    """Two sites of two owners with both kinds, filled to the last GPU: who asks both kinds gets them at one site."""
    sites = {"s": "a", "t": "top"}
    pools = {"p0": "a", "p1": "a", "p2": "a", "q": "top"}
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        hierarchy=Hierarchy(levels=("site", "rack"), weights={"site": 100, "rack": 1}),
        inventory=(
            *(NodeGroup(path=(at, kind), kind=kind, gpus=4, owner=sites[at]) for at in sites for kind in "hb"),
            *(NodeGroup(path=("t", "r"), kind=kind, gpus=1, owner="top") for kind in "hb"),
        ),
        projects=tuple(Project(project=project, pool=pool, mix="any") for project, pool in pools.items()),
        requests=(
            *(Request(project=f"p{at}", kind=k, min=4, max=4, step=1) for at, kinds in enumerate(asked) for k in kinds),
            *(Request(project="q", kind=kind, min=1, max=1, step=1) for kind in "hb"),
        ),
    )
    rooms = Rooms.of(instance)
    for item in assign_zones(rooms, items(instance), Limits()):
        nodes = np.isin(rooms.zone, [next(iter(zones)) for zones in item.shape.zones])
        assert len(set(rooms.topology.domain[0][nodes].tolist())) == 1


# Best fit


def seated(instance: Instance, order: tuple[Item, ...]) -> dict[tuple[str, str], int]:
    """Seat items one after the other and return GPUs by project and node name."""
    seating = Seating(Rooms.of(instance))
    for item in order:
        seating.seat(item)
    return {(project, instance.topology.names[node]): gpus for (project, node), gpus in seating.seats.items() if gpus}


RACKS = (nodes("r", 8, node="large"), nodes("s", 4, node="mid"), nodes("s", 2, node="small"))


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (2, {"small": 2}),
        (3, {"mid": 3}),
        (4, {"mid": 4}),
        (5, {"large": 5}),
        (8, {"large": 8}),
        (9, {"large": 8, "small": 1}),
        (13, {"large": 8, "mid": 4, "small": 1}),
    ],
)
def test_best_fit_takes_the_tightest_domain_that_holds_it(gpus: int, expected: dict[str, int]) -> None:
    """A whole item goes to the lowest domain with least room; a larger one fills the largest first."""
    instance = asking([gpus], RACKS)
    assert seated(instance, items(instance)) == {("p0", node): part for node, part in expected.items()}


def test_best_fit_respects_a_level() -> None:
    """9 GPUs that must sit in one rack have no seat, though 14 are free; 6 take the rack that they fill."""
    with pytest.raises(NoRoomError):
        seated(asking([9], RACKS, level="rack"), items(asking([9], RACKS, level="rack")))
    racks = (nodes("r", 4, count=2), nodes("s", 4, node="mid"), nodes("s", 2, node="small"))
    instance = asking([6], racks, level="rack")
    assert seated(instance, items(instance)) == {("p0", "mid"): 4, ("p0", "small"): 2}


def test_best_fit_stays_beside_what_is_kept() -> None:
    """A project that keeps a GPU in the larger rack gets its others there, though another rack is tighter."""
    instance = asking([4], RACKS, placed=(Placed(project="p0", node="large", gpus=1),))
    assert seated(instance, items(instance)) == {("p0", "large"): 3}


def test_best_fit_runs_out_of_room() -> None:
    """When items ask more than there is, one of them finds no seat."""
    instance = asking([8, 8], RACKS)
    with pytest.raises(NoRoomError):
        seated(instance, items(instance))


@given(instance=instances(Size(nodes=6, gpus=8, projects=5, levels=3)))
@often(100)
def test_what_is_seated_fits(instance: Instance) -> None:
    """Whatever the items, those that are seated have what they ask, on nodes that serve them, within the room."""
    rooms = Rooms.of(instance)
    seating = Seating(rooms)
    granted = {(row.project, row.kind): row.max for row in instance.requests}
    used: Counter[int] = Counter()
    try:
        for item in items_of(instance, rooms, granted):
            if not all(item.shape.zones):
                continue
            seating.seat(item)
            held = {node: gpus for (project, node), gpus in seating.seats.items() if project == item.project and gpus}
            used.update(held)
            assert sum(held.values()) == item.shape.gpus
            assert all(rooms.zone[node] in frozenset().union(*item.shape.zones) for node in held)
    except NoRoomError:
        pass
    assert all(gpus <= rooms.room[node] for node, gpus in used.items())
