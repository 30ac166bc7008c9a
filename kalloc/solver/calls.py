"""What every call of OR-Tools needs: the model in its format, and an end once somebody says stop."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kalloc.solver.model import Limits, Model, Stop

POLL_SECONDS = 0.05


@contextlib.contextmanager
def watched(limits: Limits, interrupt: Callable[[], None]) -> Iterator[None]:
    """Call ``interrupt`` again and again once somebody says stop; some solvers ignore it before their search begins."""
    if limits.stop is None:
        yield
        return
    done = threading.Event()

    def watch(stop: Stop) -> None:
        while not done.wait(POLL_SECONDS):
            if stop.is_set():
                interrupt()

    watcher = threading.Thread(target=watch, args=(limits.stop,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def abandonable(run: Callable[[], Any], limits: Limits) -> Any:
    """Return what ``run`` returns, or None once somebody says stop.

    SCIP and GLOP do not heed an interrupt, so a call is left behind: its thread ends with its own time limit.
    """
    if limits.stop is None:
        return run()
    found: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            found.put((run(), None))
        except BaseException as error:
            found.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    while not limits.stop.is_set():
        with contextlib.suppress(queue.Empty):
            result, error = found.get(timeout=POLL_SECONDS)
            if error is not None:
                raise error
            return result
    return None


def proto_of(model: Model, integer: bool) -> Any:
    """Return the model, or its linear relaxation, as MathOpt's protocol buffer."""
    from ortools.math_opt import model_pb2

    proto = model_pb2.ModelProto()
    columns, rows = proto.variables, proto.linear_constraints
    columns.ids.extend(range(model.size))
    columns.lower_bounds.extend(map(float, model.lower))
    columns.upper_bounds.extend(map(float, model.upper))
    columns.integers.extend([integer] * model.size)
    costs = proto.objective.linear_coefficients
    costs.ids.extend(column for column, cost in enumerate(model.cost) if cost)
    costs.values.extend(float(cost) for cost in model.cost if cost)
    proto.objective.offset = float(model.offset)
    rows.ids.extend(range(len(model.row_lower)))
    rows.lower_bounds.extend(-math.inf if low is None else float(low) for low in model.row_lower)
    rows.upper_bounds.extend(math.inf if high is None else float(high) for high in model.row_upper)
    matrix = proto.linear_constraint_matrix
    for row, (members, factors) in enumerate(zip(model.row_columns, model.row_factors, strict=True)):
        pairs = sorted(zip(members, factors, strict=True))
        matrix.row_ids.extend([row] * len(pairs))
        matrix.column_ids.extend(column for column, _ in pairs)
        matrix.coefficients.extend(float(factor) for _, factor in pairs)
    return proto
