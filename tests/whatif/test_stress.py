"""The loss of any one domain: by hand, and against seating the hit ones again with everybody else as background."""

from __future__ import annotations

from collections import Counter

import pytest

import kalloc
from kalloc.errors import InfeasibleError, NoPlanError
from kalloc.instance import Hierarchy, Instance, Placed, Pool, Project, Quota
from kalloc.plan import Plan
from kalloc.whatif.stress import Loss, losses
from tests.models.small import ask, make, nodes, sow
from tests.test_slots import seated


def lost(instance: Instance, plan: Plan) -> dict[str, Loss]:
    """Return the losses by domain."""
    return {loss.domain: loss for loss in losses(instance, plan)}


def test_by_hand() -> None:
    """With 6 GPUs free elsewhere, the rack's project of more merit is seated again and the other one is not."""
    instance = make(
        hierarchy=Hierarchy(levels=("rack",)),
        inventory=(nodes("r", 4, count=2), nodes("s", 4, count=2), nodes("t", 4, state="down")),
        projects=(Project(project="a", pool="top"), Project(project="b", pool="top", merit=2)),
        requests=(ask("a", 4, 4), ask("b", 4, 4)),
        placed=(Placed(project="old", node="s/n1", gpus=2),),
    )
    plan = seated(instance, {("a", "r/n1"): 4, ("b", "r/n2"): 4})
    rack = lost(instance, plan)["r"]
    assert [(hit.project, hit.gpus, hit.again) for hit in rack.hits] == [("b", 4, True), ("a", 4, False)]
    assert (rack.level, rack.gpus, rack.hit_gpus, rack.left_gpus) == ("rack", 8, 8, 4)
    assert set(lost(instance, plan)) == {"r", "r/n1", "r/n2"}
    assert all(hit.again for name in ("r/n1", "r/n2") for hit in lost(instance, plan)[name].hits)


def test_whole_in_one_domain() -> None:
    """A project that one rack must hold moves whole, into the room that it leaves behind as well, or not at all."""
    instance = make(
        hierarchy=Hierarchy(levels=("rack",)),
        inventory=(nodes("r", 4, count=2), nodes("s", 4, count=2)),
        projects=(Project(project="a", pool="top", level="rack"), Project(project="b", pool="top", merit=9)),
        requests=(ask("a", 6, 6), ask("b", 1, 4)),
    )
    plan = seated(instance, {("a", "r/n1"): 4, ("a", "r/n2"): 2, ("b", "s/n1"): 3})
    found = lost(instance, plan)
    assert [hit.again for hit in found["r/n1"].hits] == [False]
    free = seated(instance, {("a", "r/n1"): 4, ("a", "r/n2"): 2, ("b", "s/n1"): 2})
    assert [hit.again for hit in lost(instance, free)["r/n1"].hits] == [True]


def test_lent_nodes() -> None:
    """What an owner lends is all that outsiders may take again; what they lose there is lent anew."""
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="h", gpus=9, borrow=9), Quota(pool="b", kind="h", gpus=9, lend=3)),
        inventory=(nodes("r", 4, owner="b", count=3), nodes("s", 2, owner="a")),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 5),),
    )
    plan = seated(instance, {("p", "r/n1"): 3, ("p", "s/n1"): 2})
    found = lost(instance, plan)
    assert [hit.again for hit in found["r/n1"].hits] == [True]
    assert [hit.again for hit in found["s/n1"].hits] == [False]


@pytest.mark.parametrize("seed", range(30))
def test_single_hits_against_a_solve(seed: int) -> None:
    """Where one project alone is hit, it can be seated again just where a solve finds seats, all others kept."""
    instance = sow(seed, nodes=5, gpus=4, projects=4, levels=1)
    try:
        plan = kalloc.solve(instance, threads=1).plan
    except (InfeasibleError, NoPlanError):
        return
    names = instance.topology.names
    for loss in losses(instance, plan):
        if loss.level != "node" or len(loss.hits) != 1:
            continue
        [hit] = loss.hits
        down = names.index(loss.domain)
        try:
            again = kalloc.solve(without(instance, plan, down, hit.project), threads=1).plan
            possible = all(grant.gpus == grant.requested_max for grant in again.grants)
        except (InfeasibleError, NoPlanError):
            possible = False
        assert hit.again == possible, (seed, loss.domain)


def without(instance: Instance, plan: Plan, down: int, project: str) -> Instance:
    """Return the instance with a node down where a project must have what it got, and everybody stays elsewhere."""
    topology = instance.topology
    held = Counter({(grant.project, grant.kind): grant.gpus for grant in plan.grants if grant.gpus})
    whole = instance.project_of[project].level is not None
    name = topology.names[down]
    placed = [row for row in instance.placed if row.project not in instance.project_of and row.node != name]
    for seat in plan.seats:
        moves = seat.project == project and whole
        if seat.node != name and not moves:
            placed.append(Placed(project=seat.project, node=seat.node, gpus=seat.gpus))
    inventory = [
        topology.row(node).model_copy(update={"node": name, "count": 1, **({"state": "down"} if node == down else {})})
        for node, name in enumerate(topology.names)
    ]
    requests = [
        row.model_copy(update={"min": held[key], "max": held[key], "step": held[key]})
        for row in instance.requests
        if held[key := (row.project, row.kind)]
    ]
    served = {row.project for row in requests}
    projects = [
        row.model_copy(update={"mandatory": True, "mix": "any"}) for row in instance.projects if row.project in served
    ]
    return instance.replace(placed=placed, inventory=inventory, requests=requests, projects=projects)
