"""What must not change a score: names, the order of rows, how nodes are counted, an empty rack, the unit of weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import NODE, Hierarchy, Instance, NodeGroup, Placed
from tests.models.small import sow

Change = Callable[[Instance], Instance]
Score = tuple[float, int]
TABLES = ("kinds", "pools", "quotas", "caps", "inventory", "projects", "requests", "placed")
NAMES = ("pool", "parent", "owner", "kind", "project", "node")
"""Columns that hold names."""
SEEDS = range(24)


def drawn(seed: int) -> Instance:
    """Return a random instance of up to seven nodes of up to four GPUs, in two levels."""
    return sow(seed, nodes=7, gpus=4, projects=5, levels=2)


def solved(instance: Instance) -> Score | None:
    """Return merit and fragmentation, both proven; None when there is no plan."""
    try:
        result = kalloc.solve(instance, time_limit=None, threads=1)
    except InfeasibleError:
        return None
    assert result.solution == "proven"
    return result.tiers[0].value, result.fragmentation


def rows(instance: Instance, change: Callable[[str, dict[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
    """Return all tables with each row changed."""
    return {
        table: tuple(row.model_copy(update=dict(change(table, row.model_dump()))) for row in getattr(instance, table))
        for table in TABLES
    }


def renamed(instance: Instance) -> Instance:
    """Turn every name around and give it a prefix, so that every order by name is another one."""

    def new(name: str | None) -> str | None:
        return name if name in (None, "*", NODE) else f"{(999 - sum(map(ord, str(name))) % 800):03}-{name}"

    def change(table: str, row: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {column: new(row[column]) for column in NAMES if column in row}
        if table == "inventory":
            changed["path"] = tuple(place and new(place) for place in row["path"])
        if table == "projects":
            changed["level"] = new(row["level"])
        return changed

    weights = {str(new(level)): weight for level, weight in instance.hierarchy.weights.items()}
    levels = tuple(str(new(level)) for level in instance.hierarchy.levels)
    return instance.replace(hierarchy=Hierarchy(levels=levels, weights=weights), **rows(instance, change))


def shuffled(instance: Instance) -> Instance:
    """Put the rows of every table in another order."""
    dice = random.Random(5)
    tables = {table: list(getattr(instance, table)) for table in TABLES}
    for table in tables.values():
        dice.shuffle(table)
    return instance.replace(**{name: tuple(table) for name, table in tables.items()})


def split(instance: Instance) -> Instance:
    """Write each row of two alike nodes without a name as two rows of one."""
    one = {"count": 1}
    return instance.replace(
        inventory=tuple(
            part
            for row in instance.inventory
            for part in ([row.model_copy(update=one)] * row.count if row.node is None else [row])
        )
    )


def doubled(instance: Instance) -> Instance:
    """Give every place without anything placed a second node, by count, so that `split` has something to split."""
    used = {row.node for row in instance.placed}
    free = {"node": None, "count": 2}
    return instance.replace(
        inventory=tuple(row if row.node in used else row.model_copy(update=free) for row in instance.inventory)
    )


def with_empty_rack(instance: Instance) -> Instance:
    """Add a rack of its own whose nodes are all down, before all others."""
    first = instance.inventory[0]
    path = tuple("empty" for _ in first.path)
    rack = NodeGroup(path=path, kind=first.kind, gpus=first.gpus, owner=first.owner, count=3, state="down")
    return instance.replace(inventory=(rack, *instance.inventory))


def with_full_node(instance: Instance) -> Instance:
    """Add a node that background takes whole, in the rack of the first node."""
    first = instance.inventory[0]
    node = first.model_copy(update={"node": "full", "state": "up", "count": 1})
    taken = Placed(project="somebody else", node="full", gpus=first.gpus)
    return instance.replace(inventory=(*instance.inventory, node), placed=(*instance.placed, taken))


def heavier(instance: Instance) -> Instance:
    """Double every weight of the topology."""
    levels = (*instance.hierarchy.levels, NODE)
    weights = {level: 2 * instance.hierarchy.weights.get(level, 1) for level in levels}
    return instance.replace(hierarchy=Hierarchy(levels=instance.hierarchy.levels, weights=weights))


def worthier(instance: Instance) -> Instance:
    """Double the merit of every project."""
    return instance.replace(
        projects=tuple(row.model_copy(update={"merit": 2 * row.merit}) for row in instance.projects)
    )


CHANGES: list[tuple[Change, int, int]] = [
    (renamed, 1, 1),
    (shuffled, 1, 1),
    (with_empty_rack, 1, 1),
    (with_full_node, 1, 1),
    (heavier, 1, 2),
    (worthier, 2, 1),
]


@pytest.mark.parametrize(("change", "merit", "fragmentation"), CHANGES, ids=[case[0].__name__ for case in CHANGES])
def test_score_is_the_same(change: Change, merit: int, fragmentation: int) -> None:
    """The change leaves both tiers as they were, or multiplies one of them, on two dozen drawn instances."""
    for seed in SEEDS:
        instance = drawn(seed)
        before, after = solved(instance), solved(change(instance))
        expected = None if before is None else (merit * before[0], fragmentation * before[1])
        assert after == expected, seed


def test_one_row_of_two_nodes_is_two_rows_of_one() -> None:
    """Inventory by count and inventory node by node are the same nation."""
    for seed in SEEDS:
        instance = doubled(drawn(seed))
        assert sum(row.count for row in instance.inventory) > len(instance.inventory)
        assert solved(split(instance)) == solved(instance), seed


def test_the_instances_are_worth_their_while() -> None:
    """Among the drawn instances some have no plan, and some none without fragmentation."""
    scores = [solved(drawn(seed)) for seed in SEEDS]
    assert sum(score is None for score in scores) >= 2
    assert sum(score is not None and score[1] > 0 for score in scores) >= 2
    assert sum(score is not None and score[0] > 0 for score in scores) >= 12
