"""Names for other systems: what fits stays, what does not is told apart, and none is given twice."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kalloc.io.exporting.names import DNS_LABEL, DNS_NAME, LABEL_VALUE, Alphabet, fit
from kalloc.io.exporting.slurm_names import ACCOUNT, GRES, HOST, SWITCH

ALPHABETS = (DNS_LABEL, DNS_NAME, LABEL_VALUE, ACCOUNT, GRES, HOST, SWITCH)
LETTERS = st.sampled_from("aAbB019 -_./:$'\"\\\n서울é")


@given(st.sampled_from(ALPHABETS), st.lists(st.text(LETTERS, max_size=80), max_size=12, unique=True))
def test_names_fit_and_differ(alphabet: Alphabet, names: list[str]) -> None:
    """Whatever the names are, each gets one that the system takes, no two the same one, and the same one next time."""
    made = fit(alphabet, [("pool", name) for name in names]).made
    assert all(alphabet.take(name) for name in made.values())
    assert len(set(made.values())) == len(made)
    assert made == fit(alphabet, [("pool", name) for name in reversed(names)]).made


def test_what_fits_stays() -> None:
    """A name that a system takes is not touched, however it looks; one that only needs small letters gets them."""
    names = fit(DNS_LABEL, [("pool", name) for name in ("a--b", "1e3", "H200", "sme_academic", "no")])
    assert [names("pool", name) for name in ("a--b", "1e3", "no")] == ["a--b", "1e3", "no"]
    assert [names("pool", name) for name in ("H200", "sme_academic")] == ["h200", "sme-academic"]
    assert names.notes == ()


def test_lost_letters() -> None:
    """Where letters are lost, or a name is too long, digits of its fingerprint keep it apart from others like it."""
    made = fit(DNS_LABEL, [("project", "서울"), ("project", "부산"), ("project", "a" * 80)]).made
    assert all(re.fullmatch(r"p-[0-9a-f]{6}", made["project", name]) for name in ("서울", "부산"))
    assert len(made["project", "a" * 80]) == 63


def test_clashes_are_told() -> None:
    """Names that would be the same are all told apart and noted; one that fits keeps its name."""
    names = fit(DNS_LABEL, [("project", "Team A"), ("project", "team a"), ("project", "team-a")])
    assert names("project", "team-a") == "team-a"
    assert re.fullmatch(r"team-a-[0-9a-f]{6}", names("project", "Team A"))
    assert names("project", "Team A") != names("project", "team a")
    [note] = names.notes
    assert "'team-a' would be a DNS label of several" in note and "'Team A'" in note and "'team a'" in note


def test_pool_and_project_of_one_name() -> None:
    """In one space of names a pool comes before a project that has the same one; what is taken is given to none."""
    names = fit(ACCOUNT, [("pool", "sme"), ("project", "sme"), ("pool", "root")], taken=["root"])
    assert names("pool", "sme") == "sme"
    assert re.fullmatch(r"sme-[0-9a-f]{6}", names("project", "sme"))
    assert re.fullmatch(r"root-[0-9a-f]{6}", names("pool", "root"))


def test_a_new_name_changes_no_other() -> None:
    """What a name becomes does not change when names come that it does not clash with."""
    few = fit(DNS_NAME, [("node", "A/b"), ("node", "서울")])
    more = fit(DNS_NAME, [("node", "x"), ("node", "A/b"), ("node", "부산"), ("node", "서울")])
    assert few.made.items() <= more.made.items()
