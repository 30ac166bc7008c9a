"""A lever: one rule, request or supply that can be loosened, and what its sentence says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kalloc.instance import ALL_KINDS
from kalloc.instance.rows import Row

if TYPE_CHECKING:
    from kalloc.instance import Instance

Facts = Mapping[str, object]


@dataclass(frozen=True)
class Lever:
    """One rule, request or supply that can be loosened by a number of steps."""

    code: str
    """The name of its sentence."""
    unit: int
    """GPUs of one step; 0 where there is nothing to count."""
    most: int
    """Steps beyond which more of it makes no difference."""
    apply: Callable[[int], Instance]
    """The instance with so many steps more."""
    facts: Callable[[int], Facts]
    """The figures of its sentence after so many steps."""


def from_to(pool: str, kind: str, was: int, step: int, steps: int) -> Facts:
    """Return the figures of a row of a pool and a kind that is raised by some steps."""
    more = steps * step
    what = ("GPUs", "GPU") if kind == ALL_KINDS else (kind, kind)
    return {"pool": pool, "what": what[0], "what_ko": what[1], "was": was, "now": was + more, "gpus": more}


def same(facts: Facts) -> Callable[[int], Facts]:
    """Return the same figures for any number of steps."""
    return lambda _: facts


def with_row(instance: Instance, table: str, row: Row, **changes: object) -> Instance:
    """Return an instance with one row of a table changed."""
    rows = (r.model_copy(update=changes) if r is row else r for r in getattr(instance, table))
    return instance.replace(**{table: tuple(rows)})
