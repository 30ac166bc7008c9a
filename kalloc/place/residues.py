"""Domains whose room is no multiple of what all items are multiples of: they must share items, or waste the rest.

Where all sizes are multiples of *g*, domains that share items with each other and with nobody else can use no more than
their rooms together, rounded down to a multiple of *g*. So what little may be wasted says how many domains must share:
groups of domains whose residues modulo *g* add up to a multiple of it waste nothing, and the more groups there are, the
fewer items are cut.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from math import gcd

from kalloc.solver import Limits, Model, Terms, solve_scip

MOST_SHARING = 4
"""Domains of the largest group that is sought."""
FEW_ITEMS, FEW_SHARE = 2, 0.005
"""Items that may be no multiples of what all others are multiples of: so many, or such a share."""
MAX_MODULUS = 64
"""Largest common divisor of all sizes that is looked at."""


def common_divisor(sizes: Mapping[int, int]) -> tuple[int, int]:
    """Return what the sizes of all but a few items are multiples of, and how many items are no multiple of it."""
    few = max(FEW_ITEMS, int(sum(sizes.values()) * FEW_SHARE))
    best = gcd(*sizes), 0
    for divisor in sorted({gcd(size, other) for size in sizes for other in sizes}, reverse=True):
        others = sum(count for size, count in sizes.items() if size % divisor)
        if others <= few and best[0] < divisor <= MAX_MODULUS:
            best = divisor, others
    return best


def groups_of(residues: Sequence[int], regions: Sequence[int], modulus: int, slack: int) -> list[int]:
    """Return a number of the group of every domain: small groups that waste nothing, inside regions where possible.

    ``slack`` is what may be wasted: domains with the smallest residues stay alone for it.
    """
    group = list(range(len(residues)))
    alone: set[int] = set()
    for domain in sorted(range(len(residues)), key=lambda domain: residues[domain]):
        if residues[domain] <= slack:
            slack -= residues[domain]
            alone.add(domain)
    pools: dict[int, list[int]] = defaultdict(list)
    for domain, region in enumerate(regions):
        if domain not in alone:
            pools[region].append(domain)
    found, rests = [], list[list[int]]()
    for pool in pools.values():
        closed, rest = _gather([(residues[domain], [domain]) for domain in pool], modulus)
        found += closed
        rests.append(rest)
    closed, rest = _gather([(sum(residues[domain] for domain in rest) % modulus, rest) for rest in rests], modulus)
    for members in [*found, *closed, rest]:
        for domain in members:
            group[domain] = members[0]
    return group


def _gather(pool: list[tuple[int, list[int]]], modulus: int) -> tuple[list[list[int]], list[int]]:
    """Return sets of domains, given with residues, in groups that add up to a multiple, and who is in none of them."""
    by_residue: dict[int, list[list[int]]] = defaultdict(list)
    for residue, domains in pool:
        by_residue[residue].append(domains)
    found = []
    for count in range(1, MOST_SHARING + 1):
        for members in combinations_with_replacement(sorted(by_residue), count):
            if sum(members) % modulus:
                continue
            needed = Counter(members)
            while all(len(by_residue[residue]) >= times for residue, times in needed.items()):
                found.append([domain for residue in members for domain in by_residue[residue].pop()])
    return found, [domain for sets in by_residue.values() for domains in sets for domain in domains]


def fewest_merges(residues: Counter[int], modulus: int, others: int, slack: int, limits: Limits) -> int:
    """Return a proven lower bound of domains less groups of domains that share items, when so much may be wasted.

    A group is a walk over what its members add up to modulo ``modulus``: it begins and ends at 0, and may go there from
    anywhere at the price of wasting as much, or of holding one of ``others``, the items that are no multiples. The most
    groups are the most walks.
    """
    total = residues.total()
    if slack < 0 or modulus > MAX_MODULUS or sum(residue * count for residue, count in residues.items()) <= slack:
        return 0
    model = Model()
    balance: dict[int, Terms] = defaultdict(list)
    waste: Terms = []
    odd: Terms = []
    for residue, count in sorted(residues.items()):
        steps = [model.variable(0, count, -1 if at == 0 else 0) for at in range(modulus)]
        model.row([(step, 1) for step in steps], count, count)
        for at, step in enumerate(steps):
            balance[at].append((step, -1))
            balance[(at + residue) % modulus].append((step, 1))
    for at in range(1, modulus):
        close, hold = model.variable(0, min(total, slack // at)), model.variable(0, min(total, others))
        waste.append((close, at))
        odd.append((hold, 1))
        balance[at] += [(close, -1), (hold, -1)]
        balance[0] += [(close, 1), (hold, 1)]
    for terms in balance.values():
        model.row(terms, 0, 0)
    model.row(waste, None, slack)
    model.row(odd, None, others)
    answer = solve_scip(model, limits)
    return max(0, total + answer.bound) if answer.bound is not None else 0
