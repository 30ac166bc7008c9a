"""The parts behind what a market of a certificate says: of a domain filled best, and of a project cut cheapest."""

from __future__ import annotations

from collections import Counter

from kalloc.certificate.case import Bundle, Children
from kalloc.certificate.market import Market, steps

Parts = Counter[int]
"""How many parts there are of every size, in grains."""


def fill(market: Market, children: Children) -> tuple[int, Parts]:
    """Return what the children cost that the best filling of a domain draws on, and its parts."""
    cost = market.costs[1] if len(market.run) > 1 else 0
    drawn, parts, price, values = 0, Parts(), market.price, market.values
    while values[children] > 0:
        worth = ((price[way[1]] - market.denominator * cost * way[2] + values[way[0]], way) for way in steps(children))
        left, part, pieces = next(way for gain, way in worth if gain == values[children])
        drawn, children = drawn + cost * pieces, left
        parts[part] += 1
    return drawn, parts


def cut(market: Market, project: str, bundle: Bundle) -> tuple[int, Parts]:
    """Return what the domains cost in which a project is cut cheapest, and its parts."""
    kept = market.kept(project)
    size = (bundle[market.kind] - market.case.kept_gpus(project, market.kind)) // market.grain
    if size == 0:
        return market.case.spanned(project, market.part(project, bundle), market.run, market.costs), Parts()
    if market.case.level(project) >= market.run[0]:
        return market.costs[0], Parts({size: 1})
    held, parts = _beside(market, kept, size)
    size -= sum(parts.elements())
    while size:
        price, left = market.price, market.cut(size) - market.denominator * market.costs[0]
        part = next(part for part in range(1, size + 1) if price[part] + market.cut(size - part) == left)
        parts[part] += 1
        held, size = held + 1, size - part
    return market.costs[0] * held, parts


def _beside(market: Market, kept: list[int], size: int) -> tuple[int, Parts]:
    """Return how many domains a project keeps GPUs in, and the parts that it lays beside them."""
    tables = [[market.cut(left) for left in range(size + 1)]] if kept else []
    for room in kept:
        before = tables[-1]
        tables.append([
            min(market.worth(part) + before[left - part] for part in range(min(room, left) + 1))
            for left in range(size + 1)
        ])
    parts = Parts()
    for room, before in zip(reversed(kept), reversed(tables[:-1]), strict=True):
        options = range(min(room, size) + 1)
        part = min(options, key=lambda part: market.worth(part) + before[size - part])
        parts[part] += bool(part)
        size -= part
    return len(kept), +parts
