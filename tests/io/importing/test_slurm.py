"""Slurm's files: trees and blocks in any order, GRES, states, reservations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.io.importing.files import GIVEN, imported, places, refused, said


def test_tree_in_any_order(tmp_path: Path) -> None:
    """Lines may come in any order, host lists are padded, keys have any case, comments and broken lines are read."""
    text = """\
# leaves first
switchname=leaf2 nodes=n[09-10] # two
SwitchName=leaf1 \\
    Nodes=n[1-2],x
SwitchName=top Switches=leaf[1-2]
"""
    result = imported("slurm-topology", tmp_path, "topology.conf", text, **GIVEN)
    assert result.instance.hierarchy.levels == ("level1", "level0")
    assert places(result) == {
        "n09": ("top", "leaf2"),
        "n10": ("top", "leaf2"),
        "n1": ("top", "leaf1"),
        "n2": ("top", "leaf1"),
        "x": ("top", "leaf1"),
    }
    assert said(result, tmp_path) == []


def test_roots_of_uneven_depth(tmp_path: Path) -> None:
    """A branch that lacks a level has the name of the domain below there, so that roots are not joined."""
    text = "SwitchName=a Switches=b,c\nSwitchName=b Switches=d\nSwitchName=c Nodes=n1\nSwitchName=d Nodes=n2\n"
    text += "SwitchName=e Nodes=n3\nSwitchName=f Nodes=n4\n"
    result = imported("slurm-topology", tmp_path, "topology.conf", text, **GIVEN)
    assert places(result) == {
        "n1": ("a", "c", "c"),
        "n2": ("a", "b", "d"),
        "n3": ("e", "e", "e"),
        "n4": ("f", "f", "f"),
    }


def test_ambiguous_tree(tmp_path: Path) -> None:
    """A node on two leaves, a switch below two others and one without nodes are told with their lines."""
    text = "SwitchName=a Nodes=n1,n2\nSwitchName=b Nodes=n2,n3\nSwitchName=s Switches=a,b\nSwitchName=t Switches=b\n"
    result = imported("slurm-topology", tmp_path, "topology.conf", text, **GIVEN)
    assert places(result)["n2"] == ("s", "a")
    assert said(result, tmp_path) == [
        "topology.conf, line 4: ambiguous: 'b' hangs below 's' and 't'; the first is taken",
        "topology.conf, line 2: ambiguous: 'b': node 'n2' hangs on another one too, in "
        f"{tmp_path}/topology.conf, line 1; that one is taken".replace(f"{tmp_path}/", ""),
        "topology.conf, line 4: dropped: 't' holds no node",
    ]


@pytest.mark.parametrize(
    ("text", "defects"),
    [
        (
            "SwitchName=a Switches=b\nSwitchName=b Switches=c\nSwitchName=c Switches=a\n",
            ["line 1: 'a' is below itself: a → c → b → a"],
        ),
        ("SwitchName=a Switches=a\n", ["line 1: 'a' is below itself: a → a"]),
        (
            "SwitchName=a Switches=leaf[1-2]\nSwitchName=leaf1 Nodes=n1\n",
            ["line 1: 'a' holds 'leaf2', which nothing describes; did you mean 'leaf1'?"],
        ),
        (
            "SwitchName=a Nodes=n[1-1000000000]\nSwitchName=a Nodes=n[1-\nwhat\n",
            [
                "line 1: the host list 'n[1-1000000000]' makes 1,000,000,000 hosts, more than 1,000,000",
                "line 2: the host list 'n[1-' has a bracket that is not closed",
                "line 2: 'a' is in line 1 already",
                "line 3: begins with neither SwitchName nor BlockName: 'what'",
            ],
        ),
        ("BlockName=a Nodes=n1\nBlockSizes=0,x\n", ["line 2: block sizes must be whole numbers of nodes, not '0,x'"]),
        ("BlockName=a Nodes=n1\nBlockSizes=4,6\n", ["line 1: block size 6 is no multiple of 4"]),
    ],
)
def test_refused_topologies(text: str, defects: list[str], tmp_path: Path) -> None:
    """Cycles, dangling children, doubled names and monstrous ranges are refused, all at once, by line."""
    found = refused("slurm-topology", tmp_path, "topology.conf", text, **GIVEN)
    assert found == [f"topology.conf, {defect}" for defect in defects]


def test_empty_and_mixed_topologies(tmp_path: Path) -> None:
    """A file without switches and blocks, and one with both, is no topology."""
    assert refused("slurm-topology", tmp_path, "t.conf", "# nothing\n", **GIVEN) == [
        "t.conf: has no switch and no block"
    ]
    text = "SwitchName=a Nodes=n1\nBlockName=b Nodes=n1\n"
    assert refused("slurm-topology", tmp_path, "t.conf", text, **GIVEN) == [
        "t.conf: has switches and blocks; one topology has either"
    ]


def test_blocks(tmp_path: Path) -> None:
    """Larger blocks are as many blocks in a row as their size is times the smallest; the last may be short."""
    text = "".join(f"BlockName=b{i} Nodes=n[{3 * i}-{3 * i + 2}]\n" for i in range(3)) + "BlockSizes=2,4\n"
    result = imported("slurm-topology", tmp_path, "topology.conf", text, **GIVEN)
    assert result.instance.hierarchy.levels == ("block4", "block")
    assert places(result)["n0"] == ("b[0-1]", "b0")
    assert places(result)["n5"] == ("b[0-1]", "b1")
    assert places(result)["n8"] == ("b2", "b2")


def test_several_topologies(tmp_path: Path) -> None:
    """A topology.yaml with a tree and blocks gives the levels of both under their names; a flat one says nothing."""
    text = """\
- topology: net
  tree: {switches: [{switch: s1, nodes: "n[1-2]"}, {switch: s2, nodes: n3}]}
- topology: racks
  block:
    block_sizes: [1, 2]
    blocks:
      - {block: r1, nodes: n1}
      - {block: r2, nodes: n2}
      - {block: r3, nodes: n3}
- topology: any
  flat: true
"""
    result = imported("slurm-topology", tmp_path, "topology.yaml", text, **GIVEN)
    assert result.instance.hierarchy.levels == ("net0", "racks")
    assert places(result) == {"n1": ("s1", "r1"), "n2": ("s1", "r2"), "n3": ("s2", "r3")}
    assert said(result, tmp_path) == [
        "topology.yaml, line 10: dropped: topology 'any' is neither a tree nor of blocks, so it says nothing of places",
        "topology.yaml: dropped: level 'racks2' divides the nodes as another level does",
    ]


def node(name: str, gres: str, *states: str, **more: Any) -> dict[str, Any]:
    """Return a node as scontrol shows it."""
    return {"name": name, "gres": gres, "state": list(states) or ["IDLE"], **more}


def test_nodes(tmp_path: Path) -> None:
    """GRES give kinds and counts, states who is down, reservations what is taken; nodes without GPUs are left out."""
    nodes = [
        node("a", "gpu:h200:8(S:0-1),shard:16", "MIXED", reservation="study", gres_used="gpu:h200:3(IDX:0-2)"),
        node("b", "gpu:4", "IDLE", "DRAIN"),
        node("c", "(null)"),
        node("d", "gpu:a100:4,gpu:h100:2", "IDLE", "POWERED_DOWN"),
        node("e", "gpu:h200:8", "DOWN", "NOT_RESPONDING"),
    ]
    text = json.dumps({"meta": {"nodes": 1}, "nodes": nodes}, indent=1)
    result = imported("slurm-nodes", tmp_path, "nodes.json", text, kind="B200")
    assert [(row.node, row.kind, row.gpus, row.state) for row in result.instance.inventory] == [
        ("a", "H200", 8, "up"),
        ("b", "B200", 4, "down"),
        ("d", "A100", 4, "up"),
        ("e", "H200", 8, "down"),
    ]
    assert [(row.project, row.node, row.gpus, row.movable) for row in result.instance.placed] == [
        ("study", "a", 8, False)
    ]
    notes = said(result, tmp_path)
    assert "nodes.json, line 6: dropped: node 'a' has 3 GPUs in use by jobs; jobs are not read" in notes
    assert "nodes.json, line 6: dropped: resource 'shard:16' is not read" in notes
    assert [note for note in notes if "'c'" in note or "'d'" in note] == [
        "nodes.json, line 30: ambiguous: node 'd' has GPUs of several kinds; 4 A100 are taken, 2 H100 are not",
        "nodes.json, line 23: dropped: node 'c' has no GPUs",
    ]


@pytest.mark.parametrize(
    ("text", "up"),
    [
        ("NODELIST NODES PARTITION STATE GRES\na 1 p* idle gpu:h200:8\nb 1 p* down* gpu:h200:8\n", "a"),
        ('# sinfo -N -h -o "%N|%G|%t"\na|gpu:h200:8|mix\nb|gpu:h200:8|drng\n', "a"),
        ("a gpu:h200:8 p idle~\nb gpu:h200:8 p maint$\n", "a"),
        ("a gpu:h200:8 p1 idle\na gpu:h200:8 p2 idle\nb gpu:h200:8 p1 idle*\n", "a"),
    ],
)
def test_sinfo(text: str, up: str, tmp_path: Path) -> None:
    """With a header, with a format or with neither, nodes are listed once, and who does not respond is down."""
    result = imported("sinfo", tmp_path, "sinfo.txt", text)
    assert {row.node: row.state for row in result.instance.inventory} == {"a": "up", "b": "down"}
    assert {row.gpus for row in result.instance.inventory} == {8}


def test_sinfo_short_of_fields(tmp_path: Path) -> None:
    """A line with fewer fields than the header has is refused."""
    text = "NODELIST STATE GRES\na idle gpu:8\nb idle\n"
    assert refused("sinfo", tmp_path, "sinfo.txt", text, kind="H200") == ["sinfo.txt, line 3: has 2 fields, not 3"]
