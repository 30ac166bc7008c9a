"""The fewest domains that could hold a project if no other movable project were there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from kalloc.instance import Instance
from models.rooms import rooms

Offers = Mapping[int, int]
"""GPUs that nodes offer to a project, by node id."""


def offers(instance: Instance, project: str) -> Offers:
    """Return the room of the nodes that serve a project, less what others have staying there."""
    pool = instance.project_of[project].pool
    free = dict(enumerate(rooms(instance)))
    for other, nodes in instance.stays.items():
        if other != project:
            for node, gpus in nodes.items():
                free[node] -= gpus
    rows = {node: instance.topology.row(node) for node in free}
    serves = instance.pool_tree.serves
    return {node: gpus for node, gpus in free.items() if gpus > 0 and serves(rows[node].owner, pool, rows[node].kind)}


def need(instance: Instance, offered: Offers, bundle: Mapping[str, int]) -> tuple[int, ...] | None:
    """Return per level the fewest domains whose offers cover the bundle, None when all together do not."""
    kinds = [kind for kind, gpus in bundle.items() if gpus > 0]
    amounts = tuple(bundle[kind] for kind in kinds)
    fewest: list[int] = []
    for domain_of in instance.topology.domain:
        domains: dict[int, Counter[str]] = {}
        for node, gpus in offered.items():
            domains.setdefault(int(domain_of[node]), Counter())[instance.topology.row(node).kind] += gpus
        vectors = [tuple(offer[kind] for kind in kinds) for offer in domains.values()]
        count = largest_first(vectors, amounts) if len(kinds) == 1 else cover(vectors, amounts)
        if count is None:
            return None
        fewest.append(count)
    return tuple(fewest)


def largest_first(vectors: Iterable[Sequence[int]], amounts: Sequence[int]) -> int | None:
    """Return how many of the largest offers hold an amount of one kind."""
    left = amounts[0]
    for count, offer in enumerate(sorted((vector[0] for vector in vectors), reverse=True), 1):
        left -= offer
        if left <= 0:
            return count
    return None


def cover(vectors: Iterable[Sequence[int]], amounts: tuple[int, ...]) -> int | None:
    """Return the fewest offers that cover every kind at once: the best count for each part of the amounts covered."""
    best = {tuple(0 for _ in amounts): 0}
    for vector in vectors:
        for covered, count in list(best.items()):
            more = tuple(min(most, had + gpus) for most, had, gpus in zip(amounts, covered, vector, strict=True))
            best[more] = min(best.get(more, count + 1), count + 1)
    return best.get(amounts)
