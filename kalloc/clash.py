"""Why no plan can exist: a smallest set of requests and rules that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence

from kalloc.allocate.model import Allocation
from kalloc.solver import Limits, Model, Status, solve_cp_sat


def clash_of(allocation: Allocation, limits: Limits) -> list[str]:
    """Return the sentences of a set of rules that cannot hold together and of which none can be missed.

    QuickXplain (Junker, 2004) over the named rows of the allocation model. Where time runs out, the set excludes
    itself still, but may not be smallest. Empty when the rules by themselves leave a plan.
    """
    named = sorted(allocation.clash)
    if not _impossible(allocation, named, limits):
        return []
    found = _explain(allocation, [], named, limits, changed=False)
    return list(dict.fromkeys(allocation.clash[row] for row in found))


def _explain(
    allocation: Allocation, kept: Sequence[int], doubtful: Sequence[int], limits: Limits, changed: bool
) -> list[int]:
    if changed and _impossible(allocation, kept, limits):
        return []
    if len(doubtful) == 1 or limits.over:
        return list(doubtful)
    middle = len(doubtful) // 2
    first, second = doubtful[:middle], doubtful[middle:]
    right = _explain(allocation, [*kept, *first], second, limits, changed=bool(first))
    left = _explain(allocation, [*kept, *right], first, limits, changed=bool(right))
    return [*left, *right]


def _impossible(allocation: Allocation, rows: Sequence[int], limits: Limits) -> bool:
    """Tell whether some named rows exclude each other, together with all that has no name."""
    full, wanted = allocation.model, set(rows)
    upper = [allocation.loose.get(variable, most) for variable, most in enumerate(full.upper)]
    model = Model(lower=full.lower, upper=upper, cost=[0] * full.size)
    for row, columns in enumerate(full.row_columns):
        if row in wanted or row not in allocation.clash:
            terms = list(zip(columns, full.row_factors[row], strict=True))
            model.row(terms, full.row_lower[row], full.row_upper[row])
    return solve_cp_sat(model, limits).status is Status.INFEASIBLE
