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
    size, parts = bundle[market.kind] // market.grain, Parts()
    if size == 0:
        return market.case.spanned(project, market.part(project, bundle), market.run, market.costs), parts
    if market.case.level(project) >= market.run[0]:
        return market.costs[0], Parts({size: 1})
    while size:
        least = market.cut(size) - market.denominator * market.costs[0]
        part = next(part for part in range(1, size + 1) if market.price[part] + market.cut(size - part) == least)
        parts[part] += 1
        size -= part
    return market.costs[0] * parts.total(), parts
