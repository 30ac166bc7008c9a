"""Tiny stocks of bins at random, and the least that their items can pay: by the text-book model of a placement."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kalloc.instance import Hierarchy, Instance, NodeGroup, Project
from kalloc.place.fillings import Fillings, Stock
from kalloc.place.patterns import Pattern
from kalloc.place.states import Children, States
from models import placement
from models.program import Status
from tests.models.small import ask, make

MUCH = 100
"""Price of leaving out a unit of an item: more than seating it anywhere costs."""


@dataclass(frozen=True)
class Case:
    """Bins of some parents, with the items that are to lie in them."""

    insides: tuple[tuple[Children, ...], ...]
    """Rooms of the children of every bin of every parent."""
    regions: tuple[int, ...]
    items: Counter[int]
    costs: tuple[int, int, int, int]
    """Of a child, a bin, a parent and a region."""

    @property
    def room(self) -> int:
        """Room of all bins."""
        return sum(sum(bin) for parent in self.insides for bin in parent)

    def stock(self, shared: bool = False) -> Stock:
        """Return the stock, all parents in one group."""
        bins = [bin for parent in self.insides for bin in parent]
        states = States(dict.fromkeys(bins), min(max(map(sum, bins)), max(self.items)))
        parents = tuple(tuple(states.index[bin] for bin in parent) for parent in self.insides)
        piece, bin_cost, parent, region = self.costs
        groups = (0,) * len(parents)
        return Stock(states, parents, bin_cost, piece, self.regions, groups, parent, region, shared)

    def instance(self) -> Instance:
        """Return the instance of the same domains: a child is a node."""
        piece, bin_cost, parent, region = self.costs
        weights = {"region": region, "parent": parent, "bin": bin_cost, "node": piece}
        sizes = sorted(self.items.elements())
        names = [f"p{number}" for number in range(len(sizes))]
        return make(
            hierarchy=Hierarchy(levels=("region", "parent", "bin"), weights=weights),
            inventory=tuple(self._nodes()),
            projects=tuple(Project(project=name, pool="top") for name in names),
            requests=tuple(ask(name, size, size) for name, size in zip(names, sizes, strict=True)),
        )

    def _nodes(self) -> list[NodeGroup]:
        return [
            NodeGroup(path=(f"r{region}", f"p{parent}", f"b{bin}"), kind="h", gpus=room, owner="top")
            for parent, (region, bins) in enumerate(zip(self.regions, self.insides, strict=True))
            for bin, children in enumerate(bins)
            for room in children
        ]

    def least(self) -> int:
        """Return the least that all items can pay; for parents and regions beyond the first."""
        instance = self.instance()
        best = placement.solve(instance, {(row.project, row.kind): row.max for row in instance.requests})
        assert best.status is Status.OPTIMAL
        names = instance.topology.levels
        paid = sum(instance.topology.weights[at] * best.spans[name] for at, name in enumerate(names))
        return paid - self.items.total() * (self.costs[2] + self.costs[3])


def children(dice: random.Random, count: int = 4, room: int = 4) -> Children:
    """Return rooms of up to so many children, the largest first."""
    return tuple(sorted((dice.randint(1, room) for _ in range(dice.randint(1, count))), reverse=True))


def sizes(dice: random.Random, room: int, most: int, full: bool) -> Counter[int]:
    """Return items that fit so much room and are no larger than ``most``; ``full``: that take all of it."""
    found: list[int] = []
    while room and (full or not found or dice.random() < 0.8):
        found.append(dice.randint(1, min(room, most)))
        room -= found[-1]
    return Counter(found)


def draw(seed: int, parents: int = 3, bins: int = 3, count: int = 2, room: int = 4) -> Case:
    """Return a case of up to so many parents, bins in each, children in each and room in each."""
    dice = random.Random(seed)
    counts = [dice.randint(1, bins) for _ in range(dice.randint(1, parents))]
    insides = tuple(tuple(children(dice, count, room) for _ in range(number)) for number in counts)
    total = sum(sum(bin) for parent in insides for bin in parent)
    items = sizes(dice, total, 2 * room * count, dice.random() < 0.6)
    regions = tuple(dice.randint(0, 2) for _ in insides)
    costs = (dice.choice([1, 2]), dice.choice([1, 3, 10]), dice.choice([1, 5, 20]), dice.choice([1, 20]))
    return Case(insides, regions, items, costs)


def alike(bins: Sequence[Children], items: Counter[int], bin_cost: int, piece: int) -> Case:
    """Return a case of one parent."""
    return Case((tuple(bins),), (0,), items, (piece, bin_cost, 0, 0))


def consistent(pattern: Pattern, stock: Stock) -> bool:
    """Tell whether parts add up to items, steps lead from each bin's state, and bins exist, no more often than once."""
    states, laid = stock.states, Counter[int]()
    for filled in pattern.bins:
        state = filled.state
        for item, step in zip(filled.items, filled.steps, strict=True):
            if int(states.source[step]) != state:
                return False
            state = int(states.target[step])
            laid[item] += int(states.part[step])
    pooled = Counter(state for bins in stock.parents for state in bins)
    exist = all(
        count <= (pooled[state] if parent is None else stock.parents[parent].count(state))
        for (parent, state), count in pattern.uses.items()
    )
    return exist and laid == Counter(dict(enumerate(pattern.sizes)))


def cost_of(pattern: Pattern, stock: Stock) -> int:
    """Return what a pattern costs, counted from its steps."""
    steps = [step for filled in pattern.bins for step in filled.steps]
    pieces = sum(int(stock.states.pieces[step]) for step in steps)
    parents = {filled.parent for filled in pattern.bins if filled.parent is not None}
    regions = {stock.regions[parent] for parent in parents}
    beyond = stock.parent_cost * max(0, len(parents) - 1) + stock.region_cost * max(0, len(regions) - 1)
    return stock.bin_cost * len(steps) + stock.piece_cost * pieces + beyond


def worth_of(pattern: Pattern, fillings: Fillings) -> float:
    """Return what the items of a pattern are worth."""
    worth = dict(zip(fillings.sizes.tolist(), fillings.worth.tolist(), strict=True))
    return float(sum(worth[size] for size in pattern.sizes))
