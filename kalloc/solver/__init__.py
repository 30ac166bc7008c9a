"""The only door to OR-Tools: integer linear models in, checked integer answers and proven bounds out.

Every answer is rounded and checked against the model in exact integers before it leaves this package. CP-SAT and SCIP
do the integer work; the bound of a linear relaxation is proven from its duals in exact integers, whatever the solver.
"""

from kalloc.solver.calls import abandonable
from kalloc.solver.integer import solve_cp_sat, solve_relaxed, solve_scip
from kalloc.solver.linear import DUAL_SCALE, ColumnProgram, dual_bound, relaxed_bound
from kalloc.solver.model import Answer, Ids, Limits, Model, Status, Stop, Terms, whole_row

__all__ = [
    "DUAL_SCALE",
    "Answer",
    "ColumnProgram",
    "Ids",
    "Limits",
    "Model",
    "Status",
    "Stop",
    "Terms",
    "abandonable",
    "dual_bound",
    "relaxed_bound",
    "solve_cp_sat",
    "solve_relaxed",
    "solve_scip",
    "whole_row",
]
