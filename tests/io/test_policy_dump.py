"""Policy survives both forms: what is written is read again as the same instance, with the same fingerprint."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalloc.instance import Instance, Objective
from kalloc.io import dump_json, load, schema, write_instance
from tests.io.policy import TABLES, directory
from tests.io.test_dump import NAME, TEXT
from tests.io.test_schema import strays

DAY = st.dates(date(1990, 1, 1), date(2090, 12, 31))
PERCENT = st.floats(0, 100)
FACTOR = st.floats(1e-6, 1e6)
WATTS = st.integers(0, 10**6)
TIERS: tuple[Any, ...] = (
    *("merit", "ranked", "served", "guarantees", "balance", "fragmentation"),
    {"name": "fairness", "rule": "proportional", "by": "pool", "of": "asked"},
    {"name": "utilisation", "unit": "performance"},
    {"name": "reserve", "level": "ra ck", "count": 3},
)


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Instances in which every policy table has rows, with names, texts and numbers of every sort."""
    kind, pool, group, region, applicant, domain = (draw(NAME) for _ in range(6))
    project = draw(NAME)
    opens, closes = sorted((draw(DAY), draw(DAY)))
    shares = {"share": draw(PERCENT), "tolerance": draw(PERCENT), "discount": draw(PERCENT)}
    limits = draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
    note = {"note": draw(TEXT), "source": draw(TEXT)}
    return Instance.model_validate(
        {
            "name": draw(NAME),
            "hierarchy": {"levels": ("ra ck",)},
            "objective": {"tiers": draw(st.permutations(TIERS))},
            "kinds": ({"kind": kind, "watts": draw(WATTS), "won": draw(st.integers(0, 10**12))},),
            "pools": ({"pool": pool, "opens": opens, "closes": closes, "weight": draw(FACTOR)},),
            "inventory": (
                *({"path": (domain,), "node": "n", "kind": kind, "gpus": 8, "owner": pool, "idle_watts": draw(WATTS)},),
                *({"path": ("",), "kind": kind, "gpus": 4, "owner": pool, "idle_watts": 7, "loaded_watts": 7},),
            ),
            "projects": (
                {
                    **{"project": project, "pool": pool, "group": group, "region": region, "applicant": applicant},
                    **{"applied": draw(st.none() | DAY), "weight": draw(FACTOR)},
                },
            ),
            "requests": ({"project": project, "kind": kind, "min": 0, "max": 8, "step": 1},),
            "groups": ({"group": group, **shares, **note},),
            "limits": (
                {"limit": limits[0], "per": "region", "of": region, "pool": pool, "most": draw(st.integers(1, 10**9))},
                {"limit": limits[1], "per": "all", "kind": "*", "least": draw(st.integers(1, 10**9)), **note},
            ),
            "rates": ({"limit": limits[0], "kind": kind, "rate": draw(FACTOR), **note},),
            "budgets": ({"budget": draw(NAME), "pool": pool, "won": draw(st.integers(0, 10**15)), **note},),
            "guarantees": (
                {"guarantee": "of the project", "project": project, "kind": kind, "gpus": draw(st.integers(1, 10**9))},
                {"guarantee": "of the pool", "pool": pool, "kind": "*", "gpus": 1, **note},
            ),
            "power": (
                {"power": "one", "level": "ra ck", "domain": domain, "kw": draw(st.floats(0, 1e9))},
                {"power": "each", "level": "node", "kw": 1.5, **note},
            ),
            "shapes": (
                {"project": project, "shape": "segment", "level": "ra ck", "amount": 4, **note},
                {"project": project, "shape": "segment", "level": "node", "amount": draw(st.sampled_from([1, 2, 4]))},
                {"project": project, "shape": "whole", "level": draw(st.sampled_from([None, "node"]))},
                {"project": project, "shape": "exclusive", "level": "node"},
                {"project": project, "shape": "spread", "level": "ra ck", "amount": draw(st.integers(1, 10**9))},
                {"project": project, "shape": "prefer", "level": "node", "amount": draw(st.integers(1, 10**9))},
            ),
        }
    )


@settings(max_examples=60, deadline=None)
@given(instances())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, instance: Instance) -> None:
    """Written as tables or as a document and read again, an instance is equal, with the same fingerprint."""
    path = tmp_path_factory.mktemp("trip")
    write_instance(instance, path / "tables")
    (path / "x.json").write_bytes(dump_json(instance).encode())
    for found in (load(path / "tables"), load(path / "x.json")):
        assert found == instance
        assert found.sha256 == instance.sha256


def test_written_again_the_same(tmp_path: Path) -> None:
    """What is written of what was read is the same bytes, down to the settings of tiers."""
    instance = load(directory(tmp_path / "a", TABLES))
    write_instance(instance, tmp_path / "b")
    write_instance(load(tmp_path / "b"), tmp_path / "c")
    texts = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "bc"]
    assert texts[0] == texts[1]
    assert dump_json(load(tmp_path / "c")) == dump_json(instance)


def test_documents_have_the_keys_of_the_schema(tmp_path: Path) -> None:
    """The schema describes every policy table, and the short form of a tier beside the long one."""
    described = schema("instance")
    text = json.loads(dump_json(load(directory(tmp_path / "a", TABLES))))
    assert set(TABLES) <= set(described["properties"])
    assert strays(described, text, described["$defs"]) == []


def test_every_setting_changes_the_fingerprint(tmp_path: Path) -> None:
    """Another order, another setting of a tier or another cell of a policy table is another instance."""
    instance = load(directory(tmp_path / "a", TABLES))
    tiers = instance.objective.tiers
    others = [
        instance.replace(objective=Objective(tiers=tiers[::-1])),
        instance.replace(objective=Objective(tiers=(*tiers[:-1], tiers[-1].model_copy(update={"count": 9})))),
        instance.replace(rates=(instance.rates[0], instance.rates[1].model_copy(update={"rate": 2.5}))),
        instance.replace(shapes=instance.shapes[:-1]),
    ]
    assert len({instance.sha256, *(other.sha256 for other in others)}) == 5
