"""The Korean instances against every figure that is public."""

from __future__ import annotations

from collections import Counter

import pytest

from kalloc.instance import Instance
from kalloc.io import load
from tests.instances.places import INSTANCES


@pytest.fixture(scope="module")
def call1() -> Instance:
    return load(INSTANCES / "korea-2026-call1")


@pytest.fixture(scope="module")
def nation() -> Instance:
    return load(INSTANCES / "korea-260k")


def asked(instance: Instance) -> dict[str, int]:
    """Return the GPUs each project asks at most: of one kind, or of all together where it mixes."""
    return {
        row.project: (sum if row.mix == "any" else max)(ask.max for ask in instance.requests_of[row.project])
        for row in instance.projects
    }


def asked_of(instance: Instance, pool: str) -> int:
    """Sum what the projects of a pool and of the pools below it ask."""
    pools = instance.pool_tree.below[pool]
    return sum(gpus for project, gpus in asked(instance).items() if instance.project_of[project].pool in pools)


def installed(instance: Instance, column: str) -> Counter[str]:
    """Count GPUs, those that are down included, by a column of the inventory."""
    found: Counter[str] = Counter()
    for row in instance.inventory:
        found[getattr(row, column)] += row.count * row.gpus
    return found


def usable(instance: Instance, owners: set[str]) -> int:
    """Count the GPUs of some owners that are up and not taken by background."""
    topology = instance.topology
    nodes = (node for node in range(topology.node_count) if topology.row(node).owner in owners)
    return sum(int(topology.gpus[node]) - instance.background.get(node, 0) for node in nodes)


def fabrics(instance: Instance) -> dict[str, int]:
    """Return the nodes of every fabric by its name."""
    found: Counter[str] = Counter()
    for row in instance.inventory:
        found[row.path[1]] += row.count
    return dict(found)


def test_call1_supply(call1: Instance) -> None:
    """542 nodes: H200 as 255 + 32, B200 as 255, all up, none taken."""
    assert fabrics(call1) == {"naver-h200-1": 255, "naver-h200-2": 32, "kakao-b200-1": 255}
    assert installed(call1, "kind") == {"H200": 2296, "B200": 2040}
    assert int(call1.topology.gpus.sum()) == 4336 and not call1.placed


def test_call1_demand(call1: Instance) -> None:
    """514 applications ask 1,714 nodes, of which academia asks 8,600 GPUs."""
    assert len(call1.projects) == 514
    assert asked_of(call1, "call1") == 1714 * 8 == 13_712
    assert asked_of(call1, "academia") == 8600
    assert asked_of(call1, "industry") > asked_of(call1, "research") > 0


def test_call1_requests(call1: Instance) -> None:
    """Requests come in nodes of 8 up to the caps of 256 H200 and 128 B200; nobody mixes, a few take either."""
    assert {(row.kind, row.gpus) for row in call1.caps} == {("H200", 256), ("B200", 128)}
    largest = {kind: max(row.max for row in call1.requests if row.kind == kind) for kind in ("H200", "B200")}
    assert largest == {"H200": 256, "B200": 128}
    assert all(row.min % 8 == row.max % 8 == 0 < row.min for row in call1.requests)
    assert {row.mix for row in call1.projects} == {"one"}
    either = [rows for rows in call1.requests_of.values() if len(rows) == 2]
    assert 0.04 < len(either) / 514 < 0.12
    assert all(first.max == second.max for first, second in either)
    assert 0 < sum(row.min < row.max for row in call1.requests) < 0.2 * len(call1.requests)


def test_call1_merits(call1: Instance) -> None:
    """Merit weighs the three scores of the note, and there are many different ones."""
    for row in call1.projects:
        impact, ecosystem, capability = (int(part.split()[1]) for part in row.note.split(", "))
        assert row.merit == pytest.approx(0.4 * impact + 0.3 * ecosystem + 0.3 * capability)
    assert len({row.merit for row in call1.projects}) > 100


def test_call1_calibration(call1: Instance) -> None:
    """By falling merit about as many projects are served as the call served, 159, and academia gets about 2,624."""
    room, served = {"H200": 2296, "B200": 2040}, Counter[str]()
    for project in sorted(call1.projects, key=lambda row: -row.merit):
        for ask in call1.requests_of[project.project]:
            if ask.max <= room[ask.kind]:
                room[ask.kind] -= ask.max
                served[project.pool] += ask.max
                served["projects"] += 1
                break
    assert abs(served["projects"] / 159 - 1) < 0.15
    assert abs(served["academia"] / 2624 - 1) < 0.15


def test_nation_supply(nation: Instance) -> None:
    """260,000 GPUs on 32,500 nodes, in the shares announced for the five."""
    by_owner = installed(nation, "owner")
    below = nation.pool_tree.below
    shares = {pool: sum(by_owner[owner] for owner in below[pool]) for pool in nation.pool_tree.siblings["korea"]}
    assert shares == {"government": 50_000, "samsung": 50_000, "sk": 50_000, "hyundai": 50_000, "naver": 60_000}
    assert by_owner["sme-academic"] == 10_000 and by_owner["foundation-model"] == 6120
    assert by_owner["supercomputer"] == 9000
    assert sum(by_owner.values()) == 260_000 and nation.topology.node_count == 32_500


def test_nation_quotas(nation: Instance) -> None:
    """Quotas are the announced shares; what siblings below a parent are entitled to adds up to its own."""
    gpus = {row.pool: row.gpus for row in nation.quotas}
    assert gpus["korea"] == 260_000 and gpus["sme-academic"] == 10_000 and gpus["foundation-model"] == 6120
    for parent, children in nation.pool_tree.siblings.items():
        assert sum(gpus[child] for child in children) == gpus[parent]
    assert any(row.borrow for row in nation.quotas) and any(row.lend for row in nation.quotas)
    assert {(row.pool, row.kind, row.gpus) for row in nation.caps} >= {
        ("sme-academic", "H200", 256),
        ("sme-academic", "B200", 128),
    }


def test_nation_first_lot(nation: Instance) -> None:
    """The state's part of the first lot: NHN 510 and 255, Kakao 255, Naver 255 and 32 nodes, 1,307 in all."""
    nodes = fabrics(nation)
    lot = {name: count for name, count in nodes.items() if name.startswith(("nhn", "kakao", "state-h200"))}
    assert lot == {
        "nhn-b200-a-1": 255,
        "nhn-b200-a-2": 255,
        "nhn-b200-b-1": 255,
        "kakao-b200-1": 255,
        "state-h200-a-1": 255,
        "state-h200-b-1": 32,
    }
    assert sum(lot.values()) == 1307


def test_nation_kinds(nation: Instance) -> None:
    """2,296 H200 are the state's; SK has 2,000 RTX PRO 6000, Samsung has some; the rest is Blackwell."""
    gpus: Counter[tuple[str, str]] = Counter()
    for row in nation.inventory:
        gpus[row.owner, row.kind] += row.count * row.gpus
    assert gpus["sk", "RTX PRO 6000"] == 2000 and gpus["samsung", "RTX PRO 6000"] > 0
    assert {owner: count for (owner, kind), count in gpus.items() if kind == "H200"} == {"sme-academic": 2296}
    assert {kind for _, kind in gpus} == {"H200", "B200", "B300", "RTX PRO 6000"}


def test_nation_fabrics(nation: Instance) -> None:
    """No fabric has more than 255 nodes and no unit more than 32; full fabrics have one unit of 31."""
    assert max(fabrics(nation).values()) == 255
    units: dict[tuple[str, ...], int] = Counter()
    for row in nation.inventory:
        units[row.path[:3]] += row.count
    assert max(units.values()) == 32
    for name, count in fabrics(nation).items():
        if count == 255:
            assert sorted(nodes for unit, nodes in units.items() if unit[1] == name) == [31] + [32] * 7


def test_nation_down_and_busy(nation: Instance) -> None:
    """1 to 3 % of the nodes are down; background takes some, also parts of nodes; some projects stay, some may move."""
    down = sum(row.count for row in nation.inventory if row.state == "down")
    assert 0.01 < down / 32_500 < 0.03
    assert 0.03 < sum(nation.background.values()) / 260_000 < 0.15
    assert set(nation.background.values()) == set(range(1, 9))
    running = {row.project: row.movable for row in nation.placed if row.project in nation.project_of}
    assert Counter(running.values())[True] > 10 and Counter(running.values())[False] > 10
    assert running["foundation-team-1"] is False and running["foundation-team-2"] is True
    held: Counter[str] = Counter()
    for row in nation.placed:
        held[row.project] += row.gpus
    assert all(held[project] == asked(nation)[project] for project in running)


def test_nation_projects(nation: Instance) -> None:
    """3,000 to 5,000 projects of all owners, mostly of 1 to 8 nodes, some to 32, few larger, some below a node."""
    assert 3000 < len(nation.projects) < 5000
    assert {row.pool for row in nation.projects} == set(nation.pool_tree.parent) - {
        "korea",
        "government",
        "sme-academic",
    }
    sizes = asked(nation).values()
    share = {top: sum(gpus <= top * 8 for gpus in sizes) / len(sizes) for top in (8, 32)}
    assert 0.8 < share[8] < 0.95 and 0.97 < share[32] < 1
    assert sum(gpus % 8 > 0 for gpus in sizes) > 100
    assert {row.level for row in nation.projects} == {None, "node", "su", "fabric"}
    assert 0 < sum(row.mix == "any" for row in nation.projects) < 0.05 * len(nation.projects)


def test_nation_must_serve_the_teams(nation: Instance) -> None:
    """Mandatory are the teams of 512, 512 and 768 B200, and the national task of 304."""
    must = [row.project for row in nation.projects if row.mandatory]
    assert [[(ask.kind, ask.min, ask.max) for ask in nation.requests_of[name]] for name in must] == [
        [("B200", gpus, gpus)] for gpus in (512, 512, 768, 304)
    ]


def test_nation_is_short_in_some_pools(nation: Instance) -> None:
    """The SME and academic pool asks more than it has, small firms more than their quota; the private owners less."""
    short = {pool: asked_of(nation, pool) / usable(nation, {pool}) for pool in ("samsung", "hyundai", "sk", "naver")}
    assert all(0.86 < share < 0.97 for share in short.values())
    assert asked_of(nation, "sme") > next(row.gpus for row in nation.quotas if row.pool == "sme")
    assert asked_of(nation, "sme-academic") > usable(nation, {"sme-academic"})


@pytest.mark.parametrize("name", ["korea-2026-call1", "korea-260k"])
def test_provenance_is_written(name: str) -> None:
    """Each has a page of provenance; the nation's names the dollar figure that is wrong by ten."""
    page = (INSTANCES / name / "README.md").read_text(encoding="utf-8")
    assert "(H" in page and "(A)" in page
    if name == "korea-260k":
        assert "9.5 billion" in page and "947.2 million" in page
