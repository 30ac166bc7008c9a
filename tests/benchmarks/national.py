"""The families of the recipe `national`: the plan against best fit, and how near it comes to the bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from kalloc import score, verify
from kalloc.generate import generate
from kalloc.instance import Instance
from kalloc.io import read_plan, write_instance
from kalloc.plan import Plan
from tests.benchmarks.bestfit import best_fit
from tests.benchmarks.measure import solve
from tests.benchmarks.tables import markdown, number, share

ABOUT = """\
Fragmentation of the same allocation, seated by kalloc and by best fit, the rule of public schedulers: projects by
falling size, each in the lowest domain that holds it whole and has the least room, else split, the largest part first.
*Removed* is the share of the avoidable fragmentation that the plan does away with: (best fit − plan) / (best fit −
bound); a dash where best fit meets the bound. The bound holds for this allocation at least. Both plans pass
`kalloc.verify`. Time and memory are those of the whole `kalloc solve`, in a fresh process with default options.\
"""
HEAD = ("family", "seed", "projects", "best fit", "plan", "bound", "removed", "wall s", "peak MiB", "termination")


class UncleanError(Exception):
    """A plan that the table would compare breaks rules."""


def report(families: Sequence[str], nodes: int, seeds: Sequence[int]) -> Iterator[str]:
    """Make, solve and compare, and yield the table."""
    yield ABOUT
    yield f"{nodes:,} nodes: `kalloc generate national --family FAMILY --nodes {nodes} --seed SEED --out DIR`."
    yield markdown(HEAD, [_row(family, nodes, seed) for family, seed in product(families, seeds)])


def _row(family: str, nodes: int, seed: int) -> tuple[str, ...]:
    instance = generate("national", seed, family=family, nodes=nodes)
    with TemporaryDirectory() as scratch:
        write_instance(instance, Path(scratch) / "instance")
        run = solve(Path(scratch) / "instance", Path(scratch) / "plan")
        cost = (f"{run.wall:.1f}", number(run.peak_mib), run.summary["termination"])
        if run.status != 0:
            return (family, str(seed), number(len(instance.projects)), "–", "–", "–", "–", *cost)
        plan = read_plan(Path(scratch) / "plan")
    reference = fragmentation(instance, best_fit(instance, plan))
    value, bound = fragmentation(instance, plan), run.summary["fragmentation"]["bound"]
    figures = (number(reference), number(value), number(bound), share(removed(reference, value, bound)))
    return (family, str(seed), number(len(instance.projects)), *figures, *cost)


def fragmentation(instance: Instance, plan: Plan) -> int:
    """Return the score of a plan.

    Raises:
        UncleanError: when the plan breaks rules.
    """
    broken = verify(instance, plan)
    if broken:
        raise UncleanError(f"{instance.name}: {broken[0]}")
    return score(instance, plan).fragmentation


def removed(reference: int, value: int, bound: int | None) -> float | None:
    """Return the share of the avoidable fragmentation that is gone; None where none is known to be avoidable."""
    if bound is None or reference <= bound:
        return None
    return (reference - value) / (reference - bound)
