"""Slots and free blocks: counted by hand, and against what is counted domain by domain for random plans."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings

from kalloc.instance import Instance, Placed
from kalloc.plan import Plan, Seat
from kalloc.slots import block_costs, blocks, cost_rows, slot_rows, slots
from kalloc.solving import solve
from tests.engine.drawing import Size, trees
from tests.halls import hall

RACKS = hall({"r1": 9, "r2": 4}, {"a": 24, "b": 8}, {"r1/n1": 8, "r2/n1": 4})
"""Racks of 72 and 32 GPUs; background leaves 64 and 28."""


def seated(instance: Instance, places: dict[tuple[str, str], int]) -> Plan:
    """Return a plan with GPUs of projects on nodes."""
    row = instance.topology.row
    ids = instance.topology.node_ids
    seats = (Seat(p, row(ids[n]).kind, row(ids[n]).path, n, gpus) for (p, n), gpus in places.items())
    return Plan(instance.name, instance.sha256, instance.hierarchy.levels, (), tuple(seats))


PLAN = seated(RACKS, {("a", "r1/n2"): 8, ("a", "r1/n3"): 8, ("a", "r1/n4"): 8, ("b", "r2/n1"): 4, ("b", "r2/n2"): 4})


def test_slots_by_hand() -> None:
    """Racks with 64 and 28 free GPUs hold one request of 64 before; with 40 and 20 left, none after."""
    assert slots(RACKS, PLAN).values.tolist() == [
        ["rack", "H200", 1, 92, 60],
        ["rack", "H200", 8, 11, 7],
        ["rack", "H200", 64, 1, 0],
        ["node", "H200", 1, 92, 60],
        ["node", "H200", 8, 11, 7],
    ]


def test_sizes_double() -> None:
    """Sizes go from 1, 8, 64 to 128, 256 and on to the largest domain, whole."""
    wide = hall({"r": 32}, {"a": 8})
    sizes = slots(wide, seated(wide, {})).query("level == 'rack'")["gpus"].tolist()
    assert sizes == [1, 8, 64, 128, 256]


def test_blocks_by_hand() -> None:
    """The largest free block is that of r1 before and after; without `a` it were 24 larger, without `b` no larger."""
    assert blocks(RACKS, PLAN).values.tolist() == [["rack", "H200", 64, 40], ["node", "H200", 8, 8]]
    assert block_costs(RACKS, PLAN).values.tolist() == [["a", "rack", "H200", 24]]


def test_what_stays_costs_nothing() -> None:
    """GPUs that a project keeps are taken before the plan, so its place is what it got besides."""
    stays = RACKS.replace(placed=(*RACKS.placed, Placed(project="a", node="r1/n2", gpus=8)))
    assert slots(stays, PLAN)["before"].tolist() == [84, 10, 0, 84, 10]
    assert blocks(stays, PLAN).values.tolist() == [["rack", "H200", 56, 40], ["node", "H200", 8, 8]]
    assert block_costs(stays, PLAN).values.tolist() == [["a", "rack", "H200", 16]]


def test_nothing_seated() -> None:
    """A plan without seats leaves what was free, and costs nothing."""
    empty = seated(RACKS, {})
    counted = slots(RACKS, empty)
    assert counted["before"].tolist() == counted["after"].tolist()
    assert block_costs(RACKS, empty).empty


def free(instance: Instance, plan: Plan, without: str | None, level: int) -> Iterator[int]:
    """Yield the free GPUs of each domain of a level beside background and all projects but one."""
    topology = instance.topology
    left = [int(gpus) for gpus in topology.gpus]
    for node, gpus in instance.background.items():
        left[node] -= gpus
    for seat in plan.seats:
        node = topology.node_ids[seat.node]
        kept = instance.stays.get(seat.project, {}).get(node, 0)
        left[node] -= kept if seat.project == without else seat.gpus
    for domain in range(topology.domain_count(level)):
        yield sum(gpus for node, gpus in enumerate(left) if topology.domain[level][node] == domain)


@settings(max_examples=30, deadline=None)
@given(trees(Size(nodes=6, projects=4)))
def test_against_counting(instance: Instance) -> None:
    """On random trees every figure after the plan is what counting domain by domain gives."""
    plan = solve(instance, time_limit=None, threads=1).plan
    counted = {(row["level"], row["gpus"]): row["after"] for row in slot_rows(instance, plan)}
    costs = {(row["project"], row["level"]): row["gpus"] for row in cost_rows(instance, plan)}
    for depth, level in enumerate(instance.topology.levels):
        after = list(free(instance, plan, None, depth))
        for size in (size for of, size in counted if of == level):
            assert counted[level, size] == sum(gpus // size for gpus in after)
        for project in instance.project_of:
            gain = max(free(instance, plan, project, depth)) - max(after)
            assert costs.get((project, level), 0) == gain
