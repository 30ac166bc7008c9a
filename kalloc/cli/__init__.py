"""The command line: the only place that prints. Each module adds its commands to the one application."""

from kalloc.cli import checks, explaining, exporting, importing, make, reporting, solve, whatif
from kalloc.cli.app import app, main
from kalloc.cli.live import ProgressPrinter

__all__ = [
    "ProgressPrinter",
    "app",
    "checks",
    "explaining",
    "exporting",
    "importing",
    "main",
    "make",
    "reporting",
    "solve",
    "whatif",
]
