"""Slurm's reservations: for every project the exact hosts that the plan gives it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kalloc.io.exporting.names import Names
from kalloc.io.exporting.slurm_accounts import Accounts
from kalloc.io.hostlists import compress

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

HEAD = """\
#!/bin/sh
# Reservations for the accounts of sacctmgr.sh. Usage: sh reservations.sh [create [START [DURATION]] | release]
# Before a new plan takes over, release the old one with its own script.
set -eu
start=${2:-now}
duration=${3:-UNLIMITED}
failed=0
case ${1:-create} in
create)
    reserve() { # NAME ACCOUNT NODES [TRES of each node; all of it without]
        scontrol create reservation ReservationName="$1" Accounts="$2" Nodes="$3" ${4:+TRESPerNode="$4"} \\
            StartTime="$start" Duration="$duration" Flags=IGNORE_JOBS || failed=1
    }
    ;;
release)
    reserve() { scontrol delete ReservationName="$1" || failed=1; }
    ;;
*)
    echo "usage: sh reservations.sh [create [START [DURATION]] | release]" >&2
    exit 2
    ;;
esac
"""


def script(instance: Instance, plan: Plan, hosts: Names, accounts: Accounts) -> bytes:
    """Return a script that makes, or deletes, one reservation per project; parts of nodes have one by size."""
    lines = [f"reserve {shlex.join(words)}\n" for words in _reservations(instance, plan, hosts, accounts)]
    return (HEAD + "".join(lines) + 'exit "$failed"\n').encode()


def _reservations(instance: Instance, plan: Plan, hosts: Names, accounts: Accounts) -> Iterator[list[str]]:
    topology = instance.topology
    places: dict[str, dict[str, list[int]]] = {}
    for seat in plan.seats:
        node = topology.node_ids[seat.node]
        part = "" if seat.gpus == topology.row(node).gpus else f"{accounts.tres(seat.kind)}={seat.gpus}"
        places.setdefault(seat.project, {}).setdefault(part, []).append(node)
    for project, parts in places.items():
        account = accounts.names("project", project)
        for number, (part, nodes) in enumerate(sorted(parts.items())):
            listed = compress(hosts("node", topology.names[node]) for node in sorted(nodes))
            name = f"kalloc-{account}" if number == 0 else f"kalloc-{account}-{number + 1}"
            yield [name, account, listed, *filter(None, [part])]
