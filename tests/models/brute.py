"""The rules read word for word and tried on everything: every seating of a tiny instance, nothing clever, no solver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations, product

from kalloc.instance import ALL_KINDS, Instance, Project, Quota, Tier
from tests.models import brute_policy as policy
from tests.models.brute_policy import Gets, Held, line

Plan = Mapping[str, Held]
"""What each project holds."""

Reached = tuple[str, Fraction, tuple[Fraction, ...]]
"""A tier, its value and, for max-min, all shares from the smallest."""


def best(instance: Instance) -> list[Reached] | None:
    """Return what the best plan reaches on every tier, in their order; None when there is no plan."""
    options = {row.project: list(_seatings(instance, row)) for row in instance.projects}
    tiers = instance.objective.tiers
    judge = _Judge(instance)
    found: list[tuple[Fraction, ...]] | None = None
    plan: Plan | None = None
    for candidate in _plans(instance, options):
        if not judge.allowed(candidate):
            continue
        if found is None or judge.better(candidate, found):
            found, plan = [judge.key(tier, candidate) for tier in tiers], candidate
    if found is None or plan is None:
        return None
    return [judge.reached(tier, key, plan) for tier, key in zip(tiers, found, strict=True)]


def _plans(instance: Instance, options: Mapping[str, list[Held]]) -> Iterator[Plan]:
    """Yield every choice of what each project holds that nodes have room for."""
    room = [_room(instance, node) for node in range(instance.topology.node_count)]
    names = list(options)

    def fill(plan: dict[str, Held], left: list[int]) -> Iterator[Plan]:
        if len(plan) == len(names):
            yield plan
            return
        name = names[len(plan)]
        for held in options[name]:
            after = [gpus - held.get(node, 0) for node, gpus in enumerate(left)]
            if min(after, default=0) >= 0:
                yield from fill({**plan, name: held}, after)

    yield from fill({}, room)


class _Judge:
    """What is allowed and what is better; what depends on the allocation alone is worked out once for each."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._allocations: dict[object, bool] = {}
        self._keys: dict[object, tuple[Fraction, ...]] = {}
        self._scatters: dict[object, int] = {}

    def _allocation(self, plan: Plan) -> tuple[object, Gets]:
        gets = {project: _gets(self.instance, held) for project, held in plan.items()}
        return tuple(tuple(sorted(got.items())) for got in gets.values()), gets

    def allowed(self, plan: Plan) -> bool:
        """Tell whether what projects get and hold fits together."""
        allocation, gets = self._allocation(plan)
        if allocation not in self._allocations:
            self._allocations[allocation] = _together(self.instance, gets)
        return (
            self._allocations[allocation]
            and all(_lent(self.instance, plan, row) <= row.lend for row in self.instance.quotas)
            and policy.power(self.instance, plan)
            and policy.exclusive(self.instance, plan)
        )

    def better(self, plan: Plan, than: list[tuple[Fraction, ...]]) -> bool:
        """Tell whether a plan is better on the first tier on which it differs."""
        for tier, known in zip(self.instance.objective.tiers, than, strict=True):
            key = self.key(tier, plan)
            if key != known:
                return key > known
        return False

    def key(self, tier: Tier, plan: Plan) -> tuple[Fraction, ...]:
        """Return what is compared on a tier, part after part: more is better."""
        if tier.name == "reserve":
            return (policy.reserve(self.instance, tier, plan),)
        if tier.name == "fragmentation":
            return (Fraction(-sum(self._scatter(row, plan[row.project]) for row in self.instance.projects)),)
        allocation, gets = self._allocation(plan)
        if (tier.name, allocation) not in self._keys:
            self._keys[tier.name, allocation] = policy.key(self.instance, tier, gets)
        return self._keys[tier.name, allocation]

    def _scatter(self, project: Project, held: Held) -> int:
        known = (project.project, tuple(held.items()))
        if known not in self._scatters:
            self._scatters[known] = _scatter(self.instance, project, held)
        return self._scatters[known]

    def reached(self, tier: Tier, key: tuple[Fraction, ...], plan: Plan) -> Reached:
        """Return a tier's value as the rules' page has it."""
        if tier.name == "fairness" and tier.rule == "maxmin":
            return tier.name, min(key, default=Fraction(0)), key
        if tier.name == "ranked":
            return tier.name, self.key(Tier(name="merit"), plan)[0], ()
        less = tier.name in ("guarantees", "balance", "fragmentation")
        return tier.name, -key[0] if less else key[0], ()


def _serves(instance: Instance, owner: str, pool: str, kind: str) -> bool:
    parent = {row.pool: row.parent for row in instance.pools}
    rows = [row for row in instance.quotas if row.kind in (kind, ALL_KINDS)]
    mine_up, above_owner = line(instance, pool), line(instance, owner)
    return owner in mine_up or any(
        mine.pool in mine_up
        and mine.borrow > 0
        and theirs.pool in above_owner
        and theirs.lend > 0
        and theirs.pool != mine.pool
        and parent[mine.pool] is not None
        and parent[mine.pool] == parent[theirs.pool]
        for mine, theirs in product(rows, rows)
    )


def _room(instance: Instance, node: int) -> int:
    name, group = instance.topology.names[node], instance.topology.row(node)
    listed = {row.project for row in instance.projects}
    taken = sum(row.gpus for row in instance.placed if row.node == name and row.project not in listed)
    return 0 if group.state == "down" else group.gpus - taken


def _staying(instance: Instance, node: int) -> Counter[str]:
    rows = (row for row in instance.placed if row.node == instance.topology.names[node] and not row.movable)
    return Counter({row.project: row.gpus for row in rows})


def _offer(instance: Instance, project: Project, node: int) -> int:
    group = instance.topology.row(node)
    if not _serves(instance, group.owner, project.pool, group.kind):
        return 0
    others = {row.project for row in instance.projects} - {project.project}
    return _room(instance, node) - sum(gpus for other, gpus in _staying(instance, node).items() if other in others)


def _gets(instance: Instance, held: Held) -> Counter[str]:
    gets: Counter[str] = Counter()
    for node, gpus in held.items():
        gets[instance.topology.row(node).kind] += gpus
    return gets


def _seatings(instance: Instance, project: Project) -> Iterator[Held]:
    """Yield what one project may hold, as far as the rules on it alone go."""
    choices = []
    for node in range(instance.topology.node_count):
        most = _offer(instance, project, node)
        choices.append(range(_staying(instance, node)[project.project], most + 1))
    for amounts in product(*choices):
        held = {node: gpus for node, gpus in enumerate(amounts) if gpus > 0}
        if _alone(instance, project, held):
            yield held


def _alone(instance: Instance, project: Project, held: Held) -> bool:
    gets = _gets(instance, held)
    rows = {row.kind: row for row in instance.requests if row.project == project.project}
    for kind, gpus in gets.items():
        row = rows.get(kind)
        if row is None or gpus > row.max or gpus < row.min or (gpus - row.min) % instance.step(row):
            return False
        above = line(instance, project.pool)
        if any(cap.kind == kind and cap.pool in above and gpus > cap.gpus for cap in instance.caps):
            return False
    if project.mix == "one" and len(gets) > 1:
        return False
    if project.mandatory and not any(gets[kind] >= row.min for kind, row in rows.items()):
        return False
    if held and not policy.call(instance, project):
        return False
    if not policy.shapes(instance, project, held):
        return False
    levels = instance.topology.levels
    return project.level is None or _spans(instance, held, levels.index(project.level)) <= 1


def _spans(instance: Instance, held: Held, depth: int) -> int:
    return len({int(instance.topology.domain[depth][node]) for node in held})


def _scatter(instance: Instance, project: Project, held: Held) -> int:
    gets, extra = _gets(instance, held), 0
    for depth, level in enumerate([*instance.hierarchy.levels, "node"]):
        weight = instance.hierarchy.weights.get(level, 1) + policy.prefer(instance, project, level)
        extra += weight * (_spans(instance, held, depth) - _need(instance, project, gets, depth))
    return extra


def _need(instance: Instance, project: Project, gets: Counter[str], depth: int) -> int:
    offers: dict[int, Counter[str]] = {}
    for node in range(instance.topology.node_count):
        offer = offers.setdefault(int(instance.topology.domain[depth][node]), Counter())
        offer[instance.topology.row(node).kind] += _offer(instance, project, node)
    for count in range(len(offers) + 1):
        for some in combinations(offers.values(), count):
            if all(sum(offer[kind] for offer in some) >= gpus for kind, gpus in gets.items()):
                return count
    raise AssertionError("what a project holds is more than it is offered")


def _together(instance: Instance, gets: Gets) -> bool:
    """Tell whether what projects get fits together: quota, borrowing, limits, budgets."""
    usage = {(row.pool, row.kind): _usage(instance, gets, row) for row in instance.quotas}
    return (
        all(usage[row.pool, row.kind] <= row.gpus + row.borrow for row in instance.quotas)
        and _balanced(instance, usage)
        and policy.limits(instance, gets)
        and policy.budgets(instance, gets)
    )


def _usage(instance: Instance, gets: Gets, row: Quota) -> int:
    used = 0
    for project in instance.projects:
        if row.pool in line(instance, project.pool):
            got = gets[project.project]
            used += sum(got.values()) if row.kind == ALL_KINDS else got[row.kind]
    return used


def _lent(instance: Instance, plan: Plan, row: Quota) -> int:
    lent = 0
    for project in instance.projects:
        if row.pool not in line(instance, project.pool):
            for node, gpus in plan[project.project].items():
                group = instance.topology.row(node)
                if row.kind in (group.kind, ALL_KINDS) and row.pool in line(instance, group.owner):
                    lent += gpus
    return lent


def _balanced(instance: Instance, usage: Mapping[tuple[str, str], int]) -> bool:
    parent = {row.pool: row.parent for row in instance.pools}
    balance: Counter[tuple[str, str]] = Counter()
    for row in instance.quotas:
        used, above = usage[row.pool, row.kind], parent[row.pool]
        if above is None:
            if used > row.gpus:
                return False
            continue
        balance[above, row.kind] += min(row.lend, max(0, row.gpus - used)) - max(0, used - row.gpus)
    return all(left >= 0 for left in balance.values())
