"""The tiny instances: their notes are read, add up, and are what the reference model finds."""

from __future__ import annotations

import re
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest

from kalloc.instance import Shape
from kalloc.instance.objective import TIERS
from kalloc.io import load
from kalloc.io.tables import TABLES
from tests.instances.places import TINY

SOLVED = [path for path in TINY if not path.name.startswith("infeasible-")]
INFEASIBLE = [path for path in TINY if path.name.startswith("infeasible-")]


def note(path: Path) -> dict[str, Any]:
    """Read the block of TOML that ends the note of an instance."""
    blocks = re.findall(r"```toml\n(.*?)```\n", (path / "NOTE.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    return tomllib.loads(blocks[0])


def exact(number: Any) -> Fraction:
    """Return a number of a note, which may be a fraction in quotes."""
    return Fraction(str(number))


def test_there_are_enough() -> None:
    """At least ten have an optimum, several of them with fragmentation that cannot be avoided; two have no plan."""
    assert len(SOLVED) >= 10 and len(INFEASIBLE) >= 2
    assert sum(note(path)["fragmentation"] > 0 for path in SOLVED) >= 5


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.name)
def test_it_is_tiny(path: Path) -> None:
    """2 to 8 nodes, 2 to 6 projects, and named after its directory."""
    instance = load(path)
    assert 2 <= instance.topology.node_count <= 8 and 2 <= len(instance.projects) <= 6
    assert instance.name == f"tiny-{path.name}"


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.name)
def test_note_has_every_tier(path: Path) -> None:
    """The note gives a value for each tier of the instance, in order; and all shares where the smallest is raised."""
    instance, told = load(path), note(path)
    assert tuple(name for name in told if name in TIERS) == instance.objective.names
    assert ("profile" in told) == any(tier.rule == "maxmin" for tier in instance.objective.tiers)
    assert set(told) <= {*TIERS, "profile", "allocation"}


def test_every_tier_and_rule_has_one() -> None:
    """Each tier decides in one at least, and each table and each shape of the format is in one."""
    instances = [load(path) for path in TINY]
    assert {name for one in instances for name in one.objective.names} == set(TIERS)
    assert {table for table in TABLES for one in instances if getattr(one, table)} == set(TABLES)
    assert {row.shape for one in instances for row in one.shapes} == set(
        get_args(Shape.model_fields["shape"].annotation)
    )
    assert any(one.policy.refused for one in instances)


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.name)
def test_note_adds_up(path: Path) -> None:
    """The note's allocation is one that the requests accept, and its merit is the note's."""
    instance, told = load(path), note(path)
    asks = {(row.project, row.kind): row for row in instance.requests}
    merit = Fraction(0)
    for project, kinds in told["allocation"].items():
        for kind, gpus in kinds.items():
            ask = asks[project, kind]
            assert gpus in instance.amounts(ask)
            merit += Fraction(str(instance.project_of[project].merit)) * Fraction(str(instance.value(ask))) * gpus
    for tier in {"merit", "ranked"} & set(told):
        assert merit == exact(told[tier])


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.name)
def test_reference_finds_the_optimum(path: Path) -> None:
    """The value of every tier and the allocation of the note are those that the reference model proves."""
    from models.joint import solve

    told, found = note(path), solve(load(path))
    granted: dict[str, dict[str, int]] = {}
    for (project, kind), gpus in found.allocation.items():
        if gpus:
            granted.setdefault(project, {})[kind] = gpus
    assert found.status == "optimal"
    assert {tier.name: tier.value for tier in found.tiers} == {
        name: exact(told[name]) for name in told if name in TIERS
    }
    profile = [share for tier in found.tiers for share in tier.profile]
    assert profile == [exact(share) for share in told.get("profile", [])]
    assert granted == told["allocation"]


@pytest.mark.parametrize("path", INFEASIBLE, ids=lambda path: path.name)
def test_reference_finds_no_plan(path: Path) -> None:
    """There is no plan; there is one once any project of the note's clash need not be served."""
    from models.joint import solve

    instance, clash = load(path), note(path)["clash"]
    assert note(path)["exit"] == 3
    assert solve(instance).status == "infeasible"
    assert clash["rules"] == sorted(clash["rules"]) and "mandatory" in clash["rules"]
    for name in clash["projects"]:
        eased = tuple(
            row.model_copy(update={"mandatory": row.mandatory and row.project != name}) for row in instance.projects
        )
        assert solve(instance.replace(projects=eased)).status == "optimal"
