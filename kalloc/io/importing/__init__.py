"""Inventories, pools and applications from the files of other systems: one module a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from kalloc.errors import Defect, InstanceError
from kalloc.instance.hints import nearest
from kalloc.io.importing.facts import Facts, Findings, NodeFact, Note, Where
from kalloc.io.importing.joining import Difference
from kalloc.io.importing.options import ImportOptions

if TYPE_CHECKING:
    import pandas as pd

    from kalloc.instance import Instance

__all__ = ["FORMATS", "Difference", "ImportOptions", "Imported", "Note", "import_files"]

FORMATS: Mapping[str, str] = {
    "slurm-topology": "topology.conf (tree, block), topology.yaml, scontrol show topology",
    "slurm-nodes": "scontrol show nodes --json",
    "slurm-reservations": "scontrol show reservation",
    "sinfo": "sinfo -N",
    "kubernetes": "kubectl get nodes -o json, or -o yaml",
    "kueue": "Topology, ResourceFlavor, ClusterQueue, Cohort of v1beta1 and v1beta2",
    "kai": "Queue and Topology of the KAI scheduler",
    "volcano": "HyperNode of Volcano",
    "topograph": "models and graphs of topograph",
    "ibnetdiscover": "ibnetdiscover of InfiniBand",
    "netbox": "devices of NetBox: CSV, JSON of the API, dumpdata",
    "table": "CSV, Excel and Parquet tables of applications, inventory and pools",
}
"""What can be imported, and from which files."""


@dataclass(frozen=True)
class Imported:
    """An instance, and what an import dropped, guessed or found ambiguous on the way to it."""

    instance: Instance
    notes: tuple[Note, ...]
    """In the order in which they were made; each says where."""
    differences: tuple[Difference, ...]
    """Where sources say different things of a node, or only one has it."""

    @cached_property
    def reconciliation(self) -> pd.DataFrame:
        """Where the sources differ: a row for a node and a thing that is said of it in two ways, or only once."""
        import pandas as pd

        columns = [field.name for field in fields(Difference)]
        return pd.DataFrame([[getattr(row, name) for name in columns] for row in self.differences], columns=columns)


def import_files(
    format: str,
    paths: Sequence[str | Path],
    options: ImportOptions | None = None,
    *,
    joined: Mapping[str, Sequence[str | Path]] | None = None,
) -> Imported:
    """Return the instance of some files of another system.

    Args:
        format: one of ``FORMATS``.
        paths: the files, plain or packed by gzip.
        options: what the files do not say.
        joined: further files by format; their nodes are joined to those of ``paths`` by name.

    Raises:
        InstanceError: with every defect that can be told at once, each with its file and line.
    """
    from kalloc.io.importing.assembling import assemble
    from kalloc.io.importing.joining import join
    from kalloc.io.importing.labels import place_by_labels
    from kalloc.io.importing.levels import choose, note_split_domains
    from kalloc.io.importing.patterns import resolve

    options = options or ImportOptions()
    found = Findings()
    sources = [_read(one, files, options, found) for one, files in ((format, paths), *(joined or {}).items())]
    found.raise_if_any()
    resolve(sources, found)
    place_by_labels(sources, options, found)
    levels = choose(sources, options.levels, found)
    found.raise_if_any()
    result = join(sources, list(levels), found)
    _check_left(sources, result.nodes, found)
    note_split_domains(list(levels), result.nodes, found)
    name = options.name or Path(paths[0]).name.partition(".")[0]
    instance = assemble(name, levels, result.nodes, sources, options, found)
    return Imported(instance, tuple(found.notes), result.differences)


def _check_left(sources: Sequence[Facts], left: Sequence[NodeFact], found: Findings) -> None:
    """Refuse an inventory of which no node is left."""
    listed = [node for facts in sources for node in facts.nodes]
    if listed and not left:
        why = "; ".join(dict.fromkeys(note.message for note in found.notes[-3:]))
        found.wrong(listed[0].where, f"none of what is listed ({len(listed):,}) is a node with GPUs: {why}")
        found.raise_if_any()


def _read(format: str, paths: Sequence[str | Path], options: ImportOptions, found: Findings) -> Facts:
    if format not in FORMATS:
        raise InstanceError([Defect(format, None, None, f"unknown format; {nearest(format, FORMATS)}")])
    if not paths:
        raise InstanceError([Defect(format, None, None, "has no file to read")])
    module = import_module(f"kalloc.io.importing.{format.replace('-', '_')}")
    facts: Facts = module.read([Path(path) for path in paths], options, found)
    if not (facts.nodes or facts.patterns or facts.tables or facts.label_levels or found.defects):
        found.wrong(Where(", ".join(map(str, paths))), f"has nothing that can be read as {format}")
    return facts
