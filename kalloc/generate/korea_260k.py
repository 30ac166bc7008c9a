"""The recipe ``korea-260k``: 260,000 GPUs of five owners as announced, laid out and asked for as assumed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from random import Random

from kalloc.generate.draw import Law, blend, even
from kalloc.generate.hardware import HIERARCHY, KINDS, Rack, break_down, fabric_sizes, lay, units
from kalloc.generate.korea_projects import CAPS, Applications, Register
from kalloc.instance import Instance, Placed, Pool, Quota

NAME = "korea-260k"
GPUS = 8
DOWN = 0.02
BUSY_FABRICS = 0.25
"""Share of the fabrics where something runs already."""
PART_TAKEN = 0.15
"""Share of the busy nodes that are not wholly busy."""


@dataclass(frozen=True)
class Hall:
    """The nodes of one kind that one owner has in fabrics of their own at one site."""

    site: str
    fabric: str
    owner: str
    kind: str
    nodes: int
    source: str


HALLS = (
    Hall("nhn", "nhn-b200-a", "foundation-model", "B200", 510, "H: NHN Cloud, 510 nodes; D: two fabrics; A: site"),
    Hall("nhn", "nhn-b200-b", "foundation-model", "B200", 255, "H: NHN Cloud, 255 nodes; A: site"),
    Hall("ansan", "kakao-b200", "sme-academic", "B200", 255, "H: Kakao, Ansan, 255 nodes"),
    Hall("gak-sejong", "state-h200-a", "sme-academic", "H200", 255, "H: Naver Cloud, 255 nodes; A: site"),
    Hall("gak-sejong", "state-h200-b", "sme-academic", "H200", 32, "H: Naver Cloud, 32 nodes; A: site"),
    Hall("provider-a", "state-b300-a", "sme-academic", "B300", 708, "H: 15,000 in 2026; A: 5,664 here, site, kind"),
    Hall("provider-b", "state-b300-b", "national-tasks", "B300", 1167, "H: 15,000 in 2026; A: 9,336 here, site, kind"),
    Hall("daejeon", "supercomputer", "supercomputer", "B200", 1125, "H: supercomputer of 9,000; A: site, kind"),
    Hall("haenam", "haenam", "government", "B300", 1943, "H: 15,000 at Haenam; D: 544 more make 50,000; A: kind"),
    Hall("samsung-a", "samsung-rtx", "samsung", "RTX PRO 6000", 500, "H: of 50,000, the kind; A: 4,000 of them, site"),
    Hall("samsung-a", "samsung-b300", "samsung", "B300", 2875, "H: of 50,000; A: number, site, kind"),
    Hall("samsung-b", "samsung-b200", "samsung", "B200", 2875, "H: of 50,000; A: number, site, kind"),
    Hall("ulsan", "sk-rtx", "sk", "RTX PRO 6000", 250, "H: at least 2,000 of 50,000; A: site"),
    Hall("ulsan", "sk-b200", "sk", "B200", 3000, "H: Ulsan, of 50,000; M: Blackwell; A: number, kind"),
    Hall("ulsan", "sk-b300", "sk", "B300", 3000, "H: Ulsan, of 50,000; M: Blackwell; A: number, kind"),
    Hall("saemangeum", "hyundai-b200", "hyundai", "B200", 3125, "H: Saemangeum, Blackwell, of 50,000; A: half of them"),
    Hall("saemangeum", "hyundai-b300", "hyundai", "B300", 3125, "H: Saemangeum, Blackwell, of 50,000; A: half of them"),
    Hall("gak-sejong", "naver-b200", "naver", "B200", 4000, "H: Blackwell, of 60,000; M: site; A: number, kind"),
    Hall("naver-other", "naver-b300", "naver", "B300", 3500, "H: Blackwell, of 60,000; A: site, number, kind"),
)

PRESS = "H: press of 31 Oct 2025, MSIT 18 Dec 2025"
POOLS = (
    Pool(pool="korea", title="The national plan", source="D: sum of the five"),
    Pool(pool="government", parent="korea", title="Government (MSIT)", source=PRESS),
    Pool(pool="foundation-model", parent="government", title="National foundation-model programme", source=PRESS),
    Pool(pool="sme-academic", parent="government", title="SME and academic pool", source=PRESS),
    Pool(pool="academia", parent="sme-academic", title="Universities", source=PRESS),
    Pool(pool="sme", parent="sme-academic", title="Small firms and startups", source=PRESS),
    Pool(pool="research", parent="sme-academic", title="Public research institutes", source=PRESS),
    Pool(pool="supercomputer", parent="government", title="National supercomputer", source=PRESS),
    Pool(pool="national-tasks", parent="government", title="Other national tasks", source="A: what is left"),
    Pool(pool="samsung", parent="korea", title="Samsung Electronics", source=PRESS),
    Pool(pool="sk", parent="korea", title="SK Group", source=PRESS),
    Pool(pool="hyundai", parent="korea", title="Hyundai Motor Group", source=PRESS),
    Pool(pool="naver", parent="korea", title="Naver Cloud", source=PRESS),
)
QUOTAS = (
    Quota(pool="korea", kind="*", gpus=260_000, source="D: sum of the five"),
    Quota(pool="government", kind="*", gpus=50_000, source=PRESS),
    Quota(pool="foundation-model", kind="B200", gpus=6120, source=PRESS),
    Quota(pool="sme-academic", kind="*", gpus=10_000, borrow=800, source=f"{PRESS}; A: borrowing"),
    Quota(pool="academia", kind="*", gpus=5500, borrow=500, source="A: split and borrowing"),
    Quota(pool="sme", kind="*", gpus=3000, lend=500, source="A: split and lending"),
    Quota(pool="research", kind="*", gpus=1500, lend=300, source="A: split and lending"),
    Quota(pool="supercomputer", kind="*", gpus=9000, lend=500, source="H: 9,000; A: lending"),
    Quota(pool="national-tasks", kind="*", gpus=24_880, lend=800, source="D: 50,000 less the others; A: lending"),
    Quota(pool="samsung", kind="*", gpus=50_000, source=PRESS),
    Quota(pool="sk", kind="*", gpus=50_000, source=PRESS),
    Quota(pool="hyundai", kind="*", gpus=50_000, borrow=1500, source=f"{PRESS}; A: borrowing"),
    Quota(pool="naver", kind="*", gpus=60_000, lend=3000, source=f"{PRESS}; A: lending"),
)

IN_NODES = blend(
    (0.865, {1: 0.25, 2: 0.25, 3: 0.05, 4: 0.20, 5: 0.04, 6: 0.06, 8: 0.15}),
    (0.12, even(range(9, 33))),
    (0.015, even((48, 64, 96, 128, 160, 192))),
)
ANY_SIZE = Law({nodes * GPUS: share for nodes, share in IN_NODES.items()})
TO_16_NODES = Law({8: 0.42, 16: 0.26, 32: 0.16, 64: 0.10, 128: 0.06})
SMALL = Law({1: 0.20, 2: 0.15, 4: 0.20, 8: 0.30, 16: 0.15})
"""GPUs asked by a small firm: single ones, or up to two nodes."""

ASKS = (
    Applications("foundation-model", ("foundation-model",), 0.95, ANY_SIZE),
    Applications("academia", ("sme-academic",), 0.60, TO_16_NODES),
    Applications("sme", ("sme-academic",), 0.40, SMALL),
    Applications("research", ("sme-academic",), 0.20, TO_16_NODES),
    Applications("supercomputer", ("supercomputer",), 0.90, ANY_SIZE),
    Applications("national-tasks", ("national-tasks", "government"), 0.88, ANY_SIZE),
    Applications("samsung", ("samsung",), 0.91, ANY_SIZE),
    Applications("sk", ("sk",), 0.87, ANY_SIZE),
    Applications("hyundai", ("hyundai",), 0.96, ANY_SIZE),
    Applications("naver", ("naver",), 0.89, ANY_SIZE),
)


def build(seed: int = 0) -> Instance:
    """Make the 32,500 nodes of the national plan and some thousands of projects."""
    rng = Random(f"{NAME} {seed}")
    racks = break_down(rng, _racks(), DOWN)
    background = _background(rng, racks)
    register = Register(rng, racks, background)
    register.add_teams()
    for asks in ASKS:
        register.add(asks)
    return Instance(
        name=NAME,
        title="The 260,000 GPUs of the Korean plan",
        as_of=datetime.date(2026, 1, 28),
        hierarchy=HIERARCHY,
        caps=CAPS,
        kinds=tuple(KINDS[kind] for kind in ("H200", "B200", "B300", "RTX PRO 6000")),
        pools=POOLS,
        quotas=QUOTAS,
        inventory=tuple(row for rack in racks for row in rack.rows()),
        projects=tuple(register.projects),
        requests=tuple(register.requests),
        placed=(*background, *register.running),
    )


def _racks() -> list[Rack]:
    racks: list[Rack] = []
    for hall in HALLS:
        like = Rack(path=(), kind=hall.kind, owner=hall.owner, nodes=0, gpus=GPUS, source=hall.source)
        for number, size in enumerate(fabric_sizes(hall.nodes), 1):
            racks += lay((hall.site, f"{hall.fabric}-{number}"), size, like)
    return racks


def _background(rng: Random, racks: list[Rack]) -> list[Placed]:
    """Let something run already in some fabrics, more in some units than in others."""
    placed: list[Placed] = []
    busy = {fabric: rng.random() < BUSY_FABRICS for fabric in dict.fromkeys(rack.path[:2] for rack in racks)}
    for unit, members in units(racks).items():
        if not busy[unit[:2]]:
            continue
        nodes = [name for rack in members for name in rack.up]
        for node in sorted(rng.sample(nodes, int(rng.triangular(0.0, 0.8, 0.2) * len(nodes)))):
            gpus = rng.randrange(1, GPUS) if rng.random() < PART_TAKEN else GPUS
            name = f"running-{unit[1]}"
            placed.append(Placed(project=name, node=node, gpus=gpus, source="A: what runs is not public"))
    return placed
