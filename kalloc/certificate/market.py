"""Prices of parts: what projects pay for the parts that they are cut into, and what domains gain that host them.

Let every part of *a* that a project has in a domain cost it a price, paid to the domain. Over all projects and domains
that cancels, so whatever the prices are, no placement costs less than what projects pay at least, each cut as it likes
best, less what domains gain at most, each filled as it likes best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from math import comb
from operator import add
from typing import Any

from kalloc.certificate.case import Bundle, Case, Children, refuse_unless

MOST_ROOM, MOST_STATES = 300, 5_000
"""Grains of the largest domain that is looked at, and ways in which its children can be filled."""


class Market:
    """One level, or a level and a finer one, with the nodes of one kind and some owners, counted in grains."""

    def __init__(self, case: Case, levels: Sequence[str], entry: Mapping[str, Any], costs: Sequence[int]) -> None:
        """``costs`` are of a span of each level; prices are in units of 1 / denominator."""
        self.case, self.costs = case, tuple(costs)
        self.run = tuple(case.levels.index(level) for level in levels)
        self.kind: str = entry["kind"]
        self.owners = frozenset[str](entry["owners"])
        self.grain: int = entry["grain"]
        self.denominator: int = entry["denominator"]
        self.price: list[int] = [0, *entry["prices"]]
        numbers = [self.grain, self.denominator, *self.price]
        refuse_unless(all(type(x) is int and x >= 0 for x in numbers), "grain, denominator, prices are whole numbers")
        refuse_unless(self.grain > 0 and self.denominator > 0, "grain and denominator are at least 1")
        refuse_unless(len(self.run) in (1, 2) and list(self.run) == sorted(set(self.run)), "one level, or two in order")
        self.domains = case.domains(self.run, self.kind, self.owners, self.grain)
        self.largest = max((sum(children) for children in self.domains), default=0)
        states = max((comb(len(children) + children[0], len(children)) for children in {*self.domains}), default=1)
        refuse_unless(self.largest <= MOST_ROOM and states <= MOST_STATES, "domains are too large for this grain")
        self.price += [self.price[-1]] * (self.largest + 1 - len(self.price))
        self._cuts = [0]

    def worth(self, part: int) -> int:
        """Return the price of a part; beyond the last price it stays the same."""
        return self.price[min(part, len(self.price) - 1)]

    def gains(self) -> int:
        """Return what all domains gain at most."""
        return sum(self.values[children] for children in self.domains)

    @cached_property
    def values(self) -> dict[Children, int]:
        """What a domain gains at most: over all ways to lay a part in, and then the best of what is left."""
        price, cost = self.price, self.denominator * self.costs[1] if len(self.run) > 1 else 0
        states, found = fillings(frozenset(self.domains)), list[int]()
        for ways in states.values():
            found.append(max([0, *[price[part] - cost * pieces + found[left] for left, part, pieces in ways]]))
        return dict(zip(states, found, strict=True))

    def cut(self, size: int) -> int:
        """Return what a project of so many grains pays at least, cut into parts that some domain could host."""
        span, parts = self.denominator * self.costs[0], self.price[1 : self.largest + 1]
        for _ in range(len(self._cuts), size + 1):
            self._cuts.append(min(map(add, parts, reversed(self._cuts)), default=0) + span)
        return self._cuts[size]

    def touches(self, project: str, bundle: Bundle) -> bool:
        """Tell whether a project sits on these nodes with all that it gets of the market's kind, and keeps nothing."""
        hosts = self.case.hosts(self.case.pool_of[project], self.kind)
        return self.kind in bundle and hosts <= self.owners and not self.case.kept(project)

    def part(self, project: str, bundle: Bundle | Iterable[tuple[str, int]]) -> Bundle:
        """Return what the market speaks of: its kind where no kind of a project shares a domain with another, else all.

        A project spans no less than its GPUs of one kind.
        """
        bundle, pool = dict(bundle), self.case.pool_of[project]
        return {self.kind: bundle[self.kind]} if self.case.apart(pool, frozenset(bundle), self.run[0]) else bundle

    def pays(self, project: str, bundle: Bundle) -> int:
        """Return what a project that is seen pays at least; a level that must hold it whole allows one part only."""
        case, part, size = self.case, self.part(project, bundle), bundle[self.kind] // self.grain
        if size == 0:
            return self.denominator * case.spanned(project, part, self.run, self.costs)
        least = self.denominator * case.spanned(project, part, self.run[:1], self.costs[:1])
        whole = case.level(project) >= self.run[0]
        return max(least, self.denominator * self.costs[0] + self.worth(size) if whole else self.cut(size))


@lru_cache(maxsize=8)
def fillings(domains: frozenset[Children]) -> dict[Children, list[tuple[int, int, int]]]:
    """Return all that may be left of some domains, the least room first, and the ways to lay a part into each.

    A way has the position of what it leaves, how large the part is, and over how many children it lies.
    """
    found, waiting = dict[Children, list[tuple[Children, int, int]]](), [*domains]
    while waiting:
        children = waiting.pop()
        if children not in found:
            found[children] = steps(children)
            waiting += [left for left, *_ in found[children]]
    at = {children: place for place, children in enumerate(sorted(found, key=sum))}
    return {children: [(at[left], part, pieces) for left, part, pieces in found[children]] for children in at}


@lru_cache(maxsize=MOST_STATES)
def steps(children: Children) -> list[tuple[Children, int, int]]:
    """Return every way to lay a part in: what is left, how large the part is, and over how many children it lies.

    It takes children whole and at most one in part: parts that share children form chains, which can be laid end to
    end without more pieces.
    """
    found: list[tuple[Children, int, int]] = []
    count = Counter(children)
    for taken in product(*(range(times + 1) for times in count.values())):
        left = count - Counter(dict(zip(count, taken, strict=True)))
        whole, pieces = sum(children) - sum(left.elements()), sum(taken)
        if pieces:
            found.append((_children(left), whole, pieces))
        for room in left:
            after = left - Counter([room])
            found += ((_children(after + Counter([room - part])), whole + part, pieces + 1) for part in range(1, room))
    return found


def _children(rooms: Counter[int]) -> Children:
    return tuple(sorted(rooms.elements(), reverse=True))
