"""The allocation model: how many GPUs of each kind every class of projects gets. One function per family of rules."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from kalloc.allocate.classes import ProjectClass, classes_of
from kalloc.instance import ALL_KINDS, Instance
from kalloc.place.rooms import Rooms
from kalloc.solver import Ids, Model, Terms

MAX_MERIT = 2**50
"""Merit is counted in whole units of its smallest decimal, up to this many: solvers in floating point tell no more."""


@dataclass
class Allocation:
    """The model with the numbers of its variables. Offers are named by (class, position of the offer)."""

    instance: Instance
    rooms: Rooms
    classes: tuple[ProjectClass, ...]
    model: Model = field(default_factory=Model)
    served: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many projects of a class get anything of an offer."""
    extra: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many steps beyond the first amount they get, all together."""
    clash: dict[int, str] = field(default_factory=dict)
    """What a row says in words, by the number of the row, for rows that can make a plan impossible."""
    loose: dict[int, int] = field(default_factory=dict)
    """Upper bounds of variables that have a tighter one only for speed: a row of ``clash`` says the same."""
    unit: int = 1
    """Merit is counted in 1 / unit."""
    exact: bool = True
    """Whether merit in those units is exact, or rounded up."""

    def gpus(self, index: int, offer: int) -> Terms:
        """Return the GPUs that a class gets of an offer, all members together."""
        wish = self.classes[index].offers[offer]
        terms = [(self.served[index, offer], wish.first)]
        if wish.extra:
            terms.append((self.extra[index, offer], wish.step))
        return terms

    def usage(self, pools: frozenset[str], kind: str) -> Terms:
        """Return the GPUs of a kind (or of all) that the projects of some pools get."""
        return [
            term
            for index, members in enumerate(self.classes)
            if members.pool in pools
            for offer, wish in enumerate(members.offers)
            if kind in (wish.kind, ALL_KINDS)
            for term in self.gpus(index, offer)
        ]


def build(instance: Instance, rooms: Rooms) -> Allocation:
    """Return the whole model; its rows carry the rules of docs/reference/rules.md by name."""
    allocation = Allocation(instance, rooms, classes_of(instance, rooms))
    request(allocation)
    mix(allocation)
    mandatory(allocation)
    stays(allocation)
    quota(allocation)
    borrowing(allocation)
    lend(allocation)
    seats(allocation)
    return allocation


def request(allocation: Allocation) -> None:
    """Nothing, or an amount of the request; caps have cut the amounts already (rules `request` and `cap`)."""
    for index, members in enumerate(allocation.classes):
        for offer, wish in enumerate(members.offers):
            served = allocation.model.variable(0, members.size)
            allocation.served[index, offer] = served
            if wish.extra:
                extra = allocation.model.variable(0, members.size * wish.extra)
                allocation.extra[index, offer] = extra
                allocation.model.row([(extra, 1), (served, -wish.extra)], None, 0)


def mix(allocation: Allocation) -> None:
    """One kind per project, where the project takes only one."""
    for index, members in enumerate(allocation.classes):
        if members.one_kind and len(members.offers) > 1:
            terms = [(allocation.served[index, offer], 1) for offer in range(len(members.offers))]
            allocation.model.row(terms, None, members.size)


def mandatory(allocation: Allocation) -> None:
    """Every mandatory project gets something, unless a request of it is content with nothing."""
    for index, members in enumerate(allocation.classes):
        if members.mandatory and not _content(allocation.instance, members):
            terms = [(allocation.served[index, offer], 1) for offer in range(len(members.offers))]
            row = allocation.model.row(terms, members.size, None)
            why = "" if terms else _hopeless(allocation.instance, members)
            allocation.clash[row] = f"mandatory: {_names(members)} must be served{why}"


def _content(instance: Instance, members: ProjectClass) -> bool:
    return any(row.min == 0 for row in instance.requests_of[members.members[0]])


def _hopeless(instance: Instance, members: ProjectClass) -> str:
    if not instance.requests_of[members.members[0]]:
        return ", but asks for nothing"
    return f", but nodes that serve it have too little room{' in one domain' if members.level is not None else ''}"


def _names(members: ProjectClass) -> str:
    if members.size == 1:
        return f"project {members.members[0]!r}"
    return f"{members.size} projects alike {members.members[0]!r}"


def stays(allocation: Allocation) -> None:
    """What a project keeps is part of what it gets."""
    for index, members in enumerate(allocation.classes):
        offers = {wish.kind: allocation.served[index, offer] for offer, wish in enumerate(members.offers)}
        for kind in members.kept:
            served = offers.get(kind)
            nothing = allocation.model.variable(0, 0) if served is None else served
            row = allocation.model.row([(nothing, 1)], 1, None)
            why = ", and beside them is less room than it must have" if served is None else ""
            allocation.clash[row] = f"stays: project {members.members[0]!r} keeps GPUs of kind {kind!r}{why}"


def quota(allocation: Allocation) -> None:
    """A pool uses at most what it owns and what it may borrow."""
    tree = allocation.instance.pool_tree
    for (pool, kind), row in tree.quotas.items():
        most = row.gpus + row.borrow
        number = allocation.model.row(allocation.usage(tree.below[pool], kind), None, most)
        allocation.clash[number] = f"quota: pool {pool!r} may use {most} GPUs of kind {kind!r}"


def borrowing(allocation: Allocation) -> None:
    """Siblings borrow no more than siblings lend and leave unused."""
    tree, model = allocation.instance.pool_tree, allocation.model
    kinds = dict.fromkeys(kind for _, kind in tree.quotas)
    for parent, children in tree.siblings.items():
        for kind in kinds:
            rows = [tree.quotas[pool, kind] for pool in children if (pool, kind) in tree.quotas]
            if not any(row.borrow for row in rows):
                continue
            balance: Terms = []
            for row in rows:
                usage = allocation.usage(tree.below[row.pool], kind)
                borrowed = model.variable(0, row.borrow)
                lent = model.variable(0, row.lend)
                model.row([*usage, (borrowed, -1)], None, row.gpus)
                model.row([*usage, (borrowed, -1), (lent, 1)], None, row.gpus)
                balance += [(borrowed, 1), (lent, -1)]
            number = model.row(balance, None, 0)
            allocation.clash[number] = f"borrowing: pools of {parent!r} borrow only what they lend each other ({kind})"


def lend(allocation: Allocation) -> None:
    """What others keep on the nodes of a pool is no more than it lends; `seats` counts what they get besides."""
    instance, model = allocation.instance, allocation.model
    for (pool, kind), row in instance.pool_tree.quotas.items():
        below = instance.pool_tree.below[pool]
        kept = sum(
            gpus
            for project, nodes in instance.stays.items()
            if instance.project_of[project].pool not in below
            for group, gpus in ((instance.topology.row(node), gpus) for node, gpus in nodes.items())
            if group.owner in below and kind in (group.kind, ALL_KINDS)
        )
        if kept > row.lend:
            number = model.row([(model.variable(0, 0), 1)], 1, None)
            allocation.clash[number] = f"lend: pool {pool!r} lends {row.lend} of {kind!r}, but others keep {kept} there"


def seats(allocation: Allocation) -> None:
    """What is granted can be seated: rules `seated`, `eligible`, `room` and `lend`, summed over alike nodes."""
    rooms, model = allocation.rooms, allocation.model
    taken: dict[int, Terms] = defaultdict(list)
    lent: dict[tuple[str, str], Terms] = defaultdict(list)
    for (pool, kind), (terms, kept) in _granted(allocation).items():
        flow: Terms = []
        most = sum(factor * model.upper[variable] for variable, factor in terms)
        for zone in sorted(rooms.zones_for(pool, kind)):
            seat = model.variable(0, rooms.zone_room[zone])
            allocation.loose[seat] = most
            flow.append((seat, 1))
            taken[zone].append((seat, 1))
            for lender in rooms.zones[zone].lenders:
                if pool in rooms.outsiders[lender]:
                    lent[lender].append((seat, 1))
        model.row(terms + [(seat, -1) for seat, _ in flow], kept, kept)
    for zone, terms in taken.items():
        row = model.row(terms, None, rooms.zone_room[zone])
        where = f"nodes that serve {', '.join(sorted(rooms.zones[zone].pools)[:3])}"
        allocation.clash[row] = f"room: {rooms.zone_room[zone]} free GPUs of kind {rooms.zones[zone].kind!r} on {where}"
    for lender, terms in lent.items():
        row = model.row(terms, None, rooms.lend[lender])
        allocation.clash[row] = f"lend: pool {lender[0]!r} lends {rooms.lend[lender]} GPUs of kind {lender[1]!r}"


def _granted(allocation: Allocation) -> dict[tuple[str, str], tuple[Terms, int]]:
    """GPUs that pools get of kinds, and how many of them stay where they are."""
    granted: dict[tuple[str, str], tuple[Terms, int]] = {}
    for index, members in enumerate(allocation.classes):
        for offer, wish in enumerate(members.offers):
            terms, kept = granted.get((members.pool, wish.kind), ([], 0))
            granted[members.pool, wish.kind] = (terms + allocation.gpus(index, offer), kept + wish.kept)
    return granted


def merit(allocation: Allocation) -> Terms:
    """Return the tier `merit` in whole units, and set what a unit is."""
    worths = [offer.worth for members in allocation.classes for offer in members.offers]
    unit = math.lcm(*(worth.denominator for worth in worths)) if worths else 1
    total = sum(
        offer.worth * members.size * offer.amounts[-1] for members in allocation.classes for offer in members.offers
    )
    allocation.exact = total * unit <= MAX_MERIT
    allocation.unit = unit if allocation.exact else max(1, MAX_MERIT // max(1, math.ceil(total)))
    return [
        (variable, factor * math.ceil(allocation.classes[index].offers[offer].worth * allocation.unit))
        for index, offer in allocation.served
        for variable, factor in allocation.gpus(index, offer)
    ]


def decode(allocation: Allocation, values: Ids) -> dict[tuple[str, str], int]:
    """Return GPUs by project and kind: within a class the earlier rows of projects.csv come first."""
    granted: dict[tuple[str, str], int] = {}
    for index, members in enumerate(allocation.classes):
        start = 0
        for offer, wish in enumerate(members.offers):
            served = int(values[allocation.served[index, offer]])
            left = int(values[allocation.extra[index, offer]]) if wish.extra else 0
            for turn in range(start, start + served):
                member = members.members[turn % members.size]
                steps = min(left, wish.extra)
                left -= steps
                granted[member, wish.kind] = wish.first + steps * wish.step
            start += served if members.one_kind or members.mandatory else 0
    return granted


def count(allocation: Allocation, granted: Mapping[tuple[str, str], int]) -> int:
    """Return the merit of an allocation in the model's units, each GPU rounded as the model rounds it."""
    total = 0
    for members in allocation.classes:
        for offer in members.offers:
            worth = math.ceil(offer.worth * allocation.unit)
            total += worth * sum(granted.get((member, offer.kind), 0) for member in members.members)
    return total
