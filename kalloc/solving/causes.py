"""What a clash of the allocation demands of single projects besides: level, shapes, seats kept, limits, caps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import count

from kalloc.allocate.build import build
from kalloc.allocate.model import Allocation
from kalloc.allocate.rules import names
from kalloc.clash import exclusive
from kalloc.instance import Instance
from kalloc.instance.policy import FORM_RULES
from kalloc.joint import Demand, leave_out
from kalloc.place.rooms import Rooms
from kalloc.solver import Limits


def with_causes(allocation: Allocation, clash: Sequence[str], limits: Limits) -> list[str]:
    """Return a clash with what it rests on beside its rows: demands on single projects that cut their amounts.

    Each demand is left out, many at once where that goes, as long as the rows exclude each other without it.
    """
    starts = {sentence.partition("' ")[0] for sentence in clash}
    sentences = {demand: said for demand, said in _demands(allocation) if said.partition("' ")[0] not in starts}
    named = [demand for demand, said in _demands(allocation) if demand not in sentences]
    kept = set(sentences)

    def impossible(left: Collection[Demand]) -> bool:
        return not limits.over and _impossible(allocation, clash, {*left, *named}, limits)

    leave_out(kept, list(sentences), impossible)
    if limits.over:
        return list(clash)
    return [*clash, *(sentence for demand, sentence in sentences.items() if demand in kept)]


def _demands(allocation: Allocation) -> Iterator[tuple[Demand, str]]:
    """Yield what cuts the amounts that a project may get, in words."""
    instance = allocation.instance
    for members in allocation.classes:
        first, who = members.members[0], names(members)
        each = " each" if members.size > 1 else ""
        if members.level is not None:
            level = instance.topology.levels[members.level]
            yield ("level", first), f"level: {who} must sit in one {level}{each}"
        if first in instance.policy.refused:
            yield ("call", first), f"call: {who} applied outside the call of {'their pools' if each else 'its pool'}"
        if members.kept:
            yield ("stays", first), f"stays: {who} keeps GPUs where they are"
        for rule in sorted({row.shape for row in instance.policy.shapes_of.get(first, ())} & FORM_RULES):
            yield (rule, first), f"{rule}: {who} must have {'their' if each else 'its'} GPUs in this shape"
    for row in instance.limits:
        if row.per == "project" and row.most is not None:
            yield ("limit", row.limit), f"limit: {row.limit!r} gives each project at most {row.most}"
    for cap in instance.caps:
        yield (
            ("cap", f"{cap.pool} {cap.kind}"),
            f"cap: pool {cap.pool!r} gives each project at most {cap.gpus} GPUs of kind {cap.kind!r}",
        )


def _impossible(allocation: Allocation, clash: Collection[str], kept: Collection[Demand], limits: Limits) -> bool:
    """Tell whether the rows of a clash exclude each other where only some demands on single projects are kept.

    Only those projects must be served that the clash names, so that no others are alike them.
    """
    fewer = _fewer(allocation, clash, kept)
    built = build(fewer, Rooms.of(fewer))
    said, stays = set(clash), {sentence.partition("' ")[0] for sentence in clash if sentence.startswith("stays")}
    rows = [
        row
        for row, sentence in built.clash.items()
        if sentence in said or sentence.startswith("mandatory") or sentence.partition("' ")[0] in stays
    ]
    return exclusive(built, rows, limits)


def _fewer(allocation: Allocation, clash: Collection[str], kept: Collection[Demand]) -> Instance:
    """Return the instance with some demands only, in which nobody must be served whom the clash does not name."""
    instance, starts = allocation.instance, [sentence.partition(" must")[0] for sentence in clash]
    first = {name: members.members[0] for members in allocation.classes for name in members.members}
    must = {
        name for members in allocation.classes if f"mandatory: {names(members)}" in starts for name in members.members
    }
    projects = tuple(
        row.model_copy(
            update={
                "mandatory": row.mandatory and row.project in must,
                "applied": row.applied if ("call", first[row.project]) in kept else None,
                "level": row.level if ("level", first[row.project]) in kept else None,
            }
        )
        for row in instance.projects
    )
    limits = tuple(row for row in instance.limits if row.per != "project" or ("limit", row.limit) in kept)
    left, strangers = {row.limit for row in limits}, _strangers(instance)
    return instance.replace(
        projects=projects,
        limits=limits,
        rates=tuple(row for row in instance.rates if row.limit in left),
        placed=tuple(
            row
            if row.movable or row.project not in first or ("stays", row.project) in kept
            else row.model_copy(update={"project": strangers[row.project]})
            for row in instance.placed
        ),
        caps=tuple(row for row in instance.caps if ("cap", f"{row.pool} {row.kind}") in kept),
        shapes=tuple(
            row for row in instance.shapes if row.shape not in FORM_RULES or (row.shape, first[row.project]) in kept
        ),
    )


def _strangers(instance: Instance) -> dict[str, str]:
    """Return a name that nobody has for every project that keeps GPUs: under it what it keeps is background."""
    known = {row.project for row in instance.projects} | {row.project for row in instance.placed}
    fresh = (name for number in count() if (name := f"other{number}") not in known)
    return dict(zip(instance.stays, fresh, strict=False))
