"""The whole flow: instance in, verified plan with its proofs out."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace

from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Instance
from kalloc.joint import TooManyBundlesError, crowded, joint_model, seating_clash, solve_joint
from kalloc.naming import plan_of
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.plan import Progress, Result
from kalloc.proof import proven, standing
from kalloc.solver import Limits, Status, Stop
from kalloc.solving.allocating import allocate
from kalloc.solving.concluding import conclude
from kalloc.solving.placing import place
from kalloc.solving.run import Allocated, Decision, Run
from kalloc.solving.ways import seated_ways
from kalloc.verify import Score, score

JOINT_VARIABLES = 8_000
"""Up to so many variables, all tiers are decided in one exact model."""
JOINT_SHARE = 0.5
"""Share of the time left that it may use."""


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
    run = Run(instance, limits, on_progress, hedges=True)
    rooms = Rooms.of(instance)
    allocated = allocate(run, rooms)
    began = time.monotonic()
    decision = decide(run, rooms, allocated)
    result = conclude(run, rooms, decision, began)
    run.tell("done", result.fragmentation, result.fragmentation_bound)
    return result


def decide(run: Run, rooms: Rooms, allocated: Allocated) -> Decision:
    """Seat the best allocation; where that leaves a doubt and the instance is small, decide all tiers together."""
    failure: NoPlanError | None = None
    staged: Decision | None = None
    try:
        staged = place(run, rooms, allocated, lambda: not fits(run, rooms))
    except NoPlanError as error:
        failure = error
    if run.large or run.limits.over:
        joint = None
    elif staged is not None and proven(run.instance, worth(run, staged), staged.settled):
        return staged
    else:
        joint = decide_jointly(run, rooms, allocated)
    if joint is None:
        if staged is None and run.early is not None:
            return run.early
        if staged is None:
            assert failure is not None
            if clash := crowded(allocated.allocation):
                raise InfeasibleError(clash, seated_ways(run, rooms))
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


def fits(run: Run, rooms: Rooms) -> bool:
    """Tell whether all tiers can be decided in one exact model."""
    if run.large:
        return False
    try:
        joint_model(run.instance, rooms, JOINT_VARIABLES)
    except (TooLargeError, TooManyBundlesError):
        return False
    return True


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
        raise InfeasibleError(seating_clash(run.instance, JOINT_VARIABLES, run.limits), seated_ways(run, rooms))
    return None if found is None else Decision(found.granted, found.seats, found.settled)
