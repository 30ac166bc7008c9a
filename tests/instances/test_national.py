"""The nine families: what runs, what is asked, and how it is laid out."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from kalloc.generate import generate
from kalloc.generate.national import FAMILIES
from kalloc.instance import Instance

NODES = 6000
SHARE = {
    "fresh": 0.95,
    "tight": 1.0,
    "caps": 0.95,
    "fragmented": 0.95,
    "scattered": 0.95,
    "partial": 0.9,
    "owners": 0.95,
    "kinds": 1.0,
    "nvl": 0.98,
}
LARGE = {48, 64, 96, 128, 192}
BUSY = ("fragmented", "scattered", "owners")


@pytest.fixture(scope="module")
def made() -> dict[str, Instance]:
    return {family: generate("national", 3, family=family, nodes=NODES) for family in FAMILIES}


def rooms(instance: Instance) -> Counter[tuple[str, str]]:
    """Count free GPUs by owner and kind, from the instance alone."""
    free: Counter[tuple[str, str]] = Counter()
    for node, gpus in enumerate(instance.topology.gpus):
        row = instance.topology.row(node)
        free[row.owner, row.kind] += int(gpus) - instance.background.get(node, 0)
    return free


def sizes(instance: Instance) -> dict[str, int]:
    """Return the GPUs that each project asks."""
    return {row.project: row.max for row in instance.requests}


def test_the_table_has_every_family() -> None:
    """The families of the table are those of the recipe."""
    assert set(SHARE) == set(FAMILIES)


@pytest.mark.parametrize("family", SHARE)
def test_nodes_and_how_many_are_down(made: dict[str, Instance], family: str) -> None:
    """All nodes are there, and 1.5 % of them are down."""
    rows = made[family].inventory
    assert sum(row.count for row in rows) == NODES
    assert sum(row.count for row in rows if row.state == "down") == round(0.015 * NODES)


@pytest.mark.parametrize("family", SHARE)
def test_asked_of_what_is_free(made: dict[str, Instance], family: str) -> None:
    """Projects ask their share of what is free, to the node and never more; 100 % is exact."""
    instance = made[family]
    free, asked = sum(rooms(instance).values()), sum(sizes(instance).values())
    node = 1 if family == "partial" else 8
    slack = node * len(rooms(instance))
    assert SHARE[family] * free - slack <= asked <= SHARE[family] * free
    if SHARE[family] == 1.0:
        assert asked == free


@pytest.mark.parametrize("family", SHARE)
def test_requests_are_fixed_and_of_equal_merit(made: dict[str, Instance], family: str) -> None:
    """Every project asks one amount, has merit 1, may be left out, and names its source."""
    instance = made[family]
    assert all(row.min == row.max for row in instance.requests)
    assert all(row.merit == 1 and not row.mandatory and row.level is None for row in instance.projects)
    tables = (instance.kinds, instance.pools, instance.inventory, instance.projects, instance.requests, instance.placed)
    assert all(re.match("[HMDA]: ", row.source) for table in tables for row in table)


@pytest.mark.parametrize("family", ["fresh", "tight", "caps", "fragmented", "scattered", "owners", "kinds"])
def test_sizes_in_nodes(made: dict[str, Instance], family: str) -> None:
    """Sizes are those of the family, but for a few large ones and one that is trimmed for each owner and kind."""
    allowed = {
        "fresh": set(range(1, 33)),
        "tight": set(range(9, 28)),
        "scattered": set(range(9, 28)),
    }.get(family, {4, 8, 16, 32})
    instance = made[family]
    asked = [gpus / 8 for gpus in sizes(instance).values()]
    odd = [size for size in asked if size not in allowed | LARGE]
    assert len(odd) <= len(rooms(instance))
    assert len([size for size in asked if size in LARGE]) <= 0.05 * len(asked)
    assert family != "fresh" or sum(size <= 8 for size in asked) > 0.7 * len(asked)


def test_one_in_a_hundred_is_large() -> None:
    """Over many projects, about 1 % ask 48 to 192 nodes."""
    asked = sizes(generate("national", 1, family="fresh", nodes=60_000)).values()
    assert 0.006 < sum(gpus // 8 in LARGE for gpus in asked) / len(asked) < 0.014


@pytest.mark.parametrize("family", BUSY)
def test_about_half_is_busy_and_uneven(made: dict[str, Instance], family: str) -> None:
    """Nodes are wholly busy or idle, about half of them, and units differ widely."""
    instance = made[family]
    topology = instance.topology
    assert all(gpus == 8 for gpus in instance.background.values())
    up = Counter(int(topology.domain[2][node]) for node in range(NODES) if topology.gpus[node])
    busy = Counter(int(topology.domain[2][node]) for node in instance.background)
    shares = [busy[unit] / nodes for unit, nodes in up.items()]
    assert 0.45 < sum(shares) / len(shares) < 0.55
    assert min(shares) < 0.2 and max(shares) > 0.8


@pytest.mark.parametrize("family", sorted(set(SHARE) - {*BUSY, "partial"}))
def test_the_others_are_empty(made: dict[str, Instance], family: str) -> None:
    """Nothing runs."""
    assert made[family].placed == ()


def test_partial(made: dict[str, Instance]) -> None:
    """Half of the nodes have 1 to 8 GPUs taken; requests of 1 to 40 GPUs are no multiple of a node."""
    instance = made["partial"]
    up = int((instance.topology.gpus > 0).sum())
    assert len(instance.background) == up // 2
    assert set(instance.background.values()) == set(range(1, 9))
    asked = set(sizes(instance).values())
    assert min(asked) == 1 and 32 < max(asked) <= 40
    assert sum(gpus % 8 == 0 for gpus in sizes(instance).values()) <= 1


def test_owners(made: dict[str, Instance]) -> None:
    """Five owners have a fifth of the nodes each, in fabrics of their own, and each asks 95 % of its own."""
    instance = made["owners"]
    nodes = Counter(row.owner for row in instance.inventory for _ in range(row.count))
    assert set(nodes.values()) == {NODES // 5} and len(nodes) == 5
    assert len({(row.path[:2], row.owner) for row in instance.inventory}) == instance.topology.domain_count(1)
    asked: Counter[str] = Counter()
    for project, gpus in sizes(instance).items():
        asked[instance.project_of[project].pool] += gpus
    for (owner, _), free in rooms(instance).items():
        assert 0 <= 0.95 * free - asked[owner] < 8


def test_kinds(made: dict[str, Instance]) -> None:
    """Two kinds in fabrics of their own; a third of the projects takes either, for the same amount."""
    instance = made["kinds"]
    assert len({(row.path[:2], row.kind) for row in instance.inventory}) == instance.topology.domain_count(1)
    either = [rows for rows in instance.requests_of.values() if len(rows) == 2]
    assert len(either) == len(instance.projects) // 3
    assert all(first.max == second.max and first.kind != second.kind for first, second in either)


def test_nvl(made: dict[str, Instance]) -> None:
    """Racks are NVLink domains of 18 trays of 4 GPUs, 8 to a unit; requests are of 4 to 576 GPUs."""
    instance = made["nvl"]
    topology = instance.topology
    assert topology.levels == ("site", "fabric", "su", "nvlink", "node")
    assert Counter(Counter(topology.domain[3].tolist()).values()).most_common(1)[0][0] == 18
    assert Counter(Counter(topology.domain[2].tolist()).values()).most_common(1)[0][0] == 8 * 18
    asked = set(sizes(instance).values())
    assert min(asked) == 4 and max(asked) <= 576 and all(gpus % 4 == 0 for gpus in asked)


@pytest.mark.parametrize("family", SHARE)
@pytest.mark.parametrize("nodes", [1, 3, 40])
def test_small_ones(family: str, nodes: int) -> None:
    """A few nodes make an instance too."""
    instance = generate("national", 0, family=family, nodes=nodes)
    assert instance.topology.node_count == nodes
    assert sum(sizes(instance).values()) <= sum(rooms(instance).values())


def test_sites_hold_sixteen_fabrics(made: dict[str, Instance]) -> None:
    """A site has 16 fabrics of 255 nodes, the last site and the last fabric what remains."""
    topology = made["caps"].topology
    fabrics = Counter(path[0] for path in topology.paths[1])
    assert fabrics == {"site1": 16, "site2": 8}
    assert sorted(Counter(topology.domain[1].tolist()).values())[:2] == [NODES - 23 * 255, 255]
