"""What is free on each node."""

from __future__ import annotations

from kalloc.instance import Instance


def rooms(instance: Instance) -> list[int]:
    """Return the free GPUs of every node: its GPUs less background, 0 when it is down."""
    return [max(0, int(gpus) - instance.background.get(node, 0)) for node, gpus in enumerate(instance.topology.gpus)]
