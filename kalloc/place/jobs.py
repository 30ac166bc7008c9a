"""Packing of stocks that have nothing to do with each other: one after the other, or side by side in processes."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kalloc.place.fillings import Stock
from kalloc.place.packing import Packing, pack
from kalloc.place.prices import pooled
from kalloc.solver import Limits

WORTH_BINS = 600
"""Bins of all stocks together from which on processes save more time than it takes to start them."""
POLL_SECONDS = 0.05
PARENT_SECONDS = 1.0
PATIENCE = 0.1
"""Share of the time that jobs may take beyond the deadline to come to their end."""


@dataclass(frozen=True)
class Job:
    """A stock and what is to be packed in it."""

    stock: Stock
    sizes: Counter[int]
    leave: int
    """Price of leaving out an item, for every unit of its size."""


def pack_job(job: Job, limits: Limits, seconds: float) -> Packing:
    """Pack one stock, with prices of two levels together to begin with; after some seconds nothing better is sought.

    A first packing may take longer: cut off, it leaves out many items.
    """
    share = replace(limits, deadline=min(limits.deadline, time.monotonic() + seconds))
    prices = pooled(job.stock, job.sizes, limits)
    worth = prices.pays(job.stock.bin_cost, sorted(job.sizes))
    return pack(job.stock, job.sizes, worth, job.leave, prices.bound, limits, share)


def pack_jobs(jobs: Sequence[Job], limits: Limits) -> list[Packing]:
    """Pack several stocks; how many processes there are does not show in what comes out.

    Each has its share of the time; what is not done when somebody says stop is left out.
    """
    bins = [sum(map(len, job.stock.parents)) for job in jobs]
    workers = min(limits.threads, len(jobs))
    if workers < 2 or sum(bins) < WORTH_BINS:
        left = sum(bins)
        found = []
        for job, count in zip(jobs, bins, strict=True):
            found.append(pack_job(job, limits, limits.seconds * count / left))
            left -= count
        return found
    return _side_by_side(jobs, bins, workers, limits)


def _side_by_side(jobs: Sequence[Job], bins: Sequence[int], workers: int, limits: Limits) -> list[Packing]:
    """Pack each job in a process, some at once; each has a share of the time that is left when it starts."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, initializer=_end_with, initargs=(os.getpid(),))
    alone = replace(limits, stop=None, threads=1)
    running: dict[int, Any] = {}
    found = {number: Packing((), +job.sizes, float("-inf")) for number, job in enumerate(jobs)}
    waiting, patience = list(range(len(jobs))), limits.deadline + PATIENCE * limits.seconds
    try:
        while (running or waiting) and not limits.stopped and time.monotonic() < patience:
            while waiting and len(running) < workers:
                share = min(1.0, workers * bins[waiting[0]] / sum(bins[number] for number in waiting))
                number = waiting.pop(0)
                running[number] = pool.submit(pack_job, jobs[number], alone, limits.seconds * share)
            time.sleep(POLL_SECONDS)
            for number in [number for number, future in running.items() if future.done()]:
                found[number] = running.pop(number).result()
        return list(found.values())
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _end_with(parent: int) -> None:
    """Let this process end soon after the one that started it, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
