"""Objects of Kubernetes: nodes with labels, Kueue's and KAI's queues, Volcano's HyperNodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kalloc.io import import_files
from kalloc.io.importing.labels import PRESETS
from kalloc.io.importing.patterns import simple
from tests.io.importing.files import GIVEN, imported, places, refused, said, write


def node(name: str, labels: dict[str, str], gpus: str | None = "8", **spec: Any) -> dict[str, Any]:
    """Return a node as kubectl prints it."""
    allocatable = {"cpu": "64"} if gpus is None else {"cpu": "64", "nvidia.com/gpu": gpus}
    labels = {"nvidia.com/gpu.product": "NVIDIA-H200", **labels}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def listed(*nodes: dict[str, Any]) -> str:
    """Return a List of objects."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}, indent=1)


@pytest.mark.parametrize("label", PRESETS)
def test_every_preset(label: str, tmp_path: Path) -> None:
    """Each label that is known gives a level of its own."""
    text = listed(node("a", {label: "x"}), node("b", {label: "y"}))
    result = imported("kubernetes", tmp_path, "nodes.json", text)
    assert result.instance.hierarchy.levels == (PRESETS[label],)
    assert places(result) == {"a": ("x",), "b": ("y",)}


def test_own_labels(tmp_path: Path) -> None:
    """The user's own labels are levels under names that the options give, in their order."""
    text = listed(node("a", {"lab/row": "1", "lab/rack": "r"}), node("b", {"lab/row": "2", "lab/rack": "r"}))
    result = imported("kubernetes", tmp_path, "nodes.json", text, levels=("row=lab/row", "rack=lab/rack"))
    assert result.instance.hierarchy.levels == ("row", "rack")
    assert places(result) == {"a": ("1", "r"), "b": ("2", "r")}
    assert (
        "names of 'rack' are in several domains above, 'r' in '1' and '2' first (nodes: 1)"
        in said(result, tmp_path)[-1]
    )


def test_state_and_count(tmp_path: Path) -> None:
    """What is allocatable counts, not labels; cordoned nodes and those not ready are down; no GPUs, no node."""
    late = node("c", {})
    late["status"]["conditions"][0]["status"] = "Unknown"
    nodes = [
        node("a", {"nvidia.com/gpu.count": "8"}, "7"),
        node("b", {}, unschedulable=True),
        late,
        node("d", {}, None),
    ]
    result = imported("kubernetes", tmp_path, "nodes.json", listed(*nodes))
    assert [(row.node, row.gpus, row.state) for row in result.instance.inventory] == [
        ("a", 7, "up"),
        ("b", 8, "down"),
        ("c", 8, "down"),
    ]
    notes = said(result, tmp_path)
    assert "nodes.json, line 5: ambiguous: node 'a': 7 GPUs are allocatable, its label says 8" in notes
    assert any(note.endswith("dropped: node 'd' has no GPUs") for note in notes)


def test_yaml_documents(tmp_path: Path) -> None:
    """Several documents, other objects among them, give the nodes; a resource of the user's own counts."""
    text = """\
apiVersion: v1
kind: Node
metadata: {name: a, labels: {gpu.nvidia.com/model: H200}}
status: {allocatable: {lab/gpu: 4}}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
"""
    result = imported("kubernetes", tmp_path, "nodes.yaml", text, resources=("lab/gpu",))
    assert [(row.node, row.kind, row.gpus) for row in result.instance.inventory] == [("a", "H200", 4)]
    assert said(result, tmp_path) == ["nodes.yaml, line 6: dropped: objects of kind 'Pod' are not read"]


def test_nodes_refused(tmp_path: Path) -> None:
    """A count that is no number, objects of another kind alone and nodes without GPUs are refused."""
    assert refused("kubernetes", tmp_path, "n.json", listed(node("a", {}, "8Gi"))) == [
        "n.json, line 5: node 'a': nvidia.com/gpu is no number of GPUs: '8Gi'"
    ]
    assert refused("kubernetes", tmp_path, "n.yaml", "kind: Pod\nmetadata: {name: p}\n") == [
        "n.yaml: has no Node of the core API"
    ]
    assert refused("kubernetes", tmp_path, "n.json", listed(node("a", {}, None))) == [
        "n.json, line 5: none of what is listed (1) is a node with GPUs: node 'a' has no GPUs"
    ]


KUEUE = """\
apiVersion: kueue.x-k8s.io/{version}
kind: ClusterQueue
metadata: {{name: team}}
spec:
  {cohort}: lab
  resourceGroups:
  - coveredResources: [cpu, nvidia.com/gpu]
    flavors:
    - name: h200-a
      resources:
      - {{name: cpu, nominalQuota: 9}}
      - {{name: nvidia.com/gpu, nominalQuota: 8, borrowingLimit: 4, lendingLimit: 2}}
    - name: h200-b
      resources:
      - {{name: nvidia.com/gpu, nominalQuota: "16", borrowingLimit: 0, lendingLimit: 1}}
---
apiVersion: kueue.x-k8s.io/{version}
kind: ClusterQueue
metadata: {{name: other}}
spec:
  {cohort}: lab
  resourceGroups:
  - coveredResources: [nvidia.com/gpu]
    flavors:
    - name: h200-a
      resources:
      - {{name: nvidia.com/gpu, nominalQuota: 32}}
---
apiVersion: kueue.x-k8s.io/{version}
kind: ClusterQueue
metadata: {{name: alone}}
spec:
  resourceGroups:
  - coveredResources: [nvidia.com/gpu]
    flavors:
    - name: h200-a
      resources:
      - {{name: nvidia.com/gpu, nominalQuota: 8}}
---
apiVersion: kueue.x-k8s.io/{version}
kind: Cohort
metadata: {{name: lab}}
spec:
  resourceGroups:
  - coveredResources: [nvidia.com/gpu]
    flavors:
    - name: h200-a
      resources:
      - {{name: nvidia.com/gpu, nominalQuota: 64}}
"""


@pytest.mark.parametrize(("version", "cohort"), [("v1beta1", "cohort"), ("v1beta2", "cohortName")])
def test_kueue_quotas(version: str, cohort: str, tmp_path: Path) -> None:
    """Flavors of a kind are added, no limit is all that the cohort has else, what the cohort has itself is lent."""
    result = imported("kueue", tmp_path, "kueue.yaml", KUEUE.format(version=version, cohort=cohort))
    assert {row.pool: row.parent for row in result.instance.pools} == {
        "lab": None,
        "team": "lab",
        "other": "lab",
        "alone": None,
        "lab (own)": "lab",
    }
    assert {row.pool: (row.kind, row.gpus, row.borrow, row.lend) for row in result.instance.quotas} == {
        "lab": ("H200", 120, 0, 0),
        "team": ("H200", 24, 4, 3),
        "other": ("H200", 32, 88, 32),
        "alone": ("H200", 8, 0, 0),
        "lab (own)": ("H200", 64, 0, 64),
    }
    assert any("quotas of 'cpu' are not read" in note for note in said(result, tmp_path))


def test_kueue_refused(tmp_path: Path) -> None:
    """Cohorts above themselves, objects given twice and quotas of half a GPU are refused."""
    text = "".join(
        f"apiVersion: kueue.x-k8s.io/v1beta2\nkind: Cohort\nmetadata: {{name: {one}}}\n"
        f"spec: {{parentName: {other}}}\n---\n"
        for one, other in (("a", "b"), ("b", "a"))
    )
    assert refused("kueue", tmp_path, "k.yaml", text) == ["k.yaml, line 1: 'a' is below itself: a → b → a"]
    text = KUEUE.format(version="v1beta2", cohort="cohortName").replace("nominalQuota: 64", "nominalQuota: 500m")
    assert refused("kueue", tmp_path, "k.yaml", text) == [
        "k.yaml, line 49: Cohort 'lab': nominalQuota is no whole number of GPUs: '500m'"
    ]
    path = write(tmp_path, "twice.yaml", KUEUE.format(version="v1beta2", cohort="cohortName"))
    with pytest.raises(Exception, match=r"Cohort 'lab' is in .*twice.yaml, line 40 already"):
        import_files("kueue", [path, path])


def queue(name: str, quota: Any, limit: Any, parent: str | None = None) -> str:
    """Return a Queue of KAI."""
    spec: dict[str, Any] = {"resources": {"gpu": {"quota": quota, "limit": limit}}}
    spec |= {} if parent is None else {"parentQueue": parent}
    return json.dumps({"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": {"name": name}, "spec": spec})


def test_kai_roots(tmp_path: Path) -> None:
    """Root queues become siblings that lend; a queue without quota and limit has no row; half a GPU is left out."""
    text = "\n---\n".join(
        [queue("a", 8, -1), queue("b", 16, 20), queue("c", 0, -1), queue("d", 0.5, 4, "a"), queue("e", -1, 6, "b")]
    )
    result = imported("kai", tmp_path, "queues.yaml", text)
    assert {row.pool: row.parent for row in result.instance.pools} == {
        "all": None,
        "a": "all",
        "b": "all",
        "c": "all",
        "d": "a",
        "e": "b",
    }
    assert {row.pool: (row.gpus, row.borrow, row.lend) for row in result.instance.quotas} == {
        "a": (8, 16, 8),
        "b": (16, 4, 16),
        "d": (4, 0, 4),
        "e": (6, 0, 6),
    }
    assert any("quota is no whole number of GPUs: '0.5'" in note for note in said(result, tmp_path))


def hypernode(name: str, tier: int, member: str, *names: str) -> str:
    """Return a HyperNode of Volcano."""
    members = [{"type": member, "selector": {"exactMatch": {"name": one}}} for one in names]
    item = {"apiVersion": "topology.volcano.sh/v1alpha1", "kind": "HyperNode", "metadata": {"name": name}}
    return json.dumps({**item, "spec": {"tier": tier, "members": members}})


def test_hypernodes(tmp_path: Path) -> None:
    """Tiers are levels; a branch that lacks one has the name below there; members by pattern are listed."""
    pattern = hypernode("z", 1, "Node", "n9").replace("exactMatch", "regexMatch")
    text = "\n---\n".join(
        [
            hypernode("top", 3, "HyperNode", "s", "r"),
            hypernode("s", 2, "HyperNode", "q"),
            hypernode("q", 1, "Node", "n1"),
            hypernode("r", 1, "Node", "n2"),
            pattern,
        ]
    )
    result = imported("volcano", tmp_path, "h.yaml", text, **GIVEN)
    assert result.instance.hierarchy.levels == ("tier-3", "tier-2", "tier-1")
    assert places(result) == {"n1": ("top", "s", "q"), "n2": ("top", "r", "r")}
    notes = said(result, tmp_path)
    assert "h.yaml, line 9: dropped: HyperNode 'z': a member by regexMatch is not looked for; name it exactly" in notes


def test_hypernodes_refused(tmp_path: Path) -> None:
    """A HyperNode below one of no higher tier, or one that holds what nobody describes, is refused."""
    text = "\n---\n".join([hypernode("a", 1, "HyperNode", "b"), hypernode("b", 1, "Node", "n")])
    assert refused("volcano", tmp_path, "h.yaml", text) == [
        "h.yaml, line 1: HyperNode 'a' of tier 1 holds 'b' of tier 1"
    ]
    assert refused("volcano", tmp_path, "h.yaml", hypernode("a", 2, "HyperNode", "b")) == [
        "h.yaml, line 1: 'a' holds 'b', which nothing describes; known: a"
    ]


def test_members_by_pattern_and_labels(tmp_path: Path) -> None:
    """Members by pattern or labels are the nodes of a joined source; HyperNodes by pattern are those of the file."""
    by_name = hypernode("r1", 1, "Node", "x").replace(
        '"exactMatch": {"name": "x"}', '"regexMatch": {"pattern": "^a-[0-9]+$"}'
    )
    labels = '"labelMatch": {"matchLabels": {"row": "b"}}'
    by_label = hypernode("r2", 1, "Node", "x").replace('"exactMatch": {"name": "x"}', labels)
    top = hypernode("top", 2, "HyperNode", "x").replace(
        '"exactMatch": {"name": "x"}', '"regexMatch": {"pattern": "^r"}'
    )
    greedy = hypernode("r3", 1, "Node", "x").replace(
        '"exactMatch": {"name": "x"}', '"regexMatch": {"pattern": "(a+)+$"}'
    )
    nobody = hypernode("r4", 1, "Node", "x").replace('"exactMatch": {"name": "x"}', '"regexMatch": {"pattern": "zz"}')
    hypernodes = write(tmp_path, "h.yaml", "\n---\n".join([by_name, by_label, top, greedy, nobody]))
    nodes = write(tmp_path, "n.json", listed(node("a-1", {}), node("a-22", {"row": "b"}), node("c", {"row": "b"})))
    result = import_files("volcano", [hypernodes], joined={"kubernetes": [nodes]})
    assert places(result) == {"a-1": ("top", "r1"), "a-22": ("top", "r1"), "c": ("top", "r2")}
    notes = [note for note in said(result, tmp_path) if "dropped" in note]
    assert (
        "h.yaml, line 7: dropped: HyperNode 'r3': a member by the pattern '(a+)+$' is not looked for; name it exactly"
        in notes
    )
    assert any("the pattern 'zz' is no node that a source names" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("^node-[0-9]+$", True),
        ("gpu-(a|b)-\\d{1,3}", True),
        ("^rack1-.*", True),
        ("(a+)+$", False),
        ("(a|b)*", False),
        (".*.*.*x", False),
        ("a{1,999999999}", False),
        ("(?=a)b", False),
        ("(a)\\1", False),
        ("[a", False),
        ("a" * 201, False),
    ],
)
def test_patterns_in_bounded_time(text: str, accepted: bool) -> None:
    """A pattern that could take very long, or is none, is not looked for."""
    assert (simple(text) is not None) == accepted
