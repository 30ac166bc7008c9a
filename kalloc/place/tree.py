"""The topology as placement sees it: places that hold places, and at the bottom bins, counted by what they offer.

Only some levels need to be seen at a time. A level that is left out vanishes: its domains' contents hang on the level
above. Domains of the last level kept are the bins: they are counted in classes, whatever is inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kalloc.place.rooms import Rooms, Zones
from kalloc.solver import Ids


@dataclass(frozen=True)
class Bin:
    """What the bins of a class have in common."""

    level: int
    """The coarsest level that an item enters with the bin."""
    weight: int
    """What it costs an item to use the bin."""
    zones: Zones
    """Any of these zones opens the whole room."""
    keepers: frozenset[str]
    """Projects that keep seats here, and enter for nothing."""
    room: int
    """Free GPUs."""


@dataclass
class Place:
    """A domain, or the root. ``level`` is the coarsest level an item enters with it, −1 at the root."""

    level: int
    weight: int
    keepers: frozenset[str] = frozenset()
    """Projects that keep seats here, and enter for nothing."""
    places: list[Place] = field(default_factory=list)
    bins: dict[Bin, list[Ids]] = field(default_factory=dict)
    """Classes of bins, each with its members; a member is the ids of the nodes it is made of."""

    def room(self, zones: Zones) -> int:
        """Return the free GPUs of all bins below that one of the zones gives access to."""
        own = sum(key.room * len(members) for key, members in self.bins.items() if key.zones & zones)
        return own + sum(place.room(zones) for place in self.places)


def build_tree(rooms: Rooms, nodes: Ids, levels: Sequence[int]) -> Place:
    """Return the tree over some nodes that shows some levels, coarse to fine; the last one gives the bins.

    A domain of the last level with several zones becomes a place with a bin per zone.
    """
    nodes = nodes[(rooms.zone[nodes] >= 0) & (rooms.room[nodes] > 0)]
    kept = _kept_domains(rooms, levels)
    root = Place(level=-1, weight=0)
    _fill(root, rooms, nodes, tuple(levels), kept)
    return root


def _kept_domains(rooms: Rooms, levels: Iterable[int]) -> dict[int, dict[int, set[str]]]:
    """Return per level and domain the projects that keep seats there."""
    kept: dict[int, dict[int, set[str]]] = {level: {} for level in levels}
    for project, seats in rooms.stays.items():
        for node in seats:
            for level, domains in kept.items():
                domains.setdefault(int(rooms.topology.domain[level][node]), set()).add(project)
    return kept


def _fill(
    place: Place,
    rooms: Rooms,
    nodes: Ids,
    levels: tuple[int, ...],
    kept: dict[int, dict[int, set[str]]],
) -> None:
    level, finer = levels[0], levels[1:]
    weight = rooms.topology.weights[level]
    domains = rooms.topology.domain[level][nodes]
    order = np.argsort(domains, kind="stable")
    nodes, domains = nodes[order], domains[order]
    cuts = np.flatnonzero(np.diff(domains)) + 1
    for members in np.split(nodes, cuts) if len(nodes) else []:
        domain = int(rooms.topology.domain[level][members[0]])
        inner = Place(level, weight, frozenset(kept[level].get(domain, ())))
        if finer:
            _fill(inner, rooms, members, finer, kept)
        else:
            _add_bins(inner, rooms, members, level)
        _hang(place, inner)


def _add_bins(place: Place, rooms: Rooms, members: Ids, level: int) -> None:
    zones = rooms.zone[members]
    for zone in np.unique(zones):
        nodes = members[zones == zone]
        key = Bin(level + 1, 0, frozenset([int(zone)]), place.keepers, int(rooms.room[nodes].sum()))
        place.bins.setdefault(key, []).append(nodes)


def _hang(place: Place, inner: Place) -> None:
    """Hang a place under another; one that leaves no choice is merged with what it holds."""
    if inner.keepers:
        place.places.append(inner)
    elif not inner.places and len(inner.bins) == 1 and len(next(iter(inner.bins.values()))) == 1:
        [(key, members)] = inner.bins.items()
        merged = replace(key, level=inner.level, weight=inner.weight + key.weight)
        place.bins.setdefault(merged, []).extend(members)
    elif len(inner.places) == 1 and not inner.bins and not inner.places[0].keepers:
        [only] = inner.places
        only.level, only.weight = inner.level, inner.weight + only.weight
        place.places.append(only)
    else:
        place.places.append(inner)
