"""Processes for parts that have nothing to do with each other; how many there are does not show in what comes out."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any, Generic, Self, TypeVar

from kalloc.solver import Limits

SharedT = TypeVar("SharedT")
PartT = TypeVar("PartT")
FoundT = TypeVar("FoundT")
Work = Callable[[SharedT, PartT, Limits, float], FoundT]
"""What is done for a part, with what all parts share: under limits, about so many seconds long."""

POLL_SECONDS = 0.05
PARENT_SECONDS = 1.0
PATIENCE = 0.1
"""Share of the time that parts may take beyond the deadline to come to their end."""

_shared: list[Any] = []
"""In a worker: what all parts share."""


class Workers(Generic[SharedT]):
    """Some processes that know what all parts share: as many as there is use for, ended with the last call."""

    def __init__(self, count: int, shared: SharedT) -> None:
        self.count, self.shared = count, shared
        self._pool: Any = None
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def in_processes(
        self,
        work: Work[SharedT, PartT, FoundT],
        parts: Sequence[PartT],
        weights: Sequence[int],
        missing: Sequence[FoundT],
        limits: Limits,
    ) -> list[FoundT]:
        """Return what is found of every part, what is ``missing`` of one without an end in time or before a stop.

        The first parts are begun first, each with its share of the time that is left then. Once a process dies, for
        want of memory perhaps, nothing more is found.
        """
        from loky import BrokenProcessPool, wait

        count = min(self.count, len(parts))
        found, running = list(missing), dict[Any, int]()
        waiting = deque(enumerate(shares(weights, count)))
        alone, patience = replace(limits, stop=None, threads=1), limits.deadline + PATIENCE * limits.seconds
        with suppress(BrokenProcessPool):
            while (running or waiting) and not limits.stopped and time.monotonic() < patience:
                while waiting and len(running) < count:
                    number, share = waiting.popleft()
                    running[self._of(count).submit(_call, work, parts[number], alone, limits.seconds * share)] = number
                for future in wait(running, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done:
                    found[running[future]] = future.result()
                    del running[future]
        if running or waiting:
            self._end()
        return found

    def in_threads(self, work: Work[SharedT, PartT, FoundT], parts: Sequence[PartT], limits: Limits) -> list[FoundT]:
        """Return what is found of every part in this process, in threads: what OR-Tools does goes on side by side.

        Each has an equal share of the time that is left when it begins.
        """

        def found(part: PartT, share: float) -> FoundT:
            return work(self.shared, part, limits, share * limits.seconds)

        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(found, parts, shares([1] * len(parts), self.count)))

    def _of(self, count: int) -> Any:
        """Return so many processes at least."""
        from loky import ProcessPoolExecutor

        if self._started < count:
            self._end()
            self._pool = ProcessPoolExecutor(count, initializer=_begin, initargs=(os.getpid(), self.shared))
            self._started = count
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, kill_workers=True)
            self._pool, self._started = None, 0


def shares(weights: Sequence[int], count: int) -> list[float]:
    """Return the share of every part, by its weight, of the time that is left when it begins: so many go on at once."""
    left = list(accumulate(reversed(weights)))
    return [min(1.0, count * weight / rest) for weight, rest in zip(weights, reversed(left), strict=True)]


def _begin(parent: int, shared: object) -> None:
    """Keep what is shared, and let this process end soon after the one that started it, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    _shared[:] = [shared]
    threading.Thread(target=watch, daemon=True).start()


def _call(work: Work[Any, PartT, FoundT], part: PartT, limits: Limits, seconds: float) -> FoundT:
    return work(_shared[0], part, limits, seconds)
