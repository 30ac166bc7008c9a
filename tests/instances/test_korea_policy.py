"""The policy variants of the Korean instances: nothing published is lost, and the rules leave a plan."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from kalloc.generate import generate
from kalloc.instance import Instance
from kalloc.io import load
from tests.instances.places import INSTANCES

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def call1() -> Instance:
    return load(INSTANCES / "korea-2026-call1-policy")


@pytest.fixture(scope="module")
def nation() -> Instance:
    return load(INSTANCES / "korea-260k-policy")


def nodes_by_kind(instance: Instance) -> Counter[str]:
    """Count the nodes that are up, by kind."""
    topology = instance.topology
    return Counter(topology.row(node).kind for node in range(topology.node_count) if topology.row(node).state == "up")


@pytest.mark.parametrize("name", ["korea-2026-call1", "korea-260k"])
def test_the_variant_keeps_the_instance(name: str) -> None:
    """Places, what runs, merits, and requests of those that do not mix kinds are those of the instance it varies."""
    plain, policy = load(INSTANCES / name), load(INSTANCES / f"{name}-policy")
    changed = {"idle_watts": 0, "source": ""}
    places = [[row.model_copy(update=changed) for row in each.inventory] for each in (plain, policy)]
    assert places[0] == places[1]
    assert plain.placed == policy.placed and plain.hierarchy == policy.hierarchy
    for row in plain.projects:
        other = policy.project_of[row.project]
        assert (other.pool, other.merit, other.mandatory) == (row.pool, row.merit, row.mandatory)
        assert other.mix != row.mix or policy.requests_of[row.project] == plain.requests_of[row.project]


def test_call1_tiers_and_call(call1: Instance) -> None:
    """Balance, ranked, fragmentation; the published 514 applied within the call, four others are refused."""
    assert call1.objective.names == ("balance", "ranked", "fragmentation")
    root = call1.pools[0]
    assert (str(root.opens), str(root.closes)) == ("2025-12-22", "2026-01-28")
    assert all(row.applied is not None for row in call1.projects)
    assert call1.policy.refused == {"late-1", "late-2", "late-3", "early-1"}
    assert len(call1.projects) - len(call1.policy.refused) == 514


def test_call1_exchange(call1: Instance) -> None:
    """A project may have 256 H200 or 128 B200, or a mix at 2 to 1, for which some ask up to both caps."""
    limit = next(row for row in call1.limits if row.limit == "project-cap")
    assert (limit.per, limit.most) == ("project", 256) and not call1.caps
    assert call1.policy.rates["project-cap"] == {"H200": 1, "B200": 2}
    mixing = [row.project for row in call1.projects if row.mix == "any"]
    assert len(mixing) >= 5
    for project in mixing:
        assert {row.kind: row.max for row in call1.requests_of[project]} == {"H200": 256, "B200": 128}


def test_call1_power_feeds_what_was_granted(call1: Instance) -> None:
    """The sites feed 279 of 287 and 249 of 255 nodes: 528 as granted."""
    fed = {}
    for domain in call1.policy.power_domains:
        each = call1.policy.watts[int(call1.topology.group[domain.nodes[0]])][1]
        fed[domain.name] = int(domain.left / (8 * each))
    assert fed == {"gak-sejong": 279, "ansan": 249}
    assert nodes_by_kind(call1) == {"H200": 287, "B200": 255}


def test_call1_shares(call1: Instance) -> None:
    """The shares of the groups add up to all, industry has the 30 % under study, and each group asks its share."""
    share = {row.group: row.share or 0 for row in call1.groups}
    assert sum(share.values()) == 100
    assert sum(share[group] for group in ("small-firm", "startup", "youth-firm")) == 30
    asked: Counter[str] = Counter()
    for row in call1.projects:
        asked[str(row.group)] += max(ask.max for ask in call1.requests_of[row.project])
    assert all(asked[group] > percent / 100 * 4336 for group, percent in share.items())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("recipe", ["korea-2026-call1-policy", "korea-260k-policy"])
def test_floors_leave_room(recipe: str, seed: int) -> None:
    """Whatever the seed: each floor is at most half of what its region asks, and all of them of what is there."""
    instance = generate(recipe, seed)
    floors = [(subject, subject.limit.least) for subject in instance.policy.subjects if subject.limit.least]
    assert len(floors) == 4
    for subject, least in floors:
        assert 2 * least <= sum(instance.most_requested(project) for project in subject.projects)
        assert least % 8 == 0
    assert 2 * sum(least for _, least in floors) < 8000
    assert all(domain.left > 0 for domain in instance.policy.power_domains)


def test_rules_name_all_there_is(call1: Instance, nation: Instance) -> None:
    """Every rule and every kind of shape is in one of the two, most of them in both."""
    tables = {"groups", "limits", "rates", "budgets", "power", "shapes"}
    assert all(getattr(each, table) for table in tables for each in (call1, nation))
    assert nation.guarantees
    for each in (call1, nation):
        assert {row.shape for row in each.shapes} == {"segment", "spread", "whole", "exclusive", "prefer"}
        nested = Counter(row.project for row in each.shapes if row.shape == "segment")
        assert max(nested.values()) == 2
    assert {row.per for row in call1.limits} == {"project", "applicant", "group", "region"}


def test_nation_tiers(nation: Instance) -> None:
    """Promises first, then max-min by pool of the quota, utilisation and fragmentation."""
    assert nation.objective.names == ("guarantees", "fairness", "utilisation", "fragmentation")
    fair = nation.objective.tiers[1]
    assert (fair.rule, fair.by, fair.of) == ("maxmin", "pool", "quota")


def test_nation_shapes_a_tenth(nation: Instance) -> None:
    """About a tenth of the projects has a shape, none of them one that runs; two must be served."""
    shaped = {row.project for row in nation.shapes}
    assert 0.09 < len(shaped) / len(nation.projects) < 0.12
    assert not shaped & {row.project for row in nation.placed}
    assert {project for project in shaped if nation.project_of[project].mandatory} == {
        "foundation-team-3",
        "national-task-304",
    }


def test_nation_power_binds_somewhere(nation: Instance) -> None:
    """Of the sites some cannot feed all nodes at once, others can; of the racks only eight cannot."""
    policy, topology = nation.policy, nation.topology
    short: dict[str, list[bool]] = {}
    for domain in policy.power_domains:
        wanted = sum(
            (int(topology.gpus[node]) - nation.background.get(node, 0)) * policy.watts[int(topology.group[node])][1]
            for node in domain.nodes
        )
        short.setdefault(domain.power.power, []).append(wanted > domain.left)
    sites = {name: flags[0] for name, flags in short.items() if "rack" not in name}
    assert sites == {"ulsan": True, "gak-sejong": True, "ansan": True, "saemangeum": False, "haenam": False}
    assert not any(short["rack"]) and len(short["rack"]) > 8000
    assert sum(any(flags) for name, flags in short.items() if name.startswith("old-rack")) >= 5


def test_nation_guarantees_can_be_kept(nation: Instance) -> None:
    """No guarantee is over what its projects ask or over their quota."""
    quota = {row.pool: row.gpus for row in nation.quotas}
    for row in nation.guarantees:
        assert row.pool is not None
        asked = sum(nation.most_requested(one.project) for one in nation.projects if one.pool == row.pool)
        assert row.gpus <= min(asked, quota[row.pool])


def test_prices(call1: Instance) -> None:
    """Universities pay nothing, firms of young founders half of what startups pay."""
    price = {row.group: call1.policy.price(row.project, "H200") for row in call1.projects}
    assert price["university"] == 0
    assert price["startup"] == 2 * price["youth-firm"] == Fraction(1_500_000)
    assert price["small-firm"] == Fraction(3_000_000)
