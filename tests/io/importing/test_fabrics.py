"""InfiniBand fabrics: units are sets of leaves, and what names no host is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kalloc.io import import_files
from kalloc.io.importing import ImportOptions
from tests.io.importing.files import GIVEN, imported, places, refused, said
from tests.io.importing.topologies import FOLDER, needed

LEAVES = {
    "a": ["a1", "a2", "a3", "a4"],
    "b": ["b1", "b2", "b3", "b4"],
}


def fabric(cables: Mapping[str, Sequence[tuple[str, str]]], spines: Mapping[str, Sequence[str]]) -> str:
    """Return what ibnetdiscover prints of leaves with adapters (host and adapter), and of spines with leaves."""
    lines = ["# Topology file: written for a test"]
    number = 0
    for leaf, adapters in cables.items():
        lines += [
            "",
            f"switchguid=0x{leaf}",
            f'Switch\t40 "S-{leaf}"\t\t# "MF0;leaf-{leaf}:MQM9700/U1" enhanced port 0',
        ]
        for port, (host, adapter) in enumerate(adapters, start=1):
            number += 1
            text = f"{host} {adapter}".strip()
            lines.append(f'[{port}]\t"H-{number:04x}"[1]({number:04x}) \t\t# "{text}" lid {number} 4xNDR')
    for spine, leaves in spines.items():
        lines += ["", f'Switch\t40 "S-{spine}"\t\t# "MF0;spine-{spine}:MQM9700/U1" enhanced port 0']
        lines += [f'[{port}]\t"S-{leaf}"[33]\t\t# "x" lid 1 4xNDR' for port, leaf in enumerate(leaves, start=1)]
    return "\n".join(lines) + "\n"


def cabled(hosts: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, str]]]:
    """Return the adapters on each leaf for hosts with the leaves that each hangs on."""
    cables: dict[str, list[tuple[str, str]]] = {leaf: [] for leaves in LEAVES.values() for leaf in leaves}
    for host, leaves in hosts.items():
        for number, leaf in enumerate(leaves):
            cables[leaf].append((host, f"mlx5_{number}"))
    return cables


HOSTS = {f"{unit}-n{number}": leaves for unit, leaves in LEAVES.items() for number in (1, 2, 3)}
SPINES = {"f1": [*LEAVES["a"], *LEAVES["b"]], "f2": [*LEAVES["a"], *LEAVES["b"]]}
UNIT_A, UNIT_B, SPINE = "leaf-a[1-4]", "leaf-b[1-4]", "spine-f[1-2]"


def test_units(tmp_path: Path) -> None:
    """Nodes on the same leaves are one unit, units under the same spines one domain above."""
    result = imported("ibnetdiscover", tmp_path, "f.out", fabric(cabled(HOSTS), SPINES), **GIVEN)
    assert result.instance.hierarchy.levels == ("spine", "unit")
    assert places(result) == {host: (SPINE, UNIT_A if host.startswith("a") else UNIT_B) for host in HOSTS}
    assert said(result, tmp_path) == []


def test_separate_fabrics_and_cores(tmp_path: Path) -> None:
    """Spines that nothing joins are domains of their own; a core above joins them."""
    apart = {"f1": LEAVES["a"], "f2": LEAVES["b"]}
    result = imported("ibnetdiscover", tmp_path, "f.out", fabric(cabled(HOSTS), apart), **GIVEN)
    assert set(places(result).values()) == {("spine-f1", UNIT_A), ("spine-f2", UNIT_B)}
    joined = {**apart, "c1": ["f1", "f2"]}
    result = imported("ibnetdiscover", tmp_path, "f.out", fabric(cabled(HOSTS), joined), **GIVEN)
    assert result.instance.hierarchy.levels == ("core", "spine", "unit")
    assert set(places(result).values()) == {("spine-c1", "spine-f1", UNIT_A), ("spine-c1", "spine-f2", UNIT_B)}


def test_tolerance(tmp_path: Path) -> None:
    """A host that lacks an adapter, or hangs with one on a leaf of another unit, is of its unit, and noted."""
    hosts = {**HOSTS, "a-n4": ["a1", "a2", "a4"], "b-n4": ["b1", "b2", "b3", "a4"]}
    result = imported("ibnetdiscover", tmp_path, "f.out", fabric(cabled(hosts), SPINES), **GIVEN)
    assert places(result)["a-n4"] == (SPINE, UNIT_A)
    assert places(result)["b-n4"] == (SPINE, UNIT_B)
    notes = sorted(note.partition("guessed: ")[2] for note in said(result, tmp_path))
    assert notes == [
        "host 'a-n4' hangs on 3 of the 4 leaves of its unit",
        "host 'b-n4' hangs on 3 of the 4 leaves of its unit and 1 of another",
    ]


def test_listed_and_not_guessed(tmp_path: Path) -> None:
    """Adapters without a host, hosts without a name, management hosts and those between units are no nodes."""
    cables = cabled({**HOSTS, "ufm": ["a1", "b1"], "between": ["a1", "a2", "b1", "b2"], "localhost": LEAVES["a"]})
    cables["a3"].append(("MT4129 ConnectX7   Mellanox Technologies", ""))
    cables["a3"].append(("Mellanox Technologies Aggregation Node", ""))
    cables["b3"] += [("twin", "mlx5_0"), ("twin", "mlx5_0"), ("twin", "mlx5_1")]
    result = imported("ibnetdiscover", tmp_path, "f.out", fabric(cables, SPINES), **GIVEN)
    assert places(result).keys() == HOSTS.keys()
    notes = sorted(note.partition("dropped: ")[2] for note in said(result, tmp_path))
    assert [note for note in notes if "adapter H-" not in note] == [
        "3 adapters are of 'twin': hosts without a name of their own",
        "4 adapters are of 'localhost': hosts without a name of their own",
        "aggregation nodes in switches are no hosts",
        "host 'between' hangs on 2 of the 4 leaves of a unit: taken for no GPU node",
        "host 'ufm' has 2 adapters, most have 4: taken for no GPU node",
    ]
    [unnamed] = [note for note in notes if "adapter H-" in note]
    assert unnamed.endswith("says 'MT4129 ConnectX7   Mellanox Technologies' and names no host; it hangs on leaf-a3")


@pytest.mark.parametrize(
    ("text", "defects"),
    [
        ("nothing of the kind\n", ["f.out: has no Switch and no Ca; is it what ibnetdiscover prints?"]),
        ('Ca\t1 "H-1"\t\t# "n1 HCA-1"\n', ["f.out: has no host that is cabled to a switch and has a name"]),
        (
            'Switch\t2 "S-1"\t\t# "leaf"\n[1]\t"H-1"[1](1)\t# "n1 HCA-1" lid 1\n[2] "H-2"[1](',
            ["f.out, line 3: is no port of a device as ibnetdiscover prints it"],
        ),
    ],
)
def test_refused(text: str, defects: list[str], tmp_path: Path) -> None:
    """What is no dump, has no host or breaks off within a line is refused."""
    assert refused("ibnetdiscover", tmp_path, "f.out", text, **GIVEN)[: len(defects)] == defects


@needed
def test_real_dump() -> None:
    """A dump of a real fabric: eight units of 4 leaves (one of them lacks a leaf), the rest is listed."""
    result = import_files(
        "ibnetdiscover", [FOLDER / "topograph/ib/example.out"], ImportOptions(**{**GIVEN, "gpus_per_node": 4})
    )
    units = {row.path[1] for row in result.instance.inventory}
    assert sorted(units) == [
        "A09-P1-IBLEAF-[01-02,04]-01",
        *(f"A09-P1-IBLEAF-[01-04]-0{unit}" for unit in (2, 3, 4)),
        *(f"B09-P1-IBLEAF-[01-04]-0{unit}" for unit in (5, 6, 7, 8)),
    ]
    assert len(result.instance.inventory) == 119
    assert all("-c" in str(row.node) for row in result.instance.inventory)
    listed = [note.message for note in result.notes]
    assert sum(message.startswith("adapter ") for message in listed) == 69
    assert any("B11-P1-CUFM-02" in message for message in listed)
