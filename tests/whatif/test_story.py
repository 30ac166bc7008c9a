"""The story of a project, as it is told: what it gets, where it sits, what a better place costs, what would help."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kalloc
from kalloc.cli import app
from kalloc.instance import Hierarchy, Instance, Placed, Project
from kalloc.io import write_instance, write_result
from kalloc.plan import Plan
from kalloc.solver import Limits
from kalloc.verify import score
from kalloc.whatif.phrases import PHRASES, Language, say
from kalloc.whatif.places import better, held
from kalloc.whatif.story import story
from tests.models.small import ask, make, nodes
from tests.test_slots import seated

HALL = make(
    hierarchy=Hierarchy(levels=("rack",), weights={"rack": 10, "node": 1}),
    inventory=(nodes("r", 4, count=2), nodes("s", 4, count=2)),
    projects=tuple(Project(project=name, pool="top") for name in "abc"),
    requests=(ask("a", 8, 8), ask("b", 4, 4), ask("c", 4, 4)),
)
"""Two racks of 8: `a` fills one, `b` and `c` the other."""


def spread() -> Plan:
    """Return a plan where `a` spans both racks."""
    places = {("a", "r/n1"): 4, ("a", "s/n1"): 4, ("b", "r/n2"): 4, ("c", "s/n2"): 4}
    plan = kalloc.solve(HALL, threads=1).plan
    return Plan(plan.instance_name, plan.instance_sha256, plan.levels, plan.grants, seated(HALL, places).seats)


def test_held() -> None:
    """Level by level the domains with their GPUs, and how many it would need alone."""
    rack, node = held(HALL, spread(), "a")
    assert (rack.level, dict(rack.gpus), rack.need, rack.weight) == ("rack", {"r": 4, "s": 4}, 1, 10)
    assert (node.level, dict(node.gpus), node.need) == ("node", {"r/n1": 4, "s/n1": 4}, 2)


def test_better_place() -> None:
    """If one other moves, `a` sits in one rack: 10 less for it, nothing more for the other."""
    found = better(HALL, spread(), "a", Limits())
    assert found is not None
    assert (found.level, found.domain, found.free, dict(found.costs)) == ("rack", "r", 4, {"a": -10})
    assert better(HALL, kalloc.solve(HALL, threads=1).plan, "a", Limits()) is None


def test_better_place_at_a_cost() -> None:
    """Where only parts of two nodes are left for the other, its scattering rises by a node and a rack."""
    tight = make(
        hierarchy=HALL.hierarchy,
        inventory=(nodes("r", 4, count=2), nodes("s", 4), nodes("t", 4)),
        projects=tuple(Project(project=name, pool="top") for name in "ab"),
        requests=(ask("a", 6, 6), ask("b", 4, 4)),
        placed=(Placed(project="old", node="s/n1", gpus=2), Placed(project="old", node="t/n1", gpus=2)),
    )
    places = {("a", "r/n1"): 4, ("a", "s/n1"): 2, ("b", "r/n2"): 4}
    grants = kalloc.solve(tight, threads=1).plan.grants
    plan = seated(tight, places)
    plan = Plan(plan.instance_name, plan.instance_sha256, plan.levels, grants, plan.seats)
    found = better(tight, plan, "a", Limits())
    assert found is not None
    assert dict(found.costs) == {"a": -10, "b": 11}
    assert score(tight, plan).fragmentation + sum(found.costs.values()) == 11


def lines(instance: Instance, plan: Plan, project: str, language: Language = Language.ENGLISH) -> list[str]:
    """Return a story."""
    return [line.strip() for line in story(instance, plan, project, language) if line]


def test_story() -> None:
    """A project that is served in a scattered place hears of all that."""
    told = lines(HALL, spread(), "a")
    assert told == [
        "Project a, pool top, merit 1.",
        "Why this much",
        "full: All 8 h asked for are granted.",
        "Where it sits",
        "rack: 2, alone it would need 1: r (4), s (4)",
        "node: 2, alone it would need 2: r/n1 (4), s/n1 (4)",
        "At level rack it spans 1 more than it would need alone, at weight 10 each.",
        "The rack with most room for it has 4 of the 8 GPUs that it needs. It could sit whole in r if others moved: "
        "its scattering falls by 10, that of others rises by 0 (nobody). The plan with it was solved and keeps every "
        "rule.",
        "Without it, the largest free block of h at level rack would be 4 GPUs larger.",
        "Without it, the largest free block of h at level node would be 4 GPUs larger.",
        "What would give it more",
        "It gets all that it asked for.",
    ]


def test_several_domains_needed() -> None:
    """A project that needs two racks and sits in three hears how much the two roomiest have for it."""
    wide = make(
        hierarchy=HALL.hierarchy,
        inventory=tuple(nodes(rack, 4) for rack in "rst"),
        projects=tuple(Project(project=name, pool="top") for name in "ab"),
        requests=(ask("a", 8, 8), ask("b", 3, 3)),
    )
    plan = kalloc.solve(wide, threads=1).plan
    places = {("a", "r/n1"): 3, ("a", "s/n1"): 3, ("a", "t/n1"): 2, ("b", "t/n1"): 2, ("b", "r/n1"): 1}
    told = lines(wide, replace(plan, seats=seated(wide, places).seats), "a")
    assert "The 2 domains of level rack with most room for it have 7 of the 8 GPUs that it needs." in told


def test_story_in_korean() -> None:
    """The same story in Korean has a line for each, and every sentence ends as public notices do."""
    told = lines(HALL, spread(), "a", Language.KOREAN)
    assert len(told) == len(lines(HALL, spread(), "a"))
    assert "full: 요청하신 h 8장을 전량 배정하였습니다." in told
    assert all(line.endswith("다.") for line in told[6:] if line.endswith("."))


def test_changes_are_told() -> None:
    """A project that gets nothing hears what would serve it, at whose cost, and that it was solved."""
    short = HALL.replace(projects=(*HALL.projects, Project(project="d", pool="top", merit=0.5)))
    short = short.replace(requests=(*HALL.requests, ask("d", 2, 2)))
    told = lines(short, kalloc.solve(short, threads=1).plan, "d")
    assert "Have a merit of 2.1 or more; it has 0.5." in told
    assert any(line.startswith("Add 4 h to the nodes of top (nodes: 1)") for line in told)
    assert told[-1].startswith("Each was solved anew")


def test_a_plan_that_is_not_best() -> None:
    """Who is left out by a plan that is not best hears what the best has more and gives it, and of a tie as such."""
    plan = kalloc.solve(HALL, threads=1).plan
    without = replace(
        plan,
        grants=tuple(replace(grant, gpus=0) if grant.project == "c" else grant for grant in plan.grants),
        seats=tuple(seat for seat in plan.seats if seat.project != "c"),
    )
    said = "This plan is not the best by merit: the best has 4 more, and gives it 4 GPUs. Changes are told from there."
    assert said in lines(HALL, without, "c")
    pair = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="a", pool="top"), Project(project="b", pool="top")),
        requests=(ask("a", 4, 4), ask("b", 4, 4)),
    )
    served = seated(pair, {("b", "r/n1"): 4})
    grants = tuple(
        replace(grant, gpus=4 * (grant.project == "b")) for grant in kalloc.solve(pair, threads=1).plan.grants
    )
    assert "Another allocation of the same merit gives it 4 GPUs: it is a tie." in lines(
        pair, replace(served, grants=grants), "a"
    )


def test_one_gpu_is_no_plural() -> None:
    """One GPU is told as one, eleven and 1,001 as several."""
    told = [say("best_gives", Language.ENGLISH, gets=gets).partition(" it ")[2] for gets in (1, 11, 1001)]
    assert [text.partition(".")[0] for text in told] == ["1 GPU", "11 GPUs", "1,001 GPUs"]


@pytest.mark.parametrize("key", PHRASES)
def test_phrases(key: str) -> None:
    """Both languages have the same figures and end alike."""
    en, ko = PHRASES[key]
    names = [{n for _, n, _, _ in string.Formatter().parse(text) if n} for text in (en, ko)]
    assert {name.removesuffix("_ko") for name in names[1]} == names[0]
    assert re.search("[가-힣]", ko)
    assert en.endswith(".") == ko.endswith(".") or key == "who"
    assert not ko.endswith(".") or re.search(r"(다|names\})(\([^)]*\))?\.$", ko)


@pytest.fixture
def solved(tmp_path: Path) -> list[str]:
    """The hall and its plan as directories."""
    write_instance(HALL, tmp_path / "hall")
    write_result(kalloc.solve(HALL, threads=1), tmp_path / "plan")
    return [str(tmp_path / "hall"), str(tmp_path / "plan")]


def test_command(solved: list[str]) -> None:
    """`kalloc explain` prints the story in the language that is asked for."""
    english = CliRunner().invoke(app, ["explain", *solved, "b"])
    assert (english.exit_code, english.stdout.splitlines()[0]) == (0, "Project b, pool top, merit 1.")
    korean = CliRunner().invoke(app, ["explain", *solved, "b", "--lang", "ko"])
    assert (korean.exit_code, korean.stdout.splitlines()[0]) == (0, "과제 b (소속 풀 top, 평가 점수 1점)")


def test_command_errors(solved: list[str], tmp_path: Path) -> None:
    """An unknown project is told with the nearest name, exit 2; a plan that breaks rules is not explained, exit 1."""
    unknown = CliRunner().invoke(app, ["explain", *solved, "bb"])
    assert unknown.exit_code == 2
    assert "unknown project 'bb'; did you mean 'b'?" in unknown.stderr
    file = tmp_path / "plan" / "plan.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"gpus": 8', '"gpus": 7'), encoding="utf-8")
    broken = CliRunner().invoke(app, ["explain", *solved, "b"])
    assert broken.exit_code == 1
    assert "breaks rules" in broken.stderr and "kalloc verify" in broken.stderr


def test_no_time_for_a_better_place() -> None:
    """Where the time is up, nothing is said of what could be: only that it was not found."""
    told = "\n".join(story(HALL, spread(), "a", Language.ENGLISH, time_limit=0))
    assert "The time was up before a place in one rack was found" in told
    assert "No place in one rack" not in told
