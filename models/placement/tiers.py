"""The tiers on seats: how scattered projects are, and how many domains stay free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import pulp

from kalloc.instance import Instance, Tier
from models.placement.rules import Needs, Seating
from models.program import Expression
from models.rooms import rooms
from models.search import Search
from models.values import weight


def scatter(instance: Instance, seats: Seating, needs: Needs) -> Expression:
    """Return Σ (weight + prefer) · (spans − need) over projects and levels."""
    spanned = (weight(instance, project, depth) * domain for (project, depth, _), domain in seats.spans.items())
    needed = (weight(instance, project, depth) * least for (project, depth), least in needs.items())
    return pulp.lpSum(spanned) - pulp.lpSum(needed)


def fragmentation(search: Search, instance: Instance, seats: Seating, needs: Needs, tier: Tier) -> None:
    """Lower what the domains cost that projects span beyond those they need."""
    search.least("fragmentation", of=scatter(instance, seats, needs))


def reserve(search: Search, instance: Instance, seats: Seating, needs: Needs, tier: Tier) -> None:
    """Raise the number of free domains of the level, up to as many as count: no project has GPUs in one."""
    depth = instance.topology.levels.index(tier.level or "")
    domain_of = instance.topology.domain[depth]
    room: dict[int, int] = defaultdict(int)
    for node, gpus in enumerate(rooms(instance)):
        room[int(domain_of[node])] += gpus
    taken: dict[int, list[Expression]] = defaultdict(list)
    for (_, node), gpus in seats.gpus.items():
        taken[int(domain_of[node])].append(gpus)
    held = {int(domain_of[node]) for node in instance.background}
    kept = []
    for domain in sorted({int(domain_of[node]) for node, gpus in enumerate(instance.topology.gpus) if gpus} - held):
        keep = search.program.integer("r", tier.level, domain, upper=1)
        search.program.rule(
            "reserve", tier.level, domain, row=pulp.lpSum(taken[domain]) + room[domain] * keep <= room[domain]
        )
        kept.append(keep)
    search.program.rule("reserve", tier.level, row=pulp.lpSum(kept) <= (tier.count or 0))
    search.most("reserve", of=pulp.lpSum(kept))


TIERS: Mapping[str, Callable[[Search, Instance, Seating, Needs, Tier], None]] = {
    tier.__name__: tier for tier in (fragmentation, reserve)
}
