"""Where those sit who fill several domains to the last GPU.

Who asks for four times the largest unit needs four of these, nobody else beside it, and all in one fabric. So a fabric
with six is a home to one such item, not to one and a half, and the zones of those who may choose hang on it. Who finds
no home is given a fabric where it fills racks in one unit more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from kalloc.place.items import Item
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.seating import NoRoomError, Seating
from kalloc.place.shaping import of_nodes
from kalloc.solver import Limits, Model, Terms, solve_scip

MAX_NODES = 50
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""
MOST_COLUMNS = 5_000
"""Larger programs are not built."""
DEAR = 1_000
"""Times that a home counts for the choice of a zone."""

Wanted = tuple[int, Zones]
"""GPUs, and the zones that may hold them."""
Place = tuple[str, int]
"""A project, and the position of one of its kinds."""


class Home(NamedTuple):
    """A zone, a domain in it, and how many finer ones an item fills there; 0 where it fills still finer ones."""

    zone: int
    domain: int
    many: int


Homes = dict[Place, Home]


def levels_of(rooms: Rooms) -> tuple[int, int, int] | None:
    """Return the levels of homes, of what is filled there and the next finer one; None where too few cost something."""
    costly = [level for level, weight in enumerate(rooms.topology.weights) if weight > 0]
    return (costly[1], costly[2], costly[3]) if len(costly) > 3 else None


def homes_of(rooms: Rooms, items: Sequence[Item], limits: Limits) -> Homes:
    """Return homes of items that fill several domains: so that as many as can be have one."""
    levels = levels_of(rooms)
    waiting: dict[Wanted, list[Place]] = defaultdict(list)
    fixed: Counter[int] = Counter()
    for item in items:
        for at, ((_, gpus), zones) in enumerate(zip(item.shape.amounts, item.shape.zones, strict=True)):
            waiting[gpus, zones].append((item.project, at))
            fixed[next(iter(zones))] += gpus if len(zones) == 1 else 0
    if levels is None:
        return {}
    known = [_Zone(rooms, zone, levels) for zone in range(len(rooms.zones))]
    asked = {(gpus, zones): len(waiting[gpus, zones]) for gpus, zones in waiting if _filling(known, gpus, zones)}
    model, columns = _model(rooms, known, asked, fixed, levels)
    answer = solve_scip(model, limits, nodes=MAX_NODES, eager=True) if 0 < len(columns) <= MOST_COLUMNS else None
    if answer is None or answer.values is None:
        return {}
    found = [(wanted, home) for column, (wanted, home) in columns.items() for _ in range(int(answer.values[column]))]
    return {waiting[wanted].pop(): home for wanted, home in found}


class _Zone:
    """The largest domains of a zone: how many lie in each coarser one, and what finer ones hold that are full, too."""

    def __init__(self, rooms: Rooms, zone: int, levels: tuple[int, int, int]) -> None:
        coarse, fine, finer = levels
        room = [np.bincount(rooms.topology.domain[at], weights=rooms.open(frozenset([zone]))) for at in (fine, finer)]
        self.largest, full = (max(1, int(found.max(initial=0))) for found in room)
        self.whole = Counter(rooms.above(fine, coarse)[: len(room[0])][room[0] == self.largest].tolist())
        counts = Counter(rooms.above(finer, coarse)[: len(room[1])][room[1] == full].tolist())
        self.finer = {domain: count * full for domain, count in counts.items()}


def _filling(known: Sequence[_Zone], gpus: int, zones: Zones) -> bool:
    """Tell whether so many GPUs fill several of the largest domains, whatever the zone."""
    return all(gpus > known[zone].largest and gpus % known[zone].largest == 0 for zone in zones)


def _model(
    rooms: Rooms,
    known: Sequence[_Zone],
    asked: Mapping[Wanted, int],
    fixed: Mapping[int, int],
    levels: tuple[int, int, int],
) -> tuple[Model, dict[int, tuple[Wanted, Home]]]:
    """Return a program over those who want homes, and who has which by column; ``fixed`` has what zones must hold."""
    model, columns, weights = Model(), dict[int, tuple[Wanted, Home]](), rooms.topology.weights
    whole, finer = defaultdict[tuple[int, int], Terms](list), defaultdict[tuple[int, int], Terms](list)
    choosing = defaultdict[int, Terms](list)
    for (gpus, zones), count in asked.items():
        terms = [(model.variable(0, count, DEAR * weights[levels[0]]), 1)]
        for zone in sorted(zones):
            fill, many = int(DEAR * fixed[zone] / (rooms.zone_room[zone] * count)), gpus // known[zone].largest
            homes = [(Home(zone, at, many), 0) for at, found in known[zone].whole.items() if found >= many]
            homes += [(Home(zone, at, 0), weights[levels[1]]) for at, room in known[zone].finer.items() if room >= gpus]
            for home, cost in homes:
                column = model.variable(0, count, DEAR * cost + fill)
                columns[column] = (gpus, zones), home
                terms.append((column, 1))
                whole[zone, home.domain].append((column, home.many))
                finer[zone, home.domain].append((column, gpus))
                choosing[zone] += [(column, gpus)] if len(zones) > 1 else []
        model.row(terms, count, count)
    for (zone, domain), terms in whole.items():
        model.row(terms, None, known[zone].whole[domain])
        model.row(finer[zone, domain], None, known[zone].finer.get(domain, 0))
    for zone, terms in choosing.items():
        model.row(terms, None, rooms.zone_room[zone] - fixed[zone])
    return model, columns


def narrowed(items: Sequence[Item], homes: Homes) -> list[Item]:
    """Return items, those of one kind that have a home with its zone alone."""
    found = []
    for item in items:
        home = homes.get((item.project, 0))
        if home is not None and len(item.shape.amounts) == 1:
            item = replace(item, shape=replace(item.shape, zones=(frozenset([home.zone]),)))
        found.append(item)
    return found


def seat_at_home(seating: Seating, items: Sequence[Item], homes: Homes) -> list[Item]:
    """Seat items whose kinds all have homes there; return the others, who ask for more than whole nodes among them."""
    rooms, levels, seated = seating.rooms, levels_of(seating.rooms), set()
    if levels is None:
        return list(items)
    ready = []
    for item in items:
        places = [homes.get((item.project, at)) for at in range(len(item.shape.amounts))]
        if _plain(rooms, item) and None not in places:
            ready.append((item, [home for home in places if home is not None]))
    for item, found in sorted(ready, key=lambda entry: min(home.many == 0 for home in entry[1])):
        wanted = zip(item.shape.amounts, item.shape.zones, found, strict=True)
        parts = [
            (zones, *part) for (_, gpus), zones, home in wanted for part in _filled(seating, zones, levels, home, gpus)
        ]
        if sum(part for _, _, _, part in parts) < item.shape.gpus:
            continue
        try:
            for zones, level, domain, part in parts:
                seating.fill(item, zones, level, domain, part)
            seated.add(item.project)
        except NoRoomError:
            seating.withdraw(item)
    return [item for item in items if item.project not in seated]


def _plain(rooms: Rooms, item: Item) -> bool:
    """Tell whether each kind of an item has a zone, and it asks for no more than whole nodes."""
    shape = item.shape
    settled = all(len(zones) == 1 for zones in shape.zones) and shape.anchor is None
    return settled and (shape.form is None or (len(shape.amounts) == 1 and of_nodes(rooms, item)))


def _filled(
    seating: Seating, zones: Zones, levels: tuple[int, int, int], home: Home, gpus: int
) -> Iterator[tuple[int, int, int]]:
    """Yield level, number and GPUs of what is filled in a home: of the finest, in as few domains above as can be."""
    rooms, (coarse, fine, finer) = seating.rooms, levels
    free = seating.free(zones, 1)
    if home.many:
        inside, part = rooms.above(fine, coarse) == home.domain, gpus // home.many
        for domain in np.flatnonzero(inside & (free[fine] == part))[: home.many].tolist():
            yield fine, domain, part
        return
    inside = np.flatnonzero(rooms.above(finer, coarse) == home.domain)
    part = int(free[finer][inside].max(initial=1))
    full, parent = inside[free[finer][inside] == part], rooms.above(finer, fine)
    count = np.bincount(parent[full], minlength=1)
    order = full[np.lexsort((parent[full], -count[parent[full]]))]
    for domain in order[: gpus // part].tolist():
        yield finer, domain, part
