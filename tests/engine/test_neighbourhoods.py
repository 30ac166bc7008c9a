"""Neighbourhoods: apart from each other, packed anew from what their parents hold, all of them that are better kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kalloc.place import neighbourhoods
from kalloc.place.neighbourhoods import AT_ONCE, Found, Ground, Neighbourhood, _dived, _merged, _neighbourhoods, pack
from kalloc.place.packing import NOTHING, Packing, Way, dive
from kalloc.place.prices import Priced, pooled
from kalloc.solver import Limits
from tests.engine.stocks import MUCH, Case
from tests.engine.test_packing import halves, sound


def begun(case: Case) -> tuple[Ground, Priced, Packing]:
    """Return what is packed, the prices of its parts, and a first packing."""
    stock = case.stock()
    prices = pooled(stock, case.items, Limits())
    worth = prices.pays(stock.bin_cost, sorted(case.items))
    packing = dive(stock, case.items, worth, MUCH, prices.bound, Way(), Limits(), {})
    return Ground(stock, worth, MUCH), prices, packing


def around(ground: Ground, packing: Packing, seed: int) -> list[Neighbourhood]:
    """Return some neighbourhoods."""
    return _neighbourhoods(ground, packing, AT_ONCE, 0, Way(), {}, np.random.default_rng(seed))


def packed_anew(ground: Ground, parts: list[Neighbourhood]) -> list[Found]:
    """Return what is found for every neighbourhood."""
    return [_dived(ground, part, Limits(), 0.0) for part in parts]


@pytest.mark.parametrize("parents", [12, 40])
def test_neighbourhoods_have_nothing_in_common(parents: int) -> None:
    """No parent is in two of them; each has all bins of its parents but those that hold items with others."""
    ground, _, packing = begun(halves(parents, 1))
    for seed in range(5):
        parts = around(ground, packing, seed)
        assert 1 <= len(parts) <= AT_ONCE
        assert sum(len(part.picked) for part in parts) == len(frozenset[int]().union(*(part.picked for part in parts)))
        for part in parts:
            inside = [chosen for chosen in packing.chosen if part.picked.issuperset(chosen.parents)]
            assert part.items - packing.left == Counter(size for chosen in inside for size in chosen.sizes)
            assert part.cost == sum(chosen.cost(ground.stock) for chosen in inside) + MUCH * sum(
                size * count for size, count in packing.left.items()
            )
            for parent, bins in enumerate(part.bins):
                across = Counter(
                    filled.state
                    for chosen in packing.chosen
                    if chosen not in inside
                    for at, filled in zip(chosen.parents, chosen.pattern.bins, strict=True)
                    if at == parent
                )
                whole = Counter(ground.stock.parents[parent]) - across if parent in part.picked else Counter[int]()
                assert Counter(bins) == whole


def test_all_that_are_better_are_kept() -> None:
    """A packing costs as much less as all better neighbourhoods together do; every item and bin is there once."""
    gained = 0
    for seed in range(4):
        case = halves(24, seed, whole=1)
        ground, _, packing = begun(case)
        parts = around(ground, packing, seed)
        found = packed_anew(ground, parts)
        merged = _merged(ground, packing, parts, found)
        sound(ground.stock, merged, case.items)
        gains = [part.cost - ground.cost(one.packing) for part, one in zip(parts, found, strict=True)]
        gain = ground.cost(packing) - ground.cost(merged)
        assert gain == (max(0, *gains) if packing.left else sum(max(0, more) for more in gains))
        gained += gain > 0
    assert gained


def test_what_is_not_found_changes_nothing() -> None:
    """Where no neighbourhood comes to an end, the packing stays."""
    ground, _, packing = begun(halves(12, 0))
    parts = around(ground, packing, 0)
    missing = [Found(Packing((), part.items, NOTHING), ()) for part in parts]
    assert _merged(ground, packing, parts, missing) == packing


def test_processes_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other or in two processes, neighbourhoods come to the same packing."""
    case = halves(12, 0)
    ground, prices, first = begun(case)

    def best(threads: int) -> Packing:
        limits = Limits(threads=threads)
        return pack(ground.stock, case.items, ground.worth, MUCH, prices.bound, limits)

    alone = best(1)
    assert ground.cost(alone) < ground.cost(first)
    monkeypatch.setattr(neighbourhoods, "WORTH_BINS", 1)
    assert best(2) == alone
