"""The fewest domains that hold a bundle."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from kalloc.instance import Kind, Placed, Project
from models.placement.need import cover, largest_first, need, offers
from tests.models.small import ask, make, nodes


def test_mixed_kinds_are_covered_at_once() -> None:
    """2 h and 2 b are held by the two racks of one kind each or by the two mixed ones; 1 and 1 by one mixed rack."""
    instance = make(
        kinds=(Kind(kind="h"), Kind(kind="b")),
        inventory=(
            nodes("1", 2),
            nodes("2", 2, kind="b"),
            nodes("3", 1),
            nodes("3", 1, kind="b"),
        ),
        projects=(Project(project="p", pool="top", mix="any"),),
        requests=(ask("p", 1, 4), ask("p", 1, 4, kind="b")),
    )
    offered = offers(instance, "p")
    assert need(instance, offered, {"h": 2, "b": 2}) == (2, 2)
    assert need(instance, offered, {"h": 1, "b": 1}) == (1, 2)
    assert need(instance, offered, {"h": 3, "b": 0}) == (2, 2)
    assert need(instance, offered, {"h": 0, "b": 0}) == (0, 0)
    assert need(instance, offered, {"h": 4, "b": 0}) is None


def test_offers_leave_out_what_others_hold() -> None:
    """Background and the stays of others take room; the own stays, and what may move, do not."""
    placed = (
        Placed(project="other", node="n", gpus=1),
        Placed(project="p", node="n", gpus=2),
        Placed(project="q", node="n", gpus=3),
        Placed(project="q", node="m", gpus=3, movable=True),
    )
    instance = make(
        inventory=(nodes("r", 8, node="n"), nodes("r", 8, node="m"), nodes("r", 8, state="down")),
        projects=(Project(project="p", pool="top"), Project(project="q", pool="top")),
        requests=(ask("p", 1, 8), ask("q", 1, 8)),
        placed=placed,
    )
    assert offers(instance, "p") == {0: 4, 1: 8}
    assert offers(instance, "q") == {0: 5, 1: 8}


@pytest.mark.parametrize("seed", range(30))
def test_cover_is_the_fewest_of_all_subsets(seed: int) -> None:
    """The count equals the smallest subset that covers both kinds, and for one kind the largest offers first."""
    dice = random.Random(seed)
    vectors = [(dice.randint(0, 4), dice.randint(0, 4)) for _ in range(6)]
    amounts = (dice.randint(1, 10), dice.randint(1, 10))
    sizes = (
        count
        for count in range(7)
        for some in combinations(vectors, count)
        if all(sum(vector[kind] for vector in some) >= amounts[kind] for kind in (0, 1))
    )
    assert cover(vectors, amounts) == next(sizes, None)
    singles = [vector[:1] for vector in vectors]
    assert cover(singles, amounts[:1]) == largest_first(singles, amounts[:1])
