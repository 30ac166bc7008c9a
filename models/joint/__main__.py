"""Run allocation and placement together: ``python -m models.joint INSTANCE``."""

from __future__ import annotations

import sys

from models.command import parser, run
from models.joint import pose, solve


def main() -> int:
    """Print who gets how many GPUs and where they sit."""
    arguments = parser("joint", "Who gets how many GPUs and where they sit, by text-book PuLP.")
    arguments.add_argument(
        "--reached",
        type=int,
        metavar="VALUE",
        help="with --write-…: write the tier after merit, for plans whose objective in the first one is VALUE at least",
    )
    given = arguments.parse_args()
    return run(
        given,
        lambda instance: solve(instance, given.solver, given.time_limit),
        lambda instance: pose(instance, given.reached),
    )


sys.exit(main())
