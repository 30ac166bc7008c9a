"""The whole flow: instance in, verified plan with its proofs out."""

from kalloc.solving.allocating import allocate
from kalloc.solving.concluding import bound_levels
from kalloc.solving.flow import solve
from kalloc.solving.placing import place, seat
from kalloc.solving.run import Allocated, Decision, Run

__all__ = ["Allocated", "Decision", "Run", "allocate", "bound_levels", "place", "seat", "solve"]
