"""Each rule alone on an instance whose optimum is worked out by hand, for both engines: one model, and in stages."""

from __future__ import annotations

from typing import Any

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import Cap, Instance, Kind, Placed, Pool, Project, Quota
from tests.engine.judging import granted, seats
from tests.models.small import ask, make, nodes

P, Q = Project(project="p", pool="top"), Project(project="q", pool="top")
FAMILY = (Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top"), Pool(pool="c", parent="top"))
pytestmark = pytest.mark.usefixtures("both_engines")


@pytest.mark.parametrize(("free", "expected"), [(8, 7), (6, 5), (4, 3), (2, None)])
def test_request(free: int, expected: int | None) -> None:
    """3, 5 or 7 GPUs are accepted of 3 to 8 in steps of 2: the largest that fits is granted, or nothing."""
    instance = make(inventory=(nodes("r", free),), projects=(P,), requests=(ask("p", 3, 8, step=2),))
    assert granted(instance) == ({} if expected is None else {("p", "h"): expected})


def test_request_without_step_goes_by_nodes() -> None:
    """Where nodes have 4 and 6 GPUs the step is 2, so a min of 1 gives 1, 3, 5, 7 or 9 of 10."""
    instance = make(inventory=(nodes("r", 4), nodes("r", 6)), projects=(P,), requests=(ask("p", 1, 10, step=None),))
    assert granted(instance) == {("p", "h"): 9}


def test_request_of_alike_projects_shares_what_is_left() -> None:
    """Three alike projects that accept 2 or 4 share 8 GPUs as 4 + 4 or 4 + 2 + 2, but never leave one unused."""
    instance = make(
        inventory=(nodes("r", 8),),
        projects=tuple(Project(project=name, pool="top") for name in "pqr"),
        requests=tuple(ask(name, 2, 4, step=2) for name in "pqr"),
    )
    assert sum(granted(instance).values()) == 8


@pytest.mark.parametrize(("mix", "expected"), [("one", {("p", "b"): 4}), ("any", {("p", "h"): 4, ("p", "b"): 4})])
def test_mix(mix: str, expected: dict[tuple[str, str], int]) -> None:
    """Of 4 GPUs of each of two kinds, one kind only means the 4 that are worth double; any mix means all 8."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2)),
        inventory=(nodes("r", 4), nodes("r", 4, kind="b")),
        projects=(Project(project="p", pool="top", mix=mix),),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
    )
    assert granted(instance) == expected


def test_mix_of_alike_projects_gives_each_its_kind() -> None:
    """Two alike projects of one kind each and 4 GPUs of either kind: one gets the one kind, the other the other."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        inventory=(nodes("r", 4), nodes("r", 4, kind="b")),
        projects=(P, Q),
        requests=tuple(ask(name, 4, 4, kind=kind) for name in "pq" for kind in "hb"),
    )
    plan = granted(instance)
    assert {kind for _, kind in plan} == {"h", "b"} and {name for name, _ in plan} == {"p", "q"}


@pytest.mark.parametrize(("pool", "expected"), [("top", 4), ("a", 4), ("b", 8)])
def test_cap(pool: str, expected: int) -> None:
    """A cap of 5 on the project's pool or above leaves the 4 that steps of 2 allow; on a sibling it says nothing."""
    instance = make(
        pools=FAMILY,
        caps=(Cap(pool=pool, kind="h", gpus=5),),
        inventory=(nodes("r", 8),),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 2, 8, step=2),),
    )
    assert granted(instance) == {("p", "h"): expected}


def test_mandatory() -> None:
    """The only 4 GPUs go to the mandatory project, though the other has ten times its merit."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", merit=0.1, mandatory=True), Q),
        requests=(ask("p", 4, 4), ask("q", 4, 4)),
    )
    assert granted(instance) == {("p", "h"): 4}


@pytest.mark.parametrize("least", [5, 0])
def test_mandatory_beyond_the_supply(least: int) -> None:
    """Where 4 GPUs are free, a mandatory min of 5 excludes every plan, and a min of 0 is met by nothing."""
    instance = make(
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", mandatory=True),),
        requests=(ask("p", least, 10, step=5),),
    )
    if least == 0:
        assert granted(instance) == {}
        return
    with pytest.raises(InfeasibleError):
        kalloc.solve(instance)


@pytest.mark.parametrize(("kind", "expected"), [("h", {("p", "h"): 3, ("p", "b"): 4}), ("*", {("p", "b"): 3})])
def test_quota(kind: str, expected: dict[tuple[str, str], int]) -> None:
    """A row of 3 for kind h leaves kind b alone; a row of 3 for all kinds goes to the kind that is worth double."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b", performance=2)),
        quotas=(Quota(pool="top", kind=kind, gpus=3),),
        inventory=(nodes("r", 4), nodes("r", 4, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
    )
    assert granted(instance) == expected


def test_quota_of_a_pool_bounds_all_below_it() -> None:
    """Two projects in two pools below share the 6 GPUs of the row of their parent, the better one first."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="top", kind="h", gpus=6),),
        inventory=(nodes("r", 16),),
        projects=(Project(project="p", pool="a"), Project(project="q", pool="b", merit=2)),
        requests=(ask("p", 1, 8), ask("q", 1, 4)),
    )
    assert granted(instance) == {("p", "h"): 2, ("q", "h"): 4}


@pytest.mark.parametrize(("asked", "expected"), [(0, 6), (2, 6), (3, 5), (4, 4)])
def test_borrowing(asked: int, expected: int) -> None:
    """Pool a has 4 and borrows up to 4; pool b has 4, lends up to 2, and first uses what it asks for itself."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=4, borrow=4), Quota(pool="b", kind="h", gpus=4, lend=2)),
        inventory=(nodes("r", 16),),
        projects=(Project(project="p", pool="a"), Project(project="q", pool="b", merit=2)),
        requests=(ask("p", 1, 8), *([ask("q", asked, asked)] if asked else [])),
    )
    assert granted(instance)["p", "h"] == expected


def test_borrowing_of_one_kind_is_apart_from_all_kinds() -> None:
    """A sibling lends 8 GPUs of all kinds together, which does not help a pool that borrows one kind."""
    instance = make(
        pools=FAMILY,
        quotas=(Quota(pool="a", kind="h", gpus=4, borrow=4), Quota(pool="b", kind="*", gpus=8, lend=8)),
        inventory=(nodes("r", 16),),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 8),),
    )
    assert granted(instance) == {("p", "h"): 4}


def test_eligible() -> None:
    """Of four nodes only those of the own pool and of the one above count: one is down, one is a sibling's."""
    instance = make(
        pools=FAMILY,
        inventory=(
            nodes("r", 4, node="own", owner="a"),
            nodes("r", 4, node="above"),
            nodes("r", 4, node="down", state="down"),
            nodes("r", 4, node="sibling", owner="b"),
        ),
        projects=(Project(project="p", pool="a"),),
        requests=(ask("p", 1, 16),),
    )
    assert seats(instance) == {("p", "own"): 4, ("p", "above"): 4}


def lending(lend: int, **changes: Any) -> Instance:
    """Return an instance where pool a borrows, b lends some and c lends 3, and all nodes are of b."""
    fields: dict[str, Any] = {
        "pools": FAMILY,
        "quotas": (
            Quota(pool="a", kind="h", gpus=0, borrow=8),
            Quota(pool="b", kind="h", gpus=8, lend=lend),
            Quota(pool="c", kind="h", gpus=8, lend=3),
        ),
        "inventory": (nodes("r", 8, owner="b", node="n"),),
        "projects": (Project(project="p", pool="a"),),
        "requests": (ask("p", 1, 8),),
    }
    return make(**{**fields, **changes})


@pytest.mark.parametrize(("lend", "expected"), [(3, {("p", "h"): 3}), (1, {("p", "h"): 1}), (0, {})])
def test_lend(lend: int, expected: dict[tuple[str, str], int]) -> None:
    """Two siblings lend, but all nodes are of one of them: outsiders get no more there than that one lends."""
    assert granted(lending(lend)) == expected


def test_lend_counts_what_others_keep() -> None:
    """A project keeps 2 GPUs on nodes of a pool that lends 3: together it may have 3 there."""
    instance = lending(3, placed=(Placed(project="p", node="n", gpus=2),))
    assert granted(instance) == {("p", "h"): 3}


def test_lend_less_than_others_keep() -> None:
    """A project keeps 2 GPUs where another row of the lender opens the node but this one lends 1: there is no plan."""
    rows = (*lending(1).quotas, Quota(pool="b", kind="*", gpus=8, lend=8), Quota(pool="a", kind="*", gpus=0, borrow=8))
    instance = lending(1, quotas=rows, placed=(Placed(project="p", node="n", gpus=2),))
    with pytest.raises(InfeasibleError, match="lend"):
        kalloc.solve(instance)


def test_room() -> None:
    """Of a node of 8 background holds 3, so two projects that ask 3 and 2 fill it, and a third gets nothing."""
    instance = make(
        inventory=(nodes("r", 8, node="n"),),
        projects=(P, Q, Project(project="late", pool="top", merit=0.5)),
        requests=(ask("p", 3, 3), ask("q", 2, 2), ask("late", 1, 1)),
        placed=(Placed(project="other", node="n", gpus=3, movable=True),),
    )
    assert seats(instance) == {("p", "n"): 3, ("q", "n"): 2}


def test_seated() -> None:
    """5 GPUs over nodes of 4, 3 and 2 all get a seat, on the fewest nodes, which are two, in one rack."""
    instance = make(
        inventory=(nodes("r", 4, node="x"), nodes("r", 3, node="y"), nodes("s", 2, node="z")),
        projects=(P,),
        requests=(ask("p", 5, 5),),
    )
    found = seats(instance)
    assert sum(found.values()) == 5 and {node for _, node in found} == {"x", "y"}


@pytest.mark.parametrize(("level", "expected"), [(None, 7), ("rack", 4), ("node", 3)])
def test_level(level: str | None, expected: int) -> None:
    """Of racks with nodes of 2 + 2 and of 3, all 7 GPUs may be had, 4 in one rack, 3 on one node."""
    instance = make(
        inventory=(nodes("r", 2, count=2), nodes("s", 3)),
        projects=(Project(project="p", pool="top", level=level),),
        requests=(ask("p", 1, 8),),
    )
    assert granted(instance) == {("p", "h"): expected}


def test_stays() -> None:
    """A project without merit keeps the 2 GPUs that stay; the movable ones of another may go anywhere."""
    instance = make(
        inventory=(nodes("r", 4, node="n"), nodes("s", 4, node="m")),
        projects=(Project(project="p", pool="top", merit=0), Q),
        requests=(ask("p", 1, 4), ask("q", 1, 8)),
        placed=(Placed(project="p", node="n", gpus=2), Placed(project="q", node="n", gpus=2, movable=True)),
    )
    assert seats(instance) == {("p", "n"): 2, ("q", "n"): 2, ("q", "m"): 4}


def test_merit_is_the_decimal_that_is_written() -> None:
    """0.1 a GPU for 3 GPUs is 0.3, not the sum of three binary fractions, and its bound is the same number."""
    instance = make(
        inventory=(nodes("r", 3),),
        projects=(Project(project="p", pool="top", merit=0.1),),
        requests=(ask("p", 3, 3),),
    )
    tier = kalloc.solve(instance, threads=1).tiers[0]
    assert (tier.value, tier.bound, tier.gap) == (0.3, 0.3, 0.0)


def test_merit_too_fine_for_whole_numbers_still_has_a_bound() -> None:
    """Merits of 1e-12 beside 1e12 exceed the integers of a solver: the bound is rounded, but stays above the value."""
    instance = make(
        inventory=(nodes("r", 8),),
        projects=(Project(project="p", pool="top", merit=1e12), Project(project="q", pool="top", merit=1.5e-12)),
        requests=(ask("p", 7, 7), ask("q", 1, 1)),
    )
    tier = kalloc.solve(instance, threads=1).tiers[0]
    assert tier.bound is not None and tier.value <= tier.bound <= tier.value * 1.001
