"""The rules of an instance without policy as rows of the allocation model: one function per family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from kalloc.allocate.classes import ProjectClass
from kalloc.allocate.model import Allocation, Measure
from kalloc.instance import ALL_KINDS, Instance
from kalloc.place.forms import form_of, left_idle, untouched
from kalloc.solver import Terms, whole_row


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
    """Every mandatory project gets something, unless a request of it is content with nothing or `call` refuses it.

    Whoever keeps GPUs gets something by the rule `stays`.
    """
    refused = allocation.instance.policy.refused
    for index, members in enumerate(allocation.classes):
        if members.kept or members.members[0] in refused:
            continue
        if members.mandatory and not content(allocation.instance, members):
            terms = [(allocation.served[index, offer], 1) for offer in range(len(members.offers))]
            row = allocation.model.row(terms, members.size, None)
            why = "" if terms else _hopeless(allocation.instance, members)
            allocation.clash[row] = f"mandatory: {names(members)} must be served{why}"


def must_be_served(instance: Instance, members: ProjectClass) -> bool:
    """Tell whether projects keep seats, or must be served and cannot be so with nothing."""
    return bool(members.kept) or (members.mandatory and not content(instance, members))


def content(instance: Instance, members: ProjectClass) -> bool:
    """Tell whether projects that must be served can be so with nothing."""
    return any(row.min == 0 for row in instance.requests_of[members.members[0]])


def _hopeless(instance: Instance, members: ProjectClass) -> str:
    if not instance.requests_of[members.members[0]]:
        return ", but asks for nothing"
    return f", but nodes that serve it have too little room{' in one domain' if members.level is not None else ''}"


def names(members: ProjectClass) -> str:
    """Return how sentences call projects."""
    if members.size == 1:
        return f"project {members.members[0]!r}"
    return f"{members.size} projects alike {members.members[0]!r}"


def stays(allocation: Allocation) -> None:
    """What a project keeps is part of what it gets; `call` says so where it may get nothing."""
    for index, members in enumerate(allocation.classes):
        if members.members[0] in allocation.instance.policy.refused:
            continue
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
                allocation.loose[borrowed] = row.borrow + sum(factor * model.upper[one] for one, factor in usage)
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
    for (pool, kind), terms in _granted(allocation).items():
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
        model.row(terms + [(seat, -1) for seat, _ in flow], 0, 0)
    power(allocation, taken)
    _idle(allocation, taken)
    for zone, terms in taken.items():
        row = model.row(terms, None, rooms.zone_room[zone])
        where = f"nodes that serve {', '.join(sorted(rooms.zones[zone].pools)[:3])}"
        allocation.clash[row] = f"room: {rooms.zone_room[zone]} free GPUs of kind {rooms.zones[zone].kind!r} on {where}"
    for lender, terms in lent.items():
        row = model.row(terms, None, rooms.lend[lender])
        allocation.clash[row] = f"lend: pool {lender[0]!r} lends {rooms.lend[lender]} GPUs of kind {lender[1]!r}"


def _idle(allocation: Allocation, taken: Mapping[int, Terms]) -> None:
    """Take the room that stays idle beside projects which have their domains to themselves (rule `exclusive`)."""
    rooms, model = allocation.rooms, allocation.model
    for index, members in enumerate(allocation.classes):
        form = form_of(allocation.instance, members.members[0])
        if form is None or not form.exclusive or members.kept:
            continue
        for offer, wish in enumerate(members.offers):
            zones = sorted(rooms.zones_for(members.pool, wish.kind))
            open_to = untouched(rooms.topology, form, rooms.occupied)
            room = np.where(open_to, rooms.relaxed.open(frozenset(zones)), 0)
            idle = min(left_idle(rooms.topology, room, form, gpus) for gpus in wish.amounts)
            if idle:
                beside = [(model.variable(0, idle * members.size), zone) for zone in zones]
                model.row([(allocation.served[index, offer], idle), *((one, -1) for one, _ in beside)], 0, 0)
                for one, zone in beside:
                    if zone in taken:
                        taken[zone].append((one, 1))


def power(allocation: Allocation, taken: Mapping[int, Terms]) -> None:
    """The GPUs in use under a meter draw no more than it allows; finer limits are less room of the zones."""
    rooms = allocation.rooms
    for meter, zones in zip(rooms.meters, rooms.metered, strict=True):
        drawn = [(variable, rooms.zones[zone].watts) for zone in zones for variable, _ in taken[zone]]
        row = whole_row(allocation.model, drawn, None, meter.left)
        allocation.measures[row] = Measure(drawn, None, meter.left)
        allocation.clash[row] = meter.sentence
    for sentence in rooms.overdrawn:
        row = allocation.model.row([(allocation.model.variable(0, 0), 1)], 1, None)
        allocation.clash[row] = sentence


def _granted(allocation: Allocation) -> dict[tuple[str, str], Terms]:
    """GPUs that pools get of kinds, but for those that stay where they are."""
    granted: dict[tuple[str, str], Terms] = defaultdict(list)
    for index, members in enumerate(allocation.classes):
        for offer, wish in enumerate(members.offers):
            kept = (allocation.served[index, offer], -wish.kept)
            granted[members.pool, wish.kind] += [*allocation.gpus(index, offer), kept]
    return granted
