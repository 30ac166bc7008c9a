"""The whole flow as a library: notes of the tiny instances, limits, stops, silence, and the same plan again."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError, PlanRejectedError
from kalloc.instance import Instance, Objective, Project
from kalloc.place.seating import NoRoomError
from kalloc.plan import Progress, Result
from kalloc.verify import Violation, claims, verify
from tests.engine.hard import endless, full
from tests.halls import halves
from tests.instances.places import INSTANCES
from tests.instances.test_tiny import INFEASIBLE, SOLVED, exact, note
from tests.models.small import ask, make, nodes, sow

SOON = 1.0
"""Seconds within which a solve ends once it is told to; a loaded machine gets as much again.

Seconds are those of the processor, so that others who need it do not matter.
"""


def clean(instance: Instance, result: Result) -> bool:
    """Tell whether the plan keeps every rule and its summary says what is true of it."""
    return verify(instance, result.plan) == [] and claims(instance, result.plan, result.summary()) == []


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.name)
def test_tiny_reaches_the_optimum_of_its_note(path: Path) -> None:
    """Every tier, the shares and the allocation are those derived by hand, and proven."""
    told, instance = note(path), kalloc.load(path)
    result = kalloc.solve(instance, threads=1)
    granted: dict[str, dict[str, int]] = {}
    for grant in result.plan.grants:
        if grant.gpus:
            granted.setdefault(grant.project, {})[grant.kind] = grant.gpus
    assert [tier.value for tier in result.tiers] == [float(exact(told[tier.name])) for tier in result.tiers]
    shares = [share for tier in result.tiers for share, count in tier.profile for _ in range(count)]
    assert shares == [float(exact(share)) for share in told.get("profile", [])]
    assert [(tier.bound, tier.given) for tier in result.tiers] == [(tier.value, None) for tier in result.tiers]
    assert (result.solution, result.termination) == ("proven", "optimal")
    assert granted == told["allocation"]
    assert clean(instance, result)


@pytest.mark.parametrize("path", INFEASIBLE, ids=lambda path: path.name)
def test_tiny_without_a_plan_names_the_clash_of_its_note(path: Path) -> None:
    """The clash names just the rules and projects of the note."""
    told = note(path)["clash"]
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(kalloc.load(path), threads=1)
    rules = sorted({sentence.split(":")[0] for sentence in caught.value.clash})
    assert rules == told["rules"]
    named = [sentence for sentence in caught.value.clash if sentence.startswith("mandatory")]
    assert [sentence.split("'")[1] for sentence in named] == told["projects"]


def test_first_call_is_solved_to_the_end() -> None:
    """The first call of 2026: all 542 nodes are given, both tiers are proven, nothing is scattered."""
    instance = kalloc.load(INSTANCES / "korea-2026-call1")
    result = kalloc.solve(instance, threads=1)
    assert result.tiers[0].bound == result.tiers[0].value and result.solution == "proven"
    assert (result.fragmentation, result.gpus["allocated"]) == (0, 4336)
    assert clean(instance, result)


def test_instance_stays_as_it_is() -> None:
    """Solving changes nothing in the instance, neither its rows nor its arrays."""
    instance = sow(11, nodes=8, gpus=8, projects=5, levels=3)
    before = instance.model_dump_json()
    arrays = [instance.topology.group.copy(), *(domain.copy() for domain in instance.topology.domain)]
    kalloc.solve(instance, threads=1)
    assert instance.model_dump_json() == before
    after = [instance.topology.group, *instance.topology.domain]
    assert all((one == other).all() for one, other in zip(arrays, after, strict=True))


def test_library_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed on standard output or standard error, by kalloc or by a solver's own code."""
    kalloc.solve(full(racks=4), time_limit=2, threads=1)
    with pytest.raises(InfeasibleError):
        kalloc.solve(kalloc.load(INFEASIBLE[0]))
    assert capfd.readouterr() == ("", "")


def test_progress_tells_stages_in_order() -> None:
    """Seconds never go back, bounds never pass values, and the last word is that of the result."""
    heard: list[Progress] = []
    result = kalloc.solve(full(racks=4), threads=1, on_progress=heard.append)
    assert [heard[0].stage, heard[-1].stage] == ["allocate", "done"]
    assert [one.seconds for one in heard] == sorted(one.seconds for one in heard)
    assert (heard[-1].incumbent, heard[-1].bound) == (result.fragmentation, result.fragmentation_bound)
    places = [one for one in heard if one.stage == "place" and one.bound is not None]
    assert all(one.incumbent is not None and one.bound is not None and one.bound <= one.incumbent for one in places)
    scores = [score for _, score, _ in result.curve]
    assert scores == sorted(scores, reverse=True) and scores[-1] == result.fragmentation


@pytest.mark.parametrize("after", [0.6, 1.5])
def test_stop_ends_within_a_second_with_the_best_plan(after: float) -> None:
    """An event that is set in the middle of the work ends it soon; the plan is verified and its bounds hold."""
    instance, stop, told = endless(), threading.Event(), list[float]()

    def say(began: float) -> None:
        while time.process_time() - began < after:
            time.sleep(0.01)
        told.append(time.process_time())
        stop.set()

    timer = threading.Thread(target=say, args=(time.process_time(),))
    timer.start()
    result = kalloc.solve(instance, time_limit=60, threads=1, stop=stop)
    assert time.process_time() - told[0] < 2 * SOON
    assert (result.termination, result.solution) == ("interrupted", "feasible")
    assert clean(instance, result)
    timer.join()


def test_stop_before_anything_is_known() -> None:
    """Where no plan is known yet there is none to return: the error says so, at once."""
    stop = threading.Event()
    stop.set()
    began = time.process_time()
    with pytest.raises(NoPlanError, match="limits"):
        kalloc.solve(endless(), stop=stop)
    assert time.process_time() - began < 2 * SOON


@pytest.mark.parametrize("heard", range(1, 7))
def test_stop_at_any_word_of_progress(heard: int) -> None:
    """Wherever a stop falls in two zones laid, fitted, packed and bounded, the plan is whole and no worse than laid."""
    instance, stop, told = halves(), threading.Event(), list[Progress]()

    def listen(progress: Progress) -> None:
        told.append(progress)
        if len(told) == heard:
            stop.set()

    result = kalloc.solve(instance, threads=1, stop=stop, on_progress=listen)
    assert clean(instance, result)
    assert result.gpus["allocated"] == result.gpus["requested"]
    laid = next(one.incumbent for one in told if one.stage == "place")
    assert laid is not None and result.fragmentation <= laid


def test_stop_seeks_no_other_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once somebody says stop, what could not be seated is not decided again: there is no plan, and that is said."""
    stop = threading.Event()

    def refuse(*_: object) -> None:
        raise NoRoomError("a")

    monkeypatch.setattr("kalloc.solving.placing.seat_all", refuse)
    monkeypatch.setattr("kalloc.solving.placing.allocate_fewer", lambda *_: pytest.fail("decided again"))
    with pytest.raises(NoPlanError, match="seated"):
        kalloc.solve(kalloc.load(INSTANCES / "tiny/level-request"), stop=stop, on_progress=lambda _: stop.set())


def test_time_limit_is_kept() -> None:
    """A solve that would take longer ends at its limit, with a plan, its bounds, and the reason."""
    instance = endless()
    began = time.monotonic()
    result = kalloc.solve(instance, time_limit=1.5, threads=1)
    assert time.monotonic() - began < 1.5 + 2 * SOON
    assert result.termination == "time_limit" and clean(instance, result)


def test_no_time_at_all() -> None:
    """Without any time there is no plan, and no traceback of a solver either."""
    with pytest.raises(NoPlanError, match="more time"):
        kalloc.solve(endless(), time_limit=0)


def test_no_time_limit() -> None:
    """None stands for no limit: an instance that ends by itself ends by itself."""
    assert kalloc.solve(sow(3, nodes=6, gpus=4, projects=4, levels=2), time_limit=None).solution == "proven"


def test_threads_at_once_give_what_each_gives_alone() -> None:
    """Eight solves in four threads of one process: each plan is that of the same instance solved alone."""
    seeds = [seed for seed in range(40) if _soluble(seed)][:8]
    many = [sow(seed, nodes=6, gpus=4, projects=4, levels=2) for seed in seeds]
    alone = [kalloc.solve(instance, threads=1).plan for instance in many]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda instance: kalloc.solve(instance, threads=1).plan, many))
    assert together == alone and len(many) == 8


def _soluble(seed: int) -> bool:
    try:
        kalloc.solve(sow(seed, nodes=6, gpus=4, projects=4, levels=2), threads=1)
    except InfeasibleError:
        return False
    return True


@pytest.mark.parametrize("seed", [0, 7])
def test_same_plan_again(seed: int) -> None:
    """The same instance, seed and threads give the same plan and the same summary but for times."""
    instance = full(racks=4)
    first, second = (kalloc.solve(instance, seed=seed, threads=1) for _ in range(2))
    assert first.plan == second.plan
    assert first.tiers == second.tiers and first.levels == second.levels


def test_frames_have_the_columns_of_the_files() -> None:
    """Allocations have a row per request, placements a row per project and node; GPUs agree."""
    instance = kalloc.load(INSTANCES / "tiny" / "mixed-kinds")
    result = kalloc.solve(instance, threads=1)
    allocations, placements = result.plan.allocations, result.plan.placements
    assert len(allocations) == len(instance.requests)
    assert list(placements.columns) == ["project", "kind", *instance.hierarchy.levels, "node", "gpus"]
    assert placements["gpus"].sum() == allocations["gpus"].sum() == result.gpus["allocated"]


def test_anytime_curve_ends_with_the_result() -> None:
    """One row a point, numbers as numbers; no bound is known at first, and the last row is that of the result."""
    result = kalloc.solve(full(racks=4), threads=1)
    frame = result.anytime
    assert list(frame.columns) == ["seconds", "score", "bound"]
    assert [str(kind) for kind in frame.dtypes] == ["float64", "int64", "Int64"]
    assert list(zip(frame["seconds"], frame["score"], strict=True)) == [point[:2] for point in result.curve]
    assert frame["seconds"].is_monotonic_increasing
    assert frame["bound"].isna().tolist() == [bound is None for _, _, bound in result.curve]
    assert frame["bound"].isna().iloc[0]
    last = frame.iloc[-1]
    assert (last["score"], last["bound"]) == (result.fragmentation, result.fragmentation_bound)
    assert replace(result, curve=()).anytime.empty


def test_summary_is_json() -> None:
    """The summary is plain data: what is printed is read back as it was."""
    summary = kalloc.solve(full(racks=2), threads=1).summary()
    assert json.loads(json.dumps(summary)) == summary


def test_one_tier_alone() -> None:
    """With merit as the only tier that tier alone is reported, and fragmentation is still counted and bounded."""
    instance = full(racks=2).replace(objective=Objective(tiers=("merit",)))
    result = kalloc.solve(instance, threads=1)
    assert [tier.name for tier in result.tiers] == ["merit"]
    assert result.solution == "proven" and clean(instance, result)


def test_nothing_to_decide() -> None:
    """Without projects the empty plan is proven best; nodes that are all down serve nobody."""
    empty = kalloc.solve(make(inventory=(nodes("r", 4),)), threads=1)
    assert (empty.plan.seats, empty.solution) == ((), "proven")
    down = make(
        inventory=(nodes("r", 4, state="down"),),
        projects=(Project(project="p", pool="top"),),
        requests=(ask("p", 1, 4),),
    )
    result = kalloc.solve(down, threads=1)
    assert (result.plan.grants[0].gpus, result.plan.grants[0].reason, result.solution) == (0, "no_nodes", "proven")


def test_plan_that_fails_its_check_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the checker finds is a bug of kalloc, reported as one."""
    monkeypatch.setattr("kalloc.solving.concluding.verify", lambda *_: [Violation("room", "node 'n' is overfull")])
    with pytest.raises(PlanRejectedError, match=r"bug[\s\S]*room: node 'n' is overfull"):
        kalloc.solve(full(racks=2), threads=1)
