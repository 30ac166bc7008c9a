"""One level alone: bins that any item may be cut over, since nothing above them costs anything.

Such a placement is bins filled with parts and items cut into parts, and it is one as soon as no more parts of a size
are cut than hosted. The linear program of :mod:`kalloc.place.prices` chooses both, and is nearly whole by itself. What
it takes whole is kept; what is left of bins and items is decided by a small arc flow in whole numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heapreplace

from kalloc.place.fillings import Stock
from kalloc.place.items import Item
from kalloc.place.prices import Program, grown
from kalloc.place.seating import Seating
from kalloc.place.states import TooManyStepsError, states_of
from kalloc.solver import Ids, Limits, Model, Terms, solve_scip

MANY = 1_000
TRIES = ((0, 0), (1, 1), (1, MANY), (3, MANY))
"""How much less often than in the linear program fillings and cuts are kept, and how many parts more than it needs an
item may be cut into that is larger than all bins: tried one after the other."""
ROUNDS = 400
"""Rounds of pricing."""
FEW_ARCS, MAX_ARCS = 7_000, 14_000
"""Arcs beyond which parts are of the lengths that the linear program knows, and beyond which nothing is decided."""
USUAL = 90
"""Items of a hundred that are no larger than is usual."""
ROOM, TIMES = 64, 2
"""Bins with room for more than so much, and for so many of the largest usual item, hold whole items before all else."""
MAX_NODES = 200
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""

Lots = dict[int, list[int]]
"""Numbers of bins, or of items, by how much of them is left; one number may stand in it often."""
Shares = dict[tuple[int, int], int]
"""What items have in bins, by the numbers of item and bin."""


def seat_loose(seating: Seating, zone: int, level: int, grain: int, items: Sequence[Item], limits: Limits) -> bool:
    """Seat items over the domains of a level where nothing else costs anything; tell whether that was done."""
    free = seating.free(frozenset([zone]), grain)[level] // grain
    bins = [int(domain) for domain in free.nonzero()[0]]
    shares = share_loose([int(free[domain]) for domain in bins], [item.shape.gpus // grain for item in items], limits)
    for (item, bin), grains in (shares or {}).items():
        seating.fill(items[item], frozenset([zone]), level, bins[bin], grains * grain)
    return shares is not None


def share_loose(rooms: Sequence[int], sizes: Sequence[int], limits: Limits) -> Shares | None:
    """Return what every item has in every bin, in as few parts as are found; None where none are, or all is too large.

    ``rooms`` has the room of every bin, ``sizes`` the size of every item, all of them positive.
    """
    if not rooms or not sizes or sum(rooms) < sum(sizes):
        return None
    shares = _prefilled(rooms, sizes)
    left, whole = list(rooms), {item for item, _ in shares}
    for (_, bin), size in shares.items():
        left[bin] -= size
    rest = [item for item in range(len(sizes)) if item not in whole]
    found = _cut(left, [sizes[item] for item in rest], limits)
    return None if found is None else shares | {(rest[item], bin): size for (item, bin), size in found.items()}


def _prefilled(rooms: Sequence[int], sizes: Sequence[int]) -> Shares:
    """Return whole items in roomy bins: the few large ones, then others in an even mix of sizes, of which many remain.

    Every item goes to the bin with most room. Who sits where in so much room decides nothing.
    """
    usual = sorted(sizes)[len(sizes) * USUAL // 100]
    if max(rooms) <= max(ROOM, TIMES * usual):
        return {}
    free = [(-room, bin) for bin, room in enumerate(rooms)]
    heapify(free)
    shares: Shares = {}

    def lay(items: Iterable[int], keep: int) -> None:
        for item in items:
            room, bin = free[0]
            if -room - sizes[item] < keep:
                break
            heapreplace(free, (room + sizes[item], bin))
            shares[item, bin] = sizes[item]

    large = [item for item, size in enumerate(sizes) if size > usual]
    lay(sorted((item for item in large if sizes[item] <= max(rooms)), key=lambda item: -sizes[item]), 0)
    laid = {item for item, _ in shares}
    keep = max(ROOM, TIMES * max([usual, *(sizes[item] for item in large if item not in laid)]))
    counts, seen, order = Counter(sizes), Counter[int](), list[tuple[float, int]]()
    for item, size in enumerate(sizes):
        seen[size] += 1
        order.append((seen[size] / counts[size], item))
    lay((item for _, item in sorted(order) if item not in laid), keep)
    return shares


def _cut(rooms: Sequence[int], sizes: Sequence[int], limits: Limits) -> Shares | None:
    """Return what every item has in every bin, in as few parts as the linear program leads to."""
    asked = Counter(sizes)
    try:
        states = states_of([(room,) for room in set(rooms) if room], max(asked, default=1))
    except TooManyStepsError:
        return None
    stock = Stock.of((tuple(states.index[room,] for room in rooms if room),), states, 1, 0)
    priced, program = grown(stock, asked, limits, ROUNDS)
    best: Shares | None = None
    for less, more in TRIES:
        found = _shared(program, less, more, rooms, sizes, limits)
        best = found if best is None or (found is not None and len(found) < len(best)) else best
        if limits.over or (best is not None and len(best) <= priced.bound):
            break
    return best


def _shared(
    program: Program, less: int, more: int, rooms: Sequence[int], sizes: Sequence[int], limits: Limits
) -> Shares | None:
    """Return shares: fillings and cuts as a linear program takes them, but so much ``less``, and others beside them.

    Parts cut that nobody hosts are items again, and room for parts that nobody cuts is that of bins again.
    """
    bins, items = _lots(enumerate(rooms)), _lots(enumerate(sizes))
    slots, parts = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    rows = {row: (bins[sum(program.stock.states.names[at])], slots) for at, row in program.state_row.items()}
    rows |= {row: (items[size], parts) for size, row in program.size_row.items()}
    known = set[int]()
    for row, times, taken in program.taken(limits, less):
        lot, cut = rows[row]
        known.update(taken)
        for _ in range(min(times, len(lot))):
            number = lot.pop()
            for part in taken:
                cut[part].append(number)
    shares: Shares = defaultdict(int)
    _match(parts, slots, shares)
    for lots, others in ((bins, slots), (items, parts)):
        for size, numbers in others.items():
            lots[size] += numbers
    rest = _decided(_counted(bins), _counted(items), known, more, limits)
    if rest is None:
        return None
    fillings, cuts = rest
    _match(_laid(cuts, items), _laid(fillings, bins), shares)
    return shares


def _lots(pairs: Iterable[tuple[int, int]]) -> Lots:
    lots: Lots = defaultdict(list)
    for number, left in pairs:
        lots[left].append(number)
    return lots


def _counted(lots: Lots) -> Counter[int]:
    return +Counter({size: len(numbers) for size, numbers in lots.items()})


def _match(parts: Lots, slots: Lots, shares: Shares) -> None:
    """Give parts of items to bins that host parts of their size, as far as there are both."""
    for size, numbers in parts.items():
        while numbers and slots.get(size):
            shares[numbers.pop(), slots[size].pop()] += size


def _laid(walks: Iterable[tuple[int, list[int]]], lots: Lots) -> Lots:
    """Return whose parts they are into which lots of some sizes are taken apart."""
    return _lots((number, part) for size, parts in walks for number in [lots[size].pop()] for part in parts)


Walks = list[tuple[int, list[int]]]
"""Sizes taken apart, each with its parts."""


def _decided(
    bins: Counter[int], items: Counter[int], known: Iterable[int], more: int, limits: Limits
) -> tuple[Walks, Walks] | None:
    """Return how bins are filled and items cut, into as few parts as are found; None where it is too large.

    Bins may keep room, and host parts that nobody cuts. Where parts of all sizes are too many, only ``known`` ones and
    whole items are.
    """
    if not items:
        return [], []
    largest = max(bins, default=0), max(items)
    lengths: Sequence[int] = range(1, min(largest) + 1)
    if _arcs(largest, lengths) > (FEW_ARCS if more < MANY else MAX_ARCS):
        lengths = sorted({part for part in (*known, *items) if part <= min(largest)})
    if _arcs(largest, lengths) > MAX_ARCS:
        return None
    model = Model()
    takes, gives = _Apart(model, bins, lengths), _Apart(model, items, lengths, 1, more)
    for part in lengths:
        model.row([*takes.of(part, 1), *gives.of(part, -1)], 0, None)
    answer = solve_scip(model, limits, nodes=MAX_NODES, eager=True)
    return None if answer.values is None else (takes.walks(answer.values), gives.walks(answer.values))


def _arcs(largest: Iterable[int], lengths: Iterable[int]) -> int:
    """Return how many arcs there are at most, with parts of some lengths."""
    return sum(max(0, size - part + 1) for size in largest for part in lengths)


class _Apart:
    """An arc flow that takes bins, or items, apart: a part off what is left, again and again."""

    def __init__(self, model: Model, lots: Counter[int], lengths: Sequence[int], cost: int = 0, more: int = 0) -> None:
        """Add the flow to a model. A part of one of the lengths costs so much; what costs nothing may be left.

        What costs something and is larger than all lengths is cut into ``more`` parts than it needs at most.
        """
        self._lots = lots
        self._arcs: dict[tuple[int, int], int] = {}
        self._of: dict[int, list[int]] = defaultdict(list)
        arriving: dict[int, Terms] = defaultdict(list)
        many = sum(size * count for size, count in lots.items())
        for left in range(max(lots, default=0), 0, -1):
            if not lots[left] and left not in arriving:
                continue
            leaving: Terms = []
            least = -(-left // (-(-left // lengths[-1]) + more)) if cost and left > lengths[-1] else 1
            for part in lengths[bisect_left(lengths, least) : bisect_right(lengths, left)]:
                column = self._arcs[left, part] = model.variable(0, many // part, cost)
                self._of[part].append(column)
                leaving.append((column, 1))
                arriving[left - part].append((column, -1))
            model.row([*leaving, *arriving[left]], lots[left] if cost else None, lots[left])

    def of(self, part: int, factor: int) -> Terms:
        """Return the terms of all parts of a length."""
        return [(column, factor) for column in self._of[part]]

    def walks(self, values: Ids) -> Walks:
        """Return how every lot is taken apart."""
        waiting: dict[int, list[list[int]]] = defaultdict(list)
        walks: Walks = [(size, []) for size, count in self._lots.items() for _ in range(count)]
        for size, parts in walks:
            waiting[size].append(parts)
        for (left, part), column in self._arcs.items():
            for _ in range(int(values[column])):
                parts = waiting[left].pop()
                parts.append(part)
                waiting[left - part].append(parts)
        return walks
