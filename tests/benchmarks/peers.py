"""kalloc beside its peers: rules of schedulers, a public local search, the text-book model in general solvers."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from kalloc.generate import generate
from kalloc.generate.national import FAMILIES
from kalloc.io import read_plan, write_instance
from kalloc.plan import Plan
from tests.benchmarks import rebalancing, textbook
from tests.benchmarks.cases import Case, granted, removed, settled
from tests.benchmarks.fits import OutOfScopeError, at_random, best_fit, first_fit
from tests.benchmarks.measure import Run, module, solve
from tests.benchmarks.tables import markdown, number, spread

TITLE = "kalloc and its peers"
ABOUT = """\
All methods seat the same allocation: what kalloc's plan of the generated instance grants. Where that is not all that is
asked, the instance is the same one with only what is granted left to ask for. Lower scores are better; every plan
passes `kalloc.verify` before its score is printed, and the *score* is recounted from its seats.

- *random*: projects in random order, each in a random one of the domains that hold it whole, at the lowest level of
  which one does; inside it, and where none does, it is split over random domains. The mean of {draws} draws.
- *first fit*: projects by falling size, each in the first domain (in the order of the topology) of the lowest level
  of which one holds it whole, else split in that order.
- *best fit*, the rule of public schedulers: as first fit, but in the domain with the least room; what must be split
  fills the largest domain first.
- *rebalancer*: Meta's public local search. Units (`su`) are its containers, equal shares of the projects its objects;
  its goals are the domains that a project spans beyond its need, per level from sites to units, with the weights of the
  instance; its moves are single ones, swaps, and swaps of bundles of a project's shares. It starts from the better of
  best fit and first fit, then from the other, then from random seatings, until {rebalancer:g} s are over; the best
  counts. Best fit seats the shares inside the units.
- *text-book*: the integer program of [models/placement](../models/placement/maths.md), one variable per project and
  node, written by PuLP as MPS and solved through OR-Tools, {textbook:g} s without the building: CP-SAT with 2 workers,
  SCIP with the one thread that it has there. Not built beyond {variables:,} variables; killed beyond {memory:,} MiB.
- *kalloc*: `kalloc solve --time-limit S`, other options as they are by default.

*Wall* and *peak* are those of the whole process, from files to a plan on disk; for the rules, which run inside the
benchmark, wall is the seating alone. *Bound* is what the method itself proves of this allocation. *Removed* is the
share of the avoidable fragmentation that is gone: (best fit − score) / (best fit − bound), with the best bound that any
of the methods proved; a dash where best fit meets it. Figures are medians over the seeds that gave a plan (*plans*),
with the least and the largest where they differ.\
"""
HEAD = ("method", "plans", "score", "bound", "removed", "wall s", "peak MiB", "how it ended")
DRAWS = 10
MEMORY_MIB = 8192
"""Address space of the process that builds and solves the text-book model."""
GUARD = 900.0
"""Seconds beyond the time limit, for building and stopping, after which a process is killed."""


@dataclass(frozen=True)
class Entry:
    """What one method made of one case: figures that were measured, or None."""

    method: str
    note: str
    score: float | None = None
    bound: int | None = None
    wall: float | None = None
    peak: int | None = None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--nodes", type=int, nargs="+", default=[1024], help="sizes of the instances (%(default)s)")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), metavar="NAME", help="of `national` (all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="one instance for each (%(default)s)")
    parser.add_argument("--seconds", nargs="+", type=float, default=[5.0, 15.0, 60.0], help="time limits of kalloc")
    parser.add_argument("--textbook-seconds", type=float, default=600.0, help="for each solver (%(default)s)")
    parser.add_argument("--textbook-variables", type=int, default=600_000, help="most to be built (%(default)s)")
    parser.add_argument("--rebalancer-seconds", type=float, default=60.0, help="its time limit (%(default)s)")
    parser.add_argument("--plans", type=Path, metavar="DIR", help="keep instances and plans, for `kalloc verify`")


def report(given: argparse.Namespace) -> Iterator[str]:
    """Make, solve and compare, and yield a table for each size and family."""
    yield ABOUT.format(
        draws=DRAWS,
        rebalancer=given.rebalancer_seconds,
        textbook=given.textbook_seconds,
        variables=given.textbook_variables,
        memory=MEMORY_MIB,
    )
    for nodes in given.nodes:
        for family in given.families:
            yield f"## {family}, {nodes:,} nodes"
            made = f"`kalloc generate national --family {family} --nodes {nodes} --seed SEED --out DIR`"
            yield f"{made}, seeds {', '.join(map(str, given.seeds))}."
            yield table([_entries(family, nodes, seed, given) for seed in given.seeds])


def table(cases: Sequence[Sequence[Entry]]) -> str:
    """Return the medians of every method over the cases."""
    shares = [_removed(entries) for entries in cases]
    rows = []
    for index, first in enumerate(cases[0]):
        entries = [entries[index] for entries in cases]
        found = [share[index] for share in shares]
        figures = (
            f"{sum(entry.score is not None for entry in entries)} of {len(entries)}",
            spread([entry.score for entry in entries]),
            spread([entry.bound for entry in entries]),
            spread([None if share is None else 100 * share for share in found], unit=" %"),
            spread([entry.wall for entry in entries], digits=1),
            spread([entry.peak for entry in entries]),
        )
        rows.append((first.method, *figures, "; ".join(dict.fromkeys(entry.note for entry in entries))))
    return markdown(HEAD, rows)


def _removed(entries: Sequence[Entry]) -> list[float | None]:
    """Return the share of the avoidable fragmentation that each method removes, by the best bound of all of them."""
    bound = max((entry.bound for entry in entries if entry.bound is not None), default=None)
    [reference] = [entry.score for entry in entries if entry.method == "best fit"]
    assert reference is not None
    return [None if entry.score is None else removed(reference, entry.score, bound) for entry in entries]


def _entries(family: str, nodes: int, seed: int, given: argparse.Namespace) -> list[Entry]:
    """Return what every method makes of one instance."""
    instance = generate("national", seed, family=family, nodes=nodes)
    with ExitStack() as stack:
        base = Path(stack.enter_context(TemporaryDirectory())) if given.plans is None else given.plans
        directory = base / instance.name
        write_instance(instance, directory / "generated")
        longest = max(given.seconds)
        run = solve(directory / "generated", directory / "granted", longest)
        if run.status != 0:
            raise RuntimeError(f"{instance.name}: no plan, so nothing to seat: {run.error}")
        case = settled(instance, read_plan(directory / "granted"), directory)
        return [
            *_rules(case),
            _told(case, _rebalancer(case, given.rebalancer_seconds)),
            *(_told(case, _textbook(case, solver, given)) for solver in textbook.THREADS),
            *(_told(case, _kalloc(case, seconds)) for seconds in sorted(given.seconds)),
        ]


def _told(case: Case, entry: Entry) -> Entry:
    """Say on standard error how far a long measurement is."""
    print(f"{case.instance.name}: {entry.method}: {number(entry.score)}, {entry.note}", file=sys.stderr, flush=True)
    return entry


def _rules(case: Case) -> Iterator[Entry]:
    def drawn(seed: int) -> Callable[[], Plan]:
        return lambda: at_random(case.instance, case.plan, seed)

    draws = [_rule(case, f"random {seed + 1}", drawn(seed)) for seed in range(DRAWS)]
    scores, walls = [entry.score or 0.0 for entry in draws], [entry.wall or 0.0 for entry in draws]
    yield Entry("random", f"mean of {DRAWS}", fmean(scores), wall=fmean(walls))
    yield _rule(case, "first fit", lambda: first_fit(case.instance, case.plan))
    yield _rule(case, "best fit", lambda: best_fit(case.instance, case.plan))


def _rule(case: Case, method: str, seat: Callable[[], Plan]) -> Entry:
    start = time.perf_counter()
    plan = seat()
    wall = time.perf_counter() - start
    return Entry(method, "done", _kept(case, plan, method), wall=wall)


def _kept(case: Case, plan: Plan, method: str, bound: int | None = None) -> int:
    """Check, score and keep a plan."""
    score = case.fragmentation(plan)
    case.keep(plan, method.replace(",", "").replace(" ", "-"), bound)
    return score


def _rebalancer(case: Case, seconds: float) -> Entry:
    method = f"rebalancer, {seconds:g} s"
    missing = rebalancing.missing()
    if missing is not None:
        return Entry(method, missing)
    try:
        plan, run = rebalancing.rebalance(case.instance, case.plan, seconds)
    except OutOfScopeError as error:
        return Entry(method, f"not asked: {error}")
    if plan is None:
        return Entry(method, _failure(run), wall=run.wall, peak=run.peak_mib)
    return Entry(method, "done", _kept(case, plan, method), wall=run.wall, peak=run.peak_mib)


def _textbook(case: Case, solver: str, given: argparse.Namespace) -> Entry:
    method, seconds = f"text-book, {solver}", given.textbook_seconds
    size = textbook.size(case.instance, case.allocation)
    if size > given.textbook_variables:
        return Entry(method, f"not built: {size:,} variables")
    out = case.directory / f"text-book-{solver}"
    seated = case.keep(case.plan, "allocation")
    run = module(textbook.__name__, case.files, seated, out, solver, seconds, MEMORY_MIB, guard=seconds + GUARD)
    if run.status != 0:
        return Entry(method, _failure(run), wall=run.wall, peak=run.peak_mib)
    answer = run.summary
    score = case.fragmentation(read_plan(out)) if answer["found"] else None
    note = "optimal" if answer["proven"] else "time limit" if answer["found"] else "time limit, no plan"
    return Entry(method, note, score, answer["bound"], run.wall, run.peak_mib)


def _kalloc(case: Case, seconds: float) -> Entry:
    method = f"kalloc, {seconds:g} s"
    out = case.directory / method.replace(",", "").replace(" ", "-")
    run = solve(case.files, out, seconds)
    if run.status != 0:
        return Entry(method, f"{run.summary['termination']}, no plan", wall=run.wall, peak=run.peak_mib)
    plan = read_plan(out)
    if granted(plan) != case.allocation:
        return Entry(method, "another allocation", wall=run.wall, peak=run.peak_mib)
    summary = run.summary
    bound = summary["fragmentation"]["bound"]
    return Entry(method, summary["termination"], case.fragmentation(plan), bound, run.wall, run.peak_mib)


def _failure(run: Run) -> str:
    """Return in words why a process gave no answer."""
    if "MemoryError" in run.error or "bad_alloc" in run.error:
        return f"more than {MEMORY_MIB:,} MiB"
    if run.status < 0:
        return f"killed by signal {-run.status} after {run.wall:.0f} s"
    lines = run.error.strip().splitlines()
    return f"failed: {lines[-1] if lines else run.status}"
