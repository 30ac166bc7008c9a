"""Which zone each item sits in, where several serve it: items are kept whole, and zones are filled evenly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from kalloc.place.forms import left_idle, offers, untouched
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.seating import NoRoomError
from kalloc.solver import Ids, Limits, Model, Terms, solve_scip, whole_row

LEVELLING = (90, 95, 98)
"""Beyond each of these shares of a zone's room, in percent, every GPU costs one more: zones are filled evenly."""
MAX_NODES = 50
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""

Want = tuple[Shape, int]
"""One kind of a shape, by its position."""


@dataclass
class _Assignment:
    """The model: whole items by zone, and GPUs of cut items by zone, for each kind of each shape."""

    rooms: Rooms
    model: Model = field(default_factory=Model)
    whole: dict[Want, dict[int, int]] = field(default_factory=dict)
    parts: dict[Want, dict[int, int]] = field(default_factory=dict)
    pairs: dict[Want, dict[tuple[int, int], int]] = field(default_factory=dict)
    """Items whose first kind and this one are in zones that have a domain in common."""
    taken: dict[int, Terms] = field(default_factory=lambda: defaultdict(list))
    idle: dict[int, Terms] = field(default_factory=lambda: defaultdict(list))
    """Room that stays idle beside items which have their domains to themselves."""
    lent: dict[tuple[str, str], Terms] = field(default_factory=lambda: defaultdict(list))
    _offers: dict[Zones, list[Ids]] = field(default_factory=dict)

    @cached_property
    def homes(self) -> list[list[int | None]]:
        """Per zone and level the one domain that holds all its nodes, None where several do."""
        rooms, found = self.rooms, list[list[int | None]]()
        for zone in range(len(rooms.zones)):
            domains = [domain[rooms.zone == zone] for domain in rooms.topology.domain]
            found.append([int(inside[0]) if np.ptp(inside) == 0 else None for inside in domains])
        return found

    def offers(self, zones: Zones) -> list[Ids]:
        """Return, per level, the free GPUs of the largest domain of some zones, of the two largest, and so on."""
        if zones not in self._offers:
            room = self.rooms.open(zones)
            by_level = [np.bincount(domain, weights=room) for domain in self.rooms.topology.domain]
            self._offers[zones] = [np.cumsum(np.sort(offer)[::-1]).astype(np.int64) for offer in by_level]
        return self._offers[zones]


def assign_zones(rooms: Rooms, items: Sequence[Item], limits: Limits) -> list[Item]:
    """Return the items, each kind of each with the one zone it is to sit in.

    Those few that must be cut between zones name a kind several times, with the GPUs that each zone is to hold.

    Raises:
        NoRoomError: when none is found, and limits on power over whole zones must be kept.
    """
    shapes = Counter(item.shape for item in items)
    if all(len(zones) == 1 for shape in shapes for zones in shape.zones):
        return list(items)
    assignment = _Assignment(rooms)
    for shape, count in shapes.items():
        for position in range(len(shape.amounts)):
            _choose(assignment, shape, position, count)
        for position in range(1, len(shape.amounts)):
            _pair(assignment, shape, position, count)
    for zone, terms in assignment.taken.items():
        _fill(assignment.model, [*terms, *assignment.idle[zone]], rooms.zone_room[zone])
    for lender, terms in assignment.lent.items():
        assignment.model.row(terms, None, rooms.lend[lender])
    for meter, zones in zip(rooms.meters, rooms.metered, strict=True):
        drawn = [(zone, rooms.zones[zone].watts) for zone in zones]
        shares = [(column, watts * factor) for zone, watts in drawn for column, factor in assignment.taken[zone]]
        whole_row(assignment.model, shares, None, meter.left)
    answer = solve_scip(assignment.model, limits, nodes=MAX_NODES)
    if answer.values is None and rooms.meters:
        raise NoRoomError(items[0].project)
    if answer.values is None:
        return list(items)
    counts = [int(value) for value in answer.values]
    whole = {
        want: zones[::-1]
        for shape, count in shapes.items()
        for want, zones in _whole_of(assignment, counts, shape, count)
    }
    parts = {
        want: [(zone, counts[variable]) for zone, variable in by_zone.items() if counts[variable]]
        for want, by_zone in assignment.parts.items()
    }
    return [_settled(item, whole, parts) for item in items]


def _whole_of(
    assignment: _Assignment, counts: Sequence[int], shape: Shape, items: int
) -> Iterator[tuple[Want, list[int | None]]]:
    """Yield for each kind of a shape the zone that holds it whole, item by item; None where it is cut."""
    first: list[int | None] = []
    for position in range(len(shape.amounts)):
        want = (shape, position)
        left = Counter({zone: counts[variable] for zone, variable in assignment.whole[want].items()})
        pairs = Counter({pair: counts[variable] for pair, variable in assignment.pairs.get(want, {}).items()})
        found: list[int | None] = []
        for zone in first:
            pair = next((pair for pair in +pairs if pair[0] == zone), None)
            if pair is not None:
                pairs[pair] -= 1
                left[pair[1]] -= 1
            found.append(None if pair is None else pair[1])
        rest = left.elements()
        found = [next(rest, None) if zone is None else zone for zone in found or [None] * items]
        first = first or found
        yield want, found


def _settled(item: Item, whole: dict[Want, list[int | None]], parts: dict[Want, list[tuple[int, int]]]) -> Item:
    """Take for each kind of an item the next zone that is left for its shape, or else what is left in several."""
    settled: list[tuple[tuple[str, int], Zones]] = []
    for position, (kind, gpus) in enumerate(item.shape.amounts):
        want = (item.shape, position)
        home = whole[want].pop()
        if home is not None:
            settled.append(((kind, gpus), frozenset([home])))
            continue
        while gpus:
            zone, left = parts[want].pop()
            part = min(gpus, left)
            gpus -= part
            settled.append(((kind, part), frozenset([zone])))
            if left > part:
                parts[want].append((zone, left - part))
    amounts, zones = zip(*settled, strict=True)
    return Item(item.project, replace(item.shape, amounts=amounts, zones=zones))


def _fill(model: Model, terms: Terms, room: int) -> None:
    """Fill a zone no more than it holds, and pay for filling it more than others."""
    model.row(terms, None, room)
    for percent in LEVELLING:
        beyond = model.variable(0, room, 1)
        model.row([*terms, (beyond, -1)], None, room * percent // 100)


def _choose(assignment: _Assignment, shape: Shape, position: int, count: int) -> None:
    """Add the choice of one kind of one shape."""
    rooms, model = assignment.rooms, assignment.model
    gpus, zones = shape.amounts[position][1], shape.zones[position]
    parts = {zone: model.variable(0, min(count * gpus, rooms.zone_room[zone])) for zone in sorted(zones)}
    holding = [zone for zone in sorted(zones) if _holds(rooms, shape, gpus, zone)]
    detours = {zone: _detour(assignment, shape.level, gpus, zone, zones) for zone in holding}
    whole = {zone: model.variable(0, count, detour) for zone, detour in detours.items() if detour is not None}
    cut = model.variable(0, count, gpus + sum(rooms.topology.weights))
    model.row([(variable, 1) for variable in (*whole.values(), cut)], count, count)
    model.row([*((part, 1) for part in parts.values()), (cut, -gpus)], 0, 0)
    assignment.whole[shape, position] = whole
    assignment.parts[shape, position] = parts
    for zone, part in parts.items():
        terms = [(part, 1), *([(whole[zone], gpus)] if zone in whole else [])]
        assignment.taken[zone] += terms
        if shape.form is not None and zone in whole:
            room = np.where(untouched(rooms.topology, shape.form, rooms.occupied), rooms.open(frozenset([zone])), 0)
            assignment.idle[zone].append((whole[zone], left_idle(rooms.topology, room, shape.form, gpus)))
        for lender in rooms.zones[zone].lenders if shape.pool is not None else ():
            if shape.pool in rooms.outsiders[lender]:
                assignment.lent[lender] += terms


def _pair(assignment: _Assignment, shape: Shape, position: int, count: int) -> None:
    """Gain for every item whose first kind and another one are in zones that have domains in common."""
    model = assignment.model
    one, other = assignment.whole[shape, 0], assignment.whole[shape, position]
    saved = {(a, b): _saved(assignment, a, b) for a in one for b in other}
    pairs = {pair: model.variable(0, count, -gain) for pair, gain in saved.items() if gain > 0}
    for side, whole in enumerate((one, other)):
        for zone, variable in whole.items():
            met = [(paired, 1) for pair, paired in pairs.items() if pair[side] == zone]
            if met:
                model.row([*met, (variable, -1)], None, 0)
    assignment.pairs[shape, position] = pairs


def _saved(assignment: _Assignment, one: int, other: int) -> int:
    """Return the weight of the levels of which one domain holds two zones."""
    weights, homes = assignment.rooms.topology.weights, assignment.homes
    levels = zip(weights, homes[one], homes[other], strict=True)
    return sum(weight for weight, here, there in levels if here is not None and here == there)


def _holds(rooms: Rooms, shape: Shape, gpus: int, zone: int) -> bool:
    """Tell whether a zone could hold a whole item in its form."""
    if shape.form is None:
        return True
    open_to = untouched(rooms.topology, shape.form, rooms.occupied)
    room = np.where(open_to, rooms.open(frozenset([zone])), 0)
    return int(offers(rooms.topology, room, shape.form)[0].sum()) >= gpus


def _detour(assignment: _Assignment, level: int | None, gpus: int, zone: int, zones: Zones) -> int | None:
    """Return what a whole item costs in one zone beyond what it costs in all of them; None where it does not fit."""
    offers, every = assignment.offers(frozenset([zone])), assignment.offers(zones)
    if offers[0][-1] < gpus:
        return None
    alone = [int(np.searchsorted(offer, gpus)) + 1 for offer in offers]
    together = [int(np.searchsorted(offer, gpus)) + 1 for offer in every]
    if level is not None and alone[level] > 1:
        return None
    weights = assignment.rooms.topology.weights
    return sum(w * (a - t) for w, a, t in zip(weights, alone, together, strict=True))
