"""One instance whose allocation is settled, and plans for it on disk that anyone can verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kalloc import Result, Solution, Termination, score, verify
from kalloc.instance import Instance
from kalloc.io import write_instance, write_result
from kalloc.plan import LevelResult, Plan, TierResult
from kalloc.proof import facts_of, gpus_of
from kalloc.slots import block_rows, cost_rows, slot_rows


class UncleanError(Exception):
    """A plan that a table would compare breaks rules, or gives somebody else than the others give."""


@dataclass(frozen=True)
class Case:
    """An instance in which everybody who asks gets all of it, and the directory where it and its plans are."""

    instance: Instance
    plan: Plan
    """The allocation. Its seats are those of the plan that it was taken from."""
    directory: Path

    @property
    def allocation(self) -> dict[tuple[str, str], int]:
        """GPUs by project and kind."""
        return granted(self.plan)

    @property
    def files(self) -> Path:
        """Where the instance is."""
        return self.directory / "instance"

    def fragmentation(self, plan: Plan) -> int:
        """Return the score of a plan.

        Raises:
            UncleanError: when the plan breaks rules, or gives anybody more or less.
        """
        if granted(plan) != self.allocation:
            raise UncleanError(f"{self.instance.name}: a plan of another allocation")
        return fragmentation(self.instance, plan)

    def keep(self, plan: Plan, name: str, bound: int | None = None) -> Path:
        """Write a plan as ``kalloc solve`` writes plans."""
        directory = self.directory / name
        write_plan(self.instance, plan, directory, bound)
        return directory


def settled(instance: Instance, plan: Plan, directory: Path) -> Case:
    """Return the case of what a plan grants: the instance itself where all that is asked is granted."""
    amounts = granted(plan)
    asked = {(row.project, row.kind): row.max for row in instance.requests}
    if amounts != asked or any(row.min != row.max for row in instance.requests):
        instance = _only(instance, amounts)
        grants = tuple(replace(grant, requested_min=grant.gpus, requested_max=grant.gpus) for grant in plan.grants)
        grants = tuple(grant for grant in grants if grant.gpus > 0)
        plan = replace(plan, instance_name=instance.name, instance_sha256=instance.sha256, grants=grants)
    write_instance(instance, directory / "instance")
    return Case(instance, plan, directory)


def granted(plan: Plan) -> dict[tuple[str, str], int]:
    """Return the GPUs that a plan grants by project and kind, zeros left out."""
    return {(grant.project, grant.kind): grant.gpus for grant in plan.grants if grant.gpus > 0}


def _only(instance: Instance, amounts: Mapping[tuple[str, str], int]) -> Instance:
    """Return an instance in which those who are served ask for what they get, and nobody else asks."""
    served = {project for project, _ in amounts}
    return instance.replace(
        name=f"{instance.name}-granted",
        projects=tuple(row for row in instance.projects if row.project in served),
        requests=tuple(
            row.model_copy(update={"min": amounts[row.project, row.kind], "max": amounts[row.project, row.kind]})
            for row in instance.requests
            if (row.project, row.kind) in amounts
        ),
    )


def fragmentation(instance: Instance, plan: Plan) -> int:
    """Return the score of a plan.

    Raises:
        UncleanError: when the plan breaks rules.
    """
    broken = verify(instance, plan)
    if broken:
        raise UncleanError(f"{instance.name}: {broken[0]}")
    return score(instance, plan).fragmentation


def write_plan(instance: Instance, plan: Plan, directory: Path, bound: int | None = None) -> None:
    """Write a plan of any origin with its score and, where one is known, a bound for its allocation."""
    found = score(instance, plan)
    result = Result(
        plan=plan,
        termination=Termination.TIME_LIMIT,
        solution=Solution.FEASIBLE,
        tiers=(
            TierResult("merit", float(found.merit), None, None),
            TierResult("fragmentation", found.fragmentation, bound, None if bound is None else "allocation"),
        ),
        levels={name: LevelResult(level.spans, level.need, None) for name, level in found.levels.items()},
        fragmentation=found.fragmentation,
        fragmentation_bound=bound,
        instance=facts_of(instance),
        gpus=gpus_of(instance, found.gpus),
        slots=tuple(slot_rows(instance, plan)),
        blocks=tuple(block_rows(instance, plan)),
        block_costs=tuple(cost_rows(instance, plan)),
    )
    write_result(result, directory)


def removed(reference: float, value: float, bound: int | None) -> float | None:
    """Return the share of the avoidable fragmentation that is gone; None where none is known to be avoidable."""
    if bound is None or reference <= bound:
        return None
    return (reference - value) / (reference - bound)
