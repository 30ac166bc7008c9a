"""Every defect of a directory is told by file, row and column, and no defect makes others up."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest

from kalloc.errors import InstanceError
from kalloc.io import load
from tests.io.small import FILES, defects, edited, only, write

CELLS = [
    ("inventory.csv", "H200,8,lab,\na,r2", "H200,eight,lab,\na,r2", 2, "gpus", "is not a whole number: 'eight'"),
    ("inventory.csv", "H200,8,lab,\na,r2", "H200,8.5,lab,\na,r2", 2, "gpus", "is not a whole number: '8.5'"),
    ("inventory.csv", "H200,8,lab,\na,r2", "H200,,lab,\na,r2", 2, "gpus", "is empty, but must be given"),
    ("inventory.csv", ",4,H200", ",0,H200", 2, "count", "must be 1 or more, not '0'"),
    ("inventory.csv", "down", "broken", 3, "state", "must be one of 'up', 'down', not 'broken'"),
    ("inventory.csv", "b1,,B200", "b1,2,B200", 4, "count", "count must be 1 or empty, not 2"),
    ("inventory.csv", ",4,H200", ",9999999,H200", 2, "count", "more than 1,000,000 nodes"),
    (
        "inventory.csv",
        "H200,8,lab,\na,r2",
        "H2000,8,lab,\na,r2",
        2,
        "kind",
        "unknown kind 'H2000'; did you mean 'H200'?",
    ),
    ("inventory.csv", "8,firm,up", "8,frim,up", 4, "owner", "unknown pool 'frim'; did you mean 'firm'?"),
    ("inventory.csv", "b,,,2", "b,r1,b1,", 5, "node", "node 'b1' is already in row 4"),
    ("inventory.csv", "a,r1", "a,r\x071", 2, "rack", "has control characters"),
    ("quotas.csv", "32,8", "-32,8", 2, "gpus", "is negative: '-32'"),
    ("quotas.csv", "firm,*,64", "firm,*,64000000000", 3, "gpus", "must be 1,000,000,000 or less"),
    ("quotas.csv", "firm,*", "lab,H200", 3, "kind", "pool 'lab', kind 'H200' is already in row 2"),
    ("quotas.csv", "lab,H200,32,8", "nation,H200,32,8", 2, "borrow", "has no parent"),
    ("kinds.csv", "2.25", "nan", 3, "performance", "must be a finite number, not 'nan'"),
    ("kinds.csv", "2.25", "0", 3, "performance", "must be more than 0, not '0'"),
    ("kinds.csv", "2.25", "fast", 3, "performance", "is not a number: 'fast'"),
    ("pools.csv", "firm,nation", "firm,nations", 4, "parent", "unknown pool 'nations'; did you mean 'nation'?"),
    ("pools.csv", "nation,\n", "nation,nation\n", 2, "parent", "the pool is above itself: nation → nation"),
    ("projects.csv", "true", "ja", 2, "mandatory", "must be true or false, not 'ja'"),
    ("projects.csv", "true", "1", 2, "mandatory", "must be true or false, not '1'"),
    ("projects.csv", "rack", "rak", 2, "level", "unknown level 'rak'; did you mean 'rack'?"),
    ("projects.csv", "q,firm", "p,firm", 3, "project", "project 'p' is already in row 2"),
    ("requests.csv", "p,H200,8,16", "p,H200,24,16", 2, "min", "min 24 is over max 16"),
    ("requests.csv", "p,H200,8,16", "p,H200,40,48", 2, "min", "over the cap of 32"),
    ("placed.csv", "n2,4", "n2,9", 2, "gpus", "node 'a/r1/n2' has 8 GPUs, and 9 are placed on it"),
    ("placed.csv", "a/r1/n2", "a/r1/n5", 2, "node", "unknown node 'a/r1/n5'; did you mean 'a/r1/n"),
    ("placed.csv", "q,b1,1", "q,a/r2/n1,1", 3, "node", "node 'a/r2/n1' is down"),
]


@pytest.mark.parametrize(("file", "old", "new", "row", "column", "message"), CELLS)
def test_cell(tmp_path: Path, file: str, old: str, new: str, row: int, column: str, message: str) -> None:
    """A wrong cell is told with its file, spreadsheet row and column, in words of a planner."""
    found = defects(write(tmp_path, edited(file, old, new)))
    told = [(d.file, d.row, d.column) for d in found if message in d.message]
    assert told == [(file, row, column)], "\n".join(map(str, found))


def test_sound(tmp_path: Path) -> None:
    """The instance that the other tests spoil is sound, so that what they see is their own doing."""
    instance = load(write(tmp_path))
    assert (len(instance.inventory), instance.projects[1].mandatory, instance.caps[0].gpus) == (4, False, 32)
    assert instance.topology.node_count == 9
    assert load(tmp_path / "instance.toml").sha256 == instance.sha256


def test_all_at_once(tmp_path: Path) -> None:
    """Defects of every sort in one instance come in one message, each in its place, and no other."""
    changes: dict[str, str | bytes | None] = {
        "kinds.csv": None,
        "pools.csv": FILES["pools.csv"] + "x,y\ny,x\n",
        "quotas.csv": FILES["quotas.csv"].replace("32,8", "-1,8").replace("firm", "fir"),
        "inventory.csv": FILES["inventory.csv"].replace("b1,,", "b1,3,").replace(",4,H200,8", ",4,H200,many"),
        "projects.csv": FILES["projects.csv"].replace("pool", "poool", 1) + "p,lab,1,true,one,\n",
        "requests.csv": FILES["requests.csv"].replace("8,16", "18,16").replace("q,B200", "z,B200"),
        "placed.csv": "",
        "extra.csv": "a,b\n",
    }
    told = {(d.file, d.row, d.column) for d in defects(write(tmp_path, changes))}
    assert told == {
        ("extra.csv", None, None),
        ("kinds.csv", None, None),
        ("pools.csv", 5, "parent"),
        ("pools.csv", 6, "parent"),
        ("quotas.csv", 2, "gpus"),
        ("quotas.csv", 3, "pool"),
        ("inventory.csv", 2, "gpus"),
        ("inventory.csv", 4, "count"),
        ("projects.csv", 1, "poool"),
        ("projects.csv", 1, "pool"),
        ("projects.csv", 4, "project"),
        ("requests.csv", 2, "min"),
        ("requests.csv", 3, "project"),
        ("placed.csv", None, None),
    }


def test_overfilled_beside_broken_inventory(tmp_path: Path) -> None:
    """A node that is overfilled is told though another row of the inventory is broken."""
    changes = edited("inventory.csv", "a,r2,,2", "a,r2,,two") | edited("placed.csv", "q,b1,1", "q,b1,10")
    told = {(d.file, d.row, d.column) for d in defects(write(tmp_path, changes))}
    assert told == {("inventory.csv", 3, "count"), ("placed.csv", 3, "gpus")}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pools.csv", "lab,nation", "lab,nation,,,"),
        ("kinds.csv", "H200,1,", "H200,one,"),
        ("projects.csv", "p,lab,2", "p,lab,-2"),
        ("inventory.csv", ",r1,,4", ",r1,,four"),
        ("quotas.csv", "lab,H200,32,8,", "lab,H200,32,8,x"),
        ("requests.csv", "q,B200,1", "q,B200,x"),
    ],
)
def test_no_follow_up(tmp_path: Path, file: str, old: str, new: str) -> None:
    """Names that a broken row declares count as known: one broken row is one defect."""
    assert only(write(tmp_path, edited(file, old, new)))[0] == file


@pytest.mark.parametrize("table", ["kinds", "pools", "inventory"])
def test_missing_table(tmp_path: Path, table: str) -> None:
    """A table that must be there is missed once, and nobody is told that its names are unknown."""
    file, row, column, message = only(write(tmp_path, {f"{table}.csv": None}))
    assert (file, row, column) == (f"{table}.csv", None, None)
    assert "the file is missing" in message


@pytest.mark.parametrize("table", ["quotas", "requests", "placed"])
def test_optional_table(tmp_path: Path, table: str) -> None:
    """The other tables may be missing."""
    assert getattr(load(write(tmp_path, {f"{table}.csv": None, "placed.csv": None})), table) == ()


HEADERS = [
    ("pools.csv", "pool,parent", "pool,parents", "parents", "unknown column; did you mean 'parent'?"),
    ("pools.csv", "pool,parent", "pool,", None, "the column at position 2 has no name"),
    ("projects.csv", "merit,mandatory", "merit,merit", "merit", "is there twice"),
    ("requests.csv", "min,max", "max,step", "min", "column is missing; the table needs project, kind, min, max"),
    ("inventory.csv", "site,rack", "site,rak", "rack", "column is missing; the table needs site, rack"),
    ("kinds.csv", "kind,performance,source", "kind;performance;source", None, "separated by commas"),
]


@pytest.mark.parametrize(("file", "old", "new", "column", "message"), HEADERS)
def test_header(tmp_path: Path, file: str, old: str, new: str, column: str | None, message: str) -> None:
    """A wrong header is told in row 1, with the column that was probably meant."""
    found = defects(write(tmp_path, edited(file, old, new)))
    told = [d for d in found if message in d.message]
    assert [(d.file, d.row) for d in told] == [(file, 1)], "\n".join(map(str, found))
    assert column is None or told[0].column == column


TEXTS = [
    ("pools.csv", b"", None, None, "is empty; it must begin with the columns pool"),
    ("pools.csv", "pool\nnation\nlab\nfirm".encode("utf-16"), None, None, "is UTF-16"),
    ("pools.csv", b"pool,title\nnation,\nlab,\xff\xfe\nfirm,\n", 3, None, "is not UTF-8 at byte 5"),
    ("pools.csv", b"pool,title\nnation,\nlab,a\0b\nfirm,\n", 3, None, "has NUL bytes"),
    ("pools.csv", b"pool,title\nnation,\n\nlab,x,y\nfirm,\n", 4, None, "has 3 cells, but the header has 2"),
    ("pools.csv", b"pool,title\nnation\nlab,\nfirm,\n", 2, None, "has 1 cells, but the header has 2"),
    ("pools.csv", b'pool,title\nnation,\nlab,"' + b"x\n" * 90_000, 3, None, "is a quotation mark left open?"),
    ("pools.csv", b"pool,title\nnation,\nlab,\nfirm," + b"x" * 20_000 + b"\n", 4, "title", "longer than 10,000"),
    ("pools.csv", b"pool,title\nnation," + b"x" * 3_000_000 + b"\nlab,\nfirm,\n", 2, "title", "longer than 1,048,576"),
]


@pytest.mark.parametrize(("file", "data", "row", "column", "message"), TEXTS)
def test_bytes(tmp_path: Path, file: str, data: bytes, row: int | None, column: str | None, message: str) -> None:
    """Bytes that are no table are told with their row, and rows that can be read are still known."""
    found = only(write(tmp_path, {file: data, "quotas.csv": None}))
    assert found[:3] == (file, row, column)
    assert message in found[3]


def test_spreadsheet_habits(tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, quoted cells and rows of empty cells are read as they are meant."""
    rows = [
        "\ufeffpool,parent,title",
        "",
        'nation,,"a ""big"", land"',
        ",,",
        ' lab ,nation,"two\r\nlines"',
        "firm,nation,",
    ]
    instance = load(write(tmp_path, {"pools.csv": "\r\n".join(rows).encode()}))
    assert [row.pool for row in instance.pools] == ["nation", "lab", "firm"]
    assert instance.pools[1].title == "two\r\nlines"


def test_giant_field(tmp_path: Path) -> None:
    """A cell of 40 MB is told with its row and column, the rest is read, and the memory stays small."""
    import tracemalloc

    path = write(tmp_path)
    with (path / "projects.csv").open("ab") as stream:
        stream.write(b"big,lab,1,true,one,")
        for _ in range(40):
            stream.write(b"x" * 1_000_000)
        stream.write(b"\nlast,lob,1,true,one,\n")
    tracemalloc.start()
    told = {(d.row, d.column) for d in defects(path)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == {(4, "level"), (5, "pool")}
    assert peak < 20_000_000


def test_packed(tmp_path: Path) -> None:
    """A table may be packed by gzip, and is the same instance; a broken pack is told."""
    plain = load(write(tmp_path)).sha256
    (tmp_path / "inventory.csv").unlink()
    packed = tmp_path / "inventory.csv.gz"
    packed.write_bytes(gzip.compress(FILES["inventory.csv"].encode()))
    assert load(tmp_path).sha256 == plain
    packed.write_bytes(packed.read_bytes()[:-12])
    assert only(tmp_path)[0] == "inventory.csv.gz"
    write(tmp_path)
    assert "keep one of them" in " ".join(d.message for d in defects(tmp_path))


TOMLS = [
    ("name =", "nam =", "nam", "unknown; did you mean 'name'?"),
    ('"small"', "7", "name", "is not a text: 7"),
    ("2026-01-28", '"soon"', "as_of", "is not a date such as 2026-01-28: 'soon'"),
    ("format = 1", "format = 2", "format", "must be one of 1, not 2"),
    ("site = 10", "sight = 10", "topology.weights", "unknown level 'sight'; did you mean 'site'?"),
    ("site = 10", "site = -1", "topology.weights.site", "is negative: -1"),
    ("weights =", "wights =", "topology.wights", "unknown; did you mean 'weights'?"),
    ('"merit", "f', '"merit", "merit", "f', "objective.tiers[2]", "tier 'merit' is listed twice"),
    ('"fragmentation"', '"fairnes"', "objective.tiers[2].name", "must be one of"),
    ("gpus = 32", "gpus = 32.5", "cap[1].gpus", "is not a whole number: 32.5"),
    ('pool = "lab"', 'pool = "lap"', "cap[1].pool", "unknown pool 'lap'; did you mean 'lab'?"),
    ("[[cap]]", "[cap]", "cap", "must be a list of tables"),
    ('"rack"', '"node"', "topology.levels", "'node' always follows"),
    ('"rack"', '"gpus"', "topology.levels", "is a column of the tables"),
]


@pytest.mark.parametrize(("old", "new", "column", "message"), TOMLS)
def test_toml(tmp_path: Path, old: str, new: str, column: str, message: str) -> None:
    """A wrong key of instance.toml is told with its path."""
    found = defects(write(tmp_path, edited("instance.toml", old, new)))
    told = [(d.file, d.row, d.column) for d in found if message in d.message]
    assert told == [("instance.toml", None, column)], "\n".join(map(str, found))


def test_toml_syntax(tmp_path: Path) -> None:
    """TOML that cannot be read is told with its line; the tables are still judged, their levels taken as they are."""
    changes = edited("instance.toml", '"small"', "small") | edited("kinds.csv", "2.25", "x")
    found = defects(write(tmp_path, changes))
    assert [(d.file, d.column) for d in found] == [("instance.toml", None), ("kinds.csv", "performance")]
    assert "line 2: is no TOML" in found[0].message


def test_no_instance(tmp_path: Path) -> None:
    """A path that is no instance is told as such: missing, a file of another sort, a loop of links, a name with NUL."""
    (tmp_path / "plan.txt").write_text("x")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    assert "No such file" in only(tmp_path / "nowhere")[3]
    assert "give a directory with instance.toml" in only(tmp_path / "plan.txt")[3]
    assert "cannot be read" in only(tmp_path / "loop.json")[3]
    assert "cannot be read" in only(Path("a\0b"))[3]
    assert "the file is missing" in defects(tmp_path)[0].message


@pytest.mark.parametrize("name", ["projects.csv", "instance.toml"])
def test_not_a_regular_file(tmp_path: Path, name: str) -> None:
    """A pipe, a folder or a loop of links in a file's place is told, and never waited for."""
    path = write(tmp_path)
    for make in (Path.mkdir, lambda file: os.mkfifo(file), lambda file: file.symlink_to(file)):
        (path / name).unlink() if not (path / name).is_dir() else (path / name).rmdir()
        make(path / name)
        assert name in {d.file for d in defects(path)}


def test_unknown_names_stay_fast(tmp_path: Path) -> None:
    """Thousands of unknown names are all told, though only the first get a hint."""
    requests = "project,kind,min,max\n" + "".join(f"nobody-{i},H200,1,8\n" for i in range(3_000))
    projects = "project,pool\n" + "".join(f"somebody-{i},lab\n" for i in range(3_000))
    found = defects(write(tmp_path, {"requests.csv": requests, "projects.csv": projects, "placed.csv": None}))
    assert len(found) == 3_000
    assert "did you mean" in found[0].message


def test_message_holds_all(tmp_path: Path) -> None:
    """The message of the error counts the defects and lists each of them."""
    changes = edited("kinds.csv", "2.25", "x") | edited("pools.csv", "firm,nation", "firm,nations")
    with pytest.raises(InstanceError, match=r"(?s)2 defects.*kinds.csv, row 3.*pools.csv, row 4"):
        load(write(tmp_path, changes))


SCRAPS = [
    b"",
    b",",
    b"\n",
    b'"',
    b"\xff",
    b"\0",
    b"-1",
    b"1e400",
    b"nan",
    b"lab",
    b"H200",
    b"[",
    b"=",
    b"node",
    b"9" * 5_000,
]


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with a scrap put in, in place of some of them."""
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.choice(SCRAPS) + data[start + chance.choice([0, 1, 3, 20]) :]


@pytest.mark.parametrize("seed", range(3))
def test_mangled(tmp_path: Path, seed: int) -> None:
    """Whatever a file holds, loading ends in an instance or in an InstanceError, and in nothing else."""
    chance = random.Random(seed)
    refused = 0
    for _ in range(60):
        name = chance.choice(list(FILES))
        try:
            load(write(tmp_path, {name: mangled(FILES[name].encode(), chance)}))
        except InstanceError as error:
            refused += len(error.defects) > 0
    assert refused > 30


def test_constructor_says_the_same(tmp_path: Path) -> None:
    """An instance that is made of rows is judged by the same checks, in the same words, as one that is read."""
    changes = edited("quotas.csv", "lab,H200", "lap,H200") | edited("placed.csv", "q,b1,1", "q,b1,10")
    read = defects(write(tmp_path, changes))
    sound = load(write(tmp_path))
    first, second = sound.placed
    with pytest.raises(InstanceError) as caught:
        sound.replace(
            quotas=(sound.quotas[0].model_copy(update={"pool": "lap"}), *sound.quotas[1:]),
            placed=(first, second.model_copy(update={"gpus": 10})),
        )
    assert list(caught.value.defects) == read
    assert [(d.file, d.row, d.column) for d in read] == [("quotas.csv", 2, "pool"), ("placed.csv", 3, "gpus")]
