"""The whole allocation model, rule by rule."""

from __future__ import annotations

from kalloc.allocate.classes import classes_of
from kalloc.allocate.domains import domains
from kalloc.allocate.fillings import fillings
from kalloc.allocate.forms import forms
from kalloc.allocate.model import Allocation
from kalloc.allocate.policy import budget, call, limit
from kalloc.allocate.rules import borrowing, lend, mandatory, mix, quota, request, seats, stays
from kalloc.instance import Instance
from kalloc.place.rooms import Rooms


def build(instance: Instance, rooms: Rooms, alone: bool = False) -> Allocation:
    """Return the whole model; its rows carry the rules of docs/reference/rules.md by name.

    With ``alone`` every project is counted for itself.
    """
    allocation = Allocation(instance, rooms, classes_of(instance, rooms, alone))
    request(allocation)
    mix(allocation)
    mandatory(allocation)
    stays(allocation)
    quota(allocation)
    borrowing(allocation)
    call(allocation)
    limit(allocation)
    budget(allocation)
    forms(allocation)
    lend(allocation)
    seats(allocation)
    domains(allocation)
    if not alone:
        fillings(allocation)
    return allocation
