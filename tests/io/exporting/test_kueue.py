"""Kueue: the objects are valid, and its way of counting quotas lets in what kalloc's does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kalloc
from kalloc.errors import OutputError
from kalloc.instance import Instance, Kind, Pool, Quota
from kalloc.io.exporting import made_of
from kalloc.io.exporting.shares import Shares
from kalloc.plan import Grant, Plan
from tests.instances.places import INSTANCES, TINY
from tests.io.exporting.cases import HOSTILE, instance, plan
from tests.io.exporting.schemas import Object, complaints, needed, objects

LIMITS = ("nominalQuota", "borrowingLimit", "lendingLimit")


def made(cluster: Instance, decided: Plan | None = None) -> list[Object]:
    """Return the objects of kueue.yaml."""
    return objects(made_of("kueue", cluster, decided).files["kueue.yaml"])


def quotas(found: list[Object], kind: str, name: str) -> dict[str, tuple[Any, Any, Any]]:
    """Return nominal quota, borrowing and lending limit by flavor, of a queue or a cohort."""
    [item] = [item for item in found if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return {
        flavor["name"]: tuple(flavor["resources"][0].get(key) for key in LIMITS)
        for group in item["spec"].get("resourceGroups", ())
        for flavor in group["flavors"]
    }


@needed
@pytest.mark.parametrize("path", TINY, ids=lambda path: path.name)
def test_valid_for_every_tiny_instance(path: Any) -> None:
    """Every object of every tiny instance is valid under the published schemas."""
    found = made(kalloc.load(path))
    assert {item["kind"] for item in found} >= {"Topology", "ResourceFlavor", "ClusterQueue"}
    assert [complaint for item in found for complaint in complaints(item)] == []


@needed
def test_valid_with_hostile_names() -> None:
    """With a plan, names that are YAML, commands and formulas make valid objects that keep them as annotations."""
    cluster = instance()
    found = made(cluster, plan(cluster))
    assert [complaint for item in found for complaint in complaints(item)] == []
    [queue] = [item for item in found if item["metadata"].get("annotations", {}).get("kalloc/name") == HOSTILE]
    assert queue["kind"] == "LocalQueue"


@needed
def test_a_wrong_object_is_refused() -> None:
    """The schemas that these tests use refuse unknown fields, wrong types and missing ones."""
    [topology, *_] = made(instance())
    assert complaints({**topology, "spec": {"levels": []}})
    assert complaints({**topology, "spec": {**topology["spec"], "level": 1}})
    assert complaints({key: value for key, value in topology.items() if key != "spec"})


def test_topology_and_flavors() -> None:
    """The levels are labels down to the host; a kind is a flavor of the nodes that have its label."""
    found = made(instance())
    assert [level["nodeLabel"] for level in found[0]["spec"]["levels"]] == [
        "kalloc/site",
        "kalloc/rack",
        "kubernetes.io/hostname",
    ]
    flavors = {item["metadata"]["name"]: item["spec"] for item in found if item["kind"] == "ResourceFlavor"}
    assert flavors["rtx-pro-6000"] == {"nodeLabels": {"kalloc/kind": "RTX-PRO-6000"}, "topologyName": "two-sites"}
    assert flavors["all-kinds"] == {}


def test_rows_become_quotas() -> None:
    """A row is nominal quota with both limits; a pool without one lives on the cohort, which has what is left over."""
    found = made(instance())
    assert quotas(found, "ClusterQueue", "lab") == {
        "h200": (16, 8, 0),
        "rtx-pro-6000": (0, None, None),
        "all-kinds": (0, None, None),
    }
    assert quotas(found, "ClusterQueue", "firm-a")["h200"] == (8, 0, 8)
    assert quotas(found, "Cohort", "nation") == {"rtx-pro-6000": (8, None, None), "all-kinds": (40, None, None)}


def test_quotas_for_all_kinds_need_a_setting() -> None:
    """GPUs of all kinds are counted by a resource of their own, which Kueue's manager must be told to derive."""
    made = made_of("kueue", instance(), None)
    assert any("podset-unconstrained-topology" in note for note in made.notes)
    [settings] = objects(made.files["manager-config.yaml"])
    [transformation] = settings["resources"]["transformations"]
    assert transformation == {"input": "nvidia.com/gpu", "strategy": "Retain", "outputs": {"kalloc/gpus": 1}}
    plain = instance(quotas=(Quota(pool="lab", kind="H200", gpus=16),))
    [settings] = objects(made_of("kueue", plain, None).files["manager-config.yaml"])
    assert "transformations" not in settings["resources"]


def test_a_root_without_pools_below() -> None:
    """A lone pool is a queue in no cohort: it has no limits, which Kueue would refuse, and all that there is."""
    lone = instance(pools=(Pool(pool="nation"),), quotas=(), projects=(), requests=())
    found = made(lone)
    assert [item["kind"] for item in found].count("Cohort") == 0
    assert quotas(found, "ClusterQueue", "nation") == {"h200": (20, None, None), "rtx-pro-6000": (8, None, None)}


def test_local_queues_name_their_pool() -> None:
    """Each project that gets GPUs has a queue in its namespace; the queue of its pool takes that namespace alone."""
    cluster = instance()
    found = made(cluster, plan(cluster))
    local = {
        item["metadata"]["namespace"]: item["spec"]["clusterQueue"] for item in found if item["kind"] == "LocalQueue"
    }
    assert len(local) == 4 and local["team-a"] == "firm-a" and local["1e3"] == "nation"
    [queue] = [item for item in found if item["kind"] == "ClusterQueue" and item["metadata"]["name"] == "firm-a"]
    assert queue["spec"]["namespaceSelector"] == {"matchLabels": {"kalloc/pool": "firm-a"}}


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.name)
def test_kueue_lets_in_the_plan(path: Any) -> None:
    """What Kueue counts, cohort by cohort, is enough for the best plan of every tiny instance."""
    cluster = kalloc.load(path)
    try:
        decided = kalloc.solve(cluster, time_limit=10, threads=1).plan
    except kalloc.InfeasibleError:
        return
    assert not [note for note in made_of("kueue", cluster, decided).notes if "Kueue lets" in note]


AMOUNT = st.integers(0, 6)


@given(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=4))
def test_siblings_borrow_and_lend_as_in_kalloc(pools: list[tuple[int, int, int, int]]) -> None:
    """Among pools of one parent, Kueue lets in exactly what the rules `quota` and `borrowing` allow."""
    asked = [(f"p{number}", *amounts) for number, amounts in enumerate(pools)]
    rows = tuple(Quota(pool=p, kind="H200", gpus=gpus, borrow=borrow, lend=lend) for p, gpus, borrow, lend, _ in asked)
    tree = (Pool(pool="nation"), *(Pool(pool=name, parent="nation") for name, *_ in asked))
    flat = instance(pools=tree, quotas=rows, projects=(), requests=())
    grants = tuple(Grant(name, name, "H200", used, 0, 9, "full") for name, *_, used in asked)
    decided = Plan(flat.name, flat.sha256, flat.hierarchy.levels, grants, ())
    quota = all(used <= gpus + borrow for gpus, borrow, _, used in pools)
    borrowed = sum(max(0, used - gpus) for gpus, _, _, used in pools)
    lent = sum(min(lend, max(0, gpus - used)) for gpus, _, lend, used in pools)
    assert (list(Shares(flat).refused(decided)) == []) == (quota and borrowed <= lent)


def test_a_plan_that_kueue_would_hold_back() -> None:
    """Where a pool uses what its children own and do not lend, kalloc allows it, Kueue does not, and a note says so."""
    cluster = kalloc.load(INSTANCES / "tiny" / "borrowing")
    rows = (Quota(pool="nation", kind="H200", gpus=24), *(row.model_copy(update={"lend": 0}) for row in cluster.quotas))
    project = cluster.projects[0].model_copy(update={"pool": "nation"})
    changed = cluster.replace(quotas=rows, projects=(project, *cluster.projects[1:]))
    decided = kalloc.solve(changed, time_limit=10, threads=1).plan
    assert sum(grant.gpus for grant in decided.grants if grant.pool == "nation") == 24
    [note] = [note for note in made_of("kueue", changed, decided).notes if "more than Kueue" in note]
    assert note == "the plan gives pool 'nation' 24 H200 more than Kueue lets it have"


def test_children_entitled_to_more_than_their_parent() -> None:
    """Kueue guarantees every quota, so a parent's smaller row cannot bind; that is told."""
    rows = (Quota(pool="nation", kind="H200", gpus=20), *instance().quotas[1:])
    notes = made_of("kueue", instance(quotas=rows), None).notes
    assert (
        "pool 'nation' is entitled to 20 H200, and the pools below it to 24 together: Kueue lets them have that much"
        in notes
    )


def test_deep_tree_of_pools() -> None:
    """A chain of more pools than Python nests calls is exported as any other."""
    chain = tuple(Pool(pool=f"p{n}", parent=f"p{n - 1}" if n else "nation") for n in range(1100))
    cluster = instance(pools=(*instance().pools, *chain), quotas=(Quota(pool="p1099", kind="H200", gpus=8),))
    found = made(cluster, plan(cluster))
    assert quotas(found, "ClusterQueue", "p1099")["h200"] == (8, 0, 0)


def test_too_many_kinds() -> None:
    """Kueue takes 64 flavors; more are refused and nothing is made."""
    kinds = (*instance().kinds, *(Kind(kind=f"k{n}") for n in range(64)))
    with pytest.raises(OutputError, match="64 flavors"):
        made_of("kueue", instance(kinds=kinds), None)
