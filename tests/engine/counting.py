"""Small instances in which seats are no matter, every allocation that their rules allow, and what the rooms decide."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

from kalloc.allocate.build import build
from kalloc.allocate.decode import decode
from kalloc.allocate.lexicographic import NoAnswerError, Search, Settled
from kalloc.allocate.tiers import prepare, settle
from kalloc.errors import InstanceError
from kalloc.instance import (
    Budget,
    Group,
    Guarantee,
    Hierarchy,
    Instance,
    Kind,
    Limit,
    NodeGroup,
    Objective,
    Pool,
    Project,
    Quota,
    Rate,
    Request,
    Tier,
)
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits
from tests.models import brute_policy as rules

Gets = Mapping[str, Counter[str]]
"""GPUs by kind, by project."""
WEIGHTS = (1.0, 1.0, 2.0, 0.5, 1.5)


def tier(name: str, **settings: Any) -> Tier:
    """Return a tier."""
    return Tier.model_validate({"name": name, **settings})


def drawn(seed: int, tiers: Sequence[Tier], projects: int = 4) -> Instance:
    """Return a random instance of one node of each kind that everybody may use, with limits, budgets and floors.

    Some of its projects are alike in all but the name.
    """
    dice = random.Random(seed)
    for _ in range(100):
        with suppress(InstanceError):
            return _draw(dice, tiers, projects)
    raise AssertionError("a hundred draws without a sound instance")


def _draw(dice: random.Random, tiers: Sequence[Tier], projects: int) -> Instance:
    kinds = ["h", "b"][: dice.choice([1, 2])]
    pools = [Pool(pool="top"), *(Pool(pool=name, parent="top", weight=dice.choice(WEIGHTS)) for name in "ab")]
    names = [f"p{number}" for number in range(projects)]
    patterns = [_pattern(dice, kinds) for _ in range(dice.choice([1, 2, projects]))]
    chosen = [dice.choice(patterns) for _ in names]
    limits, rates = _limits(dice, kinds)
    return Instance(
        name="counted",
        kinds=tuple(Kind(kind=kind, performance=dice.choice([1, 2.5]), won=dice.choice([0, 3, 5])) for kind in kinds),
        pools=tuple(pools),
        quotas=tuple(
            Quota(pool=pool.pool, kind=dice.choice(["*", *kinds]), gpus=dice.randint(2, 9))
            for pool in pools
            if dice.random() < 0.6
        ),
        hierarchy=Hierarchy(levels=("rack",)),
        objective=Objective(tiers=tuple(tiers)),
        inventory=tuple(NodeGroup(path=("r",), kind=kind, gpus=dice.randint(3, 9), owner="top") for kind in kinds),
        groups=(
            Group(group="g", share=dice.choice([30, 50]), tolerance=dice.choice([0, 10]), discount=50),
            Group(group="i", share=dice.choice([None, 20]), tolerance=5),
        ),
        limits=limits,
        rates=rates,
        budgets=tuple(Budget(budget=f"of {pool}", pool=pool, won=dice.randint(5, 30)) for pool in dice.sample("ab", 1)),
        guarantees=(
            Guarantee(guarantee="1", project=dice.choice(names), kind="*", gpus=dice.randint(1, 6)),
            Guarantee(guarantee="2", pool=dice.choice("ab"), kind=dice.choice(kinds), gpus=dice.randint(1, 6)),
        ),
        projects=tuple(Project(project=name, **row) for name, (row, _) in zip(names, chosen, strict=True)),
        requests=tuple(
            Request(project=name, **ask) for name, (_, asks) in zip(names, chosen, strict=True) for ask in asks
        ),
    )


def _pattern(dice: random.Random, kinds: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the fields of a project but for its name, and those of its requests."""
    project = {
        "pool": dice.choice(["top", "a", "b"]),
        "merit": dice.choice([1, 1, 2, 0.3, 0]),
        "mix": dice.choice(["one", "any"]),
        "mandatory": dice.random() < 0.1,
        "applicant": dice.choice([None, "u", "v"]),
        "group": dice.choice([None, "g", "i"]),
        "region": dice.choice([None, "seoul"]),
        "weight": dice.choice(WEIGHTS),
    }
    asks = []
    for kind in kinds:
        if dice.random() < 0.8:
            least, step = dice.choice([0, 1, 1, 2]), dice.choice([1, 1, 2])
            most = max(1, least) + dice.choice([0, 1, 2, 3])
            asks.append({"kind": kind, "min": least, "max": most, "step": step, "value": dice.choice([None, 0.7])})
    return project, asks


def _limits(dice: random.Random, kinds: list[str]) -> tuple[tuple[Limit, ...], tuple[Rate, ...]]:
    limits, rates = [], []
    for number in range(dice.randint(0, 2)):
        name, rated = f"l{number}", dice.random() < 0.5
        per = dice.choice(["project", "applicant", "group", "region", "all"])
        least = 1 if per != "project" and dice.random() < 0.2 else None
        kind = None if rated else dice.choice(["*", *kinds])
        limits.append(Limit(limit=name, per=per, kind=kind, most=dice.randint(2, 9), least=least))
        rates += [Rate(limit=name, kind=one, rate=dice.choice([1, 2, 0.5])) for one in kinds if rated]
    return tuple(limits), tuple(rates)


def allocations(instance: Instance) -> Iterator[Gets]:
    """Yield every allocation that request, mix, mandatory, the room of each kind, quota, limit and budget allow."""
    room: Counter[str] = Counter()
    for row in instance.inventory:
        room[row.kind] += row.gpus * row.count
    ways = {row.project: list(_bundles(instance, row)) for row in instance.projects}
    for gets in _choices(ways, list(ways), room):
        if _quota(instance, gets) and rules.limits(instance, gets) and rules.budgets(instance, gets):
            yield gets


def _choices(ways: Mapping[str, list[Counter[str]]], left: list[str], room: Counter[str]) -> Iterator[dict[str, Any]]:
    if not left:
        yield {}
        return
    for bundle in ways[left[0]]:
        if all(bundle[kind] <= room[kind] for kind in bundle):
            rest = Counter({kind: gpus - bundle[kind] for kind, gpus in room.items()})
            for others in _choices(ways, left[1:], rest):
                yield {left[0]: bundle, **others}


def _bundles(instance: Instance, project: Project) -> Iterator[Counter[str]]:
    """Yield what a project may get by its own requests."""
    asks = [row for row in instance.requests if row.project == project.project]
    found: list[Counter[str]] = [Counter()]
    for row in asks:
        amounts = [gpus for gpus in range(row.min, row.max + 1, row.step or 1) if gpus]
        before = found if project.mix == "any" else [Counter[str]()]
        found = found + [had + Counter({row.kind: gpus}) for had in before for gpus in amounts]
    content = any(row.min == 0 for row in asks)
    yield from (bundle for bundle in found if bundle or content or not project.mandatory)


def _quota(instance: Instance, gets: Gets) -> bool:
    for row in instance.quotas:
        below = [one.project for one in instance.projects if row.pool in rules.line(instance, one.pool)]
        used = sum(sum(gets[name].values()) if row.kind == "*" else gets[name][row.kind] for name in below)
        if used > row.gpus:
            return False
    return True


def best(instance: Instance) -> list[tuple[Fraction, ...]] | None:
    """Return what the best allocation reaches on every tier, tier by tier; more is better; None when there is none."""
    tiers = instance.objective.tiers
    reached = ([rules.key(instance, one, gets) for one in tiers] for gets in allocations(instance))
    return max(reached, default=None)


def counted(instance: Instance) -> tuple[list[Settled], list[tuple[Fraction, ...]]] | None:
    """Return what the engine settles, and what the allocation that it names reaches; None when it finds there is none.

    What it names is checked against the rules.
    """
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    search = Search(allocation, Limits())
    try:
        settled = settle(search, instance.objective.tiers, {})
    except NoAnswerError as error:
        assert error.infeasible
        return None
    assert search.values is not None
    gets: dict[str, Counter[str]] = {row.project: Counter() for row in instance.projects}
    for (project, kind), gpus in decode(allocation, search.values).items():
        gets[project][kind] += gpus
    for row in instance.projects:
        assert +gets[row.project] in list(_bundles(instance, row))
    assert _quota(instance, gets) and rules.limits(instance, gets) and rules.budgets(instance, gets)
    return settled, [rules.key(instance, one, gets) for one in instance.objective.tiers]
