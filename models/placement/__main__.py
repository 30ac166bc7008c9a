"""Run the placement alone: ``python -m models.placement INSTANCE [--allocation allocations.csv]``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from kalloc.errors import Defect, InstanceError
from kalloc.instance import Instance
from models import allocation
from models.command import parser, run
from models.outcome import Allocation, Outcome
from models.placement import pose, solve
from models.posed import Posed
from models.program import Status
from models.values import merit_of


def read(path: Path, instance: Instance) -> Allocation:
    """Return the GPUs by project and kind of a plan's allocations.csv."""
    asked = {(row.project, row.kind) for row in instance.requests}
    found: dict[tuple[str, str], int] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                key = (row["project"], row["kind"])
                if key not in asked:
                    raise InstanceError([Defect(str(path), number, "project", f"{key} is no request of the instance")])
                found[key] = int(row["gpus"])
    except (OSError, KeyError, ValueError) as error:
        raise InstanceError([Defect(str(path), None, None, f"is no allocation: {error}")]) from error
    return found


def main() -> int:
    """Print where an allocation sits: the one given, or what the allocation alone decides."""
    arguments = parser("placement", "Where a given allocation sits, by text-book PuLP.")
    arguments.add_argument("--allocation", type=Path, metavar="CSV", help="a plan's allocations.csv")
    given = arguments.parse_args()

    def allocate(instance: Instance) -> Outcome:
        if given.allocation is not None:
            granted = read(given.allocation, instance)
            return Outcome(Status.OPTIMAL, granted, merit=merit_of(instance, granted))
        return allocation.solve(instance, given.solver, given.time_limit)

    def place(instance: Instance) -> Outcome:
        decided = allocate(instance)
        if decided.merit is None:
            return decided
        return solve(instance, decided.allocation, given.solver, given.time_limit)

    def posed(instance: Instance) -> Posed | None:
        decided = allocate(instance)
        return None if decided.merit is None else pose(instance, decided.allocation)

    return run(given, place, posed)


sys.exit(main())
