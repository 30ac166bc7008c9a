"""Linear programs that grow by columns: value, duals and shares of a program derived by hand, again and again."""

from __future__ import annotations

import math
import threading
import time
from random import Random

from kalloc.solver import ColumnProgram, Limits

INFINITE = math.inf


def diet() -> ColumnProgram:
    """Return rows x + 2y ≥ 4 and 3x + y ≥ 6 with a column for x that costs 2 and one for y that costs 3."""
    program = ColumnProgram([(4.0, INFINITE), (6.0, INFINITE)])
    assert program.add(2.0, [(0, 1.0), (1, 3.0)]) == 0
    assert program.add(3.0, [(0, 2.0), (1, 1.0)]) == 1
    return program


def near(found: list[float], expected: list[float]) -> bool:
    """Tell whether numbers are equal but for noise."""
    return all(abs(one - other) < 1e-9 for one, other in zip(found, expected, strict=True))


def test_value_duals_and_shares_by_hand() -> None:
    """Both rows bind at x = 1.6, y = 1.2: it costs 6.8, and the duals 1.4 and 0.2 price both columns to nothing."""
    answer = diet().solve(Limits())
    assert answer is not None
    value, duals, shares = answer
    assert near([value], [6.8]) and near(duals, [1.4, 0.2]) and near(shares, [1.6, 1.2])


def test_a_column_that_pays_joins_and_one_that_does_not_stays_out() -> None:
    """At duals 1.4 and 0.2 a column of (1, 1) is worth 1.6: for 1 it is taken, 4 · (1, 1) and 2 · x / 2; for 2 not."""
    program = diet()
    before = program.solve(Limits())
    assert before is not None
    assert program.add(2.0, [(0, 1.0), (1, 1.0)]) == 2
    dear = program.solve(Limits())
    assert dear is not None and near([dear[0]], [before[0]]) and near(dear[2], [1.6, 1.2, 0.0])
    assert program.add(1.0, [(0, 1.0), (1, 1.0)]) == 3 and len(program) == 4
    cheap = program.solve(Limits())
    assert cheap is not None
    value, duals, shares = cheap
    assert near([value], [5.0]) and near(duals, [0.5, 0.5]) and near(shares, [1.0, 0.0, 0.0, 3.0])


def test_upper_sides_have_duals_below_nothing() -> None:
    """A bin that is scarce has a negative dual: with one more of it the program would cost so much less."""
    program = ColumnProgram([(3.0, INFINITE), (-INFINITE, 2.0)])
    program.add(1.0, [(0, 1.0), (1, 1.0)])
    program.add(5.0, [(0, 1.0)])
    answer = program.solve(Limits())
    assert answer is not None
    value, duals, shares = answer
    assert near([value], [7.0]) and near(duals, [5.0, -4.0]) and near(shares, [2.0, 1.0])


def test_a_column_has_no_more_than_its_upper_end() -> None:
    """Two units at most of the cheap column, the third of the dear one."""
    program = ColumnProgram([(3.0, INFINITE)])
    program.add(1.0, [(0, 1.0)], upper=2.0)
    program.add(5.0, [(0, 1.0)])
    answer = program.solve(Limits())
    assert answer is not None and near(answer[2], [2.0, 1.0])


def test_what_cannot_be_has_no_answer() -> None:
    """A row that no column reaches leaves no answer, until one is added."""
    program = ColumnProgram([(1.0, INFINITE)])
    assert program.solve(Limits()) is None
    program.add(2.0, [(0, 1.0)])
    answer = program.solve(Limits())
    assert answer is not None and near([answer[0]], [2.0])


def test_no_answer_after_the_deadline_or_a_stop() -> None:
    """Once the deadline is past, or somebody said stop, there is no answer; with time again there is."""
    program, stop = diet(), threading.Event()
    assert program.solve(Limits(deadline=time.monotonic() - 1)) is None
    stop.set()
    assert program.solve(Limits(stop=stop)) is None
    assert program.solve(Limits(deadline=time.monotonic() + 60)) is not None
    assert program.solve(Limits()) is not None


def test_it_goes_on_from_where_it_stood() -> None:
    """Six times 20 columns more take a quarter of the steps that the first 400 took, at most, to the value of all."""
    rows, dice = [(float(10 + row % 7), INFINITE) for row in range(60)], Random(0)
    grown, whole = ColumnProgram(rows), ColumnProgram(rows)

    def more(count: int) -> int:
        """Add columns to both; return the steps that the one takes that is solved each time."""
        for _ in range(count):
            cost = dice.uniform(1, 1000)
            terms = [(row, float(dice.randint(1, 100))) for row in dice.sample(range(60), 6)]
            assert grown.add(cost, terms) == whole.add(cost, terms)
        assert grown.solve(Limits()) is not None
        return int(grown._solver.iterations())

    first, later = more(400), sum(more(20) for _ in range(6))
    assert 0 < 4 * later <= first
    again, anew = grown.solve(Limits()), whole.solve(Limits())
    assert again is not None and anew is not None and math.isclose(again[0], anew[0])
