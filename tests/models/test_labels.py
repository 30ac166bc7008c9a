"""One rule, one name: the rules' page, the pages of maths, the functions and the rows of the programs agree."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from kalloc.instance import Cap, Instance, Kind, Placed, Pool, Project, Quota
from models import allocation, flows, joint, placement
from models.allocation import rules, supply
from models.joint import model as joint_model
from models.placement import need
from models.placement import rules as seats
from models.program import Program
from tests.models.small import ask, make, nodes

ROOT = Path(__file__).parents[2]
TIERS = {"merit", "fragmentation"}


def rule_names() -> list[str]:
    """Return the names in the table of rules."""
    page = (ROOT / "docs/reference/rules.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)


def headings(package: str) -> set[str]:
    """Return the labels of a page of maths."""
    page = (ROOT / "models" / package / "maths.md").read_text(encoding="utf-8")
    return set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE))


def every_rule() -> Instance:
    """Return an instance in which every rule has a row."""
    return make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="*", gpus=4, borrow=4), Quota(pool="b", kind="h", gpus=4, lend=2)),
        caps=(Cap(pool="a", kind="h", gpus=5),),
        inventory=(nodes("r", 4, node="n", owner="a"), nodes("s", 4, owner="b"), nodes("s", 4, kind="b", owner="a")),
        projects=(
            Project(project="p", pool="a", mandatory=True, level="rack"),
            Project(project="q", pool="b", mix="any"),
        ),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b"), ask("q", 1, 4)),
        placed=(Placed(project="p", node="n", gpus=1),),
    )


def labels(program: Program) -> set[str]:
    """Return the labels of the rows of a program."""
    return {row.name.split("(")[0] for row in program.problem.constraints()}


def test_every_rule_is_written_down_and_built() -> None:
    """Each rule of the page has a heading in a page of maths and a function of its name in models/."""
    names = rule_names()
    assert len(names) == 12
    modules: list[ModuleType] = [rules, supply, seats, flows, need, joint_model]
    for name in names:
        assert any(name in headings(package) for package in ("allocation", "placement", "joint"))
        assert any(callable(vars(module).get(name)) for module in modules)


@pytest.mark.parametrize("package", ["allocation", "placement", "joint"])
def test_every_heading_is_a_function(package: str) -> None:
    """Each inequality of a page of maths is built by a function of its name."""
    modules = {
        "allocation": [rules, supply, flows],
        "placement": [seats, flows, need],
        "joint": [joint_model, rules, seats],
    }
    for name in headings(package):
        assert any(callable(vars(module).get(name)) for module in modules[package])


def test_the_allocation_has_the_rows_of_its_page() -> None:
    """The labels of the rows of the allocation are the headings of its page, but for the objective."""
    assert labels(allocation.build(every_rule()).program) == headings("allocation") - TIERS


def test_the_placement_has_the_rows_of_its_page() -> None:
    """The labels of the rows of the placement are the headings of its page, but for the objective."""
    model = placement.build(every_rule(), {("p", "h"): 4, ("q", "h"): 2})
    assert model is not None
    assert labels(model.program) == headings("placement") - TIERS


def test_the_joint_model_has_the_rows_of_all_pages() -> None:
    """The labels of the rows of the joint model are those of the three pages together, but for the objectives."""
    pages = headings("allocation") | headings("placement") | headings("joint")
    assert labels(joint.build(every_rule()).program) == pages - TIERS
