"""What ``python -m models.…`` reads and prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from kalloc.errors import InstanceError, OutputError
from kalloc.instance import Instance
from models.outcome import Outcome
from models.posed import Posed
from models.program import CBC, InexactError, SolverError, Status

EXIT = {Status.OPTIMAL: 0, Status.FEASIBLE: 0, Status.INFEASIBLE: 3, Status.UNKNOWN: 4}


def parser(model: str, title: str) -> argparse.ArgumentParser:
    """Return the arguments that every model takes."""
    arguments = argparse.ArgumentParser(prog=f"python -m models.{model}", description=title)
    arguments.add_argument("instance", help="a directory with instance.toml and tables, or a JSON document")
    arguments.add_argument("--solver", default=CBC, metavar="NAME", help="any solver that PuLP finds (%(default)s)")
    arguments.add_argument("--time-limit", type=float, metavar="S", help="seconds for a solve (no limit)")
    arguments.add_argument("--write-lp", type=Path, metavar="FILE", help="write the model as LP and do not solve it")
    arguments.add_argument("--write-mps", type=Path, metavar="FILE", help="write the model as MPS and do not solve it")
    return arguments


def run(
    arguments: argparse.Namespace,
    solve: Callable[[Instance], Outcome],
    pose: Callable[[Instance], Posed | None],
) -> int:
    """Load, solve, print, or write the model to a file; return the exit status. ``pose`` may find that none fits."""
    from kalloc.io import load

    try:
        instance = load(arguments.instance)
        if arguments.write_lp is not None or arguments.write_mps is not None:
            posed = pose(instance)
            if posed is None:
                print(f"status         {Status.INFEASIBLE}")
                return EXIT[Status.INFEASIBLE]
            print("\n".join(posed.write(arguments.write_lp, arguments.write_mps)))
            return 0
        outcome = solve(instance)
    except (InstanceError, SolverError) as error:
        print(error, file=sys.stderr)
        return 2
    except (InexactError, OutputError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines(instance, outcome)))
    return EXIT[outcome.status]


def number(value: Fraction) -> str:
    """Return a number as text: an integer as it is, others in six digits."""
    return str(value) if value.denominator == 1 else f"{float(value):.6g}"


def lines(instance: Instance, outcome: Outcome) -> list[str]:
    """Return the outcome as text: status, tiers in order, levels, allocation, seats."""
    found = [f"status         {outcome.status}"]
    for tier in outcome.tiers:
        found.append(f"{tier.name:<15}{number(tier.value)}")
        if tier.profile:
            found.append(f"  shares: {', '.join(map(number, tier.profile))}")
    if outcome.fragmentation is not None:
        found.append("levels")
        for level, spans in outcome.spans.items():
            found.append(f"  {level}: {spans} spanned, {outcome.need[level]} needed")
    granted = {key: gpus for key, gpus in outcome.allocation.items() if gpus > 0}
    if granted:
        found.append("allocation")
        found += [f"  {project}: {gpus} {kind}" for (project, kind), gpus in granted.items()]
    if outcome.seats:
        found.append("seats")
        names = instance.topology.names
        found += [f"  {project}: {gpus} on {names[node]}" for (project, node), gpus in sorted(outcome.seats.items())]
    return found
