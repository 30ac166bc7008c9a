"""One rule, one name: the rules' page, the pages of maths, the functions and the rows of the programs agree."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from kalloc.instance import (
    Budget,
    Cap,
    Group,
    Guarantee,
    Instance,
    Kind,
    Limit,
    Objective,
    Placed,
    Pool,
    Power,
    Project,
    Quota,
    Shape,
)
from kalloc.instance.objective import TIERS
from models import allocation, flows, joint, placement
from models.allocation import policy, rules, supply
from models.allocation import tiers as seatless
from models.joint import model as joint_model
from models.placement import need
from models.placement import policy as shapes
from models.placement import rules as seats
from models.placement import tiers as on_seats
from models.program import Program
from models.search import Search
from tests.models.small import ask, make, nodes

ROOT = Path(__file__).parents[2]
MODULES: dict[str, list[ModuleType]] = {
    "allocation": [rules, policy, supply, flows, seatless],
    "placement": [seats, shapes, flows, need, on_seats],
    "joint": [joint_model],
}


def names() -> set[str]:
    """Return the names in the tables of rules and of tiers."""
    page = (ROOT / "docs/reference/rules.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(\w+)`(?:,.*?)? \|", page, re.MULTILINE))


def headings(package: str) -> set[str]:
    """Return the labels of a page of maths."""
    page = (ROOT / "models" / package / "maths.md").read_text(encoding="utf-8")
    return set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE))


def every_rule() -> Instance:
    """Return an instance in which every rule has a row."""
    return make(
        objective=Objective(tiers=[{"name": name, **SETTINGS.get(name, {})} for name in TIERS]),
        kinds=(Kind(kind="h", watts=700, won=3), Kind(kind="b", won=5)),
        pools=(Pool(pool="top", closes=date(2026, 1, 28)), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="*", gpus=4, borrow=4), Quota(pool="b", kind="h", gpus=4, lend=2)),
        caps=(Cap(pool="a", kind="h", gpus=5),),
        groups=(Group(group="g", share=50),),
        limits=(Limit(limit="most", per="all", kind="h", most=9),),
        budgets=(Budget(budget="won", pool="top", won=100),),
        guarantees=(Guarantee(guarantee="floor", pool="b", kind="h", gpus=4),),
        power=(Power(power="feed", level="rack", kw=9),),
        inventory=(nodes("r", 4, node="n", owner="a"), nodes("s", 4, owner="b"), nodes("s", 4, kind="b", owner="a")),
        projects=(
            Project(project="p", pool="a", mandatory=True, level="rack"),
            Project(project="q", pool="b", mix="any", group="g"),
            Project(project="late", pool="b", applied=date(2026, 1, 29)),
        ),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b"), ask("q", 1, 4), ask("late", 1, 4)),
        placed=(Placed(project="p", node="n", gpus=1),),
        shapes=(
            Shape(project="q", shape="segment", level="rack", amount=2),
            Shape(project="q", shape="spread", level="rack", amount=4),
            Shape(project="q", shape="whole"),
            Shape(project="q", shape="exclusive", level="node"),
        ),
    )


SETTINGS = {"reserve": {"level": "rack", "count": 1}}


def labels(program: Program) -> set[str]:
    """Return the labels of the rows of a program."""
    return {row.name.split("(")[0] for row in program.problem.constraints()}


def test_every_rule_and_tier_is_written_down_and_built() -> None:
    """Each rule and tier of the page has a heading in a page of maths and a function of its name beside that page."""
    assert names() >= set(TIERS)
    assert len(names()) == 20 + len(TIERS)
    for name in names():
        pages = [package for package in MODULES if name in headings(package)]
        assert pages, name
        assert all(any(callable(vars(module).get(name)) for module in MODULES[package]) for package in pages), name


@pytest.mark.parametrize("package", MODULES)
def test_every_heading_is_a_function(package: str) -> None:
    """Each inequality of a page of maths is built by a function of its name."""
    for name in headings(package):
        assert any(callable(vars(module).get(name)) for module in MODULES[package]), name


def test_every_tier_is_decided_by_one_model_of_the_two() -> None:
    """Tiers that need no seats and tiers on seats are all tiers, and none is both."""
    assert sorted([*seatless.TIERS, *on_seats.TIERS]) == sorted(TIERS)


def test_the_allocation_has_the_rows_of_its_page() -> None:
    """The labels of the rows of the allocation are the headings of its page, but for the tiers."""
    assert labels(allocation.build(every_rule()).program) == headings("allocation") - set(TIERS)


def test_the_placement_has_the_rows_of_its_page() -> None:
    """The labels of the rows of the placement are the headings of its page, but for the tiers."""
    model = placement.build(every_rule(), {("p", "h"): 4, ("q", "h"): 2})
    assert model is not None
    assert labels(model.program) == headings("placement") - set(TIERS)


def test_the_joint_model_has_the_rows_of_all_pages() -> None:
    """The labels of the rows of the joint model are those of the three pages, those of tiers once they are decided."""
    instance = every_rule()
    pages = headings("allocation") | headings("placement") | headings("joint")
    model = joint.build(instance)
    assert labels(model.program) == pages - set(TIERS)
    search = Search(model.program)
    for tier in instance.objective.tiers:
        joint_model.ask(search, instance, model, tier)
    assert labels(model.program) == pages
