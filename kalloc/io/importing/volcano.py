"""Volcano: HyperNodes as a tree of domains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kalloc.io.importing.facts import Facts, Findings
from kalloc.io.importing.objects import Object, by_kind, maps, whole
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.trees import Switch, parents, place_by_rank

GROUP = "topology.volcano.sh"


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with the HyperNodes above them; levels are the tiers, by their names where they have some."""
    hypernodes: dict[str, Switch] = {}
    tiers: dict[str, int] = {}
    names: dict[int, str] = {}

    def add(item: Object) -> None:
        tier = whole(item.spec.get("tier"))
        if tier is None or tier < 0:
            found.wrong(item.where, f"HyperNode {item.name!r} has no tier")
        elif item.name in hypernodes:
            found.wrong(item.where, f"HyperNode {item.name!r} is in {hypernodes[item.name].where} already")
        else:
            hypernodes[item.name], tiers[item.name] = _hypernode(item, found), tier
            name = names.setdefault(tier, str(item.spec.get("tierName") or f"tier-{tier}"))
            if name != (item.spec.get("tierName") or name):
                found.ambiguous(
                    item.where, f"tier {tier} is named {item.spec['tierName']!r} and {name!r}; that is taken"
                )

    by_kind(paths, GROUP, {"HyperNode": add}, found)
    above = parents(hypernodes, found)
    for child, parent in above.items():
        if child in tiers and tiers[child] >= tiers[parent]:
            message = f"HyperNode {parent!r} of tier {tiers[parent]} holds {child!r} of tier {tiers[child]}"
            found.wrong(hypernodes[parent].where, message)
    found.raise_if_any()
    order = sorted(names)
    rank = {name: order.index(tier) for name, tier in tiers.items()}
    levels = [names[tier] for tier in order]
    if len(set(levels)) < len(levels):
        found.wrong(next(iter(hypernodes.values())).where, f"two tiers have one name: {', '.join(levels)[:200]}")
        found.raise_if_any()
    return Facts("volcano", tuple(reversed(levels)), place_by_rank(hypernodes, above, rank, levels, found))


def _hypernode(item: Object, found: Findings) -> Switch:
    switch = Switch(item.name, item.where)
    for member in maps(item.spec.get("members")):
        selector = member.get("selector")
        exact = selector.get("exactMatch") if isinstance(selector, dict) else None
        name = exact.get("name") if isinstance(exact, dict) else None
        if isinstance(name, str) and name:
            (switch.children if member.get("type") == "HyperNode" else switch.nodes).append(name)
        else:
            how = ", ".join(selector) if isinstance(selector, dict) and selector else "no selector"
            found.dropped(item.where, f"HyperNode {item.name!r}: a member by {how} is not looked for; name it exactly")
    return switch
