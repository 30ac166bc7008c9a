"""Instances and plans for tests of exports, worked out by hand."""

from __future__ import annotations

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Quota, Request
from kalloc.plan import Grant, Plan, Seat

HOSTILE = '=HYPERLINK("http://x"); $(reboot) `id`\' <b>: {a: [1]} \u2028 서울'
"""A name that is a formula, a command, HTML and YAML, and has letters that few systems take."""


def instance(**changes: object) -> Instance:
    """Return two sites with nodes of two kinds, pools that borrow and lend, and projects with odd names."""
    tables: dict[str, object] = {
        "name": "Two Sites",
        "hierarchy": Hierarchy(levels=("site", "rack"), weights={"site": 10}),
        "kinds": (Kind(kind="H200"), Kind(kind="RTX PRO 6000")),
        "pools": (
            Pool(pool="nation"),
            Pool(pool="lab", parent="nation", title="Labs: all of 'em"),
            Pool(pool="Firm A", parent="nation"),
            Pool(pool="firm-a", parent="nation"),
        ),
        "quotas": (
            Quota(pool="nation", kind="*", gpus=64),
            Quota(pool="lab", kind="H200", gpus=16, borrow=8),
            Quota(pool="firm-a", kind="H200", gpus=8, lend=24),
            Quota(pool="firm-a", kind="*", gpus=24, lend=4),
        ),
        "inventory": (
            *(NodeGroup(path=("s1", "r1"), node=f"a{n:02d}", kind="H200", gpus=8, owner="nation") for n in range(1, 4)),
            NodeGroup(path=("s1", "r2"), node="a04", kind="H200", gpus=8, owner="nation", state="down"),
            NodeGroup(path=("s2", "r1"), node="b-1", kind="RTX PRO 6000", gpus=4, owner="nation"),
            NodeGroup(path=("s2", ""), node="b-2", kind="RTX PRO 6000", gpus=4, owner="nation"),
        ),
        "projects": (
            Project(project=HOSTILE, pool="lab"),
            Project(project="Team A", pool="Firm A"),
            Project(project="team-a", pool="firm-a", mix="any"),
            Project(project="1e3", pool="nation"),
            Project(project="no", pool="lab"),
        ),
        "requests": (
            Request(project=HOSTILE, kind="H200", min=12, max=12, step=4),
            Request(project="Team A", kind="RTX PRO 6000", min=2, max=2, step=2),
            Request(project="team-a", kind="RTX PRO 6000", min=4, max=6, step=2),
            Request(project="team-a", kind="H200", min=4, max=4, step=4),
            Request(project="1e3", kind="H200", min=4, max=4, step=4),
            Request(project="no", kind="H200", min=8, max=8),
        ),
        "placed": (Placed(project="old", node="a02", gpus=4),),
    }
    return Instance.model_validate({**tables, **changes})


def plan(of: Instance) -> Plan:
    """Return a plan of the instance that keeps every rule."""
    got = {
        (HOSTILE, "H200"): 12,
        ("Team A", "RTX PRO 6000"): 2,
        ("team-a", "RTX PRO 6000"): 6,
        ("team-a", "H200"): 4,
        ("1e3", "H200"): 4,
    }
    grants = tuple(
        Grant(
            row.project,
            of.project_of[row.project].pool,
            row.kind,
            got.get((row.project, row.kind), 0),
            row.min,
            row.max,
            "full",
        )
        for row in of.requests
    )
    seats = (
        Seat("1e3", "H200", ("s1", "r1"), "a03", 4),
        Seat(HOSTILE, "H200", ("s1", "r1"), "a01", 8),
        Seat(HOSTILE, "H200", ("s1", "r1"), "a02", 4),
        Seat("Team A", "RTX PRO 6000", ("s2", "r1"), "b-1", 2),
        Seat("team-a", "H200", ("s1", "r1"), "a03", 4),
        Seat("team-a", "RTX PRO 6000", ("s2", ""), "b-2", 4),
        Seat("team-a", "RTX PRO 6000", ("s2", "r1"), "b-1", 2),
    )
    return Plan(of.name, of.sha256, of.hierarchy.levels, grants, seats)
