"""Racks, units and fabrics."""

from __future__ import annotations

from random import Random

import pytest

from kalloc.generate.hardware import FABRIC, Rack, Shape, break_down, fabric_sizes, free_gpus, lay, units
from kalloc.instance import Hierarchy, Instance, Kind, Placed, Pool

LIKE = Rack(path=(), kind="H200", owner="top", nodes=0, gpus=8)


@pytest.mark.parametrize(
    ("nodes", "sizes"), [(0, []), (32, [32]), (255, [255]), (256, [255, 1]), (510, [255, 255]), (600, [255, 255, 90])]
)
def test_fabrics_are_full_but_the_last(nodes: int, sizes: list[int]) -> None:
    """Nodes fill fabrics of 255 and one more with the rest."""
    assert fabric_sizes(nodes) == sizes


def test_a_full_fabric_has_one_unit_of_31() -> None:
    """Seven units have 32 nodes, the eighth 31, in racks of 4 and one of 3."""
    racks = list(lay(("s", "f"), FABRIC.size, LIKE))
    assert [sum(rack.nodes for rack in unit) for unit in units(racks).values()] == [32] * 7 + [31]
    assert [rack.nodes for rack in racks] == [4] * 63 + [3]


def test_nvlink_racks_are_laid_by_their_shape() -> None:
    """Two racks of 18 trays of 4 GPUs are 144 GPUs in one unit."""
    racks = list(lay(("s", "f"), 36, LIKE, Shape(nodes=18, spare=0, gpus=4)))
    assert [(rack.path, rack.nodes, rack.gpus) for rack in racks] == [
        (("s", "f", "su1", "r1"), 18, 4),
        (("s", "f", "su1", "r2"), 18, 4),
    ]


def test_down_nodes_keep_the_sum_and_their_names() -> None:
    """A share of the nodes goes down, rows still count all, and names of nodes that are up are the instance's."""
    racks = break_down(Random(4), list(lay(("s", "f"), 255, LIKE)), 0.1)
    rows = tuple(row for rack in racks for row in rack.rows())
    assert sum(row.count for row in rows) == 255
    assert sum(row.count for row in rows if row.state == "down") == round(0.1 * 255)
    topology = Instance(
        name="t",
        hierarchy=Hierarchy(levels=("site", "fabric", "su", "rack")),
        kinds=(Kind(kind="H200"),),
        pools=(Pool(pool="top"),),
        inventory=rows,
    ).topology
    up = [name for node, name in enumerate(topology.names) if topology.gpus[node]]
    assert up == [name for rack in racks for name in rack.up]


def test_free_gpus_leave_out_what_is_down_or_taken() -> None:
    """Of two nodes, one down and one with 3 GPUs taken, 5 GPUs are free."""
    rack = Rack(path=("s",), kind="H200", owner="top", nodes=2, gpus=8, down=1)
    assert free_gpus([rack], [Placed(project="other", node="s/n1", gpus=3)]) == {("top", "H200"): 5}
