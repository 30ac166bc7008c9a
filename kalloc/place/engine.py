"""Placement of an allocation: a plan first, then bounds level by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kalloc.place.items import Item
from kalloc.place.rooms import Rooms
from kalloc.place.seating import NoRoomError, Seats, best_fit
from kalloc.place.zones import assign_zones
from kalloc.solver import Limits


@dataclass(frozen=True)
class Scattering:
    """Spans of a placement and what they cost."""

    spans: tuple[int, ...]
    """Per level, coarse to fine, of all projects together."""
    cost: int
    """Σ weight · spans."""


def scattering(rooms: Rooms, seats: Mapping[tuple[str, int], int]) -> Scattering:
    """Count the domains that projects span."""
    topology = rooms.topology
    spans = [len({(project, int(domain[node])) for project, node in seats}) for domain in topology.domain]
    return Scattering(tuple(spans), sum(w * s for w, s in zip(topology.weights, spans, strict=True)))


def seat_all(rooms: Rooms, items: Sequence[Item], limits: Limits) -> Seats | None:
    """Return seats for all items, what is kept included, or None when they cannot be seated."""
    try:
        seats = best_fit(rooms, assign_zones(rooms, items, limits))
    except NoRoomError:
        return None
    for project, kept in rooms.stays.items():
        for node, gpus in kept.items():
            seats[project, node] = seats.get((project, node), 0) + gpus
    return dict(seats)
