"""What a plan is worth: merit and fragmentation, exact, counted from its seats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from kalloc.verify.needs import Needs
from kalloc.verify.records import Records

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan


class LevelScore(NamedTuple):
    """Spans of all projects at one level, and the spans that they need."""

    spans: int
    need: int


@dataclass(frozen=True)
class Score:
    """The exact value of a plan."""

    merit: Fraction
    fragmentation: int
    levels: Mapping[str, LevelScore]
    """Per level, coarse to fine, ``node`` last."""
    gpus: int
    """GPUs that are seated."""


def score(instance: Instance, plan: Plan) -> Score:
    """Return the exact value of a plan that :func:`kalloc.verify.verify` finds clean.

    Raises:
        ValueError: for a plan that is not clean and holds more than the nodes have.
    """
    records = Records.of(instance, plan)
    topology, needs = instance.topology, Needs(instance)
    domains = [domain.tolist() for domain in topology.domain]
    spans, need = [0] * len(domains), [0] * len(domains)
    for project, nodes in records.seats.items():
        needed = needs.of(project, records.held[project])
        for level, domain in enumerate(domains):
            spans[level] += len({domain[node] for node in nodes})
            need[level] += needed[level]
    fragmentation = sum(w * (s - n) for w, s, n in zip(topology.weights, spans, need, strict=True))
    levels = dict(zip(topology.levels, map(LevelScore, spans, need), strict=True))
    gpus = sum(sum(bundle.values()) for bundle in records.held.values())
    return Score(_merit(records), fragmentation, levels, gpus)


def _merit(records: Records) -> Fraction:
    instance = records.instance
    merit = Fraction(0)
    for row in instance.requests:
        gpus = records.held.get(row.project, {}).get(row.kind, 0)
        if gpus:
            merit += gpus * _decimal(instance.project_of[row.project].merit) * _decimal(instance.value(row))
    return merit


def _decimal(number: float) -> Fraction:
    """Return the decimal number that was written: 0.1 is a tenth."""
    return Fraction(repr(number))
