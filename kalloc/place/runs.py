"""Lower bounds of two to four neighbouring levels at once, and the best sum of bounds over all levels.

Each level alone is a bound, and so is each run of levels; levels that are counted once add up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kalloc.place.bounds import Component, Proven, apart_at, components_at
from kalloc.place.contests import Contest, Run, contests_of, proven_of, sizes_of
from kalloc.place.items import Item
from kalloc.place.pieces import Costs, Market, four_levels, parents_in
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.workers import Workers
from kalloc.solver import Limits

FEW = 0.1
"""Share of what a plan spans beyond the need below which three levels are not looked at."""


def runs_of(weights: Sequence[int]) -> list[Run]:
    """Return the pairs of neighbouring levels that cost something, then the coarsest four, then the threes of them."""
    costly = [level for level, weight in enumerate(weights) if weight > 0]
    four = [tuple(costly[:4])] if len(costly) > 3 else []
    pairs, threes = ([tuple(costly[at : at + count]) for at in range(len(costly) - count + 1)] for count in (2, 3))
    return [*pairs, *four, *threes]


def fewest_run(
    workers: Workers[Rooms],
    items: Sequence[Item],
    cost_of: Mapping[str, int],
    reached: Mapping[str, int],
    run: Run,
    limits: Limits,
    apart: Collection[str] = (),
    short: Mapping[Zones, int] | None = None,
    by_kind: Mapping[tuple[str, str], int] | None = None,
) -> Proven:
    """Return a proven lower bound of Σ weight · spans over a run of levels and all projects.

    ``cost_of`` has Σ weight · need over the levels of every project, ``reached`` the same of the spans in a plan, and
    ``by_kind`` of the spans of its seats of each kind, by project and kind: no more work is done than it takes to meet
    them. What the bound does not see, such as those that stand ``apart``, counts with its need; so do those who add
    little to what a plan spans beyond it, where three levels are looked at. ``short`` has the zones where a bound is
    of use, all where it is None, if it is less than so much below the plan.
    """
    rooms, found = workers.shared, Proven(sum(cost_of.values()), {})
    if limits.over or sum(reached.values()) <= found.least:
        return found
    worth = FEW * (sum(reached.values()) - found.least) if len(run) == 3 else 0
    level = run[1] if len(run) == 4 else run[0]
    looked_at: dict[Zones, tuple[Component, int]] = {}
    contests: list[Contest] = []
    for component in components_at(rooms, [item for item in items if item.project not in apart], level):
        least = sum(cost_of[seen.project] for seen in component.members)
        enough = sum(reached[seen.project] for seen in component.members)
        fall = enough if short is None else sum(of for part, of in short.items() if component.zones & part)
        found.beyond[component.zones] = 0
        if enough - least > worth and fall > 0:
            looked_at[component.zones] = component, least
            if len(run) < 4:
                contests += contests_of(rooms, component, run, cost_of, by_kind or {}, enough - fall + 1)
    if len(run) == 4:
        with ThreadPoolExecutor(workers.count) as pool:
            bounds = pool.map(lambda of: _component_four(rooms, of[0], run, cost_of, limits), looked_at.values())
            totals = Counter(dict(zip(looked_at, bounds, strict=True)))
    else:
        totals = proven_of(contests, limits, workers)
    for zones, (_, least) in looked_at.items():
        found.beyond[zones] = max(0, totals[zones] - least)
    return found


def _component_four(rooms: Rooms, component: Component, run: Run, least: Mapping[str, int], limits: Limits) -> int:
    """Return a lower bound of Σ weight · spans of a component over four levels: the best of those of one kind each.

    Those who have nothing of the kind pay their ``least``. What the others have beside it pays for what it needs, and
    for another domain of the first level only where none holds nodes of both.
    """
    costs, zones_of = Costs(*(rooms.topology.weights[level] for level in run)), component.by_kind(rooms)
    sizes = sizes_of(component)
    markets = {
        kind: Market(tuple(parents_in(rooms, rooms.open(zones_of[kind]), run)[0]), costs, sizes[kind]) for kind in sizes
    }
    best = sum(least[seen.project] for seen in component.members)
    for kind, market in markets.items():
        if market.shared_out:
            total = four_levels(market, limits)
            for seen in component.members:
                own = [shape for shape in seen.parts if shape.amounts[0][0] == kind]
                others = [shape for shape in seen.parts if shape not in own]
                total += 0 if own else least[seen.project]
                total += sum(markets[shape.amounts[0][0]].inside_region(shape.gpus) for shape in others if own)
                total += costs.region * any(
                    apart_at(rooms, run[0], [*own[0].zones, *one.zones]) for one in others if own
                )
            best = max(best, total)
    return best


def by_zones(
    items: Iterable[Item], least: Mapping[str, int], need: Mapping[str, int], bound: Proven, weight: int = 1
) -> dict[Zones, int]:
    """Return what a bound is beyond the need, weighted, by the zones of those who compete.

    ``least`` is what the bound counts every project with at least. Whoever sits on what it keeps alone has no zones.
    """
    zones_of = {item.project: frozenset[int]().union(*item.shape.zones) for item in items}
    found: dict[Zones, int] = defaultdict(int)
    for project, count in least.items():
        found[zones_of.get(project, frozenset())] += weight * (count - need[project])
    for zones, more in bound.beyond.items():
        found[zones] += weight * more
    return dict(found)


def best_sum(single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]]) -> int:
    """Return the greatest sum of bounds in which every level counts once at most, zone by zone.

    Args:
        single: bound of every level alone, beyond what is needed, by the zones of those who compete.
        runs: bounds of several levels, beyond what is needed; levels between them cost nothing.
    """
    return sum(_best_sum(single, runs, part) for part in _parts(single, runs))


def open_zones(
    single: Mapping[int, Mapping[Zones, int]],
    runs: Mapping[Run, Mapping[Zones, int]],
    run: Run,
    most: Mapping[Zones, int],
    spent: Mapping[Zones, int],
) -> dict[Zones, int]:
    """Return the zones where a bound of one more run may raise the best sum; it does if it is less than so much below.

    ``most`` is what a plan spans beyond the need over the run, weighted, by zones; ``spent`` the same over all levels.
    """
    with_run, found = {**runs, run: most}, {}
    for part in _parts(single, with_run):
        now, then = _best_sum(single, runs, part), _best_sum(single, with_run, part)
        if min(_within(spent, part), then) > now:
            found[part] = then - now
    return found


def _parts(single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]]) -> list[Zones]:
    """Return the zones that stand in bounds, those together that are linked."""
    parts: list[Zones] = []
    for zones in (zones for found in (*single.values(), *runs.values()) for zones in found):
        linked = [part for part in parts if part & zones or part == zones]
        parts = [*(part for part in parts if part not in linked), zones.union(*linked)]
    return parts


def _within(found: Mapping[Zones, int], part: Zones) -> int:
    return sum(bound for zones, bound in found.items() if zones == part or zones & part)


def _best_sum(single: Mapping[int, Mapping[Zones, int]], runs: Mapping[Run, Mapping[Zones, int]], part: Zones) -> int:
    best = {-1: 0}
    for level in sorted(single):
        together = (best[run[0] - 1] + _within(of, part) for run, of in runs.items() if run[-1] == level)
        best[level] = max([best[level - 1] + _within(single[level], part), *together])
    return best[max(best)]
