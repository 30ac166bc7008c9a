"""The recipe ``korea-260k-policy``: the national plan by the rules of an authority, shared fairly by pool."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from kalloc.generate import korea_260k
from kalloc.generate.korea_policy import (
    FIRMS,
    GROUPS,
    Sector,
    exchange,
    floors,
    idling,
    institutions,
    priced,
    shapes,
)
from kalloc.instance import Budget, Guarantee, Instance, Limit, Objective, Power, Project, Quota, Rate, Shape, Tier

NAME = "korea-260k-policy"
STATE = "sme-academic"
"""The pool whose applicants come from outside and pay by class."""
SUPPLY = 8000
"""GPUs that the floors of the regions are shares of: about what that pool has free."""
SHAPED = 0.105
"""Share of the projects that may have a shape and do: about a tenth of all."""

TIERS = (
    Tier(name="guarantees"),
    Tier.model_validate({"name": "fairness", "rule": "maxmin", "by": "pool", "of": "quota"}),
    Tier(name="utilisation"),
    Tier(name="fragmentation"),
)

SECTORS = {
    "academia": Sector("university", 90, {"university": 1}, skewed=True),
    "sme": Sector("firm", 400, FIRMS),
    "research": Sector("institute", 25, {"institute": 1}, skewed=True),
}

BORROWING = {
    "academia": {"borrow": 0, "lend": 500},
    "sme": {"borrow": 300, "lend": 0},
    "research": {"borrow": 200, "lend": 0},
}
"""Universities ask less than their quota here, and lend to the others."""
BORROWED = "A: split, borrowing and lending"

GUARANTEES = (
    Guarantee(guarantee="foundation", pool="foundation-model", kind="B200", gpus=5000, source="A: of its 6,120"),
    Guarantee(guarantee="universities", pool="academia", kind="*", gpus=4400, source="A: four fifths of its quota"),
    Guarantee(guarantee="small-firms", pool="sme", kind="*", gpus=2400, source="A: four fifths of its quota"),
    Guarantee(guarantee="supercomputer", pool="supercomputer", kind="*", gpus=7200, source="A: four fifths"),
)

BUDGETS = (
    Budget(budget="sme-vouchers", pool="sme", won=13_000_000_000, source="A: fees of firms that are paid"),
    Budget(budget="research-fees", pool="research", won=9_000_000_000, source="A: what institutes may spend"),
)

OLD_RACKS = tuple(f"ansan/kakao-b200-1/su8/r{rack}" for rack in range(1, 9))
"""Racks that cannot feed four nodes of B200 at once; where something runs already they can."""
POWER = (
    Power(power="ulsan", level="site", domain="ulsan", kw=79_200, source="H: 103 MW; A: a PUE of 1.3"),
    Power(power="saemangeum", level="site", domain="saemangeum", kw=95_000, source="A: more than all nodes draw"),
    Power(power="gak-sejong", level="site", domain="gak-sejong", kw=53_000, source="A: less than all nodes draw"),
    Power(power="haenam", level="site", domain="haenam", kw=30_000, source="A: more than all nodes draw"),
    Power(power="ansan", level="site", domain="ansan", kw=3500, source="A: less than all nodes draw"),
    Power(power="rack", level="rack", kw=64, source="A: a rack of any kind is fed"),
)
TEAMS = (
    Shape(project="foundation-team-3", shape="segment", level="su", amount=128, source="A: shape"),
    Shape(project="foundation-team-3", shape="segment", level="rack", amount=32, source="A: shape"),
    Shape(project="national-task-304", shape="spread", level="fabric", amount=160, source="A: must survive a fabric"),
)
"""Shapes of projects that must be served."""


def build(seed: int = 0) -> Instance:
    """Make the national plan with borrowing, floors, prices, power and shapes."""
    rng = Random(f"{NAME} {seed}")
    plan = korea_260k.build(seed)
    projects = tuple(institutions(rng, plan.projects, SECTORS))
    limits, rates = _limits(plan, projects)
    return plan.replace(
        name=NAME,
        title="The 260,000 GPUs of the Korean plan, by the rules of an authority",
        objective=Objective(tiers=TIERS),
        caps=(),
        kinds=priced(plan.kinds),
        quotas=tuple(_borrowing(row) for row in plan.quotas),
        inventory=idling(plan.inventory),
        projects=projects,
        groups=GROUPS,
        limits=limits,
        rates=rates,
        budgets=BUDGETS,
        guarantees=GUARANTEES,
        power=(*POWER, *_old_racks(plan)),
        shapes=_shapes(rng, plan, projects),
    )


def _borrowing(quota: Quota) -> Quota:
    changes: Mapping[str, object] = BORROWING.get(quota.pool, {})
    return quota.model_copy(update={**changes, "source": BORROWED}) if changes else quota


def _old_racks(plan: Instance) -> tuple[Power, ...]:
    busy = {row.node.rpartition("/")[0] for row in plan.placed}
    return tuple(
        Power(power=f"old-rack-{number}", level="rack", domain=rack, kw=48, source="A: feeds three of four nodes")
        for number, rack in enumerate(OLD_RACKS, 1)
        if rack not in busy
    )


def _limits(plan: Instance, projects: tuple[Project, ...]) -> tuple[tuple[Limit, ...], tuple[Rate, ...]]:
    """Return caps on projects and institutions at exchange rates, and a floor for each region."""
    caps = (
        Limit(limit="project-cap", per="project", pool=STATE, most=256, source="H: 256 H200 or 128 B200 a project"),
        Limit(limit="institution-cap", per="applicant", pool=STATE, most=512, source="A: two projects"),
    )
    rates = tuple(rate for limit in caps for rate in exchange(limit, ("H200", "B200", "B300")))
    asked = {row.project: plan.most_requested(row.project) for row in projects if row.region is not None}
    return (*caps, *floors(projects, asked, STATE, SUPPLY)), rates


def _shapes(rng: Random, plan: Instance, projects: tuple[Project, ...]) -> tuple[Shape, ...]:
    """Shape two that must be served, and a tenth of the others that do not run yet and take one kind."""
    found = list(TEAMS)
    running = {row.project for row in plan.placed}
    for row in projects:
        free = row.project not in running and not row.mandatory and row.mix == "one"
        if free and rng.random() < SHAPED:
            found += shapes(rng, row, plan.most_requested(row.project))
    return tuple(found)
