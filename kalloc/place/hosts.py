"""Groups of bins with room for items that are larger than any bin.

Such an item needs a group of many bins. Bins of a parent that are taken together for it are a part; a group in one
parent is one part, any other is a walk over parts, one of every parent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod

from kalloc.place.nests import BinAt, Load, Nest, Node, Walks
from kalloc.solver import Ids, Terms

Rooms = tuple[tuple[int, int], ...]
"""Rooms of bins, and how many of each."""


@dataclass(frozen=True)
class Part:
    """Bins of a parent that are taken together."""

    parent: int
    rooms: Rooms
    column: int
    """How often."""

    @property
    def bins(self) -> list[BinAt]:
        """Its bins."""
        return [(self.parent, room) for room, count in self.rooms for _ in range(count)]

    @property
    def room(self) -> int:
        """Room of its bins together."""
        return sum(room * count for room, count in self.rooms)


def parts_of(nest: Nest) -> int:
    """Return how many parts there are of all parents."""
    return sum(prod(count + 1 for count in Counter(bins).values()) for bins in nest.bins)


@dataclass
class Hosts:
    """Parts, added to the walks of a model."""

    walks: Walks
    parts: dict[Load, list[Part]] = field(default_factory=lambda: defaultdict(list))
    further: dict[tuple[str, int], list[Part]] = field(default_factory=dict)
    """Bins that a part of a name and a parent takes in beside its own."""
    drawn: dict[BinAt, Terms] = field(default_factory=lambda: defaultdict(list))
    """What takes bins for parts, by parent and room."""

    def hold(self, large: Counter[int], spare: int) -> None:
        """Add groups with room for items of some sizes: of one parent, or of several.

        Groups of several parents are told apart by the largest item that they hold, and have room together: for as
        much as all of these items, and ``spare`` beyond each of the largest.
        """
        model = self.walks.net.model
        sought = {size: [(model.variable(0, count), 1)] for size, count in large.items()}
        self._inside({size: column for size, [(column, _)] in sought.items()})
        for largest in sorted(large):
            held = {size: model.variable(0, count) for size, count in large.items() if size <= largest}
            for size, column in held.items():
                sought[size].append((column, 1))
            self._across(largest, held, spare)
        for size, count in large.items():
            model.row(sought[size], count, count)
        for (parent, room), terms in self.drawn.items():
            model.row(terms, None, self.walks.nest.bins[parent].count(room))

    def _inside(self, held: Mapping[int, int]) -> None:
        """Add groups that are one part, with room for so many items of each size, given by columns."""
        least, walks = min(held), self.walks
        sets = ((parent, rooms) for parent, rooms in self._sets(False) if sum(r * n for r, n in rooms) >= least)
        parts = self._add("whole", sets)
        for region, residue in product(walks.regions, range(walks.modulus)):
            load, node = ("whole", region, residue), Node("whole", region, residue)
            self._tie([(walks.net.arc(None, node, walks.many, 0, load), 1)], load)
            self._settle(node)
        volume = [(part.column, part.room) for part in parts] + [(column, -size) for size, column in held.items()]
        walks.net.model.row(volume, 0, None)
        for least in held:
            room = [(part.column, part.room // least) for part in parts if part.room >= least]
            items = [(column, -1) for size, column in held.items() if size >= least]
            walks.net.model.row(room + items, 0, None)

    def _across(self, largest: int, held: Mapping[int, int], spare: int) -> None:
        """Add walks over parts, with room for so many items of each size, one of the largest in each at least."""
        walks, name, begun = self.walks, f"part {largest}", list[tuple[int, int]]()
        parts, cost = self._add(name, self._sets(True)), walks.nest.parent_cost + walks.nest.bin_cost
        first = f"first {name}"
        for region, residue in product(walks.regions, range(walks.modulus)):
            load = (name, region, residue)
            steps = [(walks.net.arc(None, Node(first, region, residue), walks.many, 0, load), 1)]
            begun += steps
            for layer, at in product((first, name), range(walks.modulus)):
                target = Node(name, region, (at + residue) % walks.modulus)
                steps.append((walks.net.arc(Node(layer, region, at), target, walks.many, cost, load), 1))
                walks.above.append((steps[-1][0], walks.nest.parent_cost))
            self._tie(steps, load)
            self._settle(Node(name, region, residue))
        walks.between(first, 0)
        walks.between(name, 0)
        walks.net.model.row([*begun, (held[largest], -1)], None, 0)
        room = [(part.column, part.room) for part in [*parts, *self._beside(name, parts)]]
        asked = [(column, -size - spare * (size == largest)) for size, column in held.items()]
        walks.net.model.row(room + asked, 0, None)

    def _sets(self, without: bool) -> Iterator[tuple[int, Rooms]]:
        """Yield all sets of bins of a parent; or those without bins of residue 0, and then these one by one."""
        for parent, bins in enumerate(self.walks.nest.bins):
            rooms = Counter(room for room in bins if self.walks.residue(room) or not without)
            for counts in product(*(range(count + 1) for _, count in sorted(rooms.items()))):
                if any(counts):
                    yield parent, tuple((room, n) for room, n in zip(sorted(rooms), counts, strict=True) if n)
            for room in sorted(set(bins) - set(rooms)):
                yield parent, ((room, 1),)

    def _add(self, name: str, sets: Iterable[tuple[int, Rooms]]) -> list[Part]:
        """Add some sets of bins as parts."""
        nest, found = self.walks.nest, []
        for parent, rooms in sets:
            most = min(nest.bins[parent].count(room) // count for room, count in rooms)
            part = self._part(parent, rooms, most, nest.bin_cost * (sum(count for _, count in rooms) - 1))
            self.parts[name, nest.regions[parent], self.walks.residue(part.room)].append(part)
            found.append(part)
        return found

    def _part(self, parent: int, rooms: Rooms, most: int, cost: int) -> Part:
        column = self.walks.net.model.variable(0, most, cost)
        for room, count in rooms:
            self.drawn[parent, room].append((column, count))
            self.walks.taken["bin", parent, self.walks.residue(room)].append((column, count))
        return Part(parent, rooms, column)

    def _beside(self, name: str, parts: Iterable[Part]) -> list[Part]:
        """Let parts take in further bins whose residue is 0."""
        by_parent: dict[int, Terms] = defaultdict(list)
        for part in parts:
            by_parent[part.parent].append((part.column, -self.walks.many))
        for parent, bins in enumerate(self.walks.nest.bins):
            rooms = sorted({room for room in bins if not self.walks.residue(room)})
            cost = self.walks.nest.bin_cost
            more = [self._part(parent, ((room, 1),), bins.count(room), cost) for room in rooms]
            self.walks.net.model.row([*((one.column, 1) for one in more), *by_parent[parent]], None, 0)
            self.further[name, parent] = more
        return [one for (of, _), more in self.further.items() if of == name for one in more]

    def _tie(self, steps: Terms, load: Load) -> None:
        """As many parts are taken as stand in walks."""
        self.walks.net.model.row([*steps, *((part.column, -1) for part in self.parts[load])], 0, 0)

    def _settle(self, node: Node) -> None:
        """Let walks over parts end, and hold odd items."""
        self.walks.end(node)
        for size in self.walks.odd:
            left = (node.residue - self.walks.residue(size)) % self.walks.modulus
            self.walks.hold(node, node._replace(residue=left), size)

    def bins(self, values: Ids) -> Mapping[Load, list[list[BinAt]]]:
        """Return the bins of all parts that are taken, the largest last."""
        further = {key: [bin for part in more for bin in part.bins * int(values[part.column])]
                   for key, more in self.further.items()}  # fmt: skip
        found: dict[Load, list[list[BinAt]]] = {}
        for load, parts in self.parts.items():
            taken = [part for part in parts for _ in range(int(values[part.column]))]
            found[load] = [part.bins + further.pop((load[0], part.parent), []) for part in taken]
            found[load].sort(key=lambda bins: sum(room for _, room in bins))
        return found
