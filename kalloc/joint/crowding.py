"""Projects of which single domains hold fewer than must be served: counts that hold at any size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation
from kalloc.allocate.rules import content
from kalloc.instance.policy import FREE, Form
from kalloc.place.forms import fewest, offers, untouched
from kalloc.place.rooms import Zones
from kalloc.solver import Ids

RULES = (("segment",), ("whole",), ("spread",), ("segment", "whole", "spread"))
"""Rules of which what the domains hold is counted, each by itself first."""


@dataclass(frozen=True)
class Needy:
    """A class whose projects must be served, all on nodes of some zones."""

    members: ProjectClass
    size: int
    """The fewest GPUs that a project has."""
    zones: Zones


def crowded(allocation: Allocation) -> list[str]:
    """Return what excludes itself since domains hold too few of the projects that must be served; or nothing.

    Counted for every set of nodes that serves some of them. A domain of so much room holds at most room // size
    projects that need at least a size in one domain. Projects whose GPUs must lie in segments, in whole nodes or spread
    have at most what the domains hold of such segments and nodes, and of each no more than the spread. Projects that
    share no domain need as many domains as each would alone, all together.
    """
    for zones, needy in _sharing(allocation):
        for count in (_in_one_domain, _in_form, _apart):
            if found := count(allocation, zones, needy):
                return found
    return []


def _sharing(allocation: Allocation) -> Iterator[tuple[Zones, list[Needy]]]:
    """Yield sets of zones with the classes that must be served there."""
    found: list[Needy] = []
    for members in allocation.classes:
        must = members.mandatory and not content(allocation.instance, members)
        if must and members.offers and not members.kept:
            zones = (allocation.rooms.zones_for(members.pool, offer.kind) for offer in members.offers)
            found.append(Needy(members, min(offer.first for offer in members.offers), frozenset().union(*zones)))
    sets = [one.zones for one in found]
    for together in dict.fromkeys([*sets, frozenset().union(*sets)]):
        yield together, [one for one in found if one.zones <= together]


def _in_one_domain(allocation: Allocation, zones: Zones, needy: Sequence[Needy]) -> list[str]:
    """Count projects that must sit in one domain."""
    topology, room = allocation.instance.topology, allocation.rooms.relaxed.open(zones)
    for level in sorted({one.members.level for one in needy if one.members.level is not None}):
        free = np.bincount(topology.domain[level], weights=room).astype(np.int64)
        there = [one for one in needy if one.members.level == level]
        for size in sorted({one.size for one in there}):
            most = int((free // size).sum())
            needing = [one for one in there if one.size >= size]
            if sum(one.members.size for one in needing) > most:
                name = topology.levels[level]
                hold = f"room: the free GPUs of single domains of level {name} hold {most} times {size} GPUs, not more"
                return [*_level_sentences(name, most, needing), hold]
    return []


def _level_sentences(name: str, most: int, needing: Sequence[Needy]) -> Iterator[str]:
    """Yield just so many projects as are too many, those that need least first."""
    left = most + 1
    for one in sorted(needing, key=lambda one: one.size):
        count = min(left, one.members.size)
        left -= count
        if count:
            yield f"mandatory: {_who(one, count)} must be served, with {one.size} GPUs or more"
            yield f"level: {_who(one, count)} must sit in one {name}{' each' if count > 1 else ''}"


def _in_form(allocation: Allocation, zones: Zones, needy: Sequence[Needy]) -> list[str]:
    """Count projects whose GPUs must lie in segments, whole nodes, or spread."""
    topology, room = allocation.instance.topology, allocation.rooms.relaxed.open(zones)
    for rules in RULES:
        groups: dict[tuple[tuple[int, ...], bool], list[tuple[Needy, Form]]] = defaultdict(list)
        for one in needy:
            form = _form(allocation, one, rules)
            if max(form.multiple) > 1 or min(form.most) < FREE or form.whole:
                groups[form.multiple, form.whole].append((one, form))
        for formed in groups.values():
            wide = replace(formed[0][1], most=(FREE,) * len(topology.levels))
            for level, held in enumerate(offers(topology, room, wide)):

                def holds(chosen: Counter[int], held: Ids = held, level: int = level, of: _Formed = formed) -> int:
                    spread = min(FREE, sum(count * of[at][1].most[level] for at, count in chosen.items()))
                    return int(np.minimum(held, spread).sum())

                sizes = [one.size for one, _ in formed]
                chosen = _too_many(sizes, [one.members.size for one, _ in formed], holds)
                if chosen:
                    said = [(formed[at][0], count, count) for at, count in sorted(chosen.items())]
                    name, most = topology.levels[level], holds(chosen)
                    hold = f"room: the domains of level {name} hold {most} GPUs of such projects, not more"
                    return [*_form_sentences(allocation, said, rules), hold]
    return []


_Formed = Sequence[tuple[Needy, Form]]


def _apart(allocation: Allocation, zones: Zones, needy: Sequence[Needy]) -> list[str]:
    """Count projects that share no domain with others, beside the domains that all others need."""
    topology, rooms = allocation.instance.topology, allocation.rooms.relaxed
    for level, name in enumerate(topology.levels):
        alone = [_spans(allocation, one, level) for one in needy]
        if not any(alone):
            continue
        free = np.bincount(topology.domain[level], weights=rooms.open(zones)).astype(np.int64)
        held = np.cumsum(np.sort(free[free > 0])[::-1])
        over = partial(_over, needy, alone, held)
        chosen = _too_many_apart(needy, alone, over)
        if chosen is not None:
            together = chosen[0] + chosen[1]
            said = [(needy[at], count, chosen[0][at]) for at, count in sorted(together.items())]
            hold = f"room: {len(held)} domains of level {name} have room for them, not more"
            return [*_form_sentences(allocation, said, ("exclusive",), level), hold]
    return []


def _over(needy: Sequence[Needy], spans: Sequence[int], held: Ids, apart: Counter[int], beside: Counter[int]) -> bool:
    """Tell whether those who sit apart and the others take more domains than there are."""
    others = sum(needy[at].size * count for at, count in beside.items())
    taken = int(np.searchsorted(held, others)) + 1 if others else 0
    return sum(spans[at] * count for at, count in apart.items()) + taken > len(held)


def _spans(allocation: Allocation, one: Needy, level: int) -> int:
    """Return the fewest domains of a level that a project has to itself; 0 where it shares them."""
    form = _form(allocation, one, ("exclusive",))
    if level not in form.exclusive:
        return 0
    topology, rooms = allocation.instance.topology, allocation.rooms.relaxed
    open_to = untouched(topology, replace(form, exclusive=(level,)), rooms.occupied)
    offer = np.bincount(topology.domain[level], weights=np.where(open_to, rooms.open(one.zones), 0)).astype(np.int64)
    return fewest([offer], one.size)[0] if offer.sum() >= one.size else 1


def _too_many_apart(
    needy: Sequence[Needy], spans: Sequence[int], over: Callable[[Counter[int], Counter[int]], bool]
) -> tuple[Counter[int], Counter[int]] | None:
    """Return how many of each class are too many together, those who sit apart and others; nothing where all fit.

    None of them can be missed, and none of those who sit apart may share.
    """
    apart = Counter({at: one.members.size for at, one in enumerate(needy) if spans[at]})
    beside = Counter({at: one.members.size for at, one in enumerate(needy) if not spans[at]})
    if not over(apart, beside):
        return None
    for at in [*beside]:
        fewer = (over(apart, Counter({**beside, at: count})) for count in range(beside[at]))
        beside[at] = next((count for count, too_many in enumerate(fewer) if too_many), beside[at])
    for at in [*apart]:
        fewer = (over(Counter({**apart, at: count}), beside) for count in range(apart[at]))
        apart[at] = next((count for count, too_many in enumerate(fewer) if too_many), apart[at])
    for at in [*apart]:
        while apart[at] and over(apart - Counter([at]), beside + Counter([at])):
            apart[at] -= 1
            beside[at] += 1
    return apart, beside


def _too_many(sizes: Sequence[int], counts: Sequence[int], holds: Callable[[Counter[int]], int]) -> Counter[int]:
    """Return how many of each class are too many together, none of them to be missed; nothing where all are held."""

    def over(chosen: Mapping[int, int]) -> bool:
        return sum(sizes[at] * count for at, count in chosen.items()) > holds(Counter(chosen))

    chosen = Counter(dict(enumerate(counts)))
    if not chosen or not over(chosen):
        return Counter()
    for at in sorted(chosen, key=lambda at: sizes[at]):
        low, high = 0, chosen[at]
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if over({**chosen, at: middle}) else (middle + 1, high)
        chosen[at] = low
    return +chosen


def _form(allocation: Allocation, one: Needy, rules: Sequence[str]) -> Form:
    """Return what some rules demand of the GPUs of a class."""
    instance, project = allocation.instance, one.members.members[0]
    nodes = [instance.node_gpus[offer.kind] for offer in one.members.offers]
    return instance.policy.form(project, int(np.gcd.reduce(nodes)), rules)


def _form_sentences(
    allocation: Allocation, said: Iterable[tuple[Needy, int, int]], rules: Sequence[str], only: int | None = None
) -> Iterator[str]:
    """Yield what so many projects of some classes ask, and so many of them in their shape."""
    policy = allocation.instance.policy
    for one, count, in_shape in said:
        yield f"mandatory: {_who(one, count)} must be served, with {one.size} GPUs or more"
        for row in policy.shapes_of.get(one.members.members[0], ()):
            if in_shape and row.shape in rules and only in (None, policy.level(row)):
                level = row.level or "node"
                demand = {
                    "segment": f"must have a multiple of {row.amount} GPUs in each {level}",
                    "spread": f"may have {row.amount} GPUs in one {level} at most",
                    "whole": "must have whole nodes",
                    "exclusive": f"must have each {level} to itself",
                }[row.shape]
                yield f"{row.shape}: {_who(one, in_shape)} {demand}"


def _who(one: Needy, count: int) -> str:
    first = f"{one.members.members[0]!r}"
    return f"project {first}" if count == 1 else f"{count} projects alike {first}"
