"""The plan checked, every level bounded, and what is proven of it put together."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from kalloc.errors import PlanRejectedError
from kalloc.explain import explained
from kalloc.naming import plan_of
from kalloc.place.alone import Alone, preferred
from kalloc.place.bounds import Proven, fewest_spans
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.runs import best_sum, by_zones, fewest_run, open_zones, runs_of
from kalloc.place.shaping import at_least
from kalloc.place.spans import spans_of
from kalloc.place.workers import Workers
from kalloc.plan import LevelResult, Result, Solution
from kalloc.proof import facts_of, gpus_of, proof_of, termination_of
from kalloc.slots import block_rows, cost_rows, slot_rows
from kalloc.solving.run import Decision, Run
from kalloc.verify import Records, Score, score, verify

KeyT = TypeVar("KeyT")

RUN_SHARE = 0.4
"""Share of the time left that a bound of several levels may use."""


def conclude(run: Run, rooms: Rooms, decision: Decision, began: float) -> Result:
    """Check the plan, bound every level, and put together what is proven."""
    plan = plan_of(run.instance, decision.granted, decision.seats)
    records = Records.of(run.instance, plan)
    plan = explained(run.instance, plan, records)
    checking = time.monotonic()
    violations = verify(run.instance, plan, records)
    if violations:
        raise PlanRejectedError([str(violation) for violation in violations])
    value = score(run.instance, plan, records)
    checked = time.monotonic()
    run.limits = replace(run.limits, deadline=run.limits.deadline + (checked - checking))
    run.record(value.fragmentation, proven_everywhere(decision))
    with Workers(run.limits.threads, rooms.relaxed) as workers:
        levels, least, of_pairs = bound_levels(run, workers, decision, value)
    run.seconds["place"] = time.monotonic() - began - (checked - checking)
    run.seconds["verify"] = checked - checking
    proof = proof_of(run.instance, decision.settled, decision.granted, value, least)
    run.record(value.fragmentation, proof.fragmentation_bound)
    return Result(
        plan=plan,
        termination=termination_of(proof, run.limits, run.cut_short),
        solution=Solution.PROVEN if proof.complete else Solution.FEASIBLE,
        tiers=proof.tiers,
        levels=levels,
        fragmentation=value.fragmentation,
        fragmentation_bound=proof.fragmentation_bound,
        sees_three_levels=proven_everywhere(decision) is None and least > of_pairs,
        instance=facts_of(run.instance),
        gpus=gpus_of(run.instance, value.gpus),
        seconds=dict(run.seconds),
        slots=tuple(slot_rows(run.instance, plan)),
        blocks=tuple(block_rows(run.instance, plan)),
        block_costs=tuple(cost_rows(run.instance, plan)),
        curve=tuple(run.curve),
    )


def proven_everywhere(decision: Decision) -> int | None:
    """Return the bound of the fragmentation of every plan, None where the decision has none."""
    bounds = (one.bound for one in decision.settled if one.name == "fragmentation")
    bound = next(bounds, None)
    return None if bound is None else int(bound)


def bound_levels(
    run: Run, workers: Workers[Rooms], decision: Decision, value: Score
) -> tuple[dict[str, LevelResult], int, int]:
    """Return spans, need and the fewest spans proven for every level, and a bound of the score, for what is granted.

    Last is the bound of the score by single levels and pairs of them alone.
    The score's bound is the best sum of bounds of single levels and of runs of them, zone by zone. A project spans no
    less than it would alone, and than what it keeps. Where a form or a preference makes that more than its need, it
    stands apart. Three levels are not looked at together where the plan spans no more than is needed at the finest.
    After a stop nothing is proven but the need.
    """
    if run.limits.stopped:
        return {name: LevelResult(found.spans, found.need, found.need) for name, found in value.levels.items()}, 0, 0
    rooms = workers.shared
    items = items_of(run.instance, rooms, decision.granted)
    alone, spans = run.needed(decision.granted), spans_of(rooms, decision.seats)
    need_of = at_least(rooms, items, alone)
    weights = run.instance.topology.weights
    exact = list(value.levels.values())
    lone, more = Alone(rooms), preferred(run.instance)
    bounds, single = {}, {}
    for level in sorted(range(len(weights)), key=lambda at: -weights[at] * (exact[at].spans - exact[at].need)):
        need = {project: counts[level] for project, counts in need_of.items()}
        spanned = {project: counts[level] for project, counts in spans.items()}
        apart = {name for name, count in need.items() if count > alone[name][level]} - rooms.stays.keys()
        bounds[level] = fewest_spans(workers, items, need, spanned, level, run.limits, apart)
        plain = {project: counts[level] for project, counts in alone.items()}
        single[level] = by_zones(items, need, plain, bounds[level], weights[level])
    of_kind = _spans_by_kind(rooms, decision)
    spent = by_zones(items, _paid(spans, weights, alone, more), _paid(alone, weights), Proven(0, {}))
    runs: dict[tuple[int, ...], dict[Zones, int]] = {}
    for several in runs_of(weights):
        if run.limits.stopped or best_sum(single, runs) >= value.fragmentation:
            break
        if len(several) > 2 and exact[several[-1]].spans == exact[several[-1]].need:
            continue
        least, apart = lone.least(items, alone, need_of, several, more)
        counted = [weight if at in several else 0 for at, weight in enumerate(weights)]
        reached, plain, by_kind = _paid(spans, counted, alone, more), _paid(alone, counted), _paid(of_kind, counted)
        short = open_zones(single, runs, several, by_zones(items, reached, plain, Proven(0, {})), spent)
        limits = run.share(RUN_SHARE)
        bound = fewest_run(workers, items, least, reached, several, limits, apart, short, by_kind)
        runs[several] = by_zones(items, least, plain, bound)
    levels = {
        name: LevelResult(found.spans, found.need, bounds[level].total)
        for level, (name, found) in enumerate(value.levels.items())
    }
    return levels, best_sum(single, runs), best_sum(single, {run: of for run, of in runs.items() if len(run) < 3})


def _spans_by_kind(rooms: Rooms, decision: Decision) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return the domains per level that the seats of one kind of a project span, by project and kind."""
    seats: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for project, node in decision.seats:
        seats[rooms.topology.row(node).kind].append((project, node))
    return {(name, kind): spans for kind, held in seats.items() for name, spans in spans_of(rooms, held).items()}


def _paid(
    spans: Mapping[KeyT, Sequence[int]],
    weights: Sequence[int],
    needs: Mapping[KeyT, Sequence[int]] | None = None,
    more: Mapping[KeyT, Sequence[int]] | None = None,
) -> dict[KeyT, int]:
    """Return Σ weight · spans, and what some pay for ``more`` than they need of levels that count."""
    found = {key: sum(w * count for w, count in zip(weights, counts, strict=True)) for key, counts in spans.items()}
    for key, extra in (more or {}).items():
        if needs is not None and key in spans:
            beyond = (count - need for count, need in zip(spans[key], needs[key], strict=True))
            found[key] += sum(cost * count for cost, count, w in zip(extra, beyond, weights, strict=True) if w)
    return found
