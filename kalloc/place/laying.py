"""Items of many zones packed at once, and patterns laid on real domains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

from kalloc.place.fillings import Stock
from kalloc.place.items import Item
from kalloc.place.jobs import Job, pack_jobs
from kalloc.place.loose import seat_loose
from kalloc.place.packing import Chosen, Packing
from kalloc.place.parts import seat_on_parts
from kalloc.place.seating import Seating, by_choice
from kalloc.place.shaping import seat_any
from kalloc.place.states import TooManyStepsError
from kalloc.place.yards import Yard, blocks_of, grouped, scopes, shares_of, stock_of, yard_of
from kalloc.solver import Limits

Waiting = dict[int, list[Item]]
"""Items by size in grains."""


@dataclass(frozen=True)
class Batch:
    """Items of one zone that are packed together, in as many jobs as there are blocks with items."""

    zone: int
    yard: Yard
    blocks: list[list[int]]
    jobs: list[Job]
    waiting: Waiting


def pack_zones(seating: Seating, zones: Mapping[int, Sequence[Item]], limits: Limits) -> set[int]:
    """Seat items that may be cut anywhere on nodes of one zone each: those of whole nodes first, on whole nodes.

    Return the zones whose items are all seated: every one, unless somebody said stop before all were packed.

    Raises:
        NoRoomError: when they do not fit.
    """
    zones = {zone: seat_on_parts(seating, zone, items, limits) for zone, items in zones.items()}
    whole = {zone: _whole(seating, zone, items) for zone, items in zones.items()}
    names = {zone: {item.project for item in items} for zone, items in whole.items()}
    others = {zone: [item for item in items if item.project not in names[zone]] for zone, items in zones.items()}
    packed = set(zones)
    for part in (whole, others):
        waiting = {zone: items for zone, items in part.items() if items and zone in packed}
        if limits.stopped:
            return packed - {zone for later in (part, others) for zone, items in later.items() if items}
        batches = [
            _batch(seating, zone, items, limits)
            for zone, items in waiting.items()
            if not _loosely(seating, zone, items, limits)
        ]
        packings = iter(pack_jobs([job for batch in batches for job in batch.jobs], limits))
        for batch in batches:
            found = [next(packings) for _ in batch.jobs]
            if limits.stopped and not (found and all(packing.chosen for packing in found)):
                packed.remove(batch.zone)
            else:
                _seat(seating, batch, found)
    return packed


def _loosely(seating: Seating, zone: int, items: Sequence[Item], limits: Limits) -> bool:
    """Seat items of a zone where one level alone costs something; tell whether that was done."""
    grain = _grain(seating, zone, items)
    scope = next(scopes(seating.rooms, zone, grain), None)
    return scope is not None and scope.loose and seat_loose(seating, zone, scope.bin, grain, items, limits)


def _seat(seating: Seating, batch: Batch, packings: Sequence[Packing]) -> None:
    """Seat the items of a batch as they are packed, and those that are left by best fit."""
    for block, job, packing in zip(batch.blocks, batch.jobs, packings, strict=True):
        lay(seating, batch, block, job.stock, packing.chosen)
    for item in by_choice(item for members in batch.waiting.values() for item in members):
        seat_any(seating, item)


def _whole(seating: Seating, zone: int, items: Sequence[Item]) -> list[Item]:
    """Return the items that ask for whole nodes, where there are enough of them for all; else those that must have."""
    node = seating.rooms.node_gpus[zone]
    whole = [item for item in items if item.shape.gpus % node == 0]
    free = int(seating.free(frozenset([zone]), node)[0].sum())
    enough = sum(item.shape.gpus for item in whole) <= free
    return whole if enough else [item for item in whole if item.shape.form is not None]


def _grain(seating: Seating, zone: int, items: Sequence[Item]) -> int:
    """Return the GPUs in which all that some items ask is counted: a node where all ask for whole ones."""
    node = seating.rooms.node_gpus[zone]
    common = gcd(*(item.shape.gpus for item in items))
    return node if common % node == 0 else gcd(node, common)


def _batch(seating: Seating, zone: int, items: Sequence[Item], limits: Limits) -> Batch:
    """Return the jobs that pack some items, none where their states are too many at any level."""
    grain = _grain(seating, zone, items)
    waiting: Waiting = defaultdict(list)
    for item in items:
        waiting[item.shape.gpus // grain].append(item)
    leave = sum(seating.rooms.topology.weights)
    for scope in scopes(seating.rooms, zone, grain):
        counts = Counter({size: len(members) for size, members in waiting.items()})
        yard = grouped(seating.rooms, yard_of(seating, zone, grain, scope), counts, limits)
        blocks = blocks_of(yard)
        shares = shares_of(yard, blocks, counts)
        taken = [(block, share) for block, share in zip(blocks, shares, strict=True) if share]
        try:
            stocks = [stock_of(seating.rooms, yard, block, share) for block, share in taken]
        except TooManyStepsError:
            continue
        jobs = [Job(stock, share, leave) for stock, (_, share) in zip(stocks, taken, strict=True)]
        return Batch(zone, yard, [block for block, _ in taken], jobs, waiting)
    return Batch(zone, Yard.nothing(grain), [], [], waiting)


def lay(seating: Seating, batch: Batch, block: Sequence[int], stock: Stock, chosen: Sequence[Chosen]) -> None:
    """Seat items as the patterns chosen say."""
    yard, waiting = batch.yard, batch.waiting
    free: list[dict[int, list[int]]] = [defaultdict(list) for _ in block]
    for number, parent in enumerate(block):
        for domain, state in zip(yard.domains[parent], stock.parents[number], strict=True):
            free[number][state].append(domain)
    for pattern, parents, missing in chosen:
        names = [None if item in missing else waiting[size].pop() for item, size in enumerate(pattern.sizes)]
        for parent, filled in zip(parents, pattern.bins, strict=True):
            inside = list(yard.children[free[parent][filled.state].pop()])
            for item, step in zip(filled.items, filled.steps, strict=True):
                for child, grains in _laid(stock, inside, step):
                    if (name := names[item]) is not None:
                        seating.fill(name, frozenset([batch.zone]), yard.scope.finest, child, grains * yard.grain)


def _laid(stock: Stock, inside: list[tuple[int, int]], step: int) -> Iterator[tuple[int, int]]:
    """Yield the children of a bin, with the grains of each, over which a step lays its part; take their room."""
    drawn, rest = stock.states.drawn(step)
    for room in drawn:
        child = next(entry for entry in inside if entry[0] == room)
        inside.remove(child)
        if rest:
            inside.append((rest, child[1]))
        yield child[1], room - rest
        rest = 0
