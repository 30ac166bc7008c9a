"""Seats of alike projects as flows over a tree of alike domains: where no rule looks at single domains."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from kalloc.allocate.build import build
from kalloc.allocate.goals import Goal
from kalloc.allocate.model import Allocation
from kalloc.allocate.tiers import prepare
from kalloc.instance import Instance
from kalloc.joint.bundles import Bundles, Granted, Way
from kalloc.place.flow import Demand, FlowBuilder, Split, decode
from kalloc.place.items import Shape, shape_of
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seats, with_kept
from kalloc.place.tree import build_tree
from kalloc.solver import Ids


@dataclass
class Flows:
    """The model and what its variables mean."""

    allocation: Allocation
    bundles: Bundles
    shapes: dict[tuple[int, Way], Shape]
    split: Split
    goals: dict[str, Goal]

    @classmethod
    def of(cls, instance: Instance, rooms: Rooms, limit: int) -> Flows:
        """Return the joint model.

        Raises:
            TooLargeError: when it would have more than ``limit`` variables.
            TooManyBundlesError: when a class has too many ways to be served.
        """
        allocation = build(instance, rooms)
        prepare(allocation)
        bundles = Bundles.of(allocation)
        shapes, demands = _demands(allocation, bundles)
        weights = instance.topology.weights
        needed = {row.level for row in allocation.classes}
        last = len(weights) - 1
        levels = [level for level, weight in enumerate(weights) if weight > 0 or level in needed or level == last]
        tree = build_tree(rooms, np.arange(instance.topology.node_count), levels)
        first, cost = allocation.model.size, allocation.model.cost
        split = FlowBuilder(rooms, allocation.model, limit).build(tree, demands)
        terms = [(chosen, -_fixed_cost(allocation, bundles, *key)) for key, chosen in bundles.chosen.items()]
        terms += [(variable, -cost[variable]) for variable in range(first, len(cost)) if cost[variable]]
        allocation.model.row(terms, None, 0)
        return cls(allocation, bundles, shapes, split, {"fragmentation": Goal(terms, sense=-1)})

    def decode(self, values: Ids) -> tuple[Granted, Seats]:
        """Return the GPUs by project and kind, and by project and node, what is kept included."""
        granted: Granted = {}
        items: list[tuple[str, Shape]] = []
        for project, index, way in self.bundles.granted(values):
            offers = self.allocation.classes[index].offers
            granted |= {(project, offers[offer].kind): gpus for offer, gpus in way}
            shape = self.shapes[index, way]
            if shape.amounts:
                items.append((project, shape))
        seats: Seats = defaultdict(int)
        for project, nodes, gpus in decode(self.split, values, items):
            seats[project, int(nodes[0])] += gpus
        return granted, with_kept(self.allocation.rooms, seats)


def _demands(allocation: Allocation, bundles: Bundles) -> tuple[dict[tuple[int, Way], Shape], dict[Shape, Demand]]:
    """Return the shape that each way of being served makes, and how many items of each shape there are."""
    shapes: dict[tuple[int, Way], Shape] = {}
    demands: dict[Shape, Demand] = {}
    for (index, way), chosen in bundles.chosen.items():
        members = allocation.classes[index]
        amounts = {members.offers[offer].kind: gpus for offer, gpus in way}
        shape = shape_of(allocation.instance, allocation.rooms, members.members[0], amounts)
        shapes[index, way] = shape
        if shape.amounts:
            before = demands.get(shape, Demand([], 0, 0))
            demands[shape] = Demand([*before.terms, (chosen, 1)], 0, before.most + members.size)
    return shapes, demands


def _fixed_cost(allocation: Allocation, bundles: Bundles, index: int, way: Way) -> int:
    """Return what a way adds to the fragmentation besides its parts: what is kept, less what is needed."""
    topology = allocation.instance.topology
    kept = list(allocation.rooms.stays.get(allocation.classes[index].members[0], ()))
    spans = [len(set(domain[kept].tolist())) for domain in topology.domain]
    needed = bundles.needed[index, way]
    return sum(weight * (s - n) for weight, s, n in zip(topology.weights, spans, needed, strict=True))
