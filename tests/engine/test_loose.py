"""One level alone: items cut over bins that nothing tells apart but their room, into as few parts as can be."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from kalloc.instance import Hierarchy
from kalloc.place import laying, loose
from kalloc.place.laying import pack_zones
from kalloc.place.loose import ROUNDS, Shares, share_loose
from kalloc.place.prices import grown
from kalloc.place.rooms import Rooms
from kalloc.place.seating import Seating
from kalloc.place.spans import scattering
from kalloc.solver import Limits
from tests.engine.stocks import alike, sizes
from tests.engine.test_place import asking, items
from tests.models.small import nodes

SEEDS, MANY_SEEDS = 60, 800


def draw(seed: int) -> tuple[list[int], list[int]]:
    """Return the rooms of up to six bins, and items that fill all of them or less, some larger than any bin."""
    dice = random.Random(seed)
    most = dice.choice([3, 6, 9, 14])
    rooms = [dice.randint(1, most) for _ in range(dice.randint(1, 6))]
    return rooms, list(sizes(dice, sum(rooms), dice.choice([most, 2 * most]), dice.random() < 0.6).elements())


def nation(seed: int, count: int, largest: int, full: bool) -> tuple[list[int], list[int]]:
    """Return the rooms of many bins, nearly all of about the largest room, and items of a third of it and more."""
    dice = random.Random(seed)
    rooms = [largest - min(largest // 2, int(dice.expovariate(0.6))) for _ in range(count)]
    left, found = sum(rooms) if full else sum(rooms) * 9 // 10, list[int]()
    while left:
        size = dice.randint(largest // 3, largest) if dice.random() < 0.97 else 2 * largest
        found.append(min(left, size))
        left -= found[-1]
    return rooms, found


def sound(shares: Shares | None, rooms: Sequence[int], asked: Sequence[int]) -> int:
    """Check that every item has what it asks, and no bin gives more than its room; return how many parts there are."""
    assert shares is not None and all(grains > 0 for grains in shares.values())
    got, given = Counter[int](), Counter[int]()
    for (item, bin), grains in shares.items():
        got[item] += grains
        given[bin] += grains
    assert got == Counter(dict(enumerate(asked)))
    assert all(given[bin] <= room for bin, room in enumerate(rooms))
    return len(shares)


def same_as_text_book(seeds: range) -> None:
    """Check that items are cut into as few parts as the text-book model says."""
    for seed in seeds:
        rooms, asked = draw(seed)
        least = alike([(room,) for room in rooms], Counter(asked), 1, 0).least()
        assert sound(share_loose(rooms, asked, Limits()), rooms, asked) == least, seed


def test_small_cases_are_cut_as_the_text_book_says() -> None:
    """Up to six bins: as few parts as can be, in every case."""
    same_as_text_book(range(SEEDS))


@pytest.mark.long
def test_many_small_cases_are_cut_as_the_text_book_says() -> None:
    """As above, on many hundred cases."""
    same_as_text_book(range(MANY_SEEDS))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("largest", [12, 32, 60])
def test_nations_meet_the_bound_of_prices(seed: int, largest: int) -> None:
    """Three hundred bins, full to the last grain or not: as few parts as prices prove, which is the optimum."""
    rooms, asked = nation(seed, 300, largest, full=seed % 2 == 0)
    stock = alike([(room,) for room in rooms], Counter(asked), 1, 0).stock()
    parts = sound(share_loose(rooms, asked, Limits()), rooms, asked)
    assert parts == grown(stock, Counter(asked), Limits(), ROUNDS)[0].bound


@pytest.mark.parametrize(("count", "room"), [(60, 255), (6, 4_000)])
def test_nobody_is_cut_in_roomy_bins(count: int, room: int) -> None:
    """Bins with room for many items, full to the last grain, a few items large: nobody is cut who fits one bin."""
    dice = random.Random(count)
    rooms = [room - dice.randint(0, 9) for _ in range(count)]
    left, asked = sum(rooms), list[int]()
    while left:
        size = dice.choice([48, 96, 192]) if dice.random() < 0.01 else dice.randint(9, 27)
        asked.append(min(size, left))
        left -= asked[-1]
    assert sound(share_loose(rooms, asked, Limits()), rooms, asked) == len(asked)


def test_roomy_bins_of_small_cases_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bins with room for one item count as roomy, nobody loses anything, and most cases are cut as few times."""
    monkeypatch.setattr(loose, "ROOM", 2)
    monkeypatch.setattr(loose, "TIMES", 1)
    met = 0
    for seed in range(SEEDS):
        rooms, asked = draw(seed)
        least = alike([(room,) for room in rooms], Counter(asked), 1, 0).least()
        parts = sound(share_loose(rooms, asked, Limits()), rooms, asked)
        assert parts >= least
        met += parts == least
    assert met >= 0.7 * SEEDS, met


def test_the_same_case_is_cut_the_same_way() -> None:
    """Twice the same items and bins lead to the same shares."""
    rooms, asked = nation(7, 60, 20, full=True)
    assert share_loose(rooms, asked, Limits()) == share_loose(rooms, asked, Limits())


def test_no_shares_where_there_are_none_to_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found for more items than room, without bins, after a stop, or where the flow would be too large."""
    assert share_loose([4, 4], [9], Limits()) is None
    assert share_loose([], [1], Limits()) is None
    stop = threading.Event()
    stop.set()
    assert share_loose([4, 4], [3, 3, 2], Limits(stop=stop)) is None
    assert sound(share_loose([4, 4], [3, 3, 2], Limits()), [4, 4], [3, 3, 2]) == 4
    assert share_loose([4_000, 4_000], [3_000, 3_000], Limits()) is None
    monkeypatch.setattr(loose, "FEW_ARCS", 3)
    monkeypatch.setattr(loose, "MAX_ARCS", 3)
    assert share_loose(*nation(1, 300, 32, full=False), Limits()) is None


@pytest.mark.parametrize("level", ["hall", "rack", "node"])
def test_one_level_alone_is_seated_so(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a weight at one level, whichever it is, nobody is packed by patterns, and spans are as few as shares say."""
    dice = random.Random(3)
    rows = [
        nodes("", 8, path=(f"h{hall}", f"h{hall}r{rack}"), count=dice.randint(1, 4))
        for hall in range(4)
        for rack in range(5)
    ]
    total = sum(row.gpus * row.count for row in rows)
    asked = [7] * (total // 7)
    hierarchy = Hierarchy(levels=("hall", "rack"), weights={"hall": 0, "rack": 0, "node": 0, level: 3})
    instance = asking(asked, tuple(rows), hierarchy=hierarchy)
    rooms = Rooms.of(instance)
    seating = Seating(rooms)
    monkeypatch.setattr(laying, "_batch", lambda *_: pytest.fail("packed by patterns"))
    assert pack_zones(seating, {0: items(instance)}, Limits()) == {0}
    at = instance.topology.levels.index(level)
    bins = np.bincount(rooms.topology.domain[at], weights=rooms.room).astype(int).tolist()
    assert scattering(rooms, seating.seats, {}) == 3 * sound(share_loose(bins, asked, Limits()), bins, asked)
