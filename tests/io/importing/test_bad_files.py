"""Files that nobody vouches for: refused with file and line, in bounded time and memory, and nothing is written."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kalloc.cli import app
from kalloc.errors import InstanceError
from kalloc.io import import_files
from kalloc.io.importing import FORMATS
from kalloc.io.importing.reading import text_of
from tests.io.importing.files import GIVEN, imported, refused, write

NODES = json.dumps({"items": [{"kind": "Node", "metadata": {"name": f"n{i}"}} for i in range(3)]}, indent=1)

BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(8 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

BY_LIBYAML = yaml.__with_libyaml__ and yaml._yaml.get_version() >= (0, 2, 6)
TOO_DEEP = "is no YAML: exceeded maximum nesting depth" if BY_LIBYAML else "goes deeper than 60 levels"
"""Who refuses what is nested far too deep: libyaml itself does from 0.2.6 on."""


@pytest.mark.parametrize(
    ("name", "text", "defect"),
    [
        (
            "n.json",
            NODES[:120],
            "n.json, line 11: is no JSON: Expecting property name enclosed in double quotes where the file ends",
        ),
        ("n.json", '{"items": [{"kind": "No', "n.json, line 1: is no JSON: Unterminated string starting at"),
        ("n.json", '{"items": [1 2]}', "n.json, line 1: is no JSON: ',' or ']' is missing"),
        ("n.json", "[" * 100_000, "n.json, line 1: is no JSON that can be read: maximum recursion depth exceeded"),
        ("n.json", "{}\n{}", "n.json, line 2: is no JSON: there is more after its end"),
        ("n.json", "", "n.json: has no Node of the core API"),
        ("n.yaml", BOMB, "n.yaml, line 2: has an alias (*), which is not read here; write out what it stands for"),
        (
            "n.yaml",
            "a: &a\n  b: *a\n",
            "n.yaml, line 2: has an alias (*), which is not read here; write out what it stands for",
        ),
        ("n.yaml", "a: !!python/object/apply:os.system [x]\n", "n.yaml, line 1: has the tag"),
        ("n.yaml", "a:\n  b: 1\n  b: 2\n", "n.yaml, line 3: has the key 'b' twice; keep one of them"),
        ("n.yaml", "a: [1, 2\n", "n.yaml, line 2: is no YAML: did not find expected ',' or ']'"),
        ("n.yaml", "a:\n\tb: 1\n", "n.yaml, line 2: is no YAML: found character that cannot start any token"),
        ("n.yaml", "- " * 100 + "x\n", "n.yaml, line 1: goes deeper than 60 levels"),
        pytest.param("n.yaml", "[" * 100_000, f"n.yaml, line 1: {TOO_DEEP}", id="brackets"),
        ("n.yaml", "? [a]\n: b\n", "n.yaml, line 1: has a key that is no text"),
        ("n.yaml", "- a\n- b\n", "n.yaml: has a document that is no object of Kubernetes"),
        ("n.yaml", "a: \x07\n", "n.yaml: is no YAML: "),
    ],
)
def test_documents(name: str, text: str, defect: str, tmp_path: Path) -> None:
    """Truncated, monstrous, doubled and executable documents are refused where they go wrong, and quickly."""
    start = time.perf_counter()
    found = refused("kubernetes", tmp_path, name, text)
    assert found[0].startswith(defect)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("format", FORMATS)
def test_any_format(format: str, tmp_path: Path) -> None:
    """Every format refuses a missing file, a folder, bytes that are no text, an empty file and an unfinished one."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "short.gz").write_bytes(gzip.compress(b"SwitchName=a Nodes=b\n" * 1000)[:-20])
    write(tmp_path, "empty", "")
    write(tmp_path, "half.json", '{"a": [{"b"')
    for name in ("missing", "folder", "bytes", "short.gz", "empty", "half.json"):
        with pytest.raises(InstanceError) as caught:
            import_files(format, [tmp_path / name])
        assert all(str(tmp_path) in defect.file for defect in caught.value.defects), name


def test_unknown_format(tmp_path: Path) -> None:
    """An unknown format names the nearest one."""
    assert refused("slurm-node", tmp_path, "a", "") == ["slurm-node: unknown format; did you mean 'slurm-nodes'?"]


def test_huge_range_takes_no_memory(tmp_path: Path) -> None:
    """A range of a billion hosts is counted, not made; neither are many ranges of a million each."""
    tracemalloc.start()
    refused("slurm-topology", tmp_path, "t.conf", "SwitchName=a Nodes=n[1-1000000000]\n", **GIVEN)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**24
    many = "".join(f"SwitchName=s{i} Nodes=s{i}n[1-900000]\n" for i in range(100))
    assert "more than 200,000" in refused("slurm-topology", tmp_path, "t.conf", many, **GIVEN)[0]


def test_unpacked_size_is_bounded(tmp_path: Path) -> None:
    """A file that unpacks to more than is allowed is not read on."""
    path = tmp_path / "t.conf.gz"
    path.write_bytes(gzip.compress(bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(InstanceError, match="is larger than 2 MiB"):
        text_of(path, 2**21)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**24


def test_names_are_names(tmp_path: Path) -> None:
    """Names that look like paths or markup open nothing and stay names; control characters are refused by line."""
    text = "SwitchName=../../etc Nodes=<b>,=x\n"
    result = imported("slurm-topology", tmp_path, "t.conf", text, **GIVEN)
    assert [(row.path, row.node) for row in result.instance.inventory] == [
        (("../../etc",), "<b>"),
        (("../../etc",), "=x"),
    ]
    text = "SwitchName=a Nodes=x\x01y\n"
    assert refused("slurm-topology", tmp_path, "t.conf", text, **GIVEN) == [
        "t.conf, line 1, column 'node': has control characters: 'x\\x01y'"
    ]


def test_too_many_levels(tmp_path: Path) -> None:
    """A tree that is too deep for an instance asks for a choice of levels."""
    text = "".join(f"SwitchName=s{i} Switches=s{i + 1}\n" for i in range(8)) + "SwitchName=s8 Nodes=n\n"
    [defect] = refused("slurm-topology", tmp_path, "t.conf", text, **GIVEN)
    assert defect.startswith("--levels: there are 9 levels; choose 7 at most: level8, level7")
    levels = ("top=level8", "leaf=level0")
    assert imported("slurm-topology", tmp_path, "t.conf", text, levels=levels, **GIVEN).instance.hierarchy.levels == (
        "top",
        "leaf",
    )


@pytest.mark.parametrize(
    ("levels", "defect"),
    [
        (("a", "b"), "--levels: no source has any of a, b, and they are not as many as there are: level0"),
        (("level0", "rack"), "--levels: no source has the level 'rack'; known: level0"),
        (("node=level0",), "--levels: 'node' is a column of the tables; rename that level: new=old"),
        (("a=level0", "a"), "--levels: has the level 'a' twice"),
    ],
)
def test_wrong_levels(levels: tuple[str, ...], defect: str, tmp_path: Path) -> None:
    """Levels that no source has, or that an instance cannot have, are refused."""
    assert defect in refused("slurm-topology", tmp_path, "t.conf", "SwitchName=a Nodes=n\n", levels=levels, **GIVEN)


def test_command_line_writes_nothing(tmp_path: Path) -> None:
    """A wrong file ends with status 2 and the line, and leaves no directory; a right one ends with 0."""
    bad = write(tmp_path, "bad.conf", "SwitchName=a Switches=a\n")
    done = CliRunner().invoke(app, ["import", "slurm-topology", str(bad), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "bad.conf, line 1: 'a' is below itself: a → a" in done.stderr
    assert not (tmp_path / "out").exists()
    good = write(tmp_path, "good.conf", "SwitchName=a Nodes=n[1-2]\n")
    options = ["--kind", "H200", "--gpus-per-node", "8", "--notes", str(tmp_path / "notes")]
    done = CliRunner().invoke(app, ["import", "slurm-topology", str(good), "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 0
    assert done.stdout == f"good: 16 GPUs on 2 nodes, 0 projects: in {tmp_path / 'out'}\n"
    assert "2 notes, 0 differences: in" in done.stderr
    assert CliRunner().invoke(app, ["check", str(tmp_path / "out")]).exit_code == 0


def test_command_line_joins(tmp_path: Path) -> None:
    """Sources are joined by --join, which tells what it wants where it cannot be read."""
    tree = write(tmp_path, "t.conf", "SwitchName=a Nodes=n[1-2]\n")
    nodes = write(tmp_path, "n.json", json.dumps({"nodes": [{"name": "n1", "gres": "gpu:h200:8"}]}))
    words = ["import", "slurm-topology", str(tree), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*words, "--join", f"slurm-nodes:{nodes}"])
    assert done.exit_code == 0
    assert "node 'n2' is in slurm-topology, but not in slurm-nodes" in done.stderr
    done = CliRunner().invoke(app, [*words, "--join", str(nodes)])
    assert (done.exit_code, "must be FORMAT:FILE" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("format", "name", "text"),
    [
        (
            "kai",
            "q.yaml",
            "apiVersion: scheduling.run.ai/v2\nkind: Queue\nmetadata: {name: a}\nspec: {parentQueue: [b]}\n",
        ),
        ("topograph", "m.json", '{"blocks": 1.5, "switches": {"a": []}}'),
        ("topograph", "m.yaml", "switches: [a]\nblocks: {a: b}\n"),
        ("table", "projects.csv", "project,pool,level\n,lab,rack\n"),
        ("slurm-nodes", "n.json", '{"nodes": [{"name": "a", "gres": 3, "state": {"a": 1}, "topology": []}]}'),
        (
            "kueue",
            "k.json",
            '{"kind": "Topology", "apiVersion": "kueue.x-k8s.io/v1", "metadata": {"name": "t"}, "spec": 1}',
        ),
        ("netbox", "d.json", '{"results": [1, {"name": {"a": []}, "site": [1]}]}'),
    ],
)
def test_values_of_wrong_types(format: str, name: str, text: str, tmp_path: Path) -> None:
    """A list where a name should be, a number for a mapping and the like are no reason for anything but defects."""
    try:
        imported(format, tmp_path, name, text, **GIVEN)
    except InstanceError as error:
        assert all(str(tmp_path) in defect.file for defect in error.defects)


def test_deep_chain(tmp_path: Path) -> None:
    """Switches that hang one below the other without an end are refused, not followed."""
    text = (
        "".join(f"SwitchName=s{i} Switches=s{i + 1} Nodes=n{i}\n" for i in range(20_000))
        + "SwitchName=s20000 Nodes=n\n"
    )
    assert refused("slurm-topology", tmp_path, "t.conf", text, **GIVEN) == [
        "t.conf, line 1: under 's0' are 20000 switches one below the other, more than 64"
    ]


def test_many_unknown_children(tmp_path: Path) -> None:
    """Hints for what was meant end before they take long, and so do defects."""
    start = time.perf_counter()
    text = "".join(f"SwitchName=s{i} Switches=t[{i}-{i + 9}]\n" for i in range(5_000))
    assert len(refused("slurm-topology", tmp_path, "t.conf", text, **GIVEN)) == 1000
    assert time.perf_counter() - start < 10
