"""Best fit, first fit and chance: what a plan is compared with. They know nothing of how kalloc places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from kalloc.bestfit import BEST, Counts, Hall, Rule, falling
from kalloc.instance import Instance
from kalloc.plan import Grant, Plan, Seat


def best_fit(instance: Instance, plan: Plan) -> Plan:
    """Return an allocation seated anew by falling size: where least room is left, else the most room is filled first.

    Raises:
        OutOfScopeError: where a project mixes kinds, must sit in one domain or keeps seats, or where pools lend.
    """
    return seated(instance, plan, BEST)


def first_fit(instance: Instance, plan: Plan) -> Plan:
    """Return an allocation seated anew by falling size: in the first domain with room, in the order of the topology.

    Raises:
        OutOfScopeError: as :func:`best_fit`.
    """
    return seated(instance, plan, FIRST)


def at_random(instance: Instance, plan: Plan, seed: int) -> Plan:
    """Return an allocation seated anew in random order: each project in a random one of the domains with room.

    Raises:
        OutOfScopeError: as :func:`best_fit`.
    """
    rng = Random(f"at random {seed}")

    def shuffled(grants: Sequence[Grant]) -> Sequence[Grant]:
        return rng.sample(grants, len(grants))

    def drawn(free: Counts, positions: Counts) -> int:
        return int(positions[rng.randrange(len(positions))])

    return seated(instance, plan, Rule(shuffled, drawn, drawn))


def seated(instance: Instance, plan: Plan, rule: Rule) -> Plan:
    """Return the allocation of a plan, seated anew by a rule."""
    hall = Hall(instance, rule)
    seats: list[Seat] = []
    for grant in rule.order(granted(instance, plan)):
        for node, gpus in hall.seats(hall.wish(grant.pool, grant.kind), grant.gpus):
            seats.append(seat(instance, grant, node, gpus))
    return replace(plan, seats=tuple(sorted(seats)))


def granted(instance: Instance, plan: Plan) -> list[Grant]:
    """Return what is granted, once it is sure that seating it project by project breaks no rule."""
    grants = [grant for grant in plan.grants if grant.gpus > 0]
    alone = len({grant.project for grant in grants}) == len(grants)
    lending = any(row.borrow for row in instance.quotas)
    if not alone or lending or instance.stays or any(row.level for row in instance.projects):
        raise OutOfScopeError("the references seat projects of one kind that neither stay, borrow nor name a level")
    return grants


def seat(instance: Instance, grant: Grant, node: int, gpus: int) -> Seat:
    """Return the row of some GPUs of a grant on a node."""
    return Seat(grant.project, grant.kind, instance.topology.row(node).path, instance.topology.names[node], gpus)


class OutOfScopeError(ValueError):
    """A rule of the instance is not one that the references know."""


def _first(free: Counts, positions: Counts) -> int:
    return int(positions[0])


FIRST = Rule(falling, _first, _first)
"""The first domain with room, in the order of the topology."""
