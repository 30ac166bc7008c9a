"""Volcano and KAI: objects that are valid, trees that are those of the instance."""

from __future__ import annotations

from typing import Any

import pytest

import kalloc
from kalloc.instance import Hierarchy, Instance, NodeGroup, Quota
from kalloc.io.exporting import made_of
from kalloc.plan import Plan
from tests.instances.places import TINY
from tests.io.exporting.cases import instance, plan
from tests.io.exporting.schemas import Object, complaints, needed, objects

FILES = {"volcano": ["hypernodes.yaml"], "kai": ["queues.yaml", "topology.yaml"]}


@needed
@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("path", [*TINY, None], ids=lambda path: "hostile" if path is None else path.name)
def test_valid(format: str, path: Any) -> None:
    """Every object of every tiny instance, and of hostile names with a plan, is valid under the published schemas."""
    given = instance() if path is None else kalloc.load(path)
    files = made_of(format, given, plan(given) if path is None else None).files
    found = [item for name in FILES[format] for item in objects(files[name])]
    assert [complaint for item in found for complaint in complaints(item)] == []


def members(found: list[Object]) -> dict[str, tuple[int, list[str]]]:
    """Return the tier and the members of each HyperNode."""
    return {
        item["metadata"]["name"]: (
            item["spec"]["tier"],
            [f"{member['type']} {member['selector']['exactMatch']['name']}" for member in item["spec"]["members"]],
        )
        for item in found
    }


def test_hypernodes() -> None:
    """Tiers count from the finest level; a name that two domains have is the path; what has no rack is on its site."""
    assert members(objects(made_of("volcano", instance(), None).files["hypernodes.yaml"])) == {
        "s1.r1": (1, ["Node a01", "Node a02", "Node a03"]),
        "r2": (1, ["Node a04"]),
        "s1": (2, ["HyperNode s1.r1", "HyperNode r2"]),
        "s2.r1": (1, ["Node b-1"]),
        "s2": (2, ["HyperNode s2.r1", "Node b-2"]),
    }


def test_branch_with_fewer_levels() -> None:
    """A domain that holds nothing but one of its own name is one HyperNode."""
    rows = (
        NodeGroup(path=("a", "r1"), node="n1", kind="H200", gpus=8, owner="nation"),
        NodeGroup(path=("b", "b"), node="n2", kind="H200", gpus=8, owner="nation"),
    )
    given = instance(inventory=rows, placed=(), projects=(), requests=())
    found = members(objects(made_of("volcano", given, None).files["hypernodes.yaml"]))
    assert found == {"r1": (1, ["Node n1"]), "a": (2, ["HyperNode r1"]), "b": (1, ["Node n2"])}


def test_nodes_in_no_domain_are_told() -> None:
    """Nodes without a place are in no HyperNode, and a note says how many."""
    rows = (NodeGroup(path=(), node="n1", kind="H200", gpus=8, owner="nation"),)
    given = instance(hierarchy=Hierarchy(), inventory=rows, placed=(), projects=(), requests=())
    made = made_of("volcano", given, None)
    assert made.files["hypernodes.yaml"] == b"" and "nodes in no domain: 1; no HyperNode holds them" in made.notes


def queues(given: Instance, decided: Plan | None) -> dict[str, Object]:
    """Return the queues of KAI by name."""
    found = objects(made_of("kai", given, decided).files["queues.yaml"])
    return {item["metadata"]["name"]: item["spec"] for item in found}


def test_queues() -> None:
    """A pool is a queue below its parent's; its row for all kinds counts, or else those of all kinds together."""
    rows = (Quota(pool="lab", kind="H200", gpus=16, borrow=8), Quota(pool="lab", kind="RTX PRO 6000", gpus=4))
    given = instance(quotas=(*rows, Quota(pool="firm-a", kind="*", gpus=24), Quota(pool="firm-a", kind="H200", gpus=8)))
    found = queues(given, None)
    share = {
        name: (spec["resources"]["gpu"]["quota"], spec["resources"]["gpu"]["limit"]) for name, spec in found.items()
    }
    assert share == {"nation": (0, -1), "lab": (20, 28), "firm-a": (24, 24), "firm-a-44557e": (0, -1)}
    assert found["lab"]["parentQueue"] == "nation" and "parentQueue" not in found["nation"]


def test_projects_are_queues() -> None:
    """A project that gets GPUs is a queue below its pool's that may have just these."""
    given = instance()
    found = queues(given, plan(given))
    assert found["team-a"]["parentQueue"] == "firm-a"
    assert found["team-a"]["resources"]["gpu"] == {"quota": 10, "limit": 10, "overQuotaWeight": 1}
    assert "no" not in found
