"""Files that are cut, doubled or mangled in any way: an instance comes out, or defects, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kalloc.errors import InstanceError
from kalloc.io import import_files
from kalloc.io.importing import FORMATS, ImportOptions
from tests.io.importing.files import GIVEN
from tests.io.importing.test_fabrics import HOSTS, SPINES, cabled, fabric
from tests.io.importing.test_kubernetes import KUEUE, hypernode, listed, node, queue
from tests.io.importing.test_netbox import CSV

TEXTS: Mapping[str, tuple[str, str]] = {
    "slurm-topology": ("t.yaml", "- topology: a\n  tree:\n    switches:\n    - {switch: s, nodes: 'n[1-2]'}\n"),
    "slurm-nodes": (
        "n.json",
        '{"nodes": [{"name": "a", "gres": "gpu:h200:8", "state": ["IDLE"], "topology": "f:p:s"}]}',
    ),
    "slurm-reservations": ("r.txt", "ReservationName=r StartTime=x Nodes=n[1-2] Flags=SPEC_NODES\n"),
    "sinfo": ("s.txt", "NODELIST STATE GRES\nn[1-2] idle* gpu:h200:8(S:0)\n"),
    "kubernetes": ("k.json", listed(node("a", {"topology.kubernetes.io/zone": "z"}), node("b", {}))),
    "kueue": ("q.yaml", KUEUE.format(version="v1beta2", cohort="cohortName")),
    "kai": ("q.yaml", "\n---\n".join([queue("a", 8, 16), queue("b", 8, -1, "a")])),
    "volcano": ("h.yaml", "\n---\n".join([hypernode("a", 2, "HyperNode", "b"), hypernode("b", 1, "Node", "n")])),
    "topograph": ("m.yaml", "switches:\n  a: {switches: [b]}\nblocks:\n- {switch: b, nodes: ['n[1-2]']}\n"),
    "ibnetdiscover": ("i.out", fabric(cabled(HOSTS), SPINES)),
    "netbox": ("d.csv", CSV),
    "table": ("t.csv", "project,pool,kind,min,max\np,lab,H200,8,16\nq,lab,B200,8,8\n"),
}
PIECES = (
    "",
    "null",
    "-1",
    "[]",
    "{}",
    '"',
    "[1-3]",
    "\n",
    "  ",
    ":",
    ",",
    "=",
    "|",
    "9" * 20,
    "- ",
    "---\n",
    "\x1b",
    "é",
    "\0",
)


def test_every_format_is_mangled() -> None:
    """There is a text for each format."""
    assert TEXTS.keys() == FORMATS.keys()


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mangled(format: str, data: st.DataObject) -> None:
    """Wherever a piece is put in, taken out or cut off, the file is read or refused with its name."""
    name, text = TEXTS[format]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.sampled_from([start, min(start + 1, len(text)), min(start + 9, len(text)), len(text)]))
        text = text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        try:
            result = import_files(format, [path], ImportOptions(**GIVEN))
        except InstanceError as error:
            assert all(str(path) in defect.file or defect.file == "--levels" for defect in error.defects)
        else:
            assert result.instance.pools
