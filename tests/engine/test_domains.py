"""What single domains hold of several projects at once: counted in the allocation, before anybody is seated."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from kalloc.allocate.build import build
from kalloc.allocate.lexicographic import NoAnswerError, Search
from kalloc.allocate.tiers import prepare, settle
from kalloc.errors import InstanceError
from kalloc.instance import (
    Hierarchy,
    Instance,
    NodeGroup,
    Objective,
    Placed,
    Project,
    Request,
    Shape,
    Tier,
)
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits
from models import joint
from models.program import InexactError, Status
from tests.models.small import ask, make, nodes

SERVED, MERIT, UTILISATION = (Tier(name=name) for name in ("served", "merit", "utilisation"))


def bound(instance: Instance) -> Fraction | None:
    """Return the bound of the first tier where seats are only counted; None where nothing is left."""
    allocation = build(instance, Rooms.of(instance))
    prepare(allocation)
    try:
        return settle(Search(allocation, Limits()), instance.objective.tiers[:1], {})[0].bound
    except NoAnswerError:
        return None


def racks(rooms: list[int], asks: list[tuple[int, int, int]], shape: str, amount: int | None, tier: Tier) -> Instance:
    """Return racks of nodes of 4 GPUs, and projects of one shape that ask for GPUs: least, most and step."""
    names = [f"p{number}" for number in range(len(asks))]
    shapes = [Shape(project=name, shape=shape, level="rack", amount=amount) for name in names if shape != "level"]
    return make(
        objective=Objective(tiers=(tier,)),
        inventory=tuple(nodes(f"r{number}", 4, count=room // 4) for number, room in enumerate(rooms)),
        projects=tuple(Project(project=name, pool="top", level="rack" if shape == "level" else None) for name in names),
        requests=tuple(
            ask(name, least, most, step=step) for name, (least, most, step) in zip(names, asks, strict=True)
        ),
        shapes=tuple(shapes),
    )


@pytest.mark.parametrize(
    ("shape", "amount", "asks", "tier", "expected"),
    [
        pytest.param("segment", 8, [(8, 24, 8)] * 3, UTILISATION, 24, id="a segment of 8 in each rack of 12"),
        pytest.param("level", None, [(8, 8, 4)] * 5, SERVED, 3, id="one project of 8 in each rack of 12"),
        pytest.param("level", None, [(4, 8, 4)] * 5, UTILISATION, 32, id="4 beside 8 in each rack of 12"),
        pytest.param("level", None, [(7, 7, 1), (5, 5, 1)] * 4, UTILISATION, 36, id="7 beside 5 in each rack of 12"),
        pytest.param("exclusive", None, [(1, 2, 1)] * 5, SERVED, 3, id="a rack to each of three"),
        pytest.param("exclusive", None, [(1, 24, 1)] * 2, UTILISATION, 36, id="racks to two"),
    ],
)
def test_several_projects_in_three_racks(
    shape: str, amount: int | None, asks: list[tuple[int, int, int]], tier: Tier, expected: int
) -> None:
    """Three racks of 12 GPUs hold no more of projects that may not be cut than a count of the racks says."""
    assert bound(racks([12, 12, 12], asks, shape, amount, tier)) == expected


def test_segments_of_alike_projects_are_counted() -> None:
    """Racks of 20 hold two segments of 8 each: of nine projects of one segment four find place."""
    assert bound(racks([20, 20], [(8, 8, 8)] * 9, "segment", 8, SERVED)) == 4


def drawn(seed: int) -> Instance:
    """Return nodes of 4 GPUs in racks and units, some taken in part, and projects most of which have some shape."""
    dice = random.Random(seed)
    levels = dice.choice([["rack"], ["su", "rack"]])
    inventory = tuple(
        NodeGroup(
            path=(str(rack % 2), f"r{rack}")[2 - len(levels) :], node=f"n{rack}{node}", kind="h", gpus=4, owner="top"
        )
        for rack in range(dice.randint(2, 4))
        for node in range(dice.randint(1, 3))
    )
    asks = [_project(dice, f"p{number}", levels) for number in range(dice.randint(3, 6))]
    return make(
        hierarchy=Hierarchy(levels=tuple(levels)),
        objective=Objective(tiers=(dice.choice([SERVED, MERIT, UTILISATION, Tier(name="fairness")]),)),
        inventory=inventory,
        projects=tuple(project for project, _, _ in asks),
        requests=tuple(request for _, request, _ in asks),
        shapes=tuple(shape for _, _, shapes in asks for shape in shapes),
        placed=tuple(
            Placed(project="other", node=row.node, gpus=dice.randint(1, 3), movable=False)
            for row in inventory
            if dice.random() < 0.12
        ),
    )


def _project(dice: random.Random, name: str, levels: list[str]) -> tuple[Project, Request, list[Shape]]:
    shape = dice.choice([None, "whole", "segment", "exclusive", "exclusive", "spread"])
    level = "node" if shape == "whole" else dice.choice([*levels, "node"] if shape == "exclusive" else levels)
    amount = {"segment": dice.choice([2, 3, 4, 6, 8]), "spread": 4}.get(shape or "")
    step = amount if shape == "segment" and amount else 4 if shape == "whole" else dice.choice([1, 2, 4])
    least = step * dice.randint(1, 2) if shape in ("segment", "whole") else dice.randint(1, 7)
    project = Project(
        project=name,
        pool="top",
        merit=dice.choice([1, 1.5, 2]),
        level=dice.choice([*levels, "node"]) if dice.random() < 0.35 else None,
        mandatory=dice.random() < 0.05,
    )
    shapes = [Shape(project=name, shape=shape, level=level, amount=amount)] if shape else []
    return project, ask(name, least, least + step * dice.choice([0, 0, 1, 2]), step=step), shapes


def enclosed(seeds: range) -> tuple[int, int]:
    """Check that no bound lies on the near side of the optimum; return how many there are, and how many meet it."""
    found = met = 0
    for seed in seeds:
        try:
            instance = drawn(seed)
            reference = joint.solve(instance)
        except (InstanceError, InexactError):
            continue
        ours = bound(instance)
        if reference.status is Status.INFEASIBLE:
            continue
        assert ours is not None and ours >= reference.tiers[0].value, seed
        found, met = found + 1, met + (ours == reference.tiers[0].value)
    return found, met


def test_no_bound_is_below_the_optimum() -> None:
    """On instances full of shapes no bound is below the best plan of models/joint, and most are equal to it."""
    found, met = enclosed(range(60))
    assert found > 40 and met > 0.8 * found


@pytest.mark.long
def test_no_bound_is_below_the_optimum_of_thousands() -> None:
    """As above, on thousands of instances."""
    found, met = enclosed(range(1000, 4000))
    assert met > 0.8 * found


MIXED = [
    pytest.param([("level", size) for size in (7, 6, 6, 5, 7)], [12, 12], 4, id="5 to 7 in 12"),
    pytest.param([("exclusive", 1), ("segment", 8), ("segment", 8)], [12, 12], 2, id="segments beside a rack alone"),
    pytest.param([("apart", 1)] * 3 + [("segment", 8)], [12, 4], 3, id="nodes alone beside a segment"),
]


@pytest.mark.parametrize(("asks", "rooms", "expected"), MIXED)
def test_domains_are_filled(asks: list[tuple[str, int]], rooms: list[int], expected: int) -> None:
    """Of sizes and shapes that share racks just as many are served as there is place for, by hand."""
    names = [f"p{number}" for number in range(len(asks))]
    shapes = [
        Shape(project=name, shape=shape, level="rack", amount=size if shape == "segment" else None)
        for name, (shape, size) in zip(names, asks, strict=True)
        if shape in ("segment", "exclusive")
    ]
    alone = [
        Shape(project=name, shape="exclusive", level="node")
        for name, (shape, _) in zip(names, asks, strict=True)
        if shape == "apart"
    ]
    instance = make(
        objective=Objective(tiers=(SERVED,)),
        inventory=tuple(nodes(f"r{number}", 4, count=room // 4) for number, room in enumerate(rooms)),
        projects=tuple(
            Project(project=name, pool="top", level="rack" if shape == "level" else None)
            for name, (shape, _) in zip(names, asks, strict=True)
        ),
        requests=tuple(ask(name, size, size) for name, (_, size) in zip(names, asks, strict=True)),
        shapes=(*shapes, *alone),
    )
    assert bound(instance) == expected == joint.solve(instance).tiers[0].value


def test_spread_within_one_domain() -> None:
    """Who must sit in one rack and may have 4 GPUs in its unit never gets 7."""
    instance = make(
        hierarchy=Hierarchy(levels=("su", "rack")),
        objective=Objective(tiers=(SERVED,)),
        inventory=(NodeGroup(path=("u", "r"), kind="h", gpus=4, owner="top", count=2),),
        projects=(Project(project="p", pool="top", level="rack"),),
        requests=(ask("p", 7, 7),),
        shapes=(Shape(project="p", shape="spread", level="su", amount=4),),
    )
    assert bound(instance) == 0 == joint.solve(instance).tiers[0].value
