"""Tables of planners: headings in two languages, workbooks, Parquet, a mapping for whatever else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kalloc.errors import InstanceError, KallocError
from kalloc.io import import_files
from kalloc.io.importing import Imported, ImportOptions
from tests.io.importing.files import imported, places, refused, said, write
from tests.io.importing.workbooks import Rows, write_workbook

INVENTORY: Rows = [
    ["서버명", "센터", "랙", "GPU 종류", "GPU 수(장)", "소유기관", "상태"],
    ["g1", "춘천", "r1", "NVIDIA H200", 8, "정부", "정상"],
    ["g2", "춘천", "r1", "NVIDIA H200", 8.0, "정부", "점검"],
]
APPLICATIONS: Rows = [
    ["과제명", "기관", "GPU 종류", "최소", "신청 수량", "평가점수", "필수", "비고"],
    ["가", "대학", "H200", 8, "16", 91.5, "예", "a, b"],
    ["나", "기업", "H200", None, 8, 80, None, None],
]
POOLS: Rows = [["기관명", "상위기관"], ["정부", None], ["대학", "정부"], ["기업", "정부"]]


def read(path: Path, **options: Any) -> Imported:
    """Import a table."""
    return import_files("table", [path], ImportOptions(**options))


def test_korean_workbook(tmp_path: Path) -> None:
    """The sheets of a workbook are tables by their names, their columns by headings in Korean."""
    path = write_workbook(tmp_path / "b.xlsx", {"장비목록": INVENTORY, "신청 현황": APPLICATIONS, "기관": POOLS})
    result = read(path)
    instance = result.instance
    assert instance.hierarchy.levels == ("site", "rack")
    assert [(row.node, row.path, row.kind, row.gpus, row.owner, row.state) for row in instance.inventory] == [
        ("g1", ("춘천", "r1"), "H200", 8, "정부", "up"),
        ("g2", ("춘천", "r1"), "H200", 8, "정부", "down"),
    ]
    assert [(row.project, row.pool, row.merit, row.mandatory, row.note) for row in instance.projects] == [
        ("가", "대학", 91.5, True, "a, b"),
        ("나", "기업", 80.0, False, ""),
    ]
    assert [(row.project, row.kind, row.min, row.max) for row in instance.requests] == [
        ("가", "H200", 8, 16),
        ("나", "H200", 8, 8),
    ]
    assert {row.pool: row.parent for row in instance.pools} == {"정부": None, "대학": "정부", "기업": "정부"}
    sheet = "b.xlsx, sheet 신청 현황"
    assert f"{sheet}, row 3: guessed: there is no least amount: what is asked is taken as all or nothing" in said(
        result, tmp_path
    )


def test_same_in_every_form(tmp_path: Path) -> None:
    """CSV with any separator, a workbook with a title above the header and Parquet give the same."""
    lines = [
        ["host", "data center", "rack", "gpu model", "gpus"],
        ["g1", "a", "r1", "H200", "8"],
        ["g2", "a", "r2", "", "8"],
    ]
    forms = [
        write(tmp_path, f"inventory{number}.csv", "".join(mark.join(line) + "\n" for line in lines))
        for number, mark in enumerate(",;\t")
    ]
    forms.append(write_workbook(tmp_path / "w.xlsx", {"nodes": [["Our nodes"], [], *lines]}))
    columns = {head: [line[place] or None for line in lines[1:]] for place, head in enumerate(lines[0])}
    pq.write_table(pa.table({**columns, "gpus": [8, 8]}), tmp_path / "servers.parquet")
    forms.append(tmp_path / "servers.parquet")
    found = [read(path, kind="B200").instance for path in forms]
    for instance in found:
        assert [(row.node, row.path, row.kind, row.gpus) for row in instance.inventory] == [
            ("g1", ("a", "r1"), "H200", 8),
            ("g2", ("a", "r2"), "B200", 8),
        ]


def test_mapping(tmp_path: Path) -> None:
    """A mapping says which sheet is what, names columns and levels, and fills what is empty."""
    text = """\
[inventory]
sheet = "Blatt"
columns = { node = "Rechner", gpus = "Karten" }
levels = { site = "Ort", rack = "Schrank" }
defaults = { kind = "H200", owner = "lab" }

[applications]
sheet = "Antrag"
columns = { project = "Titel", max = "Karten" }
defaults = { pool = "lab", kind = "H200", min = 1, step = 1, mandatory = true }
"""
    sheets: dict[str, list[list[str | int | float | None]]] = {
        "Blatt": [["Ort", "Schrank", "Rechner", "Karten", "Farbe"], ["x", "s1", "k1", 4, "rot"]],
        "Antrag": [["Titel", "Karten"], ["T", 3]],
        "Rest": [["a", "b"], ["c", "d"]],
    }
    mapping = write(tmp_path, "map.toml", text)
    result = read(write_workbook(tmp_path / "b.xlsx", sheets), mapping=mapping)
    instance = result.instance
    assert instance.hierarchy.levels == ("site", "rack")
    assert [(row.path, row.node, row.kind, row.gpus, row.owner) for row in instance.inventory] == [
        (("x", "s1"), "k1", "H200", 4, "lab")
    ]
    assert [(row.project, row.pool, row.mandatory) for row in instance.projects] == [("T", "lab", True)]
    assert [(row.min, row.max, row.step) for row in instance.requests] == [(1, 3, 1)]
    assert said(result, tmp_path) == [
        "b.xlsx, sheet Blatt, row 1: dropped: columns that are not read: Farbe",
        "b.xlsx, sheet Rest, row 1: dropped: 'Rest' is no table that is known by its name or headings; "
        "a mapping may say what it is",
    ]


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("[inventary]\n", "map.toml: unknown table 'inventary'; did you mean 'inventory'?"),
        ("inventory = 1\n", "map.toml, column 'inventory': must be a table, begun by [inventory]"),
        ("[inventory]\nsheat = 'a'\n", "map.toml, column 'inventory.sheat': unknown key; did you mean 'sheet'?"),
        (
            "[inventory]\nsheet = '../../etc/passwd'\n",
            "map.toml, column 'inventory.sheet': names a path; give the files to import, and here the name of one "
            "without folders",
        ),
        ("[inventory]\nsheet = 'b'\n", "map.toml, column 'inventory.sheet': no sheet or file is named 'b'; known: t"),
        (
            "[inventory.columns]\nnod = 'x'\n",
            "map.toml, column 'inventory.nod': unknown column; did you mean 'node'?",
        ),
        (
            "[inventory.columns]\nnode = 3\n",
            "map.toml, column 'inventory.columns': must give a heading, as text, for each name",
        ),
        (
            "[inventory.columns]\nnode = 'hust'\n",
            "t.csv, row 1, column 'hust': there is no column 'hust'; did you mean 'host'?",
        ),
        (
            "[inventory\n",
            "map.toml, line 1: is no TOML: Expected ']' at the end of a table declaration (at line 1, column 11)",
        ),
    ],
)
def test_mapping_refused(text: str, defect: str, tmp_path: Path) -> None:
    """What a mapping says wrongly is told by its key; it opens no file of its own."""
    mapping = write(tmp_path, "map.toml", text)
    table = "host,rack,kind,gpus\na,r,H200,8\n"
    assert refused("table", tmp_path, "t.csv", table, mapping=mapping) == [defect]


def test_rows_refused(tmp_path: Path) -> None:
    """Numbers, states and flags that are none, and names that are empty, are told by row and column, all at once."""
    text = "host,rack,kind,gpus,count,state\na,r,H200,eight,,up\nb,r,H200,8,,sleeping\n,r,H200,8,1e3,\n"
    assert refused("table", tmp_path, "inventory.csv", text) == [
        "inventory.csv, row 2, column 'gpus': is not a whole number: 'eight'",
        "inventory.csv, row 3, column 'state': is a state that is not known: 'sleeping'; write up or down",
        "inventory.csv, row 4, column 'count': is not a whole number: '1e3'",
    ]
    text = "project,pool,kind,min,max,mandatory\np,,H200,8,4,\nq,lab,H200,8,eight,perhaps\n,lab,,8,8,\n"
    assert refused("table", tmp_path, "applications.csv", text) == [
        "applications.csv, row 2, column 'pool': is empty, but must be given",
        "applications.csv, row 3, column 'mandatory': must be true or false, not 'perhaps'",
        "applications.csv, row 4, column 'project': is empty, but must be given",
        "applications.csv, row 3, column 'max': is not a whole number: 'eight'",
        "applications.csv, row 4, column 'kind': is empty, but must be given",
        "applications.csv, row 2, column 'min': min 8 is over max 4",
    ]


def test_ragged_rows(tmp_path: Path) -> None:
    """A row with more cells than the header has is refused: a comma that was no separator has moved the rest."""
    text = "host,kind,gpus\na,H200,8\nb,RTX PRO 6000, new,8\nc,H200\n"
    assert refused("table", tmp_path, "inventory.csv", text, gpus_per_node=8) == [
        "inventory.csv, row 3: has 4 cells, but the header has 3",
        "inventory.csv, row 3, column 'gpus': is not a whole number: 'new'",
    ]


def test_unnamed_nodes_and_own_levels(tmp_path: Path) -> None:
    """Rows without names stand for as many nodes as they say; any column may be a level."""
    text = "quantity,colour,kind,gpus\n3,red,H200,8\n2,blue,H200,4\n"
    result = imported("table", tmp_path, "inventory.csv", text, levels=("wing=colour",))
    assert result.instance.hierarchy.levels == ("wing",)
    assert places(result) == {"None": ("blue",)}
    assert [row.count for row in result.instance.inventory] == [3, 2]
    assert result.instance.topology.names[0] == "red/n1"


def test_project_in_several_rows(tmp_path: Path) -> None:
    """A project may ask for several kinds, one a row; where its rows differ the first one counts."""
    text = "project,pool,kind,min,max,merit\np,lab,H200,8,8,2\np,lab,B200,8,8,2\np,lab,A100,8,8,3\n"
    result = imported("table", tmp_path, "applications.csv", text)
    assert [(row.project, row.merit) for row in result.instance.projects] == [("p", 2.0)]
    assert [row.kind for row in result.instance.requests] == ["H200", "B200", "A100"]
    assert (
        "applications.csv, row 4: ambiguous: project 'p' is in an earlier row with other values; those are taken"
        in said(result, tmp_path)
    )


def test_unreadable_workbooks(tmp_path: Path) -> None:
    """What is no workbook, what would unpack to gigabytes and what is no Parquet are refused."""
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x", "w") as stream,
    ):
        for _ in range(300):
            stream.write(bytes(2**20))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for name, message in (("a.xlsx", "no workbook"), ("bomb.xlsx", "larger than 128 MiB"), ("a.parquet", "no Parquet")):
        with pytest.raises(InstanceError, match=message):
            read(tmp_path / name)


def test_cells_are_not_executed(tmp_path: Path) -> None:
    """What begins as a formula, and markup, are names like any other."""
    text = 'project,pool,kind,min,max\n"=HYPERLINK(""x"")",<b>,H200,8,8\n'
    result = imported("table", tmp_path, "applications.csv", text)
    assert [(row.project, row.pool) for row in result.instance.projects] == [('=HYPERLINK("x")', "<b>")]


def test_korean_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    """A CSV file in CP949 or UTF-16, as spreadsheets write them in Korea, is read; the guess is noted."""
    text = "서버명,센터,GPU 종류,GPU 수\ng1,춘천,H200,8\n"
    for encoding in ("cp949", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        result = read(path)
        assert [(row.node, row.path, row.gpus) for row in result.instance.inventory] == [("g1", ("춘천",), 8)]
        guessed = f"{encoding}.csv: guessed: the text is not UTF-8; it is read as CP949"
        assert (guessed in said(result, tmp_path)) == (encoding == "cp949")


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    """A heading that would move the cursor of a terminal is shown in a note as it is written."""
    result = imported("table", tmp_path, "inventory.csv", "host,kind,gpus,\x1b[2J\na,H200,8,x\n")
    assert "inventory.csv, row 1: dropped: columns that are not read: \\x1b[2J" in said(result, tmp_path)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("python_calamine", "b.xlsx", "formats"),
        ("pyarrow.parquet", "b.parquet", "parquet"),
        ("yaml", "b.yaml", "formats"),
    ],
)
def test_missing_library(module: str, name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library of a format the message names the extra that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(KallocError, match=rf"pip install 'kalloc\[{extra}\]'"):
        import_files("topograph" if extra == "formats" and module == "yaml" else "table", [tmp_path / name])


def test_every_table(tmp_path: Path) -> None:
    """All tables of an instance may be sheets; what runs on nodes without names of their own is read too."""
    sheets: dict[str, Rows] = {
        "inventory": [["site", "count", "kind", "gpus", "owner"], ["a", 2, "H200", 8, "lab"]],
        "kinds": [["kind", "performance", "memory", "watts"], ["H200", 1, 141, 700]],
        "pools": [["pool", "parent", "title"], ["all", None, "Everybody"], ["lab", "all", None]],
        "quotas": [["pool", "kind", "gpus", "borrow", "lend"], ["lab", "*", 16, None, 4]],
        "caps": [["pool", "kind", "gpus"], ["lab", "H200", 8]],
        "projects": [["project", "pool", "merit", "mandatory"], ["p", "lab", 2, "no"]],
        "requests": [["project", "kind", "min", "max"], ["p", "H200", 8, 8]],
        "placed": [["project", "node", "gpus", "movable"], ["old", "a/n2", 4, "false"]],
    }
    instance = read(write_workbook(tmp_path / "b.xlsx", sheets)).instance
    assert [(row.project, row.node, row.gpus) for row in instance.placed] == [("old", "a/n2", 4)]
    assert [(row.pool, row.kind, row.gpus) for row in instance.caps] == [("lab", "H200", 8)]
    assert [(row.pool, row.gpus, row.lend) for row in instance.quotas] == [("lab", 16, 4)]
    assert instance.kinds[0].memory_gb == 141
    assert instance.pools[0].title == "Everybody"


def test_empty_names_in_every_table(tmp_path: Path) -> None:
    """A name that is missing is told by row and column, whatever the table."""
    sheets: dict[str, Rows] = {
        "inventory": [["site", "count", "kind", "gpus", "owner"], ["a", 2, "H200", 8, "lab"]],
        "kinds": [["kind", "performance"], [None, 1], [None, 2]],
        "pools": [["pool", "parent"], [None, "lab"], ["lab", None]],
        "quotas": [["pool", "kind", "gpus"], [None, "*", 16]],
        "caps": [["pool", "kind", "gpus"], ["lab", None, 8]],
        "placed": [["project", "node", "gpus"], [None, "a/n2", 4], ["p", None, 4], ["q", "a/n1", None]],
    }
    with pytest.raises(InstanceError) as caught:
        read(write_workbook(tmp_path / "b.xlsx", sheets))
    empty = [defect for defect in caught.value.defects if defect.message == "is empty, but must be given"]
    assert sorted((defect.file.partition("sheet ")[2], defect.row, defect.column) for defect in empty) == [
        ("caps", 2, "kind"),
        ("kinds", 2, "kind"),
        ("kinds", 3, "kind"),
        ("placed", 2, "project"),
        ("placed", 3, "node"),
        ("placed", 4, "gpus"),
        ("pools", 2, "pool"),
        ("quotas", 2, "pool"),
    ]


def test_far_cells(tmp_path: Path) -> None:
    """A sheet that reaches from its first cell to the last one that Excel has is refused before it is made."""
    path = write_workbook(tmp_path / "b.xlsx", {"inventory": [["host", "kind", "gpus"], ["a", "H200", 8]]})
    assert len(read(path).instance.inventory) == 1
    for place, reason in (("XFD1048576", "reach over 17,179,869,184 cells"), ("A&#49;", "at no place that there is")):
        far = tmp_path / "far.xlsx"
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(far, "w") as other:
            for name in archive.namelist():
                cell = f'<row r="9"><c r="{place}"><v>1</v></c></row></sheetData>'.encode()
                other.writestr(name, archive.read(name).replace(b"</sheetData>", cell))
        with pytest.raises(InstanceError, match=reason):
            read(far)


def test_parquet_of_one_long_text(tmp_path: Path) -> None:
    """A text that a Parquet file has once and names in every row is counted as often as it is there."""
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 5000), pa.array(["x" * 2**16]))
    pq.write_table(pa.table({"host": names, "kind": names}), tmp_path / "inventory.parquet")
    with pytest.raises(InstanceError, match="is larger than 256 MiB when it is unpacked"):
        read(tmp_path / "inventory.parquet")


def test_other_workbooks(tmp_path: Path) -> None:
    """Workbooks of other kinds are not read; the message says what to do."""
    assert refused("table", tmp_path, "a.ods", "x") == [
        "a.ods: workbooks of the kind .ods are not read; save it as .xlsx"
    ]
