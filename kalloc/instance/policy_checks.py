"""What the rows of the policy tables cannot tell alone: settings without sense, subjects and places that nobody has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kalloc.instance.hints import nearest
from kalloc.instance.objective import SETTINGS, Tier
from kalloc.instance.policy import decimal
from kalloc.instance.report import HEAD, Report
from kalloc.instance.sound import Sound
from kalloc.instance.topology import NODE

if TYPE_CHECKING:
    from kalloc.instance.instance import Instance
    from kalloc.instance.policy_rows import Power, Shape

SIZED = {"segment", "spread", "prefer"}
"""Shapes that need an amount."""


def _tiers(instance: Instance, report: Report) -> None:
    """Every tier once, with the settings it takes and what they need."""
    names = instance.objective.names
    if not names:
        report.add(HEAD, None, "objective.tiers", "names no tier; name one at least, such as 'merit'")
    for position, tier in enumerate(instance.objective.tiers):
        where = f"objective.tiers[{position + 1}]"
        if tier.name in names[:position]:
            report.add(HEAD, None, where, f"tier {tier.name!r} is listed twice; keep one of them")
        for column, message in _settings(instance, tier, "levels" not in report.unread):
            report.add(HEAD, None, f"{where}.{column}" if column else where, message)


def _settings(instance: Instance, tier: Tier, levels_known: bool) -> Iterator[tuple[str, str]]:
    takes = SETTINGS.get(tier.name, {})
    for setting in ("rule", "by", "of", "unit", "level", "count"):
        if getattr(tier, setting) is not None and setting not in takes:
            known = " and ".join(map(repr, takes)) or "none"
            yield setting, f"tier {tier.name!r} has no setting {setting!r}; it takes {known}"
        elif getattr(tier, setting) is None and setting in takes:
            yield setting, f"tier {tier.name!r} needs the setting {setting!r}"
    levels = (*instance.hierarchy.levels, NODE)
    if tier.name == "reserve" and tier.level is not None and tier.level not in levels and levels_known:
        yield "level", f"unknown level {tier.level!r}; {nearest(tier.level, levels)}"
    if tier.of == "quota" and tier.by != "pool":
        yield "of", 'only pools have quotas; write by = "pool", or of = "asked"'
    if tier.name == "balance" and all(row.share is None for row in instance.groups):
        yield "", "tier 'balance' needs a share for some group in groups.csv"
    if tier.name == "guarantees" and not instance.guarantees:
        yield "", "tier 'guarantees' needs rows in guarantees.csv"


def _limit_rows(instance: Instance, report: Report) -> None:
    for index, row in enumerate(instance.limits):
        if not report.sound("limits", index, "per", "of", "kind", "most", "least"):
            continue
        if row.most is None and row.least is None:
            report.add("limits", index, "most", f"limit {row.limit!r} bounds nothing; give most, least or both")
        elif row.most is not None and row.least is not None and row.least > row.most:
            report.add("limits", index, "least", f"least {row.least} is over most {row.most}")
        if row.per == "project" and row.least is not None:
            message = "a single project has no least; make it mandatory, with a min in requests.csv"
            report.add("limits", index, "least", message)
        if row.per in ("project", "all") and row.of is not None:
            message = f"per {row.per} there is nothing to name; clear of, or name a pool"
            report.add("limits", index, "of", message)


def _rate_rows(instance: Instance, report: Report) -> None:
    """A limit says what it counts either itself or in rates.csv."""
    rated = {row.limit for row in instance.rates}
    for index, row in enumerate(instance.limits):
        if not report.sound("limits", index, "kind", "limit") or "rates" in report.unread:
            continue
        if row.kind is None and row.limit not in rated:
            message = f"limit {row.limit!r} counts no kind; name one, or `*`, or give rates in rates.csv"
            report.add("limits", index, "kind", message)
        if row.kind is not None and row.limit in rated:
            message = f"limit {row.limit!r} has rates in rates.csv too; clear kind, or remove them"
            report.add("limits", index, "kind", message)


def _guarantee_rows(instance: Instance, report: Report) -> None:
    for index, row in enumerate(instance.guarantees):
        if report.sound("guarantees", index, "project", "pool") and (row.project is None) == (row.pool is None):
            message = f"guarantee {row.guarantee!r} must name a project or a pool, one of the two"
            report.add("guarantees", index, "project", message)


def _calls(instance: Instance, report: Report) -> None:
    for index, row in enumerate(instance.pools):
        if report.sound("pools", index, "opens", "closes") and row.opens and row.closes and row.opens > row.closes:
            message = f"the call of pool {row.pool!r} closes on {row.closes}, before it opens on {row.opens}"
            report.add("pools", index, "closes", message)


def _shares(instance: Instance, report: Report) -> None:
    total = decimal(0)
    for index, row in enumerate(instance.groups):
        if row.share is None or not report.sound("groups", index, "share"):
            continue
        total += decimal(row.share)
        if total > 100:
            message = f"with group {row.group!r} the shares come to {float(total):g} %, over 100 %"
            report.add("groups", index, "share", message)


def _loads(instance: Instance, report: Report) -> None:
    for index, row in enumerate(instance.inventory):
        loaded = row.idle_watts if row.loaded_watts is None else row.loaded_watts
        if report.sound("inventory", index, "idle_watts", "loaded_watts") and loaded < row.idle_watts:
            message = f"a loaded node draws {loaded} W, less than the {row.idle_watts} W of an idle one"
            report.add("inventory", index, "loaded_watts", message)


def _shape_rows(instance: Instance, report: Report) -> None:
    levels = (*instance.hierarchy.levels, NODE)
    for index, row in enumerate(instance.shapes):
        if not report.sound("shapes", index, "shape", "level", "amount"):
            continue
        if row.shape == "whole" and row.level not in (None, NODE):
            report.add("shapes", index, "level", f"nodes are taken as a whole, not a {row.level}; clear the level")
        elif row.shape != "whole" and row.level is None:
            report.add("shapes", index, "level", f"shape {row.shape!r} needs a level; {nearest('', levels)}")
        if row.shape in SIZED and row.amount is None:
            report.add("shapes", index, "amount", f"shape {row.shape!r} needs an amount")
        elif row.shape not in SIZED and row.amount is not None:
            report.add("shapes", index, "amount", f"shape {row.shape!r} takes no amount; clear it")


def _level_names(instance: Instance, report: Report) -> None:
    levels = (*instance.hierarchy.levels, NODE)
    if "levels" in report.unread:
        return
    tables: dict[str, Sequence[Shape | Power]] = {"shapes": instance.shapes, "power": instance.power}
    for table, rows in tables.items():
        for index, row in enumerate(rows):
            if row.level is not None and row.level not in levels and report.sound(table, index, "level"):
                report.add(table, index, "level", f"unknown level {row.level!r}; {nearest(row.level, levels)}")


def _nested(instance: Instance, report: Report) -> None:
    """Segments of a coarse level are made of whole segments of the finer ones."""
    levels = [NODE, *reversed(instance.hierarchy.levels)]
    segments: dict[str, list[tuple[int, int, int]]] = {}
    for index, row in enumerate(instance.shapes):
        if report.whole("shapes", index) and row.shape == "segment" and row.level in levels and row.amount:
            segments.setdefault(row.project, []).append((levels.index(row.level), index, row.amount))
    for project, found in segments.items():
        for (_, _, fine), (_, index, coarse) in pairwise(sorted(found)):
            if coarse % fine:
                message = f"{coarse} GPUs of project {project!r} are not made of its finer segments of {fine}"
                report.add("shapes", index, "amount", f"{message}; take a multiple of {fine}")


def _subjects(instance: Instance, report: Report) -> None:
    """A limit that names an applicant, a group or a region names one that some project has."""
    known = {per: _known(instance, per, report) for per in ("applicant", "group", "region")}
    for index, row in enumerate(instance.limits):
        names = known.get(row.per)
        if row.of is not None and names is not None and row.of not in names and report.sound("limits", index, "of"):
            message = f"no project has the {row.per} {row.of!r}; {nearest(row.of, names)}"
            report.add("limits", index, "of", message)


def _known(instance: Instance, column: str, report: Report) -> set[str] | None:
    """Return what projects have in a column, None where that is not known of all."""
    rows = range(len(instance.projects))
    if "projects" in report.unread or not all(report.sound("projects", index, column) for index in rows):
        return None
    return {name for row in instance.projects if (name := getattr(row, column)) is not None}


def _counted(part: Sound, report: Report) -> None:
    """A limit counts somebody where it names whom, or demands something."""
    if not part.complete:
        return
    counted = {subject.limit.limit for subject in part.instance.policy.subjects}
    for index, row in part.rows("limits", part.instance.limits):
        within = f" of pool {row.pool!r}" if row.pool is not None else ""
        if row.limit not in counted and row.of is not None:
            message = f"no project{within} has the {row.per} {row.of!r}; correct of or pool"
            report.add("limits", index, "of", message)
        elif row.limit not in counted and row.least is not None:
            message = f"limit {row.limit!r} demands GPUs, but no project{within} is counted"
            report.add("limits", index, "least", message)


def _domains(part: Sound, report: Report) -> None:
    """A limit on the power of one domain names it by its path."""
    topology, policy = part.instance.topology, part.instance.policy
    known: dict[str, set[str]] = {}
    for index, row in part.rows("power", part.instance.power) if not part.lost else ():
        if row.domain is None:
            continue
        if row.level not in known:
            level = topology.levels.index(row.level)
            known[row.level] = {policy.domain_name(level, domain) for domain in range(topology.domain_count(level))}
        if row.domain not in known[row.level]:
            message = f"unknown {row.level} {row.domain!r}; {nearest(row.domain, known[row.level])}"
            report.add("power", index, "domain", message)


def _segment_sizes(part: Sound, report: Report) -> None:
    """A segment fits in a domain of its level."""
    instance, policy = part.instance, part.instance.policy
    if part.lost:
        return
    gpus = np.array([row.gpus for row in instance.inventory], dtype=np.int64)[instance.topology.group]
    largest = [int(np.bincount(domain, weights=gpus).max(initial=0)) for domain in instance.topology.domain]
    for index, row in part.rows("shapes", instance.shapes):
        if row.shape == "segment" and (row.amount or 0) > largest[policy.level(row)]:
            most = f"the largest {row.level}, which has {largest[policy.level(row)]} GPUs"
            report.add("shapes", index, "amount", f"a segment of {row.amount} GPUs is larger than {most}")


def _segment_amounts(part: Sound, report: Report) -> None:
    """Some amount that is asked can be cut into segments; a mix of kinds may, so it is not judged."""
    instance = part.instance
    if not part.complete:
        return
    for index, row in part.rows("shapes", instance.shapes):
        asked = instance.requests_of[row.project]
        mixed = instance.project_of[row.project].mix == "any" and len(asked) > 1
        if row.shape != "segment" or not asked or mixed:
            continue
        if not any(_has_multiple(instance.amounts(request), row.amount or 1) for request in asked):
            message = f"project {row.project!r} asks no amount that is a multiple of {row.amount} GPUs"
            report.add("shapes", index, "amount", f"{message}; change amount, or its request")


def _has_multiple(amounts: range, size: int) -> bool:
    """Tell whether a range holds a multiple of a size, without a walk through it."""
    common = math.gcd(amounts.step, size)
    if not amounts or amounts.start % common:
        return False
    period = size // common
    first = -amounts.start // common * pow(amounts.step // common, -1, period) % period
    return first < len(amounts)


POLICY_NAMES: tuple[Callable[[Instance, Report], None], ...] = (
    _tiers,
    _limit_rows,
    _rate_rows,
    _guarantee_rows,
    _calls,
    _shares,
    _loads,
    _shape_rows,
    _level_names,
    _nested,
    _subjects,
)
POLICY_SENSE: tuple[Callable[[Sound, Report], None], ...] = (_counted, _domains, _segment_sizes, _segment_amounts)
