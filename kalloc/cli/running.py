"""One command at work: errors become messages and exit statuses, signals a stop."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kalloc.errors import InfeasibleError, InstanceError, KallocError, NoPlanError

if TYPE_CHECKING:
    from types import FrameType

    from kalloc.instance import Instance

STARTED = time.perf_counter() - time.process_time()
"""When the process began, imports included."""


@dataclass
class Run:
    """One command: whether it prints for people or for programs, and what is known when it fails."""

    as_json: bool = False
    instance: Instance | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    done: bool = False
    """Whether the answer is there, so that nothing is left to be stopped."""

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn errors into messages and exit statuses."""
        try:
            yield
        except (typer.Exit, BrokenPipeError):
            raise
        except InstanceError as error:
            defects = [vars(defect) for defect in error.defects]
            self._fail(2, "error", str(error), {"defects": defects})
        except InfeasibleError as error:
            self._fail(3, "infeasible", str(error), _why(error))
        except NoPlanError as error:
            self._fail(4, "interrupted" if self.stop.is_set() else "time_limit", str(error), {})
        except KallocError as error:
            self._fail(1, "error", str(error), {})
        except Exception as error:
            traceback.print_exc()
            self._fail(1, "error", f"a bug of kalloc, please report it: {error!r}", {})

    def _fail(self, status: int, termination: str, message: str, more: dict[str, Any]) -> None:
        known = self.instance
        if self.as_json:
            answer = {
                "instance": None if known is None else {"name": known.name, "sha256": known.sha256},
                "termination": termination,
                "solution": "none",
                "verified": False,
                "error": message,
                **more,
                "seconds": {"total": time.perf_counter() - STARTED},
                "peak_memory_mib": peak_memory_mib(),
            }
            print(json.dumps(answer))
        print(message if termination == "infeasible" else f"error: {message}", file=sys.stderr)
        raise typer.Exit(status)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first SIGINT or SIGTERM ask the solve to stop; the second acts as usual. None counts once done."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: FrameType | None) -> None:
            if self.done:
                return
            self.stop.set()
            restore()
            print("stopping with the best plan so far; once more to give up", file=sys.stderr)

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            restore()


def peak_memory_mib(workers: int = 0) -> int:
    """Return the most memory that this process and its workers held, in MiB; 0 where the system does not tell.

    Each of the workers is taken for as large as the largest that has ended.
    """
    try:
        import resource
    except ImportError:
        return 0
    unit = 2**20 if sys.platform == "darwin" else 1024
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // unit * workers
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024 + others
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit + others


def _why(error: InfeasibleError) -> dict[str, Any]:
    """Return what programs are told when no plan can exist."""
    ways = [
        {"unit": way.unit, "amount": way.amount, "loosened": list(way.loosened), "seen": way.seen} for way in error.ways
    ]
    return {"clash": list(error.clash), "relaxation": list(error.relaxation), "gpus": error.gpus, "ways": ways}
