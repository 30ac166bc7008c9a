"""From the cohorts and queues of Kueue to pools with quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from kalloc.io.importing.facts import Facts, Findings, Where
from kalloc.io.importing.trees import Switch, parents


@dataclass
class Amount:
    """Quota of one kind; None is no limit."""

    nominal: int = 0
    borrowing: int | None = 0
    lending: int | None = 0

    @property
    def lent(self) -> int:
        """The most that others may have of it."""
        return self.nominal if self.lending is None else min(self.lending, self.nominal)

    @property
    def lives_on_others(self) -> bool:
        """Whether it is nothing, with no limit to what is borrowed."""
        return self.nominal == 0 and self.borrowing is None


@dataclass
class Group:
    """A ClusterQueue or a Cohort."""

    pool: str
    above: str | None
    """The cohort that it is in, by its name in Kueue."""
    where: Where
    amounts: dict[str, Amount] = field(default_factory=dict)
    """By kind; for a cohort what it has besides its members."""

    @property
    def has_quota(self) -> bool:
        """Whether it has GPUs of any kind."""
        return any(amount.nominal for amount in self.amounts.values())


Cohorts = Mapping[str, Group]


def total(one: Amount, other: Amount) -> Amount:
    """Return two amounts as one."""

    def both(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else a + b

    borrowing, lending = both(one.borrowing, other.borrowing), both(one.lending, other.lending)
    return Amount(one.nominal + other.nominal, borrowing, lending)


def write_pools(queues: Sequence[Group], cohorts: Cohorts, ours: bool, facts: Facts, found: Findings) -> None:
    """Add pools and quotas: a cohort has what its members have, and what it has besides.

    Args:
        queues: the ClusterQueues.
        cohorts: the Cohorts by their names in Kueue.
        ours: whether an export of kalloc has made them; else what a cohort has besides its members is a pool that
            lends it, and a cohort without quotas has a row all the same, so that it bounds and lends.
        facts: where the pools and quotas go.
        found: where defects go.
    """
    cohorts = _with_named(cohorts, found)
    members: dict[str, list[Group]] = {name: [] for name in cohorts}
    for group in queues:
        if group.above is not None:
            members[group.above].append(group)
    lenders = [] if ours else list(_lenders(cohorts, members, found))
    for group in lenders:
        members[str(group.above)].append(group)
    for group in (*cohorts.values(), *queues, *lenders):
        parent = cohorts[group.above].pool if group.above is not None else None
        facts.add("pools", group.where, pool=group.pool, parent=parent)
    tree = Tree(cohorts, members, ours)
    for name, group in cohorts.items():
        tree.cohort_rows(name, group, facts)
    for group in (*queues, *lenders):
        tree.queue_rows(group, facts, found)


def _with_named(cohorts: Cohorts, found: Findings) -> Cohorts:
    """Return the cohorts and those that are named as parents only; cycles are defects."""
    tree = {name: Switch(name, group.where) for name, group in cohorts.items()}
    for name, group in cohorts.items():
        if group.above is not None:
            tree.setdefault(group.above, Switch(group.above, group.where)).children.append(name)
    parents(tree, found)
    found.raise_if_any()
    return {**cohorts, **{name: Group(name, None, tree[name].where) for name in tree if name not in cohorts}}


def _lenders(cohorts: Cohorts, members: Mapping[str, Sequence[Group]], found: Findings) -> Iterator[Group]:
    """Yield a pool for what each cohort has besides its members."""
    for name, group in cohorts.items():
        own = {kind: amount for kind, amount in group.amounts.items() if amount.nominal}
        if own:
            lender = Group(
                f"{group.pool} (own)", name, group.where, {kind: Amount(own[kind].nominal, 0, None) for kind in own}
            )
            found.guessed(group.where, f"a pool {lender.pool!r} is added: it lends what the cohort has itself")
            yield lender


class Tree:
    """Cohorts and their members, and what they have together."""

    def __init__(self, cohorts: Cohorts, members: Mapping[str, Sequence[Group]], ours: bool) -> None:
        self.cohorts, self.members, self.ours = cohorts, members, ours
        self.below: dict[str, list[str]] = {name: [] for name in cohorts}
        for name, group in cohorts.items():
            if group.above is not None:
                self.below[group.above].append(name)
        self.totals: dict[str, dict[str, Amount]] = {}
        order = list(TopologicalSorter(self.below).static_order())
        for name in order:
            self.totals[name] = self._total(name)
        self.root = dict(zip(cohorts, cohorts, strict=True))
        for name in reversed(order):
            self.root.update(dict.fromkeys(self.below[name], self.root[name]))

    def cohort_rows(self, name: str, group: Group, facts: Facts) -> None:
        """Add the quotas of a cohort: what is below it and, where it says so, how much it borrows and lends."""
        for kind, amount in self.totals[name].items():
            said = group.amounts.get(kind)
            root = group.above is None
            if said is None and (root or self.ours):
                continue
            most = self._most(name, kind) - amount.nominal
            borrowing = 0 if root else None if said is None else said.borrowing
            lending = 0 if root else amount.lending if said is None or said.lending is None else said.lending
            _row(facts, group, kind, Amount(amount.nominal, borrowing, lending), most)

    def queue_rows(self, group: Group, facts: Facts, found: Findings) -> None:
        """Add the quotas of a queue; one without any that may borrow without limit lives on what its cohort has."""
        for kind, amount in group.amounts.items():
            if group.above is None:
                _row(facts, group, kind, Amount(amount.nominal), 0)
                continue
            if amount.lives_on_others:
                if not self.ours:
                    found.guessed(
                        group.where, f"{group.pool!r} has no {kind} and borrows without limit: no row in quotas"
                    )
                continue
            _row(facts, group, kind, amount, self._most(group.above, kind) - amount.nominal)
            if amount.borrowing != 0 and self.cohorts[group.above].above is not None and not self.ours:
                message = f"{group.pool!r} borrows {kind} of other members of cohort {group.above!r} only"
                found.ambiguous(group.where, f"{message}: kalloc knows no borrowing through cohorts above")

    def _most(self, name: str, kind: str) -> int:
        """Return what all members of the root cohort have together."""
        return self.totals[self.root[name]].get(kind, Amount()).nominal

    def _total(self, name: str) -> dict[str, Amount]:
        """Return what all under a cohort have, and what they lend, by kind; those below must be known."""
        held = [group.amounts for group in (*self.members[name], *((self.cohorts[name],) if self.ours else ()))]
        found: dict[str, Amount] = {}
        for amounts in (*held, *(self.totals[cohort] for cohort in self.below[name])):
            for kind, amount in amounts.items():
                found[kind] = total(found.get(kind, Amount()), Amount(amount.nominal, None, amount.lent))
        return found


def _row(facts: Facts, group: Group, kind: str, amount: Amount, most: int) -> None:
    borrow = most if amount.borrowing is None else amount.borrowing
    facts.add("quotas", group.where, pool=group.pool, kind=kind, gpus=amount.nominal, borrow=borrow, lend=amount.lent)
