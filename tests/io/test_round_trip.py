"""Import, export, import: what a format can say is the same again, for every file that can be imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kalloc.instance import Instance
from kalloc.io import export, import_files
from kalloc.io.importing import ImportOptions
from tests.io.importing.files import GIVEN
from tests.io.importing.test_real_files import IMPORTED
from tests.io.importing.topologies import FOLDER, needed

pytestmark = needed

B200: dict[str, Any] = {"kind": "B200", "gpus_per_node": 8}
FILES: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{name: (format, options) for name, (format, options, *_) in IMPORTED.items()},
    **{
        f"synthetic_rosetta/{name}": (format, options)
        for name, format, options in (
            ("canonical.csv", "table", {}),
            ("ibnetdiscover.out", "ibnetdiscover", B200),
            ("k8s_nodes.json", "kubernetes", {}),
            ("kai_queues.yaml", "kai", {}),
            ("kueue.yaml", "kueue", {}),
            ("netbox_devices.csv", "netbox", {"gpus_per_node": 8}),
            ("requests.csv", "table", {"kind": "B200"}),
            ("scontrol_show_nodes.json", "slurm-nodes", {}),
            ("scontrol_show_topology_block.txt", "slurm-topology", B200),
            ("scontrol_show_topology_tree.txt", "slurm-topology", B200),
            ("sinfo_N.txt", "sinfo", {}),
            ("slurm_block_topology.conf", "slurm-topology", B200),
            ("slurm_topology.yaml", "slurm-topology", B200),
            ("slurm_tree_topology.conf", "slurm-topology", B200),
            ("topograph_graph.json", "topograph", B200),
            ("topograph_model.yaml", "topograph", B200),
            ("volcano_hypernodes.yaml", "volcano", B200),
        )
    },
}


@cache
def first(name: str) -> Instance:
    """Return the instance of a file."""
    format, options = FILES[name]
    return import_files(format, [FOLDER / name], ImportOptions(**options)).instance


def again(instance: Instance, folder: Path, to: str, format: str, *files: str, **options: Any) -> Instance:
    """Export an instance and import some of the files that are written."""
    out = folder / ("out.xlsx" if to == "excel" else "out")
    export(to, instance, None, out)
    paths = [out / file for file in files] if files else sorted(out.glob("*.*")) if out.is_dir() else [out]
    return import_files(format, paths, ImportOptions(name=instance.name, **options)).instance


def blocks(instance: Instance, depths: range) -> list[set[frozenset[str]]]:
    """Return which nodes are together, level by level, whatever the names; Kubernetes has no capital letters."""
    found = []
    for depth in depths:
        together: dict[tuple[str, ...], set[str]] = {}
        for row in instance.inventory:
            together.setdefault(row.path[: depth + 1], set()).add(str(row.node).lower())
        found.append(set(map(frozenset, together.values())))
    return found


def nodes(instance: Instance) -> list[Any]:
    """Return all that an inventory says, but for where it says it."""
    return [(row.node, row.path, row.kind, row.gpus, row.owner, row.state, row.count) for row in instance.inventory]


@pytest.mark.parametrize("to", ["csv", "excel", "parquet"])
@pytest.mark.parametrize("name", FILES)
def test_tables(name: str, to: str, tmp_path: Path) -> None:
    """Tables say everything: every row of every table is there again as it was."""
    one = first(name)
    other = again(one, tmp_path, to, "table")
    for table in ("kinds", "pools", "quotas", "inventory", "projects", "requests", "placed"):
        assert getattr(other, table) == getattr(one, table), table
    assert other.hierarchy.levels == (one.hierarchy.levels if one.inventory else ())


WITH_NODES = [name for name in FILES if "kueue" not in name and "kai" not in name and "requests" not in name]


@pytest.mark.parametrize("name", WITH_NODES)
def test_nodes_of_kubernetes(name: str, tmp_path: Path) -> None:
    """Nodes of Kubernetes say place, kind, count, owner and state, under the names of the levels."""
    one = first(name)
    other = again(one, tmp_path, "kwok", "kubernetes", "nodes.yaml")
    assert nodes(other) == nodes(one)
    assert other.hierarchy.levels == one.hierarchy.levels


@pytest.mark.parametrize("name", WITH_NODES)
def test_topology_of_slurm(name: str, tmp_path: Path) -> None:
    """topology.conf and topology.yaml put the same nodes together, where there is anything to put together."""
    one = first(name)
    if not one.hierarchy.levels:
        pytest.skip("the file has no levels")
    for file in ("topology.conf", "topology.yaml"):
        other = again(one, tmp_path, "slurm", "slurm-topology", file, **GIVEN)
        wanted = {part for level in blocks(one, range(len(one.hierarchy.levels))) for part in level}
        found = {part for level in blocks(other, range(len(other.hierarchy.levels))) for part in level}
        assert found == wanted


@pytest.mark.parametrize("name", WITH_NODES)
def test_hypernodes(name: str, tmp_path: Path) -> None:
    """HyperNodes put the same nodes together under the names of the levels."""
    one = first(name)
    if not one.hierarchy.levels:
        pytest.skip("the file has no levels")
    other = again(one, tmp_path, "volcano", "volcano", "hypernodes.yaml", **GIVEN)
    assert other.hierarchy.levels == one.hierarchy.levels
    depths = range(len(one.hierarchy.levels))
    assert blocks(other, depths) == blocks(one, depths)


@pytest.mark.parametrize(("to", "file"), [("kueue", "kueue.yaml"), ("kai", "topology.yaml")])
def test_topology_with_nodes(to: str, file: str, tmp_path: Path) -> None:
    """A Topology of Kueue or KAI says which labels of the nodes are levels, even where kubectl has sorted them."""
    one = first("synthetic_rosetta/k8s_nodes.json")
    export(to, one, None, tmp_path / to)
    export("kwok", one, None, tmp_path / "kwok")
    items = list(yaml.safe_load_all((tmp_path / "kwok" / "nodes.yaml").read_text(encoding="utf-8")))
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps({"kind": "List", "items": items}, sort_keys=True), encoding="utf-8")
    other = import_files("kubernetes", [nodes], joined={to: [tmp_path / to / file]}).instance
    assert other.hierarchy.levels == one.hierarchy.levels
    assert [row.path for row in other.inventory] == [row.path for row in one.inventory]


WITH_POOLS = [name for name in FILES if "kueue" in name or "kai" in name]


def pools(instance: Instance) -> Mapping[str, Any]:
    """Return the parent of every pool."""
    return {row.pool: row.parent for row in instance.pools}


def quotas(instance: Instance) -> Mapping[tuple[str, str], tuple[int, int, int]]:
    """Return the quota of every pool and kind."""
    return {(row.pool, row.kind): (row.gpus, row.borrow, row.lend) for row in instance.quotas}


@pytest.mark.parametrize(("to", "file"), [("kueue", "kueue.yaml"), ("kai", "queues.yaml")])
@pytest.mark.parametrize("name", WITH_POOLS)
def test_queues(name: str, to: str, file: str, tmp_path: Path) -> None:
    """Queues say pools and quotas; KAI says neither kinds nor what a pool lends."""
    one = first(name)
    other = again(one, tmp_path, to, to, file)
    assert pools(other) == pools(one)
    if to == "kueue":
        assert quotas(other) == quotas(one)


SLURM = [name for name in WITH_NODES if FILES[name][0] == "slurm-topology"]


@pytest.mark.parametrize("name", SLURM)
def test_names_in_slurm(name: str, tmp_path: Path) -> None:
    """Switches keep their names as --levels names their levels; blocks do too, and so do the larger blocks of them."""
    one = first(name)
    if "block" in name:
        other = again(one, tmp_path, "slurm", "slurm-topology", "topology-block.conf", **GIVEN)
        assert other.hierarchy.levels == one.hierarchy.levels
        assert [(row.node, row.path) for row in other.inventory] == [(row.node, row.path) for row in one.inventory]
        return
    for file in ("topology.conf", "topology.yaml"):
        given = {**GIVEN, "levels": one.hierarchy.levels}
        other = again(one, tmp_path, "slurm", "slurm-topology", file, **given)
        assert other.hierarchy.levels == one.hierarchy.levels
        assert {row.node: row.path for row in other.inventory} == {row.node: row.path for row in one.inventory}
