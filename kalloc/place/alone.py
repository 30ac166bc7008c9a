"""What a project pays at least for several levels together, if it were alone: one domain of a coarse level, or several.

Each level's need takes the largest domains wherever they are. Whoever sits in one fabric must do with the units of that
fabric, and whoever does not pays for another: the cheaper of the two is a bound, too, for any form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from kalloc.instance import Instance
from kalloc.instance.policy import FREE, Form
from kalloc.place.forms import offers, untouched
from kalloc.place.items import Item, Shape
from kalloc.place.rooms import Rooms, Zones
from kalloc.solver import Ids

NEVER = 2**40
"""Pays who has no seats at all."""
Preferred = Mapping[str, Sequence[int]]
"""What a project pays for a domain of each level on top of its weight."""


def preferred(instance: Instance) -> Preferred:
    """Return what projects with the shape `prefer` pay on top of the weights, per level."""
    found: dict[str, list[int]] = {}
    for project, shapes in instance.policy.shapes_of.items():
        for row in shapes:
            if row.shape == "prefer":
                more = found.setdefault(project, [0] * len(instance.topology.levels))
                more[instance.policy.level(row)] += row.amount or 0
    return found


class Alone:
    """What items pay at least if they are alone; with several kinds, or beside what they keep, what they need."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._offers: dict[tuple[Zones, Form | None], list[Ids]] = {}
        self._inside: dict[tuple[Zones, Form | None, int, int], Ids] = {}
        self._least: dict[object, int] = {}

    def costs(
        self, items: Iterable[Item], needs: Mapping[str, Sequence[int]], levels: Sequence[int], more: Preferred
    ) -> dict[str, int]:
        """Return Σ (weight + more) · spans over some levels that each project cannot do without.

        ``needs`` has the spans of each level that a project cannot do without.
        """
        weights, found = self.rooms.topology.weights, {}
        for item in items:
            need, extra = needs[item.project], more.get(item.project, [0] * len(weights))
            paid = tuple(weights[level] + extra[level] for level in levels)
            key = (item.shape, paid, tuple(levels), tuple(need))
            if key not in self._least:
                seen = item.shape.anchor is None and len(item.shape.amounts) == 1
                plain = sum(cost * need[level] for cost, level in zip(paid, levels, strict=True))
                self._least[key] = max(plain, self._cost(item.shape, paid, levels, need) if seen else 0)
            found[item.project] = self._least[key]
        return found

    def least(
        self,
        items: Iterable[Item],
        needs: Mapping[str, Sequence[int]],
        forced: Mapping[str, Sequence[int]],
        levels: Sequence[int],
        more: Preferred,
    ) -> tuple[dict[str, int], set[str]]:
        """Return what each project's share of Σ weight · need and of the score is at least, and who stands apart.

        ``needs`` has the need of every project by level, ``forced`` what it cannot do without. Apart stand those that
        keep GPUs, or whose form or preference makes it more than its need comes to.
        """
        weights = self.rooms.topology.weights

        def weighed(counts: Mapping[str, Sequence[int]]) -> dict[str, int]:
            return {name: sum(weights[level] * count[level] for level in levels) for name, count in counts.items()}

        plain, found, apart = weighed(needs), weighed(forced), set(self.rooms.stays)
        items = list(items)
        for item, cost in zip(items, self.costs(items, forced, levels, more).values(), strict=True):
            name, extra = item.project, more.get(item.project)
            beyond = sum(extra[level] * needs[name][level] for level in levels) if extra else 0
            found[name] = max(found[name], cost - beyond)
            if found[name] > plain[name] and (extra or item.shape.form is not None):
                apart.add(name)
        return found, apart

    def _cost(self, shape: Shape, paid: Sequence[int], levels: Sequence[int], need: Sequence[int]) -> int:
        """Return the most of what the levels but the last say: in one domain of the level, or in several."""
        best = 0
        for at, level in enumerate(levels[:-1]):
            if need[levels[at + 1]] == 1 or need[level] > 1:
                continue
            one = self._in_one(shape, shape.gpus, paid, levels, level)
            required = shape.level is not None and shape.level >= level
            several = sum(
                cost * (need[below] if below < level else max(2, need[below]))
                for cost, below in zip(paid, levels, strict=True)
            )
            cheaper = several if one == NEVER else one if required else min(one, several)
            best = max(best, cheaper)
        if shape.form is not None:
            best = max([best, *self._spread(shape, shape.form, paid, levels, need)])
        return best

    def _spread(
        self, shape: Shape, form: Form, paid: Sequence[int], levels: Sequence[int], need: Sequence[int]
    ) -> Iterator[int]:
        """Yield, per level at which a domain holds so much of it and no more, what the cheapest parts come to."""
        for at, level in enumerate(levels):
            most = min(form.most[level], shape.gpus)
            if form.most[level] < FREE and most > 0:
                sizes = range(1, most + 1)
                parts = np.array([self._in_one(shape, part, paid[at:], levels[at:], level) for part in sizes])
                total = np.zeros(shape.gpus + 1, dtype=np.int64)
                for gpus in range(1, shape.gpus + 1):
                    fitting = parts[: min(gpus, most)]
                    total[gpus] = (fitting + total[gpus - len(fitting) : gpus][::-1]).min()
                yield int(total[-1]) + sum(paid[above] * need[levels[above]] for above in range(at))

    def _in_one(self, shape: Shape, gpus: int, paid: Sequence[int], levels: Sequence[int], level: int) -> int:
        """Return what GPUs pay at least within one domain of a level; NEVER where none holds them."""
        [zones] = shape.zones
        homes = np.flatnonzero(self._offer(zones, shape.form)[level] >= gpus)
        if len(homes) == 0:
            return NEVER
        total = np.zeros(len(homes), dtype=np.int64)
        for cost, other in zip(paid, levels, strict=True):
            if other <= level:
                total += cost
            else:
                total += cost * ((self._sums(zones, shape.form, level, other)[homes] < gpus).sum(axis=1) + 1)
        return int(total.min())

    def _offer(self, zones: Zones, form: Form | None) -> list[Ids]:
        """Return, per level, the most GPUs that each domain can hold of a project of some form."""
        if (zones, form) not in self._offers:
            topology, room = self.rooms.topology, self.rooms.open(zones)
            if form is not None:
                room = np.where(untouched(topology, form, self.rooms.occupied), room, 0)
                self._offers[zones, form] = offers(topology, room, form)
            else:
                sums = (np.bincount(domain, weights=room) for domain in topology.domain)
                self._offers[zones, form] = [found.astype(np.int64) for found in sums]
        return self._offers[zones, form]

    def _sums(self, zones: Zones, form: Form | None, coarse: int, fine: int) -> Ids:
        """Return, per domain of a coarse level, what its largest domain of a fine level offers, its two largest …"""
        key = (zones, form, coarse, fine)
        if key not in self._inside:
            offer = self._offer(zones, form)
            parent = self.rooms.above(fine, coarse)
            order = np.lexsort((-offer[fine], parent))
            order = order[offer[fine][order] > 0]
            count = np.bincount(parent[order], minlength=len(offer[coarse]))
            rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
            table = np.zeros((len(count), int(count.max(initial=1))), dtype=np.int64)
            table[parent[order], rank] = offer[fine][order]
            self._inside[key] = table.cumsum(axis=1)
        return self._inside[key]
