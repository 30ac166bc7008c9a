"""How scattered projects are: by this plan, by best fit, as they run today, and what is proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kalloc.bestfit import best_fit
from kalloc.plan import Seat
from kalloc.verify import Score, score, verify

if TYPE_CHECKING:
    import pandas as pd

    from kalloc.instance import Instance
    from kalloc.plan import Plan


@dataclass(frozen=True)
class Comparison:
    """Fragmentation of the same allocation, seated by different hands; and of what runs already, today and then."""

    plan: Score
    best_fit: Score
    unseated: int
    """GPUs for which best fit finds no room; what it scatters does not count them."""
    broken: int
    """Times that best fit breaks a rule besides, since it does not know all of them."""
    bound: int | None
    """Proven: no placement scores less."""
    running: int
    """Projects that ask and run already."""
    before: Score | None
    """What runs already, as it lies today; None where nothing runs, or where it lies on nodes closed to it."""
    after: Score | None
    """The same projects in the plan."""

    @property
    def removed(self) -> float | None:
        """The part of what best fit scatters beyond the bound that the plan does away with; None without a bound."""
        if self.bound is None or self.best_fit.fragmentation <= self.bound:
            return None
        most = self.best_fit.fragmentation - self.bound
        return (self.best_fit.fragmentation - self.plan.fragmentation) / most


def compare(instance: Instance, plan: Plan, bound: int | None) -> Comparison:
    """Compare the fragmentation of a plan that is clean with best fit, with what runs, and with a bound."""
    other = best_fit(instance, plan)
    whole, seated = score(instance, plan), score(instance, other)
    running = {row.project for row in instance.placed} & set(instance.project_of)
    kept = replace(plan, seats=tuple(seat for seat in plan.seats if seat.project in running))
    return Comparison(
        plan=whole,
        best_fit=seated,
        unseated=whole.gpus - seated.gpus,
        broken=sum(violation.rule != "seated" for violation in verify(instance, other)),
        bound=bound,
        running=len(running),
        before=_today(instance, plan) if running else None,
        after=score(instance, kept) if running else None,
    )


def _today(instance: Instance, plan: Plan) -> Score | None:
    """Return the score of what runs already and asks, where it lies; None where that is closed to it."""
    topology = instance.topology
    held: Counter[tuple[str, str]] = Counter()
    for row in instance.placed:
        if row.project in instance.project_of:
            held[row.project, row.node] += row.gpus
    seats = []
    for (project, node), gpus in held.items():
        group = topology.row(topology.node_ids[node])
        seats.append(Seat(project, group.kind, group.path, node, gpus))
    try:
        return score(instance, replace(plan, seats=tuple(seats)))
    except ValueError:
        return None


def by_level(instance: Instance, compared: Comparison, summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return the domains more than needed at every level.

    Returns:
        Columns level, weight, need (domains that all projects need), best_fit, plan and bound (domains beyond that;
        the bound is missing where none is proven).
    """
    import pandas as pd

    levels = summary["fragmentation"]["levels"]
    rows = []
    for (name, mine), weight in zip(compared.plan.levels.items(), instance.topology.weights, strict=True):
        other, bound = compared.best_fit.levels[name], levels[name]["bound"]
        least = None if bound is None else bound - mine.need
        rows.append((name, weight, mine.need, other.spans - other.need, mine.spans - mine.need, least))
    frame = pd.DataFrame(rows, columns=["level", "weight", "need", "best_fit", "plan", "bound"])
    return frame.astype({"bound": "Int64"})


def today_and_then(compared: Comparison) -> pd.DataFrame:
    """Return the domains more than needed of the projects that run already, at every level.

    Returns:
        Columns level, before (as they lie today) and after (in the plan); no row where that cannot be compared.
    """
    import pandas as pd

    rows = []
    if compared.before is not None and compared.after is not None:
        for (name, early), late in zip(compared.before.levels.items(), compared.after.levels.values(), strict=True):
            rows.append((name, early.spans - early.need, late.spans - late.need))
    return pd.DataFrame(rows, columns=["level", "before", "after"])
