"""What the policy variants of the Korean instances share: institutions, prices, power, limits and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from kalloc.instance import Group, Kind, Limit, NodeGroup, Project, Rate, Shape

GPUS = 8
"""GPUs of a node."""

CAPITAL = "capital"
REGIONS = {CAPITAL: 0.60, "chungcheong": 0.16, "yeongnam": 0.14, "honam": 0.07, "gangwon-jeju": 0.03}
"""Share of the institutions in each region."""

PRICE_SOURCE = "H: academia free, small firms and startups 5 to 10 %, youth firms half of that"
GROUPS = (
    Group(group="university", title="Universities", discount=100, source=PRICE_SOURCE),
    Group(group="institute", title="Public research institutes", discount=90, source="A: discount as for small firms"),
    Group(group="small-firm", title="Small firms", discount=90, source=f"{PRICE_SOURCE}; A: 10 %"),
    Group(group="startup", title="Startups", discount=95, source=f"{PRICE_SOURCE}; A: 5 %"),
    Group(group="youth-firm", title="Firms of young founders", discount=97.5, source=f"{PRICE_SOURCE}; A: half of 5 %"),
)
"""Classes of applicants, with what they need not pay."""

WON = {"H200": 30_000_000, "B200": 60_000_000, "B300": 70_000_000, "RTX PRO 6000": 15_000_000}
"""Market price of one GPU for twelve months; one of the first lot cost 111 million won to buy."""
IDLE_WATTS = {"H200": 3000, "B200": 4200, "B300": 4500, "RTX PRO 6000": 2200}
"""Power of a node of 8 GPUs with none in use, about 30 % of that under load."""


@dataclass(frozen=True)
class Institution:
    """Who applies."""

    name: str
    group: str
    region: str


@dataclass(frozen=True)
class Sector:
    """The institutions of a pool: how many, of which groups, and whether the first ones apply more often."""

    prefix: str
    count: int
    groups: Mapping[str, float]
    skewed: bool = False

    def draw(self, rng: Random) -> Iterator[Institution]:
        """Yield the institution of one application after another, without end."""
        regions = rng.choices(list(REGIONS), list(REGIONS.values()), k=self.count)
        groups = rng.choices(list(self.groups), list(self.groups.values()), k=self.count)
        every = [
            Institution(f"{self.prefix}-{number:03}", group, region)
            for number, (group, region) in enumerate(zip(groups, regions, strict=True), 1)
        ]
        weights = [1 / (number + 2) if self.skewed else 1.0 for number in range(1, self.count + 1)]
        while True:
            yield rng.choices(every, weights)[0]


FIRMS = {"small-firm": 0.50, "startup": 0.35, "youth-firm": 0.15}


def institutions(rng: Random, projects: Iterable[Project], sectors: Mapping[str, Sector]) -> list[Project]:
    """Give each project of the pools that have a sector an applicant, with its group and region."""
    draws = {pool: sector.draw(rng) for pool, sector in sectors.items()}
    found = []
    for row in projects:
        if row.pool in draws:
            one = next(draws[row.pool])
            source = f"{row.source}; A: applicant, group, region"
            update = {"applicant": one.name, "group": one.group, "region": one.region, "source": source}
            row = row.model_copy(update=update)
        found.append(row)
    return found


def priced(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Give each kind its price."""
    return tuple(
        row.model_copy(update={"won": WON[row.kind], "source": f"{row.source}; A: market price of a year"})
        for row in kinds
    )


def idling(inventory: Iterable[NodeGroup]) -> tuple[NodeGroup, ...]:
    """Give each node the power that it draws when idle."""
    return tuple(
        row.model_copy(update={"idle_watts": IDLE_WATTS[row.kind], "source": f"{row.source}; A: idle power"})
        for row in inventory
    )


def exchange(limit: Limit, kinds: Iterable[str]) -> tuple[Rate, ...]:
    """Return the rates of a limit: a B200, or anything faster, counts as two H200."""
    source = "H: 256 H200 or 128 B200; A: in a mix at that rate, faster kinds as B200"
    return tuple(Rate(limit=limit.limit, kind=kind, rate=1 if kind == "H200" else 2, source=source) for kind in kinds)


def floors(projects: Iterable[Project], asked: Mapping[str, int], pool: str, supply: int) -> list[Limit]:
    """Return a floor for each region but the capital: its share of the supply, at most half of what it asks."""
    by_region: Counter[str] = Counter()
    for row in projects:
        by_region[row.region or ""] += asked.get(row.project, 0)
    source = "H: later calls favour regions outside the capital; A: a floor, its share of institutions"
    least = {region: min(round(share * supply), by_region[region] // 2) for region, share in REGIONS.items()}
    return [
        Limit(limit=f"floor-{region}", per="region", of=region, pool=pool, kind="*", least=gpus, source=source)
        for region, gpus in ((region, gpus // GPUS * GPUS) for region, gpus in least.items())
        if region != CAPITAL and gpus
    ]


def shapes(rng: Random, project: Project, gpus: int) -> tuple[Shape, ...]:
    """Draw one of the shapes that suit a project of so many GPUs; what must sit in one domain is not spread."""
    spread_too = project.level is None
    return tuple(
        Shape(project=project.project, shape=shape, level=level, amount=amount, source="A: synthetic shape")
        for shape, level, amount in rng.choice(list(_suitable(gpus, spread_too)))
    )


Rows = tuple[tuple[str, str | None, int | None], ...]
"""Shape, level and amount of each row."""


def _suitable(gpus: int, spread_too: bool) -> Iterator[Rows]:
    """Yield the shapes that suit an amount: segments of half a rack, of racks in quarters of a unit, and so on."""
    if gpus < GPUS:
        yield (("exclusive", "node", None),)
        return
    yield (("whole", None, None),)
    if gpus >= 2 * GPUS:
        yield (("prefer", "su", 20), ("prefer", "rack", 5))
    if gpus % 16 == 0 and gpus >= 32:
        yield (("segment", "rack", 16),)
    if gpus % 32 == 0:
        yield ("whole", None, None), ("exclusive", "rack", None)
    if gpus % 64 == 0:
        yield ("segment", "su", 64), ("segment", "rack", 32)
    if spread_too and gpus % 16 == 0 and gpus <= 128:
        yield (("spread", "su", gpus // 2),)
    if spread_too and 16 <= gpus <= 64:
        yield (("spread", "rack", GPUS),)
