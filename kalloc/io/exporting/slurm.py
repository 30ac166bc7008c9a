"""Slurm: accounts with limits, reservations of exact hosts, and the topology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalloc.io.exporting.objects import unnamed
from kalloc.io.exporting.results import Export, named
from kalloc.io.exporting.slurm_accounts import Accounts
from kalloc.io.exporting.slurm_names import hosts
from kalloc.io.exporting.slurm_reservations import script
from kalloc.io.exporting.slurm_topology import Fabric

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


def export(instance: Instance, plan: Plan | None) -> Export:
    """Return both forms of the topology and of the accounts, and the reservations where there is a plan."""
    names = hosts(instance)
    fabric, accounts = Fabric(instance, names), Accounts(instance, plan)
    files = {
        "topology.conf": fabric.conf(),
        "topology.yaml": fabric.yaml(),
        "sacctmgr.cfg": accounts.dump(),
        "sacctmgr.sh": accounts.script(),
    }
    blocks = fabric.block_conf()
    if blocks is not None:
        files["topology-block.conf"] = blocks
    if plan is not None:
        files["reservations.sh"] = script(instance, plan, names, accounts)
    notes = (*unnamed(instance), *accounts.notes)
    return named(files, notes, names, fabric.switches, accounts.names, accounts.kinds)
