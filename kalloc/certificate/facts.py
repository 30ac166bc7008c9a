"""What prices of parts prove of an allocation: the least spans of a level, or of all levels by weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from kalloc.certificate.case import Bundle, Case, Member, refuse_unless
from kalloc.certificate.market import Market

Granted = Mapping[str, Bundle]
"""What every served project gets."""
Members = Mapping[Member, int]
"""How many projects get what, those alike as one."""
Entry = Mapping[str, Any]


def beyond(case: Case, members: Members, facts: Sequence[Entry], weights: Sequence[int], score: bool = True) -> int:
    """Return the least Σ weight · (spans − need) of an allocation that facts prove, each about other levels or nodes.

    Levels that no fact counts of a project count with what it spans at least if it is alone, in the ``score`` with
    what it prefers on top of the weights.
    """
    markets = [Market(case, fact["levels"], fact, costs_of(case, fact)) for fact in facts]
    apart(markets)
    total, told = 0, dict[Member, list[Market]]()
    for project, bundle in members:
        some = [market for market, fact in zip(markets, facts, strict=True) if project not in fact.get("without", ())]
        told[project, bundle], left = counted(case, project, dict(bundle), some)
        total += members[project, bundle] * case.unseen(project, bundle, left, tuple(weights), score)
    for market, fact in zip(markets, facts, strict=True):
        seen = {member: count for member, count in members.items() if market in told[member]}
        total += proven(market, seen, fact) * (weights[market.run[0]] if len(market.run) == 1 else 1)
    return total


def counted(
    case: Case, project: str, bundle: Bundle, markets: Sequence[Market]
) -> tuple[list[Market], tuple[frozenset[str], ...]]:
    """Return which markets count a project, none what another does, and the kinds that are left, per level."""
    found, left = list[Market](), [frozenset(bundle)] * len(case.levels)
    for market in markets:
        part = market.part(project, bundle).keys() if market.touches(project, bundle) else ()
        if part and all(part <= left[level] for level in market.run):
            found.append(market)
            for level in market.run:
                left[level] = left[level].difference(part)
    return found, tuple(left)


def costs_of(case: Case, fact: Entry) -> list[int]:
    """Return what a domain costs of each level of a fact: its weight, or 1 in a fact about a single level."""
    levels = fact["levels"]
    return [1] if len(levels) == 1 else [case.weights[case.levels.index(level)] for level in levels]


def proven(market: Market, seen: Members, fact: Entry) -> int:
    """Return the least Σ cost · spans of those whom a market sees: the best of three counts.

    What its prices prove, what projects span at least, and who must share with whom.
    """
    some = [(project, dict(bundle), count) for (project, bundle), count in seen.items()]
    spanned = (count * market.case.spanned(p, market.part(p, b), market.run, market.costs) for p, b, count in some)
    paid = sum(count * market.pays(project, bundle) for project, bundle, count in some) - market.gains()
    merged = shared(market, seen, fact["sharing"]) if "sharing" in fact else 0
    return max(sum(spanned), -(-paid // market.denominator), merged)


def shared(market: Market, seen: Members, entry: Entry) -> int:
    """Return the least spans of one level where sizes are multiples of a modulus, and rooms are not.

    Projects and domains that are linked by spans form groups; a group of *k* domains has *k* − 1 spans more than
    projects at least, and wastes its rooms' sum modulo the modulus, unless it holds a project of another size. In order
    of a walk from 0 through what rooms add up to, back to 0, potentials say how many groups there can be: a domain of
    residue *r* adds to them what it gains at best on its step from some *i* to *i* + *r*. What others get counts as
    wasted.
    """
    case, modulus, potential = market.case, entry["modulus"], entry["potentials"]
    whole = all(type(x) is int for x in (modulus, entry["denominator"], *potential))
    refuse_unless(whole and modulus == len(potential) > 0 < entry["denominator"], "a whole potential per residue")
    refuse_unless(len(market.run) == 1, "who must share is told of one level")
    rooms = [room for room in case.rooms(market.run[0], market.kind, market.owners).values() if room]
    sizes = Counter[int]()
    for (_, bundle), count in seen.items():
        sizes[dict(bundle)[market.kind]] += count
    others = sum(count for size, count in sizes.items() if size % modulus)
    back = [(potential[0] - potential[at], at) for at in range(1, modulus)]
    slack = sum(rooms) - sum(size * count for size, count in sizes.items())
    groups = Fraction(slack) * max([Fraction(0), *(Fraction(up, at) for up, at in back)])
    groups += others * max([0, *(up for up, _ in back)])
    for residue, count in Counter(room % modulus for room in rooms).items():
        steps = (potential[(at + residue) % modulus] - potential[at] for at in range(1, modulus))
        groups += count * max([entry["denominator"] + potential[residue] - potential[0], *steps])
    return sizes.total() + len(rooms) - int(groups // entry["denominator"])


def apart(markets: Sequence[Market]) -> None:
    """Refuse markets that count the cost of a level twice for the same nodes."""
    costly = [market for market in markets if any(market.costs)]
    for at, one in enumerate(costly):
        for other in costly[:at]:
            nodes = one.kind == other.kind and one.owners & other.owners
            refuse_unless(not (nodes and set(one.run) & set(other.run)), "two markets count a level of the same nodes")
