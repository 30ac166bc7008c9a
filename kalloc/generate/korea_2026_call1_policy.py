"""The recipe ``korea-2026-call1-policy``: the first call with every rule that an authority may have for it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from random import Random

from kalloc.generate import korea_2026_call1
from kalloc.generate.korea_2026_call1 import ASKED, ROOT, SCORED
from kalloc.generate.korea_policy import (
    FIRMS,
    GPUS,
    GROUPS,
    Sector,
    exchange,
    floors,
    idling,
    institutions,
    priced,
    shapes,
)
from kalloc.instance import Budget, Group, Instance, Limit, Objective, Pool, Power, Project, Rate, Request, Shape, Tier

NAME = "korea-2026-call1-policy"
OPENS, CLOSES = datetime.date(2025, 12, 22), datetime.date(2026, 1, 28)
MIXING = 0.5
"""Share of the applications at the cap of a kind that can fill it with the other kind."""
SHAPED = 0.25
"""Share of the applications of two nodes and more that have a shape."""
IN_UNIT = 0.05
"""Share of the applications of two nodes and more that must sit in one unit."""

SECTORS = {
    "academia": Sector("university", 90, {"university": 1}, skewed=True),
    "industry": Sector("firm", 130, FIRMS),
    "research": Sector("institute", 15, {"institute": 1}, skewed=True),
}

INDUSTRY_SHARE = "M: industry 30 %, a split under study; A: within it"
SHARES = {
    "university": (60, "A: 60 %; the result of the call gave 62 % (D)"),
    "institute": (10, "A: 10 %; the result of the call gave 7 % (D)"),
    "small-firm": (14, INDUSTRY_SHARE),
    "startup": (10, INDUSTRY_SHARE),
    "youth-firm": (6, INDUSTRY_SHARE),
}
"""Percent of the GPUs granted that each group should have."""
TOLERANCE = 1


@dataclass(frozen=True)
class Outside:
    """An application outside the call, beyond the published 514."""

    name: str
    pool: str
    merit: float
    kind: str
    gpus: int
    applied: datetime.date

    def project(self) -> Project:
        """Return its row of projects."""
        title = f"Synthetic application {self.name}"
        return Project(
            project=self.name, pool=self.pool, merit=self.merit, applied=self.applied, title=title, source=SCORED
        )

    def request(self) -> Request:
        """Return its row of requests."""
        return Request(
            project=self.name, kind=self.kind, min=self.gpus, max=self.gpus, source="A: outside the call, synthetic"
        )


OUTSIDE = (
    Outside("late-1", "academia", 96.5, "H200", 64, datetime.date(2026, 1, 29)),
    Outside("late-2", "academia", 88.0, "B200", 128, datetime.date(2026, 1, 29)),
    Outside("late-3", "industry", 91.2, "B200", 16, datetime.date(2026, 2, 2)),
    Outside("early-1", "research", 93.4, "H200", 32, datetime.date(2025, 12, 19)),
)

CAP = {"H200": 256, "B200": 128}
"""The most that a project may ask of each kind."""
SUPPLY = 4336
"""GPUs of the call."""

BUDGETS = (
    Budget(budget="industry-vouchers", pool="industry", won=3_700_000_000, source="A: fees of firms that are paid"),
    Budget(budget="research-fees", pool="research", won=2_000_000_000, source="A: what institutes may spend"),
)
POWER = (
    Power(power="gak-sejong", level="site", domain="gak-sejong", kw=2875, source="A: 8 nodes stay idle"),
    Power(power="ansan", level="site", domain="ansan", kw=3590, source="A: 6 nodes stay idle"),
)
"""Together 528 nodes may run: as many as the call granted (H)."""


def build(seed: int = 0) -> Instance:
    """Make the first call with its days, exchange rates, floors, shares, prices, power and shapes."""
    rng = Random(f"{NAME} {seed}")
    first = korea_2026_call1.build(seed)
    asked = {project: max(row.max for row in rows) for project, rows in first.requests_of.items()}
    mixing = _mixing(rng, first)
    projects = _projects(rng, first.projects, asked, mixing)
    requests = tuple(row for project in first.requests_of.items() for row in _requests(*project, mixing))
    limits, rates = _limits(projects, asked)
    return first.replace(
        name=NAME,
        title="First call for the state's GPUs, by the rules of an authority",
        objective=Objective(tiers=(Tier(name="balance"), Tier(name="ranked"), Tier(name="fragmentation"))),
        caps=(),
        kinds=priced(first.kinds),
        pools=(_open(first.pools[0]), *first.pools[1:]),
        inventory=idling(first.inventory),
        projects=projects,
        requests=(*requests, *(row.request() for row in OUTSIDE)),
        groups=tuple(_with_share(row) for row in GROUPS),
        limits=limits,
        rates=rates,
        budgets=BUDGETS,
        power=POWER,
        shapes=_shapes(rng, projects, asked, mixing),
    )


def _open(root: Pool) -> Pool:
    return root.model_copy(update={"opens": OPENS, "closes": CLOSES})


def _with_share(group: Group) -> Group:
    share, source = SHARES[group.group]
    return group.model_copy(
        update={"share": share, "tolerance": TOLERANCE, "source": f"{group.source}; {source}; A: tolerance"}
    )


def _mixing(rng: Random, first: Instance) -> set[str]:
    """Draw who may fill the cap of one kind with the other: some of those that ask all of it."""
    cap = {row.kind: row.gpus for row in first.caps}
    full = (rows[0].project for rows in first.requests_of.values() if all(row.max == cap[row.kind] for row in rows))
    return {project for project in full if rng.random() < MIXING}


def _requests(project: str, rows: tuple[Request, ...], mixing: set[str]) -> tuple[Request, ...]:
    """Return what a project asks; who mixes asks up to the cap of both kinds, a rack at least of each it gets."""
    if project not in mixing:
        return rows
    source = f"{ASKED}; A: mixes"
    return tuple(
        Request(project=project, kind=kind, min=4 * GPUS, max=most, source=source) for kind, most in CAP.items()
    )


def _projects(rng: Random, rows: tuple[Project, ...], asked: dict[str, int], mixing: set[str]) -> tuple[Project, ...]:
    """Give the applications an institution and a day, some a level, and add those outside the call."""
    found = []
    for row in institutions(rng, (*rows, *(one.project() for one in OUTSIDE)), SECTORS):
        update: dict[str, object] = {"source": f"{row.source}, day"}
        if row.project in asked:
            update["applied"] = OPENS + datetime.timedelta(round(rng.triangular(0, (CLOSES - OPENS).days, 30)))
            whole = asked[row.project] >= 2 * GPUS and rng.random() < IN_UNIT
            update |= {"mix": "any"} if row.project in mixing else {"level": "su" if whole else None}
        found.append(row.model_copy(update=update))
    return tuple(found)


def _limits(projects: tuple[Project, ...], asked: dict[str, int]) -> tuple[tuple[Limit, ...], tuple[Rate, ...]]:
    """Return caps on projects and institutions at exchange rates, on kinds and regions, and a floor for each region."""
    limits = [
        Limit(limit="project-cap", per="project", pool=ROOT, most=256, source="H: 256 H200 or 128 B200 a project"),
        Limit(limit="institution-cap", per="applicant", pool=ROOT, most=288, source="A: little more than a project"),
    ]
    rates = tuple(rate for limit in limits for rate in exchange(limit, ("H200", "B200")))
    limits += [
        Limit(limit="university-b200", per="group", of="university", kind="B200", most=1200, source="A: for firms"),
        Limit(limit="capital", per="region", of="capital", kind="*", most=2600, source="A: about its share"),
        *floors(projects, asked, ROOT, SUPPLY),
    ]
    return tuple(limits), rates


def _shapes(rng: Random, projects: tuple[Project, ...], asked: dict[str, int], mixing: set[str]) -> tuple[Shape, ...]:
    found: list[Shape] = []
    for row in projects:
        gpus = asked.get(row.project, 0)
        if gpus >= 2 * GPUS and row.project not in mixing and rng.random() < SHAPED:
            found += shapes(rng, row, gpus)
    return tuple(found)
