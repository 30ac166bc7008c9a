"""Slurm: what scontrol and sacctmgr would be asked, and a topology of all nodes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import kalloc
from kalloc.instance import Hierarchy, Instance, NodeGroup
from kalloc.io.exporting import made_of
from kalloc.io.hostlists import expand
from kalloc.plan import Plan
from tests.instances.places import INSTANCES
from tests.io.exporting.cases import HOSTILE, instance, plan
from tests.io.exporting.schemas import objects

FAKE = """\
#!/bin/sh
for word in "$@"; do printf '<%s>' "$word" >> "$LOG"; done
echo >> "$LOG"
case "$*" in
*"show association"*"account=nation "*) echo root ;;
*"show association"*"account=lab "*) echo; echo elsewhere ;;
*"show association"*"account=no "*) echo lab ;;
esac
"""


def files(given: Instance, decided: Plan | None = None) -> dict[str, str]:
    """Return the files of the export as texts."""
    return {name: data.decode() for name, data in made_of("slurm", given, decided).files.items()}


def asked(directory: Path, script: str, *arguments: str) -> list[list[str]]:
    """Run a script with commands that only note what they are asked; return the words of each call."""
    given = instance()
    text = files(given, plan(given))[script]
    (directory / script).write_text(text, encoding="utf-8")
    for name in ("scontrol", "sacctmgr"):
        (directory / name).write_text(FAKE, encoding="utf-8")
        (directory / name).chmod(0o755)
    log = directory / "log"
    environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "LOG": str(log)}
    command = ["sh", str(directory / script), *arguments]
    subprocess.run(command, env=environment, capture_output=True, check=True, cwd=directory)
    return [line[1:-1].split("><") for line in log.read_text(encoding="utf-8").splitlines()]


def test_tree() -> None:
    """Each domain is a switch with those below it or its nodes; nodes beside switches have a switch of their own."""
    assert files(instance())["topology.conf"].splitlines()[1:] == [
        "SwitchName=s1 Switches=s1-r1,r2",
        "SwitchName=s1-r1 Nodes=a[01-03]",
        "SwitchName=r2 Nodes=a04",
        "SwitchName=s2-nodes Nodes=b-2",
        "SwitchName=s2 Switches=s2-r1,s2-nodes",
        "SwitchName=s2-r1 Nodes=b-1",
    ]


def test_yaml_says_the_same() -> None:
    """topology.yaml has the switches of topology.conf; as not every node is in a rack, there are no blocks."""
    [[tree]] = objects(files(instance())["topology.yaml"].encode())
    assert (tree["topology"], tree["cluster_default"]) == ("tree", True)
    assert tree["tree"]["switches"][:2] == [
        {"switch": "s1", "children": "s1-r1,r2"},
        {"switch": "s1-r1", "nodes": "a[01-03]"},
    ]
    assert len(tree["tree"]["switches"]) == 6


def test_blocks() -> None:
    """Where every node is in one of several finest domains, these are blocks, planned by the size of the smallest."""
    given = kalloc.load(INSTANCES / "tiny" / "lending-nodes")
    made = files(given)
    [[_, block]] = objects(made["topology.yaml"].encode())
    assert block["block"]["block_sizes"] == [1]
    assert made["topology-block.conf"].splitlines()[1:] == [
        "BlockName=su1 Nodes=su1-n[1-2]",
        "BlockName=su2 Nodes=su2-n[1-2]",
        "BlockName=su3 Nodes=su3-n1",
        "BlockSizes=1",
    ]
    assert [one["block"] for one in block["block"]["blocks"]] == ["su1", "su2", "su3"]


def test_larger_blocks() -> None:
    """A level whose domains hold a power of two of blocks each is a larger size; one whose domains differ is none."""
    levels = Hierarchy(levels=("site", "su", "rack"))
    places = [("s1", "a"), ("s1", "a"), ("s1", "b"), ("s1", "b"), ("s2", "c"), ("s2", "c")]
    rows = tuple(
        NodeGroup(path=(*place, f"r{n}"), count=4, kind="H200", gpus=8, owner="nation")
        for n, place in enumerate(places)
    )
    given = instance(hierarchy=levels, inventory=rows, placed=(), projects=(), requests=())
    assert files(given)["topology-block.conf"].splitlines()[-1] == "BlockSizes=4,8"


@pytest.mark.parametrize("name", ["korea-260k", "korea-2026-call1"])
def test_every_node_is_on_one_switch(name: str) -> None:
    """All nodes of a national instance hang on exactly one switch, and every switch but the roots on another one."""
    given = kalloc.load(INSTANCES / name)
    lines = [
        dict(word.split("=", 1) for word in line.split()) for line in files(given)["topology.conf"].splitlines()[1:]
    ]
    nodes = [node for line in lines for node in expand(line.get("Nodes", ""))]
    children = [child for line in lines for child in expand(line.get("Switches", ""))]
    switches = [line["SwitchName"] for line in lines]
    assert len(nodes) == len(set(nodes)) == given.topology.node_count
    assert len(switches) == len(set(switches)) and max(map(len, switches)) <= 64
    assert len(children) == len(set(children)) == len(switches) - len(given.topology.paths[0])
    assert set(children) <= set(switches)


def test_no_levels() -> None:
    """Nodes that are in no domain hang on one switch, as Slurm wants every node on one."""
    rows = (NodeGroup(path=(), node="n1", kind="H200", gpus=8, owner="nation"),)
    given = instance(hierarchy=Hierarchy(), inventory=rows, placed=(), projects=(), requests=())
    assert files(given)["topology.conf"].splitlines()[1:] == ["SwitchName=Two-Sites Nodes=n1"]


def test_dump() -> None:
    """In the dump an account comes after its parent, and limits with a colon are quoted, as a colon parts options."""
    given = instance()
    lines = files(given, plan(given))["sacctmgr.cfg"].splitlines()
    assert lines[1:4] == [
        "Cluster - 'two-sites'",
        "Parent - 'root'",
        "Account - 'nation':Description='nation':Organization='nation':GrpTRES='gres/gpu=64'",
    ]
    labs = "Labs all of em"
    assert f"Account - 'lab':Description='{labs}':Organization='{labs}':GrpTRES='gres/gpu:h200=24'" in lines
    assert all(line.count("'") % 2 == 0 for line in lines)
    known = {"root"}
    for line in lines[2:]:
        title, _, rest = line.partition(" - ")
        name = rest.split("'")[1]
        assert name in known if title == "Parent" else name not in known
        known.add(name)


def test_accounts(tmp_path: Path) -> None:
    """The script adds what is missing and changes what is there; who gets nothing any more is stopped, if known."""
    calls = [call for call in asked(tmp_path, "sacctmgr.sh", "kr") if "show" not in call]
    changed = ["-i", "modify", "account", "where"]
    limits = "GrpTRES=gres/gpu=64,gres/gpu:h200=-1,gres/gpu:rtx_pro_6000=-1"
    assert calls[0] == [*changed, "account=nation", "cluster=kr", "set", limits]
    assert calls[1] == [*changed, "account=lab", "cluster=kr", "set", "parent=nation"]
    assert calls[2][-1] == "GrpTRES=gres/gpu=-1,gres/gpu:h200=24,gres/gpu:rtx_pro_6000=-1"
    assert calls[3][:6] == ["-i", "add", "account", "firm-a-44557e", "cluster=kr", "parent=nation"]
    assert [word for call in calls if "team-a" in call for word in call if word.startswith("GrpTRES")] == [
        "GrpTRES=gres/gpu=10,gres/gpu:h200=4,gres/gpu:rtx_pro_6000=6"
    ]
    assert calls[-1] == ["-i", "modify", "account", "where", "account=no", "cluster=kr", "set", "GrpTRES=gres/gpu=0"]
    assert not (tmp_path / "id").exists()


def test_reservations(tmp_path: Path) -> None:
    """A project's whole nodes are one reservation, its parts of nodes one more for each size."""
    calls = asked(tmp_path, "reservations.sh", "create", "2027-01-01", "30-0")
    said = [dict(word.split("=", 1) for word in call if "=" in word) for call in calls]
    found = {one["ReservationName"]: (one["Accounts"], one["Nodes"], one.get("TRESPerNode")) for one in said}
    assert found["kalloc-team-a"] == ("team-a", "b-2", None)
    assert found["kalloc-team-a-2"] == ("team-a", "a03", "gres/gpu:h200=4")
    assert found["kalloc-team-a-3"] == ("team-a", "b-1", "gres/gpu:rtx_pro_6000=2")
    assert len(found) == 7
    assert {(one["StartTime"], one["Duration"], one["Flags"]) for one in said} == {
        ("2027-01-01", "30-0", "IGNORE_JOBS")
    }


def test_one_reservation_that_fails(tmp_path: Path) -> None:
    """Where Slurm refuses one reservation, the others are made all the same, and the script ends with status 1."""
    (tmp_path / "scontrol").write_text(
        '#!/bin/sh\ncase "$*" in *kalloc-1e3*) exit 1 ;; esac\necho "$3"\n', encoding="utf-8"
    )
    (tmp_path / "scontrol").chmod(0o755)
    given = instance()
    (tmp_path / "reservations.sh").write_text(files(given, plan(given))["reservations.sh"], encoding="utf-8")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", str(tmp_path / "reservations.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 6


def test_release(tmp_path: Path) -> None:
    """The script of a plan also ends its reservations."""
    calls = asked(tmp_path, "reservations.sh", "release")
    assert all(call[0] == "delete" for call in calls) and len(calls) == 7


def test_names_are_listed() -> None:
    """What a name became stands in names.csv; a project's name appears in no script as it is."""
    given = instance()
    made = files(given, plan(given))
    assert "project,Team A,team-a-868fe2" in made["names.csv"].splitlines()
    assert not any(HOSTILE in text for name, text in made.items() if name != "names.csv")
