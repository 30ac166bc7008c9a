"""A JSON document is the same instance as a directory, and its defects are told by position."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from kalloc.io import dump_json, load
from tests.io.small import as_object, defects, document, only, write


@pytest.fixture
def text(tmp_path: Path) -> str:
    """The small instance as a document."""
    return dump_json(load(write(tmp_path / "tables")))


def test_same_instance(tmp_path: Path, text: str) -> None:
    """The document of a directory, plain or packed, is the same instance down to its fingerprint."""
    plain = load(document(tmp_path, text))
    packed = tmp_path / "small.json.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert plain == load(packed) == load(tmp_path / "tables")
    assert plain.sha256 == load(tmp_path / "tables").sha256


CHANGES = [
    ('"gpus": 8, "owner": "lab"}', '"gpus": "8", "owner": "lab"}', 1, "inventory.gpus", "not a whole number: '8'"),
    ('"count": 4', '"count": true', 1, "inventory.count", "is not a whole number: True"),
    ('"count": 4', '"cuont": 4', 1, "inventory.cuont", "unknown; did you mean 'count'?"),
    ('"rack": "r1", "count"', '"rack": 1, "count"', 1, "inventory.rack", "is not a text: 1"),
    ('"mandatory": true', '"mandatory": "true"', 1, "projects.mandatory", "must be true or false, not 'true'"),
    ('"project": "old"', '"project": "old", "project": "o"', 1, "placed.project", "is given twice"),
    ('"node": "b1", "gpus": 1', '"node": "b1", "gpus": 9', 2, "placed.gpus", "9 are placed on it"),
    ('"max": 12', '"max": 1e999', 2, "requests.max", "is not a whole number: inf"),
    ('"performance": 2.25', '"performance": NaN', 2, "kinds.performance", "must be a finite number"),
    ('"quotas": [', '"quotas": [7, ', 1, "quotas", "must be an object"),
    ('"quotas"', '"qoutas"', None, "qoutas", "unknown key; did you mean 'quotas'?"),
    ('"name": "small"', '"name": "small", "name": "x"', None, "name", "is given twice"),
    ('"2026-01-28"', '"2026-13-28"', None, "as_of", "is not a date such as"),
    ('"gpus": 32}', '"gpus": -32}', None, "cap[1].gpus", "is negative: -32"),
    ('"site": 10', '"site": 10, "site": 11', None, "topology.weights.site", "is given twice"),
]


@pytest.mark.parametrize(("old", "new", "row", "column", "message"), CHANGES)
def test_value(tmp_path: Path, text: str, old: str, new: str, row: int | None, column: str, message: str) -> None:
    """A wrong value is told with its list, its position in it and its key."""
    assert old in text
    found = defects(document(tmp_path, text.replace(old, new, 1)))
    told = [(d.file, d.row, d.column) for d in found if message in d.message]
    assert told == [("small.json", row, column)], "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ("", "is empty"),
        ("[]", "must hold one JSON object"),
        ('{"name": "x",\n "kinds": [', "is no JSON at line 2, column 12"),
        ("[" * 100_000, "is no JSON that can be read"),
        ('{"name": ' + "9" * 5_000 + "}", "is no JSON that can be read"),
        ('{"name": "\0"}', "has a NUL byte at line 1, byte 11"),
    ],
)
def test_text(tmp_path: Path, spoiled: str, message: str) -> None:
    """A text that is no document is told with the line and column where it breaks."""
    assert message in only(document(tmp_path, spoiled))[3]


def test_not_utf8(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are told with their line and byte."""
    file = tmp_path / "x.json"
    file.write_bytes(b'{\n"name": "\xff"}')
    assert "is not UTF-8 at line 2, byte 10" in only(file)[3]


def test_too_large(tmp_path: Path, text: str) -> None:
    """A document over the limit is refused after no more than the limit was read, packed ones included."""
    import kalloc.io.files as files

    packed = tmp_path / "bomb.json.gz"
    with gzip.open(packed, "wb", compresslevel=1) as stream:
        for _ in range(files.MAX_DOCUMENT // files.MIB + 1):
            stream.write(b" " * files.MIB)
    assert "is larger than 128 MiB" in only(packed)[3]


@pytest.mark.parametrize("table", ["kinds", "pools", "inventory"])
def test_missing_list(tmp_path: Path, text: str, table: str) -> None:
    """A list that must be there is missed once, and nobody is told that its names are unknown."""
    held = as_object(text)
    del held[table]
    assert only(document(tmp_path, json.dumps(held))) == ("small.json", None, table, "the list is missing")
