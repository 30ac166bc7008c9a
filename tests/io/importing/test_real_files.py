"""Every real file beside the repository: imported where it holds what kalloc reads, refused with a reason where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kalloc.errors import InstanceError
from kalloc.io import import_files
from kalloc.io.importing import ImportOptions
from tests.io.importing.files import GIVEN
from tests.io.importing.topologies import FOLDER, needed

pytestmark = needed

IMPORTED: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "k8s_nodes/openb_node_list_gpu_node.yaml": ("kubernetes", {}, 1213, 0),
    "kwok/virtual-gpu-node-dgxa100.yaml": ("kubernetes", {"kind": "A100"}, 1, 0),
    "kai/default-queues.yaml": ("kai", {}, 0, 2),
    "kai/two-queue-oscillation-queues.yaml": ("kai", {}, 0, 3),
    "kueue/examples/manager-setup.yaml": ("kueue", {}, 0, 1),
    "kueue/examples/sample-gpu-queues.yaml": ("kueue", {}, 0, 1),
    "kueue/examples/sample-queues.yaml": ("kueue", {}, 0, 1),
    "kueue/examples/shared-quota-setup.yaml": ("kueue", {}, 0, 1),
    "kueue/examples/single-clusterqueue-setup.yaml": ("kueue", {}, 0, 1),
    "kueue/examples/worker-setup.yaml": ("kueue", {}, 0, 1),
    "topograph/expected/expected.slinky-dra-block.conf": ("slurm-topology", GIVEN, 96, 1),
    "topograph/expected/expected.slinky-oci-sim-tree.conf": ("slurm-topology", GIVEN, 96, 1),
    "topograph/ib/example.out": ("ibnetdiscover", GIVEN, 119, 1),
    "topograph/models/dual-xclr-regular.yaml": ("topograph", GIVEN, 96, 1),
    "topograph/models/large.yaml": ("topograph", GIVEN, 96, 1),
    "topograph/models/medium.yaml": ("topograph", GIVEN, 8, 1),
    "topograph/models/nvl72.yaml": ("topograph", GIVEN, 72, 1),
    "topograph/models/small-tree.yaml": ("topograph", GIVEN, 6, 1),
}
"""Format, options, nodes and, where the file says them, pools of each file that can be imported."""


@pytest.mark.parametrize("name", IMPORTED)
def test_imported(name: str) -> None:
    """The file gives an instance with all its nodes or pools."""
    format, options, nodes, pools = IMPORTED[name]
    instance = import_files(format, [FOLDER / name], ImportOptions(**options)).instance
    assert len(instance.inventory) == nodes
    assert len(instance.pools) == (pools or 1)


def test_switches_of_both_forms() -> None:
    """A model of topograph and the topology.conf that topograph made of it place every node alike."""
    model = import_files("topograph", [FOLDER / "topograph/models/large.yaml"], ImportOptions(**GIVEN)).instance
    tree = FOLDER / "topograph/expected/expected.slinky-oci-sim-tree.conf"
    conf = import_files("slurm-topology", [tree], ImportOptions(**GIVEN)).instance
    tiers = [model.hierarchy.levels.index(f"tier-{tier}") for tier in (2, 1, 0)]
    ours = {row.node: tuple(row.path[at] for at in tiers) for row in model.inventory}
    theirs = {row.node: row.path for row in conf.inventory}
    assert ours.keys() == theirs.keys()
    for depth in (1, 2, 3):
        pairs = {(ours[node][:depth], theirs[node][:depth]) for node in ours}
        assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


OTHERS = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.is_file() and path.suffix in (".yaml", ".json", ".out", ".conf") and path.parent.name != "synthetic_rosetta"
)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(FOLDER)))
@pytest.mark.parametrize("format", ["kubernetes", "kueue", "volcano", "kai", "topograph", "netbox", "slurm-topology"])
def test_any_file_as_any_format(format: str, path: Path) -> None:
    """Whatever the file is, an import ends with an instance or with defects that name the file."""
    if path.stat().st_size > 500_000:
        pytest.skip("takes long, and is imported above where it is of use")
    try:
        result = import_files(format, [path], ImportOptions(**GIVEN))
    except InstanceError as error:
        assert all(str(path) in defect.file or defect.file == "--levels" for defect in error.defects)
    else:
        assert result.instance.pools
