"""Why there is no plan: what is named excludes itself, and each part of it is needed for that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given

import kalloc
from kalloc.allocate.build import build
from kalloc.clash import clash_of, relaxation_of
from kalloc.errors import InfeasibleError
from kalloc.instance import Budget, Instance, Kind, Limit, Placed, Pool, Power, Project, Quota, Rate
from kalloc.joint import crowded, solve_joint
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Model, Status, solve_cp_sat
from tests.engine.drawing import instances
from tests.engine.test_against_reference import SMALL, often
from tests.models.small import ask, make, nodes

FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"))
MUST = {"mandatory": True}
BYSTANDER = Project(project="bystander", pool="b", **MUST)


def clash(instance: Instance) -> list[str]:
    """Return what kalloc says excludes itself."""
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(instance, threads=1)
    return list(caught.value.clash)


def must(project: str, pool: str = "a", **more: Any) -> Project:
    """Return a mandatory project."""
    return Project(project=project, pool=pool, mandatory=True, **more)


def mandatory(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: the project need not be served."""
    name = re.findall(r"'(\w+)'", sentence)[0]
    rows = (row.model_copy(update={"mandatory": row.mandatory and row.project != name}) for row in instance.projects)
    return instance.replace(projects=tuple(rows))


def level(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: the project may sit anywhere."""
    name = re.findall(r"'(\w+)'", sentence)[0]
    rows = (row.model_copy(update={"level": None if row.project == name else row.level}) for row in instance.projects)
    return instance.replace(projects=tuple(rows))


def stays(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: the project may move."""
    name = re.findall(r"'(\w+)'", sentence)[0]
    rows = (row.model_copy(update={"movable": row.movable or row.project == name}) for row in instance.placed)
    return instance.replace(placed=tuple(rows))


def room(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: there are ten times the nodes."""
    rows = instance.inventory
    more = tuple(row.model_copy(update={"node": None, "count": 9 * row.count, "path": ("new",)}) for row in rows)
    return instance.replace(inventory=rows + more)


def quotas(instance: Instance, **changes: int) -> Instance:
    """Return the instance with the same cells in every quota row of a pool that is not the root."""
    rows = (row.model_copy(update=changes if row.pool != "top" else {}) for row in instance.quotas)
    return instance.replace(quotas=tuple(rows))


def quota(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: the pool is entitled to more."""
    name, kind = re.findall(r"pool '(\w+)'.*kind '(.+)'", sentence)[0]
    rows = (
        row.model_copy(update={"gpus": 999} if (row.pool, row.kind) == (name, kind) else {}) for row in instance.quotas
    )
    return instance.replace(quotas=tuple(rows))


def borrowing(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: siblings lend all that they have, and have enough."""
    rows = (row.model_copy(update={"gpus": 999, "lend": 999} if row.pool == "b" else {}) for row in instance.quotas)
    return instance.replace(quotas=tuple(rows))


def lend(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: pools lend all that they have."""
    return quotas(instance, lend=999)


def seated(instance: Instance, sentence: str) -> Instance:
    """Return the instance without what the sentence says: there are ten times the nodes, and they serve the pool."""
    owned = tuple(row.model_copy(update={"owner": "top"}) for row in instance.inventory)
    return room(instance.replace(inventory=owned), sentence)


LOOSEN: dict[str, Callable[[Instance, str], Instance]] = {
    rule.__name__: rule for rule in (mandatory, level, stays, room, quota, borrowing, lend, seated)
}


CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "mandatory and room": (
        {
            "inventory": (nodes("r", 8),),
            "projects": (must("p"), must("q"), BYSTANDER),
            "requests": (ask("p", 5, 8), ask("q", 4, 8), ask("bystander", 0, 8)),
        },
        {"mandatory: project 'p'", "mandatory: project 'q'", "room"},
    ),
    "quota": (
        {
            "inventory": (nodes("r", 64),),
            "quotas": (Quota(pool="a", kind="h", gpus=6), Quota(pool="b", kind="*", gpus=1)),
            "projects": (must("p"), must("q"), BYSTANDER),
            "requests": (ask("p", 4, 8), ask("q", 3, 8), ask("bystander", 1, 8)),
        },
        {"mandatory: project 'p'", "mandatory: project 'q'", "quota: pool 'a'"},
    ),
    "borrowing": (
        {
            "inventory": (nodes("r", 64),),
            "quotas": (Quota(pool="a", kind="h", gpus=2, borrow=8), Quota(pool="b", kind="h", gpus=8, lend=4)),
            "projects": (must("p"), BYSTANDER),
            "requests": (ask("p", 7, 8), ask("bystander", 1, 1)),
        },
        {"mandatory: project 'p'", "borrowing"},
    ),
    "borrowing from one that uses its own": (
        {
            "inventory": (nodes("r", 64),),
            "quotas": (Quota(pool="a", kind="h", gpus=2, borrow=8), Quota(pool="b", kind="h", gpus=8, lend=4)),
            "projects": (must("p"), BYSTANDER),
            "requests": (ask("p", 6, 8), ask("bystander", 5, 8)),
        },
        {"mandatory: project 'p'", "mandatory: project 'bystander'", "borrowing"},
    ),
    "lend": (
        {
            "inventory": (nodes("r", 64, owner="b"),),
            "quotas": (
                Quota(pool="a", kind="h", gpus=8, borrow=1),
                Quota(pool="b", kind="h", gpus=8, lend=4),
            ),
            "projects": (must("p"), BYSTANDER),
            "requests": (ask("p", 5, 8), ask("bystander", 1, 8)),
        },
        {"mandatory: project 'p'", "lend: pool 'b'"},
    ),
    "nodes of a sibling": (
        {
            "inventory": (nodes("r", 64, owner="b"),),
            "projects": (must("p"), BYSTANDER),
            "requests": (ask("p", 5, 8), ask("bystander", 1, 8)),
        },
        {"mandatory: project 'p'"},
    ),
    "single domains": (
        {
            "inventory": (nodes("r", 4), nodes("s", 4)),
            "projects": (must("p", level="rack"), must("q", level="rack"), must("o", level="rack"), BYSTANDER),
            "requests": (ask("p", 3, 3), ask("q", 3, 4), ask("o", 2, 2), ask("bystander", 0, 8)),
        },
        {*(f"{rule}: project {name!r}" for rule in ("mandatory", "level") for name in "pqo"), "seated"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_clash_is_named_and_each_part_of_it_is_needed(case: str) -> None:
    """Just the rules and projects at fault are named; without any one of them there is a plan."""
    changes, expected = CASES[case]
    instance = make(pools=FAMILY, **changes)
    found = clash(instance)
    assert len(found) == len(expected)
    assert all(any(sentence.startswith(start) for sentence in found) for start in expected)
    for sentence in found:
        loosened = LOOSEN[sentence.split(":")[0]](instance, sentence)
        assert kalloc.solve(loosened, threads=1).plan.grants


def test_level_that_changes_nothing_is_not_named() -> None:
    """p has to use half of the only node that could hold q whole, in one rack or not: only q's level is at fault."""
    instance = make(
        pools=FAMILY,
        inventory=(nodes("r", 2, count=2, owner="a"), nodes("s", 1, count=3, owner="b")),
        quotas=(Quota(pool="a", kind="h", gpus=8, lend=8), Quota(pool="b", kind="h", gpus=8, borrow=8)),
        projects=(must("p", level="rack"), must("q", pool="b", level="node")),
        requests=(ask("p", 3, 3), ask("q", 2, 2)),
    )
    found = clash(instance)
    assert [sentence.split(" must")[0] for sentence in found[:-1]] == [
        "mandatory: project 'p'",
        "mandatory: project 'q'",
        "level: project 'q'",
    ]


def test_stays_that_leave_no_room_are_named() -> None:
    """p must have 4 GPUs on the node where it keeps 2, and q keeps the other 2: p cannot stay, or not in one node."""
    instance = make(
        inventory=(nodes("r", 4, node="n"), nodes("r", 4, node="m")),
        projects=(Project(project="p", pool="top", level="node"), Project(project="q", pool="top")),
        requests=(ask("p", 4, 4), ask("q", 1, 4)),
        placed=(Placed(project="p", node="n", gpus=2), Placed(project="q", node="n", gpus=2)),
    )
    found = clash(instance)
    assert [sentence.split(":")[0] for sentence in found] == ["stays", "level"]
    for sentence in found:
        loosened = LOOSEN[sentence.split(":")[0]](instance, sentence)
        assert kalloc.solve(loosened, threads=1).solution == "proven"


def possible(instance: Instance, left_out: set[int]) -> bool:
    """Tell whether the allocation model has a solution without some rows."""
    allocation = build(instance, Rooms.of(instance))
    full = allocation.model
    upper = [allocation.loose.get(variable, most) for variable, most in enumerate(full.upper)]
    model = Model(lower=full.lower, upper=upper, cost=[0] * full.size)
    for row, columns in enumerate(full.row_columns):
        if row not in left_out:
            terms = zip(columns, full.row_factors[row], strict=True)
            model.row(terms, full.row_lower[row], full.row_upper[row])
    return solve_cp_sat(model, Limits()).status is not Status.INFEASIBLE


@given(instance=instances(SMALL))
@often(300)
def test_clash_of_drawn_instances_is_irreducible(instance: Instance) -> None:
    """With the rows of the set alone there is no solution, and with any one of them less there is one."""
    allocation = build(instance, Rooms.of(instance))
    found = set(clash_of(allocation, Limits()))
    if not found:
        assert possible(instance, set())
        return
    others = {row for row, sentence in allocation.clash.items() if sentence not in found}
    assert not possible(instance, others)
    for sentence in found:
        less = {row for row, said in allocation.clash.items() if said == sentence}
        assume(len(less) == 1)
        assert possible(instance, others | less)


WAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a rule that gives way by less than a request": (
        {
            "inventory": (nodes("r", 8),),
            "projects": (must("p"), must("q")),
            "requests": (ask("p", 5, 8), ask("q", 6, 8)),
        },
        ["room: 8 free GPUs of kind 'h' on nodes that serve a; 3 GPUs more"],
    ),
    "a request that gives way by less than rules": (
        {
            "inventory": (nodes("r", 8),),
            "projects": (must("p"), must("q"), must("o")),
            "requests": (ask("p", 5, 8), ask("q", 6, 8), ask("o", 2, 2)),
            "quotas": (Quota(pool="a", kind="h", gpus=11),),
        },
        ["mandatory: project 'p' must be served; 5 GPUs fewer"],
    ),
    "nodes of a sibling": (
        {"inventory": (nodes("r", 64, owner="b"),), "projects": (must("p"),), "requests": (ask("p", 5, 8),)},
        ["mandatory: project 'p' must be served, but nodes that serve it have too little room; 1 GPUs fewer"],
    ),
}


@pytest.mark.parametrize("case", WAYS)
def test_cheapest_way(case: str) -> None:
    """What gives way costs the fewest GPUs, by hand, and is told with them; the error says their sum, too."""
    changes, expected = WAYS[case]
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(make(pools=FAMILY, **changes), threads=1)
    assert list(caught.value.relaxation) == expected
    assert f"loosens {caught.value.gpus} GPUs in all" in str(caught.value)


PAID = {"kinds": (Kind(kind="h", won=100, watts=700),), "pools": FAMILY, "inventory": (nodes("r", 8, count=2),)}
IN_UNITS: dict[str, tuple[Instance, dict[str, tuple[float, str]]]] = {
    "won": (
        make(
            **PAID,
            budgets=(Budget(budget="year", pool="a", won=555),),
            projects=(must("p"), must("q")),
            requests=(ask("p", 4, 8), ask("q", 3, 8)),
        ),
        {"GPUs": (3, "mandatory"), "won": (145, "budget")},
    ),
    "kW": (
        make(
            **PAID,
            power=(Power(power="rack", level="rack", kw=5.1),),
            projects=(must("p"),),
            requests=(ask("p", 8, 8),),
        ),
        {"GPUs": (8, "mandatory"), "kW": (0.5, "power")},
    ),
    "a limit at its rates": (
        make(
            **PAID,
            limits=(Limit(limit="all", per="all", most=9),),
            rates=(Rate(limit="all", kind="h", rate=1.5),),
            projects=(must("p"), must("q")),
            requests=(ask("p", 4, 8), ask("q", 3, 8)),
        ),
        {"GPUs": (2, "limit")},
    ),
    "a floor": (
        make(
            **PAID,
            limits=(Limit(limit="all", per="all", kind="h", least=12),),
            projects=(Project(project="p", pool="a"),),
            requests=(ask("p", 1, 9),),
        ),
        {"GPUs": (3, "limit")},
    ),
}


@pytest.mark.parametrize("case", IN_UNITS)
def test_cheapest_way_in_its_unit(case: str) -> None:
    """Budgets give way in won, power in kW, limits in what they count: each just as far as it must, by hand."""
    instance, expected = IN_UNITS[case]
    with pytest.raises(InfeasibleError) as caught:
        kalloc.solve(instance, threads=1)
    ways = caught.value.ways
    assert {way.unit: (way.amount, way.loosened[0].partition(":")[0]) for way in ways} == expected
    assert all(f"loosens {way.amount:g} {way.unit} in all" in str(caught.value) for way in ways)


def test_the_cheapest_way_is_enough_and_no_less_is() -> None:
    """With the won and the watts that are told there is a plan; with one won or one watt less there is none."""
    paid, cold = IN_UNITS["won"][0], IN_UNITS["kW"][0]
    enough = [paid.replace(budgets=(Budget(budget="year", pool="a", won=555 + 145),))]
    enough.append(cold.replace(power=(Power(power="rack", level="rack", kw=5.1 + 0.5),)))
    less = [paid.replace(budgets=(Budget(budget="year", pool="a", won=555 + 144),))]
    less.append(cold.replace(power=(Power(power="rack", level="rack", kw=5.599),)))
    assert all(kalloc.solve(instance, threads=1).plan.seats for instance in enough)
    for instance in less:
        with pytest.raises(InfeasibleError):
            kalloc.solve(instance, threads=1)


@given(instance=instances(SMALL))
@often(100)
def test_cheapest_ways_of_drawn_instances_lead_to_a_plan(instance: Instance) -> None:
    """Where there is none, rows that give way as told leave a solution; where there is one, nothing gives way."""
    allocation = build(instance, Rooms.of(instance))
    way = relaxation_of(allocation, Limits())
    assert bool(way) != possible(instance, set())
    said = {loosened.sentence for loosened in way}
    assert possible(instance, {row for row, sentence in allocation.clash.items() if sentence in said})


def test_many_requests_that_clash_are_few_tests() -> None:
    """Of 600 requests in 40 pools the largest are named, until they need more than there is, none beside."""
    pools = (Pool(pool="top"), *(Pool(pool=f"p{number}", parent="top") for number in range(40)))
    sizes = [1 + number * 7 % 16 for number in range(600)]
    instance = make(
        pools=pools,
        quotas=tuple(Quota(pool=f"p{number}", kind="h", gpus=999) for number in range(40)),
        inventory=(nodes("r", 8, count=sum(sizes) // 16),),
        projects=tuple(must(f"m{n}", f"p{n % 40}", merit=n) for n in range(600)),
        requests=tuple(ask(f"m{n}", size, 20) for n, size in enumerate(sizes)),
    )
    found = clash_of(build(instance, Rooms.of(instance)), Limits())
    named = sorted(sizes[int(name)] for sentence in found for name in re.findall(r"'m(\d+)'", sentence))
    room = 8 * (sum(sizes) // 16)
    assert [sentence.partition(":")[0] for sentence in found].count("room") == len(found) - len(named) == 1
    assert sum(named) > room >= sum(named) - named[0]


def packed(racks: int, projects: int, size: int) -> Instance:
    """Return racks of two nodes of 8 GPUs, and projects that must have so many GPUs in one rack each."""
    return make(
        inventory=tuple(nodes(f"r{rack}", 8, count=2) for rack in range(racks)),
        projects=tuple(Project(project=f"p{n}", pool="top", level="rack", mandatory=True) for n in range(projects)),
        requests=tuple(ask(f"p{n}", size, size) for n in range(projects)),
    )


@pytest.mark.parametrize("bound", ["run.JOINT_NODES", "flow.JOINT_VARIABLES"])
def test_single_domains_hold_too_few(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rack holds one project of 9 GPUs: one more than there are racks clash, at any size; as many have a plan."""
    monkeypatch.setattr(f"kalloc.solving.{bound}", 0)
    racks = 7
    found = clash(packed(racks, racks + 1, 9))
    assert [sentence.partition(":")[0] for sentence in found] == ["mandatory", "level", "room"]
    assert found[0] == f"mandatory: {racks + 1} projects alike 'p0' must be served, with 9 GPUs or more"
    assert kalloc.solve(packed(racks, racks, 9), threads=1).gpus["allocated"] == 9 * racks


@given(instance=instances(SMALL))
@often(200)
def test_what_is_crowded_has_no_plan(instance: Instance) -> None:
    """Wherever the count says that projects do not fit, the exact model has no plan either."""
    rooms = Rooms.of(instance)
    if crowded(build(instance, rooms)):
        status, _ = solve_joint(instance, rooms, {}, 8_000, Limits())
        assert status is Status.INFEASIBLE
