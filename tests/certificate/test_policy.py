"""Certificates of instances with policy: what is proven of rules, tiers and seats is true, whatever was changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, event, given, reject
from hypothesis import strategies as st

import kalloc
from kalloc.certificate.case import RefusedError
from kalloc.certificate.check import UNREADABLE
from kalloc.certify import certify
from kalloc.instance import Instance
from kalloc.instance.objective import SENSES
from kalloc.plan import LevelResult, Plan, Result
from kalloc.verify import score, verify
from models import joint, placement
from models.program import InexactError
from tests.certificate.proofs import Document, changed, document_of, read, solved
from tests.engine.drawing import Size
from tests.engine.policy_drawing import policies
from tests.engine.test_against_reference import often, on_thousands

TINY = Path(__file__).parents[2] / "instances" / "tiny"
SMALL = Size(nodes=5, gpus=4, projects=4, levels=2)
RICH = ("balance", "exclusive", "fairness-pools", "guarantees", "ranked", "whole")
"""Instances whose certificates have every kind of policy among them."""
SEATS = pytest.mark.parametrize("seats", [False, True], ids=["without seats", "with seats"])


def truths(instance: Instance, result: Result) -> dict[str, Fraction]:
    """Return what the text-book models know of every tier, and of fragmentation and spans of this allocation."""
    try:
        best = joint.solve(instance)
    except InexactError:
        reject()
    found = {tier.name: tier.value for tier in best.tiers}
    alone = instance.replace(objective={"tiers": ["fragmentation"]})
    fixed = placement.solve(alone, {(row.project, row.kind): row.gpus for row in result.plan.grants})
    assert fixed.fragmentation is not None
    return {**found, "allocation": Fraction(fixed.fragmentation)}


def untrue(instance: Instance, result: Result, document: Document, best: dict[str, Fraction]) -> Iterator[str]:
    """Yield what the proofs of a certificate prove although it is not so; refused ones are left out."""
    certificate = read(instance, result, document)
    for tier in [*result.tiers]:
        proof = document["tiers"][tier.name]["proof"]
        if proof is None:
            continue
        try:
            proven = certificate.proven(tier.name, proof, tier.given)
        except (RefusedError, *UNREADABLE):
            continue
        true = best["allocation" if tier.given is not None else tier.name]
        if (proven < true) if SENSES[tier.name] == "max" else (proven > true):
            yield f"{tier.name}: {proven} is proven, {true} is true"


@given(data=st.data())
@SEATS
@often(25)
def test_nothing_untrue_is_proven_of_policies(seats: bool, data: st.DataObject) -> None:
    """On random instances with every rule and tier, proofs are accepted and prove nothing beyond the optimum.

    The same with numbers changed at random.
    """
    instance = data.draw(policies(SMALL, seats))
    result = _solved(instance)
    document, best = document_of(result), truths(instance, result)
    lines = list(read(instance, result, document).lines())
    assert [line for line in lines if line.trouble] == []
    event(f"certified: {all(line.certified for line in lines)}")
    assert list(untrue(instance, result, document, best)) == []
    ways = list(changed(document))
    for _ in range(5):
        place, other = data.draw(st.sampled_from(ways))
        assert list(untrue(instance, result, other, best)) == [], place


def _solved(instance: Instance) -> Result:
    try:
        return solved(instance)
    except (kalloc.InfeasibleError, kalloc.NoPlanError):
        reject()


@given(data=st.data())
@SEATS
@often(25)
def test_a_worse_plan_is_never_certified(seats: bool, data: st.DataObject) -> None:
    """The first tier of which a plan has less than there is to have is never certified to have no more."""
    instance = data.draw(policies(SMALL, seats))
    result = _solved(instance)
    served = [row.project for row in result.plan.grants if row.gpus]
    assume(served)
    worse = without(result.plan, data.draw(st.sampled_from(served)))
    assume(not [found for found in verify(instance, worse) if found.rule != "reason"])
    value, best = score(instance, worse), score(instance, result.plan)
    tiers = tuple(
        replace(tier, value=float(value.tiers[tier.name]), bound=float(value.tiers[tier.name]), given=None)
        for tier in result.tiers
    )
    names = [tier.name for tier in tiers]
    first = next((name for name in names if value.tiers[name] != best.tiers[name]), None)
    assume(first is not None)
    sign = 1 if SENSES[str(first)] == "max" else -1
    assume(sign * value.tiers[str(first)] < sign * best.tiers[str(first)])
    assume(value.profile == best.profile or first == names[0])
    levels = {name: LevelResult(of.spans, of.need, None) for name, of in value.levels.items()}
    claimed = certify(instance, replace(result, plan=worse, tiers=tiers, levels=levels))
    line = next(line for line in read(instance, claimed, document_of(claimed)).lines() if line.name == first)
    assert not line.certified


def without(plan: Plan, project: str) -> Plan:
    """Return a plan in which a project gets nothing."""
    grants = tuple(replace(row, gpus=0) if row.project == project else row for row in plan.grants)
    return replace(plan, grants=grants, seats=tuple(seat for seat in plan.seats if seat.project != project))


@pytest.mark.parametrize("name", RICH)
def test_one_changed_number_is_caught_or_harmless(name: str) -> None:
    """With any one number changed, each bound is refused or still proven, and nothing is proven that is not true."""
    instance = kalloc.load(TINY / name)
    result = solved(instance)
    document, best = document_of(result), truths(instance, result)
    caught = 0
    for number, (place, other) in enumerate(changed(document)):
        try:
            lines = list(read(instance, result, other).lines())
            refused = any(line.trouble for line in lines) or other["format"] != 1
        except UNREADABLE:
            refused, lines = True, []
        caught += refused
        assert refused or all(line.certified for line in lines), place
        assert number % 9 or list(untrue(instance, result, other, best)) == [], place
    assert caught


@SEATS
@pytest.mark.long
def test_thousands_with_policy_are_certified_for_what_is_true(seats: bool) -> None:
    """On thousands of random instances what is written is accepted, and nothing beyond the optimum is proven."""
    uncertified: list[str] = []

    def check(instance: Instance) -> None:
        result = _solved(instance)
        document = document_of(result)
        lines = list(read(instance, result, document).lines())
        assert [line for line in lines if line.trouble] == []
        uncertified.extend(line.name for line in lines if not line.certified)
        assert list(untrue(instance, result, document, truths(instance, result))) == []

    on_thousands(check, policies(SMALL, seats))
    assert len(uncertified) < 300, uncertified
