"""What cannot be seated together is cut off from the allocation: its bounds still hold for every plan."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

import kalloc
from kalloc.allocate import fillings
from kalloc.errors import InstanceError, NoPlanError
from kalloc.instance import Hierarchy, Instance, Objective, Project, Request, Shape, Tier
from kalloc.solving import placing
from models import joint
from tests.engine.judging import engine
from tests.models.small import ask, make, nodes


@pytest.fixture(autouse=True)
def counted_by_totals(monkeypatch: pytest.MonkeyPatch, staged: None) -> None:
    """Leave to the cuts what domains are known to hold otherwise."""
    monkeypatch.setattr(fillings, "MOST_VARIABLES", 0)


def test_four_sizes_in_two_racks() -> None:
    """Racks of 10 hold 4, 4, 5 and 7 by their totals, but not one by one: 16 is the most, and that is proven."""
    sizes = {"a": 4, "b": 4, "c": 5, "d": 7}
    result = kalloc.solve(
        make(
            inventory=tuple(nodes(rack, 1, count=10) for rack in "rs"),
            projects=tuple(Project(project=name, pool="top", level="rack") for name in sizes),
            requests=tuple(ask(name, size, size) for name, size in sizes.items()),
        ),
        threads=1,
    )
    merit = result.tiers[0]
    assert (merit.value, merit.bound, merit.given) == (16, 16, None)


def drawn(seed: int) -> Instance:
    """Return an instance of a few racks in two units, nearly filled by projects of a shape, in ones and twos alike."""
    dice = random.Random(seed)
    room = [dice.randint(8, 13) for _ in range(dice.randint(2, 4))]
    inventory = tuple(nodes("", gpus, path=(dice.choice("uv"), f"r{at}")) for at, gpus in enumerate(room))
    projects, requests, shapes = list[Project](), list[Request](), list[Shape]()
    for turn in range(dice.randint(3, 4)):
        size, merit = dice.randint(3, 9), dice.choice([1.0, 1.125, 1.25])
        more, form = dice.choice([0, 0, 1]), dice.choice(["unit", "rack", "rack", "exclusive", "segment", "free"])
        for twin in range(dice.choice([1, 2, 2, 3])):
            name = f"p{turn}{twin}"
            level = form if form in ("unit", "rack") else None
            projects.append(Project(project=name, pool="top", level=level, merit=merit, mix="one"))
            requests.append(ask(name, size, size + more))
            if form in ("exclusive", "segment"):
                amount = size if form == "segment" else None
                shapes.append(Shape(project=name, shape=form, level="rack", amount=amount))
    return make(
        hierarchy=Hierarchy(levels=("unit", "rack")),
        inventory=inventory,
        projects=tuple(projects),
        requests=tuple(requests),
        shapes=tuple(shapes),
        objective=Objective(tiers=(Tier(name="merit"),)),
    )


def met(seed: int) -> bool:
    """No plan is better than the optimum and no bound below it; tell whether both are the optimum."""
    with suppress(InstanceError):
        instance = drawn(seed)
        reference = joint.solve(instance).merit
        try:
            result = engine(instance)
        except NoPlanError:
            return False
        assert reference is not None and result is not None
        merit = result.tiers[0]
        assert merit.value <= reference and merit.bound is not None and merit.given is None and merit.bound >= reference
        return merit.value == merit.bound
    return True


def test_bounds_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """On drawn instances no bound is below the optimum, and more plans meet it than without cuts."""
    seeds = range(60)
    cut = [seed for seed in seeds if met(seed)]
    monkeypatch.setattr(placing, "decided_without", lambda *_: None)
    plain = [seed for seed in seeds if met(seed)]
    assert set(plain) < set(cut) and len(cut) > 50


@pytest.mark.long
def test_bounds_hold_on_thousands() -> None:
    """As above, on thousands of instances."""
    assert sum(met(seed) for seed in range(3000)) > 2700
