"""Random small instances with policy: every table, every shape, and tiers in any order."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date
from typing import Any

from kalloc.errors import InstanceError
from kalloc.instance import (
    Budget,
    Group,
    Guarantee,
    Instance,
    Limit,
    NodeGroup,
    Objective,
    Power,
    Project,
    Rate,
    Shape,
    Tier,
)
from kalloc.instance.objective import TIERS
from tests.models.small import sow

WEIGHTS = (1, 1, 1, 0.5, 2, 1.5)
WON = (10**6, 1_500_000)
MANY = (2, 3, 4, len(TIERS), len(TIERS))
"""How many tiers there may be."""
TABLES = (("limits", "rates"), ("budgets",), ("power",), ("quotas",), ("caps",), ("placed",))
"""Tables that are left out together, each time some of them, so that others bind."""


def sow_policy(seed: int, nodes: int, gpus: int, projects: int, levels: int) -> Instance:
    """Return a random instance with policy and some of the tiers in random order; the sizes are those of ``sow``.

    Every rule is on in some of them, and most rules in most.
    """
    plain = sow(seed, nodes, gpus, projects, levels)
    dice = random.Random(seed)
    for _ in range(1000):
        with suppress(InstanceError):
            drawn = _draw(dice, plain)
            return drawn.replace(**{field: () for fields in TABLES if dice.random() < 0.35 for field in fields})
    raise AssertionError("a thousand draws without a sound instance")


def _draw(dice: random.Random, plain: Instance) -> Instance:
    groups = tuple(
        Group(group=name, discount=dice.choice([0, 50, 12.5]), share=share, tolerance=dice.choice([0, 10, 2.5]))
        for name, share in (("g", dice.choice([30, 50, 33.3])), ("i", dice.choice([None, 20, 50])))
    )
    limits, rates = _limits(dice, plain)
    names = [row.project for row in plain.projects]
    return plain.replace(
        kinds=tuple(_changed(row, watts=dice.choice([0, 100]), won=dice.choice(WON)) for row in plain.kinds),
        pools=tuple(_changed(row, weight=dice.choice(WEIGHTS), **_days(dice)) for row in plain.pools),
        quotas=tuple(row for row in plain.quotas if dice.random() < 0.6),
        projects=tuple(_project(dice, row) for row in plain.projects),
        inventory=tuple(
            _changed(
                row,
                owner="top" if dice.random() < 0.6 else row.owner,
                idle_watts=dice.choice([0, 100]),
                loaded_watts=dice.choice([None, 100, 450]),
            )
            for row in plain.inventory
        ),
        groups=groups,
        limits=limits,
        rates=rates,
        budgets=tuple(
            Budget(budget=f"won-{row.pool}", pool=row.pool, won=dice.randint(1, 6) * 750_000)
            for row in plain.pools
            if dice.random() < 0.15
        ),
        guarantees=_guarantees(dice, plain, names),
        power=_power(dice, plain),
        shapes=tuple(shape for name in names for shape in _shapes(dice, plain, name)),
        objective=Objective(tiers=tuple(_tier(dice, plain, name) for name in dice.sample(TIERS, dice.choice(MANY)))),
    )


def _changed(row: Any, **changes: Any) -> Any:
    return row.model_copy(update=changes)


def _days(dice: random.Random) -> dict[str, date]:
    """Return the call of a pool, if it has one: of ten days, all but the first three or the last three."""
    days = {"opens": date(2026, 1, 4), "closes": date(2026, 1, 7)}
    return {name: day for name, day in days.items() if dice.random() < 0.25}


def _project(dice: random.Random, row: Project) -> Any:
    return _changed(
        row,
        mandatory=row.mandatory and dice.random() < 0.3,
        applicant=dice.choice([None, "u", "v"]),
        group=dice.choice([None, "g", "i"]),
        region=dice.choice([None, "seoul", "busan"]),
        applied=dice.choice([None, date(2026, 1, dice.randint(1, 10))]),
        weight=dice.choice(WEIGHTS),
    )


def _limits(dice: random.Random, plain: Instance) -> tuple[tuple[Limit, ...], tuple[Rate, ...]]:
    kinds = [row.kind for row in plain.kinds]
    limits: list[Limit] = []
    rates: list[Rate] = []
    for number in range(dice.choice([0, 1, 1, 2, 3])):
        per = dice.choice(["project", "applicant", "group", "region", "all"])
        names = {"applicant": ["u", "v"], "group": ["g", "i"], "region": ["seoul", "busan"]}.get(per, [])
        least = dice.randint(1, 2) if per != "project" and dice.random() < 0.25 else None
        kind = dice.choice([None, None, "*", *kinds])
        limits.append(
            Limit(
                limit=f"limit{number}",
                per=per,
                of=dice.choice([None, *names]),
                pool=dice.choice([None, None, *(row.pool for row in plain.pools)]),
                kind=kind,
                most=dice.randint(3, 10) if least is None or dice.random() < 0.5 else None,
                least=least,
            )
        )
        if kind is None:
            rated = dice.sample(kinds, dice.randint(1, len(kinds)))
            rates += [Rate(limit=f"limit{number}", kind=one, rate=dice.choice([1, 2, 0.5, 1.25])) for one in rated]
    return tuple(limits), tuple(rates)


def _guarantees(dice: random.Random, plain: Instance, names: list[str]) -> tuple[Guarantee, ...]:
    kinds = ["*", *(row.kind for row in plain.kinds)]
    pools = [row.pool for row in plain.pools]
    subjects = [{"project": dice.choice(names)}, {"pool": dice.choice(pools)}, {"pool": dice.choice(pools)}]
    return tuple(
        Guarantee(guarantee=f"floor{number}", kind=dice.choice(kinds), gpus=dice.randint(1, 5), **subject)
        for number, subject in enumerate(subjects)
        if number == 0 or dice.random() < 0.5
    )


def _power(dice: random.Random, plain: Instance) -> tuple[Power, ...]:
    levels = [*plain.hierarchy.levels, "node"]
    found = []
    for number in range(dice.choice([0, 1, 2])):
        level, row = dice.choice(levels), dice.choice(plain.inventory)
        there = [one for one in plain.inventory if _place(one, levels, level) == _place(row, levels, level)]
        kw = (100 * len(there) + dice.choice([50, 125, 250, 400])) / 1000
        domain = _place(row, levels, level) if dice.random() < 0.7 else None
        found.append(Power(power=f"power{number}", level=level, domain=domain, kw=kw))
    return tuple(found)


def _place(row: NodeGroup, levels: list[str], level: str) -> str:
    return row.node or "" if level == "node" else "/".join(row.path[: levels.index(level) + 1])


def _shapes(dice: random.Random, plain: Instance, project: str) -> list[Shape]:
    levels = [*plain.hierarchy.levels, "node"]
    found = []
    for shape, most in (("segment", 3), ("spread", 4), ("prefer", 20), ("exclusive", 0), ("whole", 0)):
        if dice.random() < {"prefer": 0.4, "exclusive": 0.2}.get(shape, 0.12):
            level = "node" if shape == "whole" else dice.choice(levels)
            found.append(
                Shape(project=project, shape=shape, level=level, amount=dice.randint(1, most) if most else None)
            )
    if dice.random() < 0.1:
        found = [row for row in found if row.shape != "segment"]
        found += [Shape(project=project, shape="segment", level="node", amount=1)]
        found += [Shape(project=project, shape="segment", level=levels[0], amount=2)]
    return found


def _tier(dice: random.Random, plain: Instance, name: str) -> Tier:
    settings: dict[str, Any] = {}
    if name == "fairness":
        by = dice.choice(["project", "pool"])
        of = dice.choice(["asked", "quota"]) if by == "pool" else "asked"
        settings = {"rule": dice.choice(["maxmin", "maxmin", "proportional"]), "by": by, "of": of}
    if name == "utilisation":
        settings = {"unit": dice.choice(["gpus", "performance"])}
    if name == "reserve":
        settings = {"level": dice.choice([*plain.hierarchy.levels, "node"]), "count": dice.randint(1, 3)}
    return Tier(name=name, **settings)
