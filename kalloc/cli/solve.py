"""``kalloc solve``."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kalloc.cli.app import InstancePath, app, finite
from kalloc.cli.live import watched
from kalloc.cli.running import STARTED, Run, peak_memory_mib

if TYPE_CHECKING:
    from kalloc.plan import Result


@app.command()
def solve(
    instance: InstancePath,
    out: Annotated[Path | None, typer.Option("--out", help="Directory to write the plan to.")] = None,
    time_limit: Annotated[float, typer.Option(callback=finite, help="Seconds to solve at most.")] = 50.0,
    gap: Annotated[float, typer.Option(callback=finite, help="Relative gap that is good enough.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Where random choices begin.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; by default the processors, 8 at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but the answer.")] = False,
) -> None:
    """Allocate and place, and write the plan with its proven bounds."""
    run = Run(as_json)
    with run.told():
        loaded = _load(run, instance, out)
        options: dict[str, Any] = {"time_limit": time_limit, "gap": gap, "seed": seed}
        if threads is not None:
            options["threads"] = threads
        with run.interruptible():
            with nullcontext() if quiet else watched(time_limit) as tell:
                more = {} if tell is None else {"on_progress": tell}
                result = _solve(run, instance, out, loaded, {**options, **more})
            _answer(run, result, out, quiet)


def _load(run: Run, path: Path, out: Path | None) -> float:
    """Load the instance, and return the seconds that it took."""
    import kalloc.io

    if out is not None:
        kalloc.io.check_writable(out)
    start = time.perf_counter()
    run.instance = kalloc.io.load(path)
    return time.perf_counter() - start


def _solve(run: Run, path: Path, out: Path | None, loaded: float, options: dict[str, Any]) -> Result:
    """Solve and write; the result says what each took."""
    import kalloc.io
    from kalloc.solving import solve

    assert run.instance is not None
    result = solve(run.instance, stop=run.stop, **options)
    took = {name: result.seconds.get(name, 0.0) for name in ("allocate", "place", "verify")}
    if out is not None:
        result, took["certify"] = _certified(run, result, path, out)
    seconds = {"load": loaded, **took, "write": 0.0, "total": time.perf_counter() - STARTED}
    workers = int(options.get("threads") or min(8, os.cpu_count() or 1))
    result = replace(result, seconds=seconds, peak_memory_mib=peak_memory_mib(workers))
    result = result if out is None else kalloc.io.write_result(result, out)
    run.done = True
    return result


def _certified(run: Run, result: Result, path: Path, out: Path) -> tuple[Result, float]:
    """Return the result with its certificate, and the seconds that it took."""
    from kalloc.certify import certify

    assert run.instance is not None
    start = time.perf_counter()
    result = certify(run.instance, result, os.path.relpath(path.resolve(), out.resolve()), run.stop)
    return result, time.perf_counter() - start


def _answer(run: Run, result: Result, out: Path | None, quiet: bool) -> None:
    if run.as_json:
        print(json.dumps(result.summary()))
    elif not quiet and run.instance is not None:
        from kalloc.screen import result_lines

        print("\n".join(result_lines(run.instance, result)))
    if not quiet:
        said = "nothing is written without --out" if out is None else f"the plan is in {out}"
        print(said, file=sys.stderr)
