"""Volcano: HyperNodes as a tree of domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kalloc.io.importing.facts import Facts, Findings, Pattern
from kalloc.io.importing.objects import Object, by_kind, maps, texts, whole
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.patterns import simple
from kalloc.io.importing.trees import MAX_RANKS, Switch, parents, place_by_rank, place_over

GROUP = "topology.volcano.sh"


@dataclass
class HyperNodes:
    """The HyperNodes of all files by name."""

    items: dict[str, Object] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    tiers: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    """Name of each tier."""
    patterns: list[tuple[str, Pattern]] = field(default_factory=list)
    """Nodes that are members by pattern or by labels, each with the HyperNode."""

    def add(self, item: Object, found: Findings) -> None:
        """Add one, with its tier."""
        tier = whole(item.spec.get("tier"))
        if tier is None or tier < 0:
            found.wrong(item.where, f"HyperNode {item.name!r} has no tier")
        elif item.name in self.items:
            found.wrong(item.where, f"HyperNode {item.name!r} is in {self.items[item.name].where} already")
        else:
            self.items[item.name], self.tiers[item.name] = item, tier
            self.switches[item.name] = Switch(item.name, item.where)
            said = item.spec.get("tierName")
            name = self.names.setdefault(tier, str(said or f"tier-{tier}"))
            if said not in (None, "", name):
                found.ambiguous(item.where, f"tier {tier} is named {said!r} and {name!r}; that is taken")

    def originals(self, place: Mapping[str, str]) -> dict[str, str]:
        """Return a place under the names that its domains had before an export of kalloc."""
        return {level: self.items[domain].original for level, domain in place.items()}


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with the HyperNodes above them; levels are the tiers, by their names where they have some."""
    every = HyperNodes()
    by_kind(paths, {(GROUP, "HyperNode"): lambda item: every.add(item, found)}, found)
    for item in every.items.values():
        _add_members(item, every, found)
    above = parents(every.switches, found)
    for child, parent in above.items():
        if every.tiers[child] >= every.tiers[parent]:
            message = f"HyperNode {parent!r} of tier {every.tiers[parent]} holds {child!r} of tier {every.tiers[child]}"
            found.wrong(every.switches[parent].where, message)
    order = sorted(every.names)
    levels = [every.names[tier] for tier in order]
    if len(set(levels)) < len(levels):
        found.wrong(next(iter(every.items.values())).where, f"two tiers have one name: {', '.join(levels)[:200]}")
    if len(order) > MAX_RANKS:
        found.wrong(next(iter(every.items.values())).where, f"there are {len(order)} tiers, more than {MAX_RANKS}")
    found.raise_if_any()
    rank = {name: order.index(tier) for name, tier in every.tiers.items()}
    return _facts(every, above, rank, levels, found)


def _facts(
    every: HyperNodes, above: Mapping[str, str], rank: Mapping[str, int], levels: Sequence[str], found: Findings
) -> Facts:
    """Return the nodes under the names that the domains have had in kalloc, if they have come from there."""
    facts = Facts("volcano", tuple(reversed(levels)))
    for name, pattern in every.patterns:
        pattern.place, _ = place_over(name, every.switches, above, rank, levels)
    used = {domain for _, pattern in every.patterns for domain in pattern.place.values()}
    facts.nodes = place_by_rank(every.switches, above, rank, levels, found, used)
    facts.patterns = [pattern for _, pattern in every.patterns]
    for node in facts.nodes:
        node.place = every.originals(node.place)
    for pattern in facts.patterns:
        pattern.place = every.originals(pattern.place)
    return facts


def _add_members(item: Object, every: HyperNodes, found: Findings) -> None:
    switch = every.switches[item.name]
    for member in maps(item.spec.get("members")):
        selector = member.get("selector")
        selector = selector if isinstance(selector, dict) else {}
        name = _inner(selector, "exactMatch").get("name")
        of_hypernodes = member.get("type") == "HyperNode"
        if isinstance(name, str) and name:
            (switch.children if of_hypernodes else switch.nodes).append(name)
            continue
        pattern = _pattern(item, selector, found)
        if pattern is None:
            continue
        if of_hypernodes:
            switch.children += list(_meant(pattern, item, every))
        else:
            every.patterns.append((item.name, pattern))


def _inner(selector: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = selector.get(key)
    return value if isinstance(value, dict) else {}


def _pattern(item: Object, selector: Mapping[str, Any], found: Findings) -> Pattern | None:
    """Return what a member by pattern or by labels means, or None where that is not looked for."""
    text = _inner(selector, "regexMatch").get("pattern")
    labels = texts(_inner(selector, "labelMatch").get("matchLabels"))
    how = f"the pattern {text!r}" if text else f"labels {labels}" if labels else ", ".join(selector) or "no selector"
    what = f"HyperNode {item.name!r}: a member by {how}"
    expression = simple(text) if isinstance(text, str) else None
    if expression is None and (text or not labels or "matchExpressions" in _inner(selector, "labelMatch")):
        found.dropped(item.where, f"{what} is not looked for; name it exactly")
        return None
    return Pattern(what, item.where, {}, expression, labels)


def _meant(pattern: Pattern, item: Object, every: HyperNodes) -> Iterator[str]:
    """Yield the HyperNodes of lower tiers that a pattern means."""
    for name, other in every.items.items():
        labels = texts(other.metadata.get("labels"))
        if every.tiers[name] < every.tiers[item.name] and pattern.means(name, labels):
            yield name
