"""Several sources as one inventory: what each adds, and a reconciliation of where they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kalloc.io import import_files, load, write_instance, write_notes
from kalloc.io.importing import Imported, ImportOptions
from tests.io.importing.files import said, write

TREE = "SwitchName=su1 Nodes=g[1-3]\nSwitchName=su2 Nodes=g[4-5]\nSwitchName=p Switches=su[1-2]\n"
DEVICES = """\
name,role,tenant,device_type,status,site,location,rack
g1,gpu-node,gov,DGX H200,active,a,su1,r1
g2,gpu-node,gov,DGX H200,active,a,su2,r1
g3,gpu-node,sme,DGX B200,offline,a,su1,r2
g4,gpu-node,sme,DGX H200,active,a,su2,r3
g9,gpu-node,sme,DGX H200,active,a,su2,r3
rtr,router,gov,ASR 9000,active,a,su1,r9
"""
NODES = {
    "nodes": [{"name": f"g{i}", "gres": f"gpu:h200:{4 if i == 2 else 8}", "state": ["IDLE"]} for i in (1, 2, 3, 4, 6)]
}


def joined(folder: Path, **options: Any) -> Imported:
    """Import a tree of switches, the nodes of Slurm and the devices of NetBox."""
    tree = write(folder, "topology.conf", TREE)
    others = {
        "slurm-nodes": [write(folder, "nodes.json", json.dumps(NODES))],
        "netbox": [write(folder, "devices.csv", DEVICES)],
    }
    options = {"levels": ("site", "pod=level1", "su=level0|location", "rack"), **options}
    return import_files("slurm-topology", [tree], ImportOptions(**options), joined=others)


def test_first_source_counts(tmp_path: Path) -> None:
    """Of each thing the first source that says it counts; nodes that nobody counts are left out."""
    result = joined(tmp_path)
    assert [(row.node, row.path, row.kind, row.gpus, row.owner, row.state) for row in result.instance.inventory] == [
        ("g1", ("a", "p", "su1", "r1"), "H200", 8, "gov", "up"),
        ("g2", ("a", "p", "su1", "r1"), "H200", 4, "gov", "up"),
        ("g3", ("a", "p", "su1", "r2"), "H200", 8, "sme", "up"),
        ("g4", ("a", "p", "su2", "r3"), "H200", 8, "sme", "up"),
        ("g6", ("", "", "", ""), "H200", 8, "all", "up"),
    ]
    left_out = [note for note in said(result, tmp_path) if "no source that says how many" in note]
    assert [note.partition("node ")[2][:4] for note in left_out] == ["'g5'", "'g9'"]
    assert any("device 'rtr' is a GPU node by nothing that is said of it" in note for note in said(result, tmp_path))


def test_reconciliation(tmp_path: Path) -> None:
    """Places, kinds and states that differ, and nodes of one source only, are rows of a table."""
    result = joined(tmp_path)
    assert [str(row) for row in result.differences] == [
        "node 'g2', su: slurm-topology says 'su1', netbox says 'su2'",
        "node 'g3', kind: slurm-nodes says 'H200', netbox says 'B200'",
        "node 'g3', state: slurm-nodes says 'up', netbox says 'down'",
        "node 'g5' is in slurm-topology, but not in slurm-nodes",
        "node 'g5' is in slurm-topology, but not in netbox",
        "node 'g6' is in slurm-nodes, but not in slurm-topology",
        "node 'g6' is in slurm-nodes, but not in netbox",
        "node 'g9' is in netbox, but not in slurm-topology",
        "node 'g9' is in netbox, but not in slurm-nodes",
    ]
    assert list(result.reconciliation.columns) == ["node", "what", "source", "value", "other", "other_value"]
    assert len(result.reconciliation) == 9


def test_counts_differ(tmp_path: Path) -> None:
    """Two sources that count the GPUs of a node differently are told."""
    one = write(tmp_path, "sinfo.txt", "NODELIST GRES STATE\ng1 gpu:h200:8 idle\n")
    other = write(tmp_path, "nodes.json", json.dumps({"nodes": [{"name": "g1", "gres": "gpu:h200:4"}]}))
    result = import_files("sinfo", [one], joined={"slurm-nodes": [other]})
    assert [str(row) for row in result.differences] == ["node 'g1', gpus: sinfo says '8', slurm-nodes says '4'"]


def test_levels_of_several_sources(tmp_path: Path) -> None:
    """Levels that say the same of every node are one; the others stand by how many domains they have."""
    devices = DEVICES.replace("g2,gpu-node,gov,DGX H200,active,a,su2", "g2,gpu-node,gov,DGX H200,active,a,su1")
    tree = write(tmp_path, "topology.conf", TREE)
    others = {"netbox": [write(tmp_path, "devices.csv", devices)]}
    result = import_files("slurm-topology", [tree], ImportOptions(kind="H200", gpus_per_node=8), joined=others)
    assert result.instance.hierarchy.levels == ("site", "level1", "level0", "rack")
    notes = said(result, tmp_path)
    assert (
        "devices.csv, row 2: guessed: level 'location' of netbox is taken for 'level0': every node has the same there"
        in notes
    )
    assert "--levels: guessed: the order of the levels of all sources: site, level1, level0, rack" in notes


def test_written_and_read(tmp_path: Path) -> None:
    """What is imported is an instance in files, and its notes and reconciliation are files beside it."""
    result = joined(tmp_path, name="cluster")
    write_instance(result.instance, tmp_path / "out")
    write_notes(result, tmp_path / "notes")
    assert load(tmp_path / "out") == result.instance
    lines = (tmp_path / "notes" / "reconciliation.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "g2,su,slurm-topology,su1,netbox,su2"
    assert len((tmp_path / "notes" / "notes.csv").read_text(encoding="utf-8").splitlines()) == len(result.notes) + 1
