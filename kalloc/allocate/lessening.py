"""Less for one project that could not be seated, where a model is too large to be decided again."""

from __future__ import annotations

from kalloc.allocate.decode import Granted
from kalloc.allocate.model import Allocation
from kalloc.instance import Instance


def lessened(allocation: Allocation, settled: Granted, granted: Granted, project: str) -> Granted:
    """Return what is granted with less for one project: a step, and each time as many more as it has lost already.

    ``settled`` is what was granted at first. What it keeps, it keeps.
    """
    members = next(one for one in allocation.classes if project in one.members)
    less = dict(granted)
    for offer in members.offers:
        key = (project, offer.kind)
        if granted.get(key, 0) > 0:
            first, now = (offer.amounts.index(found[key]) for found in (settled, granted))
            lower = now - max(1, first - now)
            if lower >= 0 or offer.kept:
                less[key] = offer.amounts[max(0, lower)]
            else:
                del less[key]
    return less


def keeps_floors(instance: Instance, granted: Granted) -> bool:
    """Tell whether what is granted keeps all floors of `limit`."""
    for subject in instance.policy.subjects:
        if subject.limit.least is not None:
            rates, names = instance.policy.rates[subject.limit.limit], set(subject.projects)
            counted = (rates.get(kind, 0) * gpus for (name, kind), gpus in granted.items() if name in names)
            if sum(counted) < subject.limit.least:
                return False
    return True
