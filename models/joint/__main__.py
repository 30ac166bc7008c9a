"""Run allocation and placement together: ``python -m models.joint INSTANCE``."""

from __future__ import annotations

import sys

from models.command import parser, run
from models.joint import solve


def main() -> int:
    """Print who gets how many GPUs and where they sit."""
    arguments = parser("joint", "Who gets how many GPUs and where they sit, by text-book PuLP.").parse_args()
    return run(arguments, lambda instance: solve(instance, arguments.solver, arguments.time_limit))


sys.exit(main())
