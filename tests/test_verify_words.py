"""The checker against the rules of the policy read word for word: the same verdict and value on random plans."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

import pytest

from kalloc.instance import Instance, Tier
from kalloc.plan import Plan
from kalloc.verify import Score, score, verify
from tests.models import brute_policy as words
from tests.models.policies import sow_policy
from tests.seats import plan_of

PLANS = 40
LESS_IS_BETTER = ("guarantees", "balance")
RULES = {name: {name} for name in ("call", "limit", "budget", "power", "exclusive")}
RULES["shapes"] = {"segment", "spread", "whole"}
"""What the words decide as one, and the rules that it stands for."""

Held = Mapping[str, words.Held]
"""GPUs by project and node id."""


def _draw(dice: random.Random, instance: Instance) -> dict[str, dict[int, int]]:
    """Return GPUs by project and node: what stays, and some more of a kind that is asked, where there is room."""
    topology = instance.topology
    held = {row.project: dict(instance.stays.get(row.project, {})) for row in instance.projects}
    left = Counter(dict(enumerate(topology.gpus.tolist())))
    for nodes in (instance.background, *held.values()):
        left.subtract(nodes)
    for row in instance.projects:
        asked = {request.kind for request in instance.requests_of[row.project]}
        for node in range(topology.node_count):
            group, gpus = topology.row(node), dice.choice([0, 0, 0, 1, 2, 4])
            serves = group.kind in asked and instance.pool_tree.serves(group.owner, row.pool, group.kind)
            if serves and 0 < gpus <= left[node]:
                left[node] -= gpus
                held[row.project][node] = held[row.project].get(node, 0) + gpus
    return held


def _plan(instance: Instance, held: Held) -> Plan:
    names = instance.topology.names
    return plan_of(
        instance, {project: {names[at]: gpus for at, gpus in nodes.items()} for project, nodes in held.items()}
    )


def _verdict(instance: Instance, gets: words.Gets, held: Held) -> dict[str, bool]:
    """Return whether each rule is kept, by the words of the rules; the shapes of single projects as one."""
    got = [row for row in instance.projects if gets[row.project].total()]
    return {
        "call": all(words.call(instance, row) for row in got),
        "limit": words.limits(instance, gets),
        "budget": words.budgets(instance, gets),
        "power": words.power(instance, held),
        "shapes": all(words.shapes(instance, row, held[row.project]) for row in instance.projects),
        "exclusive": words.exclusive(instance, held),
    }


def _same(instance: Instance, tier: Tier, found: Score, gets: words.Gets, held: Held) -> None:
    value = found.tiers[tier.name]
    if tier.name == "reserve":
        assert value == words.reserve(instance, tier, held)
    elif tier.name == "ranked":
        assert value == words.key(instance, Tier(name="merit"), gets)[0]
    elif tier.name != "fragmentation":
        key = words.key(instance, tier, gets)
        assert value == (next(iter(key), Fraction(0)) if tier.name not in LESS_IS_BETTER else -key[0])
        if tier.rule == "maxmin":
            assert found.profile == tuple(sorted(Counter(key).items()))


SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_same_as_the_words(seed: int) -> None:
    """Rule by rule and tier by tier, the checker says of any plan what the definitions say.

    Shares mean nothing where somebody whom a call refuses has GPUs.
    """
    instance = sow_policy(seed, nodes=5, gpus=4, projects=4, levels=2)
    dice = random.Random(seed)
    for _ in range(PLANS):
        held = _draw(dice, instance)
        plan = _plan(instance, held)
        gets = {project: Counter[str]() for project in held}
        for seat in plan.seats:
            gets[seat.project][seat.kind] += seat.gpus
        broken = {violation.rule for violation in verify(instance, plan)}
        told = {name: not broken & rules for name, rules in RULES.items()}
        assert told == _verdict(instance, gets, held)
        for tier in instance.objective.tiers if "call" not in broken else ():
            _same(instance, tier, score(instance, plan), gets, held)


def test_every_rule_is_broken_and_kept() -> None:
    """Of such plans each rule is broken by some and kept by others, so that the test above tests it."""
    seen: dict[str, set[bool]] = {rule: set() for rules in RULES.values() for rule in rules}
    for seed in SEEDS:
        instance = sow_policy(seed, nodes=5, gpus=4, projects=4, levels=2)
        dice = random.Random(seed)
        for _ in range(5):
            broken = {violation.rule for violation in verify(instance, _plan(instance, _draw(dice, instance)))}
            for rule, verdicts in seen.items():
                verdicts.add(rule in broken)
    assert seen == {rule: {True, False} for rule in seen}
