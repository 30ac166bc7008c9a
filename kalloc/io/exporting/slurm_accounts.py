"""Slurm's accounts: pools and, below them, the projects that get GPUs, each with what its jobs may hold at a time."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS
from kalloc.io.exporting.names import fit
from kalloc.io.exporting.slurm_names import ACCOUNT, GRES

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

ROOT = "root"
"""The account that every cluster has."""
NO_LIMIT = -1
SCRIPT = """\
#!/bin/sh
# Accounts and their limits, added where they are missing. Usage: sh sacctmgr.sh CLUSTER
# slurm.conf must have AccountingStorageEnforce=limits and AccountingStorageTRES={tres}
set -eu
cluster=${{1:?give the name of the cluster}}
above() {{ # NAME: prints the account above one, or nothing where there is no such account
    sacctmgr -n -P show association where cluster="$cluster" account="$1" format=parentname | sed -n '/./{{p;q;}}'
}}
change() {{ # NAME WHAT
    sacctmgr -i modify account where account="$1" cluster="$cluster" set "$2"
}}
account() {{ # NAME PARENT LIMITS DESCRIPTION
    now=$(above "$1")
    if [ -z "$now" ]; then
        sacctmgr -i add account "$1" cluster="$cluster" parent="$2" GrpTRES="$3" description="$4" organization="$4"
    else
        [ "$now" = "$2" ] || change "$1" parent="$2" # the parent that it has would be an error
        change "$1" GrpTRES="$3"
    fi
}}
nothing() {{ # NAME: what an earlier plan gave it ends
    [ -z "$(above "$1")" ] || change "$1" GrpTRES={none}
}}
"""


@dataclass(frozen=True)
class Account:
    """An account, the one above it, and its limits by TRES; the limit of what it does not list is none."""

    name: str
    parent: str
    limits: Mapping[str, int]
    description: str


class Accounts:
    """The accounts of an instance, and of a plan where there is one."""

    def __init__(self, instance: Instance, plan: Plan | None) -> None:
        self.instance = instance
        self.granted: dict[str, dict[str, int]] = {}
        for grant in () if plan is None else plan.grants:
            self.granted.setdefault(grant.project, {})[grant.kind] = grant.gpus
        pools = [("pool", row.pool) for row in instance.pools]
        self.names = fit(ACCOUNT, [*pools, *(("project", project) for project in self.granted)], taken=(ROOT,))
        self.kinds = fit(GRES, (("kind", row.kind) for row in instance.kinds))

    def tres(self, kind: str) -> str:
        """Return the resource that stands for a kind, or for all kinds together."""
        return "gres/gpu" if kind == ALL_KINDS else f"gres/gpu:{self.kinds('kind', kind)}"

    def every(self) -> list[str]:
        """Return the resources of all kinds, that for all together first."""
        return [self.tres(kind) for kind in (ALL_KINDS, *(row.kind for row in self.instance.kinds))]

    def rows(self) -> Iterator[Account]:
        """Yield the accounts, each after the one above it."""
        tree, titles = self.instance.pool_tree, {row.pool: row.title for row in self.instance.pools}
        for pool in sorted(tree.parent, key=lambda pool: len(tree.line(pool))):
            parent = tree.parent[pool]
            limits = {self.tres(kind): row.gpus + row.borrow for (of, kind), row in tree.quotas.items() if of == pool}
            above = ROOT if parent is None else self.names("pool", parent)
            yield Account(self.names("pool", pool), above, limits, titles[pool] or pool)
        for project, gpus in self.granted.items():
            total = sum(gpus.values())
            if total:
                limits = {self.tres(row.kind): gpus.get(row.kind, 0) for row in self.instance.kinds}
                above = self.names("pool", self.instance.project_of[project].pool)
                yield Account(self.names("project", project), above, {self.tres(ALL_KINDS): total, **limits}, project)

    def dump(self) -> bytes:
        """Return a file for ``sacctmgr load``."""
        lines = [f"# sacctmgr load file=sacctmgr.cfg cluster=NAME, AccountingStorageTRES={','.join(self.every())}"]
        lines.append(f"Cluster - '{self.cluster}'")
        parent = None
        for account in self.rows():
            if account.parent != parent:
                lines.append(f"Parent - '{account.parent}'")
                parent = account.parent
            said = _quoted(account.description)
            line = f"Account - '{account.name}':Description='{said}':Organization='{said}'"
            limits = ",".join(f"{tres}={gpus}" for tres, gpus in account.limits.items())
            lines.append(f"{line}:GrpTRES='{limits}'" if limits else line)
        return "\n".join([*lines, ""]).encode()

    @property
    def cluster(self) -> str:
        """The name of the cluster in the dump, as an instance does not know it."""
        return fit(ACCOUNT, [("instance", self.instance.name)])("instance", self.instance.name)

    def script(self) -> bytes:
        """Return a shell script of sacctmgr's commands."""
        every = self.every()
        lines = [SCRIPT.format(tres=",".join(every), none=f"{every[0]}=0")]
        for account in self.rows():
            limits = ",".join(f"{tres}={account.limits.get(tres, NO_LIMIT)}" for tres in every)
            words = (account.name, account.parent, limits, _quoted(account.description))
            lines.append(f"account {shlex.join(words)}\n")
        for project, gpus in self.granted.items():
            if not any(gpus.values()):
                lines.append(f"nothing {self.names('project', project)}\n")
        return "".join(lines).encode()

    @property
    def notes(self) -> tuple[str, ...]:
        """What Slurm cannot be told."""
        sharing = sum(row.lend > 0 or row.borrow > 0 for row in self.instance.quotas)
        if not sharing:
            return ()
        return (
            f"quotas that borrow or lend: {sharing}; an account may hold what its pool owns and may borrow together, "
            "and Slurm does not count what the lenders have left",
        )


def _quoted(text: str) -> str:
    """Return a text without what ends a quotation of Slurm's, or a line."""
    return re.sub(r"[^\w.()&+/-]+", " ", text).strip()[:100]
