"""One cluster in every format: each says the same of it, as far as it says anything."""

from __future__ import annotations

from typing import Any

import pytest

from kalloc import solve
from tests.io.importing.topologies import ROSETTA, needed, nodes, read, truth

pytestmark = needed

GIVEN = {"kind": "B200", "gpus_per_node": 8}
FULL = ("kind", "gpus", "state")

CASES: dict[str, tuple[str, str, tuple[str, ...], dict[str, Any], tuple[str, ...]]] = {
    "tree": ("slurm-topology", "slurm_tree_topology.conf", ("pod", "su"), GIVEN, ()),
    "block": ("slurm-topology", "slurm_block_topology.conf", ("block8=block8", "su=block4", "rack=block"), GIVEN, ()),
    "yaml": ("slurm-topology", "slurm_topology.yaml", ("pod", "su", "rack"), GIVEN, ()),
    "show tree": ("slurm-topology", "scontrol_show_topology_tree.txt", ("pod", "su"), GIVEN, ()),
    "show block": ("slurm-topology", "scontrol_show_topology_block.txt", ("su", "rack"), GIVEN, ()),
    "nodes": ("slurm-nodes", "scontrol_show_nodes.json", ("su",), {}, FULL),
    "sinfo": ("sinfo", "sinfo_N.txt", (), {}, FULL),
    "kubernetes": ("kubernetes", "k8s_nodes.json", ("site=zone", "pod=tier-1", "su=tier-0", "rack"), {}, FULL),
    "topograph model": (
        *("topograph", "topograph_model.yaml"),
        *(("site=zone", "pod=tier-1", "su=tier-0", "rack=accelerator"), GIVEN, ()),
    ),
    "topograph graph": (
        *("topograph", "topograph_graph.json", ("site=zone", "pod=tier-1", "su=tier-0", "rack=accelerator")),
        *({**GIVEN, "id_prefix": "i-"}, ()),
    ),
    "netbox": ("netbox", "netbox_devices.csv", ("site", "su=location", "rack"), {"gpus_per_node": 8}, FULL),
    "ibnetdiscover names": ("ibnetdiscover", "ibnetdiscover.out", ("pod=spine", "su=unit"), GIVEN, ()),
    "table": ("table", "canonical.csv", ("site", "pod", "su", "rack"), {}, FULL),
    "volcano": ("volcano", "volcano_hypernodes.yaml", ("pod", "su", "rack"), GIVEN, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_every_format_says_the_same(case: str) -> None:
    """Places, kinds, counts and states are those of the cluster; larger blocks and units of leaves have own names."""
    format, file, levels, options, said = CASES[case]
    found = nodes(read(format, ROSETTA / file, levels=levels, **options).instance)
    assert found.keys() == truth().keys()
    for level in (name.partition("=")[0] for name in levels):
        same = {(found[name][level], truth()[name].get(level)) for name in found}
        assert len(same) == len({one for one, _ in same}) == len({other for _, other in same}), level
        assert case.endswith(("block", "names")) or {one for one, _ in same} == {other for _, other in same}, level
    for name in found:
        assert [found[name][what] for what in said] == [truth()[name][what] for what in said]


def test_joined_sources() -> None:
    """A tree of switches, the nodes with their GPUs and the blocks are one inventory."""
    join = {"slurm-nodes": [ROSETTA / "scontrol_show_nodes.json"], "volcano": [ROSETTA / "volcano_hypernodes.yaml"]}
    levels = ("pod=level1", "su=level0|fabric0", "rack")
    imported = read("slurm-topology", ROSETTA / "slurm_tree_topology.conf", join=join, levels=levels)
    assert imported.differences == ()
    wanted = {name: {key: value for key, value in row.items() if key != "site"} for name, row in truth().items()}
    assert nodes(imported.instance) == wanted


def test_everything_joined() -> None:
    """The fabric, the asset sheet, the nodes of Slurm and the applications are one instance that can be solved."""
    join = {
        "netbox": [ROSETTA / "netbox_devices.csv"],
        "slurm-nodes": [ROSETTA / "scontrol_show_nodes.json"],
        "table": [ROSETTA / "requests.csv"],
    }
    levels = ("site", "pod=spine", "su=unit|location|fabric0", "rack")
    imported = read("ibnetdiscover", ROSETTA / "ibnetdiscover.out", join=join, levels=levels, kind="B200")
    found = nodes(imported.instance)
    for name, row in truth().items():
        assert [found[name][what] for what in ("site", "rack", *FULL)] == [
            row[what] for what in ("site", "rack", *FULL)
        ]
    assert {difference.what for difference in imported.differences} == {"su"}
    result = solve(imported.instance)
    assert {grant.project: grant.gpus for grant in result.plan.grants} == {"gov-llm": 24, "sme-pool": 16}


def test_reservation() -> None:
    """What a reservation holds is background on its nodes, with all their GPUs."""
    join = {"slurm-reservations": [ROSETTA / "reservation.sh.txt"]}
    instance = read("sinfo", ROSETTA / "sinfo_N.txt", join=join).instance
    assert [(row.project, row.node, row.gpus) for row in instance.placed] == [
        ("kalloc_gov-llm", f"g00{number}", 8) for number in (1, 2, 3)
    ]
    assert instance.gpus_available == 4 * 8


def test_queues() -> None:
    """Cohorts and ClusterQueues are pools with quotas; a Topology chooses among the labels of the nodes."""
    join = {"kueue": [ROSETTA / "kueue.yaml"]}
    instance = read("kubernetes", ROSETTA / "k8s_nodes.json", join=join).instance
    assert instance.hierarchy.levels == ("zone", "block", "rack")
    assert {row.pool: row.parent for row in instance.pools} == {
        "national": None,
        "gov": "national",
        "gov-llm": "gov",
        "sme": "national",
    }
    assert {(row.pool, row.kind): (row.gpus, row.borrow, row.lend) for row in instance.quotas} == {
        ("gov", "B200"): (24, 16, 4),
        ("gov-llm", "B200"): (24, 8, 4),
        ("sme", "B200"): (16, 24, 0),
    }
    assert {row.owner for row in instance.inventory} == {"national"}


def test_kai_queues() -> None:
    """A root queue alone may use its limit, what is below it its quota, and no node is needed."""
    instance = read("kai", ROSETTA / "kai_queues.yaml").instance
    assert {row.pool: row.parent for row in instance.pools} == {"gov": None, "gov-llm": "gov"}
    assert {(row.pool, row.kind): (row.gpus, row.borrow) for row in instance.quotas} == {
        ("gov", "*"): (32, 0),
        ("gov-llm", "*"): (24, 0),
    }
    assert instance.inventory == ()
