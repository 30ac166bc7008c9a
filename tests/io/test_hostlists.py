"""Host lists: written as Slurm does, read back as they were, and never longer than allowed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalloc.io.hostlists import HostListError, compress, expand

LETTERS = st.text("abz-_.", min_size=1, max_size=3)
NUMBERS = st.from_regex(r"[0-9]{1,4}", fullmatch=True)
NAMES = st.lists(st.one_of(LETTERS, NUMBERS), min_size=1, max_size=4).map("".join)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("a", ["a"]),
        ("g[001-003]", ["g001", "g002", "g003"]),
        ("g[9-11]", ["g9", "g10", "g11"]),
        ("g[09-11,20]", ["g09", "g10", "g11", "g20"]),
        ("g[98-101]", ["g98", "g99", "g100", "g101"]),
        ("r[1-2]n[1-2]-ib", ["r1n1-ib", "r1n2-ib", "r2n1-ib", "r2n2-ib"]),
        ("b, a[1-2] ,c,", ["b", "a1", "a2", "c"]),
        ("[1-2]", ["1", "2"]),
        ("x[1-2][3-4]", ["x13", "x14", "x23", "x24"]),
    ],
)
def test_expand(text: str, names: list[str]) -> None:
    """Ranges keep their padding, the last bracket counts fastest, white space around names is no part of them."""
    assert expand(text) == names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["g001", "g002", "g003", "g007"], "g[001-003,007]"),
        (["g9", "g10"], "g[9-10]"),
        (["g09", "g10", "g010"], "g[09-10,010]"),
        (["a", "b", "a"], "a,b,a"),
        (["r1n1", "r1n2", "r2n1", "r2n2"], "r[1-2]n[1-2]"),
        (["r1n1", "r2n1"], "r[1-2]n1"),
        (["r1n1", "r2n1", "r1n2", "r2n2"], "r[1-2]n1,r[1-2]n2"),
    ],
)
def test_compress(names: list[str], text: str) -> None:
    """Neighbours that differ in one number become one element, and elements that do become one again."""
    assert compress(names) == text


@given(st.lists(NAMES, max_size=30))
def test_what_is_compressed_expands_to_the_same(names: list[str]) -> None:
    """Reading undoes writing, with every name, repeated or not, in its place."""
    assert expand(compress(names)) == names


@given(LETTERS, st.integers(0, 2000), st.integers(1, 300), st.integers(1, 6), st.integers(1, 3))
def test_rows_of_numbers_are_short(prefix: str, first: int, count: int, width: int, racks: int) -> None:
    """Racks of nodes numbered in a row are one element, however many there are."""
    rack = f"{prefix}R"
    names = [f"{rack}{r}n{n:0{width}d}" for r in range(racks) for n in range(first, first + count)]
    assert "," not in compress(names)
    assert expand(compress(names), limit=racks * count) == names


@given(st.text("ab01[]-, ", max_size=20))
def test_any_text(text: str) -> None:
    """Any text is a list of names that can be written again, or is refused with a reason."""
    try:
        names = expand(text, limit=1000)
    except HostListError as error:
        assert str(error)
        return
    assert len(names) <= 1000
    assert expand(compress(names)) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n[1-1000000000]", "'n[1-1000000000]' makes 1,000,000,000 hosts, more than 1,000,000"),
        ("a,n[1-999999],b", "'b' makes 1,000,001 hosts, more than 1,000,000"),
        ("[0-999]" * 3, "makes 1,000,000,000 hosts"),
        ("n[1-99999999999999999999]", "a number of more than 18 digits"),
        ("n" * 201, "a name of more than 200 characters"),
        ("[1-1]" * 201, "a name of more than 200 characters"),
        ("n[3-1]", "'n[3-1]' has a range that ends before it begins: 3-1"),
        ("n[1-3", "'n[1-3' has a bracket that is not closed"),
        ("n1-3]", "'n1-3]' has a bracket that does not belong there"),
        ("n[[1]]", "'n[[' has a bracket that does not belong there"),
        ("n[]", "'n[]' has '' in brackets, which is no number and no range"),
        ("n[a-b]", "has 'a-b' in brackets"),
        ("n[0-10:2]", "has '0-10:2' in brackets"),
        ("n[1-٣]", "in brackets, which is no number"),
        ("a b", "'a b' has white space in it; names are separated by commas"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What is no host list, or too long a one, is refused at once with what is wrong."""
    start = time.perf_counter()
    with pytest.raises(HostListError) as caught:
        expand(text)
    assert reason in str(caught.value)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["", "a b", "a[1]", "a,b"])
def test_unfit_names(name: str) -> None:
    """A name that a host list would not give back is refused."""
    with pytest.raises(HostListError, match="cannot stand in a host list"):
        compress(["a1", name])
