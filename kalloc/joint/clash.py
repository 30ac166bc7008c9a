"""What excludes itself where the allocation alone has a plan, but nobody can seat it."""

from __future__ import annotations

from kalloc.instance import Instance
from kalloc.instance.policy import FORM_RULES
from kalloc.joint.bundles import TooManyBundlesError
from kalloc.joint.solve import solve_joint
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status


def seating_clash(instance: Instance, size: int, limits: Limits) -> list[str]:
    """Return what excludes itself where the allocation alone has a plan, but nobody can seat it.

    A smallest set of requirements on single projects is found by leaving them out one by one.
    """
    stuck = {row.project: row for row in instance.projects if row.mandatory or row.project in instance.stays}
    sentences = {("mandatory", name): f"project {name!r} must be served" for name in stuck if stuck[name].mandatory}
    sentences |= {("stays", name): f"project {name!r} keeps GPUs where they are" for name in instance.stays}
    whole = {name: row.level for name, row in stuck.items() if row.level is not None}
    sentences |= {("level", name): f"project {name!r} must sit in one {level}" for name, level in whole.items()}
    shapes = {(row.shape, row.project) for row in instance.shapes if row.shape in FORM_RULES and row.project in stuck}
    sentences |= {(rule, name): f"project {name!r} must have its GPUs in this shape" for rule, name in sorted(shapes)}
    kept = set(sentences)
    for requirement in sentences:
        if _unseatable(instance, kept - {requirement}, size, limits):
            kept.remove(requirement)
    clash = [f"{rule}: {sentence}" for (rule, name), sentence in sentences.items() if (rule, name) in kept]
    return [*clash, "room: the free GPUs of single domains do not hold them together"]


def _unseatable(instance: Instance, kept: set[tuple[str, str]], size: int, limits: Limits) -> bool:
    """Tell whether nobody can seat a plan that meets only some requirements on single projects."""
    projects = [
        row.model_copy(
            update={
                "mandatory": ("mandatory", row.project) in kept,
                "level": row.level if ("level", row.project) in kept else None,
            }
        )
        for row in instance.projects
    ]
    placed = [
        row.model_copy(update={"movable": row.movable or ("stays", row.project) not in kept}) for row in instance.placed
    ]
    shapes = (row for row in instance.shapes if row.shape not in FORM_RULES or (row.shape, row.project) in kept)
    fewer = instance.replace(projects=tuple(projects), placed=tuple(placed), shapes=tuple(shapes))
    try:
        status, _ = solve_joint(fewer, Rooms.of(fewer), {}, size, limits)
    except (TooLargeError, TooManyBundlesError):
        return False
    return status is Status.INFEASIBLE
