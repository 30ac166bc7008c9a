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


def solved_by_glop(proto: Any, limits: Limits) -> Any:
    """Solve a linear program in MathOpt's protocol buffer by GLOP; return the answer as one.

    MathOpt's objects have an entry by name for every value: making them takes longer than the solve.
    """
    from ortools.math_opt import callback_pb2, model_parameters_pb2, parameters_pb2
    from ortools.math_opt.core.python import solver

    parameters = parameters_pb2.SolveParametersProto()
    if math.isfinite(limits.deadline):
        parameters.time_limit.FromNanoseconds(int(1e9 * limits.seconds))
    start, glop = parameters_pb2.SolverInitializerProto(), parameters_pb2.SOLVER_TYPE_GLOP
    every, no_calls = model_parameters_pb2.ModelSolveParametersProto(), callback_pb2.CallbackRegistrationProto()
    return solver.solve(proto, glop, start, parameters, every, None, no_calls, None, None)


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
    pairs = [sorted(zip(*row, strict=True)) for row in zip(model.row_columns, model.row_factors, strict=True)]
    matrix = proto.linear_constraint_matrix
    matrix.row_ids.extend([row for row, of in enumerate(pairs) for _ in of])
    matrix.column_ids.extend([column for of in pairs for column, _ in of])
    matrix.coefficients.extend([float(factor) for of in pairs for _, factor in of])
    return proto
