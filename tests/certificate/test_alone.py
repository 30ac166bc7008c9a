"""What projects cost alone: exact for one project, and never more than the text-book placement of all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from kalloc.certificate.case import Case
from kalloc.certificate.facts import beyond
from kalloc.certify.levels import Levels
from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Request, Shape
from kalloc.naming import plan_of
from kalloc.solver import Limits
from kalloc.verify import Records
from models import placement
from tests.engine.test_alone import WEIGHTS, best
from tests.engine.test_forms import tree, ways

LEVELS = ("site", "rack")


def drawn(seed: int, projects: int) -> Instance:
    """Return sites of racks of nodes, some taken in part, and projects with forms and preferences of all kinds."""
    dice = random.Random(f"alone {seed}")
    groups = tuple(
        NodeGroup(path=(f"s{s}", f"r{s}{r}"), kind="H", gpus=dice.choice((2, 4)), count=dice.randint(1, 3), owner="all")
        for s in range(dice.randint(1, 3))
        for r in range(dice.randint(1, 3))
    )
    names = [f"p{number}" for number in range(projects)]
    base = Instance(
        name="alone",
        hierarchy=Hierarchy(levels=LEVELS, weights={name: dice.choice((0, 1, 3, 10)) for name in (*LEVELS, "node")}),
        kinds=(Kind(kind="H"),),
        pools=(Pool(pool="all"),),
        inventory=groups,
        projects=tuple(Project(project=name, pool="all") for name in names),
    )
    nodes = base.topology
    sizes = [(nodes.names[node], int(nodes.gpus[node])) for node in range(nodes.node_count) if dice.random() < 0.3]
    placed = tuple(Placed(project="background", node=node, gpus=dice.randint(1, size)) for node, size in sizes)
    left = int(nodes.gpus.sum()) - sum(row.gpus for row in placed)
    requests = []
    for name in names:
        gpus = min(left, dice.randint(1, 12))
        left -= gpus
        requests += [Request(project=name, kind="H", min=gpus, max=gpus)] if gpus else []
    shapes = [shape for row in requests for shape in _shapes(dice, row)]
    return base.replace(placed=placed, requests=tuple(requests), shapes=tuple(shapes))


def _shapes(dice: random.Random, row: Request) -> Iterable[Shape]:
    level = dice.choice((*LEVELS, "node"))
    for shape in dice.sample(("spread", "segment", "whole", "exclusive", "prefer"), dice.choice((0, 0, 1, 2))):
        if shape == "segment":
            amount: int | None = dice.choice([of for of in (1, 2, 4) if row.max % of == 0])
        else:
            amount = {"spread": dice.randint(1, 6), "prefer": dice.randint(1, 9)}.get(shape)
        yield Shape(project=row.project, shape=shape, level=None if shape == "whole" else level, amount=amount)


def test_alone_nobody_pays_less_and_hardly_more() -> None:
    """Over all seatings that its shapes allow, whatever size and levels, none is cheaper; mostly one is as cheap."""
    met = seen = 0
    for seed in range(60):
        dice = random.Random(seed)
        instance = tree(dice, hierarchy=Hierarchy(levels=("hall", "rack"), weights=WEIGHTS))
        case, every = Case(instance), ways(instance, {})
        for size in sorted({sum(own) for own in every} - {0}):
            of_size = [own for own in every if sum(own) == size]
            for levels in ([0, 1], [1, 2], [0, 1, 2]):
                paid = [7, 3 + dice.randint(0, 5), 2]
                found = case.alone("p", "h", size, tuple(paid[at] if at in levels else 0 for at in range(3)))
                least = best(instance, of_size, levels, paid)
                assert found is not None and found <= least, (seed, size, levels)
                met, seen = met + (found == least), seen + 1
    assert met >= 0.9 * seen


def hold(seeds: Iterable[int]) -> Counter[str]:
    """Fail where facts say more than the text-book; count whether they say as much as it does."""
    found: Counter[str] = Counter()
    for seed in seeds:
        instance = drawn(seed, 3)
        asked = {(row.project, row.kind): row.max for row in instance.requests}
        outcome = placement.solve(instance, asked)
        if outcome.fragmentation is None:
            found["no seats"] += 1
            continue
        case, granted = Case(instance), {project: {kind: gpus} for (project, kind), gpus in asked.items()}
        members = case.members(granted)
        records = Records.of(instance, plan_of(instance, asked, outcome.seats))
        levels = Levels(case, granted, records, Limits())
        facts, least = levels.of_score(outcome.fragmentation)
        assert beyond(case, members, [], case.weights) <= outcome.fragmentation, seed
        assert beyond(case, members, facts, case.weights) == least <= outcome.fragmentation, seed
        for at, level in enumerate(case.levels):
            fewest = placement.solve(only(instance, level), asked).spans[level]
            need = sum((case.spans(*member) or ())[at][0] * count for member, count in members.items())
            every = levels.of_level(level, fewest + 1)
            assert every is None, (seed, level)
            assert need + beyond(case, members, [], case.units[at], score=False) <= fewest, (seed, level)
        found["met" if least == outcome.fragmentation else "less"] += 1
    return found


def only(instance: Instance, level: str) -> Instance:
    """Return the instance with one level alone that costs anything."""
    weights = {name: int(name == level) for name in instance.topology.levels}
    shapes = tuple(row for row in instance.shapes if row.shape != "prefer")
    return instance.replace(hierarchy=Hierarchy(levels=LEVELS, weights=weights), shapes=shapes)


def test_forms_and_rooms_together() -> None:
    """On random instances with forms, no facts say more than the text-book placement, and mostly as much."""
    found = hold(range(40))
    assert found["met"] > found["less"], found


def test_alike_are_projects_of_one_pool_alone() -> None:
    """Two projects of a pool are counted as one with the number 2, one of another pool by itself."""
    instance = Instance(
        name="pools",
        hierarchy=Hierarchy(levels=("rack",)),
        kinds=(Kind(kind="H"),),
        pools=(Pool(pool="all"), Pool(pool="a", parent="all"), Pool(pool="b", parent="all")),
        inventory=(NodeGroup(path=("r",), kind="H", gpus=8, count=4, owner="all"),),
        projects=tuple(Project(project=name, pool=name[0]) for name in ("a1", "a2", "b1")),
        requests=tuple(Request(project=name, kind="H", min=8, max=8) for name in ("a1", "a2", "b1")),
    )
    members = Case(instance).members({name: {"H": 8} for name in ("a1", "a2", "b1")})
    assert members == {("a1", (("H", 8),)): 2, ("b1", (("H", 8),)): 1}
