"""The checker: what breaks a rule is named, what keeps them all passes, and nothing in a plan is taken on trust."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from kalloc.instance import Cap, Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Quota, Request
from kalloc.plan import Grant, Plan
from kalloc.slots import block_rows, slot_rows
from kalloc.verify import RULES, LevelScore, Violation, claims, score, verify
from tests.seats import Seats, broken, plan_of


def _node(name: str, site: str, rack: str, kind: str, owner: str, state: Any = "up") -> NodeGroup:
    return NodeGroup(path=(site, rack), node=name, kind=kind, gpus=8, owner=owner, state=state)


NATION = Instance(
    name="nation",
    hierarchy=Hierarchy(levels=("site", "rack"), weights={"site": 100, "rack": 10}),
    kinds=(Kind(kind="h"), Kind(kind="b", performance=2.25)),
    pools=(
        Pool(pool="nation"),
        Pool(pool="red", parent="nation"),
        Pool(pool="lab", parent="red"),
        Pool(pool="blue", parent="nation"),
    ),
    quotas=(Quota(pool="red", kind="h", gpus=16, borrow=8), Quota(pool="blue", kind="h", gpus=32, lend=8)),
    inventory=(
        _node("n1", "s1", "r1", "h", "red"),
        _node("n2", "s1", "r1", "h", "red"),
        _node("n3", "s1", "r2", "h", "blue"),
        _node("n4", "s1", "r2", "h", "blue"),
        _node("n5", "s2", "r1", "h", "blue"),
        _node("n6", "s2", "r1", "b", "blue"),
        _node("n7", "s2", "r1", "h", "blue", "down"),
        _node("n8", "s1", "r1", "b", "red"),
        _node("n9", "s2", "r2", "h", "nation"),
    ),
    projects=(
        Project(project="p1", pool="lab", merit=0.1),
        Project(project="p2", pool="blue", merit=3, mix="any"),
        Project(project="p3", pool="blue", mandatory=True, level="rack"),
    ),
    requests=(
        Request(project="p1", kind="h", min=8, max=24, step=8),
        Request(project="p2", kind="h", min=8, max=16),
        Request(project="p2", kind="b", min=8, max=8, value=0.3),
        Request(project="p3", kind="h", min=4, max=8, step=4),
    ),
    placed=(
        Placed(project="old", node="n3", gpus=4),
        Placed(project="p3", node="n5", gpus=4),
        Placed(project="p3", node="n6", gpus=8, movable=True),
    ),
)
CLEAN: Seats = {"p1": {"n1": 8, "n2": 8, "n4": 8}, "p2": {"n9": 8, "n6": 8}, "p3": {"n5": 8}}


def _project(name: str, **changes: Any) -> tuple[Project, ...]:
    return tuple(row.model_copy(update=changes) if row.project == name else row for row in NATION.projects)


def _quota(pool: str, **changes: Any) -> tuple[Quota, ...]:
    return tuple(row.model_copy(update=changes) if row.pool == pool else row for row in NATION.quotas)


def test_a_clean_plan_passes() -> None:
    """A plan with borrowing, a mix of kinds, background and what stays breaks nothing, and so does an empty one."""
    assert verify(NATION, plan_of(NATION, CLEAN)) == []
    idle = NATION.replace(projects=_project("p3", mandatory=False), placed=())
    assert verify(idle, plan_of(idle, {})) == []


def test_rules_are_those_of_the_reference_in_its_order() -> None:
    """No rule of the reference is without its check, under its name."""
    text = (Path(__file__).parent.parent / "docs/reference/rules.md").read_text(encoding="utf-8")
    table = text.split("## Rules")[1].split("## The score")[0]
    assert [rule.__name__ for rule in RULES] == re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)


@pytest.mark.parametrize("gpus", [4, 12, 32])
def test_request(gpus: int) -> None:
    """Less than the min, between two steps or over the max is no amount that was asked for."""
    nation = NATION.replace(quotas=(), requests=(*NATION.requests[1:], Request(project="p1", kind="h", min=8, max=24)))
    names = ("n1", "n2", "n4", "n9")
    seats = {name: min(8, gpus - 8 * i) for i, name in enumerate(names) if gpus > 8 * i}
    lends = (Quota(pool="red", kind="h", gpus=99, borrow=9), Quota(pool="blue", kind="h", gpus=99, lend=9))
    nation = nation.replace(quotas=lends)
    assert broken(nation, {**CLEAN, "p1": seats, "p2": {"n6": 8}}) == {"request"}


def test_request_of_a_kind_that_was_not_asked_for() -> None:
    """GPUs of a kind without a request break the rule, and the project and the kind are named."""
    found = verify(NATION, plan_of(NATION, {**CLEAN, "p1": {"n8": 8}}))
    assert [str(violation) for violation in found] == ["request: project 'p1' gets 8 b but did not ask for this kind"]


def test_request_with_min_zero_starts_at_its_step() -> None:
    """With min 0 the amounts are the multiples of the step up to max."""
    ask = (*NATION.requests[:3], Request(project="p3", kind="h", min=0, max=6, step=3))
    nation = NATION.replace(requests=ask, placed=())
    assert broken(nation, {**CLEAN, "p3": {"n5": 6}}) == set()
    assert broken(nation, {**CLEAN, "p3": {"n5": 4}}) == {"request"}


def test_mix() -> None:
    """Two kinds are too many for a project that takes one."""
    assert broken(NATION.replace(projects=_project("p2", mix="one")), CLEAN) == {"mix"}


@pytest.mark.parametrize("pool", ["lab", "red", "nation"])
def test_cap(pool: str) -> None:
    """A cap of the project's pool or of any pool above binds it."""
    assert broken(NATION.replace(caps=(Cap(pool=pool, kind="h", gpus=16),)), CLEAN) == {"cap"}
    assert broken(NATION.replace(caps=(Cap(pool=pool, kind="h", gpus=24),)), CLEAN) == set()


def test_cap_of_another_pool_or_kind_does_not_bind() -> None:
    """Caps hold for their pool and kind only."""
    caps = (Cap(pool="blue", kind="h", gpus=8), Cap(pool="nation", kind="b", gpus=8))
    assert broken(NATION.replace(caps=caps), CLEAN) == set()


def test_mandatory() -> None:
    """A mandatory project that gets nothing is named."""
    nation = NATION.replace(placed=NATION.placed[:1])
    found = verify(nation, plan_of(nation, {name: CLEAN[name] for name in ("p1", "p2")}))
    assert [violation.rule for violation in found] == ["mandatory"]
    assert "'p3'" in found[0].message


def test_quota() -> None:
    """Usage of a pool is at most its GPUs and what it may borrow, though siblings would lend more."""
    nation = NATION.replace(quotas=_quota("red", borrow=4))
    assert broken(nation, {**CLEAN, "p1": {"n1": 8, "n2": 8, "n4": 8}}) == {"quota"}


def test_quota_of_a_parent_bounds_the_sum_below() -> None:
    """A row of the parent counts the projects of all pools below it, over all kinds when it is for all."""
    for gpus, rules in ((48, set()), (47, {"quota", "borrowing"})):
        rows = (*NATION.quotas, Quota(pool="nation", kind="*", gpus=gpus))
        assert broken(NATION.replace(quotas=rows), CLEAN) == rules


def test_borrowing() -> None:
    """What a pool borrows must be left unused by a sibling: here blue uses all of its 16 itself."""
    assert broken(NATION.replace(quotas=_quota("blue", gpus=16)), CLEAN) == {"borrowing"}
    assert broken(NATION.replace(quotas=_quota("blue", gpus=24)), CLEAN) == set()


def test_borrowing_of_a_lender_that_itself_borrows() -> None:
    """A pool over its own GPUs lends nothing, whatever its lend says, and adds to what is borrowed."""
    both = NATION.replace(quotas=_quota("blue", gpus=12, borrow=8))
    found = verify(both, plan_of(both, CLEAN))
    assert [violation.rule for violation in found] == ["borrowing"]
    assert "borrow 12 h but lend only 0" in found[0].message
    third = (*both.pools, Pool(pool="green", parent="nation"))
    quotas = (*both.quotas, Quota(pool="green", kind="h", gpus=12, lend=12))
    assert broken(both.replace(pools=third, quotas=quotas), CLEAN) == set()


def test_borrowing_counts_rows_of_one_kind_apart_from_rows_of_all() -> None:
    """A `*` row opens the lender's nodes but covers no borrowing that a row of a kind makes."""
    rows = (Quota(pool="red", kind="h", gpus=16, borrow=8), Quota(pool="blue", kind="*", gpus=99, lend=8))
    assert broken(NATION.replace(quotas=rows), CLEAN) == {"borrowing"}
    rows = (Quota(pool="red", kind="*", gpus=16, borrow=8), Quota(pool="blue", kind="*", gpus=99, lend=8))
    assert broken(NATION.replace(quotas=rows), CLEAN) == set()


def test_eligible() -> None:
    """A node of a sibling that lends none of that kind is closed."""
    assert broken(NATION, {**CLEAN, "p2": {"n9": 8, "n8": 8}}) == {"eligible"}


def test_eligible_needs_a_borrower_on_the_projects_line_and_a_lender_on_the_owners() -> None:
    """Borrowing by a pool above is enough, and lending by a pool above the owner; a lender elsewhere is not."""
    pools = (*NATION.pools, Pool(pool="den", parent="blue"))
    inventory = tuple(row.model_copy(update={"owner": "den"}) if row.node == "n4" else row for row in NATION.inventory)
    deep = NATION.replace(pools=pools, inventory=inventory)
    assert broken(deep, CLEAN) == set()
    den = (NATION.quotas[0], Quota(pool="den", kind="h", gpus=32, lend=8), Quota(pool="blue", kind="*", gpus=99))
    assert "eligible" in broken(deep.replace(quotas=den), CLEAN)


def test_eligible_on_a_node_that_is_down() -> None:
    """A node that is down neither serves nor has room."""
    assert broken(NATION, {**CLEAN, "p2": {"n7": 8, "n6": 8}}) == {"eligible", "room"}


def test_eligible_without_a_grant_of_the_kind() -> None:
    """Seats of a kind that was not granted are neither eligible nor seated right."""
    assert broken(NATION, CLEAN, {("p2", "b"): 0}) == {"eligible", "seated"}


def test_lend() -> None:
    """Outsiders hold at most what a pool lends, though all quotas are kept."""
    seats = {**CLEAN, "p1": {"n1": 8, "n2": 4, "n3": 4, "n4": 8}}
    found = verify(NATION, plan_of(NATION, seats))
    assert [violation.rule for violation in found] == ["lend"]
    assert "12 h of pool 'blue', which lends 8" in found[0].message


def test_lend_binds_every_pool_above_the_owner() -> None:
    """Nodes of a pool below count for the lend of the pools above it, and insiders are no outsiders."""
    pools = (*NATION.pools, Pool(pool="den", parent="blue"))
    inventory = tuple(row.model_copy(update={"owner": "den"}) if row.node == "n4" else row for row in NATION.inventory)
    quotas = (*_quota("red", borrow=8), Quota(pool="den", kind="h", gpus=8, lend=4))
    assert broken(NATION.replace(pools=pools, inventory=inventory, quotas=quotas), CLEAN) == {"lend"}


def test_room() -> None:
    """Background takes room: n3 has 4 of 8 GPUs left."""
    found = verify(NATION, plan_of(NATION, {**CLEAN, "p1": {"n1": 8, "n2": 8, "n3": 8}}))
    assert [str(violation) for violation in found] == ["room: node 'n3' holds 8 GPUs of projects but has 4 free"]


def test_room_is_shared_by_projects() -> None:
    """Projects on one node are counted together."""
    assert broken(NATION, {**CLEAN, "p2": {"n5": 8, "n6": 8}}) == {"room"}


def test_seated() -> None:
    """What is granted but not seated, and what is seated but not granted, is caught."""
    assert broken(NATION, CLEAN, {("p1", "h"): 16}) == {"seated"}
    assert broken(NATION, {**CLEAN, "p2": {"n6": 8}}, {("p2", "h"): 8}) == {"seated"}


def test_level() -> None:
    """A project that must be in one rack may not use two; racks of one name at two sites are two."""
    assert broken(NATION, {**CLEAN, "p2": {"n6": 8}, "p3": {"n5": 4, "n9": 4}}) == {"level"}
    same = NATION.replace(placed=())
    assert broken(same, {"p1": {"n1": 8}, "p2": {"n6": 8}, "p3": {"n3": 4, "n4": 4}}) == set()


def test_level_node_is_one_node() -> None:
    """The level `node` keeps a project on a single node."""
    nation = NATION.replace(projects=_project("p3", level="node"), placed=())
    assert broken(nation, {**CLEAN, "p3": {"n5": 8}}) == set()
    assert broken(nation, {"p3": {"n3": 4, "n4": 4}}) == {"level"}


def test_stays() -> None:
    """GPUs that do not move must be among the seats; movable ones need not."""
    found = verify(NATION, plan_of(NATION, {**CLEAN, "p2": {"n6": 8}, "p3": {"n9": 8}}))
    assert [str(violation) for violation in found] == ["stays: project 'p3' keeps 4 GPUs on node 'n5' but has 0 there"]


def _seat(index: int, **changes: Any) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan, seats=tuple(replace(row, **changes) if i == index else row for i, row in enumerate(plan.seats))
    )


def _grant(index: int, **changes: Any) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan, grants=tuple(replace(row, **changes) if i == index else row for i, row in enumerate(plan.grants))
    )


TAMPERED: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "unknown project seated": (_seat(0, project="ghost"), "placements row 2: unknown project 'ghost'"),
    "background seated": (_seat(0, project="old"), "placements row 2: unknown project 'old'"),
    "project not a name": (_seat(0, project=["p1"]), "placements row 2: unknown project ['p1']"),
    "unknown node": (_seat(1, node="n0"), "placements row 3: unknown node 'n0'"),
    "node not a name": (_seat(1, node=2), "placements row 3: unknown node 2"),
    "node twice": (_seat(1, node="n1"), "placements row 3: project 'p1' and node 'n1' are already in row 2"),
    "negative": (_seat(2, gpus=-8), "placements row 4: gpus must be a whole number of at least 1, not -8"),
    "zero": (_seat(2, gpus=0), "placements row 4: gpus must be a whole number of at least 1, not 0"),
    "float": (_seat(2, gpus=8.0), "placements row 4: gpus must be a whole number of at least 1, not 8.0"),
    "bool": (_seat(2, gpus=True), "placements row 4: gpus must be a whole number of at least 1, not True"),
    "wrong path": (_seat(0, path=("s1", "r2")), "node 'n1' stands at ('s1', 'r1'), not ('s1', 'r2')"),
    "short path": (_seat(0, path=("s1",)), "node 'n1' stands at ('s1', 'r1'), not ('s1',)"),
    "wrong kind": (_seat(0, kind="b"), "node 'n1' is of kind 'h', not 'b'"),
    "unknown project granted": (_grant(0, project="ghost"), "allocations row 2: unknown project 'ghost'"),
    "unknown kind granted": (_grant(0, kind="x"), "allocations row 2: unknown kind 'x'"),
    "wrong pool": (_grant(0, pool="red"), "project 'p1' belongs to pool 'lab', not 'red'"),
    "wrong request": (_grant(0, requested_max=99), "project 'p1' asked (8, 24) of 'h' (min, max), not (8, 99)"),
    "negative grant": (_grant(1, gpus=-1), "allocations row 3: gpus must be a whole number of at least 0, not -1"),
    "float grant": (_grant(1, gpus=8.5), "allocations row 3: gpus must be a whole number of at least 0, not 8.5"),
    "grant without request": (
        lambda plan: replace(plan, grants=(*plan.grants, Grant("p1", "lab", "b", 0, 0, 0, "test"))),
        "allocations row 6: project 'p1' did not ask for 'b'",
    ),
    "grant twice": (
        lambda plan: replace(plan, grants=(*plan.grants, plan.grants[0])),
        "allocations row 6: project 'p1' and kind 'h' are already in row 2",
    ),
    "grant missing": (
        lambda plan: replace(plan, grants=plan.grants[1:]),
        "allocations: no row for the request of project 'p1' for 'h'",
    ),
    "other instance": (lambda plan: replace(plan, instance_name="x"), "the plan is for instance 'x', not 'nation'"),
    "other content": (lambda plan: replace(plan, instance_sha256="0"), "fingerprint '0'"),
    "other levels": (lambda plan: replace(plan, levels=("site",)), "the plan has levels ('site',)"),
}


RENAMED = ("unknown project granted", "unknown kind granted")
"""Cases that leave a request without its row, which is told as well."""


@pytest.mark.parametrize("case", TAMPERED)
def test_tampered_records_are_caught(case: str) -> None:
    """Records that do not fit the instance are reported as such, by row, and never end in a traceback."""
    tamper, message = TAMPERED[case]
    found = verify(NATION, tamper(plan_of(NATION, CLEAN)))
    assert {violation.rule for violation in found} == {"format"}
    assert any(message in violation.message for violation in found)
    assert len(found) == (2 if case in RENAMED else 1)


def test_a_plan_of_another_instance_is_still_checked() -> None:
    """The fingerprint alone says little: what rules the plan breaks in this instance is told as well."""
    capped = NATION.replace(caps=(Cap(pool="nation", kind="h", gpus=16),))
    assert [violation.rule for violation in verify(capped, plan_of(NATION, CLEAN))] == ["format", "cap"]


def test_score_of_a_worked_example() -> None:
    """Merit is exact in decimals and fragmentation counts what is spanned beyond need, weighted by level.

    p1 spans one site and two racks (n1, n2 | n4), and needs one rack less only if one offers 24 h: r1 of s1 offers
    16, r2 offers 12, so it needs two. p2 holds 8 h and 8 b on s2 in two racks; rack r1 of s2 offers 4 h beside what
    p3 keeps there and 8 b, rack r2 offers 8 h: two racks again. p3 needs one of everything and has it.
    """
    found = score(NATION, plan_of(NATION, CLEAN))
    assert found.merit == Fraction(24, 10) + 8 * 3 * 1 + 8 * 3 * Fraction(3, 10) + 8
    assert found.levels == {"site": LevelScore(3, 3), "rack": LevelScore(5, 5), "node": LevelScore(6, 6)}
    assert (found.fragmentation, found.gpus) == (0, 48)


def test_score_counts_scatter_by_weight() -> None:
    """p1 in two sites and three racks where one site and two racks do costs one of 100 and one of 10."""
    seats = {"p1": {"n1": 8, "n4": 8, "n9": 8}, "p2": {"n6": 8}, "p3": {"n5": 8}}
    found = score(NATION, plan_of(NATION, seats))
    assert found.levels == {"site": LevelScore(4, 3), "rack": LevelScore(5, 4), "node": LevelScore(5, 5)}
    assert found.fragmentation == 110


def _summary() -> dict[str, Any]:
    """Return what is true of the clean plan, by hand: 72 GPUs less n7 (down) and 4 of background are available."""
    levels = {name: {"spans": n, "need": n, "bound": n} for name, n in (("site", 3), ("rack", 5), ("node", 6))}
    return {
        "instance": {"name": "nation", "sha256": NATION.sha256, "gpus": 72, "nodes": 9, "projects": 3},
        "termination": "optimal",
        "solution": "proven",
        "verified": True,
        "tiers": [
            {"name": "merit", "value": 41.6, "bound": 41.6, "gap": 0.0, "given": None},
            {"name": "fragmentation", "value": 0, "bound": 0, "gap": 0.0, "given": None},
        ],
        "gpus": {"available": 60, "requested": 56, "allocated": 48},
        "fragmentation": {"score": 0, "bound": 0, "levels": levels},
        "slots": slot_rows(NATION, plan_of(NATION, CLEAN)),
        "blocks": block_rows(NATION, plan_of(NATION, CLEAN)),
        "seconds": {"total": 1.5},
        "peak_memory_mib": 100,
    }


def _claims(changes: Mapping[str, Any]) -> list[Violation]:
    summary = _summary()
    for path, value in changes.items():
        *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        at: Any = summary
        for key in keys:
            at = at[key]
        at[last] = value
    return claims(NATION, plan_of(NATION, CLEAN), summary)


def test_true_claims_pass() -> None:
    """A summary that says what is so is accepted, and so is one with open bounds that claims no proof."""
    assert _claims({}) == []
    loose: dict[str, object] = {"solution": "feasible", "termination": "time_limit", "fragmentation.bound": None}
    loose |= {"tiers.0.bound": 52.0, "tiers.0.gap": 0.25, "tiers.1.bound": None, "tiers.1.gap": None}
    assert _claims({**loose, "fragmentation.levels.site.bound": None, "tiers.1.given": "allocation"}) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("instance.gpus", 73),
        ("instance.sha256", "0"),
        ("instance.name", None),
        ("gpus.available", 64),
        ("gpus.requested", 48),
        ("gpus.allocated", 56),
        ("gpus.allocated", True),
        ("slots", None),
        ("slots.0.after", 0),
        ("slots.1.gpus", 64),
        ("blocks.0.before", 0),
        ("blocks", []),
        ("verified", False),
        ("tiers.0.value", 41.7),
        ("tiers.0.value", "41.6"),
        ("tiers.0.gap", 0.1),
        ("tiers.0.gap", None),
        ("tiers.0.given", "allocation"),
        ("tiers.0.given", "luck"),
        ("tiers.0.bound", float("nan")),
        ("tiers.0.bound", 41.5),
        ("tiers.1.value", 110),
        ("tiers.1.bound", 1),
        ("tiers.1.bound", None),
        ("tiers.1.name", "merit"),
        ("tiers", []),
        ("tiers", None),
        ("fragmentation.score", 110),
        ("fragmentation.bound", 10**400),
        ("fragmentation.levels", None),
        ("fragmentation.levels.site.spans", 2),
        ("fragmentation.levels.rack.need", 4),
        ("fragmentation.levels.node.bound", 7),
        ("termination", "infeasible"),
        ("solution", "none"),
    ],
)
def test_false_claims_are_caught(path: str, value: object) -> None:
    """Every figure that can be recomputed, every bound on the wrong side and every false proof is found."""
    assert _claims({path: value}) != []


def test_a_bound_on_the_right_side_that_does_not_meet_is_no_proof() -> None:
    """ "proven" with a gap is refused, with the tier named; the same figures as feasible are fine."""
    open_gap = {"tiers.0.bound": 52.0, "tiers.0.gap": 0.25}
    found = [str(violation) for violation in _claims(open_gap)]
    assert found == ["score: solution is proven, but value and bound of 'merit' do not meet"]
    assert _claims({**open_gap, "solution": "feasible"}) == []


def test_claims_of_a_plan_that_breaks_rules_are_refused() -> None:
    """A summary cannot be true of a plan that is not clean."""
    found = claims(NATION, plan_of(NATION, CLEAN, {("p1", "h"): 16}), _summary())
    assert [violation.rule for violation in found] == ["score"]


def test_the_checker_knows_nothing_of_the_solver() -> None:
    """Checking and scoring a plan in a fresh process loads neither the engine nor any solver."""
    script = (
        "import sys\n"
        "from kalloc.instance import Instance\n"
        "from kalloc.plan import Plan\n"
        "from kalloc.verify import claims, score, verify\n"
        "instance = Instance(name='empty')\n"
        "plan = Plan('empty', instance.sha256, (), (), ())\n"
        "assert verify(instance, plan) == []\n"
        "score(instance, plan), claims(instance, plan, {})\n"
        "print(*sorted(sys.modules))\n"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "kalloc.verify.rules" in loaded
    apart = ("kalloc.allocate", "kalloc.place", "kalloc.solver", "kalloc.solving", "ortools", "pulp")
    assert [name for name in loaded if name.startswith(apart)] == []
