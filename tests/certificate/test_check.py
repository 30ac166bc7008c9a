"""The checker of certificates: what it lets pass is proven, whatever was changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

import kalloc
from kalloc.certificate import Line
from kalloc.certificate.case import RefusedError
from kalloc.certificate.check import UNREADABLE
from kalloc.certificate.facts import beyond as proven_beyond
from kalloc.certificate.rows import RULES
from kalloc.certificate.seats import SEAT_RULES
from kalloc.certify import certify
from kalloc.instance import Instance
from kalloc.plan import Result
from kalloc.verify import RULES as VERIFIED
from kalloc.verify import claims
from models import placement
from tests.certificate.proofs import Document, broken, changed, document_of, read, solved
from tests.engine.drawing import Size, instances, trees
from tests.engine.judging import truth
from tests.engine.test_against_reference import often, on_thousands

TINY = Path(__file__).parents[2] / "instances" / "tiny"
RICH = ("borrowing", "level-request", "mandatory", "part-taken-node", "staying-project", "weights-decide")
"""Instances whose certificates have every kind of fact among them."""
SMALL = Size()
WIDE = Size(nodes=8, gpus=8, projects=6, levels=3)
TREES = Size(nodes=7, gpus=4, projects=5, levels=4)


def tightest(instance: Instance, result: Result, document: Document) -> list[tuple[str, Fraction | int]]:
    """Return what every proof of a certificate proves, whatever it claims; refused ones are left out."""
    certificate = read(instance, result, document)
    found: list[tuple[str, Fraction | int]] = []

    def attempt(name: str, prove: Callable[[], Fraction | int]) -> None:
        try:
            found.append((name, prove()))
        except (RefusedError, *UNREADABLE):
            return

    of_merit, of_score = (document["tiers"][tier]["proof"] for tier in ("merit", "fragmentation"))
    if of_merit is not None:
        attempt("merit", lambda: certificate.proven("merit", of_merit, None))
    if of_score is not None and "facts" not in of_score:
        given = next(tier.given for tier in result.tiers if tier.name == "fragmentation")
        name = "fragmentation" if given is None else "allocation"
        attempt(name, lambda: certificate.proven("fragmentation", of_score, given))
    case, members = certificate.case, certificate.case.members(certificate.granted)
    attempt("allocation", lambda: proven_beyond(case, members, document["facts"][:1], case.weights))
    return found


def best_of(instance: Instance, result: Result) -> dict[str, Fraction | int] | None:
    """Return what the text-book models know: most merit, least fragmentation of every plan, and of the allocation."""
    reference = truth(instance)
    if reference is None or reference.merit is None or reference.fragmentation is None:
        return None
    best = placement.solve(instance, {(grant.project, grant.kind): grant.gpus for grant in result.plan.grants})
    assert best.fragmentation is not None
    return {"merit": reference.merit, "fragmentation": reference.fragmentation, "allocation": best.fragmentation}


def beyond(best: dict[str, Fraction | int], found: list[tuple[str, Fraction | int]]) -> list[str]:
    """Return what is proven although it is not true."""
    return [
        f"{name}: {value} is proven, {best[name]} is true"
        for name, value in found
        if (value < best[name] if name == "merit" else value > best[name])
    ]


@pytest.mark.parametrize("name", RICH)
def test_one_changed_number_is_caught_or_harmless(name: str) -> None:
    """With any one number changed, each bound is refused or still proven, and nothing is proven that is not true."""
    instance = kalloc.load(TINY / name)
    result = solved(instance)
    document = document_of(result)
    caught = 0
    for place, other in changed(document):
        try:
            certificate = read(instance, result, other)
            lines = list(certificate.lines())
            refused = any(line.trouble for line in lines) or other["format"] != 1
        except UNREADABLE:
            refused, lines = True, []
        caught += refused
        assert refused or all(line.certified for line in lines), place
        if place.endswith("bound") or place == "format":
            assert refused, place
    assert caught
    best = best_of(instance, result)
    assert best is not None
    found = [beyond(best, tightest(instance, result, other)) for _, other in [*changed(document)][::9]]
    assert found and not any(found)


OVERDONE = (
    *(("part-taken-node", "fragmentation"), ("weights-decide", "fragmentation")),
    *(("borrowing", "merit"), ("mandatory", "merit")),
)


@pytest.mark.parametrize(("name", "tier"), OVERDONE)
def test_the_part_of_a_bound_that_is_proven(name: str, tier: str) -> None:
    """Where a bound claims more than is true, the part that prices prove is certified, and no number makes it more."""
    instance = kalloc.load(TINY / name)
    result = solved(instance)
    value, sign = next(of.value for of in result.tiers if of.name == tier), 1 if tier == "fragmentation" else -1
    bound, given = value + sign, "allocation" if tier == "fragmentation" else None
    tiers = tuple(replace(of, bound=bound, given=given) if of.name == tier else of for of in result.tiers)
    result = certify(instance, replace(result, tiers=tiers), seconds=60)

    def told(document: Document) -> Line:
        return next(line for line in read(instance, result, document).lines() if line.name == tier)

    line = told(document_of(result))
    assert not line.certified and not line.trouble and line.part is not None
    assert line.part == value if tier == "fragmentation" else line.part >= value
    assert result.certified == {"bounds": len(result.levels) + 2, "certified": len(result.levels) + 1}
    for place, other in changed(document_of(result)):
        line = told(other)
        harmless = not line.certified and line.part is not None and sign * (value - line.part) >= 0
        assert line.trouble or harmless, place


@pytest.mark.parametrize("name", ["level-request", "staying-project"])
def test_a_certificate_of_another_shape_is_refused(name: str) -> None:
    """With any one value of another kind, nothing but a sentence comes of it, and nothing false is certified."""
    instance = kalloc.load(TINY / name)
    result = solved(instance)
    best = best_of(instance, result)
    assert best is not None
    for place, other in broken(document_of(result)):
        try:
            certificate = read(instance, result, other)
            list(certificate.defects(b""))
            lines = list(certificate.lines())
            found = tightest(instance, result, other)
        except UNREADABLE:
            continue
        assert beyond(best, found) == [], place
        assert all(line.certified or line.trouble or ".proof = None" in place for line in lines), place


@given(instance=instances(SMALL), data=st.data())
@often(100)
def test_no_change_proves_what_is_not_true(instance: Instance, data: st.DataObject) -> None:
    """On random instances, proofs with numbers changed at random prove nothing beyond the optimum of the text book."""
    _nothing_beyond(instance, data)


@given(instance=trees(TREES), data=st.data())
@often(30)
def test_no_change_proves_what_is_not_true_of_trees(instance: Instance, data: st.DataObject) -> None:
    """The same where projects are scattered over several levels."""
    _nothing_beyond(instance, data)


@pytest.mark.long
@pytest.mark.parametrize("drawn", [instances(SMALL), instances(WIDE), trees(TREES)], ids=["small", "wide", "trees"])
def test_thousands_are_certified_for_what_is_true(drawn: st.SearchStrategy[Instance]) -> None:
    """On thousands of random instances what is written is accepted, and nothing beyond the optimum is proven."""
    uncertified: list[str] = []

    def check(instance: Instance) -> None:
        try:
            result = solved(instance)
        except kalloc.InfeasibleError:
            reject()
        document, best = document_of(result), best_of(instance, result)
        lines = list(read(instance, result, document).lines())
        assert [line for line in lines if line.trouble] == []
        uncertified.extend(line.name for line in lines if not line.certified)
        assert best is None or beyond(best, tightest(instance, result, document)) == []

    on_thousands(check, drawn)
    assert len(uncertified) < 300, uncertified


def _nothing_beyond(instance: Instance, data: st.DataObject) -> None:
    try:
        result = solved(instance)
    except kalloc.InfeasibleError:
        reject()
    best = best_of(instance, result)
    assume(best is not None)
    assert best is not None
    document = document_of(result)
    assert [line for line in read(instance, result, document).lines() if line.trouble] == []
    assert beyond(best, tightest(instance, result, document)) == []
    ways = list(changed(document))
    for _ in range(5):
        _, other = data.draw(st.sampled_from(ways))
        assert beyond(best, tightest(instance, result, other)) == []


def test_a_bound_that_is_too_good_is_refused() -> None:
    """A bound better than what its facts prove is refused, also where summary and certificate agree on it."""
    instance = kalloc.load(TINY / "weights-decide")
    result = solved(instance)
    summary: dict[str, Any] = copy.deepcopy(result.summary())
    document = document_of(result)
    summary["fragmentation"]["levels"]["su"]["bound"] = document["levels"]["su"]["bound"] = 3
    summary["tiers"][0]["bound"] = document["tiers"]["merit"]["bound"] = 47.0
    certificate = read(instance, result, document)
    certificate.summary = summary
    lines = {line.name: line for line in certificate.lines()}
    assert lines["spans of su"].trouble == "2 is proven, not 3"
    assert lines["merit"].trouble == "48 is proven, not 47.0"
    assert lines["fragmentation"].certified


def test_what_a_proof_does_not_foresee_is_refused() -> None:
    """A proof about every plan that leaves the plan at hand out proves nothing."""
    instance = kalloc.load(TINY / "mandatory")
    result = solved(instance)
    certificate = read(instance, result, document_of(result))
    del certificate.granted["m"]
    lines = {line.name: line for line in certificate.lines()}
    assert lines["merit"].trouble == "project 'm' gets what the proof does not foresee"


def test_the_summary_counts_what_there_is() -> None:
    """`kalloc verify` refuses a summary that counts other bounds than it has, or more certified ones."""
    instance = kalloc.load(TINY / "cap")
    result = solved(instance)
    summary = result.summary()
    assert claims(instance, result.plan, summary) == []
    for counted in ({"bounds": 5, "certified": 4}, {"bounds": 4, "certified": 5}, {"bounds": 4, "certified": -1}):
        [said] = claims(instance, result.plan, {**summary, "certified": counted})
        assert str(said).startswith("score: certified")


def test_another_plan_or_instance_is_told() -> None:
    """A certificate of another plan's file or of another instance is not of one piece with them."""
    instance = kalloc.load(TINY / "cap")
    result = solved(instance)
    document = {**document_of(result), "plan": "0" * 64}
    other = instance.replace(title="another")
    told = list(read(instance, result, document).defects(b""))
    assert told == ["the certificate is for another plan.json than the one beside it"]
    assert any("for an instance of sha256" in defect for defect in read(other, result, document).defects(b""))


def test_what_no_one_proves_stays_a_solvers_word() -> None:
    """A bound without a proof is no trouble, and not certified."""
    instance = kalloc.load(TINY / "cap")
    result = solved(instance)
    document = document_of(result)
    document["tiers"]["merit"]["proof"] = None
    lines = {line.name: line for line in read(instance, result, document).lines()}
    assert not lines["merit"].certified and not lines["merit"].trouble
    assert all(line.certified for name, line in lines.items() if name != "merit")


def test_a_split_leaves_no_plan_out() -> None:
    """A question to which a plan may have neither answer is refused."""
    instance = kalloc.load(TINY / "mandatory")
    result = solved(instance)
    document = document_of(result)
    document["tiers"]["merit"]["proof"]["split"]["more"] = 2
    [line] = [line for line in read(instance, result, document).lines() if line.name == "merit"]
    assert line.trouble == "a plan may have more than 0 and less than 2"


def test_rows_are_rules() -> None:
    """Every family of rows has the name of a rule that `kalloc verify` checks; seats know what a span is, besides."""
    seated = {*SEAT_RULES} - {"spans"}
    assert set(RULES) | seated <= {rule.__name__ for rule in VERIFIED}
