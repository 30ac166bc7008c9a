"""A case as a problem of the public local search ``rebalancer``, and its answer as a plan."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kalloc.bestfit import BEST, Hall, Wish
from kalloc.instance import Instance
from kalloc.plan import Grant, Plan
from kalloc.verify import Needs, score
from tests.benchmarks.fits import OutOfScopeError, at_random, best_fit, first_fit, granted, seat
from tests.benchmarks.measure import Run, module

UNIT = "su"
"""The level whose domains are the containers."""
GUARD = 300.0
"""Seconds beyond the time limit after which the process is killed."""

Problem = dict[str, Any]
"""What :mod:`tests.benchmarks.localsearch` reads; units are named by their number."""
Parts = Mapping[tuple[str, int], int]
"""GPUs by project and unit."""


def missing() -> str | None:
    """Return why ``rebalancer`` cannot be asked, None where it can."""
    if find_spec("rebalancer") is not None:
        return None
    if sys.version_info < (3, 12):
        return "not installed: needs Python 3.12"
    return 'not installed: pip install "kalloc[bench]"'


def rebalance(instance: Instance, plan: Plan, seconds: float) -> tuple[Plan | None, Run]:
    """Seat the allocation of a plan: units by rebalancer, best fit inside; the best of the searches that time allows.

    Returns:
        The plan, None where every search failed, and what all searches took together.

    Raises:
        OutOfScopeError: as best fit, and where projects that differ in pool or kind compete for nodes.
    """
    best: tuple[int, Plan] | None = None
    runs: list[Run] = []
    for start in _starts(instance, plan):
        left = seconds - sum(run.wall for run in runs)
        if left < 1 or (runs and runs[-1].status != 0):
            break
        found, run = _search(instance, start, left)
        runs.append(run)
        if found is not None:
            value = score(instance, found).fragmentation
            best = (value, found) if best is None or value < best[0] else best
    total = replace(runs[-1], wall=sum(run.wall for run in runs), peak_mib=max(run.peak_mib for run in runs))
    return None if best is None else best[1], total


def _starts(instance: Instance, plan: Plan) -> Iterator[Plan]:
    """Yield best fit and first fit, the better one first, and random seatings without end."""
    rules = (best_fit(instance, plan), first_fit(instance, plan))
    yield from sorted(rules, key=lambda start: score(instance, start).fragmentation)
    yield from (at_random(instance, plan, seed) for seed in count())


def _search(instance: Instance, start: Plan, seconds: float) -> tuple[Plan | None, Run]:
    """Search once, in a process of its own."""
    problems = list(_problems(instance, start, seconds))
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "problems.json"
        path.write_text(json.dumps(problems), encoding="utf-8")
        run = module("tests.benchmarks.localsearch", path, guard=seconds + GUARD)
    if run.status != 0:
        return None, run
    parts: Counter[tuple[str, int]] = Counter()
    for problem, assignment in zip(problems, json.loads(run.output.splitlines()[-1]), strict=True):
        for share, unit in assignment.items():
            parts[share.rpartition("#")[0], int(unit)] += problem["grain"]
    return inside_units(instance, start, parts), run


def inside_units(instance: Instance, plan: Plan, parts: Parts) -> Plan:
    """Return a plan with the same allocation that has the given parts in the units, seated there by best fit."""
    hall, level = Hall(instance, BEST), instance.topology.levels.index(UNIT)
    grants = {grant.project: grant for grant in granted(instance, plan)}
    found: Counter[tuple[str, int]] = Counter()
    for (project, unit), gpus in sorted(parts.items(), key=lambda part: -part[1]):
        grant = grants[project]
        for node, taken in hall.seats(hall.wish(grant.pool, grant.kind), gpus, (level, unit)):
            found[project, node] += taken
    seats = sorted(seat(instance, grants[project], node, gpus) for (project, node), gpus in found.items())
    return replace(plan, seats=tuple(seats))


def _problems(instance: Instance, start: Plan, seconds: float) -> Iterator[Problem]:
    """Yield a problem for each set of projects that share nodes; they share the time by their GPUs."""
    hall, level = Hall(instance, BEST), instance.topology.levels.index(UNIT)
    wishes: dict[Wish, list[Grant]] = defaultdict(list)
    for grant in granted(instance, start):
        wishes[hall.wish(grant.pool, grant.kind)].append(grant)
    rooms = {wish: hall.free(wish)[level] for wish in wishes}
    if np.count_nonzero(np.array(list(rooms.values())), axis=0).max() > 1:
        raise OutOfScopeError("projects of different pools or kinds compete for a unit")
    asked = {wish: sum(grant.gpus for grant in grants) for wish, grants in wishes.items()}
    for wish, grants in wishes.items():
        room = {unit: gpus for unit, gpus in enumerate(rooms[wish].tolist()) if gpus}
        yield _problem(instance, start, grants, room, seconds * asked[wish] / sum(asked.values()))


def _problem(instance: Instance, start: Plan, grants: list[Grant], room: Mapping[int, int], seconds: float) -> Problem:
    topology = instance.topology
    depth = topology.levels.index(UNIT)
    levels = topology.levels[: depth + 1]
    grain = math.gcd(*(grant.gpus for grant in grants), *room.values())
    groups = {grant.project: [f"{grant.project}#{number}" for number in range(grant.gpus // grain)] for grant in grants}
    first = {unit: int((topology.domain[depth] == unit).argmax()) for unit in room}
    return {
        "level": UNIT,
        "grain": grain,
        "room": {str(unit): gpus for unit, gpus in room.items()},
        "groups": groups,
        "assignment": _assignment(instance, start, groups, grain, room),
        "scopes": {
            name: {str(unit): str(topology.domain[index][node]) for unit, node in first.items()}
            for index, name in enumerate(levels)
        },
        "weights": dict(zip(levels, topology.weights, strict=False)),
        "needs": _needs(instance, grants, levels),
        "seconds": seconds,
    }


def _assignment(
    instance: Instance, plan: Plan, groups: Mapping[str, list[str]], grain: int, room: Mapping[int, int]
) -> dict[str, list[str]]:
    """Return the shares in each unit, as a plan has them."""
    domain = instance.topology.domain[instance.topology.levels.index(UNIT)]
    parts: Counter[tuple[str, int]] = Counter()
    for row in plan.seats:
        parts[row.project, int(domain[instance.topology.node_ids[row.node]])] += row.gpus
    waiting = {project: iter(shares) for project, shares in groups.items()}
    found: dict[str, list[str]] = {str(unit): [] for unit in room}
    for (project, unit), gpus in parts.items():
        if project in waiting:
            found[str(unit)] += islice(waiting[project], gpus // grain)
    return found


def _needs(instance: Instance, grants: list[Grant], levels: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return, per level, how many domains each project needs."""
    needs = Needs(instance)
    found = {grant.project: needs.of(grant.project, {grant.kind: grant.gpus}) for grant in grants}
    return {name: {project: of[index] for project, of in found.items()} for index, name in enumerate(levels)}
