"""What single domains hold of projects that must sit whole in one, or in segments, or have them to themselves.

Counted over all such projects together. Let V say what room is worth, with V(r) + V(s) ≤ V(r + s), and let a part of
size x be worth w(x) = min over r of V(r) − V(r − x). Then the parts in a domain are worth no more than its room, so

    Σ over projects  w of its parts   ≤   Σ over domains  V(room)

for any such V: V(r) = ⌊r / s⌋ counts how often a size fits. Whoever has domains to itself takes all they are worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import gcd

import numpy as np

from kalloc.allocate.classes import Offer, ProjectClass
from kalloc.allocate.model import Allocation
from kalloc.instance.policy import FREE, Form
from kalloc.place.forms import form_of, offers, untouched
from kalloc.place.rooms import Rooms, Zones
from kalloc.solver import Ids, Terms

MOST_RUNGS = 64
"""Steps up to which the amounts of a project are told apart."""
MOST_SIZES = 24
"""Sizes that are counted per hall."""
MOST_ZONES = 12
"""Sets of zones that are looked at per level."""
MOST_GRAINS = 4_096
"""Room of a domain, in what all sizes are multiples of, up to which parts are counted."""


@dataclass(frozen=True, eq=False)
class Guest:
    """An offer of a class."""

    index: int
    position: int
    members: ProjectClass
    offer: Offer
    zones: Zones
    form: Form

    @classmethod
    def of(cls, allocation: Allocation, index: int, position: int) -> Guest:
        """Return an offer of a class as a guest."""
        members, levels = allocation.classes[index], len(allocation.instance.topology.levels)
        form = form_of(allocation.instance, members.members[0]) or Form((1,) * levels, (FREE,) * levels, False, ())
        if not members.amount_is_one:
            form = Form(form.of_part.multiple, form.most, form.whole, ())
        offer = members.offers[position]
        return cls(index, position, members, offer, allocation.rooms.zones_for(members.pool, offer.kind), form)

    def part(self, level: int) -> int | None:
        """Return the size of its parts in domains of a level: 0 where it sits whole in one, None where it is free."""
        if self.members.level is not None and level <= self.members.level:
            return 0
        size = self.form.multiple[level]
        return None if size == 1 or self.offer.first % size or self.offer.step % size else size

    def sizes(self, level: int) -> Sequence[int]:
        """Return the sizes that its parts may have, single GPUs where it is free."""
        part = self.part(level)
        return self.offer.amounts if part == 0 else [part or 1]

    def alike(self, level: int) -> object:
        """Return what decides how it takes domains of a level to itself."""
        return self.zones, self.form, self.offer.amounts, self.part(level) == 0

    @property
    def told(self) -> bool:
        """Whether it can be counted how many projects get which amount."""
        single = self.members.size == 1 or self.members.amount_is_one
        return not self.offer.extra or (single and self.offer.extra <= MOST_RUNGS)

    @property
    def levels(self) -> set[int]:
        """The levels at which it demands what it does not at the next finer one."""
        multiple = (*self.form.multiple, 1)
        found = {level for level in range(len(multiple) - 1) if multiple[level] > multiple[level + 1]}
        return found | set(self.form.exclusive[:1]) | {level for level in (self.members.level,) if level is not None}


@dataclass(frozen=True)
class Hall:
    """The domains of a level on nodes of some zones, alike ones counted, and who has room there."""

    level: int
    name: str
    guests: tuple[Guest, ...]
    """Those that may sit on these nodes only."""
    lonely: tuple[Guest, ...]
    """Those that have domains of the level to themselves, on these nodes or others."""
    count: Ids
    """How many domains are alike, shape (types,)."""
    room: Ids
    """GPUs of each such domain that the guests can use, shape (types,)."""
    offered: Ids
    """GPUs of each such domain that each of the lonely could have there were it alone, shape (lonely, types)."""
    free: int
    """GPUs on these nodes, all together."""

    @classmethod
    def of(cls, rooms: Rooms, level: int, zones: Zones, guests: Sequence[Guest], lonely: Mapping[Guest, Ids]) -> Hall:
        """Return the hall of some guests; ``lonely`` has what each domain offers to those that have some alone."""
        open_to, demand = rooms.relaxed.open(zones), joint(guests, level, len(rooms.topology.levels))
        beside = {guest: offer for guest, offer in lonely.items() if guest.zones & zones}
        rows = {id(offer): offer for offer in beside.values()}
        every = np.stack([offers(rooms.topology, open_to, demand)[level], *rows.values()])
        types, count = np.unique(every[:, every.any(axis=0)], axis=1, return_counts=True)
        offered = types[[list(rows).index(id(offer)) + 1 for offer in beside.values()]]
        name, free = rooms.topology.levels[level], int(open_to.sum())
        return cls(level, name, tuple(guests), tuple(beside), count, types[0], offered, free)

    @cached_property
    def grain(self) -> int:
        """What all parts are multiples of."""
        return gcd(*(size for guest in self.guests for size in guest.sizes(self.level))) or 1

    @cached_property
    def grains(self) -> Ids:
        """Room of each domain in grains, shape (types,)."""
        return self.room // self.grain

    @property
    def most(self) -> int:
        """The largest room in grains."""
        return int(self.grains.max(initial=0))

    @cached_property
    def sizes(self) -> list[int]:
        """The sizes of parts in grains, ascending."""
        found = {size // self.grain for guest in self.guests for size in guest.sizes(self.level)}
        return sorted(size for size in found if size <= self.most)

    def worth(self, value: Ids, guest: Guest, gpus: int) -> int:
        """Return what the parts of a guest with so many GPUs are worth at least; ``value`` is V by grains."""
        part = guest.part(self.level)
        part = gpus if part == 0 else part or 1
        size = min(part // self.grain, len(value) - 1)
        return int((value[size:] - value[: len(value) - size]).min()) * (gpus // part)

    def taken(self, each: Ids, guest: Guest, offer: Ids) -> list[int]:
        """Return what the domains are worth at least that a guest has to itself, by its amounts.

        ``each`` says what a domain is worth. As a relaxation the last domain is cut, or there are more of each.
        """
        amounts = guest.offer.amounts
        if guest.part(self.level) == 0:
            return [int(each[offer >= gpus].min(initial=each.max(initial=0))) for gpus in amounts]
        each, offer, count = each[offer > 0], offer[offer > 0], self.count[offer > 0]
        order = np.argsort(each / offer, kind="stable")
        cut = _cut(offer[order], each[order], count[order], amounts)
        more = _covering(offer, each, amounts[-1])
        return [max(least, int(more[gpus])) for least, gpus in zip(cut, amounts, strict=True)]

    def counted(self, value: Ids) -> Counted:
        """Return what everybody is worth, each amount, where room is worth V."""
        own, each = {(guest.index, guest.position) for guest in self.lonely}, value[self.grains]
        found = [
            (guest, [self.worth(value, guest, gpus) for gpus in guest.offer.amounts])
            for guest in self.guests
            if (guest.index, guest.position) not in own
        ]
        return [*found, *self._alone(each)], int((each * self.count).sum())

    def alone(self) -> Iterator[Counted]:
        """Yield what those are worth that have domains to themselves, where domains of some size count one each."""
        largest = self.offered.max(axis=0, initial=0)
        for least in _few(sorted(set(largest[largest > 0].tolist()))):
            each = (largest >= least).astype(np.int64)
            yield self._alone(each), int((each * self.count).sum())

    def _alone(self, each: Ids) -> list[tuple[Guest, list[int]]]:
        known: dict[object, list[int]] = {}
        for guest, offer in zip(self.lonely, self.offered, strict=True):
            if guest.alike(self.level) not in known:
                known[guest.alike(self.level)] = self.taken(each, guest, offer)
        return [(guest, known[guest.alike(self.level)]) for guest in self.lonely]


Counted = tuple[list[tuple[Guest, list[int]]], int]
"""What guests are worth by their amounts, and what all of them may be worth together."""


def _cut(offer: Ids, each: Ids, count: Ids, amounts: Sequence[int]) -> list[int]:
    """Return the worth of the first domains that hold some amounts, the last of them cut, rounded up."""
    sums, worths = np.cumsum(offer * count), np.cumsum(each * count)
    found = []
    for gpus in amounts:
        at = int(np.searchsorted(sums, gpus))
        if at == len(sums):
            found.append(0)
        else:
            held, worth = (int(sums[at - 1]), int(worths[at - 1])) if at else (0, 0)
            found.append(worth - (-int(each[at]) * (gpus - held) // int(offer[at])))
    return found


def _covering(offer: Ids, each: Ids, most: int) -> Ids:
    """Return the least worth of domains, as many of each as one likes, that hold so many GPUs, by GPUs."""
    found = np.zeros(most + 1, dtype=np.int64)
    if len(offer):
        for gpus in range(1, most + 1):
            found[gpus] = (each + found[np.maximum(gpus - offer, 0)]).min()
    return found


def guests_of(allocation: Allocation) -> list[Guest]:
    """Return all offers, but for those of projects that keep GPUs where they are."""
    every = (Guest.of(allocation, *key) for key in allocation.served)
    return [guest for guest in every if not guest.members.kept]


def halls(allocation: Allocation) -> Iterator[Hall]:
    """Yield the halls in which guests must find room together."""
    everyone, rooms = guests_of(allocation), allocation.rooms
    for level in sorted({level for guest in everyone for level in guest.levels}):
        lonely = _lonely(rooms, level, everyone)
        here = [guest for guest in everyone if guest.part(level) is not None]
        for zones in together(guest.zones for guest in [*here, *lonely]):
            if any(guest.zones & zones for guest in lonely):
                yield Hall.of(rooms, level, zones, [guest for guest in everyone if guest.zones <= zones], lonely)
            groups = groups_of([guest for guest in here if guest.zones <= zones], level)
            yield from (Hall.of(rooms, level, zones, group, lonely) for group in groups)


def groups_of(guests: Sequence[Guest], level: int) -> list[tuple[Guest, ...]]:
    """Return guests by what they demand inside domains of a level, and all together."""
    finer: dict[object, list[Guest]] = {}
    for guest in guests:
        finer.setdefault((guest.form.multiple[level + 1 :], guest.form.whole), []).append(guest)
    return [*map(tuple, finer.values()), *([tuple(guests)] if len(finer) > 1 else [])]


def joint(guests: Sequence[Guest], level: int, levels: int) -> Form:
    """Return what all of some guests demand inside domains of a level."""
    multiple = [gcd(*(guest.form.multiple[at] for guest in guests)) or 1 for at in range(level + 1, levels)]
    whole = bool(guests) and all(guest.form.whole for guest in guests)
    return Form((*[1] * (level + 1), *multiple), (FREE,) * levels, whole, ())


def said_of(level: str) -> str:
    """Return what rows of single domains say that can make a plan impossible."""
    return f"seated: single domains of level {level} hold no more of projects that may not be cut"


def _lonely(rooms: Rooms, level: int, everyone: Iterable[Guest]) -> dict[Guest, Ids]:
    """Return those that have domains of this very level to themselves, with what each domain offers them."""
    found: dict[Guest, Ids] = {}
    known: dict[object, Ids] = {}
    for guest in everyone:
        if guest.form.exclusive[:1] == (level,):
            key = (guest.zones, guest.form)
            if key not in known:
                open_to = untouched(rooms.topology, guest.form, rooms.occupied)
                room = np.where(open_to, rooms.relaxed.open(guest.zones), 0)
                known[key] = offers(rooms.topology, room, guest.form)[level]
            found[guest] = known[key]
    return found


def together(zones: Iterable[Zones]) -> list[Zones]:
    """Return sets of zones, and those that overlap taken together."""
    alone = list(dict.fromkeys(zones))
    joined: list[Zones] = []
    for one in alone:
        met = [other for other in joined if other & one]
        joined = [other for other in joined if not other & one] + [one.union(*met)]
    return list(dict.fromkeys([*joined, *alone]))[:MOST_ZONES]


def _few(sizes: Sequence[int]) -> list[int]:
    """Return some of many sizes, the largest among them."""
    step = -(-len(sizes) // MOST_SIZES) or 1
    return list(sizes[::-1][::step])


def domains(allocation: Allocation) -> None:
    """What single domains hold of projects that may not be cut: rules `level`, `segment`, `whole` and `exclusive`."""
    for hall in halls(allocation):
        for size in _few(hall.sizes) if hall.most <= MOST_GRAINS else ():
            rounded = int((hall.grains // size * hall.count).sum()) * size * hall.grain
            if rounded < hall.free or (hall.lonely and size == 1):
                bind(allocation, hall, hall.counted(np.arange(hall.most + 1) // size))
        for counted in hall.alone() if hall.lonely else ():
            bind(allocation, hall, counted)


def bind(allocation: Allocation, hall: Hall, counted: Counted) -> None:
    """Add a row, unless nothing can break it."""
    worths, most = counted
    if sum(guest.members.size * max(worth) for guest, worth in worths) <= most:
        return
    terms: Terms = []
    for guest, worth in worths:
        terms += terms_of(allocation, guest, worth)
    row = allocation.model.row(terms, None, most)
    allocation.clash[row] = said_of(hall.name)


def terms_of(allocation: Allocation, guest: Guest, worth: Sequence[int]) -> Terms:
    """Return what a guest is worth at least: exactly where its amounts are told apart, or worth grows evenly."""
    key = (guest.index, guest.position)
    more = [after - before for before, after in pairwise(worth)]
    if len(set(more)) > 1 and guest.told:
        allocation.climb([guest.index])
        return list(zip(allocation.ladder[key], [worth[0], *more], strict=True))
    least = min(more, default=0)
    return [(allocation.served[key], worth[0])] + ([(allocation.extra[key], least)] if least else [])
