"""What one step more of each rule is worth: every quota, cap and kind in turn, solved again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from kalloc.allocate.tiers import OF_SEATS
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import ALL_KINDS, NodeGroup
from kalloc.instance.rows import Row
from kalloc.solver import Limits
from kalloc.solving import solve
from kalloc.verify import score
from kalloc.whatif.equal import as_good
from kalloc.whatif.nearest import nearest, reseated
from kalloc.whatif.part import part_of
from kalloc.whatif.scatter import least_scattering
from kalloc.whatif.settle import Settled, proven_tiers, settle

if TYPE_CHECKING:
    from kalloc.instance import Cap, Instance, Quota
    from kalloc.plan import Plan


@dataclass(frozen=True)
class Step:
    """One rule or supply with one step more, all else as it is."""

    rule: str
    """``quota``, ``borrow``, ``lend``, ``cap``, ``limit``, ``budget``, ``power`` or ``nodes``."""
    pool: str
    """The pool; of a limit, a budget and a power limit its name."""
    kind: str
    gpus: int
    """GPUs of one step: those of a node of the kind, the smallest for all kinds."""
    apply: Callable[[Instance], Instance]


@dataclass(frozen=True)
class Worth:
    """What one step more changes in the best plan."""

    rule: str
    pool: str
    kind: str
    gpus: int
    tiers: Mapping[str, Fraction | None]
    """The change of every tier; None where either value was not proven best, or not sought."""
    not_sought: tuple[str, ...]
    """Tiers that were left out: of a large instance the first that seats decide, and those after it."""
    reached: Mapping[str, Fraction | None] = field(default_factory=dict)
    """Of the first of those what a plan that was put together has more than the plan at hand, where there is one.

    It keeps every rule with the step, and is best on the tiers before: so a best plan comes to no more fragmentation,
    and no less reserve.
    """
    proven: Mapping[str, Fraction | None] = field(default_factory=dict)
    """Of fragmentation, where it is that tier: what any plan that grants as much as that one has more at the least."""


POLICY = frozenset({"limit", "budget", "power"})
SMALL_NODES = 300
"""Up to so many nodes each step is solved whole, seats and all; beyond, tiers that seats decide are left out."""
OPENING = frozenset({"borrow", "lend", "nodes"})
"""Rules with which more nodes serve somebody."""
FIRST_SHARE = 0.03
"""Share of the time left in which the fragmentation of a part is bounded as it is."""
BOUND_SHARE = 0.3
"""Share of a step's part of the time left in which it is bounded with the step."""
Sides = dict[str, Fraction | None]
"""What a tier comes to beyond the plan at hand, by its name."""
SUMS = frozenset({"merit", "ranked", "served", "utilisation"})
"""Tiers that add up over parts of an instance."""


def steps_of(instance: Instance) -> list[Step]:
    """Return a step of every quota, of what is borrowed and lent already, of every cap, and of every owner's nodes.

    With a node the quotas of its owner, and of those above, grow alike.
    """
    found = []
    for row in instance.quotas:
        gpus = _unit(instance, row.kind)
        for rule, column in (("quota", "gpus"), ("borrow", "borrow"), ("lend", "lend")):
            if rule == "quota" or getattr(row, column):
                found.append(Step(rule, row.pool, row.kind, gpus, partial(_quota, row, column, gpus)))
    for cap in instance.caps:
        gpus = _unit(instance, cap.kind)
        found.append(Step("cap", cap.pool, cap.kind, gpus, partial(_cap, cap, gpus)))
    groups = {(row.owner, row.kind): row for row in instance.inventory if row.state == "up"}
    found += _policy(instance, list(groups.values()))
    found += [Step("nodes", *key, like.gpus, partial(_nodes, like)) for key, like in groups.items()]
    return found


def worth(instance: Instance, time_limit: float = math.inf, plan: Plan | None = None) -> Iterator[Worth]:
    """Yield what one step more of each rule is worth: the change of every tier between two solves proven best.

    Of a large instance only the parts that a rule can matter to are solved, which is exact: each once as it is, and
    once with the step; all of it where a tier does not add up over parts. What is not proven, or not reached in time,
    has no figure, and tiers that seats decide are not sought; of a ``plan`` it is told what they come to when those
    whom a step changes are seated anew, all others staying.
    """
    limits = Limits(deadline=time.monotonic() + time_limit)
    book = _Whole(instance, limits) if instance.topology.node_count <= SMALL_NODES else _Parts(instance, limits, plan)
    steps = steps_of(instance)
    for number, step in enumerate(steps):
        change = book.change(step)
        reached, proven = book.reached(step, change, 1 / (len(steps) - number))
        yield Worth(step.rule, step.pool, step.kind, step.gpus, change, book.not_sought, reached, proven)


class _Whole:
    """Solves the whole instance, all tiers."""

    not_sought = ()

    def __init__(self, instance: Instance, limits: Limits) -> None:
        self.instance, self.limits = instance, limits
        self.before = self._values(instance)

    def change(self, step: Step) -> dict[str, Fraction | None]:
        """Return the change of every tier."""
        after = self._values(step.apply(self.instance))
        return {name: _less(after.get(name), early) for name, early in self.before.items()}

    def reached(self, step: Step, change: Mapping[str, Fraction | None], share: float) -> tuple[Sides, Sides]:
        """Return nothing: no tier is left out."""
        return {}, {}

    def _values(self, instance: Instance) -> dict[str, Fraction | None]:
        """Return the value of every tier that is proven best, given those before it."""
        values: dict[str, Fraction | None] = dict.fromkeys(instance.objective.names)
        if not self.limits.over:
            with suppress(NoPlanError, InfeasibleError):
                values.update(proven_tiers(solve(instance, time_limit=self.limits.seconds)))
        return values


class _Parts:
    """Solves the allocation of the parts that a step can matter to."""

    def __init__(self, instance: Instance, limits: Limits, plan: Plan | None) -> None:
        self.instance, self.limits, self.plan = instance, limits, plan
        self.granted = {} if plan is None else {(row.project, row.kind): row.gpus for row in plan.grants if row.gpus}
        self.score = None if plan is None else score(instance, plan)
        self.part: dict[str, Instance] = {}
        self.before: dict[frozenset[str], Settled | None] = {}
        self.least: dict[frozenset[str], int] = {}
        tiers = instance.objective.tiers
        self.decided = [tier.name for tier in takewhile(lambda tier: tier.name not in OF_SEATS, tiers)]
        self.not_sought = tuple(tier.name for tier in tiers[len(self.decided) :])
        self.separable = SUMS.issuperset(self.decided)
        """Whether the best of all is the best of each part."""
        self.constant = all(tier.of != "quota" for tier in tiers)
        """Whether a plan is worth as much after a step as before."""

    def change(self, step: Step) -> dict[str, Fraction | None]:
        """Return the change of every tier; None for those that seats decide."""
        changes: dict[str, Fraction | None] = dict.fromkeys(self.instance.objective.names)
        parts = self._parts(step) if self.separable else [self.instance]
        gains = [self._gain(part, step) for part in parts]
        for name in self.decided:
            told = [gain[name] for gain in gains if name in gain]
            changes[name] = sum(told, Fraction(0)) if len(told) == len(gains) else None
        return changes

    def reached(self, step: Step, change: Mapping[str, Fraction | None], share: float) -> tuple[Sides, Sides]:
        """Return what the first tier that seats decide comes to beyond the plan; None where that is not known.

        The plan must be best on the tiers that the allocation decides, and so must be what comes of it. Second is what
        is proven of what it then grants, within a share of the time left; empty but for fragmentation.
        """
        if self.plan is None or self.score is None or not self.not_sought:
            return {}, {}
        name = self.not_sought[0]
        nothing: Sides = {name: None}
        unproven: Sides = nothing if name == "fragmentation" else {}
        changes = [change[name] for name in self.decided]
        parts = list(self._parts(step)) if self.separable else [self.instance]
        if None in changes or not all(self._best(part) for part in parts) or self.limits.over:
            return nothing, unproven
        same = self.constant and not any(changes)
        as_before = same and step.rule != "nodes"  # with a node more, projects may need fewer domains
        plan = self.plan if as_before else self._after(step, () if same else parts)
        if plan is None:
            return nothing, unproven
        beyond = Fraction(0)
        if not as_before:
            beyond = score(step.apply(self.instance), plan).tiers[name] - self.score.tiers[name]
        if not unproven:
            return {name: beyond}, {}
        least = self._least(step, parts, plan, same and step.rule not in OPENING, share)
        return {name: beyond}, {name: None if least is None else least - self.score.tiers[name]}

    def _after(self, step: Step, parts: Iterable[Instance]) -> Plan | None:
        """Return a plan with a step; grants change in some parts alone. None where none was found."""
        assert self.plan is not None
        granted = dict(self.granted)
        for part in parts:
            found = nearest(step.apply(part), granted, self.limits)
            if found is None:
                return None
            granted = {key: gpus for key, gpus in granted.items() if key[0] not in part.project_of} | dict(found)
        return reseated(step.apply(self.instance), self.plan, granted)

    def _least(self, step: Step, parts: Sequence[Instance], plan: Plan, same: bool, share: float) -> Fraction | None:
        """Return a bound of the fragmentation of what a plan grants with a step: that of every part, added up.

        The parts that the step does not touch, and all of them if nothing is other than before, are bounded once.
        """
        assert self.plan is not None
        everything = self._everything() if self.separable else [self.instance]
        for part in everything:
            key = frozenset(part.project_of)
            if key not in self.least:
                self.least[key] = least_scattering(part, self.plan, self._within(FIRST_SHARE))
        touched = [] if same else [frozenset(part.project_of) for part in parts]
        total = sum(bound for key, bound in self.least.items() if key not in touched)
        if touched and self.limits.over:
            return None
        for part in parts if touched else ():
            total += least_scattering(step.apply(part), plan, self._within(BOUND_SHARE * share / len(parts)))
        return Fraction(total)

    def _within(self, share: float) -> Limits:
        return replace(self.limits, deadline=time.monotonic() + share * self.limits.seconds)

    def _everything(self) -> Iterable[Instance]:
        """Return all parts, without repetition."""
        return self._with(row.pool for row in self.instance.projects)

    def _best(self, part: Instance) -> bool:
        """Tell whether the plan grants a part as much on every tier as the best allocation that was found."""
        before = self.before.get(frozenset(part.project_of))
        return before is not None and before.proven and as_good(part, self.granted, before.granted)

    def _parts(self, step: Step) -> Iterable[Instance]:
        """Return the parts, without repetition, of the pools that the step's rule binds or whose nodes it adds to."""
        tree = self.instance.pool_tree
        if step.rule == "nodes":
            kinds = (step.kind, ALL_KINDS)
            grown = (pool for pool in tree.line(step.pool) if any((pool, kind) in tree.quotas for kind in kinds))
            touched = {pool for pool in tree.parent if tree.serves(step.pool, pool, step.kind)}
            touched.update(*(tree.below[pool] for pool in grown))
        elif step.rule in POLICY:
            touched = set(tree.parent)
        else:
            parent = tree.parent[step.pool] if step.rule in ("borrow", "lend") else None
            touched = set(tree.below[step.pool if parent is None else parent])
        return self._with(touched & {row.pool for row in self.instance.projects})

    def _with(self, pools: Iterable[str]) -> Iterable[Instance]:
        """Return the parts of some pools with projects."""
        found: dict[frozenset[str], Instance] = {}
        for pool in sorted(set(pools)):
            if pool not in self.part:
                part = part_of(self.instance, pool, asks=False)
                self.part.update(dict.fromkeys({row.pool for row in part.projects}, part))
            found[frozenset(self.part[pool].project_of)] = self.part[pool]
        return found.values()

    def _gain(self, part: Instance, step: Step) -> Mapping[str, Fraction]:
        """Return what a part gains on each tier that is proven."""
        key = frozenset(part.project_of)
        if key not in self.before:
            self.before[key] = self._settled(part, seated=True)
        before, changed = self.before[key], step.apply(part)
        if before is None or not before.seated:
            return {}
        after = self._settled(changed, seated=False)
        same = after is not None and self.constant and after.tiers == before.tiers
        if after is not None and not after.seated and not same:
            after = self._settled(changed, seated=True)
        if after is None or not (after.seated or same):
            return {}
        both = before.tiers.keys() & after.tiers.keys()
        return {name: after.tiers[name] - before.tiers[name] for name in both}

    def _settled(self, instance: Instance, seated: bool) -> Settled | None:
        if self.limits.over:
            return None
        try:
            return settle(instance, self.limits, seated)
        except NoPlanError:
            return None


def _policy(instance: Instance, groups: Sequence[NodeGroup]) -> Iterator[Step]:
    """Yield a step of every limit, budget and power limit: what a node more counts, costs or draws, the largest."""
    if not groups:
        return
    won = {row.kind: row.won for row in instance.kinds}
    watts = {row.kind: row.watts for row in instance.kinds}
    for row in (row for row in instance.limits if row.most is not None):
        rates = instance.policy.rates[row.limit]
        like = max(groups, key=lambda group: rates.get(group.kind, Fraction(0)) * group.gpus)
        more = math.ceil(rates.get(like.kind, Fraction(0)) * like.gpus)
        yield Step("limit", row.limit, like.kind, like.gpus, partial(_more, "limits", row, "most", more))
    dear = max(groups, key=lambda group: won[group.kind] * group.gpus)
    for budget in instance.budgets:
        more = won[dear.kind] * dear.gpus
        yield Step("budget", budget.budget, dear.kind, dear.gpus, partial(_more, "budgets", budget, "won", more))
    hot = max(groups, key=lambda group: watts[group.kind] * group.gpus)
    for power in instance.power:
        kw = watts[hot.kind] * hot.gpus / 1000
        yield Step("power", power.power, hot.kind, hot.gpus, partial(_more, "power", power, "kw", kw))


def _more(table: str, row: Row, column: str, more: float, instance: Instance) -> Instance:
    """Return an instance where a cell of one row of a table is larger."""
    larger = row.model_copy(update={column: getattr(row, column) + more})
    return instance.replace(**{table: tuple(larger if other == row else other for other in getattr(instance, table))})


def _less(late: Fraction | None, early: Fraction | None) -> Fraction | None:
    return None if late is None or early is None else late - early


def _unit(instance: Instance, kind: str) -> int:
    """Return the GPUs of one step: those of a node of the kind, for all kinds of the smallest node."""
    return min(instance.node_gpus.values()) if kind == ALL_KINDS else instance.node_gpus[kind]


def _quota(row: Quota, column: str, gpus: int, instance: Instance) -> Instance:
    more = row.model_copy(update={column: getattr(row, column) + gpus})
    return instance.replace(quotas=tuple(more if other == row else other for other in instance.quotas))


def _cap(row: Cap, gpus: int, instance: Instance) -> Instance:
    more = row.model_copy(update={"gpus": row.gpus + gpus})
    return instance.replace(caps=tuple(more if other == row else other for other in instance.caps))


def _nodes(like: NodeGroup, instance: Instance) -> Instance:
    """Add a node, and its GPUs to the quotas of its owner and of those above."""
    more = NodeGroup(path=like.path, kind=like.kind, gpus=like.gpus, owner=like.owner)
    line = instance.pool_tree.line(like.owner)
    quotas = (
        row.model_copy(update={"gpus": row.gpus + like.gpus})
        if row.pool in line and row.kind in (like.kind, ALL_KINDS)
        else row
        for row in instance.quotas
    )
    return instance.replace(inventory=(*instance.inventory, more), quotas=tuple(quotas))
