"""The families of the recipe `national`: the plan against best fit, and how near it comes to the bound."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from kalloc.generate import generate
from kalloc.generate.national import FAMILIES
from kalloc.io import read_plan, write_instance
from tests.benchmarks.cases import fragmentation, removed
from tests.benchmarks.fits import best_fit
from tests.benchmarks.measure import Run, solve
from tests.benchmarks.tables import markdown, number, share

TITLE = "the families of the recipe `national`"

ABOUT = """\
Fragmentation of the same allocation, seated by kalloc and by best fit, the rule of public schedulers: projects by
falling size, each in the lowest domain that holds it whole and has the least room, else split, the largest part first.
*Removed* is the share of the avoidable fragmentation that the plan does away with: (best fit − plan) / (best fit −
bound); a dash where best fit meets the bound. The bound holds for this allocation at least. Both plans pass
`kalloc.verify`. Time and memory are those of the whole `kalloc solve`, in a fresh process with default options
but for a time limit that is named above.\
"""
HEAD = ("family", "seed", "projects", "best fit", "plan", "bound", "removed", "wall s", "peak MiB", "termination")

MEDIANS = ("family", "seeds", "median removed", "least to most")


@dataclass(frozen=True)
class Compared:
    """One instance: the run that planned it, and both scores where there is a plan."""

    family: str
    seed: int
    projects: int
    run: Run
    reference: int | None = None
    value: int | None = None

    @property
    def bound(self) -> int | None:
        """The fragmentation that no plan of the allocation falls below."""
        found: int | None = None if self.value is None else self.run.summary["fragmentation"]["bound"]
        return found

    @property
    def removed(self) -> float | None:
        """The share of the avoidable fragmentation that is gone."""
        if self.reference is None or self.value is None:
            return None
        return removed(self.reference, self.value, self.bound)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--nodes", type=int, default=4096, help="nodes of each instance (%(default)s)")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), metavar="NAME", help="names of families (all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="one instance for each (%(default)s)")
    parser.add_argument("--only", metavar="LEVEL", help="the one level with a weight (all, as the recipe has it)")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for each solve (kalloc's default)")


def report(given: argparse.Namespace) -> Iterator[str]:
    """Make, solve and compare, and yield the table, and the medians where there are several seeds."""
    yield ABOUT
    made = f"`kalloc generate national --family FAMILY --nodes {given.nodes} --seed SEED --out DIR`"
    alone = f"; in `instance.toml` the weight of each level but `{given.only}` is 0" if given.only else ""
    yield f"{given.nodes:,} nodes: {made}{alone}."
    pairs = product(given.families, given.seeds)
    found = [_compared(family, seed, given) for family, seed in pairs]
    yield markdown(HEAD, [_row(compared) for compared in found])
    if len(given.seeds) > 1:
        yield medians(found)


def medians(found: list[Compared]) -> str:
    """Return the median share that is removed, family by family, of the seeds for which it is known."""
    rows = []
    for family in dict.fromkeys(compared.family for compared in found):
        shares = [compared.removed for compared in found if compared.family == family]
        known = sorted(value for value in shares if value is not None)
        ends = f"{share(known[0])} to {share(known[-1])}" if known else "–"
        rows.append((family, f"{len(known)} of {len(shares)}", share(median(known) if known else None), ends))
    return markdown(MEDIANS, rows)


def _compared(family: str, seed: int, given: argparse.Namespace) -> Compared:
    instance = generate("national", seed, family=family, nodes=given.nodes)
    if given.only:
        hierarchy, told = instance.hierarchy, instance.topology.weights
        levels = zip([*hierarchy.levels, "node"], told, strict=True)
        weights = {level: weight * (level == given.only) for level, weight in levels}
        instance = instance.replace(hierarchy=hierarchy.model_copy(update={"weights": weights}))
    with TemporaryDirectory() as scratch:
        write_instance(instance, Path(scratch) / "instance")
        run = solve(Path(scratch) / "instance", Path(scratch) / "plan", given.time_limit)
        if run.status != 0:
            return Compared(family, seed, len(instance.projects), run)
        plan = read_plan(Path(scratch) / "plan")
    reference = fragmentation(instance, best_fit(instance, plan))
    return Compared(family, seed, len(instance.projects), run, reference, fragmentation(instance, plan))


def _row(found: Compared) -> tuple[str, ...]:
    cost = (f"{found.run.wall:.1f}", number(found.run.peak_mib), found.run.summary["termination"])
    scores = (number(found.reference), number(found.value), number(found.bound), share(found.removed))
    return (found.family, str(found.seed), number(found.projects), *scores, *cost)
