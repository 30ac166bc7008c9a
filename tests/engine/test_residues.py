"""Domains that must share items: the fewest merges are those of all partitions, and groups waste what they may."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from kalloc.place.residues import FEW_ITEMS, MAX_MODULUS, common_divisor, fewest_merges, groups_of
from kalloc.solver import Limits
from tests.engine.test_place import fewest_by_brute_force

IMPOSSIBLE = 10**6


def partitions(names: list[int]) -> Iterator[list[list[int]]]:
    """Yield every way to divide some names into groups."""
    if not names:
        yield []
        return
    for groups in partitions(names[1:]):
        yield [[names[0]], *groups]
        for at in range(len(groups)):
            yield [*groups[:at], [names[0], *groups[at]], *groups[at + 1 :]]


def fewest_of_all(residues: list[int], modulus: int, others: int, slack: int) -> int:
    """Return domains less groups at best, where all groups but ``others`` waste what is over a multiple."""
    best = IMPOSSIBLE
    for groups in partitions(list(range(len(residues)))):
        waste = sorted((sum(residues[name] for name in group) % modulus for group in groups), reverse=True)
        if sum(waste[others:]) <= slack:
            best = min(best, len(residues) - len(groups))
    return best


@pytest.mark.parametrize("others", [0, 1, 2])
def test_fewest_merges_are_those_of_all_partitions(others: int) -> None:
    """Over all ways to group the domains, just as many are saved as is proven; nothing is where no way is allowed."""
    merged = 0
    for seed in range(120):
        dice = random.Random(seed)
        modulus = dice.randint(2, 9)
        residues = [dice.randint(0, modulus - 1) for _ in range(dice.randint(1, 6))]
        slack = dice.choice([0, 0, dice.randint(-1, 4), dice.randint(0, 12)])
        found = fewest_merges(Counter(residues), modulus, others, slack, Limits())
        best = fewest_of_all(residues, modulus, others, slack)
        assert found == (0 if best == IMPOSSIBLE else best)
        merged += found > 0
    assert merged > 20


def test_no_merge_is_claimed_that_a_plan_avoids() -> None:
    """Items and merges together are never more than the parts of the best way to cut items over domains."""
    gained = 0
    for seed in range(300):
        dice = random.Random(seed)
        modulus = dice.choice([2, 3, 4])
        free = [dice.randint(1, 9) for _ in range(dice.randint(1, 3))]
        sizes: list[int] = []
        left = sum(free)
        while left and len(sizes) < 5:
            sizes.append(min(left, modulus * dice.randint(1, 3) if dice.random() < 0.85 else dice.randint(1, 5)))
            left -= sizes[-1]
        divisor, others = common_divisor(Counter(sizes))
        merges = fewest_merges(Counter(room % divisor for room in free), divisor, others, left, Limits())
        best = fewest_by_brute_force(tuple(sorted(free)), tuple(sizes))
        assert len(sizes) + merges <= best, (free, sizes)
        gained += merges > 0
    assert gained > 20


def test_groups_are_multiples_or_waste_what_they_may() -> None:
    """All groups but one add up to a multiple, or are single domains whose residues the slack allows for together."""
    for seed in range(400):
        dice = random.Random(seed)
        modulus, count = dice.randint(1, 12), dice.randint(1, 12)
        residues = [dice.randint(0, modulus - 1) for _ in range(count)]
        regions = [dice.randint(0, 2) for _ in range(count)]
        slack = dice.choice([0, 0, dice.randint(0, 20)])
        groups: dict[int, list[int]] = defaultdict(list)
        for domain, group in enumerate(groups_of(residues, regions, modulus, slack)):
            groups[group].append(domain)
        odd = [members for members in groups.values() if sum(residues[member] for member in members) % modulus]
        alone = [members for members in odd if len(members) == 1 and residues[members[0]] <= slack]
        assert sum(residues[members[0]] for members in alone) <= slack + max(residues)
        assert len(odd) - len(alone) <= 1
        assert all(group in members for group, members in groups.items())


def test_groups_keep_to_their_regions_where_they_can() -> None:
    """Two pairs that add up inside their regions stay there; rests of two regions that add up share."""
    assert groups_of([3, 5, 5, 3], [0, 0, 1, 1], 8, 0) in ([0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 3, 3], [1, 1, 2, 2])
    assert len(set(groups_of([3, 3, 5, 5], [0, 0, 1, 1], 8, 0))) == 1


def test_slack_leaves_the_smallest_alone() -> None:
    """With slack for the two smallest residues their domains share with nobody."""
    groups = groups_of([5, 1, 3, 2], [0, 0, 0, 0], 8, 3)
    assert groups[1] not in (groups[0], groups[2], groups[3]) and groups[3] not in (groups[0], groups[2])
    assert groups[0] == groups[2]


def test_common_divisor_divides_all_but_a_few() -> None:
    """As many items as said are no multiples, not more than a few, and the divisor is no less than that of all."""
    for seed in range(300):
        dice = random.Random(seed)
        base = dice.choice([1, 2, 3, 8, 70])
        sizes = Counter(base * dice.randint(1, 12) + (dice.random() < 0.1) for _ in range(dice.randint(1, 30)))
        divisor, others = common_divisor(sizes)
        assert others == sum(count for size, count in sizes.items() if size % divisor) <= FEW_ITEMS
        assert any(size % divisor == 0 for size in sizes)
        assert all(divisor >= whole for whole in range(1, MAX_MODULUS + 1) if not any(size % whole for size in sizes))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({8: 9, 16: 4}, (8, 0)),
        ({8: 9, 16: 4, 3: 2}, (8, 2)),
        ({8: 9, 16: 4, 3: 3}, (1, 0)),
        ({8: 900, 12: 5}, (4, 0)),
        ({8: 900, 12: 4}, (8, 4)),
        ({128: 3}, (128, 0)),
    ],
)
def test_common_divisor_by_hand(sizes: dict[int, int], expected: tuple[int, int]) -> None:
    """Two items, or one in two hundred, may be no multiples; a divisor over 64 is only that of all."""
    assert common_divisor(sizes) == expected


def test_what_may_all_be_wasted_needs_no_merge() -> None:
    """No domain has to share where all residues may be wasted, or where items ask more than there is."""
    assert fewest_merges(Counter({3: 2, 5: 1}), 8, 0, 11, Limits()) == 0
    assert fewest_merges(Counter({3: 2, 5: 1}), 8, 0, -1, Limits()) == 0
    assert fewest_merges(Counter({3: 2, 2: 1}), 8, 0, 7, Limits()) == 2
    assert fewest_merges(Counter({1: 2}), MAX_MODULUS + 1, 0, 0, Limits()) == 0
