"""The rules of the policy tables as rows of the allocation model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from fractions import Fraction

from kalloc.allocate.model import Allocation, Measure
from kalloc.allocate.rules import must_be_served
from kalloc.solver import whole_row

Shares = list[tuple[int, Fraction]]
"""(variable, rational factor) pairs."""


def call(allocation: Allocation) -> None:
    """A project that must be served is refused by no call; others that are refused have no offers."""
    refused = allocation.instance.policy.refused
    for members in allocation.classes:
        if must_be_served(allocation.instance, members) and members.members[0] in refused:
            row = allocation.model.row([(allocation.model.variable(0, 0), 1)], 1, None)
            allocation.clash[row] = f"call: project {members.members[0]!r} applied outside the call of its pool"


def limit(allocation: Allocation) -> None:
    """Projects that a limit counts together get no more and no less than it says, at its exchange rates."""
    policy = allocation.instance.policy
    classes = _classes_by_member(allocation)
    for subject in policy.subjects:
        row, rates = subject.limit, policy.rates[subject.limit.limit]
        numbers = _classes_of(classes, subject.projects)
        if row.per == "project" and all(allocation.classes[number].amount_is_one for number in numbers):
            continue
        shares = weighted(allocation, numbers, rates)
        low = None if row.least is None else Fraction(row.least)
        high = None if row.most is None else Fraction(row.most)
        number = whole_row(allocation.model, shares, low, high)
        allocation.measures[number] = Measure(shares, low, high)
        of = f" of {row.per} {subject.name!r}" if subject.name else ""
        said = [f"at most {row.most}"] if row.most is not None else []
        said += [f"at least {row.least}"] if row.least is not None else []
        allocation.clash[number] = f"limit: {row.limit!r} gives projects{of} {' and '.join(said)}"


def budget(allocation: Allocation) -> None:
    """The projects of a pool cost no more than its budget."""
    instance = allocation.instance
    for row in instance.budgets:
        below = instance.pool_tree.below[row.pool]
        shares: Shares = []
        for number, members in enumerate(allocation.classes):
            if members.pool in below:
                prices = {offer.kind: instance.policy.price(members.members[0], offer.kind) for offer in members.offers}
                shares += weighted(allocation, [number], prices)
        line = whole_row(allocation.model, shares, None, Fraction(row.won))
        allocation.measures[line] = Measure(shares, None, Fraction(row.won))
        allocation.clash[line] = f"budget: {row.budget!r} lets projects of pool {row.pool!r} cost {row.won:,} won"


def weighted(allocation: Allocation, classes: Collection[int], factors: Mapping[str, Fraction]) -> Shares:
    """Return the GPUs that some classes get, each kind times its factor."""
    found: dict[int, Fraction] = defaultdict(Fraction)
    for index in classes:
        for offer, wish in enumerate(allocation.classes[index].offers):
            for variable, factor in allocation.gpus(index, offer):
                found[variable] += factor * factors.get(wish.kind, Fraction(0))
    return [(variable, factor) for variable, factor in found.items() if factor]


def _classes_by_member(allocation: Allocation) -> Mapping[str, int]:
    return {project: number for number, members in enumerate(allocation.classes) for project in members.members}


def _classes_of(classes: Mapping[str, int], projects: Collection[str]) -> list[int]:
    """Return the classes of some projects; a limit counts all members of a class or none."""
    return list(dict.fromkeys(classes[project] for project in projects))
