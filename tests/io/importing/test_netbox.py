"""NetBox: devices as CSV, as its API answers and as a dump of its database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kalloc.io import import_files
from kalloc.io.importing import ImportOptions
from tests.io.importing.files import imported, places, refused, said
from tests.io.importing.topologies import FOLDER, needed

CSV = "Name,Status,Tenant,Site,Location,Rack,Role,Manufacturer,Type\ng1,Active,gov,a,l,r1,GPU server,NVIDIA,DGX H200\n"
API = {
    "count": 1,
    "results": [
        {
            "name": "g1",
            "device_type": {"model": "DGX H200", "manufacturer": {"name": "NVIDIA"}},
            "role": {"name": "GPU server"},
            "tenant": {"name": "gov"},
            "site": {"name": "a"},
            "location": {"name": "l"},
            "rack": {"name": "r1"},
            "status": {"value": "active", "label": "Active"},
        }
    ],
}
DUMP = [
    {"model": "dcim.manufacturer", "pk": 1, "fields": {"name": "NVIDIA"}},
    {"model": "dcim.devicetype", "pk": 1, "fields": {"model": "DGX H200", "manufacturer": 1}},
    {"model": "dcim.devicerole", "pk": 1, "fields": {"name": "GPU server"}},
    {"model": "tenancy.tenant", "pk": 3, "fields": {"name": "gov"}},
    {"model": "dcim.site", "pk": 1, "fields": {"name": "a"}},
    {"model": "dcim.location", "pk": 1, "fields": {"name": "l"}},
    {"model": "dcim.rack", "pk": 7, "fields": {"name": "r1"}},
    {
        "model": "dcim.device",
        "pk": 1,
        "fields": {
            **{"name": "g1", "device_type": 1, "role": 1, "tenant": 3, "site": 1, "location": 1, "rack": 7},
            "status": "active",
        },
    },
]


@pytest.mark.parametrize(
    ("name", "text"),
    [("d.csv", CSV), ("d.json", json.dumps(API)), ("d.json", json.dumps(DUMP))],
    ids=["csv", "api", "dump"],
)
def test_every_form(name: str, text: str, tmp_path: Path) -> None:
    """All three forms give place, owner, kind and state of a device."""
    result = imported("netbox", tmp_path, name, text, gpus_per_node=8)
    [row] = result.instance.inventory
    assert (row.node, row.path, row.owner, row.kind, row.gpus, row.state) == (
        "g1",
        ("a", "l", "r1"),
        "gov",
        "H200",
        8,
        "up",
    )
    assert result.instance.hierarchy.levels == ("site", "location", "rack")


def test_what_is_no_gpu_node(tmp_path: Path) -> None:
    """Devices are GPU nodes by their type or role, or by the roles that are asked for; the rest is listed."""
    rows = "s1,Active,,a,l,r1,Storage,Dell,R750\n,Active,,a,l,r2,GPU server,NVIDIA,DGX H200\n"
    rows += "g2,Planned,,a,l,r2,AI,Super,X13\n"
    result = imported("netbox", tmp_path, "d.csv", CSV + rows, gpus_per_node=8)
    assert list(places(result)) == ["g1"]
    notes = said(result, tmp_path)
    assert "d.csv, row 4: dropped: a device of the role 'GPU server' has no name" in notes
    assert "d.csv, row 3: dropped: device 's1' is a GPU node by nothing that is said of it" in notes
    result = imported("netbox", tmp_path, "d.csv", CSV + rows, gpus_per_node=8, kind="B200", roles=("AI",))
    assert [(row.node, row.kind, row.state) for row in result.instance.inventory] == [("g2", "B200", "down")]


def test_refused(tmp_path: Path) -> None:
    """A table without names and devices of which no number of GPUs is known are refused."""
    assert refused("netbox", tmp_path, "d.csv", "site,rack\na,r\n") == [
        "d.csv, row 1: has no column name; it has site, rack"
    ]
    assert refused("netbox", tmp_path, "d.csv", CSV) == [
        "d.csv, row 2: no source says how many GPUs node 'g1' has; give --gpus-per-node 8"
    ]


@needed
def test_real_dump() -> None:
    """The demonstration data of NetBox has racks and tenants, and GPU nodes only by a role that is asked for."""
    options = ImportOptions(kind="H200", gpus_per_node=8, roles=("Router",))
    instance = import_files("netbox", [FOLDER / "netbox/netbox-demo-v3.6-dcim-subset.json"], options).instance
    routers = {str(row.node): row for row in instance.inventory}
    assert routers["dmi01-akron-rtr01"].path == ("DM-Akron", "", "Comms closet")
    assert routers["dmi01-akron-rtr01"].owner == "Dunder-Mifflin, Inc."
