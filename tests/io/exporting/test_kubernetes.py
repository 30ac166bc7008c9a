"""Kubernetes and KWOK: labels that say where a node is and whose it is, and quotas of projects."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

from kalloc.io.exporting import made_of
from tests.io.exporting.cases import HOSTILE, instance, plan
from tests.io.exporting.schemas import Object, objects

KUBECTL = """\
#!/bin/sh
echo "$@" >> "$LOG"
case "$1 $2" in
"get -f") exit "${MISSING:-0}" ;;
"get namespaces")
    case "$*" in
    *notin*) echo namespace/gone ;;
    *) echo namespace/default; echo "namespace/${THEIRS:-team}" ;;
    esac ;;
esac
"""


def test_labels_of_nodes() -> None:
    """A node says its place, kind, owner and the GPUs of every project on it; names that no label takes are kept."""
    given = instance()
    found = {item["metadata"]["name"]: item["metadata"] for item in _nodes("kubernetes", "node-labels.yaml")}
    assert list(found) == list(given.topology.names)
    assert found["a03"] == {
        "name": "a03",
        "labels": {
            "kalloc/site": "s1",
            "kalloc/rack": "r1",
            "kalloc/kind": "H200",
            "kalloc/owner": "nation",
            "project.kalloc/1e3": "4",
            "project.kalloc/team-a": "4",
        },
    }
    assert found["b-2"]["labels"]["kalloc/rack"] == ""
    assert found["b-2"]["annotations"] == {"kalloc/kind": "RTX PRO 6000"}


def _nodes(format: str, file: str) -> list[Object]:
    given = instance()
    return objects(made_of(format, given, plan(given)).files[file])


def test_namespaces_and_quotas() -> None:
    """Each project that gets GPUs has a namespace with its pool, and a quota of all its GPUs; the others have none."""
    given = instance()
    found = objects(made_of("kubernetes", given, plan(given)).files["namespaces.yaml"])
    spaces = {item["metadata"]["name"]: item["metadata"] for item in found if item["kind"] == "Namespace"}
    hard = {item["metadata"]["namespace"]: item["spec"]["hard"] for item in found if item["kind"] == "ResourceQuota"}
    assert spaces.keys() == hard.keys() and len(spaces) == 4
    assert hard["team-a"] == {"requests.nvidia.com/gpu": "10"}
    assert spaces["team-a"]["labels"]["kalloc/pool"] == "firm-a"
    assert HOSTILE in [space.get("annotations", {}).get("kalloc/name") for space in spaces.values()]


def apply(directory: Path, **settings: str) -> tuple[int, list[str]]:
    """Run apply.sh with a kubectl that only notes what it is asked; return the exit status and the notes."""
    given = instance()
    for name, data in made_of("kubernetes", given, plan(given)).files.items():
        (directory / name).write_bytes(data)
    fake = directory / "bin" / "kubectl"
    fake.parent.mkdir()
    fake.write_text(KUBECTL, encoding="utf-8")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    log = directory / "log"
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "LOG": str(log), **settings}
    done = subprocess.run(["sh", str(directory / "apply.sh")], env=environment, capture_output=True, check=False)
    return done.returncode, log.read_text(encoding="utf-8").splitlines()


def test_script_applies_all(tmp_path: Path) -> None:
    """The script looks for the nodes first, applies labels and namespaces, and stops what earlier plans gave."""
    status, asked = apply(tmp_path)
    assert status == 0
    assert asked[0] == "get -f node-labels.yaml -o name"
    assert [line.rpartition(" ")[2] for line in asked if "apply" in line] == ["node-labels.yaml", "namespaces.yaml"]
    assert "--namespace gone patch resourcequota kalloc" in asked[-1]


def test_script_stops_where_a_node_is_missing(tmp_path: Path) -> None:
    """With a node that the cluster does not have, nothing is applied: that would make it."""
    status, asked = apply(tmp_path, MISSING="1")
    assert status == 1
    assert len(asked) == 1


def test_script_stops_where_a_namespace_is_of_others(tmp_path: Path) -> None:
    """A project does not take over a namespace of its name, unless that is labelled as handed over."""
    status, asked = apply(tmp_path, THEIRS="team-a")
    assert status == 1
    assert not any("apply" in line for line in asked)


def test_no_project_is_a_namespace_of_the_system() -> None:
    """A project that is called like a namespace of the system gets another name."""
    given = instance()
    rows = tuple(
        row.model_copy(update={"project": row.project.replace("1e3", "kube-system")}) for row in given.projects
    )
    requests = tuple(
        row.model_copy(update={"project": row.project.replace("1e3", "kube-system")}) for row in given.requests
    )
    changed = instance(projects=rows, requests=requests)
    decided = plan(changed)
    grants = tuple(replace(row, gpus=4) if row.project == "kube-system" else row for row in decided.grants)
    decided = replace(decided, grants=grants, seats=())
    found = objects(made_of("kubernetes", changed, decided).files["namespaces.yaml"])
    names = [item["metadata"]["name"] for item in found if item["kind"] == "Namespace"]
    assert "kube-system" not in names and any(name.startswith("kube-system-") for name in names)


def test_no_plan() -> None:
    """Without a plan there are labels of places alone, and the script applies nothing else."""
    files = made_of("kubernetes", instance(), None).files
    assert "namespaces.yaml" not in files and b"namespaces" not in files["apply.sh"]
    assert b"project.kalloc" not in files["node-labels.yaml"]


def test_kwok_nodes() -> None:
    """A KWOK node has the labels of the plan, its GPUs, a taint against real pods; one that is down is cordoned."""
    found = {item["metadata"]["name"]: item for item in _nodes("kwok", "nodes.yaml")}
    assert found["b-1"]["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert found["b-1"]["metadata"]["labels"]["nvidia.com/gpu.product"] == "RTX-PRO-6000"
    assert found["b-1"]["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
    assert [name for name, item in found.items() if item["spec"].get("unschedulable")] == ["a04"]


def test_level_that_is_a_label() -> None:
    """A level named like a label key is that label; a level cannot take the keys that kalloc uses itself."""
    levels = instance().hierarchy.model_copy(update={"levels": ("topology.kubernetes.io/zone", "pool"), "weights": {}})
    [node, *_] = objects(made_of("kubernetes", instance(hierarchy=levels), None).files["node-labels.yaml"])
    first, second, *_ = node["metadata"]["labels"]
    assert first == "topology.kubernetes.io/zone"
    assert second.startswith("kalloc/pool-")
