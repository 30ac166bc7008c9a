"""Names that Slurm takes: of hosts and switches, accounts and types of GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalloc.io.exporting.names import Alphabet, Names, fit

if TYPE_CHECKING:
    from kalloc.instance import Instance

WORD = r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
HOST = Alphabet("a host", WORD, "-_.A-Za-z0-9", 200, lower=False)
SWITCH = Alphabet("a switch", WORD, "-_.A-Za-z0-9", 64, lower=False)
ACCOUNT = Alphabet("an account", r"[a-z0-9]([-_.a-z0-9]*[a-z0-9])?", "-_.a-z0-9", 64)
GRES = Alphabet("a type of GPU", r"[a-z0-9]([_a-z0-9]*[a-z0-9])?", "_a-z0-9", 64, slash="_", mark="_")


def hosts(instance: Instance) -> Names:
    """Return the host names of the nodes."""
    return fit(HOST, (("node", name) for name in instance.topology.names))
