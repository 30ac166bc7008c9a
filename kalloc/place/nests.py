"""Bins in parents in regions, and the walks over residues that groups of bins are.

Bins that share items with each other and with nobody else are a group. With sizes that are multiples of *g*, a group
wastes its rooms' sum modulo *g*, and at every level it costs one domain less than it has. So a group is a walk over
what its bins add up to modulo *g*: it begins and ends at 0 and pays for every bin, parent and region after the first.
All groups together are a flow whose size follows the number of parents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kalloc.solver import Ids, Model, Terms

BinAt = tuple[int, int]
"""Parent and room of a bin."""
Load = tuple[str, int, int]
"""What joins a group: a ``bin`` of a parent, or a part of a region by its name, and its residue."""


class Nest(NamedTuple):
    """Bins in parents in regions, and what an item pays for every one of them beyond the first."""

    bins: tuple[tuple[int, ...], ...]
    """Rooms of the bins of every parent."""
    regions: tuple[int, ...]
    """Region of every parent."""
    bin_cost: int
    parent_cost: int
    region_cost: int

    @property
    def rooms(self) -> list[int]:
        """Rooms of all bins."""
        return [room for bins in self.bins for room in bins]

    def apart(self) -> Iterator[Nest]:
        """Yield parents in regions, and bins wherever they are; nothing where there is one parent."""
        if len(self.bins) > 1:
            of_region: dict[int, list[int]] = defaultdict(list)
            for region, bins in zip(self.regions, self.bins, strict=True):
                of_region[region].append(sum(bins))
            parents = tuple(map(tuple, of_region.values()))
            yield Nest(parents, (0,) * len(parents), self.parent_cost, self.region_cost, 0)
            yield Nest((tuple(self.rooms),), (0,), self.bin_cost, 0, 0)


class Node(NamedTuple):
    """Where a walk stands: what its bins add up to, in a parent, in a region or between regions."""

    layer: str
    place: int
    residue: int


class Arc(NamedTuple):
    """One way on for a walk; it begins and ends at None."""

    column: int
    source: Node | None
    target: Node | None
    load: Load | None


@dataclass
class Net:
    """A flow: as many walks arrive at a node as leave it."""

    model: Model = field(default_factory=Model)
    arcs: list[Arc] = field(default_factory=list)
    balance: dict[Node, Terms] = field(default_factory=lambda: defaultdict(list))

    def arc(self, source: Node | None, target: Node | None, most: int, cost: int, load: Load | None = None) -> int:
        """Add a way on and return its column."""
        column = self.model.variable(0, most, cost)
        self.arcs.append(Arc(column, source, target, load))
        for node, sign in ((source, -1), (target, 1)):
            if node is not None:
                self.balance[node].append((column, sign))
        return column

    def close(self) -> None:
        """Write down the balance of every node."""
        for terms in self.balance.values():
            self.model.row(terms, 0, 0)

    def walks(self, values: Ids) -> Iterator[list[Load]]:
        """Yield what joins every walk, then what goes round in circles."""
        left = {arc.column: int(values[arc.column]) for arc in self.arcs}
        ways: dict[Node | None, list[Arc]] = defaultdict(list)
        for arc in self.arcs:
            if left[arc.column]:
                ways[arc.source].append(arc)
        for source in [None, *list(ways)]:
            while (first := _next(ways[source], left)) is not None:
                yield list(_follow(first, ways, left))


def _next(ways: list[Arc], left: dict[int, int]) -> Arc | None:
    while ways and left[ways[-1].column] == 0:
        ways.pop()
    if not ways:
        return None
    left[ways[-1].column] -= 1
    return ways[-1]


def _follow(arc: Arc | None, ways: dict[Node | None, list[Arc]], left: dict[int, int]) -> Iterator[Load]:
    while arc is not None:
        if arc.load is not None:
            yield arc.load
        arc = None if arc.target is None else _next(ways[arc.target], left)


@dataclass
class Walks:
    """The model of all groups: walks over bins, in a parent, from parent to parent, from region to region.

    Rooms are multiples of ``unit``, and residues are counted in units.
    """

    nest: Nest
    unit: int
    modulus: int
    odd: Mapping[int, int]
    """How many items there are of each size that is no multiple: a group that holds some of them ends elsewhere."""
    slack: int
    """What may be wasted."""
    hosted: Collection[int] = ()
    """Sizes of odd items that walks over bins do not hold, since they are seen elsewhere."""
    net: Net = field(default_factory=Net)
    taken: dict[Load, Terms] = field(default_factory=lambda: defaultdict(list))
    """What takes bins, by parent and residue."""
    waste: Terms = field(default_factory=list)
    above: Terms = field(default_factory=list)
    """What is paid for parents and regions."""
    held: dict[int, Terms] = field(default_factory=lambda: defaultdict(list))
    """What holds odd items, by size."""

    def __post_init__(self) -> None:
        self.many = len(self.nest.rooms)
        self.held_here = [size for size in self.odd if size not in self.hosted]
        alone = sum(self.odd[size] for size in self.held_here) == 1
        self.alone = self.held_here[0] if alone else None
        self.counts = {
            ("bin", parent, residue): count
            for parent, bins in enumerate(self.nest.bins)
            for residue, count in sorted(Counter(map(self.residue, bins)).items())
        }
        for load, count in self.counts.items():
            self._steps(load, count)
        for parent, region in enumerate(self.nest.regions):
            self._leave(parent, region)
        self.between("walk", 1)

    @property
    def regions(self) -> list[int]:
        """All regions."""
        return sorted(set(self.nest.regions))

    def residue(self, room: int) -> int:
        """Return what a room, or a size, adds to a walk."""
        return room // self.unit % self.modulus

    def _at(self, parent: int, residue: int) -> Node | None:
        """Return where a walk over bins stands: it ends wherever it comes to 0."""
        return Node("parent", parent, residue % self.modulus) if residue % self.modulus else None

    def _steps(self, load: Load, count: int) -> None:
        """Add the bins of a parent and a residue: each is a step, and the last of a walk may hold the odd item."""
        _, parent, residue = load
        for begin in range(self.modulus):
            source, target = self._at(parent, begin), self._at(parent, begin + residue)
            if residue:
                cost = self.nest.bin_cost if begin else 0
                self.taken[load].append((self.net.arc(source, target, count, cost, load), 1))
            if self.alone is not None and (begin or not self._too_small(load)):
                self._last(load, begin, self.alone)

    def _last(self, load: Load, begin: int, odd: int) -> None:
        """Let a step be the last of a walk, which holds the odd item and wastes what it adds up to without it."""
        _, parent, residue = load
        wasted = (begin + residue - self.residue(odd)) % self.modulus
        if wasted * self.unit > self.slack:
            return
        target = Node("last", parent, wasted) if wasted else None
        column = self.net.arc(self._at(parent, begin), target, 1, self.nest.bin_cost if begin else 0, load)
        self.taken[load].append((column, 1))
        self.held[odd].append((column, 1))

    def _too_small(self, load: Load) -> bool:
        """Tell whether one bin alone is smaller than the odd item, and the load is this bin.

        In a group of several bins another one is the last then. With two small bins nothing is ruled out.
        """
        _, parent, residue = load
        small = [(p, room) for p, bins in enumerate(self.nest.bins) for room in bins if room < (self.alone or 0)]
        here = [(parent, room) for room in self.nest.bins[parent] if self.residue(room) == residue]
        return len(small) == 1 and here == small

    def _leave(self, parent: int, region: int) -> None:
        """Let walks go on in other parents, and end with waste, or with odd items where there are several."""
        most = len(self.nest.bins[parent])
        for residue in range(1, self.modulus):
            inside, outside = Node("parent", parent, residue), Node("walk", region, residue)
            self.net.arc(inside, outside, most, 0)
            self.above.append((self.net.arc(outside, inside, most, self.nest.parent_cost), self.nest.parent_cost))
            self.end(inside)
            if self.alone is not None:
                self.end(Node("last", parent, residue))
            for size in self.held_here if self.alone is None else ():
                self.hold(inside, self._at(parent, residue - self.residue(size)), size)

    def end(self, node: Node) -> None:
        """Let walks end, and waste what they add up to."""
        wasted = node.residue * self.unit
        if most := min(self.many, self.slack // wasted) if wasted else self.many:
            self.waste.append((self.net.arc(node, None, most, 0), wasted))

    def hold(self, node: Node, target: Node | None, size: int) -> None:
        """Let walks hold odd items of a size."""
        self.held[size].append((self.net.arc(node, target, self.odd[size], 0), 1))

    def between(self, layer: str, least: int) -> None:
        """Let walks go on in other regions, from some residue on."""
        for region in self.regions if len(self.regions) > 1 else ():
            for residue in range(least, self.modulus):
                inside, outside = Node(layer, region, residue), Node(layer, -1, residue)
                self.net.arc(inside, outside, self.many, 0)
                column = self.net.arc(outside, inside, self.many, self.nest.region_cost)
                self.above.append((column, self.nest.region_cost))

    def close(self, above: int, inside: int) -> None:
        """Write down what there is of bins, of waste and of odd items, and the balance of all walks.

        ``above`` is what parents and regions cost at least, ``inside`` what bins do.
        """
        model = self.net.model
        for load, count in self.counts.items():
            model.row(self.taken[load], count if load[2] else None, count)
        model.row(self.waste, None, self.slack)
        for size, terms in self.held.items():
            model.row(terms, None, self.odd[size])
        paid = dict(self.above)
        bins = [(column, cost - paid.get(column, 0)) for column, cost in enumerate(model.cost)]
        model.row(self.above, above, None)
        model.row([(column, cost) for column, cost in bins if cost], inside, None)
        self.net.close()
