"""Seats of each project on each node, written down one by one: where rules look at single domains.

Small instances only. It is the text-book model but for what the allocation already counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from kalloc.allocate.build import build
from kalloc.allocate.goals import Goal
from kalloc.allocate.model import Allocation
from kalloc.allocate.tiers import prepare
from kalloc.instance import Instance
from kalloc.instance.policy_rows import Shape
from kalloc.joint.bundles import Bundles, Granted
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seats, with_kept
from kalloc.solver import Ids, Model, Terms, whole_row


@dataclass
class Chairs:
    """The model and what its variables mean. Projects go by the number of their class: each has one of its own."""

    allocation: Allocation
    bundles: Bundles
    gpus: dict[tuple[int, int], int] = field(default_factory=dict)
    """GPUs seated anew, by project and node."""
    spans: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """1 where a project may have GPUs, by project, level and domain."""
    goals: dict[str, Goal] = field(default_factory=dict)

    @classmethod
    def of(cls, instance: Instance, rooms: Rooms, limit: int) -> Chairs:
        """Return the joint model.

        Raises:
            TooLargeError: when it would have more than ``limit`` variables.
            TooManyBundlesError: when a project has too many ways to be served.
        """
        allocation = build(instance, rooms, alone=True)
        prepare(allocation)
        chairs = cls(allocation, Bundles.of(allocation))
        if allocation.model.size + len(allocation.classes) * instance.topology.node_count > limit:
            raise TooLargeError
        for index in range(len(allocation.classes)):
            chairs._seated(index)
            chairs._spans(index)
        chairs._room()
        chairs._lend()
        chairs._power()
        for index in range(len(allocation.classes)):
            chairs._forms(index)
        chairs._fragmentation()
        chairs._reserve()
        return chairs

    @property
    def _instance(self) -> Instance:
        return self.allocation.instance

    @property
    def _model(self) -> Model:
        return self.allocation.model

    def _project(self, index: int) -> str:
        return self.allocation.classes[index].members[0]

    def _kept(self, index: int) -> Counter[int]:
        return Counter(self.allocation.rooms.stays.get(self._project(index), {}))

    def _here(self, index: int, nodes: Iterable[int]) -> tuple[Terms, int]:
        """Return the GPUs of a project on some nodes: those seated anew as terms, and those kept."""
        kept, terms, stay = self._kept(index), [], 0
        for node in nodes:
            stay += kept[node]
            if (index, node) in self.gpus:
                terms.append((self.gpus[index, node], 1))
        return terms, stay

    def _domains(self, index: int, level: int) -> dict[int, list[int]]:
        """Return the nodes that a project may have GPUs on, by domain of a level."""
        found: dict[int, list[int]] = defaultdict(list)
        domain = self._instance.topology.domain[level]
        for node in dict.fromkeys([*(node for of, node in self.gpus if of == index), *self._kept(index)]):
            found[int(domain[node])].append(node)
        return found

    def _seated(self, index: int) -> None:
        """All that a project gets of each kind sits on nodes that serve it (rules `seated`, `eligible`, `stays`)."""
        rooms, members = self.allocation.rooms, self.allocation.classes[index]
        for offer, wish in enumerate(members.offers):
            zones = rooms.zones_for(members.pool, wish.kind)
            terms: Terms = []
            for node in range(len(rooms.zone)):
                most = min(int(rooms.unlimited[node]), wish.amounts[-1])
                if int(rooms.zone[node]) in zones and most:
                    self.gpus[index, node] = self._model.variable(0, most)
                    terms.append((self.gpus[index, node], -1))
            self._model.row([*self.allocation.gpus(index, offer), *terms], wish.kept, wish.kept)

    def _spans(self, index: int) -> None:
        """Every domain where a project has GPUs is spanned (rules `spans` and `level`)."""
        kept, last = self._kept(index), len(self._instance.topology.levels) - 1
        level_of_all = self.allocation.classes[index].level
        for level in range(last, -1, -1):
            for domain, nodes in self._domains(index, level).items():
                stays = any(kept[node] for node in nodes)
                spanned = self._model.variable(1 if stays else 0, 1)
                self.spans[index, level, domain] = spanned
                for node in nodes:
                    if (index, node) in self.gpus:
                        seat = self.gpus[index, node]
                        self._model.row([(seat, 1), (spanned, -self._model.upper[seat])], None, 0)
            if level == level_of_all:
                here = [(spanned, 1) for (of, at, _), spanned in self.spans.items() if (of, at) == (index, level)]
                self._model.row(here, None, 1)

    def _room(self) -> None:
        taken: dict[int, Terms] = defaultdict(list)
        for (_, node), seat in self.gpus.items():
            taken[node].append((seat, 1))
        for node, terms in taken.items():
            self._model.row(terms, None, int(self.allocation.rooms.unlimited[node]))

    def _lend(self) -> None:
        rooms = self.allocation.rooms
        for lender, outsiders in rooms.outsiders.items():
            terms = [
                (seat, 1)
                for (index, node), seat in self.gpus.items()
                if self.allocation.classes[index].pool in outsiders
                and lender in rooms.zones[int(rooms.zone[node])].lenders
            ]
            self._model.row(terms, None, rooms.lend[lender])

    def _power(self) -> None:
        policy, group = self._instance.policy, self._instance.topology.group
        for domain in policy.power_domains:
            drawn: list[tuple[int, Fraction]] = []
            left = domain.left
            for node in domain.nodes:
                each = policy.watts[int(group[node])][1]
                for index in range(len(self.allocation.classes)):
                    terms, stay = self._here(index, [node])
                    drawn += [(seat, each) for seat, _ in terms]
                    left -= each * stay
            whole_row(self._model, drawn, None, left)

    def _forms(self, index: int) -> None:
        """The rules `segment`, `spread`, `whole` and `exclusive`, as the shapes of a project demand them."""
        for shape in self._instance.policy.shapes_of.get(self._project(index), ()):
            level = self._instance.policy.level(shape)
            for domain, nodes in self._domains(index, level).items():
                self._form(index, shape, level, domain, nodes)

    def _form(self, index: int, shape: Shape, level: int, domain: int, nodes: list[int]) -> None:
        model, amount = self._model, shape.amount or 1
        terms, stay = self._here(index, nodes)
        if shape.shape == "segment":
            count = model.variable(0, (sum(model.upper[seat] for seat, _ in terms) + stay) // amount)
            model.row([*terms, (count, -amount)], -stay, -stay)
        elif shape.shape == "spread":
            model.row(terms, None, amount - stay)
        elif shape.shape == "whole":
            gpus = self._instance.topology.row(nodes[0]).gpus
            count = model.variable(0, 1)
            model.row([*terms, (count, -gpus)], -stay, -stay)
        elif shape.shape == "exclusive":
            self._exclusive(index, level, domain)

    def _exclusive(self, index: int, level: int, domain: int) -> None:
        """Whoever else has GPUs in a domain keeps a project that wants it alone from spanning it."""
        topology, rooms = self._instance.topology, self.allocation.rooms
        spanned = self.spans[index, level, domain]
        others = [other for other in range(len(self.allocation.classes)) if other != index]
        inside = [node for node in range(topology.node_count) if int(topology.domain[level][node]) == domain]
        stays = sum(self._here(other, inside)[1] for other in others)
        stays += sum(self._instance.background.get(node, 0) for node in inside)
        if stays:
            self._model.row([(spanned, 1)], None, 0)
        terms = [term for other in others for term in self._here(other, inside)[0]]
        most = sum(int(rooms.unlimited[node]) for node in inside)
        self._model.row([*terms, (spanned, most)], None, most)

    def _fragmentation(self) -> None:
        weights = self._instance.topology.weights
        prefer: Counter[tuple[int, int]] = Counter()
        for index in range(len(self.allocation.classes)):
            for shape in self._instance.policy.shapes_of.get(self._project(index), ()):
                if shape.shape == "prefer":
                    prefer[index, self._instance.policy.level(shape)] += shape.amount or 0
        terms = [(spanned, -weights[level] - prefer[index, level]) for (index, level, _), spanned in self.spans.items()]
        for (index, way), chosen in self.bundles.chosen.items():
            needed = self.bundles.needed[index, way]
            terms.append((chosen, sum((weights[at] + prefer[index, at]) * n for at, n in enumerate(needed))))
        self._model.row(terms, None, 0)
        self.goals["fragmentation"] = Goal(terms, sense=-1)

    def _reserve(self) -> None:
        """The tier `reserve`: domains that nobody touches."""
        topology, tiers = self._instance.topology, self._instance.objective.tiers
        for tier in (tier for tier in tiers if tier.name == "reserve"):
            level = topology.levels.index(tier.level or "")
            free: Terms = []
            for domain in self._instance.policy.empty_domains[topology.levels[level]]:
                empty = self._model.variable(0, 1)
                inside = {node for node in range(topology.node_count) if int(topology.domain[level][node]) == domain}
                seats = [(seat, 1) for (_, node), seat in self.gpus.items() if node in inside]
                most = sum(int(self.allocation.rooms.unlimited[node]) for node in inside)
                self._model.row([*seats, (empty, most)], None, most)
                free.append((empty, 1))
            counted = self._model.variable(0, tier.count or 0)
            self._model.row([(counted, 1), *((empty, -1) for empty, _ in free)], None, 0)
            self.goals["reserve"] = Goal([(counted, 1)])

    def decode(self, values: Ids) -> tuple[Granted, Seats]:
        """Return the GPUs by project and kind, and by project and node, what is kept included."""
        granted: Granted = {}
        for project, index, way in self.bundles.granted(values):
            offers = self.allocation.classes[index].offers
            granted |= {(project, offers[offer].kind): gpus for offer, gpus in way}
        seats: Seats = {
            (self._project(index), node): int(values[seat]) for (index, node), seat in self.gpus.items() if values[seat]
        }
        return granted, with_kept(self.allocation.rooms, seats)
