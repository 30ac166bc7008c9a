"""What is claimed of a plan: bounds that hold for every plan as good on the earlier tiers, and no others."""

from __future__ import annotations

from fractions import Fraction

from kalloc.allocate.lexicographic import Settled
from kalloc.instance import Guarantee, Instance, Kind, Project
from kalloc.plan import Grant, Plan, Seat
from kalloc.proof import Proof, proof_of, proven
from kalloc.verify import score
from tests.models.small import ask, deciding, make, nodes


def instance_of(*tiers: str) -> Instance:
    """Return 4 GPUs that p and q ask for, of which p has the merit, with some tiers."""
    return make(
        kinds=(Kind(kind="h"),),
        objective=deciding(*tiers),
        guarantees=(Guarantee(guarantee="floor", project="q", kind="*", gpus=2),),
        inventory=(nodes("r", 4, node="n"),),
        projects=(Project(project="p", pool="top", merit=2), Project(project="q", pool="top")),
        requests=(ask("p", 1, 4), ask("q", 1, 4)),
    )


def proof(instance: Instance, settled: list[Settled], **granted: int) -> tuple[Proof, bool]:
    """Return what is proven of a plan that grants so much, and whether it meets all that was settled."""
    grants = tuple(
        Grant(row.project, "top", "h", granted.get(row.project, 0), row.min, row.max, "") for row in instance.requests
    )
    seats = tuple(Seat(name, "h", ("r",), "n", gpus) for name, gpus in granted.items() if gpus)
    value = score(instance, Plan(instance.name, instance.sha256, ("rack",), grants, seats))
    allocation = {(name, "h"): gpus for name, gpus in granted.items()}
    return proof_of(instance, settled, allocation, value, 0), proven(instance, value, settled)


def settled(name: str, value: int, bound: int | None = None, **more: object) -> Settled:
    """Return a settled tier, its bound the value where none is given."""
    return Settled(name, Fraction(value), Fraction(value if bound is None else bound), **more)  # type: ignore[arg-type]


MERIT, SERVED = settled("merit", 8), settled("served", 1)


def test_a_plan_that_meets_every_tier_is_proven() -> None:
    """4 GPUs to p are all the merit, and one project is served: both bounds are met."""
    found, met = proof(instance_of("merit", "served"), [MERIT, SERVED], p=4)
    assert met and found.complete
    assert [(one.value, one.bound) for one in found.tiers] == [(8, 8), (1, 1)]


def test_a_bound_after_a_tier_that_falls_short_is_dropped() -> None:
    """With 3 and 1 the merit is 7 of 8: its bound stays; that one project is served at most held for the 8 alone."""
    found, met = proof(instance_of("merit", "served"), [MERIT, SERVED], p=3, q=1)
    assert not met and not found.complete
    assert [(one.value, one.bound) for one in found.tiers] == [(7, 8), (2, None)]


def test_a_tier_that_is_minimised_falls_short_above_its_bound() -> None:
    """Fewer is better for guarantees: one GPU missing more than what was settled drops the bound of what follows."""
    instance = instance_of("guarantees", "merit")
    found, _ = proof(instance, [settled("guarantees", 0), settled("merit", 6)], p=2, q=2)
    assert [(one.value, one.bound) for one in found.tiers] == [(0, 0), (6, 6)]
    found, _ = proof(instance, [settled("guarantees", 0), settled("merit", 6)], p=3, q=1)
    assert [(one.value, one.bound) for one in found.tiers] == [(1, 0), (7, None)]


def test_ranked_has_no_bound_but_its_own_value() -> None:
    """A plan that does not serve in order is not bounded by the value of one that does, and nothing after it is."""
    instance = instance_of("ranked", "served")
    found, met = proof(instance, [settled("ranked", 8), SERVED], p=4)
    assert met and [one.bound for one in found.tiers] == [8, 1]
    found, met = proof(instance, [settled("ranked", 8), SERVED], p=3, q=1)
    assert not met and [one.bound for one in found.tiers] == [None, None]


def test_shares_that_differ_after_the_first_drop_what_follows() -> None:
    """The smallest share, 0, is the same, but the second is not the one settled: merit has no bound then."""
    instance = instance_of("fairness", "merit")
    zero, one, three = Fraction(0), Fraction(1), Fraction(3, 4)
    fair = Settled("fairness", zero, zero, profile=((zero, 1), (one, 1)))
    found, met = proof(instance, [fair, MERIT], p=4)
    assert met and [tier.bound for tier in found.tiers] == [0, 8]
    found, met = proof(instance, [fair, MERIT], p=3)
    assert found.tiers[0].profile == ((0.0, 1), (float(three), 1))
    assert not met and [tier.bound for tier in found.tiers] == [0, None]


def test_a_tier_that_is_not_complete_is_not_proven() -> None:
    """Where a tier of many values was not decided to its end, a plan that meets its first value is not proven."""
    instance = instance_of("fairness")
    half = Fraction(1, 2)
    fair = Settled("fairness", half, half, complete=False, profile=((half, 2),))
    found, met = proof(instance, [fair], p=2, q=2)
    assert not met and not found.complete
    assert not found.tiers[0].complete and found.tiers[0].bound == 0.5
