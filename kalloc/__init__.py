"""kalloc decides who gets how many of a nation's GPUs and where they sit, with a proven bound.

As in::

    instance = kalloc.load("instances/korea-260k")
    result = kalloc.solve(instance, time_limit=60)
    result.plan.placements
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kalloc.verify import Violation, score, verify

if TYPE_CHECKING:
    from kalloc.errors import Defect, InfeasibleError, InstanceError, KallocError, NoPlanError, PlanRejectedError
    from kalloc.instance import Instance
    from kalloc.io import load
    from kalloc.plan import Plan, Progress, Result, Solution, Termination
    from kalloc.solving import solve

__version__ = "0.1.0"

__all__ = [
    "Defect",
    "InfeasibleError",
    "Instance",
    "InstanceError",
    "KallocError",
    "NoPlanError",
    "Plan",
    "PlanRejectedError",
    "Progress",
    "Result",
    "Solution",
    "Termination",
    "Violation",
    "load",
    "score",
    "solve",
    "verify",
]

_HOMES = {
    "kalloc.errors": ("Defect", "InfeasibleError", "InstanceError", "KallocError", "NoPlanError", "PlanRejectedError"),
    "kalloc.instance": ("Instance",),
    "kalloc.io": ("load",),
    "kalloc.plan": ("Plan", "Progress", "Result", "Solution", "Termination"),
    "kalloc.solving": ("solve",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for, so that ``import kalloc`` costs next to nothing."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'kalloc' has no attribute {name!r}")
