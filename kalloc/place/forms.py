"""Forms: how the GPUs of a project must lie, and what each domain can hold of such a project."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kalloc.instance import Instance, Topology
from kalloc.instance.policy import Form
from kalloc.solver import Ids


def form_of(instance: Instance, project: str) -> Form | None:
    """Return the form of a project, None when its GPUs may lie anyhow."""
    if all(row.shape == "prefer" for row in instance.policy.shapes_of.get(project, ())):
        return None
    nodes = [instance.node_gpus[row.kind] for row in instance.requests_of[project]]
    return instance.policy.form(project, math.gcd(*nodes) or 1)


def offers(topology: Topology, room: Ids, form: Form, held: Ids | None = None) -> list[Ids]:
    """Return, per level, the most GPUs that each domain can hold of a project of some form.

    Args:
        topology: the nodes and their domains.
        room: GPUs that each node has for the project, shape (nodes,).
        form: how they must lie.
        held: GPUs that the project has there already, shape (nodes,).
    """
    last = len(topology.levels) - 1
    held = np.zeros(topology.node_count, dtype=np.int64) if held is None else held
    found: list[Ids] = [room] * (last + 1)
    for level in range(last, -1, -1):
        here = _sums(topology, level, held)
        if level < last:
            total = _gathered(topology, level, found[level + 1])
        else:
            total = np.where(room + held == topology.gpus, room, 0) if form.whole else room
        if form.whole and level == last:
            found[level] = np.where(total + here <= form.most[level], total, 0)
        else:
            multiple = form.multiple[level]
            found[level] = np.maximum(0, np.minimum(total + here, form.most[level]) // multiple * multiple - here)
    return found


def lacking(topology: Topology, form: Form, own: Ids) -> list[Ids]:
    """Return, per level, the fewest GPUs that complete the form of what a project has in each domain already.

    Args:
        topology: the nodes and their domains.
        form: how they must lie.
        own: GPUs that the project has on each node, shape (nodes,).
    """
    last = len(topology.levels) - 1
    found: list[Ids] = [own] * (last + 1)
    for level in range(last, -1, -1):
        if level == last and form.whole:
            found[level] = np.where(own > 0, topology.gpus - own, 0)
        else:
            below = _gathered(topology, level, found[level + 1]) if level < last else np.zeros_like(own)
            found[level] = below + -(_sums(topology, level, own) + below) % form.multiple[level]
    return found


def _sums(topology: Topology, level: int, gpus: Ids) -> Ids:
    """Return the sums of GPUs by node, over the domains of a level."""
    return np.bincount(topology.domain[level], weights=gpus, minlength=topology.domain_count(level)).astype(np.int64)


def _gathered(topology: Topology, level: int, finer: Ids) -> Ids:
    """Return the sums of GPUs by domain of the next finer level, over the domains of a level."""
    parent = np.zeros(len(finer), dtype=np.int64)
    parent[topology.domain[level + 1]] = topology.domain[level]
    return np.bincount(parent, weights=finer, minlength=topology.domain_count(level)).astype(np.int64)


def fewest(offer: Sequence[Ids], gpus: int) -> tuple[int, ...]:
    """Return, per level, the fewest domains that can hold GPUs of a project, from what each domain can hold of it.

    Raises:
        ValueError: when all together do not hold them.
    """
    found: list[int] = []
    for domains in offer:
        sums = np.cumsum(np.sort(domains)[::-1])
        count = int(np.searchsorted(sums, gpus)) + 1
        if count > len(sums):
            raise ValueError(f"the domains do not hold {gpus} GPUs")
        found.append(max([count, *found[-1:]]))
    return tuple(found)


def untouched(topology: Topology, form: Form, taken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the nodes whose domains are free of others as far as a form demands it; ``taken`` marks others' nodes."""
    free = np.ones(topology.node_count, dtype=bool)
    for level in form.exclusive:
        domain = topology.domain[level]
        free &= ~(np.bincount(domain, weights=taken, minlength=topology.domain_count(level)) > 0)[domain]
    return free


def left_idle(topology: Topology, room: Ids, form: Form, gpus: int) -> int:
    """Return the fewest GPUs that must stay idle beside a project which has its domains to itself.

    Args:
        topology: the nodes and their domains.
        room: GPUs that each node has for the project, shape (nodes,).
        form: how they must lie.
        gpus: the GPUs of the project.
    """
    if not form.exclusive:
        return 0
    level = form.exclusive[0]
    sizes = np.unique(np.bincount(topology.domain[level], weights=room).astype(np.int64))
    reach = np.zeros(gpus + int(sizes.max(initial=0)) + 1, dtype=bool)
    reach[0] = True
    for size in sizes[sizes > 0].tolist():
        for total in range(size, len(reach)):
            reach[total] |= reach[total - size]
    enough = np.flatnonzero(reach[gpus:])
    return int(enough[0]) if len(enough) else 0


def kept_by(topology: Topology, form: Form, own: Ids) -> bool:
    """Tell whether the GPUs of one project, shape (nodes,), lie as a form demands, but for what others have."""
    for level in range(len(topology.levels)):
        here = _sums(topology, level, own)
        if (here % form.multiple[level]).any() or (here > form.most[level]).any():
            return False
    return not form.whole or bool(((own == 0) | (own == topology.gpus)).all())
