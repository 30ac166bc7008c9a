"""An integer program in PuLP whose rows carry the names of their rules, and whose answers are checked in integers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import pulp

CBC = "PULP_CBC_CMD"
"""The solver that comes with PuLP."""

LARGEST_OBJECTIVE = 2**40
"""Solvers work in floating point: beyond this they no longer tell one integer objective from the next."""

LARGEST_FACTOR = 2**30
"""A row with larger factors is lost in a solver's tolerances: it calls plans impossible that are not."""

EXACT = ("integerT 1e-10", "primalT 1e-9")
"""CBC's tolerances: with its own, a millionth, a row of prices in won is met by what is nearly an integer."""
LARGEST_WRITTEN = 10**12
"""PuLP writes twelve digits of a number in an LP file."""

Expression = Any
"""A variable, an affine expression of PuLP, or an integer."""


class Status(StrEnum):
    """What is known of an answer."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


class InexactError(ArithmeticError):
    """A solver's answer is not integral, breaks a row, or cannot be told from its neighbours."""


class SolverError(ValueError):
    """PuLP finds no solver of that name."""


@dataclass(frozen=True)
class Answer:
    """A status and, when a solution was found, the integer value of every variable."""

    status: Status
    values: Mapping[str, int]

    @property
    def found(self) -> bool:
        """Tell whether there is a solution."""
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)

    def __call__(self, expression: Expression) -> int:
        """Return the value of a variable or an expression with integer coefficients."""
        affine = pulp.LpAffineExpression(expression)
        return int(affine.constant) + sum(int(factor) * self.values[var.name] for var, factor in affine.items())


class Program:
    """Rows by rule over integer variables."""

    def __init__(self, name: str) -> None:
        self.problem = pulp.LpProblem(_plain(name))
        self._names: set[str] = set()

    def integer(self, symbol: str, *keys: object, upper: int) -> Expression:
        """Return a new variable, an integer from 0 to ``upper``."""
        return self.problem.add_variable(self._name(symbol, keys), 0, upper, cat=pulp.LpInteger)

    def rule(self, label: str, *keys: object, row: Any) -> None:
        """Add a row of the rule ``label``; a row without variables that holds is left out."""
        if any(abs(factor) > LARGEST_FACTOR for factor in row.expr.values()):
            raise InexactError(f"a row of {label} is too fine for a floating-point solver; round rates, prices, watts")
        if row.expr or not _holds(row, 0):
            self.problem.addConstraint(row, self._name(label, keys))

    def drop(self, expression: Expression) -> None:
        """Put the variables of an expression at 0: nothing asks for them any more."""
        for variable in pulp.LpAffineExpression(expression):
            variable.upBound = 0

    def maximise(self, objective: Expression, solver: str | None = None, seconds: float | None = None) -> Answer:
        """Maximise an expression with integer coefficients."""
        return self._optimise(objective, pulp.LpMaximize, solver, seconds)

    def minimise(self, objective: Expression, solver: str | None = None, seconds: float | None = None) -> Answer:
        """Minimise an expression with integer coefficients."""
        return self._optimise(objective, pulp.LpMinimize, solver, seconds)

    def write(self, objective: Expression, maximise: bool, path: Path) -> None:
        """Write the program with an objective as LP or, where the name of the file ends in .mps, as MPS.

        What is constant in the objective is the coefficient of a variable that is 1, as neither form has a place for
        it. In MPS a maximum is the minimum of the negative.
        """
        affine = self._affine(objective, LARGEST_WRITTEN)
        constant, affine.constant = int(affine.constant), 0
        mps = path.suffix == ".mps"
        sign = -1 if mps and maximise else 1
        self.problem.sense = pulp.LpMaximize if maximise and not mps else pulp.LpMinimize
        self.problem.setObjective(sign * (affine + constant * self._one))
        if mps:
            self.problem.writeMPS(str(path))
        else:
            self.problem.writeLP(str(path))

    @cached_property
    def _one(self) -> Expression:
        return self.problem.add_variable("one", 1, 1, cat=pulp.LpInteger)

    def _affine(self, objective: Expression, largest: int = LARGEST_OBJECTIVE) -> Any:
        affine = pulp.LpAffineExpression(objective)
        if sum(abs(factor) * (var.upBound or 0) for var, factor in affine.items()) > largest:
            raise InexactError("the objective is too fine for a floating-point solver; round merits, values or weights")
        return affine

    def _optimise(self, objective: Expression, sense: int, solver: str | None, seconds: float | None) -> Answer:
        affine = self._affine(objective)
        variables = self.problem.variables()
        if not variables:
            return Answer(Status.INFEASIBLE if self.problem.constraints() else Status.OPTIMAL, {})
        if not affine:
            # PuLP writes an objective without terms as a column that CBC cannot read.
            affine = pulp.LpAffineExpression({variables[0]: 0})
        self.problem.sense = sense
        self.problem.setObjective(affine)
        self._solve(solver or CBC, seconds)
        found = {pulp.LpSolutionOptimal: Status.OPTIMAL, pulp.LpSolutionIntegerFeasible: Status.FEASIBLE}
        status = found.get(self.problem.sol_status)
        if status is None:
            infeasible = self.problem.status == pulp.LpStatusInfeasible
            return Answer(Status.INFEASIBLE if infeasible else Status.UNKNOWN, {})
        return Answer(status, self._exact())

    def _solve(self, solver: str, seconds: float | None) -> None:
        """Run a solver; CBC without its preprocessing, which calls plans optimal that are not."""
        if solver != CBC:
            self.problem.solve(_solver(solver, seconds))
            return
        try:
            self.problem.solve(_solver(CBC, seconds, "preprocess off", *EXACT))
        except pulp.PulpSolverError:
            # CBC crashes without preprocessing where its root finds the model impossible, and with it says it is not.
            if self._missing(seconds) > 0:
                self.problem.assignStatus(pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible)
            else:
                self.problem.solve(_solver(CBC, seconds, *EXACT))

    def _missing(self, seconds: float | None) -> int:
        """Return the least that must be added to or taken from the rows so that some integers meet them all."""
        eased = pulp.LpProblem("eased", pulp.LpMinimize)
        copies = {
            one.name: eased.add_variable(one.name, one.lowBound, one.upBound, cat=one.cat)
            for one in self.problem.variables()
        }
        eases = []
        for number, row in enumerate(self.problem.constraints()):
            more, less = (eased.add_variable(f"{name}{number}", 0) for name in ("more", "less"))
            total = pulp.lpSum(int(factor) * copies[one.name] for one, factor in row.expr.items()) + int(row.constant)
            eased_row = total + more - less
            senses = {pulp.LpConstraintEQ: eased_row == 0, pulp.LpConstraintLE: eased_row <= 0}
            eased.addConstraint(senses.get(row.sense, eased_row >= 0))
            eases += [more, less]
        eased.setObjective(pulp.lpSum(eases))
        eased.solve(_solver(CBC, seconds, "preprocess off", *EXACT))
        return round(pulp.value(eased.objective) or 0) if eased.sol_status == pulp.LpSolutionOptimal else 0

    def _exact(self) -> dict[str, int]:
        values = {}
        for variable in self.problem.variables():
            values[variable.name] = round(variable.value() or 0)
            if abs((variable.value() or 0) - values[variable.name]) > 1e-6:
                raise InexactError(f"{variable.name} = {variable.value()} is not an integer")
        for row in self.problem.constraints():
            left = sum(int(factor) * values[variable.name] for variable, factor in row.expr.items())
            if not _holds(row, left):
                raise InexactError(f"the answer breaks {row.name}: {row}")
        return values

    def _name(self, label: str, keys: tuple[object, ...]) -> str:
        """Return ``label(key,key)`` in the characters that every solver reads; alike names get a number."""
        base = _plain(f"{label}({','.join(map(str, keys))})")[:80]
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}{number}"
        self._names.add(name)
        return name


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.,()]", "_", name)


def _holds(row: Any, left: int) -> bool:
    excess = left + int(row.constant)
    if row.sense == pulp.LpConstraintEQ:
        return excess == 0
    return excess <= 0 if row.sense == pulp.LpConstraintLE else excess >= 0


def _solver(name: str, seconds: float | None, *options: str) -> Any:
    """Return PuLP's solver of that name, silent, with a gap of 0, as far as it takes such options.

    ``options`` are CBC's own.
    """
    if name == CBC:
        # The class of this name warns that PuLP 4 drops it; the program that it runs is the same.
        path = pulp.PULP_CBC_CMD.pulp_cbc_path
        return pulp.COIN_CMD(path=path, msg=False, gapRel=0.0, timeLimit=seconds, options=list(options))
    kinds = {kind.name: kind for kind in pulp.apis._all_solvers}
    ready = pulp.listSolvers(onlyAvailable=True)
    if name not in ready:
        raise SolverError(f"PuLP finds no solver {name!r} on this machine; it finds: {', '.join(ready)}")
    accepted = inspect.signature(kinds[name].__init__).parameters
    settings = {"msg": False, "gapRel": 0.0, "timeLimit": seconds}
    return pulp.getSolver(name, **{key: value for key, value in settings.items() if key in accepted})
