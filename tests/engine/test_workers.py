"""Processes for parts that have nothing to do with each other: the same answers, shares of the time, an early end."""

from __future__ import annotations

import os
import threading
import time
from math import inf

import pytest

from kalloc.generate import generate
from kalloc.place import bounds, jobs
from kalloc.place.workers import Workers
from kalloc.solver import Limits
from tests.engine.test_shapes_same import same

SOON, LONG = 3.0, 60.0
"""Seconds that are enough for what takes none, and seconds that nobody waits for."""


def times(shared: int, part: int, limits: Limits, seconds: float) -> int:
    """Return a product, after some seconds where the part is below zero."""
    time.sleep(LONG if part < 0 else 0.0)
    return shared * part


def given(shared: None, part: int, limits: Limits, seconds: float) -> float:
    """Return the seconds that a part has."""
    return seconds


def test_every_part_is_worked_on() -> None:
    """More parts than processes come out in their order, as they do from threads; the processes serve a second call."""
    parts = [*range(7)]
    with Workers(2, 3) as workers:
        for _ in range(2):
            found = workers.in_processes(times, parts, [1] * 7, [0] * 7, Limits())
            assert found == workers.in_threads(times, parts, Limits()) == [3 * part for part in parts]


def process(shared: None, part: int, limits: Limits, seconds: float) -> int:
    """Return which process this is."""
    time.sleep(0.1)
    return os.getpid()


def test_no_more_processes_than_there_is_use_for() -> None:
    """Two parts have two processes of four; more are there once there are more parts, and stay for fewer."""
    with Workers(4, None) as workers:
        for parts, started in ((2, 2), (6, 4), (3, 4)):
            found = workers.in_processes(process, [0] * parts, [1] * parts, [0] * parts, Limits())
            assert workers._started == started >= len(set(found)) and os.getpid() not in found


def test_shares_of_the_time() -> None:
    """Two processes: the first of three parts may take two thirds of the time, by weight more or less of it."""
    limits = Limits(deadline=time.monotonic() + 30_000)
    with Workers(2, None) as workers:
        even = workers.in_processes(given, [1, 2, 3], [1, 1, 1], [0.0] * 3, limits)
        assert even[0] == pytest.approx(20_000, rel=0.1) and even[2] == pytest.approx(30_000, rel=0.1)
        assert workers.in_threads(given, [1, 2, 3], limits)[0] == pytest.approx(20_000, rel=0.1)
        assert workers.in_processes(given, [1, 2], [1, 9], [0.0] * 2, limits)[0] == pytest.approx(6_000, rel=0.1)


def test_a_stop_ends_them() -> None:
    """Once somebody says stop, what is there is returned soon, and what is not is missing."""
    stop = threading.Event()
    with Workers(2, 2) as workers:
        workers.in_processes(times, [1, 2], [1, 1], [0, 0], Limits())
        threading.Timer(SOON, stop.set).start()
        began = time.monotonic()
        assert workers.in_processes(times, [5, -1, 6], [1] * 3, [7, 8, 9], Limits(stop=stop)) == [10, 8, 12]
        assert time.monotonic() - began < 2 * SOON


def test_nobody_waits_for_a_part_without_an_end() -> None:
    """A part that takes longer than it may is given up, and does not keep the next call waiting."""
    with Workers(2, 2) as workers:
        workers.in_processes(times, [1, 2], [1, 1], [0, 0], Limits())
        late = Limits(deadline=time.monotonic() + SOON)
        assert workers.in_processes(times, [-1, -1, 4], [1] * 3, [7, 8, 9], late) == [7, 8, 9]
        assert workers.in_processes(times, [4, 5], [1, 1], [0, 0], Limits()) == [8, 10]
        assert workers.in_processes(times, [4], [1], [3], Limits(deadline=-inf)) == [3]


def dies(shared: None, part: int, limits: Limits, seconds: float) -> int:
    """Return the part, or end the process where it is below zero."""
    if part < 0:
        os._exit(1)
    return part


def test_a_process_that_dies_finds_nothing() -> None:
    """What was found before is kept, the rest is missing, and the next call has processes again."""
    with Workers(1, None) as workers:
        assert workers.in_processes(dies, [1, -1, 2], [1] * 3, [7, 8, 9], Limits()) == [1, 8, 9]
        assert workers.in_processes(dies, [3], [1], [7], Limits()) == [3]


@pytest.mark.parametrize("family", ["owners", "kinds"])
def test_processes_prove_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where owners or kinds are packed and bounded in two processes, plan and bounds are those of one."""
    monkeypatch.setattr(bounds, "WORTH_ROOM", 0)
    monkeypatch.setattr(jobs, "WORTH_BINS", 0)
    same(generate("national", 0, family=family, nodes=1024))
