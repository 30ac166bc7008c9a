"""The arithmetic of the reasons: a function for each, with its figures where it applies, None where it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from kalloc.explain.books import ALL, Books
from kalloc.explain.orders import balance_leads, off_target, order_of
from kalloc.instance.policy import decimal

if TYPE_CHECKING:
    from kalloc.instance import Project, Quota, Request

Facts = Mapping[str, object]
"""The figures of a sentence by name."""


@dataclass(frozen=True)
class Case:
    """One request and what it gets."""

    books: Books
    request: Request

    @cached_property
    def project(self) -> Project:
        """The project that asks."""
        return self.books.instance.project_of[self.request.project]

    @property
    def pool(self) -> str:
        """The pool that it belongs to."""
        return self.project.pool

    @property
    def kind(self) -> str:
        """The kind that it asks for."""
        return self.request.kind

    @cached_property
    def gets(self) -> int:
        """The GPUs that it gets."""
        return self.books.gets(self.project.project, self.kind)

    @cached_property
    def step(self) -> int:
        """The GPUs between what it gets and the next amount, as far as its shapes allow one."""
        amount = self.next_amount
        step = self.books.instance.step(self.request)
        first = step if self.gets else self.request.min or step
        return first if amount is None else amount - self.gets

    @cached_property
    def next_amount(self) -> int | None:
        """The next amount that its shapes allow beside its other kinds; None where there is none up to its max."""
        step = self.books.instance.step(self.request)
        first = self.gets + step if self.gets else self.request.min or step
        multiple = self.books.seats.multiple(self.project.project, self.kind, self.single)
        common = math.gcd(step, multiple)
        missing, period = -(first + self.others) % multiple, multiple // common
        if missing % common:
            return None
        steps = missing // common * pow(step // common, -1, period) % period
        amount = first + steps * step
        return amount if amount <= self.request.max else None

    @cached_property
    def single(self) -> bool:
        """Whether all GPUs of the project are of this kind."""
        return self.project.mix == "one" or len(self.books.instance.requests_of[self.project.project]) == 1

    @property
    def others(self) -> int:
        """The GPUs of other kinds that it keeps besides."""
        bundle = self.books.records.granted.get(self.project.project, {})
        return 0 if self.single else sum(bundle.values()) - self.gets

    @property
    def worth(self) -> Fraction:
        """What one GPU of the request adds to the merit of the plan."""
        return decimal(self.project.merit) * decimal(self.books.instance.value(self.request))

    @property
    def kept(self) -> int:
        """The GPUs of the kind that it keeps where they are."""
        row = self.books.instance.topology.row
        nodes = self.books.instance.stays.get(self.project.project, {}).items()
        return sum(gpus for node, gpus in nodes if row(node).kind == self.kind)


def full(case: Case) -> Facts | None:
    """It gets its max."""
    return {} if case.gets == case.request.max else None


def step(case: Case) -> Facts | None:
    """One step more would be over its max."""
    return {} if case.gets + case.step > case.request.max else None


def cap(case: Case) -> Facts | None:
    """One step more would be over a cap."""
    line = case.books.instance.pool_tree.line(case.pool)
    rows = [row for row in case.books.instance.caps if row.pool in line and row.kind == case.kind]
    least = min(rows, key=lambda row: row.gpus, default=None)
    if least is None or case.gets + case.step <= least.gpus:
        return None
    return {"capping": least.pool, "cap": least.gpus}


def other_kind(case: Case) -> Facts | None:
    """The project takes one kind and gets another one."""
    bundle = case.books.records.granted.get(case.project.project, {})
    others = [(kind, gpus) for kind, gpus in bundle.items() if kind != case.kind]
    if case.project.mix != "one" or not others:
        return None
    return {"other": others[0][0], "other_gpus": others[0][1]}


def no_nodes(case: Case) -> Facts | None:
    """No node of the kind that is up serves its pool."""
    if case.books.serving(case.pool, case.kind):
        return None
    up = [row.count for row in case.books.instance.inventory if row.kind == case.kind and row.state == "up"]
    return {"nodes": sum(up)}


def quota(case: Case) -> Facts | None:
    """One step more would take a pool on its line over what it owns and may borrow."""
    for row in case.books.rows(case.pool, case.kind):
        used, limit = case.books.usage(row.pool, row.kind), row.gpus + row.borrow
        if used + case.step > limit:
            last = case.books.last_on_quota(row, case.project.project)
            shares = _shares(row) if row.borrow else {"shares": "", "shares_ko": ""}
            return {"holder": row.pool, **_what(row.kind), **shares, "limit": limit, "used": used, "last": last}
    return None


def borrowing(case: Case) -> Facts | None:
    """One step more would have to be borrowed, and the sibling pools lend no more."""
    tree, books = case.books.instance.pool_tree, case.books
    for row in books.rows(case.pool, case.kind):
        parent = tree.parent[row.pool]
        if parent is None:
            continue
        lent, borrowed = books.beside(row)
        after = books.usage(row.pool, row.kind) + case.step - row.gpus
        if after > 0 and after + borrowed > lent:
            figures = {"after": after, "others": borrowed, "lent": lent}
            return {"borrower": row.pool, "parent": parent, **_what(row.kind), **figures}
    return None


def room(case: Case) -> Facts | None:
    """The nodes that serve it have less than it needs, even without any other project that moves."""
    alone = case.books.alone(case.pool, case.kind) + case.kept
    needed = case.gets + case.step
    return {"room": alone, "needed": needed} if alone < needed else None


def outranked(case: Case) -> Facts | None:
    """The nodes that serve it have less free for it than one step: the rest went to other projects."""
    books = case.books
    closed = books.seats.closed(case.pool, case.kind, case.project.project) if books.alone_somewhere else 0
    free = case.books.free(case.pool, case.kind) - closed
    if free >= case.step:
        return None
    last = case.books.last_on_nodes(case.pool, case.kind, case.project.project)
    shut = {"beside": "", "beside_ko": ""}
    if closed:
        shut["beside"] = f" ({closed:,} more are where others must be alone)"
        shut["beside_ko"] = f"(다른 과제가 단독으로 사용하는 구역의 {closed:,}장 제외)"
    return {"free": free, "last": last, **shut}


def lend(case: Case) -> Facts | None:
    """Nodes are free, but their owners lend no more of them."""
    usable = case.books.reach(case.pool, case.kind)
    return {"free": case.books.free(case.pool, case.kind), "usable": usable} if usable < case.step else None


def level(case: Case) -> Facts | None:
    """No domain of the level that must hold the whole project has enough free."""
    name, books = case.project.level, case.books
    if name is None:
        return None
    topology, project = books.instance.topology, case.project.project
    depth = topology.levels.index(name)
    homes = {int(topology.domain[depth][node]) for node in books.records.seats.get(project, {})}
    reach = books.reach_by_domain(case.pool, case.kind, depth)
    there = max((reach.get(home, 0) for home in homes), default=0)
    if homes and there >= case.step:
        return None
    most, needed = case.gets + there, case.gets + case.step
    if project not in books.instance.stays:
        others = {kind: gpus for kind, gpus in books.records.granted.get(project, {}).items() if kind != case.kind}
        beside = [books.reach_by_domain(case.pool, kind, depth) for kind in others]
        wanted = list(zip(beside, others.values(), strict=True))
        fitting = (gpus for domain, gpus in reach.items() if all(of.get(domain, 0) >= n for of, n in wanted))
        most = max(most, max(fitting, default=0))
    return {"level": name, "there": most, "needed": needed} if most < needed else None


def no_merit(case: Case) -> Facts | None:
    """GPUs of this kind add nothing to merit, and no tier wants them for anything else."""
    objective = case.books.instance.objective
    ranks = case.books.deciding == "ranked"
    worth = case.books.instance.value(case.request) if ranks else case.worth
    if worth or case.books.deciding is None or not set(objective.names) <= {"merit", "ranked", *OF_PLACES}:
        return None
    return {}


def spare(case: Case) -> Facts | None:
    """No single rule forbids one step more: the plan is not the best that there is, or others decide."""
    instance, got, group = case.books.instance, case.books.of_groups, case.project.group
    if balance_leads(instance):
        now, then = off_target(instance, got), off_target(instance, {**got, group: got.get(group, 0) + case.step})
        if then > now:
            free = case.books.free(case.pool, case.kind)
            return {"variant": 2, "free": free, "off": score(now), "then": score(then)}
    bound = bool(instance.power or instance.shapes or case.project.level)
    return {"free": case.books.free(case.pool, case.kind), "variant": int(bound), **order_of(instance)}


OF_PLACES = ("fragmentation", "reserve")
"""Tiers that look only at where projects sit."""


def _what(kind: str) -> Facts:
    return {"what": "GPUs", "what_ko": "GPU"} if kind == ALL else {"what": kind, "what_ko": kind}


def _shares(row: Quota) -> Facts:
    return {
        "shares": f" ({row.gpus:,} its own, {row.borrow:,} to borrow)",
        "shares_ko": f"(자체 {row.gpus:,}장, 차용 한도 {row.borrow:,}장)",
    }


def score(value: float | Fraction) -> str:
    """Return a merit, a value or their product as it is written in a sentence."""
    return f"{float(value):,.12g}"
