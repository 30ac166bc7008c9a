"""The benchmarks: the best fit that plans are compared with, what a run is measured by, and the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalloc import score, verify
from kalloc.generate import generate
from kalloc.generate.national import FAMILIES
from kalloc.instance import Instance
from kalloc.io import load
from tests.benchmarks.cases import UncleanError, fragmentation, removed
from tests.benchmarks.fits import best_fit
from tests.benchmarks.instances import INSTANCES, committed, measured
from tests.benchmarks.measure import kalloc
from tests.benchmarks.tables import markdown, number, share
from tests.halls import granted, hall


def seats(instance: Instance) -> dict[str, dict[str, int]]:
    """Return GPUs by project and node, by best fit."""
    found: dict[str, dict[str, int]] = {}
    for seat in best_fit(instance, granted(instance)).seats:
        found.setdefault(seat.project, {})[seat.node] = seat.gpus
    return found


def test_tightest_domain() -> None:
    """The lowest domain that holds a project takes it, and of several the one with the least room."""
    instance = hall({"a": 3, "b": 2}, {"p": 16, "q": 3}, {"a/n2": 4})
    assert seats(instance) == {"p": {"b/n1": 8, "b/n2": 8}, "q": {"a/n2": 3}}


def test_split() -> None:
    """What no rack holds is split, the rack with the most room first; the last part goes where it fits best."""
    instance = hall({"a": 3, "b": 2, "c": 1}, {"p": 32})
    nodes = seats(instance)["p"]
    assert nodes == {"a/n1": 8, "a/n2": 8, "a/n3": 8, "c/n1": 8}


def test_falling_size() -> None:
    """Large projects are seated first, whatever the order of the table."""
    instance = hall({"a": 1, "b": 2}, {"small": 8, "large": 16})
    assert seats(instance) == {"large": {"b/n1": 8, "b/n2": 8}, "small": {"a/n1": 8}}


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family: str) -> None:
    """In every family of the recipe best fit seats all that fits by totals, and its plan breaks no rule."""
    instance = generate("national", 1, family=family, nodes=320)
    plan = best_fit(instance, granted(instance))
    assert verify(instance, plan) == []
    assert score(instance, plan).gpus == sum(grant.gpus for grant in plan.grants) > 0


def test_out_of_scope() -> None:
    """Best fit refuses what its rule does not speak of, rather than seat it wrongly."""
    instance = load(INSTANCES / "tiny" / "level-request")
    with pytest.raises(ValueError, match="name a level"):
        best_fit(instance, granted(instance))


def test_unclean() -> None:
    """A plan that breaks rules is not scored for a table."""
    instance = hall({"a": 1}, {"p": 8})
    with pytest.raises(UncleanError, match="hall: seated"):
        fragmentation(instance, granted(instance))


def test_removed() -> None:
    """The share that is removed is 1 at the bound, 0 at best fit, and unknown where nothing is known avoidable."""
    assert removed(100, 20, 20) == 1
    assert removed(100, 100, 20) == 0
    assert removed(100, 40, 20) == 0.75
    assert removed(20, 20, 20) is None
    assert removed(20, 20, None) is None


def test_measured() -> None:
    """A run tells the exit status, what was printed, and time and memory that a process cannot do without."""
    run = kalloc("check", "/nowhere/at/all")
    assert (run.status, run.output) == (2, "")
    assert "nowhere" in run.error
    assert run.wall > 0
    assert run.peak_mib > 5


def test_committed() -> None:
    """Every committed instance is measured."""
    found = {str(path.parent.relative_to(INSTANCES)) for path in Path(INSTANCES).rglob("instance.toml")}
    assert set(committed()) == found


def test_report() -> None:
    """The tables hold cost, tiers with bounds, and how an instance without a plan ended."""
    text = "\n".join(measured(["tiny/cap", "tiny/infeasible-mandatory"], runs=1))
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines()]
    assert ("tiny/cap, merit", "80", "80", "0 %", "every plan") in rows
    assert [row[-2:] for row in rows if row[0] == "tiny/cap"] == [("optimal", "proven")]
    assert [row[-2:] for row in rows if row[0] == "tiny/infeasible-mandatory"] == [("infeasible", "none")]


def test_numbers() -> None:
    """Whole figures have no decimals, small ones five digits, large ones one decimal."""
    assert [number(of) for of in (80.0, 0.75552, -1783.7, 35493532.44)] == ["80", "0.75552", "-1,783.7", "35,493,532.4"]


def test_markdown() -> None:
    """Columns are as wide as their widest cell; figures are marked by thousands and stand to the right."""
    rows = [("a", number(1234567)), ("bcd", share(0.0123)), ("e", number(None))]
    assert markdown(("x", "y"), rows).splitlines() == [
        "| x   |         y |",
        "| --- | --------: |",
        "| a   | 1,234,567 |",
        "| bcd |    1.23 % |",
        "| e   |         – |",
    ]
