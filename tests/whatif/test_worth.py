"""What one step more is worth: by hand, and parts of an instance against the whole."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest

import kalloc
from kalloc.allocate.tiers import OF_SEATS
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import (
    Budget,
    Cap,
    Guarantee,
    Instance,
    Kind,
    Limit,
    Objective,
    Pool,
    Power,
    Project,
    Quota,
    Tier,
)
from kalloc.solver import Limits
from kalloc.verify import score
from kalloc.whatif import worth as module
from kalloc.whatif.nearest import nearest, reseated
from kalloc.whatif.part import part_of
from kalloc.whatif.scatter import least_scattering
from kalloc.whatif.worth import steps_of, worth
from tests.models.policies import sow_policy
from tests.models.small import ask, make, nodes, sow

FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))


TIERS = (
    ("served", "merit"),
    ("utilisation", "served", "merit", "fragmentation"),
    ("ranked", "fragmentation"),
    ("fairness", "merit"),
    ("merit", "served"),
)


def table(instance: Instance) -> dict[tuple[str, str, str], Fraction | None]:
    """Return the merit of one step more, by rule, pool and kind."""
    return {(row.rule, row.pool, row.kind): row.tiers["merit"] for row in worth(instance)}


def test_by_hand() -> None:
    """A cap binds at merit 3, a quota at merit 5 for steps of 2 GPUs, and nodes are plenty."""
    instance = make(
        pools=FAMILY,
        caps=(Cap(pool="a", kind="h", gpus=4),),
        quotas=(Quota(pool="b", kind="*", gpus=4), Quota(pool="top", kind="h", gpus=99)),
        inventory=(nodes("r", 2, count=8),),
        projects=(Project(project="p", pool="a", merit=3), Project(project="q", pool="b", merit=5)),
        requests=(ask("p", 2, 8), ask("q", 2, 8)),
    )
    found = table(instance)
    assert found == {
        ("quota", "b", "*"): 2 * 5,
        ("quota", "top", "h"): 0,
        ("cap", "a", "h"): 2 * 3,
        ("nodes", "top", "h"): 0,
    }


def two_racks() -> Instance:
    """Return two racks of which others leave a GPU each, and p that may have one of them and asks for two."""
    return make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=1),),
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(Project(project="p", pool="a"), *(Project(project=name, pool="b", merit=9) for name in "qo")),
        requests=(ask("p", 1, 2), ask("q", 2, 2), ask("o", 2, 2)),
    )


def test_fragmentation_is_told_where_it_is_proven() -> None:
    """One GPU more for p, of which two racks with a GPU left each are all that there is: a rack and a node too many."""
    instance = two_racks()
    quota = next(worth(instance))
    assert quota.rule == "quota"
    assert dict(quota.tiers) == {"merit": Fraction(1), "fragmentation": Fraction(2)}


@pytest.mark.parametrize("seed", range(15))
def test_parts_give_what_the_whole_gives(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On random instances every step is worth the same, solved in parts or whole, where both are proven."""
    instance = sow(seed, nodes=5, gpus=4, projects=5, levels=1)
    try:
        whole = table(instance)
        monkeypatch.setattr(module, "SMALL_NODES", 0)
        parts = table(instance)
    except (InfeasibleError, NoPlanError):
        return
    assert list(whole) == list(parts)
    for key, gain in whole.items():
        assert gain is None or parts[key] is None or gain == parts[key], key


@pytest.mark.parametrize("seed", range(10))
def test_every_tier_of_parts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tiers, each step changes each of them alike, solved in parts or whole, where both are proven."""
    instance = sow(seed + 40, nodes=5, gpus=4, projects=5, levels=1)
    tiers = tuple(Tier(name=name) for name in TIERS[seed % len(TIERS)])
    instance = instance.replace(objective=Objective(tiers=tiers))
    try:
        whole = list(worth(instance))
        monkeypatch.setattr(module, "SMALL_NODES", 0)
        parts = list(worth(instance))
    except (InfeasibleError, NoPlanError):
        return
    for one, other in zip(whole, parts, strict=True):
        assert (one.rule, one.pool, one.kind, one.not_sought) == (other.rule, other.pool, other.kind, ())
        assert [name for name in other.tiers if name in OF_SEATS] == list(other.not_sought)
        for name, gain in one.tiers.items():
            assert gain is None or other.tiers[name] in (gain, None), (one.rule, name)
    told = [gain for row in parts for name, gain in row.tiers.items() if name not in OF_SEATS]
    assert not told or any(gain is not None for gain in told)


def test_policy_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large instance with policy tables and tiers before merit is solved as a whole, each tier told."""
    monkeypatch.setattr(module, "SMALL_NODES", 0)
    instance = make(
        inventory=(nodes("r", 2, count=3),),
        limits=(Limit(limit="each", per="project", kind="h", most=2),),
        guarantees=(Guarantee(guarantee="g", project="q", kind="h", gpus=4),),
        objective=Objective(tiers=(Tier(name="guarantees"), Tier(name="merit"), Tier(name="fragmentation"))),
        projects=(Project(project="p", pool="top", merit=3), Project(project="q", pool="top", merit=1)),
        requests=(ask("p", 1, 9), ask("q", 1, 9)),
    )
    limit = next(row for row in worth(instance) if row.rule == "limit")
    assert dict(limit.tiers) == {"guarantees": -2, "merit": 2, "fragmentation": None}
    assert limit.not_sought == ("fragmentation",)


def test_steps() -> None:
    """Lending and borrowing have steps only where somebody does so already; a step is a node of the kind."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=4, borrow=2), Quota(pool="b", kind="*", gpus=4)),
        inventory=(nodes("r", 4, owner="b"), nodes("r", 4, owner="b"), nodes("s", 4, state="down")),
    )
    steps = [(step.rule, step.pool, step.gpus) for step in steps_of(instance)]
    assert steps == [("quota", "a", 4), ("borrow", "a", 4), ("quota", "b", 4), ("nodes", "b", 4)]


def test_policy() -> None:
    """A node more of a limit, of a budget in won, and of power in kW, each worth what it lets through."""
    instance = make(
        kinds=(Kind(kind="h", won=100, watts=500),),
        inventory=(nodes("r", 2, count=8),),
        limits=(Limit(limit="each", per="project", kind="h", most=4),),
        budgets=(Budget(budget="year", pool="top", won=900),),
        power=(Power(power="rack", level="rack", kw=5),),
        projects=tuple(Project(project=name, pool="top", merit=3) for name in "pq"),
        requests=(ask("p", 1, 9), ask("q", 1, 9)),
    )
    found = {rule: gain for (rule, _, _), gain in table(instance).items()}
    assert found == {"limit": 3, "budget": 0, "power": 0, "nodes": 0}
    tight = instance.replace(budgets=(Budget(budget="year", pool="top", won=400),))
    found = {rule: gain for (rule, _, _), gain in table(tight).items()}
    assert found == {"limit": 0, "budget": 6, "power": 0, "nodes": 0}
    cold = instance.replace(power=(Power(power="rack", level="rack", kw=2),))
    found = {rule: gain for (rule, _, _), gain in table(cold).items()}
    assert found == {"limit": 0, "budget": 0, "power": 6, "nodes": 0}


def test_no_time() -> None:
    """Without time nothing is claimed."""
    projects = (Project(project="p", pool="top"),)
    instance = make(inventory=(nodes("r", 2),), projects=projects, requests=(ask("p", 1, 4),))
    assert [row.tiers["merit"] for row in worth(instance, 0)] == [None]


def reached(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> int:
    """Check what plans that were put together come to against plans solved whole; return how many were."""
    try:
        result = kalloc.solve(instance, threads=1)
        whole = list(worth(instance))
        monkeypatch.setattr(module, "SMALL_NODES", 0)
        parts = list(worth(instance, plan=result.plan))
    except (InfeasibleError, NoPlanError):
        return 0
    finally:
        monkeypatch.undo()
    found = 0
    for one, other in zip(whole, parts, strict=True):
        for name, beyond in other.reached.items():
            change = one.tiers[name]
            if beyond is not None and (least := other.proven.get(name)) is not None:
                assert least <= beyond
            if beyond is not None and change is not None and result.solution == "proven":
                assert beyond >= change if name == "fragmentation" else beyond <= change, (one.rule, name)
                found += 1
    return found


def test_plans_that_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a step, nobody needs more fragmentation than a plan in which only those sit anew whom it changes."""
    found = [reached(sow(seed, nodes=5, gpus=4, projects=5, levels=1), monkeypatch) for seed in range(12)]
    assert sum(found) > 20
    assert sum(reached(sow_policy(seed, 5, 4, 4, 2), monkeypatch) for seed in range(12)) > 10


@pytest.mark.long
def test_plans_that_are_put_together_on_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, on hundreds of instances."""
    assert sum(reached(sow(seed, 5, 4, 5, 1 + seed % 3), monkeypatch) for seed in range(100, 400)) > 500
    assert sum(reached(sow_policy(seed, 5, 4, 4, 2), monkeypatch) for seed in range(100, 400)) > 200


def test_who_changes_sits_anew() -> None:
    """p grows from 1 to 2 GPUs, one in each of two racks: a rack and a node too many; nobody else moves."""
    instance = two_racks()
    plan = kalloc.solve(instance, threads=1).plan
    more = instance.replace(quotas=(Quota(pool="a", kind="h", gpus=4),))
    granted = nearest(more, {(row.project, row.kind): row.gpus for row in plan.grants}, Limits())
    assert granted == {("p", "h"): 2, ("q", "h"): 2, ("o", "h"): 2}
    after = reseated(more, plan, granted)
    assert after is not None
    assert score(more, after).fragmentation == score(instance, plan).fragmentation + 2


@pytest.mark.parametrize("step", [("quota", "a", "h"), ("nodes", "top", "h")])
def test_both_sides_of_fragmentation(step: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven of the grants, and a plan that was put together: they meet where that plan is best."""
    instance = two_racks()
    plan = kalloc.solve(instance, threads=1).plan
    monkeypatch.setattr(module, "SMALL_NODES", 0)
    rows = {(row.rule, row.pool, row.kind): row for row in worth(instance, plan=plan)}
    whole = kalloc.solve(_with(instance, step), threads=1)
    change = whole.fragmentation - score(instance, plan).fragmentation
    least, most = rows[step].proven["fragmentation"], rows[step].reached["fragmentation"]
    assert least is not None and most is not None and least <= change <= most


def _with(instance: Instance, name: tuple[str, str, str]) -> Instance:
    step = next(one for one in steps_of(instance) if (one.rule, one.pool, one.kind) == name)
    return step.apply(instance)


def test_least_scattering_holds_for_the_grants() -> None:
    """Bounds of the parts add up to no more than the fragmentation of the plan that was proven best."""
    for seed in range(6):
        instance = sow(seed, 5, 4, 5, 2)
        with suppress(InfeasibleError, NoPlanError):
            result = kalloc.solve(instance, threads=1)
            found = {frozenset(part.project_of): part for part in _parts(instance)}
            least = sum(least_scattering(part, result.plan, Limits()) for part in found.values())
            assert least <= result.fragmentation


def _parts(instance: Instance) -> list[Instance]:
    return [part_of(instance, row.pool, asks=False) for row in instance.projects]
