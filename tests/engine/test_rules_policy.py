"""Each rule of policy alone on an instance whose optimum is worked out by hand, for both engines."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import kalloc
from kalloc.errors import InfeasibleError
from kalloc.instance import (
    Budget,
    Group,
    Hierarchy,
    Instance,
    Kind,
    Limit,
    NodeGroup,
    Placed,
    Pool,
    Power,
    Project,
    Rate,
    Shape,
)
from tests.engine.judging import granted, seats
from tests.models.small import ask, make, nodes

pytestmark = pytest.mark.usefixtures("both_engines")

P = Project(project="p", pool="top", merit=9)
Q = Project(project="q", pool="top")
TWO_KINDS = (Kind(kind="h"), Kind(kind="b", performance=2.5))


def shape(name: str, level: str | None = None, amount: int | None = None, project: str = "p") -> Shape:
    """Return a shape of project p."""
    return Shape(project=project, shape=name, level=level, amount=amount)


def gpus(instance: Instance) -> dict[str, int]:
    """Return the GPUs of every project that gets any."""
    return {project: amount for (project, _), amount in granted(instance).items()}


def by_node(instance: Instance, project: str = "p") -> dict[str, int]:
    """Return the GPUs of a project by node."""
    return {node: amount for (name, node), amount in seats(instance).items() if name == project}


# ----------------------------------------------------------------------------------------------------------------- call


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (None, {"p": 4}),
        (date(2026, 1, 4), {"q": 4}),
        (date(2026, 1, 5), {"p": 4}),
        (date(2026, 1, 28), {"p": 4}),
        (date(2026, 1, 29), {"q": 4}),
    ],
)
def test_call(day: date | None, expected: dict[str, int]) -> None:
    """The pool opens on the 5th, the one above closes on the 28th; whoever is outside leaves all to the one without."""
    instance = make(
        pools=(Pool(pool="top", closes=date(2026, 1, 28)), Pool(pool="a", parent="top", opens=date(2026, 1, 5))),
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="a", merit=9, applied=day), Q),
        requests=(ask("p", 4, 4), ask("q", 1, 4)),
    )
    assert gpus(instance) == expected


@pytest.mark.parametrize("keeps", [True, False])
def test_call_leaves_no_plan_where_the_refused_must_be_served(keeps: bool) -> None:
    """Who is refused but mandatory, or keeps GPUs, is in the way of every plan, and the call is named."""
    instance = make(
        pools=(Pool(pool="top", closes=date(2026, 1, 28)),),
        inventory=(nodes("r", 4, node="n"),),
        projects=(Project(project="p", pool="top", mandatory=not keeps, applied=date(2026, 2, 1)),),
        requests=(ask("p", 1, 4),),
        placed=(Placed(project="p", node="n", gpus=1),) if keeps else (),
    )
    with pytest.raises(InfeasibleError, match="call"):
        kalloc.solve(instance)


@pytest.mark.parametrize("least", [0, 1])
def test_call_is_met_by_the_mandatory_who_are_content_with_nothing(least: int) -> None:
    """A mandatory project with a min of 0 has enough with nothing, so that it may be refused; with a min of 1 not."""
    instance = make(
        pools=(Pool(pool="top", closes=date(2026, 1, 28)),),
        inventory=(nodes("r", 4),),
        projects=(Project(project="p", pool="top", mandatory=True, applied=date(2026, 2, 1)), Q),
        requests=(ask("p", least, 4), ask("q", 1, 4)),
    )
    if least:
        with pytest.raises(InfeasibleError, match="call"):
            kalloc.solve(instance)
        return
    assert gpus(instance) == {"q": 4}


# ---------------------------------------------------------------------------------------------------------------- limit


@pytest.mark.parametrize(
    ("mix", "most", "expected"),
    [
        ("one", 6, {("p", "b"): 3}),
        ("one", 9, {("p", "b"): 3}),
        ("one", 4, {("p", "b"): 2}),
        ("any", 5, {("p", "b"): 2, ("p", "h"): 1}),
        ("any", 9, {("p", "b"): 3, ("p", "h"): 3}),
        ("one", 1, {("p", "h"): 1}),
    ],
)
def test_limit(mix: str, most: int, expected: dict[tuple[str, str], int]) -> None:
    """A GPU of kind b counts for two and is worth 2.5: 3 of them come first, then of kind h what is left, if any."""
    instance = make(
        kinds=TWO_KINDS,
        limits=(Limit(limit="exchange", per="project", most=most),),
        rates=(Rate(limit="exchange", kind="h", rate=1), Rate(limit="exchange", kind="b", rate=2)),
        inventory=(nodes("r", 8), nodes("r", 3, kind="b")),
        projects=(Project(project="p", pool="top", mix=mix),),
        requests=(ask("p", 1, 6), ask("p", 1, 4, kind="b")),
    )
    assert granted(instance) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"per": "project"}, {"p": 4, "q": 4, "o": 4}),
        ({"per": "applicant"}, {"p": 4, "o": 4}),
        ({"per": "applicant", "of": "kaist"}, {"p": 4, "o": 8}),
        ({"per": "applicant", "of": "snu"}, {"p": 8, "o": 4}),
        ({"per": "region"}, {"p": 4, "o": 4}),
        ({"per": "group"}, {"p": 8, "o": 4}),
        ({"per": "all"}, {"p": 4}),
        ({"per": "all", "pool": "a"}, {"p": 8, "o": 4}),
        ({"per": "region", "of": "seoul", "pool": "top"}, {"p": 8, "o": 4}),
    ],
)
def test_limit_of_four(limit: dict[str, Any], expected: dict[str, int]) -> None:
    """Of 13 GPUs p would get 8 and o 5, and nothing is left for q, which takes 4; some of them may have 4 at most.

    p and q are of one applicant and region; o is of another, of the only group, and alone in pool a.
    """
    instance = make(
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        groups=(Group(group="industry"),),
        limits=(Limit(limit="four", kind="*", most=4, **limit),),
        inventory=(nodes("r", 13),),
        projects=(
            Project(project="p", pool="top", merit=9, applicant="kaist", region="daejeon"),
            Project(project="q", pool="top", merit=1, applicant="kaist", region="daejeon"),
            Project(project="o", pool="a", merit=3, applicant="snu", region="seoul", group="industry"),
        ),
        requests=(ask("p", 1, 8), ask("q", 4, 4), ask("o", 1, 8)),
    )
    assert gpus(instance) == expected


@pytest.mark.parametrize(("least", "expected"), [(None, {"p": 4}), (2, {"p": 2, "q": 2}), (4, {"q": 4}), (5, None)])
def test_limit_from_below(least: int | None, expected: dict[str, int] | None) -> None:
    """Of 4 GPUs a region gets its least, though others have nine times the merit; more than there is, is no plan."""
    instance = make(
        limits=(Limit(limit="floor", per="region", of="busan", kind="h", least=least, most=9),),
        inventory=(nodes("r", 4),),
        projects=(P, Project(project="q", pool="top", region="busan")),
        requests=(ask("p", 1, 4), ask("q", 2, 6, step=2)),
    )
    if expected is None:
        with pytest.raises(InfeasibleError, match="limit: 'floor'"):
            kalloc.solve(instance)
        return
    assert gpus(instance) == expected


def test_limit_at_half_a_gpu_holds_each_of_alike_projects() -> None:
    """At half a GPU each, 6 GPUs count 3: three alike projects have 6, 6 and 4 of 16, none of them 8."""
    instance = make(
        limits=(Limit(limit="half", per="project", most=3),),
        rates=(Rate(limit="half", kind="h", rate=0.5),),
        inventory=(nodes("r", 16),),
        projects=tuple(Project(project=name, pool="top") for name in "pqr"),
        requests=tuple(ask(name, 2, 8, step=2) for name in "pqr"),
    )
    assert sorted(gpus(instance).values()) == [4, 6, 6]


# --------------------------------------------------------------------------------------------------------------- budget


@pytest.mark.parametrize(
    ("won", "expected"),
    [(0, {}), (14, {}), (15, {"p": 1}), (45, {"p": 3}), (64, {"p": 3}), (65, {"p": 3, "q": 1}), (99, {"p": 3, "q": 2})],
)
def test_budget(won: int, expected: dict[str, int]) -> None:
    """At 20 won a GPU less a quarter for the class of p, its 3 GPUs cost 45; those of q cost 20 each after that."""
    instance = make(
        kinds=(Kind(kind="h", won=20),),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top")),
        groups=(Group(group="academia", discount=25),),
        budgets=(Budget(budget="term", pool="top", won=won),),
        inventory=(nodes("r", 9),),
        projects=(Project(project="p", pool="a", merit=9, group="academia"), Q),
        requests=(ask("p", 1, 3), ask("q", 1, 4)),
    )
    assert gpus(instance) == expected


def test_budget_of_a_pool_leaves_others_and_free_kinds_alone() -> None:
    """10 won buy 2 GPUs of kind h for pool a; kind b costs nothing, and pool b has no budget."""
    instance = make(
        kinds=(Kind(kind="h", won=5), Kind(kind="b")),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        budgets=(Budget(budget="of a", pool="a", won=10),),
        inventory=(nodes("r", 8), nodes("r", 3, kind="b")),
        projects=(Project(project="p", pool="a", mix="any", merit=2), Project(project="q", pool="b")),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b"), ask("q", 1, 5)),
    )
    assert granted(instance) == {("p", "h"): 2, ("p", "b"): 3, ("q", "h"): 5}


# ---------------------------------------------------------------------------------------------------------------- power


@pytest.mark.parametrize(("kw", "expected"), [(0.2, 0), (0.299, 0), (0.3, 1), (0.65, 4), (0.7, 5), (0.8, 6), (9.0, 6)])
def test_power(kw: float, expected: int) -> None:
    """Two nodes idle at 50 W, background draws 100 W and each GPU 100 W more; the node that is down draws nothing."""
    instance = make(
        power=(Power(power="feed", level="rack", kw=kw),),
        inventory=(
            *(nodes("r", 4, node=name, idle_watts=50, loaded_watts=450) for name in ("n", "m")),
            nodes("r", 4, node="off", idle_watts=5000, state="down"),
        ),
        projects=(P,),
        requests=(ask("p", 1, 6),),
        placed=(Placed(project="other", node="n", gpus=1),),
    )
    assert gpus(instance).get("p", 0) == expected


def test_power_of_a_rack_sends_what_is_over_elsewhere() -> None:
    """A GPU draws what its kind does, 100 W: of 6 GPUs 2 sit in the rack of 200 W, 4 in the one without limit."""
    instance = make(
        kinds=(Kind(kind="h", watts=100),),
        power=(Power(power="feed", level="rack", domain="r", kw=0.2),),
        inventory=(nodes("r", 4, node="n"), nodes("s", 4, node="m")),
        projects=(P,),
        requests=(ask("p", 1, 8),),
    )
    assert by_node(instance) == {"n": 2, "m": 4}


def test_power_goes_to_the_kind_that_needs_less() -> None:
    """600 W feed 2 GPUs of 300 W or 6 of 100 W, of the same worth: the 6 are granted."""
    instance = make(
        kinds=(Kind(kind="h", watts=300), Kind(kind="b", watts=100)),
        power=(Power(power="feed", level="rack", kw=0.6),),
        inventory=(nodes("r", 8), nodes("r", 8, kind="b")),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 8), ask("p", 1, 8, kind="b")),
    )
    assert granted(instance) == {("p", "b"): 6}


def test_power_of_single_nodes() -> None:
    """At 250 W a node and 100 W a GPU, five nodes hold two GPUs each, so 10 of 20, two on each node."""
    instance = make(
        kinds=(Kind(kind="h", watts=100),),
        power=(Power(power="socket", level="node", kw=0.25),),
        inventory=tuple(nodes("r", 4, node=f"n{number}") for number in range(5)),
        projects=(P,),
        requests=(ask("p", 1, 20),),
    )
    assert gpus(instance) == {"p": 10}
    assert set(by_node(instance).values()) == {2}


def test_power_of_more_domains_than_meters() -> None:
    """Fifty nodes of 250 W, more than are metered one by one, hold two GPUs each all the same."""
    instance = make(
        kinds=(Kind(kind="h", watts=100),),
        power=(Power(power="socket", level="node", kw=0.25),),
        inventory=tuple(nodes("r", 4, node=f"n{number}") for number in range(50)),
        projects=(P,),
        requests=(ask("p", 1, 200),),
    )
    assert gpus(instance) == {"p": 100}
    assert set(by_node(instance).values()) == {2}


@pytest.mark.parametrize("count", [2, 50])
def test_power_that_idle_nodes_exceed_is_no_plan(count: int) -> None:
    """Nodes that idle at 300 W break 250 W with nobody on them, however many there are, and the limit is named."""
    instance = make(
        power=(Power(power="socket", level="node", kw=0.25),),
        inventory=(nodes("r", 1, count=count, idle_watts=300),),
        projects=(P,),
        requests=(ask("p", 1, 1),),
    )
    with pytest.raises(InfeasibleError, match="power: 'socket'"):
        kalloc.solve(instance)


# --------------------------------------------------------------------------------------------------------------- shapes

RACKS = (nodes("r", 3, node="r3"), nodes("r", 2, node="r2"), nodes("s", 2, node="s2"), nodes("s", 3, node="s3"))
"""Two racks of five GPUs, on nodes of 3 and 2."""


@pytest.mark.parametrize(
    ("layers", "expected"),
    [({}, 10), ({"rack": 2}, 8), ({"rack": 3}, 6), ({"rack": 4}, 8), ({"node": 2}, 8), ({"node": 3}, 6)],
)
def test_segment(layers: dict[str, int], expected: int) -> None:
    """Each rack of 5 GPUs holds two segments of 2, one of 3 or one of 4; a node of 3 holds one of 2 or 3."""
    instance = make(
        shapes=tuple(shape("segment", level, amount) for level, amount in layers.items()),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 1, 10),),
    )
    assert gpus(instance) == {"p": expected}
    found = by_node(instance)
    for level, amount in layers.items():
        places = [found] if level == "node" else [by_rack(found)]
        assert all(count % amount == 0 for place in places for count in place.values())


def by_rack(found: dict[str, int]) -> dict[str, int]:
    """Return GPUs by the first letter of the node, which is its rack."""
    racks: dict[str, int] = {}
    for node, amount in found.items():
        racks[node[0]] = racks.get(node[0], 0) + amount
    return racks


def test_segment_of_two_layers() -> None:
    """Segments of 4 in a rack, made of segments of 2 on a node: 2 + 2 in each rack, on all four nodes."""
    instance = make(
        shapes=(shape("segment", "rack", 4), shape("segment", "node", 2)),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 1, 10),),
    )
    assert gpus(instance) == {"p": 8}
    assert by_node(instance) == {"r3": 2, "r2": 2, "s2": 2, "s3": 2}


@pytest.mark.parametrize(
    ("level", "amount", "expected"), [("rack", 3, 6), ("rack", 1, 2), ("node", 2, 8), ("node", 1, 4)]
)
def test_spread(level: str, amount: int, expected: int) -> None:
    """Two racks or four nodes with at most so many GPUs each."""
    instance = make(
        shapes=(shape("spread", level, amount),),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 1, 10),),
    )
    assert gpus(instance) == {"p": expected}
    found = by_node(instance)
    assert set((found if level == "node" else by_rack(found)).values()) == {amount}


def test_spread_survives_the_loss_of_a_rack() -> None:
    """A service of 4 GPUs that may lose 2 sits in both racks, though either could hold it whole."""
    instance = make(
        shapes=(shape("spread", "rack", 2),),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 4, 4),),
    )
    assert by_rack(by_node(instance)) == {"r": 2, "s": 2}


@pytest.mark.parametrize(
    ("held", "expected"),
    [({}, {"n": 4, "m": 4}), ({"n": 1}, {"m": 4, "k": 2}), ({"n": 1, "m": 4}, {"k": 2}), ({"k": 2}, {"n": 4, "m": 4})],
)
def test_whole(held: dict[str, int], expected: dict[str, int]) -> None:
    """p takes up to 9 GPUs as whole nodes of 4, 4 and 2, which background may break; q takes what is left."""
    instance = make(
        shapes=(shape("whole"),),
        inventory=(nodes("r", 4, node="n"), nodes("r", 4, node="m"), nodes("s", 2, node="k")),
        projects=(P, Q),
        requests=(ask("p", 2, 9), ask("q", 1, 9)),
        placed=tuple(Placed(project="other", node=node, gpus=taken) for node, taken in held.items()),
    )
    assert by_node(instance) == expected
    assert gpus(instance).get("q", 0) == 10 - sum(expected.values()) - sum(held.values())


def test_exclusive_does_not_sit_beside_what_stays() -> None:
    """Background is in rack r and another's GPU stays in rack s: p can only be in rack t, alone."""
    instance = make(
        shapes=(shape("exclusive", "rack"),),
        inventory=(*(nodes(rack, 9, node=f"{rack}9") for rack in "rs"), *(nodes("t", n, node=f"t{n}") for n in (1, 2))),
        projects=(P, Q),
        requests=(ask("p", 1, 9), ask("q", 1, 9)),
        placed=(Placed(project="other", node="r9", gpus=1), Placed(project="q", node="s9", gpus=1)),
    )
    assert by_node(instance) == {"t2": 2, "t1": 1}
    assert gpus(instance) == {"p": 3, "q": 9}


@pytest.mark.parametrize("name", ["segment", "spread", "whole", "exclusive"])
def test_shapes_that_what_stays_has_broken_are_no_plan(name: str) -> None:
    """3 GPUs stay on a node of 4 beside one of background: no shape of 4, of at most 2, whole or alone can be had."""
    row = {
        "segment": shape("segment", "node", 4),
        "spread": shape("spread", "node", 2),
        "whole": shape("whole"),
        "exclusive": shape("exclusive", "node"),
    }[name]
    instance = make(
        shapes=(row,),
        inventory=(nodes("r", 4, node="n"), nodes("s", 8, node="m")),
        projects=(P,),
        requests=(ask("p", 1, 12),),
        placed=(Placed(project="p", node="n", gpus=3), Placed(project="other", node="n", gpus=1)),
    )
    with pytest.raises(InfeasibleError, match=name):
        kalloc.solve(instance)


def test_shapes_at_a_level_in_a_domain_of_another() -> None:
    """Whole in one hall and at most 3 in a rack of it: hall y holds 6, hall x with more GPUs but one rack only 3."""
    instance = make(
        hierarchy=Hierarchy(levels=("hall", "rack")),
        shapes=(shape("spread", "rack", 3),),
        inventory=tuple(
            NodeGroup(path=path, node="-".join(path), kind="h", gpus=count, owner="top")
            for path, count in {("x", "1"): 12, ("y", "1"): 4, ("y", "2"): 4}.items()
        ),
        projects=(Project(project="p", pool="top", level="hall"),),
        requests=(ask("p", 1, 12),),
    )
    assert gpus(instance) == {"p": 6}
    assert by_node(instance) == {"y-1": 3, "y-2": 3}


def test_segment_counts_what_stays() -> None:
    """One GPU stays in rack s, so that with segments of 2 an odd number more comes there, and 4 to rack r."""
    instance = make(
        shapes=(shape("segment", "rack", 2),),
        inventory=RACKS,
        projects=(P,),
        requests=(ask("p", 1, 10),),
        placed=(Placed(project="p", node="s2", gpus=1),),
    )
    assert gpus(instance) == {"p": 8}
    assert by_rack(by_node(instance)) == {"r": 4, "s": 4}


def test_whole_completes_the_node_that_stays() -> None:
    """One GPU of a node of 4 stays: the project gets the whole node, and not the other, which would be one too many."""
    instance = make(
        shapes=(shape("whole"),),
        inventory=(nodes("r", 4, node="n"), nodes("r", 2, node="k")),
        projects=(P,),
        requests=(ask("p", 1, 5),),
        placed=(Placed(project="p", node="n", gpus=1),),
    )
    assert by_node(instance) == {"n": 4}
