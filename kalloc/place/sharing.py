"""Which bins share items, where rooms are no multiples of what sizes are multiples of: a bound, and groups of bins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import gcd
from typing import NamedTuple

from kalloc.place.hosts import Hosts, parts_of
from kalloc.place.nests import BinAt, Nest, Walks
from kalloc.place.residues import common_divisor
from kalloc.solver import Ids, Limits, solve_scip

MAX_RESIDUES = 16
"""Residues that are told apart at most."""
MAX_PARTS = 4_000
"""Parts up to which large items are looked at."""
MAX_NODES = 50
"""Nodes of the branch-and-bound tree: a limit that is the same on every machine."""

Group = tuple[BinAt, ...]
"""Bins that share items with each other and with nobody else."""


class Asked(NamedTuple):
    """What is seen of the items."""

    divisor: int
    """What most sizes are multiples of."""
    odd: Counter[int]
    """How many there are of each size that is no multiple."""
    large: Counter[int]
    """How many there are of each size that is larger than any bin."""
    slack: int
    """Room that they leave over."""

    @classmethod
    def of(cls, nest: Nest, sizes: Mapping[int, int]) -> Asked:
        """Return what is seen of items, given how many there are of each size."""
        divisor, _ = common_divisor(sizes)
        largest = max(nest.rooms, default=0)
        return cls(
            divisor,
            Counter({size: count for size, count in sizes.items() if size % divisor}),
            Counter({size: count for size, count in sizes.items() if size > largest}),
            sum(nest.rooms) - sum(size * count for size, count in sizes.items()),
        )


class Shared(NamedTuple):
    """What items pay for bins that must share them."""

    bound: int
    """Proven: what all items pay at least beyond one region, parent and bin for each."""
    groups: tuple[Group, ...]
    """All bins; none where no groups were found, or nobody must share."""


def share(nest: Nest, asked: Asked, limits: Limits, spare: int = 0) -> Shared:
    """Return what items pay at least for bins that must share them, and groups of bins that pay little.

    With ``spare``, groups of several parents are to have so much room beyond items that are larger than any bin, and
    nothing is proven.
    """
    unit = gcd(asked.divisor, *asked.odd, *nest.rooms)
    modulus = asked.divisor // unit
    wasted = sum(room % asked.divisor for room in nest.rooms)
    if asked.slack < 0 or modulus > MAX_RESIDUES or wasted <= asked.slack:
        return Shared(0, ())
    volume, above, inside = sum(asked.large.elements()), 0, 0
    if volume and parts_of(nest) <= MAX_PARTS and 2 * volume <= sum(nest.rooms):
        walks = Walks(nest, unit, modulus, asked.odd, asked.slack, asked.large)
        hosts = Hosts(walks)
        hosts.hold(asked.large, spare)
    else:
        walks = Walks(nest, unit, modulus, asked.odd, asked.slack)
        hosts = Hosts(walks)
        apart = [share(part, asked._replace(large=Counter()), limits).bound for part in nest.apart()]
        above, inside = apart or (0, 0)
    walks.close(above, inside)
    answer = solve_scip(walks.net.model, limits, nodes=MAX_NODES)
    groups = () if answer.values is None else tuple(_groups(walks, hosts, answer.values))
    return Shared(max(0, answer.bound or 0), groups)


def _groups(walks: Walks, hosts: Hosts, values: Ids) -> Iterator[Group]:
    """Yield the bins of every walk, those of many parts last, and then the bins that are in none."""
    bins = Counter((parent, room) for parent, rooms in enumerate(walks.nest.bins) for room in rooms)
    parts = hosts.bins(values)
    bins.subtract(bin for found in parts.values() for part in found for bin in part)
    for walk in sorted(walks.net.walks(values), key=len):
        group: list[BinAt] = []
        for load in walk:
            if load in parts:
                group += parts[load].pop()
            else:
                _, parent, residue = load
                alike = [bin for bin in sorted(bins) if bin[0] == parent and walks.residue(bin[1]) == residue]
                group.append(next(bin for bin in alike if bins[bin]))
                bins[group[-1]] -= 1
        if group:
            yield tuple(group)
    for bin in sorted(bins.elements()):
        yield (bin,)
