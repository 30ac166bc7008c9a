"""Forms that what stays cannot have: the rest of these rules is in the amounts of the classes, and in the seats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from kalloc.allocate.model import Allocation
from kalloc.instance import Instance
from kalloc.instance.policy_rows import Shape

Kept = Mapping[int, int]
"""GPUs that a project keeps, by domain of a level."""


def forms(allocation: Allocation) -> None:
    """Refuse what stays where its project may not have it: rules `segment`, `spread`, `whole` and `exclusive`."""
    instance = allocation.instance
    rules: dict[str, Callable[[Instance, Shape, Kept], bool]] = {
        "segment": segment,
        "spread": spread,
        "whole": whole,
        "exclusive": exclusive,
    }
    for project, shape, kept in _staying(instance):
        if shape.shape in rules and rules[shape.shape](instance, shape, kept):
            row = allocation.model.row([(allocation.model.variable(0, 0), 1)], 1, None)
            sentence = f"project {project!r} keeps GPUs where its shape forbids them"
            allocation.clash[row] = f"{shape.shape}: {sentence}"


def _staying(instance: Instance) -> Iterator[tuple[str, Shape, Kept]]:
    """Yield the shapes of projects that keep GPUs, with those that they keep by domain of the shape's level."""
    for project, nodes in instance.stays.items():
        for shape in instance.policy.shapes_of.get(project, ()):
            domain = instance.topology.domain[instance.policy.level(shape)]
            kept: Counter[int] = Counter()
            for node, gpus in nodes.items():
                kept[int(domain[node])] += gpus
            yield project, shape, kept


def segment(instance: Instance, shape: Shape, kept: Kept) -> bool:
    """Tell whether a domain cannot hold the segment that what stays there begins."""
    topology, amount = instance.topology, shape.amount or 1
    domain, room = topology.domain[instance.policy.level(shape)], topology.gpus.copy()
    for node, gpus in _others(instance, shape.project).items():
        room[node] -= gpus
    return any(int(room[domain == at].sum()) // amount * amount < have for at, have in kept.items())


def spread(instance: Instance, shape: Shape, kept: Kept) -> bool:
    """Tell whether more stays in a domain than the project may have there."""
    return any(have > (shape.amount or 0) for have in kept.values())


def whole(instance: Instance, shape: Shape, kept: Kept) -> bool:
    """Tell whether others hold a part of a node that the project would need as a whole."""
    return any(node in _others(instance, shape.project) for node in kept)


def exclusive(instance: Instance, shape: Shape, kept: Kept) -> bool:
    """Tell whether others stay in a domain that the project must have for itself."""
    domain = instance.topology.domain[instance.policy.level(shape)]
    return bool({int(domain[node]) for node in _others(instance, shape.project)} & set(kept))


def _others(instance: Instance, project: str) -> Kept:
    """Return the GPUs that background and other projects keep, by node."""
    found: Counter[int] = Counter(instance.background)
    for name, nodes in instance.stays.items():
        if name != project:
            found.update(nodes)
    return found
