"""What prices of parts prove of an allocation: the least spans of a level, or of a level and a finer one by weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kalloc.certificate.case import Bundle, Case, refuse_unless
from kalloc.certificate.market import Market

Granted = Mapping[str, Bundle]
"""What every served project gets."""
Entry = Mapping[str, Any]


def fact(case: Case, granted: Granted, entry: Entry) -> int:
    """Return the least Σ weight · spans that a fact proves for its levels; the weight of a single level counts as 1.

    In every market the better counts of what its prices prove and of what its projects span at least; for those whom
    no market sees, the latter.
    """
    levels = entry["levels"]
    costs = [1] if len(levels) == 1 else [case.weights[case.levels.index(level)] for level in levels]
    markets = [Market(case, levels, part, costs) for part in entry["markets"]]
    apart(markets)
    unseen = {project: dict(bundle) for project, bundle in granted.items()}
    total = 0
    for market in markets:
        seen = {project: bundle for project, bundle in granted.items() if market.sees(project, bundle)}
        paid = sum(market.pays(project, bundle) for project, bundle in seen.items()) - market.gains()
        least = sum(spans(case, levels, costs, project, market.part(bundle)) for project, bundle in seen.items())
        total += max(least, -(-paid // market.denominator))
        for project, bundle in seen.items():
            for kind in market.part(bundle):
                del unseen[project][kind]
    return total + sum(spans(case, levels, costs, project, bundle) for project, bundle in unseen.items())


def spans(case: Case, levels: Sequence[str], costs: Sequence[int], project: str, bundle: Bundle) -> int:
    """Return Σ cost · spans of some levels that a project cannot do without."""
    found = dict(zip(case.levels, case.least(project, bundle) or (), strict=False))
    refuse_unless(bool(found), f"project {project!r} could not sit even alone")
    return sum(cost * found[level][1] for cost, level in zip(costs, levels, strict=True))


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
