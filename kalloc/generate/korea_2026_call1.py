"""The recipe ``korea-2026-call1``: the first call for the state's GPUs, synthetic but for every published total."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from random import Random

from kalloc.generate.draw import Law, meet
from kalloc.generate.hardware import HIERARCHY, KINDS, Rack, lay
from kalloc.instance import Cap, Instance, NodeGroup, Pool, Project, Quota, Request

NAME = "korea-2026-call1"
ROOT = "call1"
GPUS = 8
"""GPUs of a node: applications are made in nodes."""

H200 = Law({1: 0.48, 2: 0.26, 4: 0.14, 8: 0.07, 16: 0.04, 32: 0.02})
B200 = Law({1: 0.42, 2: 0.26, 4: 0.16, 8: 0.10, 16: 0.06})
"""Nodes asked by one application, up to the cap of each kind: a power law that has the published mean."""

WANTS = {("H200",): (0.50, H200), ("B200",): (0.42, B200), ("H200", "B200"): (0.08, B200)}
"""Kinds that an application accepts, with the share of applications and the law of their sizes."""
ELASTIC = 0.15
"""Share of the applications of two nodes and more that can also use half."""


@dataclass(frozen=True)
class Field:
    """The applications of one of the three fields."""

    pool: str
    title: str
    projects: int
    nodes: int
    source: str


FIELDS = (
    Field("academia", "Universities and their hospitals", 322, 1075, "H: 8,600 GPUs asked"),
    Field("industry", "Firms, mostly small ones and startups", 155, 512, "A: share of what academia did not ask"),
    Field("research", "Public research institutes", 37, 127, "A: share of what academia did not ask"),
)

CLUSTERS = (
    (("gak-sejong", "naver-h200-1"), "H200", 255, "H: Naver Cloud, 255 nodes; A: site, 4 nodes a rack (M)"),
    (("gak-sejong", "naver-h200-2"), "H200", 32, "H: Naver Cloud, 32 nodes; A: site, 4 nodes a rack (M)"),
    (("ansan", "kakao-b200-1"), "B200", 255, "H: Kakao, Ansan, 255 nodes; A: 4 nodes a rack"),
)

ASKED = "A: synthetic application; sizes by a power law that meets H: 514 projects, 1,714 nodes (MSIT, 3 Mar 2026)"
SCORED = "A: criteria H, weights and scores assumed"


def build(seed: int = 0) -> Instance:
    """Make the 542 nodes of the first call and 514 applications that ask 1,714 nodes."""
    rng = Random(f"{NAME} {seed}")
    projects, requests = [], []
    for field in FIELDS:
        kinds = rng.choices(list(WANTS), [share for share, _ in WANTS.values()], k=field.projects)
        sizes = meet(rng, [WANTS[wanted][1] for wanted in kinds], field.nodes)
        for number, (wanted, nodes) in enumerate(zip(kinds, sizes, strict=True), 1):
            project = _project(rng, field, number)
            projects.append(project)
            requests += _requests(rng, project.project, wanted, nodes)
    return Instance(
        name=NAME,
        title="First call for the state's GPUs, 22 Dec 2025 to 28 Jan 2026",
        as_of=datetime.date(2026, 1, 28),
        hierarchy=HIERARCHY,
        caps=(
            Cap(pool=ROOT, kind="H200", gpus=256, source="H: 32 nodes a project"),
            Cap(pool=ROOT, kind="B200", gpus=128, source="H: 16 nodes a project"),
        ),
        kinds=(KINDS["H200"], KINDS["B200"]),
        pools=(
            Pool(pool=ROOT, title="First call", source="H: MSIT, 18 Dec 2025"),
            *(Pool(pool=field.pool, parent=ROOT, title=field.title, source="H: MSIT, 18 Dec 2025") for field in FIELDS),
        ),
        quotas=(
            Quota(pool=ROOT, kind="H200", gpus=2296, source="H: MSIT, 18 Dec 2025"),
            Quota(pool=ROOT, kind="B200", gpus=2040, source="H: MSIT, 18 Dec 2025"),
        ),
        inventory=_inventory(),
        projects=tuple(projects),
        requests=tuple(requests),
    )


def _inventory() -> tuple[NodeGroup, ...]:
    rows: list[NodeGroup] = []
    for fabric, kind, nodes, source in CLUSTERS:
        like = Rack(path=(), kind=kind, owner=ROOT, nodes=0, gpus=GPUS, source=source)
        rows += (row for rack in lay(fabric, nodes, like) for row in rack.rows())
    return tuple(rows)


def _project(rng: Random, field: Field, number: int) -> Project:
    """Score an application: impact counts 40 %, contribution to the ecosystem and capability 30 % each."""
    impact, ecosystem, capability = (round(rng.triangular(40, 100, 72)) for _ in range(3))
    return Project(
        project=f"{field.pool}-{number:03}",
        pool=field.pool,
        merit=round(0.4 * impact + 0.3 * ecosystem + 0.3 * capability, 1),
        title=f"Synthetic application {number} of {field.pool}",
        source=SCORED,
        note=f"impact {impact}, ecosystem {ecosystem}, capability {capability}",
    )


def _requests(rng: Random, project: str, wanted: tuple[str, ...], nodes: int) -> list[Request]:
    """Ask the same number of nodes of every kind that the project accepts, of which it gets one."""
    most = nodes * GPUS
    least = most // 2 if nodes > 1 and rng.random() < ELASTIC else most
    return [Request(project=project, kind=kind, min=least, max=most, source=ASKED) for kind in wanted]
