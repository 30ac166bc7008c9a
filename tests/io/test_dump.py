"""What is written is what was there: instances survive both forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kalloc.io.dump as dump
from kalloc.errors import OutputError
from kalloc.instance import Instance, Kind, NodeGroup, Pool, Project, Request
from kalloc.io import dump_json, load, write_instance
from tests.io.small import write

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8)
WORTH = st.floats(0, 1e12)


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Instances with names and texts of every sort."""
    kind, pool = draw(NAME), draw(NAME)
    projects = draw(st.lists(NAME, unique=True, max_size=3))
    return Instance.model_validate(
        {
            "name": draw(NAME),
            "title": draw(TEXT),
            "hierarchy": {"levels": ("le vel", "r"), "weights": draw(st.sampled_from([{}, {"le vel": 3, "node": 0}]))},
            "kinds": (Kind(kind=kind, performance=draw(st.floats(1e-9, 1e9)), source=draw(TEXT)),),
            "pools": (Pool(pool=pool, title=draw(TEXT), note=draw(TEXT)),),
            "caps": ({"pool": pool, "kind": kind, "gpus": 7, "note": draw(TEXT)},),
            "inventory": (NodeGroup(path=(draw(NAME), ""), count=2, kind=kind, gpus=8, owner=pool),),
            "projects": tuple(
                Project(project=name, pool=pool, merit=draw(WORTH), mandatory=draw(st.booleans())) for name in projects
            ),
            "requests": tuple(
                Request(project=name, kind=kind, min=0, max=7, value=draw(st.none() | WORTH)) for name in projects
            ),
        }
    )


@settings(max_examples=60, deadline=None)
@given(instances())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, instance: Instance) -> None:
    """Written as tables or as a document and read again, an instance has the same fingerprint."""
    directory = tmp_path_factory.mktemp("trip")
    write_instance(instance, directory / "tables")
    (directory / "x.json").write_bytes(dump_json(instance).encode())
    assert load(directory / "tables").sha256 == instance.sha256
    assert load(directory / "x.json").sha256 == instance.sha256


def test_columns_in_use(tmp_path: Path) -> None:
    """A table has the columns that must be there and the optional ones that say something, in the fixed order."""
    write_instance(load(write(tmp_path / "a")), tmp_path / "b")
    headers = {file.stem: file.read_text().splitlines()[0].split(",") for file in (tmp_path / "b").glob("*.csv")}
    assert headers["inventory"] == ["site", "rack", "node", "count", "kind", "gpus", "owner", "state"]
    assert headers["placed"] == ["project", "node", "gpus"]
    assert headers["requests"] == ["project", "kind", "min", "max", "step", "value"]


def test_large_table_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table over the limit is written packed, the same bytes each time, and read back."""
    monkeypatch.setattr(dump, "PACK_ABOVE", 100)
    instance = load(write(tmp_path / "a"))
    write_instance(instance, tmp_path / "b")
    first = (tmp_path / "b" / "inventory.csv.gz").read_bytes()
    write_instance(instance, tmp_path / "b")
    assert (tmp_path / "b" / "inventory.csv.gz").read_bytes() == first
    assert load(tmp_path / "b").sha256 == instance.sha256


def test_foreign_files_stay(tmp_path: Path) -> None:
    """A directory with anything but an instance in it is not replaced."""
    instance = load(write(tmp_path / "a"))
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'notes.txt'"):
        write_instance(instance, tmp_path / "a")
    assert (tmp_path / "a" / "notes.txt").read_text() == "mine"
