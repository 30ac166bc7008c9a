"""Bounds of two levels and the best sum of bounds, never above what the text-book model comes to on random trees."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import assume, event, given

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request
from kalloc.place import states as states_module
from kalloc.place.bounds import Proven, fewest_spans
from kalloc.place.contests import Run
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.runs import best_sum, by_zones, fewest_run, open_zones, runs_of
from kalloc.place.workers import Workers
from kalloc.solver import Limits
from kalloc.verify import Needs
from models import placement
from models.program import InexactError, Status
from tests.engine.drawing import Size, trees
from tests.engine.test_against_reference import often, on_thousands
from tests.engine.test_place import asking
from tests.models.small import nodes

TREES = Size(nodes=7, gpus=4, projects=5, levels=4)
ZONES = (frozenset[int](), frozenset([1]), frozenset([2, 3]))
FAR = 10**9
"""Spans in a plan so far from the need that bounds do all they can."""


def asked(instance: Instance) -> dict[tuple[str, str], int]:
    """Return what everybody asks."""
    return {(row.project, row.kind): row.max for row in instance.requests}


def needs(instance: Instance) -> dict[str, tuple[int, ...]]:
    """Return the need of every project, by level."""
    known = Needs(instance)
    bundles: dict[str, dict[str, int]] = defaultdict(dict)
    for row in instance.requests:
        bundles[row.project][row.kind] = row.max
    return {project: known.of(project, bundle) for project, bundle in bundles.items()}


def run_bound(instance: Instance, pair: Run) -> dict[Zones, int]:
    """Return the bound of two levels beyond what is needed."""
    rooms, weights = Rooms.of(instance), instance.topology.weights
    least = {project: sum(weights[at] * counts[at] for at in pair) for project, counts in needs(instance).items()}
    waiting = items_of(instance, rooms, asked(instance))
    found = fewest_run(Workers(1, rooms), waiting, least, dict.fromkeys(least, FAR), pair, Limits())
    return by_zones(waiting, least, least, found)


def level_bound(instance: Instance, level: int) -> dict[Zones, int]:
    """Return the bound of one level beyond what is needed, with its weight."""
    rooms = Rooms.of(instance)
    least = {project: counts[level] for project, counts in needs(instance).items()}
    waiting = items_of(instance, rooms, asked(instance))
    found = fewest_spans(Workers(1, rooms), waiting, least, dict.fromkeys(least, FAR), level, Limits())
    return by_zones(waiting, least, least, found, instance.topology.weights[level])


def least(instance: Instance) -> int:
    """Return the fragmentation of the text-book model where everybody gets what is asked."""
    try:
        best = placement.solve(instance, asked(instance))
    except InexactError:
        assume(False)
    assert best.status is Status.OPTIMAL and best.fragmentation is not None
    return best.fragmentation


def only(instance: Instance, pair: Run) -> Instance:
    """Return an instance in which all levels but two cost nothing."""
    weights = {name: weight if at in pair else 0 for at, (name, weight) in enumerate(weights_of(instance).items())}
    return instance.replace(hierarchy=Hierarchy(levels=instance.hierarchy.levels, weights=weights))


def weights_of(instance: Instance) -> dict[str, int]:
    """Return the weight of every level, coarse to fine."""
    return dict(zip(instance.topology.levels, instance.topology.weights, strict=True))


def runs_hold(instance: Instance) -> None:
    """No pair's bound is above the text-book's optimum of these two levels alone."""
    for pair in runs_of(instance.topology.weights):
        found, best = sum(run_bound(instance, pair).values()), least(only(instance, pair))
        event("reached" if found == best else "below")
        assert 0 <= found <= best


def sums_hold(instance: Instance) -> None:
    """The best sum of bounds of levels and pairs is not above the text-book's optimum."""
    weights = instance.topology.weights
    single = {level: level_bound(instance, level) for level in range(len(weights))}
    together = {pair: run_bound(instance, pair) for pair in runs_of(weights)}
    best = least(instance)
    found = best_sum(single, together)
    event("reached" if found == best else "below")
    assert found <= best


@given(instance=trees(TREES))
@often(60)
def test_no_pair_is_above_the_textbook(instance: Instance) -> None:
    """On trees with any weights and partly free nodes, no two levels together are bounded above their optimum."""
    runs_hold(instance)


@given(instance=trees(TREES))
@often(60)
def test_no_sum_of_bounds_is_above_the_textbook(instance: Instance) -> None:
    """Levels and pairs of levels, each counted once, come to no more than the optimum of all levels."""
    sums_hold(instance)


@pytest.mark.long
def test_no_pair_is_above_the_textbook_on_thousands() -> None:
    """As above, on thousands of trees."""
    on_thousands(runs_hold, trees(Size(nodes=9, gpus=8, projects=6, levels=4)))


@pytest.mark.long
def test_no_sum_of_bounds_is_above_the_textbook_on_hundreds() -> None:
    """As above, on hundreds of trees."""
    given(instance=trees(Size(nodes=9, gpus=8, projects=6, levels=4)))(often(600)(sums_hold))()


def of_two_kinds(seed: int) -> Instance:
    """Return sites of one kind or of two, filled to the last GPU or nearly, by projects that may ask both kinds."""
    dice = random.Random(seed)
    groups = [
        NodeGroup(
            path=(f"s{dice.randint(0, 2)}", f"r{at}"), node=f"n{at}", kind=kind, gpus=dice.randint(1, 4), owner="top"
        )
        for at, kind in enumerate(dice.choices("hb", k=dice.randint(3, 6)))
    ]
    left = Counter[str]()
    for group in groups:
        left[group.kind] += group.gpus
    requests = []
    for number in range(5):
        for kind in dice.choice([["h"], ["b"], ["h", "b"], ["h", "b"]]):
            gpus = min(left[kind], dice.choice([2, 2, 4, 3]))
            left[kind] -= gpus
            if gpus:
                requests.append(Request(project=f"p{number}", kind=kind, min=gpus, max=gpus, step=1))
    return Instance(
        name="two kinds",
        kinds=(Kind(kind="h"), Kind(kind="b")),
        pools=(Pool(pool="top"),),
        hierarchy=Hierarchy(levels=("site", "rack"), weights={"site": 100, "rack": 10, "node": 1}),
        inventory=tuple(groups),
        projects=tuple(Project(project=f"p{number}", pool="top", mix="any") for number in range(5)),
        requests=tuple(requests),
    )


def two_kinds_hold(seeds: Iterable[int]) -> Counter[str]:
    """Return how often the best sum of bounds meets the text-book's optimum, above which it is never."""
    found: Counter[str] = Counter()
    for seed in seeds:
        instance = of_two_kinds(seed)
        weights, best = instance.topology.weights, least(instance)
        single = {level: level_bound(instance, level) for level in range(len(weights))}
        bound = best_sum(single, {pair: run_bound(instance, pair) for pair in runs_of(weights)})
        assert 0 <= bound <= best, seed
        found["nothing to prove" if best == 0 else "met" if bound == best else "proven" if bound else "nothing"] += 1
    return found


def test_projects_of_two_kinds_are_seen() -> None:
    """Who asks two kinds takes room of both: bounds see it at every level, and are never above the text-book."""
    found = two_kinds_hold(range(60))
    assert found["met"] > found["proven"] + found["nothing"], found


def test_one_of_three_bins_that_are_alike_holds_the_odd_project() -> None:
    """Racks of 1, 1 and 3 GPUs look alike to projects of 2; that of 3 holds the project of 3: only two racks share."""
    assert two_kinds_hold([2746]) == {"met": 1}


@pytest.mark.long
def test_projects_of_two_kinds_are_seen_by_thousands() -> None:
    """As above, on two thousand instances."""
    two_kinds_hold(range(1_000, 3_000))


def best_of_all(single: Mapping[int, int], pairs: Mapping[Run, int]) -> int:
    """Return the greatest sum over every choice of pairs that share no level, all other levels alone."""
    best = 0
    chosen = list(pairs)
    for mask in range(2 ** len(chosen)):
        taken = [pair for at, pair in enumerate(chosen) if mask >> at & 1]
        levels = [level for pair in taken for level in pair]
        if len(levels) == len(set(levels)):
            alone = sum(bound for level, bound in single.items() if level not in levels)
            best = max(best, alone + sum(pairs[pair] for pair in taken))
    return best


def test_best_sum_is_the_best_of_all_choices() -> None:
    """Over all choices in which every level counts once, zone by zone, none comes to more."""
    for seed in range(400):
        dice = random.Random(seed)
        weights = [dice.choice([0, 1, 1, 5]) for _ in range(dice.randint(1, 7))]
        single = [{level: weight * dice.randint(0, 9) for level, weight in enumerate(weights)} for _ in ZONES]
        pairs = [{pair: dice.randint(0, 40) for pair in runs_of(weights)} for _ in ZONES]
        alone = {level: {zone: of[level] for zone, of in zip(ZONES, single, strict=True)} for level in single[0]}
        together = {pair: {zone: of[pair] for zone, of in zip(ZONES, pairs, strict=True)} for pair in pairs[0]}
        assert best_sum(alone, together) == sum(map(best_of_all, single, pairs))


def test_what_a_project_pays_alone_counts_with_its_zones() -> None:
    """One that alone pays 5 more than it needs over both levels, where one level says so of all: 5, and not twice."""
    instance = asking([3], (nodes("r", 4),))
    [item] = items_of(instance, Rooms.of(instance), asked(instance))
    need = {item.project: 2, "keeps": 1}
    alone = by_zones([item], {item.project: 7, "keeps": 2}, need, Proven(9, {}))
    level = by_zones([item], need, need, Proven(3, {item.shape.zones[0]: 5}))
    assert alone == {item.shape.zones[0]: 5, frozenset(): 1}
    assert best_sum({0: by_zones([item], need, need, Proven(3, {})), 1: level}, {(0, 1): alone}) == 6


def test_zones_that_are_linked_at_any_level_are_one() -> None:
    """Whoever competes for zones 1 and 2 at one level takes the bounds of both at the others, summed up."""
    one, two, both = frozenset([1]), frozenset([2]), frozenset([1, 2])
    single = {0: {both: 5}, 1: {one: 4, two: 0}}
    assert best_sum(single, {(0, 1): {one: 0, two: 8}}) == 9
    assert best_sum(single, {(0, 1): {one: 2, two: 8}}) == 10


def test_zones_are_open_where_one_more_run_may_raise_the_sum() -> None:
    """Zones whose sum meets the plan are done; so are those where even the plan's spans over the run would add nothing.

    Where the sum is 10 and the plan has 12 over the run, a bound less than 2 below the plan is of use.
    """
    met, idle, open = frozenset([1]), frozenset([2]), frozenset([3])
    single = {0: {met: 4, idle: 9, open: 3}, 1: {met: 1, idle: 1, open: 7}}
    most = {met: 5, idle: 8, open: 12}
    assert open_zones(single, {}, (0, 1), most, {met: 5, idle: 12, open: 14}) == {open: 2}


def test_only_open_zones_are_looked_at() -> None:
    """A run is bounded where it is of use, and counts with the need elsewhere."""
    instance = asking([2, 2, 2], (nodes("r", 3), nodes("s", 3)))
    rooms, granted = Rooms.of(instance), asked(instance)
    items, cost = items_of(instance, rooms, granted), {name: 2 for name, _ in granted}
    reached = dict.fromkeys(cost, FAR)
    alone = Workers(1, rooms)
    every = fewest_run(alone, items, cost, reached, (0, 1), Limits())
    [zones] = every.beyond
    assert every.total > 6
    assert fewest_run(alone, items, cost, reached, (0, 1), Limits(), short={zones: 1}).beyond == every.beyond
    assert fewest_run(alone, items, cost, reached, (0, 1), Limits(), short={}).beyond == {zones: 0}


def test_runs_are_neighbours_that_cost_something() -> None:
    """Levels that cost nothing are passed over."""
    assert runs_of([3, 0, 1, 2]) == [(0, 2), (2, 3), (0, 2, 3)]
    assert runs_of([0, 0, 1]) == runs_of([]) == []


def three_racks() -> Instance:
    """Return three racks of two nodes of 2, and projects of 3: one rack each, two nodes each; weights 10 and 1."""
    racks = tuple(nodes(rack, 2, count=2) for rack in "rst")
    return asking([3, 3, 3, 3], racks, hierarchy=Hierarchy(levels=("rack",), weights={"rack": 10, "node": 1}))


def test_a_pair_by_hand() -> None:
    """Four projects of 3 in three racks of 4: two must be cut, so that six racks are entered where four are needed."""
    instance = three_racks()
    assert sum(run_bound(instance, (0, 1)).values()) == least(instance) == 20


def test_a_pair_of_too_many_steps_is_bounded_by_who_must_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the states of racks are too many to be listed, racks that must share are still bounded."""
    monkeypatch.setattr(states_module, "MAX_STATES", 3)
    assert sum(run_bound(three_racks(), (0, 1)).values()) == 20


def test_small_items_count_once_at_both_levels() -> None:
    """Items of less than a grain enter one rack and one node each: they need no more, and none is claimed."""
    hierarchy = Hierarchy(levels=("rack", "tray"), weights={"rack": 10, "tray": 3, "node": 1})
    rows = tuple(nodes(rack, 8, count=2, path=(rack, f"{rack}1")) for rack in "rs")
    instance = asking([8, 8, 8, 1, 2], rows, hierarchy=hierarchy)
    assert sum(run_bound(instance, (0, 1)).values()) == 0


def test_nothing_is_done_where_a_plan_meets_the_need() -> None:
    """A plan that spans what is needed, or a deadline that is past, leaves the need as the bound."""
    instance = three_racks()
    rooms, cost = Rooms.of(instance), {f"p{number}": 12 for number in range(4)}
    waiting = items_of(instance, rooms, asked(instance))
    alone = Workers(1, rooms)
    assert fewest_run(alone, waiting, cost, cost, (0, 1), Limits()).total == 48
    assert fewest_run(alone, waiting, cost, dict.fromkeys(cost, FAR), (0, 1), Limits(deadline=0.0)).total == 48


def test_nodes_taken_in_part_count_with_what_is_free() -> None:
    """Racks of two nodes with 1 of 4 free each hold a project of 2 on two nodes, and no fewer are claimed needed."""
    names = [f"n{number}" for number in range(4)]
    inventory = tuple(nodes("rrss"[at], 4, node=name) for at, name in enumerate(names))
    placed = tuple(Placed(project="other", node=name, gpus=3) for name in names)
    instance = asking([2, 2], inventory, placed=placed)
    assert sum(run_bound(instance, (0, 1)).values()) == least(instance) == 0
