"""Rail-optimised fabrics: a node hangs on several leaves, so a unit is a set of leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kalloc.io.hostlists import MAX_NAME, HostListError, compress
from kalloc.io.importing.facts import Findings, Where

LEVELS = ("unit", "spine", "core", "core2", "core3")
"""Fine to coarse: the leaves that nodes share, and what joins them one, two and more switches above."""

Leaves = frozenset[str]


@dataclass
class Host:
    """A host and the leaves that its adapters are cabled to."""

    name: str
    where: Where
    adapters: int = 0
    leaves: set[str] = field(default_factory=set)


def units(hosts: Sequence[Host], found: Findings) -> dict[Leaves, list[Host]]:
    """Return the sets of leaves that are units, each with its hosts.

    A unit is what most of its hosts hang on. A host that lacks some of the leaves, or hangs on one of another
    unit, belongs to the unit with which it shares more than half of the leaves of both; it is noted.
    """
    alike: dict[Leaves, list[Host]] = {}
    for host in hosts:
        alike.setdefault(frozenset(host.leaves), []).append(host)
    found_units: dict[Leaves, list[Host]] = {}
    by_leaf: dict[str, list[Leaves]] = {}
    for leaves, held in sorted(alike.items(), key=lambda item: (-len(item[1]), -len(item[0]), sorted(item[0]))):
        near = dict.fromkeys(unit for leaf in sorted(leaves) for unit in by_leaf.get(leaf, ()))
        unit = max(near, key=lambda unit: len(unit & leaves) / max(len(unit), len(leaves)), default=None)
        if unit is None:
            found_units[leaves] = list(held)
            for leaf in leaves:
                by_leaf.setdefault(leaf, []).append(leaves)
        elif 2 * len(unit & leaves) > max(len(unit), len(leaves)):
            found_units[unit] += held
            for host in held:
                message = f"host {host.name!r} hangs on {len(unit & leaves)} of the {len(unit)} leaves of its unit"
                others = f" and {len(leaves - unit)} of another" if leaves - unit else ""
                found.guessed(host.where, message + others)
        else:
            for host in held:
                message = f"host {host.name!r} hangs on {len(unit & leaves)} of the {len(unit)} leaves of a unit"
                found.dropped(host.where, f"{message}: taken for no GPU node")
    return found_units


def domains_above(
    leaves: Sequence[Leaves], cables: Mapping[str, set[str]], names: Mapping[str, str]
) -> dict[Leaves, dict[str, str]]:
    """Return the domain of each unit at every level: the switches of a rank that its leaves reach.

    Leaves are of rank 1, a switch beside one of rank r and of no lower rank is of rank r + 1. Units are in one
    domain of rank r when switches of that rank and lower join them.
    """
    rank = {leaf: 1 for unit in leaves for leaf in unit}
    border = list(rank)
    for switch in border:
        for other in sorted(cables.get(switch, ())):
            if other not in rank and rank[switch] < len(LEVELS):
                rank[other] = rank[switch] + 1
                border.append(other)
    places = {unit: {LEVELS[0]: _joint_name(unit, names)} for unit in leaves}
    before = len(leaves)
    for height in range(2, max(rank.values(), default=1) + 1):
        part = _parts(rank, cables, height)
        held: dict[str, list[str]] = {}
        for switch, root in part.items():
            held.setdefault(root, []).extend([switch] if rank[switch] == height else [])
        roots = [part[min(unit)] for unit in leaves]
        if len(set(roots)) == before and height > 2:
            continue
        before = len(set(roots))
        for unit, root in zip(leaves, roots, strict=True):
            places[unit][LEVELS[height - 1]] = _joint_name(held[root] or unit, names)
    return places


def _parts(rank: Mapping[str, int], cables: Mapping[str, set[str]], height: int) -> dict[str, str]:
    """Return for every switch of at most a rank one that stands for all that are connected with it."""
    part: dict[str, str] = {}
    for start in rank:
        if start in part or rank[start] > height:
            continue
        part[start] = start
        ready = [start]
        for switch in ready:
            for other in cables.get(switch, ()):
                if other not in part and rank.get(other, height + 1) <= height:
                    part[other] = start
                    ready.append(other)
    return part


def _joint_name(switches: Leaves | Sequence[str], names: Mapping[str, str]) -> str:
    """Return the host list of some switches, or the first of them and how many more there are."""
    listed = sorted(names.get(switch, switch) for switch in switches)
    try:
        name = compress(listed)
    except HostListError:
        name = ",".join(listed)
    return name if len(name) <= MAX_NAME else f"{listed[0][:150]} and {len(listed) - 1} more"
