"""The door to OR-Tools: statuses, integers, proven bounds, limits, and silence."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalloc.solver import (
    DUAL_SCALE,
    Answer,
    Limits,
    Model,
    Status,
    dual_bound,
    relaxed_bound,
    solve_cp_sat,
    solve_relaxed,
    solve_scip,
)
from kalloc.solver.integer import _checked, _integer_bound
from tests.engine.test_against_reference import often

Solve = Callable[[Model, Limits], Answer]
SOLVERS = pytest.mark.parametrize("solve", [solve_cp_sat, solve_scip], ids=["CP-SAT", "SCIP"])


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model of at most three variables and three rows, with any signs."""
    small = st.integers(-4, 4)
    model = Model(offset=draw(small))
    for _ in range(draw(st.integers(1, 3))):
        lower = draw(small)
        model.variable(lower, lower + draw(st.integers(0, 4)), draw(small))
    for _ in range(draw(st.integers(0, 3))):
        low, width = draw(st.one_of(st.none(), small)), draw(st.one_of(st.none(), st.integers(0, 3)))
        high = width if low is None or width is None else low + width
        model.row([(column, draw(small)) for column in range(model.size)], low, high)
    return model


def best(model: Model) -> int | None:
    """Return the optimum over every point of the box, None when no point is admitted."""
    ranges = [range(low, high + 1) for low, high in zip(model.lower, model.upper, strict=True)]
    points = (np.array(point, dtype=np.int64) for point in itertools.product(*ranges))
    return min((model.value(point) for point in points if model.admits(point)), default=None)


def hard(seed: int = 0) -> Model:
    """Return a market split problem that no solver closes within seconds (Cornuéjols and Dawande, 1998)."""
    dice = np.random.default_rng(seed)
    model = Model()
    columns = [model.variable(0, 1) for _ in range(50)]
    for _ in range(6):
        factors = [int(factor) for factor in dice.integers(0, 100, len(columns))]
        slack = [model.variable(0, 5000, 1), model.variable(0, 5000, 1)]
        terms = [*zip(columns, factors, strict=True), (slack[0], 1), (slack[1], -1)]
        model.row(terms, sum(factors) // 2, sum(factors) // 2)
    return model


@SOLVERS
@given(model=models())
@often(100)
def test_answer_equals_enumeration(solve: Solve, model: Model) -> None:
    """Optimum, proof and infeasibility are those of every point tried."""
    answer, true = solve(model, Limits()), best(model)
    if true is None:
        assert answer == Answer.nothing(Status.INFEASIBLE)
    else:
        assert (answer.status, answer.value, answer.bound) == (Status.OPTIMAL, true, true)
        assert answer.values is not None and model.admits(answer.values) and model.value(answer.values) == true


@given(model=models())
@often(200)
def test_relaxed_bound_is_never_above_the_optimum(model: Model) -> None:
    """The bound of the relaxation is a lower bound, whatever the signs of costs, rows and boxes."""
    bound, true = relaxed_bound(model, Limits()), best(model)
    assert bound is None or true is None or bound <= true


@given(model=models())
@often(300)
def test_a_whole_point_of_the_relaxation_is_the_optimum(model: Model) -> None:
    """What the relaxation calls optimal is, its points are admitted, and its bound is never above the optimum."""
    answer, true = solve_relaxed(model, Limits()), best(model)
    assert answer.bound is None or true is None or answer.bound <= true
    assert answer.values is None or model.admits(answer.values)
    if answer.status is Status.OPTIMAL:
        assert answer.value == answer.bound == true


@given(model=models(), data=st.data())
@often(200)
def test_dual_bound_holds_for_any_multipliers(model: Model, data: st.DataObject) -> None:
    """Multipliers drawn at random, right or wrong, never prove more than is true."""
    large = st.integers(-5 * DUAL_SCALE, 5 * DUAL_SCALE)
    multipliers = data.draw(st.lists(large, min_size=len(model.row_lower), max_size=len(model.row_lower)))
    true = best(model)
    assert true is None or dual_bound(model, multipliers) <= true


def test_dual_bound_by_hand() -> None:
    """min x + y over x + 2 y ≥ 5 in [0, 9]: the multiplier 1/2 proves 5/2, so 3; the best is 3, at x = 1, y = 2."""
    model = Model()
    x, y = model.variable(0, 9, 1), model.variable(0, 9, 1)
    model.row([(x, 1), (y, 2)], 5, None)
    assert dual_bound(model, [DUAL_SCALE // 2]) == relaxed_bound(model, Limits()) == best(model) == 3


def test_relaxed_bound_where_the_relaxation_is_tight() -> None:
    """A transport problem has integral vertices: its relaxation proves the optimum to the last unit."""
    model = Model(offset=7)
    costs = [[4, 6, 9], [5, 3, 8]]
    seats = [[model.variable(0, 10, cost) for cost in row] for row in costs]
    for row, supply in zip(seats, (6, 8), strict=True):
        model.row([(seat, 1) for seat in row], None, supply)
    for column, demand in zip(zip(*seats, strict=True), (5, 5, 4), strict=True):
        model.row([(seat, 1) for seat in column], demand, None)
    answer = solve_cp_sat(model, Limits())
    whole = solve_relaxed(model, Limits())
    assert relaxed_bound(model, Limits()) == answer.value == whole.value
    assert whole.status is Status.OPTIMAL


@pytest.mark.parametrize("raw", [[1.0, 1.4], [2.0, 2.0], [-1.0, 0.0]])
def test_an_answer_that_is_not_true_is_refused(raw: list[float]) -> None:
    """Fractions, broken rows and broken bounds leave nothing of a solver's answer but its bound."""
    model = Model()
    x, y = model.variable(0, 2, 1), model.variable(0, 2, 1)
    model.row([(x, 1), (y, 1)], None, 3)
    assert _checked(model, raw, 0, closed=True) == Answer(Status.UNKNOWN, None, None, 0)


def test_a_claim_of_optimality_needs_a_bound_that_meets() -> None:
    """A point whose bound lies below its value is feasible, whatever the solver says of it."""
    model = Model()
    model.variable(0, 9, 1)
    assert _checked(model, [3.0], 2, closed=True).status is Status.FEASIBLE
    assert _checked(model, [3.0], None, closed=True).status is Status.FEASIBLE
    assert _checked(model, [3.0], 3, closed=True).status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(2.5, 3), (2.0000000001, 2), (1.9999999, 2), (-2.5, -2), (float("-inf"), None), (1e17, None)],
)
def test_integer_bound_rounds_up_but_for_noise(bound: float, expected: int | None) -> None:
    """A bound of an integer objective is rounded up unless it is over an integer by less than the tolerance."""
    assert _integer_bound(bound) == expected


@SOLVERS
def test_time_limit(solve: Solve) -> None:
    """A deadline one second away ends a solve that would take hours, with its best point and a bound below it."""
    began = time.monotonic()
    answer = solve(hard(), Limits(deadline=began + 1.0))
    assert time.monotonic() - began < 4.0
    assert answer.status in (Status.FEASIBLE, Status.UNKNOWN)
    assert answer.bound is None or answer.value is None or answer.bound < answer.value


@SOLVERS
def test_stop_while_it_runs(solve: Solve) -> None:
    """A stop that comes after half a second ends the solve within one second."""
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    began = time.monotonic()
    answer = solve(hard(), Limits(deadline=began + 4.0, stop=stop))
    assert time.monotonic() - began < 2.0
    assert answer.status in (Status.FEASIBLE, Status.UNKNOWN)
    timer.join()


@SOLVERS
def test_stop_before_it_begins(solve: Solve) -> None:
    """A stop that is set already ends the solve at once."""
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    solve(hard(), Limits(deadline=began + 4.0, stop=stop))
    assert time.monotonic() - began < 1.5


@SOLVERS
def test_an_error_in_the_solver_reaches_the_caller(solve: Solve) -> None:
    """A model that is malformed raises in the caller's thread, with a stop or without."""
    model = Model()
    model.variable(0, 1, 1)
    model.row([(5, 1)], 0, 1)
    for limits in (Limits(), Limits(stop=threading.Event())):
        with pytest.raises((ValueError, IndexError, RuntimeError)):
            solve(model, limits)


@SOLVERS
def test_silent(solve: Solve, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, not even by the solvers' own code."""
    solve(hard(), Limits(deadline=time.monotonic() + 0.3))
    relaxed_bound(hard(), Limits())
    assert capfd.readouterr() == ("", "")


@SOLVERS
def test_same_answer_again(solve: Solve) -> None:
    """The same model and seed give the same point, not only the same value."""
    model = Model()
    columns = [model.variable(0, 3, -1) for _ in range(12)]
    model.row([(column, 1) for column in columns], None, 17)
    first, second = solve(model, Limits(seed=3)), solve(model, Limits(seed=3))
    assert first.value == second.value == -17
    assert first.values is not None and second.values is not None
    assert first.values.tolist() == second.values.tolist()


def test_effort_is_a_limit() -> None:
    """A limit of deterministic work ends CP-SAT, and twice the same limit gives the same point."""
    limits = Limits(effort=0.2, deadline=time.monotonic() + 30)
    first, second = solve_cp_sat(hard(), limits), solve_cp_sat(hard(), limits)
    assert first.status is Status.FEASIBLE
    assert first.values is not None and second.values is not None
    assert first.values.tolist() == second.values.tolist()


def test_hint_is_where_it_starts() -> None:
    """With hardly any work allowed CP-SAT returns a complete hint, or better."""
    model = hard()
    start = solve_cp_sat(model, Limits(effort=0.2))
    assert start.values is not None and start.value is not None
    again = solve_cp_sat(model, Limits(effort=0.01), hint=start.values)
    assert again.value is not None and again.value <= start.value


def test_merged_terms_and_empty_models() -> None:
    """A variable named twice in a row counts twice, and a model without variables has its offset as optimum."""
    model = Model()
    x = model.variable(0, 9, -1)
    model.row([(x, 1), (x, 1)], None, 7)
    for solve in (solve_cp_sat, solve_scip):
        assert solve(model, Limits()).value == -3
        assert solve(Model(offset=4), Limits()).value == 4
