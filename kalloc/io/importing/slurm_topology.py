"""Slurm: topology.conf of the tree and block plugins, topology.yaml, and what ``scontrol show topology`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kalloc.io.hostlists import MAX_NAME, HostListError, compress
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Remark, Where
from kalloc.io.importing.options import ImportOptions
from kalloc.io.importing.reading import Map, lines_of, text_of, yaml_documents
from kalloc.io.importing.trees import Switch, expanded, place_by_height

PAIR = re.compile(r"(\w+)\s*=\s*(\S*)")
YAML_MARK = re.compile(r"^\s*(?:---|-\s*topology\s*:|topology\s*:)", re.MULTILINE)
KNOWN = frozenset(
    {
        *("switchname", "switches", "nodes", "level"),
        *("blockname", "blockindex", "blocksize", "blocksizes", "aggregatedblock"),
    }
)
"""Keys of a line that are read, or say again what others say."""
MAX_SIZES = 16

Record = dict[str, str]


def read(paths: Sequence[Path], options: ImportOptions, found: Findings) -> Facts:
    """Return the nodes with their switches or blocks; levels are named by height, or by the block sizes."""
    facts = Facts("slurm-topology")
    for path in paths:
        if path.suffix in (".yaml", ".yml") or YAML_MARK.search(text_of(path)[:65536]):
            levels, nodes = _from_yaml(path, found)
        else:
            levels, nodes = _from_text(path, found)
        facts.levels += tuple(level for level in levels if level not in facts.levels)
        facts.nodes += nodes
    return facts


def _lines(path: Path) -> Iterator[tuple[Where, str]]:
    """Yield the lines that are not empty, without comments, those that end in a backslash joined."""
    held, start = "", 0
    for number, line in lines_of(path):
        line = line.partition("#")[0].strip()
        start = start or number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        if whole := (held + line).strip():
            yield Where(str(path), start), whole
        held, start = "", 0
    if held.strip():
        yield Where(str(path), start), held.strip()


def _from_text(path: Path, found: Findings) -> tuple[tuple[str, ...], list[NodeFact]]:
    switches: dict[str, Switch] = {}
    blocks: dict[str, Switch] = {}
    sizes: list[int] = []
    for where, line in _lines(path):
        record = {key.lower(): value for key, value in PAIR.findall(line)}
        for key in sorted(record.keys() - KNOWN):
            found.once(Remark.DROPPED, where, key, f"{key} is not read")
        if "switchname" in record:
            _add_switch(record, where, switches, found)
        elif "blockname" in record:
            _put(Switch(record["blockname"], where, nodes=_hosts(record, "nodes", where, found)), blocks, found)
            sizes = sizes or _sizes(record.get("blocksize", ""), where, found)
        elif "aggregatedblock" in record:
            sizes += [size for size in _sizes(record.get("blocksize", ""), where, found) if size not in sizes]
        elif "blocksizes" in record:
            sizes = _sizes(record["blocksizes"], where, found)
        else:
            found.wrong(where, f"begins with neither SwitchName nor BlockName: {line[:60]!r}")
    return _levelled(path, switches, blocks, sizes, ("level", "block"), found)


def _levelled(
    path: Path,
    switches: dict[str, Switch],
    blocks: dict[str, Switch],
    sizes: list[int],
    names: tuple[str, str],
    found: Findings,
) -> tuple[tuple[str, ...], list[NodeFact]]:
    if switches and blocks:
        found.wrong(Where(str(path)), "has switches and blocks; one topology has either")
    if not switches and not blocks:
        found.wrong(Where(str(path)), "has no switch and no block")
    if switches:
        return place_by_height(switches, names[0], found)
    found.raise_if_any()
    return place_in_blocks(blocks, sizes, names[1], found)


def _add_switch(record: Record, where: Where, switches: dict[str, Switch], found: Findings) -> None:
    switch = Switch(record["switchname"], where, _hosts(record, "switches", where, found))
    if "level" not in record or not switch.children:
        switch.nodes = _hosts(record, "nodes", where, found)
    _put(switch, switches, found)


def _put(switch: Switch, known: dict[str, Switch], found: Findings) -> None:
    if not switch.name:
        found.wrong(switch.where, "has no name")
    elif switch.name in known:
        found.wrong(switch.where, f"{switch.name!r} is in line {known[switch.name].where.number} already")
    else:
        known[switch.name] = switch


def _hosts(record: Record, key: str, where: Where, found: Findings) -> list[str]:
    return expanded(record.get(key, ""), where, found)


def _sizes(text: str, where: Where, found: Findings) -> list[int]:
    """Return block sizes, in nodes."""
    sizes = [int(size) for size in text.split(",") if size.isdecimal() and len(size) < 8]
    if text and (len(sizes) != len(text.split(",")) or 0 in sizes or len(sizes) > MAX_SIZES):
        found.wrong(where, f"block sizes must be whole numbers of nodes, not {text[:60]!r}")
        return []
    return sizes


def place_in_blocks(
    blocks: dict[str, Switch], sizes: Sequence[int], name: str, found: Findings
) -> tuple[tuple[str, ...], list[NodeFact]]:
    """Return the levels, coarse to fine, and every node with its block and the larger blocks that hold it.

    A larger block is as many blocks one after the other as its size is times the smallest size.
    """
    levels = {name: 1}
    base = min(sizes, default=1)
    for size in sorted(set(sizes) - {base}):
        if size % base:
            found.wrong(next(iter(blocks.values())).where, f"block size {size} is no multiple of {base}")
        levels[f"{name}{size}"] = size // base
    found.raise_if_any()
    names = list(blocks)
    larger = {
        level: [_joint(names[at : at + count]) for at in range(0, len(names), count)] for level, count in levels.items()
    }
    nodes: dict[str, NodeFact] = {}
    for index, block in enumerate(blocks.values()):
        place = {level: larger[level][index // count] for level, count in levels.items()}
        for node in block.nodes:
            if node in nodes:
                message = f"node {node!r} is in the block {nodes[node].place[name]!r} too; that one is taken"
                found.ambiguous(block.where, message)
            else:
                nodes[node] = NodeFact(node, block.where, dict(place))
    return tuple(reversed(levels)), list(nodes.values())


def _joint(held: Sequence[str]) -> str:
    """Return the name of a block of blocks: the host list of them, as Slurm has it."""
    if len(held) == 1:
        return held[0]
    try:
        name = compress(held)
    except HostListError:
        name = ""
    return name if 0 < len(name) <= MAX_NAME else f"{held[0]}–{held[-1]}"


def _from_yaml(path: Path, found: Findings) -> tuple[tuple[str, ...], list[NodeFact]]:
    """Read every topology of a topology.yaml; their levels carry its name."""
    listed = [
        one for document in yaml_documents(path) for one in (document if isinstance(document, list) else [document])
    ]
    levels: list[str] = []
    blocks: list[str] = []
    nodes: dict[str, NodeFact] = {}
    for topology in listed:
        if not isinstance(topology, Map):
            found.wrong(Where(str(path)), "must be a list of topologies")
            continue
        names, placed = _topology(path, topology, len(listed) > 1, found)
        if set(names) & set(levels):
            found.wrong(Where(str(path), topology.line), "has the name of another topology; give each its own")
        levels += names
        blocks += names if isinstance(topology.get("block"), Map) else ()
        for node in placed:
            known = nodes.setdefault(str(node.name), node)
            known.place = {**node.place, **known.place}
    found.raise_if_any()
    for level in _repeated(blocks, levels, list(nodes.values())):
        found.dropped(Where(str(path)), f"level {level!r} divides the nodes as another level does")
        levels.remove(level)
    return tuple(levels), list(nodes.values())


def _repeated(blocks: Sequence[str], levels: Sequence[str], nodes: Sequence[NodeFact]) -> list[str]:
    """Return the levels of blocks that divide the nodes as a level of switches does."""
    others = [level for level in levels if level not in blocks]

    def parts(*names: str) -> int:
        return len({tuple(node.place.get(name) for name in names) for node in nodes})

    return [level for level in blocks if any(parts(level) == parts(other) == parts(level, other) for other in others)]


def _topology(path: Path, topology: Map, several: bool, found: Findings) -> tuple[tuple[str, ...], list[NodeFact]]:
    where = Where(str(path), topology.line)
    name = str(topology.get("topology") or "topology")
    tree, block = topology.get("tree"), topology.get("block")
    switches: dict[str, Switch] = {}
    blocks: dict[str, Switch] = {}
    sizes: list[int] = []
    if isinstance(tree, Map):
        for item in _listed(tree, "switches", where, found):
            _put(_item(path, item, "switch", found), switches, found)
    elif isinstance(block, Map):
        sizes = _sizes(",".join(map(str, block.get("block_sizes") or [])), where, found)
        for item in _listed(block, "blocks", where, found):
            _put(_item(path, item, "block", found), blocks, found)
    else:
        found.dropped(where, f"topology {name!r} is neither a tree nor of blocks, so it says nothing of places")
        return (), []
    named = (name, name) if several else ("level", "block")
    return _levelled(path, switches, blocks, sizes, named, found)


def _listed(value: Map, key: str, where: Where, found: Findings) -> list[Map]:
    items = value.get(key)
    if not isinstance(items, list) or not all(isinstance(item, Map) for item in items):
        found.wrong(where, f"{key} must be a list of objects")
        return []
    return items


def _item(path: Path, item: Map, key: str, found: Findings) -> Switch:
    where = Where(str(path), item.line)
    text: dict[str, Any] = {name: item.get(name) or "" for name in (key, "children", "nodes")}
    children, nodes = (expanded(str(text[name]), where, found) for name in ("children", "nodes"))
    return Switch(str(text[key]), where, children, nodes)
