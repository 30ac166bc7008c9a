"""Nodes that are taken in part, where items ask for more whole nodes than there are.

Some items must then be pieced together. A group of part-taken nodes whose rooms add up to a multiple of a node holds an
item to the last GPU, and leaves whole nodes to the others. Groups that cost least, in one unit where that can be, are
chosen by an integer program: a packing of sets. Where larger items take up part-taken nodes at less cost, they do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, islice
from math import comb

import numpy as np

from kalloc.place.fillers import Taken, fillers
from kalloc.place.items import Item
from kalloc.place.seating import Seating
from kalloc.solver import Limits, Model, Terms, solve_scip

MOST_NODES = 4
"""Nodes of the largest group."""
MOST_LOOKED_AT = 200_000
"""Groups that are looked at in one domain: of fewer nodes where there would be more."""
MOST_GROUPS = 2_000
"""Groups to choose from: those in finer domains first."""
MAX_NODES = 50
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""

Place = tuple[int, ...]
"""The domains of a node, coarse to fine, but for the node itself; then its room. Nodes of one place are alike."""
Group = tuple[Place, ...]


def seat_on_parts(seating: Seating, zone: int, items: Sequence[Item], limits: Limits) -> list[Item]:
    """Seat so many items on part-taken nodes of a zone that whole nodes are enough for the others; return the others.

    Nothing is done unless all ask for multiples of a node. Where part-taken nodes do not add up, more are left than
    whole nodes hold.
    """
    node = seating.rooms.node_gpus[zone]
    if any(item.shape.gpus % node for item in items):
        return list(items)
    missing = sum(item.shape.gpus for item in items) - int(seating.free(frozenset([zone]), node)[0].sum())
    nodes = _part_taken(seating, zone, node) if missing > 0 else {}
    if not nodes:
        return list(items)
    waiting: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if item.shape.form is None:
            waiting[item.shape.gpus].append(item)
    ways = [
        *(fillers(seating, zone, waiting, limits, plain) for plain in (True, False)),
        list(_by_nodes(seating, nodes, waiting, missing, node, limits)),
    ]
    weight = sum(seating.rooms.topology.weights)

    def cost(way: Sequence[Taken]) -> int:
        return sum(taken.beyond for taken in way) + weight * max(0, missing - sum(taken.parts for taken in way))

    best = min(ways, key=cost)
    for taken in best:
        for at, gpus in taken.seats.items():
            seating.put(taken.item, at, gpus)
    seated = {taken.item.project for taken in best}
    return [item for item in items if item.project not in seated]


def _by_nodes(
    seating: Seating,
    nodes: Mapping[Place, Sequence[int]],
    waiting: Mapping[int, Sequence[Item]],
    missing: int,
    node: int,
    limits: Limits,
) -> Iterator[Taken]:
    """Yield items that lie on part-taken nodes alone."""
    weights = seating.rooms.topology.weights
    free = {place: list(alike) for place, alike in nodes.items()}
    left = {size: list(members) for size, members in waiting.items()}
    counts = {place: len(alike) for place, alike in nodes.items()}
    sizes = {size: len(members) for size, members in waiting.items()}
    for group in _chosen(weights, counts, sizes, missing, node, limits):
        item = left[_room(group)].pop()
        yield Taken(item, {free[place].pop(): place[-1] for place in group}, _cost(weights, group, node), _room(group))


def _part_taken(seating: Seating, zone: int, node: int) -> dict[Place, list[int]]:
    """Return the nodes that have some room, but less than a whole one, by place."""
    found: dict[Place, list[int]] = defaultdict(list)
    above = seating.rooms.topology.domain[:-1]
    for at in np.flatnonzero((seating.rooms.zone == zone) & (seating.room > 0) & (seating.room < node)).tolist():
        found[(*(int(domain[at]) for domain in above), int(seating.room[at]))].append(at)
    return dict(found)


def _chosen(
    weights: Sequence[int],
    nodes: Mapping[Place, int],
    sizes: Mapping[int, int],
    missing: int,
    node: int,
    limits: Limits,
) -> list[Group]:
    """Return the groups that cost least and hold what whole nodes cannot, as far as there are items of their sizes."""
    model = Model()
    of_place: dict[Place, Terms] = defaultdict(list)
    of_size: dict[int, Terms] = defaultdict(list)
    groups = {}
    for group in islice(_groups(nodes, sizes, node), MOST_GROUPS):
        room, uses = _room(group), Counter(group)
        most = min(sizes[room], *(nodes[place] // times for place, times in uses.items()))
        groups[group] = model.variable(0, most, _cost(weights, group, node))
        of_size[room].append((groups[group], 1))
        for place, times in uses.items():
            of_place[place].append((groups[group], times))
    for place, terms in of_place.items():
        model.row(terms, None, nodes[place])
    for size, terms in of_size.items():
        model.row(terms, None, sizes[size])
    short = model.variable(0, missing, sum(weights))
    model.row([*((variable, _room(group)) for group, variable in groups.items()), (short, 1)], missing, None)
    answer = solve_scip(model, limits, nodes=MAX_NODES, eager=True)
    if answer.values is None:
        return []
    return [group for group, variable in groups.items() for _ in range(int(answer.values[variable]))]


def _groups(nodes: Mapping[Place, int], sizes: Mapping[int, int], node: int) -> Iterator[Group]:
    """Yield groups whose rooms add up to the size of an item: those in one domain of a finer level first."""
    depth = len(next(iter(nodes))) - 1
    seen: set[Group] = set()
    for level in range(depth, -1, -1):
        inside: dict[Place, list[Place]] = defaultdict(list)
        for place in sorted(nodes):
            inside[place[:level]].append(place)
        for places in inside.values():
            for count in range(2, MOST_NODES + 1):
                if comb(len(places) + count - 1, count) > MOST_LOOKED_AT:
                    break
                for group in combinations_with_replacement(places, count):
                    fits = _room(group) in sizes and all(nodes[at] >= times for at, times in Counter(group).items())
                    if fits and group not in seen:
                        seen.add(group)
                        yield group


def _room(group: Group) -> int:
    return sum(place[-1] for place in group)


def _cost(weights: Sequence[int], group: Group, node: int) -> int:
    """Return Σ weight · spans of an item on a group beyond those on whole nodes side by side."""
    spans = [len({place[: level + 1] for place in group}) - 1 for level in range(len(weights) - 1)]
    return sum(w * s for w, s in zip(weights, [*spans, len(group) - _room(group) // node], strict=True))
