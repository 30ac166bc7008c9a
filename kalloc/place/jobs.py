"""Packing of stocks that have nothing to do with each other: one after the other, or side by side in processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kalloc.place.fillings import Stock
from kalloc.place.neighbourhoods import WORTH_BINS, pack
from kalloc.place.packing import Packing
from kalloc.place.prices import pooled
from kalloc.place.workers import Workers, shares
from kalloc.solver import Limits


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
        parts = zip(jobs, shares(bins, 1), strict=True)
        return [pack_job(job, limits, share * limits.seconds) for job, share in parts]
    nothing = [Packing((), +job.sizes, float("-inf")) for job in jobs]
    with Workers(workers, None) as pool:
        return pool.in_processes(_packed, jobs, bins, nothing, limits)


def _packed(_: None, job: Job, limits: Limits, seconds: float) -> Packing:
    return pack_job(job, limits, seconds)
