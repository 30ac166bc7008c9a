"""The insides of domains: states and steps are those of every way to lay a part; the best filling is the best one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from kalloc.place import states as states_module
from kalloc.place.states import Children, States, TooManyStepsError, grouped, states_of
from tests.engine.stocks import children

NEVER = 10**6


def laid(rooms: Children, largest: int) -> set[tuple[Children, int, int]]:
    """Return (what is left, part, fewest pieces) over every way to lay a part, over one child in part at most."""
    found: dict[tuple[Children, int], int] = {}
    for parts in itertools.product(*(range(room + 1) for room in rooms)):
        partly = sum(0 < part < room for part, room in zip(parts, rooms, strict=True))
        if partly <= 1 and 0 < sum(parts) <= largest:
            left = sorted((room - part for room, part in zip(rooms, parts, strict=True) if part < room), reverse=True)
            key = tuple(left), sum(parts)
            found[key] = min(found.get(key, NEVER), sum(part > 0 for part in parts))
    return {(left, part, pieces) for (left, part), pieces in found.items()}


def reached(start: Children, largest: int) -> set[Children]:
    """Return all that some children can come to."""
    found, new = {start}, {start}
    while new:
        new = {left for rooms in new for left, _, _ in laid(rooms, largest)} - found
        found |= new
    return found


def after(states: States, state: int) -> list[tuple[Children, int, int]]:
    """Return (what is left, part, pieces) of the steps from a state."""
    here = states.steps(state)
    assert (states.source[here] == state).all()
    triples = zip(states.target[here], states.part[here], states.pieces[here], strict=True)
    return [(states.names[int(target)], int(part), int(pieces)) for target, part, pieces in triples]


def cases(count: int) -> Iterator[tuple[random.Random, Children, int]]:
    """Yield dice, children and a largest part."""
    for seed in range(count):
        dice = random.Random(seed)
        yield dice, children(dice), dice.randint(1, 17)


def test_states_and_steps_are_those_of_every_way_to_lay_a_part() -> None:
    """States are all that the children can come to, and each has just the steps that trying everything finds."""
    for _, start, largest in cases(60):
        states = States([start], largest)
        assert set(states.names) == reached(start, largest) and len(states) == len(set(states.names))
        for number, rooms in enumerate(states.names):
            steps = after(states, number)
            assert len(steps) == len(set(steps)) and set(steps) == laid(rooms, largest)


def fewest_pieces(rooms: Children, parts: tuple[int, ...]) -> int:
    """Return the fewest child pieces over every way to cut the parts over the children, each wherever it likes."""
    if not parts:
        return 0
    found = [NEVER]
    for amounts in itertools.product(*(range(min(room, parts[0]) + 1) for room in rooms)):
        if sum(amounts) == parts[0]:
            left = tuple(room - amount for room, amount in zip(rooms, amounts, strict=True))
            found.append(sum(amount > 0 for amount in amounts) + fewest_pieces(left, parts[1:]))
    return min(found)


def fewest_by_steps(states: States, start: Children, parts: tuple[int, ...]) -> int:
    """Return the fewest child pieces over all sequences of steps that lay the parts, in any order."""

    @cache
    def fewest(state: int, left: tuple[int, ...]) -> int:
        found = [0 if not left else NEVER]
        for rooms, part, pieces in after(states, state):
            if part in left:
                at = left.index(part)
                found.append(pieces + fewest(states.index[rooms], left[:at] + left[at + 1 :]))
        return min(found)

    return fewest(states.index[start], tuple(sorted(parts)))


def test_steps_lose_nothing() -> None:
    """Laid by steps, any parts come to as few pieces as when they may be cut over the children in every way."""
    tried = 0
    for dice, start, _ in cases(400):
        rooms = start[:3]
        parts = tuple(dice.randint(1, 6) for _ in range(dice.randint(1, 4)))
        if sum(parts) <= sum(rooms):
            tried += 1
            states = States([rooms], max(parts))
            assert fewest_by_steps(states, rooms, parts) == fewest_pieces(rooms, parts), (rooms, parts)
    assert tried > 120


def most(states: States, state: int, gain: list[float]) -> float:
    """Return the most that any sequence of steps from a state gains."""
    here = states.steps(state)
    steps = range(here.start, here.stop)
    return max([0, *(gain[step] + most(states, int(states.target[step]), gain) for step in steps)])


@pytest.mark.parametrize("kind", [np.float64, np.int64])
def test_best_is_the_most_of_all_sequences_and_walk_attains_it(kind: type[Any]) -> None:
    """Whatever steps gain, no sequence gains more than the best, and the steps of the walk gain just that."""
    for dice, start, largest in cases(60):
        states = States([start[:2], (2, 1)], largest)
        scale = 4 if kind is np.int64 else 1
        gain: Any = np.array([dice.randint(-12, 9) / 4 * scale for _ in states.part], dtype=kind)
        values = states.best(gain)
        assert values.dtype == gain.dtype
        for number in range(len(states)):
            assert values[number] == most(states, number, gain.tolist())
            here, total = number, 0.0
            for step in states.walk(number, gain, values):
                assert int(states.source[step]) == here
                here, total = int(states.target[step]), total + gain[step]
            assert total == values[number]


def test_drawn_children_less_the_rest_are_the_part() -> None:
    """A step draws on as many children as it has pieces, all in the state, and leaves the rest of the smallest."""
    for _, start, largest in cases(60):
        states = States([start], largest)
        for step in range(len(states.part)):
            drawn, rest = states.drawn(step)
            assert sum(drawn) - rest == states.part[step] and len(drawn) == states.pieces[step]
            assert 0 <= rest < drawn[0]
            left = [*states.names[int(states.source[step])], *([rest] if rest else [])]
            for room in drawn:
                left.remove(room)
            assert tuple(sorted(left, reverse=True)) == states.names[int(states.target[step])]


def test_more_steps_than_allowed_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of just the number of steps passes, one less raises."""
    count = len(States([(4, 3, 2)], 9).part)
    monkeypatch.setattr(states_module, "MAX_STEPS", count)
    assert len(States([(4, 3, 2)], 9).part) == count
    monkeypatch.setattr(states_module, "MAX_STEPS", count - 1)
    with pytest.raises(TooManyStepsError):
        States([(4, 3, 2)], 9)


def test_small_parts_in_many_different_children_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty children of forty rooms can be taken whole in 2⁴⁰ ways; those larger than any part are not tried."""
    monkeypatch.setattr(states_module, "MAX_STEPS", 1000)
    with pytest.raises(TooManyStepsError):
        States([tuple(range(40, 0, -1))], 2)


def test_thousands_of_children_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step leaves is listed child by child, so that fewer steps are allowed where there are thousands."""
    monkeypatch.setattr(states_module, "MAX_STEPS", 1000)
    assert len(States([(1,) * 30], 30).part) == 30 * 31 // 2
    with pytest.raises(TooManyStepsError):
        States([(1,) * 4000], 1)


def test_states_of_some_starts_have_them_all() -> None:
    """Whatever the starts are, all are among the states, with the steps that they have alone; alike ones share them."""
    for seed in range(60):
        dice = random.Random(seed)
        starts = [children(dice) for _ in range(dice.randint(1, 3))]
        largest = dice.randint(1, 17)
        found = states_of(starts, largest)
        alone = States(starts, min(largest, max(map(sum, starts))))
        for name in alone.names:
            assert sorted(after(found, found.index[name])) == sorted(after(alone, alone.index[name]))
    assert states_of([(4, 3), (2,)], 5) is states_of([(4, 2), (1, 1)], 5)
    assert states_of([(4, 4, 3)], 99) is states_of([(4, 3, 2)], 99)


def test_states_that_may_be_too_many_are_not_listed() -> None:
    """Eight children of 8 may come to 12,870 states, eight of 4 to no more than 495."""
    with pytest.raises(TooManyStepsError):
        states_of([(8,) * 8], 8)
    assert len(states_of([(4,) * 8], 8)) == 495


def test_a_full_domain_has_no_steps() -> None:
    """A domain without room gains nothing and goes nowhere."""
    states = States([()], 3)
    assert (len(states), len(states.part), states.room) == (1, 0, 0)
    assert states.best(np.zeros(0)).tolist() == [0.0]
    assert list(states.walk(0, np.zeros(0), np.zeros(1))) == []


def test_grouped_keys_begin_where_they_say() -> None:
    """Sorted by key, each key begins at its head, and equal ones keep their order."""
    order, heads, keys = grouped(np.array([5, 2, 5, 9, 2]))
    assert (order.tolist(), heads.tolist(), keys.tolist()) == ([1, 4, 0, 2, 3], [0, 2, 4], [2, 5, 9])
