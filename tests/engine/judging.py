"""Whether what the engine says of an instance agrees with the reference, tier by tier and bound by bound."""

from __future__ import annotations

from fractions import Fraction

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Hierarchy, Instance
from kalloc.plan import Result, Solution
from kalloc.verify import claims, score, verify
from models import joint, placement
from models.outcome import Outcome, to_plan
from models.program import InexactError, Status


def truth(instance: Instance) -> Outcome | None:
    """Return the reference's answer, itself checked; None where its solver is found to be inexact."""
    try:
        outcome = joint.solve(instance)
    except InexactError:
        return None
    assert outcome.status in (Status.OPTIMAL, Status.INFEASIBLE)
    if outcome.status is Status.OPTIMAL:
        plan = to_plan(instance, outcome)
        assert verify(instance, plan) == []
        exact = score(instance, plan)
        assert (exact.merit, exact.fragmentation) == (outcome.merit, outcome.fragmentation)
    return outcome


def engine(instance: Instance) -> Result | None:
    """Return the engine's result, checked by itself; None when it proves that no plan exists."""
    before = instance.model_dump_json()
    try:
        result = kalloc.solve(instance, time_limit=None, threads=1)
    except InfeasibleError as error:
        assert error.clash
        return None
    assert instance.model_dump_json() == before
    assert verify(instance, result.plan) == []
    assert claims(instance, result.plan, result.summary()) == []
    return result


def engine_or_none_found(instance: Instance) -> Result | NoPlanError | None:
    """Return what :func:`engine` returns, or the error of an engine that gives up.

    It may where a level is asked for: everything else that is granted can be seated.
    """
    try:
        return engine(instance)
    except NoPlanError as error:
        assert any(row.level is not None for row in instance.projects)
        return error


def agree(result: Result, reference: Outcome) -> None:
    """Nothing is better than the optimum, every bound is on its far side, and what is proven is the optimum."""
    assert reference.merit is not None and reference.fragmentation is not None
    merit, fragmentation = result.tiers
    assert Fraction(repr(merit.value)) <= reference.merit
    assert merit.bound is None or merit.bound >= float(reference.merit)
    assert merit.given is None
    if fragmentation.given is None and fragmentation.bound is not None:
        assert fragmentation.bound <= reference.fragmentation
    if Fraction(repr(merit.value)) == reference.merit:
        assert fragmentation.value >= reference.fragmentation
    if result.solution is Solution.PROVEN:
        assert (merit.value, fragmentation.value) == (float(reference.merit), reference.fragmentation)


def bounds_hold_for_the_allocation(instance: Instance, result: Result) -> None:
    """Bounds that take the allocation as given are no larger than the optimum of each level, and of the score."""
    granted = {(grant.project, grant.kind): grant.gpus for grant in result.plan.grants}
    best = placement.solve(instance, granted)
    assert best.status is Status.OPTIMAL and best.fragmentation is not None
    assert result.fragmentation_bound is not None and result.fragmentation_bound <= best.fragmentation
    for level, found in result.levels.items():
        alone = Hierarchy(
            levels=instance.hierarchy.levels, weights={name: int(name == level) for name in result.levels}
        )
        fewest = placement.solve(instance.replace(hierarchy=alone), granted)
        assert fewest.status is Status.OPTIMAL
        assert found.bound is None or found.bound <= fewest.spans[level] <= found.spans


def granted(instance: Instance) -> dict[tuple[str, str], int]:
    """Return the GPUs by project and kind, without zeros, of a plan whose first tier is proven best."""
    result = kalloc.solve(instance, threads=1)
    assert result.tiers[0].bound == result.tiers[0].value
    return {(grant.project, grant.kind): grant.gpus for grant in result.plan.grants if grant.gpus}


def seats(instance: Instance) -> dict[tuple[str, str], int]:
    """Return the GPUs by project and node."""
    return {(seat.project, seat.node): seat.gpus for seat in kalloc.solve(instance, threads=1).plan.seats}
