"""The tier `ranked` against every allocation of tiny instances, and against serving hundreds one after another."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

from kalloc.instance import Instance, Kind, Limit, Objective, Pool, Project, Quota
from kalloc.instance.policy import decimal
from tests.engine.counting import best, counted, drawn, tier
from tests.models.small import ask, make, nodes

RANKED = tier("ranked")


def test_everybody_has_what_the_best_allocation_gives() -> None:
    """On many instances each project has the worth it has in the best allocation, and the sum is settled."""
    plans = 0
    for seed in range(150):
        instance = drawn(seed, [RANKED], projects=5 if seed % 10 == 0 else 4)
        expected, found = best(instance), counted(instance)
        assert (expected is None) == (found is None), seed
        if expected is None or found is None:
            continue
        (settled,), reached = found
        assert reached == expected, seed
        merits = sorted((decimal(row.merit) for row in instance.projects), reverse=True)
        total = sum((merit * worth for merit, worth in zip(merits, expected[0], strict=True)), Fraction(0))
        assert settled.complete and settled.value == settled.bound == total, seed
        plans += 1
    assert plans > 100


def test_a_tier_after_ranked_leaves_what_each_has_alone() -> None:
    """What follows decides only between plans that give each project the same worth."""
    for seed in range(300, 340):
        instance = drawn(seed, [RANKED, tier("utilisation"), tier("fairness", by="project")])
        expected, found = best(instance), counted(instance)
        assert (expected is None) == (found is None), seed
        assert found is None or found[1] == expected, seed


def many(seed: int) -> Instance:
    """Return an instance of three hundred projects, many of them alike, for far less GPUs than they ask for."""
    dice = random.Random(seed)
    patterns = [
        (dice.choice("ab"), dice.choice([1, 2, 3, 5]), dice.choice([None, "u", "v", "w"]), dice.choice([1, 2, 4, 8]))
        for _ in range(dice.choice([12, 300]))
    ]
    rows, requests = [], []
    for number in range(300):
        pool, merit, applicant, least = dice.choice(patterns)
        name = f"p{number}"
        rows.append(Project(project=name, pool=pool, merit=merit, applicant=applicant))
        requests.append(ask(name, least, 3 * least, step=least))
        if least > 1:
            requests.append(ask(name, least, 2 * least, step=least, kind="b", value=1.37))
    return make(
        objective=Objective(tiers=(RANKED,)),
        kinds=(Kind(kind="h"), Kind(kind="b")),
        pools=(Pool(pool="top"), Pool(pool="a", parent="top"), Pool(pool="b", parent="top")),
        quotas=(Quota(pool="a", kind="*", gpus=500), Quota(pool="b", kind="h", gpus=300)),
        limits=(Limit(limit="applicant", per="applicant", kind="*", most=180),),
        inventory=(nodes("r", 8, count=70), nodes("r", 8, count=30, kind="b")),
        projects=tuple(rows),
        requests=tuple(requests),
    )


def one_by_one(instance: Instance) -> list[Fraction]:
    """Return what each project gets is worth, in order: the most that fits in what those before it have left.

    Nobody must be served and no two amounts are worth the same, so that what one gets leaves nothing open.
    """
    left: Counter[object] = Counter()
    for group in instance.inventory:
        left["room", group.kind] += group.gpus * group.count
    for quota in instance.quotas:
        left["quota", quota.pool, quota.kind] = quota.gpus
    (limit,) = instance.limits
    found = []
    for row in sorted(instance.projects, key=lambda row: -row.merit):
        options = [
            (gpus * decimal(instance.value(request)), gpus, request.kind)
            for request in instance.requests_of[row.project]
            for gpus in range(request.min, request.max + 1, request.step or 1)
        ]
        got = Fraction(0)
        for worth, gpus, kind in sorted(options, reverse=True):
            known = (("room", kind), ("quota", row.pool, kind), ("quota", row.pool, "*"))
            uses: list[object] = [key for key in known if key in left]
            mine = ("applicant", row.applicant)
            if row.applicant is not None:
                left.setdefault(mine, limit.most or 0)
                uses.append(mine)
            if all(left[key] >= gpus for key in uses):
                left.subtract(dict.fromkeys(uses, gpus))
                got = worth
                break
        found.append(got)
    return found


def test_hundreds_are_served_as_if_one_by_one() -> None:
    """Three hundred projects have, each, what serving them strictly one after another gives them."""
    for seed in range(4):
        instance = many(seed)
        found = counted(instance)
        assert found is not None
        (settled,), reached = found
        expected = one_by_one(instance)
        assert list(reached[0]) == expected, seed
        assert sum(worth == 0 for worth in expected) > 50
        assert settled.complete and settled.value == settled.bound
