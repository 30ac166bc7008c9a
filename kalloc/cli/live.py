"""How a solve goes, on standard error: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from kalloc.plan import Progress

Told = Callable[["Progress"], None]


@contextmanager
def watched(time_limit: float) -> Iterator[Told]:
    """Give what shows the progress of a solve: a table that lives while it goes on, or a printer of lines."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield ProgressPrinter()
        return
    with LiveTable(time_limit).on(console) as tell:
        yield tell


class ProgressPrinter:
    """Prints how a solve goes on standard error: each stage, and its figures once a second at most."""

    def __init__(self) -> None:
        self.stage = ""
        self.last = 0.0

    def __call__(self, progress: Progress) -> None:
        """Print a line, unless the last one is fresh."""
        from kalloc.screen import number

        if progress.stage == self.stage and progress.seconds - self.last < 1.0:
            return
        self.stage, self.last = progress.stage, progress.seconds
        figures = f"value {number(progress.incumbent)}, bound {number(progress.bound)}"
        print(f"{progress.seconds:7.1f} s  {progress.stage:<14} {figures}", file=sys.stderr)


class LiveTable:
    """The stages of a solve with the last that is known of each, and the time that is left; gone when it ends."""

    def __init__(self, time_limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.time_limit, self.clock, self.started = time_limit, clock, clock()
        self.known: dict[str, Progress] = {}
        self.lock = threading.Lock()

    @contextmanager
    def on(self, console: Console) -> Iterator[Told]:
        """Show the table on a console while something is solved."""
        from rich.live import Live

        with Live(get_renderable=self.table, console=console, refresh_per_second=4, transient=True):
            yield self.tell

    def tell(self, progress: Progress) -> None:
        """Take in what became known; the end of a solve is not a stage of it."""
        with self.lock:
            if progress.stage != "done":
                self.known[progress.stage] = progress

    def table(self) -> Table:
        """Return the table as it stands now."""
        from rich import box
        from rich.table import Table

        from kalloc.screen import number

        with self.lock:
            known = list(self.known.values())
        left = max(0.0, self.time_limit - (self.clock() - self.started))
        table = Table(box=box.SIMPLE_HEAD, caption=f"time left {left:.0f} s; Ctrl-C keeps the best plan so far")
        for name in ("stage", "incumbent", "bound", "gap", "known at"):
            table.add_column(name, justify="left" if name == "stage" else "right", min_width=9)
        for row in known:
            figures = (number(row.incumbent), number(row.bound), gap_of(row), f"{row.seconds:.1f} s")
            table.add_row(row.stage, *figures)
        if not known:
            table.add_row("start", "–", "–", "–", "–")
        return table


def gap_of(progress: Progress) -> str:
    """Return the gap between incumbent and bound in percent, or a dash where one is not known."""
    if progress.incumbent is None or progress.bound is None:
        return "–"
    return f"{100 * abs(progress.incumbent - progress.bound) / max(1.0, abs(progress.incumbent)):.3g} %"
