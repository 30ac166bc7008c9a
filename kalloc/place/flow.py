"""Arc flow over a tree of places: how items are cut into parts, level by level, at the least cost.

Every place has a flow of residuals: an item that still lacks v gives a part b of itself to one of the things below the
place and goes on lacking v − b. A part that enters a place is an item there. Bins of a class are a flow of residuals
too: a bin with u left gives a to some part and goes on with u − a. Parts sent and seats taken agree size by size.
Nothing is named: the variables count, so the size of the model follows the number of different things.

Arc flow after Valério de Carvalho (1999); items may be cut as in bin packing with item fragmentation (Menakerman and
Rom, 2001; Casazza and Ceselli, 2014).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import gcd
from typing import NamedTuple

from kalloc.place.items import Shape
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.tree import Place
from kalloc.solver import Ids, Model, Terms

State = tuple[int, ...]
"""GPUs that an item still lacks, or that a part has, one number per kind of its tag."""


class TooLargeError(Exception):
    """The model would have more variables than allowed."""


class Tag(NamedTuple):
    """All of a shape but its amounts."""

    kinds: tuple[str, ...]
    zones: tuple[Zones, ...]
    level: int | None
    pool: str | None
    anchor: str | None

    @classmethod
    def of(cls, shape: Shape) -> Tag:
        """Return the tag of a shape."""
        return cls(tuple(kind for kind, _ in shape.amounts), shape.zones, shape.level, shape.pool, shape.anchor)


class Group(NamedTuple):
    """Classes of bins of one place that differ in nothing but their room."""

    level: int
    weight: int
    zones: Zones
    keepers: frozenset[str]


Target = int | Group
"""Where a part goes: the index of a place below, or a group of bins."""


class Demand(NamedTuple):
    """How many items there are: Σ terms + known, and at most ``most``."""

    terms: Terms
    known: int
    most: int


Demands = dict[Tag, dict[State, Demand]]


@dataclass
class Split:
    """The variables of one place: how what arrives there is split over what is below."""

    place: Place
    unit: int
    """GPUs in which everything below is counted."""
    groups: dict[Group, dict[int, list[Ids]]]
    """Per group, the bins by room in units."""
    gives: dict[tuple[Tag, State, State], int] = field(default_factory=dict)
    """Items of a tag that lack v and give b, by (tag, v, b)."""
    sends: dict[tuple[Tag, State, Target], int] = field(default_factory=dict)
    """Parts of a size that go to a target, by (tag, b, target)."""
    takes: dict[tuple[Group, int, int], int] = field(default_factory=dict)
    """Bins with u left that give a of it, by (group, u, a)."""
    inner: list[Split] = field(default_factory=list)


class FlowBuilder:
    """Writes the flow of a tree into a model."""

    def __init__(self, rooms: Rooms, model: Model, limit: int) -> None:
        self.rooms, self.model, self.limit = rooms, model, limit
        self._lent: dict[tuple[str, str], Terms] = defaultdict(list)

    def build(self, tree: Place, demands: Mapping[Shape, Demand]) -> Split:
        """Seat the demands in the tree.

        Raises:
            TooLargeError: when the model would grow beyond its limit of variables.
        """
        by_tag: Demands = {}
        unit = gcd(*_rooms(tree), *(gpus for shape in demands for _, gpus in shape.amounts))
        for shape, demand in demands.items():
            by_tag.setdefault(Tag.of(shape), {})[_state(shape, unit)] = demand
        root = self._split(tree, unit, by_tag)
        for lender, terms in self._lent.items():
            self.model.row(terms, None, self.rooms.lend[lender])
        return root

    def _variable(self, most: int, cost: int = 0) -> int:
        if self.model.size >= self.limit:
            raise TooLargeError
        return self.model.variable(0, most, cost)

    def _split(self, place: Place, unit: int, demands: Demands) -> Split:
        split = Split(place, unit, _groups(place, unit))
        for tag, demand in demands.items():
            self._give(split, tag, demand)
        wanted, seated = self._send(split, demands)
        for group, sends in seated.items():
            self._take(split, group, sends)
        for index, below in enumerate(place.places):
            split.inner.append(self._split(below, unit, wanted[index]))
        return split

    def _give(self, split: Split, tag: Tag, demand: dict[State, Demand]) -> None:
        """Every item gives all that it asks: the flow of what items lack."""
        capacities = [capacity for _, capacity, _ in _targets(split, tag)]
        arriving: dict[State, Terms] = {state: list(entry.terms) for state, entry in demand.items()}
        pending, most = set(demand), _most(demand)
        while pending:
            state = max(pending)
            pending.remove(state)
            leaving: Terms = []
            for part in _parts(split, tag, state, capacities):
                give = self._variable(most)
                split.gives[tag, state, part] = give
                leaving.append((give, 1))
                rest = tuple(v - b for v, b in zip(state, part, strict=True))
                if any(rest):
                    arriving.setdefault(rest, []).append((give, 1))
                    pending.add(rest)
            known = demand[state].known if state in demand else 0
            self.model.row(leaving + _minus(arriving.get(state, [])), known, known)

    def _send(self, split: Split, demands: Demands) -> tuple[list[Demands], dict[Group, dict[int, Terms]]]:
        """As many parts of a size are sent as items give; return what is wanted of places and of bins."""
        given: dict[tuple[Tag, State], Terms] = defaultdict(list)
        for (tag, _, part), give in split.gives.items():
            given[tag, part].append((give, 1))
        wanted: list[Demands] = [{} for _ in split.place.places]
        seated: dict[Group, dict[int, Terms]] = {group: {} for group in split.groups}
        targets = {tag: _targets(split, tag) for tag in demands}
        for (tag, part), gives in given.items():
            balance: Terms = []
            most = _most_parts(demands[tag], part)
            for target, capacity, cost in targets[tag]:
                if not _fits(part, capacity):
                    continue
                send = self._variable(most, cost)
                split.sends[tag, part, target] = send
                balance.append((send, 1))
                if isinstance(target, Group):
                    seated[target].setdefault(sum(part), []).append((send, 1))
                    self._lend(tag, sum(part) * split.unit, target, send)
                else:
                    wanted[target].setdefault(tag, {})[part] = Demand([(send, 1)], 0, most)
            self.model.row(balance + _minus(gives), 0, 0)
        return wanted, seated

    def _lend(self, tag: Tag, gpus: int, group: Group, send: int) -> None:
        """What outsiders use counts against the lender's limit."""
        for zone in group.zones if tag.pool is not None else ():
            for lender in self.rooms.zones[zone].lenders:
                if tag.pool in self.rooms.outsiders[lender]:
                    self._lent[lender].append((send, gpus))

    def _take(self, split: Split, group: Group, sends: dict[int, Terms]) -> None:
        """Parts find their seats: the flow of what bins have left; a bin may keep some."""
        bins = split.groups[group]
        most = sum(map(len, bins.values()))
        sizes, pending = sorted(sends), set(bins)
        arriving: dict[int, Terms] = {}
        taken: dict[int, Terms] = {size: [] for size in sizes}
        while pending:
            left = max(pending)
            pending.remove(left)
            leaving: Terms = []
            for size in sizes:
                if size > left:
                    break
                take = self._variable(most * (left // size))
                split.takes[group, left, size] = take
                leaving.append((take, 1))
                taken[size].append((take, 1))
                if left > size:
                    arriving.setdefault(left - size, []).append((take, 1))
                    pending.add(left - size)
            if leaving:
                self.model.row(leaving + _minus(arriving.get(left, [])), None, len(bins.get(left, ())))
        for size, terms in taken.items():
            self.model.row(terms + _minus(sends[size]), 0, 0)


def _minus(terms: Terms) -> Terms:
    return [(variable, -factor) for variable, factor in terms]


def _most(demand: dict[State, Demand]) -> int:
    return sum(entry.most for entry in demand.values())


def _most_parts(demand: dict[State, Demand], part: State) -> int:
    """Return how many parts of one size the items could give at most."""
    times = {state: min(v // b for v, b in zip(state, part, strict=True) if b) for state in demand}
    return sum(demand[state].most * count for state, count in times.items())


def _state(shape: Shape, unit: int) -> State:
    return tuple(gpus // unit for _, gpus in shape.amounts)


def _rooms(place: Place) -> Iterator[int]:
    yield from (key.room for key in place.bins)
    for below in place.places:
        yield from _rooms(below)


def _groups(place: Place, unit: int) -> dict[Group, dict[int, list[Ids]]]:
    groups: dict[Group, dict[int, list[Ids]]] = {}
    for key, members in place.bins.items():
        group = Group(key.level, key.weight, key.zones, key.keepers)
        groups.setdefault(group, {}).setdefault(key.room // unit, []).extend(members)
    return groups


def _targets(split: Split, tag: Tag) -> list[tuple[Target, State, int]]:
    """Return where parts of a tag may go, the largest part that fits per kind, and what entering costs."""
    found: list[tuple[Target, State, int]] = []
    for index, place in enumerate(split.place.places):
        capacity = tuple(place.room(zones) // split.unit for zones in tag.zones)
        found.append((index, capacity, _cost(place, tag)))
    for group, bins in split.groups.items():
        room = max(bins)
        for position, zones in enumerate(tag.zones):
            if zones & group.zones:
                capacity = tuple(room if position == other else 0 for other in range(len(tag.zones)))
                found.append((group, capacity, _cost(group, tag)))
    return [entry for entry in found if any(entry[1]) and not _barred(_thing(split, entry[0]), tag)]


def _thing(split: Split, target: Target) -> Place | Group:
    return target if isinstance(target, Group) else split.place.places[target]


def _cost(target: Place | Group, tag: Tag) -> int:
    return 0 if tag.anchor in target.keepers else target.weight


def _barred(target: Place | Group, tag: Tag) -> bool:
    """Tell whether a project that must stay in one domain keeps seats in another one."""
    inside = tag.level is not None and target.level <= tag.level
    return inside and tag.anchor is not None and tag.anchor not in target.keepers


def _parts(split: Split, tag: Tag, state: State, capacities: list[State]) -> Iterator[State]:
    """Yield the parts that an item may give away at a place, the largest first."""
    levels = [place.level for place in split.place.places] + [group.level for group in split.groups]
    if tag.level is not None and any(level <= tag.level for level in levels):
        if any(_fits(state, capacity) for capacity in capacities):
            yield state
        return
    for part in product(*(range(gpus, -1, -1) for gpus in state)):
        if any(part) and any(_fits(part, capacity) for capacity in capacities):
            yield part


def _fits(part: State, capacity: State) -> bool:
    return all(gpus <= room for gpus, room in zip(part, capacity, strict=True))


def decode(split: Split, values: Ids, items: Iterable[tuple[str, Shape]]) -> list[tuple[str, Ids, int]]:
    """Give names back to counts: (project, nodes of the bin, GPUs); parts of one project in one bin are merged."""
    named: dict[Tag, list[tuple[str, State]]] = defaultdict(list)
    for project, shape in items:
        named[Tag.of(shape)].append((project, _state(shape, split.unit)))
    counts = [int(value) for value in values]
    merged: dict[tuple[str, int], int] = defaultdict(int)
    bins: dict[int, Ids] = {}
    for project, nodes, units in _walk(split, counts, named):
        bins[id(nodes)] = nodes
        merged[project, id(nodes)] += units * split.unit
    return [(project, bins[key], gpus) for (project, key), gpus in merged.items()]


def _walk(
    split: Split, counts: list[int], named: Mapping[Tag, list[tuple[str, State]]]
) -> Iterator[tuple[str, Ids, int]]:
    parts = _cut(split, counts, named)
    inner: list[dict[Tag, list[tuple[str, State]]]] = [defaultdict(list) for _ in split.inner]
    seated: dict[tuple[Group, int], list[str]] = defaultdict(list)
    for (tag, part, target), send in split.sends.items():
        for _ in range(counts[send]):
            project = parts[tag, part].pop()
            if isinstance(target, Group):
                seated[target, sum(part)].append(project)
            else:
                inner[target][tag].append((project, part))
    yield from _seat(split, counts, seated)
    for below, arriving in zip(split.inner, inner, strict=True):
        yield from _walk(below, counts, arriving)


def _cut(
    split: Split, counts: list[int], named: Mapping[Tag, list[tuple[str, State]]]
) -> dict[tuple[Tag, State], list[str]]:
    """Cut every item into the parts that it gives."""
    arcs: dict[tuple[Tag, State], list[State]] = defaultdict(list)
    for (tag, state, part), give in split.gives.items():
        arcs[tag, state].extend([part] * counts[give])
    parts: dict[tuple[Tag, State], list[str]] = defaultdict(list)
    for tag, arrivals in named.items():
        for project, whole in arrivals:
            state = whole
            while any(state):
                part = arcs[tag, state].pop()
                parts[tag, part].append(project)
                state = tuple(v - b for v, b in zip(state, part, strict=True))
    return parts


def _seat(
    split: Split, counts: list[int], seated: dict[tuple[Group, int], list[str]]
) -> Iterator[tuple[str, Ids, int]]:
    """Walk every bin through the flow of what it has left."""
    arcs: dict[tuple[Group, int], dict[int, int]] = defaultdict(dict)
    for (group, left, size), take in split.takes.items():
        if counts[take]:
            arcs[group, left][size] = counts[take]
    for group, bins in split.groups.items():
        for room, members in bins.items():
            for nodes in members:
                left = room
                while arcs[group, left]:
                    size = next(iter(arcs[group, left]))
                    arcs[group, left][size] -= 1
                    if arcs[group, left][size] == 0:
                        del arcs[group, left][size]
                    yield seated[group, size].pop(), nodes, size
                    left -= size
