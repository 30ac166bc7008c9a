"""Domains that must share: no potentials say more than the text-book model finds."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import assume, given
from hypothesis import strategies as st

from kalloc.certificate.case import Case
from kalloc.certificate.facts import beyond, shared
from kalloc.certify.facts import market_of, priced, sharing, sites
from kalloc.certify.levels import Levels
from kalloc.instance import Hierarchy
from kalloc.naming import plan_of
from kalloc.solver import Limits
from kalloc.verify import Records
from models import placement
from tests.engine.test_against_reference import often
from tests.engine.test_runs import asked as all_asked
from tests.engine.test_runs import of_two_kinds
from tests.halls import granted, hall

HALF = 16
"""GPUs that most sizes are multiples of: two nodes."""


def test_fabrics_of_odd_rooms_must_share() -> None:
    """Six racks of 15 nodes, and all ask for even numbers, 86 of 90 nodes: four may waste one, so two must share."""
    instance = hall({f"r{at}": 15 for at in range(6)}, {f"p{at}": 8 * (2 + 2 * (at % 3)) for at in range(22)})
    case = Case(instance)
    given_ = {f"p{at}": {"H200": 8 * (2 + 2 * (at % 3))} for at in range(22)}
    asked = sum(bundle["H200"] for bundle in given_.values())
    assert asked == 8 * 86
    [site] = sites(case, ["rack"], given_.items())
    market, members = market_of(case, site, [1], 1, []), case.members(given_)
    found = sharing(case, market, members, Limits())
    assert found is not None and found["modulus"] == HALF
    assert shared(market, members, found) == 22 + 1


@given(
    rooms=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=5),
    odd=st.booleans(),
    data=st.data(),
)
@often(60)
def test_potentials_say_what_is_true(rooms: list[int], sizes: list[int], odd: bool, data: st.DataObject) -> None:
    """On random racks what is proven of who must share, with potentials that were sought or drawn, is true."""
    asked = {f"p{at}": 8 * (2 * size - (odd and at == 0)) for at, size in enumerate(sizes)}
    assume(sum(asked.values()) <= 8 * sum(rooms))
    alone = Hierarchy(levels=("rack",), weights={"rack": 1, "node": 0})
    instance = hall({f"r{at}": room for at, room in enumerate(rooms)}, asked).replace(hierarchy=alone)
    best = placement.solve(instance, {(grant.project, grant.kind): grant.gpus for grant in granted(instance).grants})
    assert best.fragmentation is not None
    case, given_ = Case(instance), {project: {"H200": gpus} for project, gpus in asked.items()}
    [site], members = sites(case, ["rack"], given_.items()), case.members(given_)
    fact = priced(case, site, members, 10**6, Limits())
    assert beyond(case, members, [fact], case.weights) <= best.fragmentation
    drawn = data.draw(st.lists(st.integers(-5, 5), min_size=1, max_size=HALF))
    any_ = {"modulus": len(drawn), "denominator": data.draw(st.integers(1, 4)), "potentials": drawn}
    assert shared(market_of(case, site, [1], 1, []), members, any_) <= best.spans["rack"]


def test_who_gets_two_kinds_is_seen() -> None:
    """Where projects get two kinds, no level's fact is above the text-book, and most that need more are proven to."""
    found: Counter[str] = Counter()
    for seed in range(60):
        instance = of_two_kinds(seed)
        given_: dict[str, dict[str, int]] = defaultdict(dict)
        for (project, kind), gpus in all_asked(instance).items():
            given_[project][kind] = gpus
        for level in ("site", "rack", "node"):
            weights = {name: int(name == level) for name in instance.topology.levels}
            alone = instance.replace(hierarchy=Hierarchy(levels=instance.hierarchy.levels, weights=weights))
            outcome = placement.solve(alone, all_asked(alone))
            case, best, at = Case(alone), outcome.spans[level], alone.topology.levels.index(level)
            records = Records.of(alone, plan_of(alone, all_asked(alone), outcome.seats))
            members, need = case.members(given_), sum(case.needs.of(p, of)[at] for p, of in given_.items())
            without, facts = need + beyond(case, members, [], case.weights), Levels(case, given_, records, Limits())
            told = [need + beyond(case, members, [fact], case.weights) for fact in facts.sought((level,), frozenset())]
            met = without == best or facts.of_level(level, best) is not None
            assert max([without, *told]) <= best, seed
            found["more" if not met else "met" if without < best else "nothing to prove"] += 1
    assert found["met"] > 2 * found["more"], found
