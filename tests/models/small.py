"""Small instances: one with defaults for whatever a test does not care about, and random ones."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from kalloc.errors import InstanceError
from kalloc.instance import (
    Cap,
    Hierarchy,
    Instance,
    Kind,
    NodeGroup,
    Objective,
    Placed,
    Pool,
    Project,
    Quota,
    Request,
    Tier,
)


def make(**changes: Any) -> Instance:
    """Return an instance of one pool and one kind, ``h``, with no nodes and no projects but for the changes."""
    fields: dict[str, Any] = {
        "name": "small",
        "kinds": (Kind(kind="h"),),
        "pools": (Pool(pool="top"),),
        "hierarchy": Hierarchy(levels=("rack",)),
    }
    return Instance(**{**fields, **changes})


def nodes(rack: str, gpus: int, **more: Any) -> NodeGroup:
    """Return nodes of kind ``h`` of the pool ``top`` in a rack."""
    return NodeGroup(**{"path": (rack,), "kind": "h", "gpus": gpus, "owner": "top", **more})


def ask(project: str, least: int, most: int, **more: Any) -> Request:
    """Return a request for kind ``h`` in steps of one GPU."""
    return Request(**{"project": project, "kind": "h", "min": least, "max": most, "step": 1, **more})


def deciding(*tiers: str | Tier | dict[str, Any]) -> Objective:
    """Return the objective of some tiers, by name or with their settings."""
    return Objective(tiers=tuple(Tier.model_validate(tier) for tier in tiers))


def sow(seed: int, nodes: int, gpus: int, projects: int, levels: int) -> Instance:
    """Return a random instance with at most so many nodes, GPUs per node, projects and exactly so many levels."""
    dice = random.Random(seed)
    for _ in range(1000):
        with suppress(InstanceError):
            return _draw(dice, nodes, gpus, projects, levels)
    raise AssertionError("a thousand draws without a sound instance")


def _draw(dice: random.Random, nodes: int, gpus: int, projects: int, levels: int) -> Instance:
    pools = ["top", "a", "b", *(["c"] if dice.random() < 0.5 else [])]
    parents = {"top": None, "a": "top", "b": "top", "c": dice.choice(["a", "top"])}
    kinds = ["h", "b"][: dice.choice([1, 1, 2])]
    names = [f"l{depth}" for depth in range(levels)]
    inventory = tuple(
        NodeGroup(
            path=tuple(dice.choice(["", "1", "2"][depth == 0 :]) for depth in range(levels)),
            node=f"n{number}",
            kind=dice.choice(kinds),
            gpus=dice.randint(1, gpus),
            owner=dice.choice(["top", *pools]),
            state="down" if dice.random() < 0.07 else "up",
        )
        for number in range(dice.randint(max(2, nodes - 1), nodes))
    )
    asking = [f"p{number}" for number in range(dice.randint(min(2, projects), projects))]
    return Instance(
        name="random",
        hierarchy=Hierarchy(levels=names, weights={level: dice.choice([0, 1, 3, 10]) for level in [*names, "node"]}),
        kinds=tuple(Kind(kind=kind, performance=dice.choice([1, 2.25])) for kind in kinds),
        pools=tuple(Pool(pool=pool, parent=parents[pool]) for pool in pools),
        quotas=_quotas(dice, pools, [*kinds, "*"], gpus * nodes),
        caps=tuple(
            Cap(pool=dice.choice(pools), kind=kind, gpus=dice.randint(1, 3 * gpus))
            for kind in kinds
            if dice.random() < 0.2
        ),
        inventory=inventory,
        projects=tuple(_project(dice, name, pools, [*names, "node"]) for name in asking),
        requests=tuple(
            _request(dice, name, kind, gpus * nodes) for name in asking for kind in kinds if dice.random() < 0.8
        ),
        placed=tuple(_placed(dice, row, [*asking, "other"]) for row in inventory if dice.random() < 0.2),
    )


def _quotas(dice: random.Random, pools: list[str], kinds: list[str], most: int) -> tuple[Quota, ...]:
    found = []
    for pool in pools:
        for kind in kinds:
            if dice.random() < 0.25:
                borrow = dice.choice([0, 2, most]) if pool != "top" else 0
                lend = dice.choice([0, 2, most])
                found.append(Quota(pool=pool, kind=kind, gpus=dice.randint(most // 4, most), borrow=borrow, lend=lend))
    return tuple(found)


def _project(dice: random.Random, name: str, pools: list[str], levels: list[str]) -> Project:
    return Project(
        project=name,
        pool=dice.choice(pools),
        merit=dice.choice([0, 1, 1, 1, 1.5, 2]),
        mandatory=dice.random() < 0.15,
        mix="any" if dice.random() < 0.5 else "one",
        level=dice.choice(levels) if dice.random() < 0.25 else None,
    )


def _request(dice: random.Random, project: str, kind: str, most: int) -> Request:
    least = dice.randint(0, max(1, most // 3))
    return Request(
        project=project,
        kind=kind,
        min=least,
        max=max(1, least) + dice.choice([0, 0, 1, 2, most // 3]),
        step=dice.choice([None, 1, 1, 2]),
        value=dice.choice([None, 0.7]),
    )


def _placed(dice: random.Random, row: NodeGroup, names: list[str]) -> Placed:
    assert row.node is not None
    gpus = dice.randint(1, max(1, row.gpus - 1))
    return Placed(project=dice.choice(names), node=row.node, gpus=gpus, movable=dice.random() < 0.3)
