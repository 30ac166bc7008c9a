"""InfiniBand: what ``ibnetdiscover`` prints: switches, adapters, and who is cabled to whom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kalloc.io.importing.fabrics import LEVELS, Host, Leaves, domains_above, units
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import lines_of

DEVICE = re.compile(r'(Switch|Ca|Rt)\s+\d+\s+"([^"]*)"\s*#\s*"([^"]*)"')
LINK = re.compile(
    r'\[(\d+)\](?:\([0-9a-f]+\))?\s*"([SHR]-[0-9a-f]+)"\[\d+\](?:\([0-9a-f]+\))?\s*#\s*(?:lid \d+ lmc \d+ )?"([^"]*)"'
)
ADAPTER = re.compile(r"(\S+)\s+((?:mlx\d+_|HCA-|hfi\d*_|ib|ibp|qib|bnxt_re)\w*)")
SWITCH = re.compile(r"(?:[^;]*;)?([^:]+)(?::.*)?")
NOBODY = frozenset(
    {"localhost", "localhost.localdomain", "ubuntu", "debian", "linux", "rocky", "centos", "node", "host"}
)
"""What hosts are called before anybody has named them."""


@dataclass
class Fabric:
    """The switches of a subnet and the adapters cabled to them."""

    switches: dict[str, str] = field(default_factory=dict)
    """Description of each switch by its id."""
    adapters: dict[str, tuple[str, Where]] = field(default_factory=dict)
    """Description of each channel adapter by its id, and where it is first named."""
    cables: dict[str, set[str]] = field(default_factory=dict)
    """Switches that each switch or adapter is cabled to."""


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the named hosts with the set of leaves that each hangs on, and what joins these above.

    Adapters that name no host, and hosts with no more than half as many adapters as most, are listed only.
    """
    fabric = Fabric()
    for path in paths:
        _parse(path, fabric, found)
    hosts = _hosts(fabric, found)
    if not hosts:
        found.wrong(Where(", ".join(map(str, paths))), "has no host that is cabled to a switch and has a name")
        found.raise_if_any()
    leaves = units(list(_usual(hosts, found)), found)
    places = _places(fabric, leaves)
    nodes = [NodeFact(host.name, host.where, dict(places[unit])) for unit, held in leaves.items() for host in held]
    used = {level for place in places.values() for level in place}
    nodes.sort(key=lambda node: node.where.number or 0)
    return Facts("ibnetdiscover", tuple(level for level in reversed(LEVELS) if level in used), nodes)


def _parse(path: Path, fabric: Fabric, found: Findings) -> None:
    current: str | None = None
    devices = 0
    for number, line in lines_of(path):
        where = Where(str(path), number)
        if line.startswith("["):
            match = LINK.match(line)
            if match is None or current is None:
                found.wrong(where, "is no port of a device as ibnetdiscover prints it")
                continue
            _cable(fabric, current, match[2], match[3], where)
        elif match := DEVICE.match(line):
            current, devices = match[2], devices + 1
            if match[1] == "Switch":
                fabric.switches[current] = match[3]
            elif match[1] == "Ca":
                fabric.adapters.setdefault(current, (match[3], where))
            else:
                found.dropped(where, f"router {match[3]!r} is not read")
    if not devices:
        found.wrong(Where(str(path)), "has no Switch and no Ca; is it what ibnetdiscover prints?")


def _cable(fabric: Fabric, one: str, other: str, description: str, where: Where) -> None:
    """Note a cable from both ends; only switches are kept as ends."""
    if other.startswith("H-"):
        fabric.adapters.setdefault(other, (description, where))
    for here, there in ((one, other), (other, one)):
        if there.startswith("S-"):
            fabric.cables.setdefault(here, set()).add(there)


def _hosts(fabric: Fabric, found: Findings) -> list[Host]:
    """Return the hosts by the names in the descriptions of their adapters."""
    hosts: dict[str, Host] = {}
    seen: dict[tuple[str, str], str] = {}
    doubtful: set[str] = set()
    for adapter, (description, where) in fabric.adapters.items():
        match = ADAPTER.fullmatch(description.strip())
        on = ", ".join(sorted(_short(fabric.switches.get(leaf, leaf)) for leaf in fabric.cables.get(adapter, ())))
        if match is None:
            if "Aggregation Node" in description:
                found.once(Remark.DROPPED, where, "aggregation", "aggregation nodes in switches are no hosts")
            else:
                found.dropped(
                    where, f"adapter {adapter} says {description!r} and names no host; it hangs on {on or 'nothing'}"
                )
            continue
        name, port = match.groups()
        if name in NOBODY or seen.setdefault((name, port), adapter) != adapter:
            doubtful.add(name)
        host = hosts.setdefault(name, Host(name, where))
        host.adapters += 1
        host.leaves |= fabric.cables.get(adapter, set())
    for name in doubtful:
        host = hosts.pop(name)
        found.dropped(host.where, f"{host.adapters} adapters are of {name!r}: hosts without a name of their own")
    return [host for host in hosts.values() if _cabled(host, found)]


def _cabled(host: Host, found: Findings) -> bool:
    if not host.leaves:
        found.dropped(host.where, f"host {host.name!r} is cabled to no switch")
    return bool(host.leaves)


def _usual(hosts: Sequence[Host], found: Findings) -> Iterator[Host]:
    """Yield the hosts that have more than half as many adapters as most have."""
    usual = Counter(host.adapters for host in hosts).most_common(1)[0][0]
    for host in hosts:
        if 2 * host.adapters > usual:
            yield host
        else:
            message = f"host {host.name!r} has {host.adapters} adapters, most have {usual}: taken for no GPU node"
            found.dropped(host.where, message)


def _places(fabric: Fabric, leaves: Mapping[Leaves, Sequence[Host]]) -> dict[Leaves, dict[str, str]]:
    names = {switch: _short(description) or switch for switch, description in fabric.switches.items()}
    twice = {name for name, count in Counter(names.values()).items() if count > 1}
    names = {switch: switch if name in twice else name for switch, name in names.items()}
    return domains_above(list(leaves), fabric.cables, names)


def _short(description: str) -> str:
    """Return the name of a switch in a description such as ``MF0;leaf-1:MQM9701/U1``."""
    match = SWITCH.fullmatch(description)
    return match[1].strip() if match else description
