"""What comes out for other systems: each format makes its files from an instance, from a plan, or from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from kalloc.errors import OutputError

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.io.exporting.results import Export
    from kalloc.plan import Plan


NAMES_FILE = "names.csv"
"""The table of names that had to be changed, beside the files of any format."""


@dataclass(frozen=True)
class Format:
    """A format: what it is, the module that makes it, and the files that a directory of it may hold."""

    title: str
    module: str
    files: tuple[str, ...] = ()
    ending: str = ""
    """Of the files of a format that has one for each table. Without files and ending, the format is a single file."""
    instance: bool = True
    """Whether it cannot do without the instance; otherwise a plan alone will do."""

    def names(self) -> tuple[str, ...]:
        """Return the files that a directory of the format may hold."""
        from kalloc.io.exporting.sheets import SHEETS

        return tuple(f"{name}{self.ending}" for name in SHEETS) if self.ending else self.files


FORMATS: Mapping[str, Format] = {
    "slurm": Format(
        "Slurm: topology, accounts and their limits, reservations",
        "slurm",
        ("topology.conf", "topology.yaml", "topology-block.conf", "sacctmgr.cfg", "sacctmgr.sh", "reservations.sh"),
    ),
    "kueue": Format("Kueue: topology, flavors, cohorts and queues", "kueue", ("kueue.yaml", "manager-config.yaml")),
    "kubernetes": Format(
        "Kubernetes: labels of nodes, namespaces and quotas of projects",
        "kubernetes",
        ("apply.sh", "node-labels.yaml", "namespaces.yaml"),
    ),
    "volcano": Format("Volcano: HyperNodes", "volcano", ("hypernodes.yaml",)),
    "kai": Format("KAI scheduler: queues and topology", "kai", ("queues.yaml", "topology.yaml")),
    "kwok": Format("KWOK: nodes to try a plan on a laptop", "kwok", ("nodes.yaml",)),
    "csv": Format("CSV: a file per table", "comma", ending=".csv", instance=False),
    "excel": Format("Excel: a sheet per table, with totals", "excel", instance=False),
    "parquet": Format("Parquet: a file per table", "parquet", ending=".parquet", instance=False),
}
"""The formats by name."""


def export(format: str, instance: Instance | None, plan: Plan | None, out: Path) -> tuple[str, ...]:
    """Write a plan, an instance or both in a format, all or nothing.

    Returns:
        What a reader of the files must know, a sentence each.
    """
    from kalloc.io.atomic import publish, publish_file

    made = made_of(format, instance, plan)
    names = FORMATS[format].names()
    if names:
        mark = next((name for name in names if (out / name).exists()), names[0])
        publish(out, made.files.items(), (*names, NAMES_FILE), mark)
    else:
        publish_file(out, made.files[""])
    return made.notes


def made_of(format: str, instance: Instance | None, plan: Plan | None) -> Export:
    """Return the files of a format without writing them.

    Raises:
        OutputError: for a format that nobody knows, that needs an instance and gets none, or that cannot hold it.
    """
    if format not in FORMATS:
        raise OutputError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    if instance is None and plan is None:
        raise OutputError(f"{format} needs an instance or a plan, and there is neither")
    if instance is None and FORMATS[format].instance:
        raise OutputError(f"{format} needs the instance beside the plan; give both")
    if instance is not None and plan is not None and plan.instance_sha256 != instance.sha256:
        message = f"the plan is for the instance {plan.instance_name!r} as it was, not for {instance.name!r} as it is"
        raise OutputError(f"{message}; solve again, or give the instance that it was made for")
    module = import_module(f"kalloc.io.exporting.{FORMATS[format].module}")
    made: Export = module.export(instance, plan)
    return made
