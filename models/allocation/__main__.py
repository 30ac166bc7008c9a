"""Run the allocation alone: ``python -m models.allocation INSTANCE``."""

from __future__ import annotations

import sys

from models.allocation import pose, solve
from models.command import parser, run


def main() -> int:
    """Print who gets how many GPUs."""
    arguments = parser("allocation", "Who gets how many GPUs of each kind, by text-book PuLP.").parse_args()
    return run(arguments, lambda instance: solve(instance, arguments.solver, arguments.time_limit), pose)


sys.exit(main())
