"""From counts of alike projects back to names."""

from __future__ import annotations

from collections.abc import Mapping

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation
from kalloc.solver import Ids

Granted = dict[tuple[str, str], int]
"""GPUs by project and kind."""


def decode(allocation: Allocation, values: Ids) -> Granted:
    """Return GPUs by project and kind: within a class the earlier rows of projects.csv come first."""
    granted: Granted = {}
    for index, members in enumerate(allocation.classes):
        if any((index, offer) in allocation.ladder for offer in range(len(members.offers))):
            granted |= _by_rungs(allocation, index, members, values)
        else:
            granted |= _by_steps(allocation, index, members, values)
    return granted


def bundles_of(granted: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return what every project gets, by kind."""
    bundles: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in granted.items():
        bundles.setdefault(project, {})[kind] = gpus
    return bundles


def _by_steps(allocation: Allocation, index: int, members: ProjectClass, values: Ids) -> Granted:
    """Give the steps of each offer to as few of those served as can take them."""
    granted: Granted = {}
    start = 0
    for offer, wish in enumerate(members.offers):
        served = int(values[allocation.served[index, offer]])
        left = int(values[allocation.extra[index, offer]]) if wish.extra else 0
        for turn in range(start, start + served):
            member = members.members[turn % members.size]
            steps = min(left, wish.extra)
            left -= steps
            granted[member, wish.kind] = wish.first + steps * wish.step
        start += served if members.one_kind or members.mandatory else 0
    return granted


def _by_rungs(allocation: Allocation, index: int, members: ProjectClass, values: Ids) -> Granted:
    """Give the amounts that the rungs count, those of most value to the first members."""
    granted: Granted = {}
    amounts = []
    for offer, wish in enumerate(members.offers):
        counts = [int(values[rung]) for rung in allocation.ladder[index, offer]]
        for gpus, here, above in zip(wish.amounts, counts, [*counts[1:], 0], strict=True):
            amounts += [(wish.value * gpus, offer, gpus)] * (here - above)
    if not members.amount_is_one:
        return {(members.members[0], members.offers[offer].kind): gpus for _, offer, gpus in amounts}
    amounts.sort(key=lambda entry: (-entry[0], entry[1], -entry[2]))
    for member, (_, offer, gpus) in zip(members.members, amounts, strict=False):
        granted[member, members.offers[offer].kind] = gpus
    return granted
