"""The tiers that need no seats: each asks for its best value and holds whatever comes later to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import pulp

from kalloc.instance import Instance, Tier
from kalloc.instance.policy import decimal, nepers, steps_around
from models.allocation.rules import Amounts
from models.asked import Key, grouped, guaranteed, requests, worth
from models.exact import at_most, whole
from models.program import Expression
from models.search import Search
from models.shares import Party, parties


def total(amounts: Amounts, keys: Sequence[Key]) -> Expression:
    """Return the GPUs of some requests together."""
    return pulp.lpSum(amounts.gpus[key] for key in keys)


def merit_of(instance: Instance, amounts: Amounts) -> Expression:
    """Return Σ merit · value · x(p,k), in whole units."""
    numbers = worth(instance)
    return whole((numbers[key], gpus) for key, gpus in amounts.gpus.items())[0]


def merit(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Raise Σ merit · value · x(p,k)."""
    search.most("merit", of=merit_of(instance, amounts))


def ranked(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Serve one project after another, by falling merit: each gets the most that those before it leave possible."""
    for row in sorted(instance.projects, key=lambda row: -row.merit):
        asked = instance.requests_of[row.project]
        values = ((decimal(instance.value(ask)), amounts.gpus[ask.project, ask.kind]) for ask in asked)
        search.most("ranked", row.project, of=whole(values)[0])


def fairness(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Raise the smallest share, then the next; or the sum of logarithms."""
    rule = maxmin if tier.rule == "maxmin" else proportional
    rule(search, amounts, parties(instance, tier))


def maxmin(search: Search, amounts: Amounts, having: Sequence[Party]) -> None:
    """For every share that there can be, from the smallest: as many as possible have at least it.

    A share is passed over where the answer at hand has as many as were possible at the share before it: there cannot
    be more. Held is then the last of those passed over, which implies the others.
    """
    gpus = {party: total(amounts, party.keys) for party in having}
    best, held = len(having), None
    for share in sorted({party.share(one) for party in having for one in party.amounts if one > 0}):
        if sum(search.answer(gpus[party]) >= party.gpus(share) for party in having) < best:
            if held is not None:
                search.hold("fairness", held, row=_having(search, gpus, held) >= best)
            hits = _having(search, gpus, share)
            best = search.largest("fairness", hits)
            search.program.drop(hits)
        held = share
    if held is not None:
        search.hold("fairness", held, row=_having(search, gpus, held) >= best)


def _having(search: Search, gpus: Mapping[Party, Expression], share: Fraction) -> Expression:
    """Return the number of those that have at least a share: of each, 1 only where its GPUs are enough."""
    hits = []
    for party, got in gpus.items():
        least = party.gpus(share)
        hit = search.program.integer("h", party.name, share, upper=int(least <= max(party.amounts)))
        search.program.rule("fairness", party.name, share, row=got >= least * hit)
        hits.append(hit)
    return pulp.lpSum(hits)


def proportional(search: Search, amounts: Amounts, having: Sequence[Party]) -> None:
    """Raise Σ weight · ln(1 + GPUs), the logarithm straight between its steps: earlier steps are worth more a GPU."""
    terms = []
    for party in having:
        filled, low = [], 0
        while low < max(party.amounts):
            low, high = steps_around(low)
            part = search.program.integer("part", party.name, low, upper=high - low)
            terms.append((party.weight * (nepers(high) - nepers(low)) / (high - low), part))
            filled.append(part)
            low = high
        search.program.rule("fairness", party.name, row=pulp.lpSum(filled) == total(amounts, party.keys))
    search.most("fairness", of=whole(terms)[0])


def served(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Raise the number of projects that get anything."""
    found = []
    for row in instance.projects:
        keys = requests(instance, [row.project])
        some = search.program.integer("u", row.project, upper=1)
        search.program.rule("served", row.project, row=some <= total(amounts, keys))
        found.append(some)
    search.most("served", of=pulp.lpSum(found))


def utilisation(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Raise the GPUs that are granted, or their performance."""
    terms = (
        (decimal(instance.performance[kind]) if tier.unit == "performance" else 1, gpus)
        for (_, kind), gpus in amounts.gpus.items()
    )
    search.most("utilisation", of=whole(terms)[0])


def guarantees(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Lower the GPUs by which projects and pools stay under what they are guaranteed."""
    missing = []
    for row in instance.guarantees:
        short = search.program.integer("short", row.guarantee, upper=row.gpus)
        got = total(amounts, guaranteed(instance, row))
        search.program.rule("guarantees", row.guarantee, row=short + got >= row.gpus)
        missing.append(short)
    search.least("guarantees", of=pulp.lpSum(missing))


def balance(search: Search, instance: Instance, amounts: Amounts, tier: Tier) -> None:
    """Lower the GPUs by which groups are further off their share of all GPUs than they may be.

    ``off`` counts parts of a GPU: as many to a GPU as make every share and tolerance an integer.
    """
    sharing = ((row.group, row.share, row.tolerance) for row in instance.groups if row.share is not None)
    rows = {group: (decimal(share) / 100, decimal(tolerance) / 100) for group, share, tolerance in sharing}
    parts = math.lcm(*(number.denominator for pair in rows.values() for number in pair))
    everything = total(amounts, tuple(amounts.gpus))
    most = parts * sum(int(gpus.upBound) for gpus in amounts.gpus.values())
    offs = []
    for group, (share, tolerance) in rows.items():
        got, off = total(amounts, grouped(instance, group)), search.program.integer("off", group, upper=most)
        over = [(Fraction(1), got), (-share - tolerance, everything), (Fraction(-1, parts), off)]
        under = [(Fraction(-1), got), (share - tolerance, everything), (Fraction(-1, parts), off)]
        at_most(search.program, "balance", group, "over", terms=over, bound=0)
        at_most(search.program, "balance", group, "under", terms=under, bound=0)
        offs.append(off)
    search.least("balance", of=pulp.lpSum(offs))


TIERS: Mapping[str, Callable[[Search, Instance, Amounts, Tier], None]] = {
    tier.__name__: tier for tier in (merit, ranked, fairness, served, utilisation, guarantees, balance)
}
