"""What the checker finds wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Violation:
    """One thing that is wrong with a plan, or with what is claimed of it.

    ``rule`` is the name of a rule, ``"format"`` where the records do not fit the instance or each other, or
    ``"score"`` where a claimed figure is not what the plan gives.
    """

    rule: str
    message: str

    def __str__(self) -> str:
        """Return ``rule: message``."""
        return f"{self.rule}: {self.message}"
