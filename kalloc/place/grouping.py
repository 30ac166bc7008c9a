"""Groups of bins to pack items in: all at once where parents are few, else in blocks of parents that share items."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kalloc.place.nests import Nest
from kalloc.place.sharing import Asked, Group, share
from kalloc.solver import Limits

MOST_PARENTS = 10
"""Parents that are looked at together."""
BLOCK = 6
"""Parents of a block, a few more where they must share items."""


def grouped_bins(nest: Nest, asked: Asked, limits: Limits) -> tuple[Group, ...]:
    """Return all bins in groups that share no items with others and cost little; none where none are found."""
    if asked.slack < 0:
        return ()
    if len(nest.bins) <= MOST_PARENTS:
        return _hosting(nest, asked, limits)
    found: list[Group] = []
    for parents, part in _blocks(nest, asked, limits):
        block = Nest(tuple(nest.bins[p] for p in parents), tuple(nest.regions[p] for p in parents), *nest[2:])
        groups = _hosting(block, part, limits)
        if not groups:
            return ()
        found += [tuple((parents[parent], room) for parent, room in group) for group in groups]
    return tuple(found)


def _hosting(nest: Nest, asked: Asked, limits: Limits) -> tuple[Group, ...]:
    """Return groups with room for all large items: with ever more to spare, since groups are only counted at first."""
    largest = max(nest.rooms)
    if sum(room % asked.divisor for room in nest.rooms) <= asked.slack and not asked.large:
        return tuple(((parent, room),) for parent, bins in enumerate(nest.bins) for room in bins)
    for spare in (0, largest + asked.divisor, 2 * largest) if asked.large else (0,):
        groups = share(nest, asked, limits, spare).groups
        if groups and hosted(groups, asked):
            return groups
    return ()


def hosted(groups: Iterable[Group], asked: Asked) -> bool:
    """Tell whether groups have room for large items."""
    rooms = {number: sum(room for _, room in group) for number, group in enumerate(groups)}
    large = list(asked.large.elements())
    return len(list(hosts_of(rooms, large, asked.divisor))) == len(large)


def hosts_of(rooms: Mapping[int, int], sizes: Iterable[int], divisor: int) -> Iterator[tuple[int, int]]:
    """Yield groups of some rooms with the size of an item that each hosts, the one where least is left.

    Those that are no multiples of the divisor come first, where they fill up to one; who finds no group is left out.
    """
    free = sorted((room, group) for group, room in rooms.items())
    for size in sorted(sizes, key=lambda size: (size % divisor > 0, size), reverse=True):
        of = divisor if size % divisor else 1
        fits = ((room, group) for room, group in free if room >= size and (room - size) % of == 0)
        if (found := next(fits, None)) is not None:
            room, group = found
            free.remove(found)
            insort(free, (room - size, group))
            yield group, size


def _blocks(nest: Nest, asked: Asked, limits: Limits) -> Iterable[tuple[Sequence[int], Asked]]:
    """Return blocks of parents with what is asked of each; none where odd items and slack cannot be shared out."""
    parents = _gathered(nest, asked, limits)
    rooms = [sum(sum(nest.bins[parent]) for parent in block) for block in parents]
    odd = [Counter[int]() for _ in parents]
    large = [Counter[int]() for _ in parents]
    slack = [room % asked.divisor for room in rooms]
    for size in sorted(asked.odd.elements(), reverse=True):
        block = max(range(len(parents)), key=lambda block: (slack[block] == size % asked.divisor, slack[block]))
        odd[block][size] += 1
        slack[block] = (slack[block] - size) % asked.divisor
    if sum(slack) > asked.slack:
        return []
    left = list(rooms)
    for size in sorted(asked.large.elements(), reverse=True):
        block = max(range(len(parents)), key=lambda block: (odd[block][size] > large[block][size], left[block]))
        large[block][size] += 1
        left[block] -= 4 * size
    parts = (Asked(asked.divisor, *of) for of in zip(odd, large, slack, strict=True))
    return list(zip(parents, parts, strict=True))


def _gathered(nest: Nest, asked: Asked, limits: Limits) -> list[list[int]]:
    """Return the parents in blocks: those that must share items together, of one region where possible."""
    by_region: dict[int, list[int]] = {}
    for parent, region in enumerate(nest.regions):
        by_region.setdefault(region, []).append(parent)
    top = next(nest.apart())
    free = {
        (at, room): [parent for parent in parents if sum(nest.bins[parent]) == room]
        for at, parents in enumerate(by_region.values())
        for room in top.bins[at]
    }
    groups = share(top, asked._replace(large=Counter()), limits).groups
    groups = groups or tuple(((at, room),) for at, rooms in enumerate(top.bins) for room in rooms)
    found = [[free[of].pop() for of in group] for group in groups]
    found.sort(key=lambda parents: (nest.regions[parents[0]], len({nest.regions[p] for p in parents})))
    blocks: list[list[int]] = []
    for parents in found:
        if blocks and len(blocks[-1]) + len(parents) <= BLOCK:
            blocks[-1] += parents
        else:
            blocks.append(list(parents))
    return blocks
