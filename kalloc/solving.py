"""The whole flow: instance in, verified plan with its proofs out."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from kalloc.allocate.model import Allocation, build, count, decode, merit
from kalloc.clash import why_impossible
from kalloc.errors import InfeasibleError, NoPlanError, PlanRejectedError
from kalloc.explain import explained
from kalloc.instance import Instance
from kalloc.joint import TooManyBundlesError, seating_clash, solve_joint
from kalloc.place.bounds import fewest_spans
from kalloc.place.engine import scattering, seat_all, spans_of
from kalloc.place.flow import TooLargeError
from kalloc.place.items import items_of
from kalloc.place.rooms import Rooms
from kalloc.place.runs import Run as LevelRun
from kalloc.place.runs import best_sum, fewest_run, runs_of
from kalloc.place.seating import NoRoomError, Seats
from kalloc.plan import Grant, LevelResult, Plan, Progress, Result, Seat, Solution
from kalloc.proof import facts_of, gpus_of, proof_of, termination_of
from kalloc.slots import block_rows, cost_rows, slot_rows
from kalloc.solver import Answer, Limits, Status, Stop, solve_cp_sat, solve_scip
from kalloc.verify import Needs, Score, score, verify

Granted = dict[tuple[str, str], int]
"""GPUs by project and kind."""

JOINT_NODES = 3_000
JOINT_VARIABLES = 8_000
"""Up to so many nodes and variables, both tiers are decided in one exact model."""
MAX_RETRIES = 30
"""Times that the allocation is decided again because it could not be seated."""
ALLOCATE_SHARE = 0.5
PLACE_SHARE = 0.7
JOINT_SHARE = 0.5
RUN_SHARE = 0.15
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
class Decision:
    """Who gets what and sits where, with what is proven for every plan, None where nothing is."""

    granted: Granted
    seats: Seats
    merit_bound: int | None
    """In the units of the allocation model."""
    fragmentation_bound: int | None


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
    allocation, answer = allocate(run, rooms)
    began = time.monotonic()
    decision = decide(run, rooms, allocation, answer)
    result = conclude(run, rooms, allocation, decision, began)
    run.tell("done", result.fragmentation, result.fragmentation_bound)
    return result


def allocate(run: Run, rooms: Rooms) -> tuple[Allocation, Answer]:
    """Decide who gets how much, seats only counted; the answer bounds the merit of every plan."""
    began = time.monotonic()
    allocation = build(run.instance, rooms)
    for variable, factor in merit(allocation):
        allocation.model.cost[variable] -= factor
    half = run.share(ALLOCATE_SHARE)
    answer = solve_scip(allocation.model, half)
    run.cut_short |= half.over
    if answer.values is None and answer.status is not Status.INFEASIBLE and not run.limits.over:
        answer = solve_cp_sat(allocation.model, run.limits)
    if answer.status is Status.INFEASIBLE:
        raise InfeasibleError(*(why_impossible(allocation, run.limits) if run.explains else ([],)))
    if answer.values is None:
        raise NoPlanError("no allocation was found within the limits; give more time")
    run.seconds["allocate"] = time.monotonic() - began
    unit = allocation.unit
    run.tell("allocate", -(answer.value or 0) / unit, None if answer.bound is None else -answer.bound / unit)
    return allocation, answer


def decide(run: Run, rooms: Rooms, allocation: Allocation, answer: Answer) -> Decision:
    """Seat the best allocation; where that leaves a doubt and the instance is small, decide both tiers together."""
    failure: NoPlanError | None = None
    staged: Decision | None = None
    try:
        staged = place(run, rooms, allocation, answer)
    except NoPlanError as error:
        failure = error
    if staged is not None and worth(run, allocation, rooms, staged) == (staged.merit_bound, 0):
        return staged
    joint = decide_jointly(run, rooms, answer)
    if joint is None:
        if staged is None:
            assert failure is not None
            raise failure
        return staged
    if staged is not None and worth(run, allocation, rooms, staged) >= worth(run, allocation, rooms, joint):
        return replace(joint, granted=staged.granted, seats=staged.seats)
    return joint


def worth(run: Run, allocation: Allocation, rooms: Rooms, decision: Decision) -> tuple[int, int]:
    """Return merit in the units of the allocation model and fragmentation below zero: the more the better."""
    needed_cost = sum(weighed(run, decision.granted).values())
    return count(allocation, decision.granted), needed_cost - scattering(rooms, decision.seats)


def decide_jointly(run: Run, rooms: Rooms, answer: Answer) -> Decision | None:
    """Decide both tiers in one exact model where that is small enough; its bounds hold for every plan."""
    if run.instance.topology.node_count > JOINT_NODES or run.limits.over:
        return None
    most = None if answer.status is not Status.OPTIMAL or answer.value is None else -answer.value
    half = run.share(JOINT_SHARE)
    try:
        status, found = solve_joint(run.instance, rooms, most, JOINT_VARIABLES, half)
    except (TooLargeError, TooManyBundlesError):
        return None
    run.cut_short |= half.over
    if status is Status.INFEASIBLE:
        raise InfeasibleError(seating_clash(run.instance, JOINT_VARIABLES, run.limits))
    if found is None:
        return None
    return Decision(found.granted, found.seats, found.merit, max(0, found.fragmentation_bound or 0))


def place(run: Run, rooms: Rooms, allocation: Allocation, answer: Answer) -> Decision:
    """Seat what the allocation grants; where that fails, decide again without one project that is in the way."""
    bound = None if answer.bound is None else -answer.bound
    for _ in range(MAX_RETRIES):
        assert answer.values is not None
        granted = decode(allocation, answer.values)
        try:
            return Decision(granted, seat(run, rooms, granted), bound, 0)
        except NoRoomError as error:
            again = allocate_fewer(allocation, answer, error.project, run.limits)
        if again.values is None:
            break
        answer = again
    raise NoPlanError("the projects that were granted GPUs could not be seated; give more time or drop a level")


def seat(run: Run, rooms: Rooms, granted: Granted) -> Seats:
    """Return seats for an allocation.

    Raises:
        NoRoomError: where none were found.
    """
    needs = weighed(run, granted)
    least = sum(needs.values())
    most = run.share(PLACE_SHARE)
    seats = seat_all(
        rooms, items_of(run.instance, rooms, granted), needs, most, lambda cost: run.record(cost - least, None)
    )
    run.cut_short |= most.over
    return seats


def allocate_fewer(allocation: Allocation, answer: Answer, project: str, limits: Limits) -> Answer:
    """Decide again with one project less served among those alike one that could not be seated.

    Where that one must be served, one of the least merit makes room for it.
    """
    assert answer.values is not None
    served = {key: int(answer.values[variable]) for key, variable in allocation.served.items()}
    optional = [key for key, count in served.items() if count and not allocation.classes[key[0]].bound]
    own = [key for key in optional if project in allocation.classes[key[0]].members]
    if not optional:
        return Answer.nothing(Status.UNKNOWN)
    fewer = own or [min(optional, key=lambda key: allocation.classes[key[0]].offers[key[1]].worth)]
    for key in fewer:
        allocation.model.upper[allocation.served[key]] = served[key] - 1
    return solve_scip(allocation.model, limits)


def conclude(run: Run, rooms: Rooms, allocation: Allocation, decision: Decision, began: float) -> Result:
    """Check the plan, bound every level, and put together what is proven."""
    plan = plan_of(run.instance, decision)
    checking = time.monotonic()
    violations = verify(run.instance, plan)
    if violations:
        raise PlanRejectedError([str(violation) for violation in violations])
    value = score(run.instance, plan)
    checked = time.monotonic()
    run.record(value.fragmentation, decision.fragmentation_bound)
    levels, least = bound_levels(run, rooms, decision, value)
    run.seconds["place"] = time.monotonic() - began - (checked - checking)
    run.seconds["verify"] = checked - checking
    proof = proof_of(run.instance, allocation, decision, decision.granted, value, least)
    run.record(value.fragmentation, proof.fragmentation_bound)
    return Result(
        plan=plan,
        termination=termination_of(proof, run.limits, run.cut_short),
        solution=Solution.PROVEN if proof.complete else Solution.FEASIBLE,
        tiers=proof.tiers,
        levels=levels,
        fragmentation=value.fragmentation,
        fragmentation_bound=proof.fragmentation_bound,
        instance=facts_of(run.instance),
        gpus=gpus_of(run.instance, value.gpus),
        seconds=dict(run.seconds),
        slots=tuple(slot_rows(run.instance, plan)),
        blocks=tuple(block_rows(run.instance, plan)),
        block_costs=tuple(cost_rows(run.instance, plan)),
        curve=tuple(run.curve),
    )


def bound_levels(run: Run, rooms: Rooms, decision: Decision, value: Score) -> tuple[dict[str, LevelResult], int]:
    """Return spans, need and the fewest spans proven for every level, and a bound of the score, for what is granted.

    The score's bound is the best sum of bounds of single levels and of runs of them.
    """
    need_of, spans = needed(run, decision.granted), spans_of(rooms, decision.seats)
    items = items_of(run.instance, rooms, decision.granted)
    weights = run.instance.topology.weights
    exact = list(value.levels.values())

    def weighed_at(counts: Mapping[str, tuple[int, ...]], levels: LevelRun) -> dict[str, int]:
        return {project: sum(weights[at] * count[at] for at in levels) for project, count in counts.items()}

    bounds = {}
    for level in sorted(range(len(weights)), key=lambda at: -weights[at] * (exact[at].spans - exact[at].need)):
        need = {project: counts[level] for project, counts in need_of.items()}
        spanned = {project: counts[level] for project, counts in spans.items()}
        bounds[level] = fewest_spans(rooms, items, need, spanned, level, run.limits)
    runs = {}
    for several in runs_of(weights):
        least, reached = weighed_at(need_of, several), weighed_at(spans, several)
        runs[several] = fewest_run(rooms, items, least, reached, several, run.share(RUN_SHARE)) - sum(least.values())
    single = {level: weights[level] * (bounds[level] - exact[level].need) for level in bounds}
    levels = {
        name: LevelResult(found.spans, found.need, bounds[level])
        for level, (name, found) in enumerate(value.levels.items())
    }
    return levels, best_sum(single, runs)


def needed(run: Run, granted: Granted) -> dict[str, tuple[int, ...]]:
    """Return the domains, per level, that each served project needs."""
    bundles: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in granted.items():
        bundles.setdefault(project, {})[kind] = gpus
    return {project: run.needs.of(project, bundle) for project, bundle in bundles.items()}


def weighed(run: Run, granted: Granted) -> dict[str, int]:
    """Return Σ weight · need of each served project."""
    weights = run.instance.topology.weights
    return {
        project: sum(weight * count for weight, count in zip(weights, counts, strict=True))
        for project, counts in needed(run, granted).items()
    }


def plan_of(instance: Instance, decision: Decision) -> Plan:
    """Give a decision its names, and every request its reason."""
    topology = instance.topology
    grants = tuple(
        Grant(
            row.project,
            instance.project_of[row.project].pool,
            row.kind,
            decision.granted.get((row.project, row.kind), 0),
            row.min,
            row.max,
            reason="",
        )
        for row in instance.requests
    )
    seats = []
    for (project, node), gpus in decision.seats.items():
        row = topology.row(node)
        seats.append(Seat(project, row.kind, row.path, topology.names[node], int(gpus)))
    seats.sort(key=lambda seat: (seat.project, topology.node_ids[seat.node]))
    plan = Plan(instance.name, instance.sha256, instance.hierarchy.levels, grants, tuple(seats))
    return explained(instance, plan)
