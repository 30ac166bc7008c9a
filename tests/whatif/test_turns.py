"""What a project gets in its turn of the best ranking: by hand, and against the reference that ranks everybody."""

from __future__ import annotations

from collections import Counter

import pytest

import kalloc
from kalloc.errors import KallocError
from kalloc.instance import Instance, Limit, Objective, Project, Rate, Tier
from kalloc.solver import Limits
from kalloc.whatif.phrases import Language
from kalloc.whatif.story import story
from kalloc.whatif.turns import by_turns, changes_by_turns, enough, turn_of
from models import joint
from tests.models.policies import sow_policy
from tests.models.small import ask, deciding, make, nodes

QUEUE = make(
    inventory=(nodes("r", 4, count=3),),
    projects=tuple(Project(project=name, pool="top", merit=merit) for name, merit in (("a", 9), ("b", 7), ("c", 5))),
    requests=(ask("a", 4, 4), ask("b", 4, 8), ask("c", 4, 4)),
    limits=(Limit(limit="all", per="all", most=8),),
    rates=(Rate(limit="all", kind="h", rate=1.0),),
    objective=deciding("ranked"),
)
"""Room for twelve and a limit of eight: `a` and `b` get four each, `c` nothing."""
BEST = {("a", "h"): 4, ("b", "h"): 4}


def granted(instance: Instance) -> dict[tuple[str, str], int]:
    """Return what a solve grants."""
    return {(row.project, row.kind): row.gpus for row in kalloc.solve(instance, threads=1).plan.grants if row.gpus}


def test_by_hand() -> None:
    """From any allocation the last in line gets nothing; it needs one more merit than the one before it."""
    assert by_turns(QUEUE) and not by_turns(QUEUE.replace(objective=deciding("merit", "ranked")))
    for known in (BEST, {("c", "h"): 4}, {}):
        turn = turn_of(QUEUE, "c", known, Limits())
        assert turn is not None and turn.gets == 0 and dict(turn.granted) == BEST
    assert enough(QUEUE, "c", BEST, Limits()) == (8, 4)


def test_levers_are_decided_up_to_its_turn() -> None:
    """Four more of the limit go to `b`, who comes before; where `b` wants no more, they serve `c`."""
    content = QUEUE.replace(requests=tuple(ask(name, 4, 4) for name in "abc"))
    for instance, found in ((QUEUE, []), (content, [("limit", 4)])):
        now = turn_of(instance, "c", BEST, Limits())
        assert now is not None
        assert [(code, gets) for code, _, gets, _ in changes_by_turns(instance, "c", now, Limits())] == found


def test_story_says_who_comes_first() -> None:
    """What has to give way beside the plan is decided anew: here it goes to `b`; out of time, that is said."""
    plan = kalloc.solve(QUEUE, threads=1).plan
    told = "\n".join(story(QUEUE, plan, "c", Language.ENGLISH))
    assert "Have a merit of 8 or more; it has 5." in told
    assert "up to its turn in the ranking and proven best: it gets no more. Those before it do: b +4." in told
    short = "\n".join(story(QUEUE, plan, "c", Language.KOREAN, time_limit=0))
    assert "제한 시간 안에" in short and "평가 점수를 8점" not in short


@pytest.mark.parametrize("seed", range(12))
def test_against_the_reference(seed: int) -> None:
    """Started from a plan by another tier, every project gets what the reference's ranking gives it."""
    instance = sow_policy(seed, 4, 4, 5, 2).replace(objective=Objective(tiers=(Tier(name="ranked"),)))
    try:
        known = granted(instance.replace(objective=deciding("served")))
    except KallocError:
        pytest.skip("no plan")
    best = Counter[str]()
    for (name, _), gpus in joint.solve(instance).allocation.items():
        best[name] += gpus
    for row in instance.projects:
        turn = turn_of(instance, row.project, known, Limits())
        assert turn is None or turn.gets == best[row.project]
