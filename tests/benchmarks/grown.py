"""Instances of which one thing grows: the number of nodes, of distinct sizes, or of distinct rooms of units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import cycle
from random import Random

from kalloc.generate import generate
from kalloc.instance import Instance, NodeGroup, Placed, Project, Request

POOL, KIND, GPUS = "nation", "H200", 8
"""Owner and kind of every node, and its GPUs."""
MEAN_SIZE = 32
"""Nodes that a project asks in the mean, as many as a unit has."""
MEAN_ROOM = 16
"""Nodes of a unit that are free in the mean."""
ASKED = 0.95
"""Share of the free nodes that projects ask."""


def by_nodes(nodes: int, family: str, seed: int = 0) -> Instance:
    """Return an instance of a family of the recipe `national`."""
    return generate("national", seed, family=family, nodes=nodes)


def half_full(nodes: int, sizes: int, rooms: int, seed: int = 0) -> Instance:
    """Return a half full nation whose projects and units have some numbers of distinct sizes and rooms.

    In the mean they are the same for any numbers. A unit that is too small for the room that is its turn has none.

    Raises:
        ValueError: where numbers cannot be spaced evenly, or there are too few nodes to have as many.
    """
    rng = Random(f"half full {nodes} {sizes} {rooms} {seed}")
    instance = _empty(f"half-full-{nodes}-{sizes}-{rooms}-{seed}", nodes)
    units: dict[int, list[int]] = defaultdict(list)
    for node, unit in enumerate(_unit_of(instance)):
        units[unit].append(node)
    busy: list[int] = []
    for members, room in zip(units.values(), _turns(rng, _around(MEAN_ROOM, rooms)), strict=False):
        busy += sorted(rng.sample(members, len(members) - room)) if room <= len(members) else members
    names = instance.topology.names
    placed = tuple(Placed(project="background", node=names[node], gpus=GPUS, movable=False) for node in busy)
    full = instance.replace(placed=placed)
    made = _asking(full, rng, _around(MEAN_SIZE, sizes), int(ASKED * (nodes - len(busy))))
    if (distinct_sizes(made), distinct_rooms(made)) != (sizes, rooms):
        raise ValueError(f"{nodes} nodes are too few for {sizes} sizes and {rooms} rooms")
    return made


def distinct_sizes(instance: Instance) -> int:
    """Return how many different numbers of GPUs are asked."""
    return len({row.max for row in instance.requests})


def distinct_rooms(instance: Instance) -> int:
    """Return how many different numbers of free GPUs the units have, those that have none left out."""
    free = instance.topology.gpus.tolist()
    for node, gpus in instance.background.items():
        free[node] -= gpus
    rooms: dict[int, int] = defaultdict(int)
    for unit, gpus in zip(_unit_of(instance), free, strict=True):
        rooms[unit] += gpus
    return len(set(rooms.values()) - {0})


def _unit_of(instance: Instance) -> list[int]:
    units: list[int] = instance.topology.domain[instance.topology.levels.index("su")].tolist()
    return units


def _empty(name: str, nodes: int) -> Instance:
    """Return fabrics of the recipe `national` in which no node is down and nobody asks."""
    laid = generate("national", 0, family="fresh", nodes=nodes)
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for row in laid.inventory:
        counts[row.path] += row.count
    up = (NodeGroup(path=path, count=count, kind=KIND, gpus=GPUS, owner=POOL) for path, count in counts.items())
    return laid.replace(name=name, title="", inventory=tuple(up), projects=(), requests=(), placed=())


def _around(mean: int, count: int) -> list[int]:
    """Return some different numbers, evenly spaced, with a given mean."""
    found = [(2 * index + 1) * mean // count for index in range(count)]
    if sum(found) != count * mean or len(set(found)) != count:
        raise ValueError(f"{count} is no divisor of {mean}, so there are no {count} whole numbers evenly around {mean}")
    return found


def _turns(rng: Random, values: Sequence[int]) -> Iterator[int]:
    """Yield every value once in random order, again and again."""
    return cycle(rng.sample(values, len(values)))


def _asking(instance: Instance, rng: Random, sizes: Sequence[int], nodes: int) -> Instance:
    """Return an instance in which projects ask for some nodes in all, as many of one size as of another."""
    asked: list[int] = []
    for size in _turns(rng, sizes):
        nodes -= size
        if nodes < 0:
            break
        asked.append(size * GPUS)
    rng.shuffle(asked)
    names = [f"p{number:06}" for number in range(1, len(asked) + 1)]
    return instance.replace(
        projects=tuple(Project(project=name, pool=POOL) for name in names),
        requests=tuple(
            Request(project=name, kind=KIND, min=gpus, max=gpus) for name, gpus in zip(names, asked, strict=True)
        ),
    )
