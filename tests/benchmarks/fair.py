"""Ten thousand projects whose smallest share is to be as large as possible, then the next, and so on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from kalloc.instance import Hierarchy, Instance, Kind, NodeGroup, Objective, Pool, Project, Quota, Request, Tier
from kalloc.io import write_instance
from tests.benchmarks.measure import middle, solve
from tests.benchmarks.tables import markdown, number, share

TITLE = "max-min of many projects"
ABOUT = """\
Projects of twenty pools ask one of two kinds, any number of nodes up to a most drawn from twelve; a pool may use about
three quarters of what its projects ask, and borrows and lends some of it. The one tier is `fairness`, the lexicographic
max-min of the shares by project. Times are those of the whole command.\
"""
MOST = (8, 8, 16, 16, 24, 32, 40, 48, 64, 96, 128, 256)
POOLS = 20


def crowd(projects: int, seed: int) -> Instance:
    """Make an instance of so many projects that ask for a third more than there is."""
    rng = Random(f"crowd {projects} {seed}")
    pools = [f"pool-{number:02}" for number in range(POOLS)]
    rows = [Project(project=f"p{number:05}", pool=rng.choice(pools)) for number in range(projects)]
    asks = [(row, rng.choice(("H200", "B200")), rng.choice(MOST)) for row in rows]
    requests = tuple(Request(project=row.project, kind=kind, min=8, max=most, step=8) for row, kind, most in asks)
    asked = {pool: sum(most for row, _, most in asks if row.pool == pool) for pool in pools}
    quotas = [
        Quota(pool=pool, kind="*", gpus=gpus * percent // 800 * 8, borrow=gpus // 80 * 8, lend=gpus // 80 * 8)
        for pool, gpus, percent in ((pool, gpus, rng.randint(60, 90)) for pool, gpus in asked.items())
    ]
    nodes = {kind: sum(most for _, of, most in asks if of == kind) * 3 // 4 // 8 for kind in ("H200", "B200")}
    return Instance(
        name=f"crowd-{projects}",
        hierarchy=Hierarchy(levels=("su",)),
        objective=Objective(tiers=(Tier(name="fairness"),)),
        kinds=tuple(Kind(kind=kind) for kind in nodes),
        pools=(Pool(pool="nation"), *(Pool(pool=pool, parent="nation") for pool in pools)),
        quotas=tuple(quotas),
        inventory=tuple(
            NodeGroup(path=(f"{kind}-{unit}",), kind=kind, gpus=8, count=min(32, count - unit * 32), owner="nation")
            for kind, count in nodes.items()
            for unit in range(-(-count // 32))
        ),
        projects=tuple(rows),
        requests=requests,
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--runs", type=int, default=3, help="the figure is the median of so many (%(default)s)")
    parser.add_argument("--projects", type=int, nargs="+", default=[1_000, 10_000], help="numbers (%(default)s)")


def report(given: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield the table."""
    yield ABOUT
    lines = []
    for projects in given.projects:
        with TemporaryDirectory() as scratch:
            write_instance(crowd(projects, 0), Path(scratch) / "instance")
            runs = [solve(Path(scratch) / "instance", Path(scratch) / "plan") for _ in range(given.runs)]
        [tier] = runs[-1].summary["tiers"]
        cost = (f"{middle(runs, lambda run: run.wall):.1f}", number(round(middle(runs, lambda run: run.peak_mib))))
        proof = (f"{tier['value']:.4f}", number(len(tier.get("profile", []))), share(tier["gap"]))
        lines.append((number(projects), *cost, *proof, runs[-1].summary["solution"]))
    yield markdown(("projects", "wall s", "peak MiB", "smallest share", "different shares", "gap", "solution"), lines)
