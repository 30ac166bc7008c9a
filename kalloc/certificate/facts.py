"""What prices of parts prove of an allocation: the least spans of a level, or of a level and a finer one by weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from kalloc.certificate.case import Bundle, Case, refuse_unless
from kalloc.certificate.market import Market

Granted = Mapping[str, Bundle]
"""What every served project gets."""
Entry = Mapping[str, Any]


def fact(case: Case, granted: Granted, entry: Entry) -> int:
    """Return the least Σ weight · spans that a fact proves for its levels; the weight of a single level counts as 1.

    In every market the best counts of what its prices prove, of what its projects span at least, and of who must share
    with whom; for those whom no market sees, what they span at least.
    """
    levels = [case.levels.index(level) for level in entry["levels"]]
    costs = [1] if len(levels) == 1 else [case.weights[level] for level in levels]
    markets = [Market(case, entry["levels"], part, costs) for part in entry["markets"]]
    apart(markets)
    unseen = {project: dict(bundle) for project, bundle in granted.items()}
    total = 0
    for market, part in zip(markets, entry["markets"], strict=True):
        seen = left_for(market, granted, unseen)
        least = sum(case.spanned(p, market.part(p, bundle), levels, costs) for p, bundle in seen.items())
        paid = sum(market.pays(project, bundle) for project, bundle in seen.items()) - market.gains()
        merged = shared(market, seen, part["sharing"]) if "sharing" in part else 0
        total += max(least, -(-paid // market.denominator), merged)
        for project, bundle in seen.items():
            for kind in market.part(project, bundle):
                del unseen[project][kind]
    return total + sum(case.spanned(project, bundle, levels, costs) for project, bundle in unseen.items())


def left_for(market: Market, granted: Granted, unseen: Granted) -> Granted:
    """Return the projects, with their bundles, that a market sees of what markets before it have left ``unseen``."""
    touched = {project: granted[project] for project in unseen if market.touches(project, granted[project])}
    return {p: bundle for p, bundle in touched.items() if market.part(p, bundle).keys() <= unseen[p].keys()}


def shared(market: Market, seen: Granted, entry: Entry) -> int:
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
    sizes = [bundle[market.kind] for project, bundle in seen.items() if not case.kept(project)]
    kept = (case.spanned(p, market.part(p, bundle), market.run, [1]) for p, bundle in seen.items() if case.kept(p))
    others = sum(size % modulus > 0 for size in sizes)
    back = [(potential[0] - potential[at], at) for at in range(1, modulus)]
    groups = Fraction(sum(rooms) - sum(sizes)) * max([Fraction(0), *(Fraction(up, at) for up, at in back)])
    groups += others * max([0, *(up for up, _ in back)])
    for residue, count in Counter(room % modulus for room in rooms).items():
        steps = (potential[(at + residue) % modulus] - potential[at] for at in range(1, modulus))
        groups += count * max([entry["denominator"] + potential[residue] - potential[0], *steps])
    return sum(kept) + len(sizes) + len(rooms) - int(groups // entry["denominator"])


def apart(markets: Sequence[Market]) -> None:
    """Refuse markets that count the cost of a level twice for the same nodes."""
    costly = [market for market in markets if any(market.costs)]
    for at, one in enumerate(costly):
        for other in costly[:at]:
            nodes = one.kind == other.kind and one.owners & other.owners
            refuse_unless(not (nodes and set(one.run) & set(other.run)), "two markets count a level of the same nodes")


def score(case: Case, granted: Granted, facts: Iterable[Entry]) -> int:
    """Return the least fragmentation that facts of different levels prove for an allocation."""
    entries = list(facts)
    seen = [level for entry in entries for level in entry["levels"]]
    refuse_unless(len(seen) == len(set(seen)), "a level counts twice")
    entries += [{"levels": [level], "markets": []} for level in case.levels if level not in seen]
    weight = dict(zip(case.levels, case.weights, strict=True))
    total = sum(fact(case, granted, of) * (weight[of["levels"][0]] if len(of["levels"]) == 1 else 1) for of in entries)
    needs = (case.least(project, bundle) or () for project, bundle in granted.items())
    return total - sum(w * need for found in needs for w, (need, _) in zip(case.weights, found, strict=True))
