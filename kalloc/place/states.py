"""What a domain's inside can come to: multisets of the free rooms of its children, and every way to lay a part in.

A domain that hosts parts of items is seen with the children that it is made of, a unit with its racks. All that
matters of it is how many children have how much room: its state. Laying a part of *a* into it takes some children
whole and at most one in part, since parts that share children form chains that can be laid end to end. So the states
are few (8 racks of at most 4 nodes: 495), they are shared by all domains of a nation, and the best filling of every
state, whatever the parts are worth, is one pass over all steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from math import comb
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kalloc.solver import Ids

Children = tuple[int, ...]
"""Free rooms of the children of a domain, the largest first, full ones left out."""
Gains = TypeVar("Gains", NDArray[np.float64], NDArray[np.int64])

MAX_STATES, MAX_STEPS = 3_000, 400_000
"""Where there may be more of them, they are not listed."""
MANY_CHILDREN = 128
"""Children that a step leaves on the average; where there are more, fewer steps are listed."""


class TooManyStepsError(Exception):
    """The states of some domains are too many to be listed."""


class States:
    """All states that some domains can come to when parts are laid into them, and the steps between them.

    ``source``, ``target``, ``part`` and ``pieces`` have one entry per step: it lays a part of so much room, over so
    many children, the fewest that lead from one state to the other. Steps are sorted by the room of their source;
    those of one source stand together.
    """

    def __init__(self, starts: Iterable[Children], largest_part: int) -> None:
        """List the states and steps from some starts, for parts up to a size.

        Raises:
            TooManyStepsError: when there are too many.
        """
        self.names: list[Children] = []
        self.index: dict[Children, int] = {}
        steps = self._explore(starts, largest_part)
        source, target, part, pieces = np.array(steps, dtype=np.int64).reshape(-1, 4).T
        self.total: Ids = np.array([sum(name) for name in self.names], dtype=np.int64)
        order = np.lexsort((source, self.total[source]))
        self.source, self.target = source[order], target[order]
        self.part, self.pieces = part[order], pieces[order]
        counts = np.bincount(source, minlength=len(self.names))
        self._count = counts
        self._first = np.zeros(len(self.names), dtype=np.int64)
        heads = np.flatnonzero(np.diff(self.source, prepend=-1))
        self._first[self.source[heads]] = heads

    def __len__(self) -> int:
        return len(self.names)

    def _explore(self, starts: Iterable[Children], largest: int) -> list[tuple[int, int, int, int]]:
        def number(children: Children) -> int:
            if children not in self.index:
                self.index[children] = len(self.names)
                self.names.append(children)
            return self.index[children]

        for start in starts:
            number(start)
        steps: list[tuple[int, int, int, int]] = []
        done = listed = 0
        while done < len(self.names):
            fewest: dict[Children, tuple[int, int]] = {}
            for children, part, pieces in _lay(self.names[done], largest):
                if children not in fewest or pieces < fewest[children][1]:
                    fewest[children] = part, pieces
                listed += len(children)
                if len(steps) + len(fewest) > MAX_STEPS or listed > MAX_STEPS * MANY_CHILDREN:
                    raise TooManyStepsError
            steps += ((done, number(children), part, pieces) for children, (part, pieces) in fewest.items())
            done += 1
        return steps

    def steps(self, state: int) -> slice:
        """Return where the steps from a state stand."""
        first = int(self._first[state])
        return slice(first, first + int(self._count[state]))

    @cached_property
    def room(self) -> int:
        """Room of the largest state."""
        return int(self.total.max(initial=0))

    @cached_property
    def by_part(self) -> tuple[Ids, Ids, Ids]:
        """The steps by source and part: their order, where each pair begins, and (source, part) as one number."""
        return grouped(self.source * (self.room + 1) + self.part)

    @cached_property
    def _layers(self) -> list[tuple[slice, Ids, Ids]]:
        """The steps by the room of their source: where they stand, where each source begins, and the sources."""
        room = self.total[self.source]
        cuts = np.flatnonzero(np.diff(room)) + 1
        layers = []
        for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(room)], strict=True):
            sources = self.source[first:last]
            heads = np.flatnonzero(np.diff(sources, prepend=-1))
            layers.append((slice(first, last), heads, sources[heads]))
        return layers if len(room) else []

    def best(self, gain: Gains) -> Gains:
        """Return the most that the parts laid into every state can gain, given the gain of every step."""
        values = np.zeros(len(self.names), dtype=gain.dtype)
        for where, heads, sources in self._layers:
            found = gain[where] + values[self.target[where]]
            values[sources] = np.maximum(np.maximum.reduceat(found, heads), 0)
        return values

    def walk(self, state: int, gain: Gains, values: Gains) -> Iterator[int]:
        """Yield the steps of a best filling of a state."""
        while values[state] > 0:
            here = self.steps(state)
            found = gain[here] + values[self.target[here]]
            step = here.start + int(found.argmax())
            if found[step - here.start] <= 0:
                return
            yield step
            state = int(self.target[step])

    def drawn(self, step: int) -> tuple[list[int], int]:
        """Return the rooms of the children that a step draws on, and what it leaves of the last of them."""
        before = Counter(self.names[int(self.source[step])])
        after = Counter(self.names[int(self.target[step])])
        rest = sum((after - before).elements())
        return sorted((before - after).elements(), reverse=True), rest


@lru_cache(maxsize=16)
def _states(children: int, room: int, largest_part: int) -> States:
    return States([(room,) * children], largest_part)


def states_of(starts: Collection[Children], largest_part: int) -> States:
    """Return states that have some starts among them, the same again for starts of about the same rooms.

    Raises:
        TooManyStepsError: when there are too many.
    """
    children, room = max(map(len, starts)), max(max(start) for start in starts)
    if comb(children + room, children) > MAX_STATES:
        raise TooManyStepsError
    largest = -(-max(map(sum, starts)) // room) * room
    return _states(children, room, min(largest_part, largest))


def grouped(keys: Ids) -> tuple[Ids, Ids, Ids]:
    """Return the order that sorts some keys, where each of them begins in it, and the keys."""
    order = np.argsort(keys, kind="stable")
    heads = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return order, heads, keys[order][heads]


def _lay(children: Children, largest: int) -> Iterator[tuple[Children, int, int]]:
    """Yield what is left of some children, for every part that is laid into them, with its size and its pieces."""
    counts = Counter(children)
    for taken, whole in _wholly([room for room in sorted(counts, reverse=True) if room <= largest], counts, largest):
        left = {**counts, **{room: counts[room] - times for room, times in taken.items()}}
        pieces = sum(taken.values())
        if pieces:
            yield _spread(left), whole, pieces
        for room, times in left.items():
            for rest in range(max(1, whole + room - largest), room) if times else ():
                after = {**left, room: times - 1, rest: left.get(rest, 0) + 1}
                yield _spread(after), whole + room - rest, pieces + 1


def _wholly(rooms: list[int], counts: Mapping[int, int], largest: int) -> Iterator[tuple[dict[int, int], int]]:
    """Yield every way to take children whole, how many of each room, that comes to no more than the largest part."""
    if not rooms:
        yield {}, 0
        return
    room = rooms[0]
    for times in range(min(counts[room], largest // room) + 1):
        for taken, whole in _wholly(rooms[1:], counts, largest - times * room):
            yield {room: times, **taken}, times * room + whole


def _spread(counts: dict[int, int]) -> Children:
    return tuple(room for room in sorted(counts, reverse=True) for _ in range(counts[room]))
