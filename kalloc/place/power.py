"""Limits on electric power as placement sees them: coarse ones as meters over zones, fine ones as less room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor

from kalloc.instance import Instance
from kalloc.instance.policy import PowerDomain
from kalloc.solver import Ids

MOST_METERS = 40
"""Domains of one limit up to which each is a meter; the GPUs that more of them have too much are taken off nodes."""


@dataclass(frozen=True)
class Meter:
    """A domain whose power can become short."""

    sentence: str
    nodes: tuple[int, ...]
    left: Fraction
    """W that the GPUs of projects may draw which are seated anew."""


@dataclass(frozen=True)
class Grid:
    """The limits on power that can bind, once what stays draws its part."""

    instance: Instance
    room: Ids
    """GPUs of each node that nobody keeps, shape (nodes,)."""

    def watts(self, node: int) -> Fraction:
        """Return what a GPU in use adds to the power of its node, in W."""
        return self.instance.policy.watts[int(self.instance.topology.group[node])][1]

    @cached_property
    def _binding(self) -> Mapping[str, Sequence[Meter]]:
        """The domains that could draw too much, by the limit's name."""
        found: dict[str, list[Meter]] = defaultdict(list)
        for domain in self.instance.policy.power_domains:
            left = domain.left - sum(self._kept(node) for node in domain.nodes)
            if sum(self.watts(node) * int(self.room[node]) for node in domain.nodes) > left:
                found[domain.power.power].append(Meter(_sentence(domain), domain.nodes, left))
        return found

    def _kept(self, node: int) -> Fraction:
        return self.watts(node) * sum(seats.get(node, 0) for seats in self.instance.stays.values())

    @cached_property
    def meters(self) -> tuple[Meter, ...]:
        """The domains of limits with few of them that bind."""
        return tuple(meter for few in self._binding.values() if len(few) <= MOST_METERS for meter in few)

    @cached_property
    def _fine(self) -> list[Meter]:
        many = [meter for meters in self._binding.values() if len(meters) > MOST_METERS for meter in meters]
        return sorted(many, key=lambda meter: len(meter.nodes))

    @property
    def overdrawn(self) -> tuple[str, ...]:
        """What says of a finely limited domain that it draws too much with nobody seated anew, one by one."""
        return tuple(meter.sentence for meter in self._fine if meter.left < 0)

    def lessened(self) -> Ids:
        """Return the room of the nodes without what finely limited domains must leave idle, shape (nodes,).

        It is taken off the last nodes of a domain: one way among several to keep the limit.
        """
        if not self._fine:
            return self.room
        room = self.room.copy()
        for meter in self._fine:
            drawn = sum(self.watts(node) * int(room[node]) for node in meter.nodes)
            for node in reversed(meter.nodes):
                each = self.watts(node)
                if drawn <= meter.left or each == 0:
                    continue
                kept = max(0, floor((meter.left - drawn) / each) + int(room[node]))
                drawn -= each * (int(room[node]) - kept)
                room[node] = kept
        return room

    def even(self, zone: Ids) -> bool:
        """Tell whether each finely limited domain has one zone and one power of a GPU: then no more can be used."""
        return all(len({(int(zone[node]), self.watts(node)) for node in meter.nodes}) == 1 for meter in self._fine)


def meters_of(grid: Grid) -> dict[int, tuple[int, ...]]:
    """Return the meters that each node is under, by number; nodes under none are missing."""
    found: dict[int, list[int]] = defaultdict(list)
    for number, meter in enumerate(grid.meters):
        for node in meter.nodes:
            found[node].append(number)
    return {node: tuple(numbers) for node, numbers in found.items()}


def _sentence(domain: PowerDomain) -> str:
    row = domain.power
    return f"power: {row.power!r} allows {row.kw:g} kW in {row.level} {domain.name!r}"
