"""The door to PuLP: names, statuses, and answers that are not taken at their word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulp
import pytest

from models import program
from models.program import InexactError, Program, SolverError, Status


class Says:
    """A solver that gives a prepared answer."""

    def __init__(self, values: Mapping[str, float], status: int, solution: int) -> None:
        self.values, self.status, self.solution = values, status, solution

    def actualSolve(self, problem: Any) -> int:
        """Give the answer to a problem, as solvers of PuLP do."""
        for variable in problem.variables():
            variable.varValue = self.values[variable.name]
        problem.assignStatus(self.status, self.solution)
        return self.status


def small() -> tuple[Program, Any]:
    """Return a program in which x is at most 3, and x."""
    made = Program("small")
    x = made.integer("x", upper=5)
    made.rule("room", "n", row=2 * x <= 7)
    return made, x


def answer(monkeypatch: pytest.MonkeyPatch, value: float, status: int, solution: int) -> program.Answer:
    """Return what becomes of a solver's answer that x has a value."""
    monkeypatch.setattr(program, "_solver", lambda name, seconds, *options: Says({"x()": value}, status, solution))
    made, x = small()
    return made.maximise(x)


def test_optimum() -> None:
    """CBC finds the largest integer, and expressions of it have integer values."""
    made, x = small()
    found = made.maximise(x)
    assert (found.status, found(x), found(2 * x + 1)) == (Status.OPTIMAL, 3, 7)
    assert made.minimise(x)(x) == 0


def test_optimal_at_a_time_limit_is_feasible(monkeypatch: pytest.MonkeyPatch) -> None:
    """PuLP's status Optimal with a merely feasible solution counts as feasible."""
    found = answer(monkeypatch, 2, pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible)
    assert (found.status, found.found) == (Status.FEASIBLE, True)


def test_no_solution_in_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that stopped without a solution proved nothing."""
    found = answer(monkeypatch, 0, pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound)
    assert (found.status, found.found) == (Status.UNKNOWN, False)


def test_integer_infeasible_is_infeasible() -> None:
    """A program whose relaxation alone has solutions is infeasible, not unknown."""
    made = Program("odd")
    x, y = made.integer("x", upper=3), made.integer("y", upper=3)
    made.rule("odd", row=2 * x + 2 * y == 3)
    assert made.maximise(x).status == Status.INFEASIBLE


def test_a_program_on_which_cbc_crashes_is_infeasible() -> None:
    """No integer is a half: CBC crashes without its preprocessing, and with it answers what breaks the row."""
    made = Program("half")
    x = made.integer("x", upper=1)
    made.rule("request", row=2 * x == 1)
    made.rule("room", row=-x <= 2)
    assert made.maximise(x).status == Status.INFEASIBLE


def test_what_is_dropped_is_nothing() -> None:
    """Variables that nothing asks for any more are 0 from then on."""
    made = Program("dropped")
    x, y = made.integer("x", upper=3), made.integer("y", upper=3)
    made.rule("room", row=x + y <= 5)
    made.drop(x)
    assert made.maximise(2 * x + y)(2 * x + y) == 3


def test_a_fraction_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is no integer within a millionth is no answer."""
    with pytest.raises(InexactError, match="not an integer"):
        answer(monkeypatch, 1.5, pulp.LpStatusOptimal, pulp.LpSolutionOptimal)


def test_a_broken_row_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that breaks a row in integers is no answer, and the row is named."""
    with pytest.raises(InexactError, match="room"):
        answer(monkeypatch, 4, pulp.LpStatusOptimal, pulp.LpSolutionOptimal)


def test_an_objective_too_fine_is_refused() -> None:
    """Objectives whose units a floating-point solver cannot tell apart are not handed to it."""
    made, x = small()
    with pytest.raises(InexactError, match="too fine"):
        made.maximise(2**40 * x)


def test_programs_without_variables() -> None:
    """A program of no variables is optimal without rows, infeasible with a row that does not hold."""
    made = Program("empty")
    made.rule("room", row=pulp.lpSum([]) <= 3)
    assert made.minimise(0).status == Status.OPTIMAL
    made.rule("seated", row=pulp.lpSum([]) >= 3)
    assert made.minimise(0).status == Status.INFEASIBLE


def test_an_objective_without_terms_is_solved() -> None:
    """Any solution is optimal for an objective of no terms."""
    made, x = small()
    found = made.minimise(0)
    assert found.status == Status.OPTIMAL
    assert found(x) in range(4)


def test_alike_names_stay_apart(tmp_path: Path) -> None:
    """Names that differ only in characters which solvers cannot read get a number, and the LP file holds them all."""
    made = Program("서울 1")
    variables = [made.integer("x", name, upper=1) for name in ("서울", "부산", "a b", "a-b")]
    for variable in variables:
        made.rule("cap", "서울", row=variable <= 0)
    assert len({variable.name for variable in variables}) == 4
    assert [row.name for row in made.problem.constraints()] == ["cap(__)", "cap(__)2", "cap(__)3", "cap(__)4"]
    assert made.maximise(pulp.lpSum(variables))(variables[0]) == 0
    made.problem.writeLP(str(tmp_path / "names.lp"))
    assert "cap(__)4: x(a_b)2 <= 0" in (tmp_path / "names.lp").read_text(encoding="utf-8")


def test_an_unknown_solver_is_named() -> None:
    """A solver that is not there is an error that lists those that are."""
    made, x = small()
    with pytest.raises(SolverError, match=r"NO_SUCH.*PULP_CBC_CMD"):
        made.maximise(x, solver="NO_SUCH")


def test_a_solver_is_found_by_name() -> None:
    """CBC is found by the name that PuLP gives it."""
    made, x = small()
    assert made.maximise(x, solver="PULP_CBC_CMD", seconds=10)(x) == 3
