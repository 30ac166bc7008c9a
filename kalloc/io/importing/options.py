"""What whoever imports adds to what the sources say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImportOptions:
    """What the sources do not say."""

    name: str = ""
    """Name of the instance; empty: that of the first file."""
    kind: str | None = None
    """Kind of the GPUs where no source says it."""
    gpus_per_node: int | None = None
    """GPUs of a node where no source says it."""
    levels: tuple[str, ...] = ()
    """Levels, coarse to fine: names of the sources, ``new=old``, or as many new names as the sources have levels."""
    owner: str | None = None
    """Pool that owns the nodes of which no source says it."""
    roles: tuple[str, ...] = ()
    """NetBox: roles of the devices that are GPU nodes."""
    resources: tuple[str, ...] = ()
    """Kubernetes: extended resources that count as GPUs, besides the known ones."""
    id_prefix: str = ""
    """topograph: what the ids of instances have before the name of the node."""
    mapping: Path | None = None
    """Tables: a TOML file that says which sheet and column is what."""

    @property
    def sources_of_levels(self) -> tuple[str, ...]:
        """The names that ``levels`` gives to what the sources have."""
        return tuple(level.partition("=")[2] or level for level in self.levels)
