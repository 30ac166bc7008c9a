"""What prices of parts prove of an allocation: the least spans of a level, or of all levels by weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    left = {member: [frozenset(kind for kind, _ in member[1])] * len(weights) for member in members}
    markets = [Market(case, fact["levels"], fact, costs_of(case, fact)) for fact in facts]
    apart(markets)
    total = 0
    for market, fact in zip(markets, facts, strict=True):
        seen = {member: n for member, n in left_for(market, members, fact) if all(
            market.part(*member).keys() <= left[member][level] for level in market.run
        )}
        total += proven(market, seen, fact) * (weights[market.run[0]] if len(market.run) == 1 else 1)
        for member in seen:
            part = market.part(*member)
            for level in market.run:
                left[member][level] = left[member][level].difference(part)
    return total + sum(count * _alone(case, member, left[member], weights, score) for member, count in members.items())


def costs_of(case: Case, fact: Entry) -> list[int]:
    """Return what a domain costs of each level of a fact: its weight, or 1 in a fact about a single level."""
    levels = fact["levels"]
    return [1] if len(levels) == 1 else [case.weights[case.levels.index(level)] for level in levels]


def left_for(market: Market, members: Members, fact: Entry) -> Iterator[tuple[Member, int]]:
    """Yield those whom a market sees, and how many they are."""
    for (project, bundle), count in members.items():
        if project not in fact.get("without", ()) and market.touches(project, dict(bundle)):
            yield (project, bundle), count


def _alone(case: Case, member: Member, left: Sequence[frozenset[str]], weights: Sequence[int], score: bool) -> int:
    """Return what a project pays beyond its need for what no fact counts, less the need of what facts count."""
    project, bundle = member
    least = case.spans(project, bundle)
    refuse_unless(least is not None, f"project {project!r} could not sit even alone")
    more = case.preferred(project) if score else [0] * len(weights)
    kinds = frozenset(kind for kind, _ in bundle)
    costs = [weight + extra * (of == kinds) for weight, extra, of in zip(weights, more, left, strict=True)]
    total = -sum(cost * need for cost, (need, _) in zip(costs, least or (), strict=True))
    for some in set(left) - {frozenset()}:
        levels = [level for level, of in enumerate(left) if of == some]
        rest = {kind: gpus for kind, gpus in bundle if kind in some}
        total += case.spanned(project, rest, levels, [costs[level] for level in levels])
    return total


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
    residue *r* adds to them what it gains at best on its step from some *i* to *i* + *r*. What projects that keep GPUs
    get besides counts as wasted.
    """
    case, modulus, potential = market.case, entry["modulus"], entry["potentials"]
    whole = all(type(x) is int for x in (modulus, entry["denominator"], *potential))
    refuse_unless(whole and modulus == len(potential) > 0 < entry["denominator"], "a whole potential per residue")
    refuse_unless(len(market.run) == 1, "who must share is told of one level")
    rooms = [room for room in case.rooms(market.run[0], market.kind, market.owners).values() if room]
    members = [(project, dict(bundle), count) for (project, bundle), count in seen.items()]
    sizes = Counter[int]()
    for project, bundle, count in members:
        sizes[bundle[market.kind]] += count * (not case.kept(project))
    kept = (case.spanned(p, market.part(p, b), market.run, [1]) * count for p, b, count in members if case.kept(p))
    others = sum(count for size, count in sizes.items() if size % modulus)
    back = [(potential[0] - potential[at], at) for at in range(1, modulus)]
    slack = sum(rooms) - sum(size * count for size, count in sizes.items())
    groups = Fraction(slack) * max([Fraction(0), *(Fraction(up, at) for up, at in back)])
    groups += others * max([0, *(up for up, _ in back)])
    for residue, count in Counter(room % modulus for room in rooms).items():
        steps = (potential[(at + residue) % modulus] - potential[at] for at in range(1, modulus))
        groups += count * max([entry["denominator"] + potential[residue] - potential[0], *steps])
    return sum(kept) + sizes.total() + len(rooms) - int(groups // entry["denominator"])


def apart(markets: Sequence[Market]) -> None:
    """Refuse markets that count the cost of a level twice for the same nodes."""
    costly = [market for market in markets if any(market.costs)]
    for at, one in enumerate(costly):
        for other in costly[:at]:
            nodes = one.kind == other.kind and one.owners & other.owners
            refuse_unless(not (nodes and set(one.run) & set(other.run)), "two markets count a level of the same nodes")
