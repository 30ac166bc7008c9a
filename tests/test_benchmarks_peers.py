"""The peers of the benchmarks: rules that can be followed by hand, the text-book model, the local search, the table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from kalloc import score, solve, verify
from kalloc.generate import generate
from kalloc.io import load, read_plan, read_summary
from kalloc.plan import Plan
from kalloc.verify import claims
from models.placement import build
from tests.benchmarks import peers, rebalancing, textbook
from tests.benchmarks.cases import Case, UncleanError, settled
from tests.benchmarks.cases import granted as amounts
from tests.benchmarks.fits import at_random, best_fit, first_fit
from tests.benchmarks.instances import INSTANCES
from tests.benchmarks.measure import module
from tests.benchmarks.peers import Entry, table
from tests.halls import granted, hall


def nodes_of(plan: Plan) -> dict[str, dict[str, int]]:
    """Return GPUs by project and node."""
    found: dict[str, dict[str, int]] = {}
    for seat in plan.seats:
        found.setdefault(seat.project, {})[seat.node] = seat.gpus
    return found


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of a table by their first."""
    lines = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines() if "|" in line]
    return {line[0]: line[1:] for line in lines}


def test_first_fit_takes_the_first_domain() -> None:
    """First fit takes the first rack that holds a project, where best fit takes the one with the least room."""
    instance = hall({"a": 3, "b": 2}, {"q": 3, "p": 16}, {"a/n2": 4})
    assert nodes_of(first_fit(instance, granted(instance))) == {"p": {"a/n1": 8, "a/n3": 8}, "q": {"a/n2": 3}}
    assert nodes_of(best_fit(instance, granted(instance)))["p"] == {"b/n1": 8, "b/n2": 8}


def test_first_fit_splits_in_order() -> None:
    """What no rack holds fills racks in order; the last part goes to the first that holds it."""
    instance = hall({"a": 1, "b": 3, "c": 1}, {"p": 24, "q": 16})
    assert nodes_of(first_fit(instance, granted(instance))) == {
        "p": {"b/n1": 8, "b/n2": 8, "b/n3": 8},
        "q": {"a/n1": 8, "c/n1": 8},
    }


def test_random_draws_among_what_holds() -> None:
    """A project goes to any node that holds it whole and to no other; a seed draws the same again."""
    instance = hall({"a": 1, "b": 1, "c": 1}, {"p": 8}, {"b/n1": 1})
    plans = [at_random(instance, granted(instance), seed) for seed in range(20)]
    assert {node for plan in plans for node in nodes_of(plan)["p"]} == {"a/n1", "c/n1"}
    assert plans == [at_random(instance, granted(instance), seed) for seed in range(20)]


def test_random_draws_the_order() -> None:
    """A small project that is drawn first may take the room of a large one, which best fit would not let it."""
    instance = hall({"a": 1, "b": 2}, {"small": 8, "large": 16})
    plans = [at_random(instance, granted(instance), seed) for seed in range(20)]
    assert not any(verify(instance, plan) for plan in plans)
    assert {score(instance, plan).fragmentation for plan in plans} == {0, 1}


@pytest.mark.parametrize("family", ["partial", "owners", "kinds", "nvl"])
def test_rules_are_clean(family: str) -> None:
    """First fit and chance seat everybody whom best fit seats, and break no rule."""
    instance = generate("national", 1, family=family, nodes=320)
    plan = granted(instance)
    for found in (first_fit(instance, plan), at_random(instance, plan, 0)):
        assert verify(instance, found) == []
        assert amounts(found) == amounts(plan)


def case(name: str, directory: Path) -> tuple[Case, int]:
    """Return a tiny instance with the allocation of its best plan, and the fragmentation that is proven least."""
    instance = load(INSTANCES / "tiny" / name)
    result = solve(instance)
    assert result.solution == "proven"
    return settled(instance, result.plan, directory), result.fragmentation


@pytest.mark.parametrize("solver", textbook.THREADS)
@pytest.mark.parametrize("name", ["part-taken-node", "weights-decide"])
def test_textbook_is_optimal(solver: str, name: str, tmp_path: Path) -> None:
    """The text-book model ends at the proven optimum of a tiny instance, with a bound that meets it."""
    made, least = case(name, tmp_path)
    plan, solved = textbook.seat(made.instance, made.plan, solver, 10)
    assert plan is not None
    assert (made.fragmentation(plan), solved.bound, solved.proven) == (least, least, True)


def test_textbook_is_counted_before_it_is_built() -> None:
    """The number of variables is known without building them, for whole nodes and for several kinds."""
    for family in ("tight", "kinds"):
        instance = generate("national", 0, family=family, nodes=64)
        allocation = amounts(granted(instance))
        model = build(instance, allocation)
        assert model is not None
        assert textbook.size(instance, allocation) == len(model.program.problem.variables())


def options(**changes: object) -> argparse.Namespace:
    """Return what the command would take, with changes."""
    parser = argparse.ArgumentParser()
    peers.arguments(parser)
    given = parser.parse_args(["--nodes", "40", "--families", "caps", "--seconds", "2", "--textbook-seconds", "5"])
    return argparse.Namespace(**{**vars(given), **changes})


def test_report(tmp_path: Path) -> None:
    """Every method has a row, kalloc meets the text-book's optimum, and every plan that is kept passes the checker."""
    text = "\n".join(peers.report(options(plans=tmp_path, rebalancer_seconds=1.0)))
    found = rows(text)
    assert list(found)[2:] == [
        *("random", "first fit", "best fit", "rebalancer, 1 s"),
        *("text-book, CP-SAT", "text-book, SCIP", "kalloc, 2 s"),
    ]
    assert found["text-book, SCIP"][-1] == "optimal"
    assert found["text-book, SCIP"][1:3] == found["kalloc, 2 s"][1:3]
    [directory] = tmp_path.iterdir()
    instance = load(directory / "instance")
    kept = {path.parent.name: path.parent for path in directory.glob("*/plan.json")}
    assert {"random-10", "first-fit", "best-fit", "text-book-CP-SAT", "text-book-SCIP", "kalloc-2-s"} <= set(kept)
    for path in kept.values():
        assert claims(instance, read_plan(path), read_summary(path)) == []


def test_too_large_is_not_built(tmp_path: Path) -> None:
    """A text-book model beyond the limit is no run but a row that says how large it would be."""
    made, _ = case("weights-decide", tmp_path)
    entry = peers._textbook(made, "SCIP", options(textbook_variables=3))
    assert entry.note == f"not built: {textbook.size(made.instance, made.allocation)} variables"
    assert (entry.score, entry.bound, entry.wall, entry.peak) == (None, None, None, None)


def test_out_of_memory(tmp_path: Path) -> None:
    """A text-book model that outgrows its memory ends its own process, and the row says so."""
    made, _ = case("weights-decide", tmp_path)
    seated = made.keep(made.plan, "allocation")
    run = module(textbook.__name__, made.files, seated, tmp_path / "out", "SCIP", 5, 64)
    assert run.status != 0
    assert peers._failure(run) == f"more than {peers.MEMORY_MIB:,} MiB"


def test_guard() -> None:
    """A process that outlasts its guard is killed, and the row says so."""
    run = module("timeit", "-n1", "-r1", "import time; time.sleep(60)", guard=0.3)
    assert peers._failure(run) == "killed by signal 9 after 0 s"


def test_settled(tmp_path: Path) -> None:
    """What is settled is the instance itself where all is granted, else one in which only what is granted is asked."""
    instance = hall({"a": 2}, {"p": 8, "q": 8})
    assert settled(instance, best_fit(instance, granted(instance)), tmp_path / "all").instance is instance
    instance = hall({"a": 2}, {"p": 8, "q": 16})
    made = settled(instance, best_fit(instance, granted(instance)), tmp_path / "some")
    assert [row.project for row in made.instance.projects] == ["p"]
    assert made.fragmentation(made.plan) == 0
    assert load(made.files).sha256 == made.plan.instance_sha256


def test_another_allocation(tmp_path: Path) -> None:
    """A plan that gives somebody less is not compared."""
    instance = hall({"a": 2}, {"p": 8, "q": 8})
    made = settled(instance, best_fit(instance, granted(instance)), tmp_path)
    poorer = replace(made.plan, grants=(made.plan.grants[0], replace(made.plan.grants[1], gpus=0)))
    with pytest.raises(UncleanError, match="another allocation"):
        made.fragmentation(poorer)


def test_table() -> None:
    """Rows have medians with ends over the seeds; what is removed is measured by the best bound that anyone proved."""
    cases = [
        [Entry("best fit", "done", 100), Entry("a", "done", 60, 20, 1.0, 10), Entry("b", "not built", None, 30)],
        [Entry("best fit", "done", 110), Entry("a", "limit", 60, 10, 2.0, 10), Entry("b", "done", 10, 10, 9.0, 30)],
    ]
    found = rows(table(cases))
    assert found["a"] == (
        *("2 of 2", "60", "15 (10 to 20)", "53.6 % (50 to 57.1)", "1.5 (1.0 to 2.0)", "10", "done; limit"),
    )
    assert found["b"] == ("1 of 2", "10", "20 (10 to 30)", "100 %", "9.0", "30", "not built; done")


def test_inside_units() -> None:
    """Every part is seated in the unit that it is meant for, though best fit would seat it elsewhere."""
    instance = generate("national", 0, family="tight", nodes=96)
    plan = best_fit(instance, granted(instance))
    unit_of = instance.topology.domain[instance.topology.levels.index("su")]

    def parts(of: Plan) -> Counter[tuple[str, int]]:
        found: Counter[tuple[str, int]] = Counter()
        for seat in of.seats:
            found[seat.project, int(unit_of[instance.topology.node_ids[seat.node]])] += seat.gpus
        return found

    other = at_random(instance, plan, 3)
    assert parts(other) != parts(plan)
    moved = rebalancing.inside_units(instance, plan, parts(other))
    assert parts(moved) == parts(other)
    assert verify(instance, moved) == []


def test_problems() -> None:
    """Each owner's projects are a problem of their own, whose shares are in units with room, as the start has them."""
    instance = generate("national", 0, family="owners", nodes=320)
    start = best_fit(instance, granted(instance))
    problems = list(rebalancing._problems(instance, start, 60))
    assert len(problems) == len({grant.pool for grant in start.grants if grant.gpus})
    assert sum(problem["seconds"] for problem in problems) == pytest.approx(60)
    for problem in problems:
        shares = [share for group in problem["groups"].values() for share in group]
        assert sorted(shares) == sorted(share for unit in problem["assignment"].values() for share in unit)
        for unit, inside in problem["assignment"].items():
            assert len(inside) * problem["grain"] <= problem["room"][unit]


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rebalancer is not installed, the row says what it takes to have it."""
    monkeypatch.setattr(rebalancing, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    assert rebalancing.missing() == "not installed: needs Python 3.12"
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert rebalancing.missing() == 'not installed: pip install "kalloc[bench]"'


@pytest.mark.skipif(find_spec("rebalancer") is None, reason="rebalancer is not installed")
def test_rebalancer() -> None:
    """rebalancer's seats break no rule, and its best search is no worse than its start but for what units hide."""
    instance = generate("national", 0, family="tight", nodes=320)
    plan = granted(instance)
    found, run = rebalancing.rebalance(instance, plan, 2)
    assert found is not None, run.error
    assert verify(instance, found) == []
    assert amounts(found) == amounts(plan)
