"""The best filling of every bin, given what whole items are worth: alone, or beside one or two parts of cut items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kalloc.place.states import States, grouped
from kalloc.solver import Ids

Floats = NDArray[np.float64]
NEVER = -1e15
"""Worth of what cannot be."""


class Laid(NamedTuple):
    """A part in a bin: the size of the item where it lies whole, 0 for a part of a cut item; and the step of it."""

    size: int
    step: int


@dataclass(frozen=True)
class Stock:
    """The bins of some parents: the domains that items are to lie in whole, seen with their children.

    Entering a bin costs an item ``bin_cost``, and each child in it ``piece_cost``.
    """

    states: States
    parents: tuple[tuple[int, ...], ...]
    """States of the bins of every parent."""
    bin_cost: int
    piece_cost: int
    regions: tuple[int, ...]
    """Region of every parent."""
    groups: tuple[int, ...]
    """Group of every parent: items may be cut between parents of one group."""
    parent_cost: int
    region_cost: int
    """What an item pays for every parent, and every region, beyond the first."""
    shared: bool
    """Whether parents of a group must share items for all to be seated."""

    @classmethod
    def of(cls, parents: tuple[tuple[int, ...], ...], states: States, bin_cost: int, piece_cost: int) -> Stock:
        """Return the stock of bins whose parents cost nothing and share no items."""
        apart = tuple(range(len(parents)))
        return cls(states, parents, bin_cost, piece_cost, apart, apart, 0, 0, False)

    def only(self, parents: Sequence[Sequence[int]]) -> Stock:
        """Return the stock with other bins in its parents."""
        return replace(self, parents=tuple(map(tuple, parents)))

    @cached_property
    def used(self) -> list[int]:
        """The states that some bin is in."""
        return sorted({state for bins in self.parents for state in bins})

    @property
    def room(self) -> int:
        """Room of the largest state."""
        return self.states.room

    @cached_property
    def lay_cost(self) -> Ids:
        """What every step costs."""
        return self.bin_cost + self.piece_cost * self.states.pieces

    @cached_property
    def grid(self) -> Ids:
        """Positions in ``used`` of the bins of every parent, ``len(used)`` where there is none: (parents, bins)."""
        position = {state: number for number, state in enumerate(self.used)}
        grid = np.full((len(self.parents), max(map(len, self.parents), default=0)), len(self.used))
        for row, bins in zip(grid, self.parents, strict=True):
            row[: len(bins)] = [position[state] for state in bins]
        return grid

    def best_step(self, state: int, part: int, after: Floats | Ids, scale: int = 1) -> int:
        """Return the step that lays a part into a state at most value, given that of every state after it.

        ``scale`` is what a unit of cost counts in these values.
        """
        here = self.states.steps(state)
        steps = np.flatnonzero(self.states.part[here] == part) + here.start
        return int(steps[(after[self.states.target[steps]] - scale * self.lay_cost[steps]).argmax()])

    @cached_property
    def used_by_part(self) -> tuple[Ids, Ids, Ids]:
        """Steps that leave a state in use, as ``States.by_part`` has all, by its position in ``used``."""
        position = np.full(len(self.states), -1)
        position[self.used] = np.arange(len(self.used))
        steps = np.flatnonzero(position[self.states.source] >= 0)
        order, heads, keys = grouped(position[self.states.source[steps]] * (self.room + 1) + self.states.part[steps])
        return steps[order], heads, keys


@dataclass(frozen=True)
class Fillings:
    """The best fillings of all bins, given the worth of an item of every size."""

    stock: Stock
    sizes: Ids
    worth: Floats
    gain: Floats = field(init=False)
    """Of every step, when it lays a whole item."""
    values: Floats = field(init=False)
    """Of the best filling of every state with whole items."""
    _known: dict[int, list[Laid]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        states = self.stock.states
        by_part = np.full(max(self.stock.room, int(self.sizes.max(initial=0))) + 1, NEVER)
        by_part[self.sizes] = self.worth
        gain = by_part[states.part] - self.stock.lay_cost
        object.__setattr__(self, "gain", gain)
        object.__setattr__(self, "values", states.best(gain))

    @cached_property
    def beside_one(self) -> Floats:
        """Best value of every state in which a part of every size is laid first, shape (states, room + 1)."""
        states, (order, heads, keys) = self.stock.states, self.stock.states.by_part
        table = np.full((len(states), self.stock.room + 1), NEVER)
        found = (self.values[states.target] - self.stock.lay_cost)[order]
        table.ravel()[keys] = np.maximum.reduceat(found, heads)
        return table

    @cached_property
    def beside_two(self) -> Floats:
        """Best value of every state in use in which two parts are laid first, shape (used, room + 1, room + 1)."""
        states, (order, heads, keys) = self.stock.states, self.stock.used_by_part
        width = self.stock.room + 1
        table = np.full((len(self.stock.used), width, width), NEVER)
        found = self.beside_one[states.target[order]] - self.stock.lay_cost[order, None]
        table.reshape(-1, width)[keys] = np.maximum.reduceat(found, heads, axis=0)
        return table

    def fill(self, state: int, *parts: int) -> list[Laid]:
        """Return the best filling of a state, the given parts of cut items first."""
        laid = []
        for number, part in enumerate(parts):
            later = parts[number + 1 :]
            step = self.stock.best_step(state, part, self.beside_one[:, later[0]] if later else self.values)
            laid.append(Laid(0, step))
            state = int(self.stock.states.target[step])
        return laid + self._whole(state)

    def _whole(self, state: int) -> list[Laid]:
        """Return the best filling of a state with whole items; most states are met again and again."""
        if state not in self._known:
            states = self.stock.states
            steps = states.walk(state, self.gain, self.values)
            self._known[state] = [Laid(int(states.part[step]), step) for step in steps]
        return self._known[state]
