"""How the domains of a level are filled, by classes: who has which to itself, and parts laid into the others.

Exact for one level in whole numbers, where the domains that are alike and the sizes that are asked are few: an arc flow
over what is left of a domain (Valério de Carvalho, 1999), in the allocation itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd

import numpy as np

from kalloc.allocate.domains import MOST_RUNGS, Guest, groups_of, guests_of, joint, said_of, terms_of, together
from kalloc.allocate.model import Allocation
from kalloc.place.forms import left_idle, offers, untouched
from kalloc.place.rooms import Zones
from kalloc.solver import Ids, Terms

MOST_VARIABLES = 1_500
"""Variables of an allocation up to which it says how domains are filled."""

Group = tuple[Guest, ...]


@dataclass(frozen=True, eq=False)
class Level:
    """The domains of one level on nodes of some zones, alike ones counted, and who has room there and nowhere else."""

    allocation: Allocation
    level: int
    count: Ids
    """How many domains are alike, shape (types,)."""
    room: Ids
    """GPUs of each such domain, shape (types,)."""
    groups: Mapping[Group, Ids]
    """Guests who sit in parts of some size, with the GPUs of each such domain that they can use together."""
    alone: Mapping[Guest, Ids]
    """Guests who have domains to themselves, with the GPUs that each could have there."""
    guests: Group
    """All others."""
    taken: dict[tuple[Guest, int], int] = field(default_factory=dict)
    """How many domains of a type a guest has to itself, as variables."""

    @classmethod
    def of(cls, allocation: Allocation, level: int, zones: Zones, everyone: Sequence[Guest]) -> Level:
        """Return the domains of a level and their guests."""
        rooms, here = allocation.rooms, [guest for guest in everyone if guest.zones <= zones]
        open_to, alone = rooms.relaxed.open(zones), dict[Guest, Ids]()
        for guest in here:
            if guest.form.exclusive and guest.form.exclusive[0] <= level:
                free = np.where(untouched(rooms.topology, guest.form, rooms.occupied), open_to, 0)
                mine = np.where(np.isin(rooms.zone, sorted(guest.zones)), free, 0)
                alone[guest] = offers(rooms.topology, mine, guest.form)[level]
        guests = tuple(guest for guest in here if guest not in alone)
        inside = [guest for guest in guests if guest.part(level) or (guest.part(level) == 0 and guest.told)]
        forms = {group: joint(group, level, len(rooms.topology.levels)) for group in groups_of(inside, level)}
        groups = {group: offers(rooms.topology, open_to, form)[level] for group, form in forms.items()}
        room = np.bincount(rooms.topology.domain[level], weights=open_to).astype(np.int64)
        types, count = np.unique(np.stack([room, *groups.values(), *alone.values()]), axis=1, return_counts=True)
        held = dict(zip(groups, types[1:], strict=False))
        own = dict(zip(alone, types[1 + len(groups) :], strict=True))
        return cls(allocation, level, count, types[0], held, own, guests)

    @property
    def size(self) -> int:
        """How many variables it takes at most."""
        reach = ((group, int(room.max(initial=0)) + 1) for group, room in self.groups.items())
        arcs = (len(sizes_of(group, self.level)) * most for group, most in reach)
        return len(self.alone) * len(self.count) + sum(arcs)

    @property
    def simple(self) -> bool:
        """Whether counting how often a size fits says all there is."""
        return not self.alone and all(len(sizes_of(group, self.level)) < 2 for group in self.groups)

    def add(self) -> None:
        """Add the rows."""
        model = self.allocation.model
        for guest, offer in self.alone.items():
            for at in np.flatnonzero(offer).tolist():
                self.taken[guest, at] = model.variable(0, int(self.count[at]))
            self._alone(guest, offer)
        for at, count in enumerate(self.count.tolist()):
            model.row([(domain, 1) for (_, of), domain in self.taken.items() if of == at], None, count)
        self._total(self.guests, self.room)
        for group, room in self.groups.items():
            self._total(group, room)
            self._fill(group, room)

    def _row(self, terms: Terms, most: int) -> None:
        row = self.allocation.model.row(terms, None, most)
        self.allocation.clash[row] = said_of(self.allocation.instance.topology.levels[self.level])

    def _alone(self, guest: Guest, offer: Ids) -> None:
        """Whoever has domains to itself has enough of them, and each project one at least."""
        own = {at: domain for (of, at), domain in self.taken.items() if of is guest}
        key = (guest.index, guest.position)
        gpus = self.allocation.gpus(*key)
        self._row([*gpus, *((domain, -int(offer[at])) for at, domain in own.items())], 0)
        self._row([(self.allocation.served[key], 1), *((domain, -1) for domain in own.values())], 0)
        if guest.part(self.level) == 0:
            for size, terms in at_least(self.allocation, guest):
                enough = [(domain, -1) for at, domain in own.items() if offer[at] >= size]
                self._row([*terms, *enough], 0)

    def _total(self, guests: Group, room: Ids) -> None:
        """The others have no more than the rest of the domains holds."""
        gpus = [term for guest in guests for term in self._used(guest)]
        lost = [(domain, int(room[at])) for (_, at), domain in self.taken.items()]
        self._row([*gpus, *lost], int((room * self.count).sum()))

    def _used(self, guest: Guest) -> Terms:
        """Return the GPUs of a guest, with those that stay idle in finer domains that it has to itself."""
        allocation, rooms, form = self.allocation, self.allocation.rooms, guest.form
        if not form.exclusive or guest.offer.extra > MOST_RUNGS:
            return allocation.gpus(guest.index, guest.position)
        room = np.where(untouched(rooms.topology, form, rooms.occupied), rooms.relaxed.open(guest.zones), 0)
        idle = {gpus: left_idle(rooms.topology, room, form, gpus) for gpus in guest.offer.amounts}
        return terms_of(allocation, guest, [gpus + idle[gpus] for gpus in guest.offer.amounts])

    def _fill(self, group: Group, room: Ids) -> None:
        """Lay parts into the rest of the domains: by what is left of one, which part comes next."""
        model, parts = self.allocation.model, sizes_of(group, self.level)
        grain = gcd(*parts) or 1
        grains = (room // grain).tolist()
        flows: dict[tuple[int, int], int] = {}
        reached = sorted(set(grains), reverse=True)
        into: dict[int, Terms] = defaultdict(list)
        every = int((room * self.count).sum())
        for left in range(max(reached, default=0), 0, -1):
            if left not in reached and left not in into:
                continue
            out: Terms = []
            for size in parts:
                if size // grain <= left:
                    flows[left, size] = model.variable(0, every // size)
                    out.append((flows[left, size], 1))
                    into[left - size // grain].append((flows[left, size], -1))
            lost = [(domain, 1) for (_, at), domain in self.taken.items() if grains[at] == left]
            supply = sum(int(count) for count, of in zip(self.count, grains, strict=True) if of == left)
            model.row([*out, *into[left], *lost], None, supply)
        for size in parts:
            laid = [(flow, -1) for (_, of), flow in flows.items() if of == size]
            asked = [term for guest in group for term in parts_of(self.allocation, guest, self.level, size)]
            self._row([*asked, *laid], 0)


def sizes_of(group: Group, level: int) -> list[int]:
    """Return the sizes of parts, the largest first."""
    return sorted({size for guest in group for size in guest.sizes(level)}, reverse=True)


def at_least(allocation: Allocation, guest: Guest) -> Iterator[tuple[int, Terms]]:
    """Yield the amounts of a guest with how many projects have at least as much."""
    key = (guest.index, guest.position)
    if not guest.offer.extra:
        yield guest.offer.first, [(allocation.served[key], 1)]
    elif guest.told:
        allocation.climb([guest.index])
        for size, rung in zip(guest.offer.amounts, allocation.ladder[key], strict=True):
            yield size, [(rung, 1)]


def parts_of(allocation: Allocation, guest: Guest, level: int, size: int) -> Terms:
    """Return how many parts of a size a guest has."""
    part = guest.part(level)
    if part:
        gpus = allocation.gpus(guest.index, guest.position)
        return [(variable, factor // part) for variable, factor in gpus] if part == size else []
    rungs = list(at_least(allocation, guest))
    for at, (amount, terms) in enumerate(rungs):
        if amount == size:
            return [*terms, *((rung, -factor) for rung, factor in (rungs[at + 1][1] if at + 1 < len(rungs) else []))]
    return []


def fillings(allocation: Allocation) -> None:
    """Say how domains are filled by those who may not be cut: rules `level`, `segment`, `whole` and `exclusive`."""
    everyone = guests_of(allocation)
    for level in sorted({level for guest in everyone for level in guest.levels}):
        marked = [guest for guest in everyone if guest.part(level) is not None or level in guest.levels]
        for zones in together(guest.zones for guest in marked):
            found = Level.of(allocation, level, zones, everyone)
            if not found.simple and allocation.model.size + found.size <= MOST_VARIABLES:
                found.add()
