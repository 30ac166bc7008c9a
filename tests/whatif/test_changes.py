"""Changes that would serve a project: each kind of lever on an instance made for it, and confirmed from outside."""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction

import pytest

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Cap, Instance, Kind, Placed, Pool, Project, Quota
from kalloc.solver import Limits
from kalloc.whatif.changes import Change, changes_for
from kalloc.whatif.levers import levers_of
from tests.models.small import ask, make, nodes, sow

PAIR = (Kind(kind="h"), Kind(kind="b", performance=2))
FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))
P, Q = Project(project="p", pool="a", merit=2), Project(project="q", pool="b", merit=9)


def found(instance: Instance, project: str = "p") -> dict[str, Change]:
    """Return the changes for a project by their code."""
    changes = changes_for(instance, project, Limits())
    assert changes.complete
    return {change.code: change for change in changes.found}


def test_cap() -> None:
    """A cap of 4 where 6 are asked in steps of 2: 2 more give 2 more; the quota beside it allows no more than that."""
    instance = make(
        pools=FAMILY,
        caps=(Cap(pool="a", kind="h", gpus=4),),
        quotas=(Quota(pool="a", kind="h", gpus=6),),
        inventory=(nodes("r", 8),),
        projects=(P,),
        requests=(ask("p", 2, 8, step=2),),
    )
    cap = found(instance)["cap"]
    assert (cap.gpus, cap.gets, cap.least, dict(cap.lose)) == (2, 6, True, {})
    assert cap.facts == {"pool": "a", "what": "h", "what_ko": "h", "was": 4, "now": 6, "gpus": 2}


def test_quota_behind_others() -> None:
    """The first 4 more go to those who add more by a GPU; with 6 more the project fits, too, and 5 do not do."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="*", gpus=2),),
        inventory=(nodes("r", 16),),
        projects=(P, Project(project="o", pool="a", merit=5), Project(project="u", pool="a", merit=4)),
        requests=(ask("p", 2, 2), ask("o", 1, 3), ask("u", 3, 3)),
    )
    changes = found(instance)
    assert (changes["quota"].gpus, changes["quota"].gets, changes["quota"].least) == (6, 2, True)
    assert changes["quota"].merit == 5 + 3 * 4 + 2 * 2


def test_merit_and_price() -> None:
    """To displace 5 GPUs of merit 9 by 2 of its own a project needs more than 22.5, and serving it costs 41."""
    instance = make(
        pools=FAMILY, inventory=(nodes("r", 5),), projects=(P, Q), requests=(ask("p", 2, 2), ask("q", 5, 5))
    )
    changes = found(instance)
    assert changes["merit"].facts == {"was": 2.0, "now": 23.0}
    assert changes["merit"].least
    assert (changes["must"].facts["cost"], dict(changes["must"].lose)) == (Fraction(41), {"q": 5})


def test_level() -> None:
    """Two racks of 3 hold 5 together: without the level it is served, confirmed with seats."""
    instance = make(
        pools=FAMILY,
        inventory=(nodes("r", 3), nodes("s", 3)),
        projects=(P.model_copy(update={"level": "rack"}),),
        requests=(ask("p", 5, 5),),
    )
    changes = found(instance)
    assert (changes["no_level"].gets, changes["no_level"].gpus) == (5, None)
    assert changes["min"].facts == {"kind": "h", "was": 5, "now": 3}
    assert changes["min"].gpus == 2


def test_kinds() -> None:
    """Another kind that serves it, both kinds together, and one node more."""
    instance = make(
        kinds=PAIR,
        pools=FAMILY,
        inventory=(nodes("r", 4), nodes("r", 4, kind="b"), nodes("s", 4, kind="b")),
        projects=(P, Q),
        requests=(ask("p", 4, 4), ask("q", 4, 4)),
    )
    assert found(instance)["kind"].facts == {"kind": "b", "least": 4, "most": 4}
    both = instance.replace(requests=(*instance.requests, ask("p", 4, 8, kind="b")))
    assert found(both.replace(projects=(P, Q.model_copy(update={"merit": 0}))))["mix"].gets == 12


def test_nodes_and_lending() -> None:
    """One node more of those that serve it, or one GPU more lent by its sibling, gives one GPU more."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=4, borrow=4), Quota(pool="b", kind="h", gpus=4, lend=1)),
        inventory=(nodes("r", 1, owner="a", count=4), nodes("s", 1, owner="b", count=4)),
        projects=(P,),
        requests=(ask("p", 1, 8),),
    )
    changes = found(instance)
    assert (changes["lend"].gpus, changes["lend"].gets) == (1, 6)
    assert (changes["nodes"].facts["count"], changes["nodes"].gets) == (1, 6)
    assert "borrow" not in changes


@pytest.mark.parametrize("code", ["quota", "kind", "merit", "must"])
def test_confirmed_from_outside(code: str) -> None:
    """A whole solve of the real instance with the change made by hand gives the project what was said."""
    instance = SHORT
    change = found(instance)[code]
    if code in ("merit", "must"):
        row = instance.project_of["p"]
        update = {"merit": change.facts["now"]} if code == "merit" else {"mandatory": True}
        rows = (r.model_copy(update=update) if r is row else r for r in instance.projects)
        changed = instance.replace(projects=tuple(rows))
    else:
        lever = next(lever for lever in levers_of(instance, "p") if lever.code == code)
        changed = lever.apply((change.gpus or 1) // (lever.unit or 1))
    plan = kalloc.solve(changed, threads=1).plan
    assert sum(grant.gpus for grant in plan.grants if grant.project == "p") == change.gets


@pytest.mark.parametrize("seed", [2000, 2103, 2247, 2252, 3007, 3011])
def test_confirmed_on_random_instances(seed: int) -> None:
    """On random instances, shapes included, a whole solve with the change has as much merit as was said."""
    instance = sow(seed, nodes=5, gpus=4, projects=5, levels=2)
    base = Fraction(repr(kalloc.solve(instance, threads=1, time_limit=None).tiers[0].value))
    project = instance.projects[0].project
    for change in changes_for(instance, project, Limits()).found:
        if change.code in ("merit", "must"):
            continue
        changed = next(
            lever.apply(steps)
            for lever in levers_of(instance, project)
            for steps in [(change.gpus or 1) // (lever.unit or 1)]
            if lever.code == change.code and lever.facts(steps) == change.facts
        )
        result = kalloc.solve(changed, threads=1, time_limit=None)
        assert Fraction(repr(result.tiers[0].value)) - base == change.merit


SHORT = make(
    kinds=PAIR,
    pools=FAMILY,
    quotas=(Quota(pool="top", kind="h", gpus=4),),
    inventory=(nodes("r", 4, count=3), nodes("s", 4, kind="b")),
    projects=(P, Q),
    requests=(ask("p", 2, 3), ask("q", 4, 4)),
)


def test_no_plan_at_all() -> None:
    """Where the instance has no plan there is nothing to change for one project."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", mandatory=True),),
        requests=(ask("p", 5, 5),),
    )
    with pytest.raises(InfeasibleError):
        changes_for(instance, "p", Limits())


def test_what_stays_needs_no_change() -> None:
    """A project that keeps all that it asks for has no change that gives more, and no price."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top"),),
        requests=(ask("p", 2, 2),),
        placed=(Placed(project="p", node="r/n1", gpus=2),),
    )
    assert found(instance) == {}


def test_time_is_up() -> None:
    """When the time is up before everything was tried, that is said, and nothing unconfirmed is returned."""
    for seconds in (0.02, 0.05, 0.1, 0.2):
        with suppress(NoPlanError):
            changes = changes_for(SHORT, "p", Limits(deadline=time.monotonic() + seconds))
            assert all(change.gets > changes.gets for change in changes.found)
            assert changes.complete or len(changes.found) <= len(found(SHORT))
