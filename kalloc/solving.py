"""The whole flow: instance in, verified plan with its proofs out."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kalloc.allocate.build import build
from kalloc.allocate.decode import Granted, decode
from kalloc.allocate.lessening import keeps_floors, lessened
from kalloc.allocate.lexicographic import NoAnswerError, Search, Settled
from kalloc.allocate.model import Allocation
from kalloc.allocate.tiers import bounds_anyhow, prepare, settle
from kalloc.clash import why_impossible
from kalloc.errors import InfeasibleError, NoPlanError, PlanRejectedError
from kalloc.explain import explained
from kalloc.instance import Instance
from kalloc.joint import TooManyBundlesError, crowded, seating_clash, solve_joint
from kalloc.naming import plan_of
from kalloc.place.alone import Alone, preferred
from kalloc.place.bounds import fewest_spans
from kalloc.place.engine import seat_all, spans_of
from kalloc.place.flow import TooLargeError
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms, Zones
from kalloc.place.runs import best_sum, by_zones, fewest_run, runs_of
from kalloc.place.seating import NoRoomError, Seats
from kalloc.place.shaping import at_least, check_kept
from kalloc.plan import LevelResult, Progress, Result, Solution
from kalloc.proof import facts_of, gpus_of, proof_of, proven, standing, termination_of
from kalloc.slots import block_rows, cost_rows, slot_rows
from kalloc.solver import Limits, Status, Stop
from kalloc.verify import Needs, Score, score, verify

JOINT_NODES = 3_000
JOINT_VARIABLES = 8_000
"""Up to so many nodes and variables, both tiers are decided in one exact model."""
DECIDED_AGAIN = 1_500
"""Variables up to which an allocation that cannot be seated is decided again as a whole."""
MAX_RETRIES = 30
"""Times that the allocation is decided again because it could not be seated."""
ALLOCATE_SHARE = 0.5
PLACE_SHARE = 0.7
JOINT_SHARE = 0.5
ANYHOW_SHARE = 0.1
RUN_SHARE = 0.4
"""Share of the time left that the allocation, the placement, the joint model and a bound of several levels may use."""


@dataclass
class Run:
    """One solve: its input, its limits and what is known so far."""

    instance: Instance
    limits: Limits
    on_progress: Callable[[Progress], None] | None
    explains: bool = True
    """Whether it is found out why no plan can exist, where none can."""
    needs: Needs = field(init=False)
    """Made once: it remembers what it has computed."""
    started: float = field(default_factory=time.monotonic)
    cut_short: bool = False
    """Whether a step ended at its share of the time."""
    seconds: dict[str, float] = field(default_factory=dict)
    curve: list[tuple[float, int, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.needs = Needs(self.instance)

    def share(self, part: float) -> Limits:
        """Return limits that leave a step only a part of the time that is left."""
        return replace(self.limits, deadline=time.monotonic() + part * self.limits.seconds)

    def tell(self, stage: str, incumbent: float | None, bound: float | None) -> None:
        """Report progress to whoever asked for it."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, time.monotonic() - self.started, incumbent, bound))

    def record(self, score: int, bound: int | None) -> None:
        """Keep a point of the anytime curve of fragmentation."""
        self.curve.append((time.monotonic() - self.started, score, bound))
        self.tell("place", score, bound)


@dataclass(frozen=True)
class Allocated:
    """An allocation that was decided with seats only counted: what its tiers came to bounds every plan."""

    allocation: Allocation
    granted: Granted
    settled: list[Settled]
    rows: int
    size: int
    """Rows and variables of the model before any tier was settled."""


@dataclass(frozen=True)
class Decision:
    """Who gets what and sits where, and what its tiers came to: their bounds hold for every plan."""

    granted: Granted
    seats: Seats
    settled: list[Settled]


def solve(
    instance: Instance,
    *,
    time_limit: float | None = 50.0,
    gap: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
) -> Result:
    """Decide who gets how many GPUs and where they sit, and prove how good that is.

    Args:
        instance: what there is and who asks.
        time_limit: seconds of wall time after which the best plan so far is returned; None for no limit.
        gap: relative gap at which a tier may stop.
        seed: seed of the solvers; same instance, seed and threads give the same plan while no limit is reached.
        threads: solver threads; the number of cores, at most 8, where it is not given.
        on_progress: called with a :class:`Progress` whenever something better is known.
        stop: an object with ``is_set()``, such as ``threading.Event``; once set, the solve ends within a second.

    Raises:
        InfeasibleError: when no plan can exist.
        NoPlanError: when none was found within the limits.
        PlanRejectedError: when the plan fails its own check, which is a bug of kalloc.
    """
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    workers = min(8, os.cpu_count() or 1) if threads is None else threads
    limits = Limits(deadline=deadline, stop=stop, seed=seed, threads=workers, gap=gap)
    run = Run(instance, limits, on_progress)
    rooms = Rooms.of(instance)
    allocated = allocate(run, rooms)
    began = time.monotonic()
    decision = decide(run, rooms, allocated)
    result = conclude(run, rooms, decision, began)
    run.tell("done", result.fragmentation, result.fragmentation_bound)
    return result


def allocate(run: Run, rooms: Rooms) -> Allocated:
    """Decide who gets how much, seats only counted, tier after tier."""
    began = time.monotonic()
    allocation = build(run.instance, rooms)
    prepare(allocation)
    half = run.share(ALLOCATE_SHARE)
    rows, size = len(allocation.model.row_lower), allocation.model.size
    try:
        granted, settled = settle_all(run, allocation, half)
    except NoAnswerError as error:
        if error.infeasible:
            allocation.model.truncate(rows, size)
            raise InfeasibleError(*(why_impossible(allocation, run.limits) if run.explains else ([],))) from None
        raise NoPlanError("no allocation was found within the limits; give more time") from None
    run.cut_short |= half.over
    run.seconds["allocate"] = time.monotonic() - began
    return Allocated(allocation, granted, settled, rows, size)


def settle_all(run: Run, allocation: Allocation, limits: Limits) -> tuple[Granted, list[Settled]]:
    """Settle the tiers that need no seats.

    Raises:
        NoAnswerError: when there is no allocation, or none was found.
    """
    search = Search(allocation, limits)

    def tell(one: Settled) -> None:
        run.tell("allocate", float(one.value), None if one.bound is None else float(one.bound))

    settled = settle(search, run.instance.objective.tiers, {}, tell)
    assert search.values is not None
    return decode(allocation, search.values), settled


def decide(run: Run, rooms: Rooms, allocated: Allocated) -> Decision:
    """Seat the best allocation; where that leaves a doubt and the instance is small, decide all tiers together."""
    failure: NoPlanError | None = None
    staged: Decision | None = None
    try:
        staged = place(run, rooms, allocated)
    except NoPlanError as error:
        failure = error
    if run.instance.topology.node_count > JOINT_NODES or run.limits.over:
        joint = None
    elif staged is not None and proven(run.instance, worth(run, staged), staged.settled):
        return staged
    else:
        joint = decide_jointly(run, rooms, allocated)
    if joint is None:
        if staged is None:
            assert failure is not None
            if clash := crowded(allocated.allocation):
                raise InfeasibleError(clash)
            raise failure
        return staged
    if staged is not None:
        ours, theirs = (standing(run.instance, worth(run, one), one.granted) for one in (staged, joint))
        if ours >= theirs:
            return replace(joint, granted=staged.granted, seats=staged.seats) if ours == theirs else staged
    return joint


def worth(run: Run, decision: Decision) -> Score:
    """Return the exact value of a decision."""
    return score(run.instance, plan_of(run.instance, decision.granted, decision.seats))


def decide_jointly(run: Run, rooms: Rooms, allocated: Allocated) -> Decision | None:
    """Decide all tiers in one exact model where that is small enough; its bounds hold for every plan."""
    known = {one.name: one.value for one in allocated.settled if one.value == one.bound and one.complete}
    half = run.share(JOINT_SHARE)
    try:
        status, found = solve_joint(run.instance, rooms, known, JOINT_VARIABLES, half)
    except (TooLargeError, TooManyBundlesError):
        return None
    run.cut_short |= half.over
    if status is Status.INFEASIBLE:
        raise InfeasibleError(seating_clash(run.instance, JOINT_VARIABLES, run.limits))
    return None if found is None else Decision(found.granted, found.seats, found.settled)


def place(run: Run, rooms: Rooms, allocated: Allocated) -> Decision:
    """Seat what the allocation grants; where that fails, decide again without one project that is in the way."""
    granted = allocated.granted
    for _ in range(MAX_RETRIES):
        try:
            seats = seat(run, rooms, granted)
            return Decision(granted, seats, settled_anyhow(run, allocated, granted))
        except NoRoomError as error:
            if run.limits.stopped:
                break
            if run.instance.topology.node_count > JOINT_NODES and (clash := crowded(allocated.allocation)):
                raise InfeasibleError(clash) from None
            fewer = allocate_fewer(run, allocated, granted, error.project)
        if fewer is None:
            break
        granted = fewer
    raise NoPlanError("the projects that were granted GPUs could not be seated; give more time or drop a level")


def settled_anyhow(run: Run, allocated: Allocated, granted: Granted) -> list[Settled]:
    """Return what the tiers came to, with bounds that hold where less was granted than was settled."""
    if granted == allocated.granted or run.limits.stopped:
        return allocated.settled
    allocated.allocation.model.truncate(allocated.rows, allocated.size)
    search = Search(allocated.allocation, run.share(ANYHOW_SHARE))
    return bounds_anyhow(search, run.instance.objective.tiers[1:], allocated.settled)


def seat(run: Run, rooms: Rooms, granted: Granted) -> Seats:
    """Return seats for an allocation.

    Raises:
        NoRoomError: where none were found.
    """
    needs, weights = needed(run, granted), run.instance.topology.weights
    least = sum(weight * count for need in needs.values() for weight, count in zip(weights, need, strict=True))
    most = run.share(PLACE_SHARE)
    items = items_of(run.instance, rooms, granted)
    check_kept(run.instance, rooms, items)
    seats = seat_all(
        rooms, items, needs, preferred(run.instance), most, lambda cost: run.record(cost - least, None)
    )
    run.cut_short |= most.over
    return seats


def allocate_fewer(run: Run, allocated: Allocated, granted: Granted, project: str) -> Granted | None:
    """Decide again with one project less served among those alike one that could not be seated.

    Where that one must be served, one of the least merit makes room for it. None where nobody can make room. A large
    model is not decided again: the project alone gets a step less, then two, four … where no floor forbids it.
    """
    allocation = allocated.allocation
    served = {key: _served(allocation, granted, *key) for key in allocation.served}
    optional = [key for key, count in served.items() if count and not allocation.classes[key[0]].bound]
    own = [key for key in optional if project in allocation.classes[key[0]].members]
    if not optional:
        return None
    if own and allocated.size > DECIDED_AGAIN:
        less = lessened(allocation, allocated.granted, granted, project)
        if keeps_floors(run.instance, less):
            return less
    fewer = own or [min(optional, key=lambda key: allocation.classes[key[0]].offers[key[1]].worth)]
    allocation.model.truncate(allocated.rows, allocated.size)
    for key in fewer:
        allocation.model.upper[allocation.served[key]] = served[key] - 1
    try:
        return settle_all(run, allocation, run.limits)[0]
    except NoAnswerError:
        return None


def _served(allocation: Allocation, granted: Granted, index: int, offer: int) -> int:
    members = allocation.classes[index]
    return sum(1 for member in members.members if granted.get((member, members.offers[offer].kind)))


def conclude(run: Run, rooms: Rooms, decision: Decision, began: float) -> Result:
    """Check the plan, bound every level, and put together what is proven."""
    plan = explained(run.instance, plan_of(run.instance, decision.granted, decision.seats))
    checking = time.monotonic()
    violations = verify(run.instance, plan)
    if violations:
        raise PlanRejectedError([str(violation) for violation in violations])
    value = score(run.instance, plan)
    checked = time.monotonic()
    run.record(value.fragmentation, proven_everywhere(decision))
    levels, least, of_pairs = bound_levels(run, rooms.relaxed, decision, value)
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


def bound_levels(run: Run, rooms: Rooms, decision: Decision, value: Score) -> tuple[dict[str, LevelResult], int, int]:
    """Return spans, need and the fewest spans proven for every level, and a bound of the score, for what is granted.

    Last is the bound of the score by single levels and pairs of them alone.
    The score's bound is the best sum of bounds of single levels and of runs of them, zone by zone. A project spans no
    less than it would alone, and than what it keeps. Where a form or a preference makes that more than its need, it
    stands apart. Three levels are not looked at together where the plan spans no more than is needed at the finest.
    """
    items = items_of(run.instance, rooms, decision.granted)
    alone, spans = needed(run, decision.granted), spans_of(rooms, decision.seats)
    need_of = at_least(rooms, items, alone)
    weights = run.instance.topology.weights
    exact = list(value.levels.values())
    lone, more = Alone(rooms), preferred(run.instance)
    bounds, single = {}, {}
    for level in sorted(range(len(weights)), key=lambda at: -weights[at] * (exact[at].spans - exact[at].need)):
        need = {project: counts[level] for project, counts in need_of.items()}
        spanned = {project: counts[level] for project, counts in spans.items()}
        apart = {name for name, count in need.items() if count > alone[name][level]} - rooms.stays.keys()
        bounds[level] = fewest_spans(rooms, items, need, spanned, level, run.limits, apart)
        plain = {project: counts[level] for project, counts in alone.items()}
        single[level] = by_zones(items, need, plain, bounds[level], weights[level])
    runs: dict[tuple[int, ...], dict[Zones, int]] = {}
    for several in runs_of(weights):
        if best_sum(single, runs) >= value.fragmentation:
            break
        if len(several) > 2 and exact[several[-1]].spans == exact[several[-1]].need:
            continue
        least, apart = lone.least(items, alone, need_of, several, more)
        reached = {name: sum(weights[at] * count[at] for at in several) for name, count in spans.items()}
        bound = fewest_run(rooms, items, least, reached, several, run.share(RUN_SHARE), apart)
        plain = {name: sum(weights[at] * count[at] for at in several) for name, count in alone.items()}
        runs[several] = by_zones(items, least, plain, bound)
    levels = {
        name: LevelResult(found.spans, found.need, bounds[level].total)
        for level, (name, found) in enumerate(value.levels.items())
    }
    return levels, best_sum(single, runs), best_sum(single, {run: of for run, of in runs.items() if len(run) < 3})


def needed(run: Run, granted: Granted) -> dict[str, tuple[int, ...]]:
    """Return the domains, per level, that each served project needs."""
    bundles: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in granted.items():
        bundles.setdefault(project, {})[kind] = gpus
    return {project: run.needs.of(project, bundle) for project, bundle in bundles.items()}
