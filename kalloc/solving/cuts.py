"""What cannot be seated together, proven, and cut off: the allocation is then decided again without it.

An allocation counts seats; where it cannot be seated, one exact model of few projects tells who excludes whom: so many
of a class with so many GPUs or more, beside so many of others. At least one of these must be fewer in every plan
(Benders, 1962; as combinatorial cuts Codato and Fischetti, 2006), so that bounds still hold for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from kalloc.allocate.decode import Granted
from kalloc.allocate.domains import Guest, guests_of
from kalloc.allocate.fillings import at_least
from kalloc.allocate.lexicographic import NoAnswerError
from kalloc.instance import Instance, Objective, Tier
from kalloc.joint import Demand, TooManyBundlesError, leave_out, solve_joint
from kalloc.place.flow import TooLargeError
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits, Status, Terms
from kalloc.solving.allocating import DECIDED_AGAIN, settle_all
from kalloc.solving.run import Allocated, Run

SEATED_VARIABLES = 8_000
"""Up to so many variables, who excludes whom is decided in one exact model."""
CUT_SHARE = 0.1
"""Share of the time left that finding one cut may use, and deciding the allocation again."""


class Claim(NamedTuple):
    """So many GPUs or more of an offer, for so many projects of its class."""

    guest: Guest
    gpus: int
    projects: int


def decided_without(run: Run, allocated: Allocated) -> Allocated | None:
    """Return the allocation, decided again without what it grants together but nobody can seat; None where unknown."""
    if allocated.size > DECIDED_AGAIN:
        return None
    claims = list(_clashing(run, allocated))
    if not claims:
        return None
    allocation = allocated.allocation
    allocation.truncate(allocated.rows, allocated.size)
    _cut_off(allocated, claims)
    rows, size = len(allocation.model.row_lower), allocation.model.size
    try:
        granted, settled = settle_all(run, allocation, run.share(CUT_SHARE))
    except NoAnswerError:
        return None
    return replace(allocated, granted=granted, settled=settled, rows=rows, size=size)


def _clashing(run: Run, allocated: Allocated) -> Iterator[Claim]:
    """Yield what cannot be had together, nothing of which can be missed; nothing where that is not proven."""
    limits, granted = run.share(CUT_SHARE), allocated.granted
    guest_of = {
        (name, guest.offer.kind): guest
        for guest in guests_of(allocated.allocation)
        if guest.members.one_kind and guest.told
        for name in guest.members.members
        if (name, guest.offer.kind) in granted
    }

    def impossible(asked: Collection[Demand]) -> bool:
        return not limits.over and _unseatable(run.instance, {who: granted[who] for who in asked}, limits)

    formed = [who for who, guest in guest_of.items() if guest.levels or guest.form.whole]
    for everyone in (formed, list(guest_of)):
        if everyone and impossible(everyone):
            kept = set(everyone)
            leave_out(kept, everyone, impossible)
            yield from _counted({who: guest_of[who] for who in kept}, granted)
            return


def _counted(kept: Mapping[Demand, Guest], granted: Granted) -> Iterator[Claim]:
    """Yield how many of each class have how much or more."""
    amounts = defaultdict[Guest, list[int]](list)
    for who, guest in kept.items():
        amounts[guest].append(granted[who])
    for guest, found in amounts.items():
        yield from (Claim(guest, gpus, sum(more >= gpus for more in found)) for gpus in sorted(set(found)))


def _cut_off(allocated: Allocated, claims: Sequence[Claim]) -> None:
    """Add that one claim is not met in any plan."""
    allocation = allocated.allocation
    met: Terms = []
    for guest, gpus, projects in claims:
        [many] = (terms for size, terms in at_least(allocation, guest) if size == gpus)
        met.append((allocation.model.variable(0, 1), 1))
        allocation.model.row([*many, (met[-1][0], projects - 1 - guest.members.size)], None, projects - 1)
    allocation.model.row(met, None, len(claims) - 1)


def _unseatable(instance: Instance, asked: Granted, limits: Limits) -> bool:
    """Tell whether it is proven that projects cannot have so much or more, with nobody else there."""
    names, known = {name for name, _ in asked}, {row.project for row in instance.projects}
    fewer = instance.replace(
        objective=Objective(tiers=(Tier(name="served"),)),
        projects=tuple(row.model_copy(update={"mandatory": True}) for row in instance.projects if row.project in names),
        requests=tuple(
            row.model_copy(update={"min": asked[row.project, row.kind]})
            for row in instance.requests
            if (row.project, row.kind) in asked
        ),
        placed=tuple(
            row for row in instance.placed if row.project in names or row.project not in known or not row.movable
        ),
        shapes=tuple(row for row in instance.shapes if row.project in names),
        limits=(),
        rates=(),
        budgets=(),
        guarantees=(),
    )
    try:
        status, _ = solve_joint(fewer, Rooms.of(fewer), {}, SEATED_VARIABLES, limits)
    except (TooLargeError, TooManyBundlesError):
        return False
    return status is Status.INFEASIBLE
