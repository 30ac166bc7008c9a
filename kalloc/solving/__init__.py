"""The whole flow: instance in, verified plan with its proofs out."""

from kalloc.solving.allocating import allocate
from kalloc.solving.flow import solve
from kalloc.solving.placing import place, seat
from kalloc.solving.run import Allocated, Run

__all__ = ["Allocated", "Run", "allocate", "place", "seat", "solve"]
