"""The command line: the only place that prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kalloc.errors import InfeasibleError, InstanceError, KallocError, NoPlanError

if TYPE_CHECKING:
    from types import FrameType

    from kalloc.instance import Instance
    from kalloc.plan import Progress, Result

STARTED = time.perf_counter() - time.process_time()
"""When the process began, imports included."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Decide who gets how many of a nation's GPUs and where they sit, with a proven bound.",
    epilog="Exit status: 0 done, 1 an error, 2 the input is wrong, 3 no plan can exist, 4 none was found in time.",
)

INSTANCE = typer.Argument(metavar="INSTANCE", help="A directory with instance.toml and tables, or a .json document.")
InstancePath = Annotated[Path, INSTANCE]


class Document(StrEnum):
    """What has a schema."""

    INSTANCE = "instance"
    PLAN = "plan"


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


@dataclass
class Run:
    """One command: whether it prints for people or for programs, and what is known when it fails."""

    as_json: bool = False
    instance: Instance | None = None
    stop: threading.Event = field(default_factory=threading.Event)

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
            self._fail(3, "infeasible", str(error), {"clash": list(error.clash)})
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
        """Let the first SIGINT or SIGTERM ask the solve to stop; the second one acts as usual."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: FrameType | None) -> None:
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


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"kalloc {version('kalloc')}")
        raise typer.Exit


def _finite(value: float) -> float:
    if not 0 <= value < float("inf"):
        raise typer.BadParameter(f"{value} is not a finite number of at least 0")
    return value


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Decide who gets how many of a nation's GPUs and where they sit, with a proven bound."""


@app.command()
def solve(
    instance: InstancePath,
    out: Annotated[Path | None, typer.Option("--out", help="Directory to write the plan to.")] = None,
    time_limit: Annotated[float, typer.Option(callback=_finite, help="Seconds to solve at most.")] = 50.0,
    gap: Annotated[float, typer.Option(callback=_finite, help="Relative gap that is good enough.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Where random choices begin.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; by default the processors, 8 at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but the answer.")] = False,
) -> None:
    """Allocate and place, and write the plan with its proven bounds."""
    run = Run(as_json)
    with run.told():
        options: dict[str, Any] = {"time_limit": time_limit, "gap": gap, "seed": seed}
        if threads is not None:
            options["threads"] = threads
        if not quiet:
            options["on_progress"] = ProgressPrinter()
        result = _solve(run, instance, out, options)
        _answer(run, result, out, quiet)


def _solve(run: Run, path: Path, out: Path | None, options: dict[str, Any]) -> Result:
    """Load, solve and write; the result says what each took."""
    import kalloc.io

    if out is not None:
        kalloc.io.check_writable(out)
    start = time.perf_counter()
    run.instance = kalloc.io.load(path)
    loaded = time.perf_counter() - start
    from kalloc.solving import solve

    with run.interruptible():
        result = solve(run.instance, stop=run.stop, **options)
        seconds = {
            "load": loaded,
            **{name: result.seconds.get(name, 0.0) for name in ("allocate", "place", "verify")},
            "write": 0.0,
            "total": time.perf_counter() - STARTED,
        }
        workers = int(options.get("threads") or min(8, os.cpu_count() or 1))
        result = replace(result, seconds=seconds, peak_memory_mib=peak_memory_mib(workers))
        return result if out is None else kalloc.io.write_result(result, out)


def _answer(run: Run, result: Result, out: Path | None, quiet: bool) -> None:
    if run.as_json:
        print(json.dumps(result.summary()))
    elif not quiet and run.instance is not None:
        from kalloc.screen import result_lines

        print("\n".join(result_lines(run.instance, result)))
    if not quiet:
        said = "nothing is written without --out" if out is None else f"the plan is in {out}"
        print(said, file=sys.stderr)


@app.command()
def check(instance: InstancePath) -> None:
    """Read and validate an instance, and say everything that is wrong with it."""
    import kalloc.io
    from kalloc.screen import size

    with Run().told():
        print(f"{size(kalloc.io.load(instance))}: no defects")


@app.command()
def verify(
    instance: InstancePath,
    plan: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a plan.")],
) -> None:
    """Check a plan exactly, and what its summary claims, without the solver."""
    with Run().told():
        violations, score = _violations(instance, plan)
        if violations:
            print("\n".join(violations))
            print(f"{len(violations)} violation{'s' if len(violations) > 1 else ''}", file=sys.stderr)
            raise typer.Exit(1)
        print(f"no violations; {score}")


def _violations(path: Path, directory: Path) -> tuple[list[str], str]:
    """Return what is wrong with a plan and its claims, or else its score in words."""
    import kalloc.io
    from kalloc.screen import number
    from kalloc.verify import claims, score, verify

    instance = kalloc.io.load(path)
    plan = kalloc.io.read_plan(directory)
    summary = kalloc.io.read_summary(directory)
    found = [f"format: {name} does not say the same as plan.json" for name in kalloc.io.stray_tables(plan, directory)]
    broken = verify(instance, plan)
    found += map(str, broken or claims(instance, plan, summary))
    if found:
        return found, ""
    value = score(instance, plan)
    return [], f"merit {number(float(value.merit))}, fragmentation {number(value.fragmentation)}"


@app.command()
def schema(what: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of an instance document or of a plan."""
    import kalloc.io

    print(json.dumps(kalloc.io.schema(what.value), ensure_ascii=False, indent=2))


@app.command()
def generate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="The name of a recipe.")],
    out: Annotated[Path, typer.Option("--out", help="Directory to write the instance to.")],
    seed: Annotated[int, typer.Option(min=0, help="Where random draws begin.")] = 0,
    family: Annotated[str | None, typer.Option(help="The family of instances, where the recipe has several.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Nodes, where the recipe takes any number.")] = None,
) -> None:
    """Make an instance by a recipe; the same recipe, seed and options make the same instance."""
    import kalloc.io
    from kalloc.generate import generate
    from kalloc.screen import size

    with Run().told():
        options: dict[str, Any] = {"family": family, "nodes": nodes}
        instance = generate(recipe, seed, **{name: value for name, value in options.items() if value is not None})
        kalloc.io.write_instance(instance, out)
        print(f"{size(instance)}: in {out}")
