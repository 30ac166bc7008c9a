"""32,500 nodes are read in less than five seconds, from JSON, from CSV and from a topology.conf."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.io.importing.files import GIVEN, imported

COUNT = 32_500


def name(number: int) -> str:
    """Return the name of a node."""
    return f"n{number:05d}"


def conf() -> str:
    """Return a tree of 1,016 leaves, with every name written out."""
    leaves = range(0, COUNT, 32)
    lines = [f"SwitchName=su{at // 32} Nodes={','.join(map(name, range(at, min(at + 32, COUNT))))}" for at in leaves]
    return "\n".join([*lines, f"SwitchName=top Switches=su[0-{len(lines) - 1}]"])


def table() -> str:
    """Return a table with the place of each node."""
    rows = [f"{name(at)},s{at // 4096},su{at // 32},r{at // 4},H200,8,active" for at in range(COUNT)]
    return "\n".join(["node,site,su,rack,gpu model,gpus,status", *rows])


def kubernetes() -> str:
    """Return a List of nodes with two dozen labels each."""
    more = {f"feature.node.kubernetes.io/cpu-{number}": "true" for number in range(20)}
    items = [
        {
            "kind": "Node",
            "metadata": {
                "name": name(at),
                "labels": {
                    "cloud.provider.com/topology-block": f"su{at // 32}",
                    "cloud.provider.com/topology-rack": f"r{at // 4}",
                    "nvidia.com/gpu.product": "NVIDIA-H200",
                    **more,
                },
            },
            "status": {"allocatable": {"nvidia.com/gpu": "8", "cpu": "224", "memory": "2Ti"}},
        }
        for at in range(COUNT)
    ]
    return json.dumps({"kind": "List", "items": items})


@pytest.mark.parametrize(
    ("format", "file", "make"),
    [
        ("slurm-topology", "topology.conf", conf),
        ("table", "inventory.csv", table),
        ("kubernetes", "n.json", kubernetes),
    ],
    ids=["conf", "csv", "json"],
)
def test_nation(format: str, file: str, make: Callable[[], str], tmp_path: Path) -> None:
    """The whole nation takes less than five seconds of a processor, checks of the instance included."""
    text = make()
    start = time.process_time()
    result = imported(format, tmp_path, file, text, **(GIVEN if format == "slurm-topology" else {}))
    assert time.process_time() - start < 5
    assert result.instance.gpus_available == 8 * COUNT
