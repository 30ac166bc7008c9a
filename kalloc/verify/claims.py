"""Whether a summary says of a plan what is true of it: figures recomputed, bounds on the right side, proofs closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from math import isclose
from typing import TYPE_CHECKING, Any, TypeGuard

from kalloc.slots import block_rows, slot_rows
from kalloc.verify.rules import verify
from kalloc.verify.score import Score, score
from kalloc.verify.violation import Violation

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

Found = Iterator[Violation]

ENDS = ("optimal", "gap_reached", "time_limit", "interrupted")
"""How a solve that made a plan can end."""
LARGEST = 1e300
"""Numbers from here on, infinities and what is not a number are refused."""


def claims(instance: Instance, plan: Plan, result_summary: Mapping[str, Any]) -> list[Violation]:
    """Return everything in a summary that the plan does not bear out; nothing when all is true of it.

    What cannot be recomputed is left out: times, memory, and whether a bound that is on the right side was proven.
    """
    broken = verify(instance, plan)
    if broken:
        return [Violation("score", f"the summary speaks of a plan that breaks rules ({len(broken)} times)")]
    exact = score(instance, plan)
    found = [*_facts(instance, exact, result_summary), *_tiers(instance, exact, result_summary)]
    found += [*_fragmentation(exact, result_summary), *_proof(result_summary), *_certified(result_summary)]
    return [*found, *_free(instance, plan, result_summary)]


def _facts(instance: Instance, exact: Score, summary: Mapping[str, Any]) -> Found:
    nation: dict[str, float | str] = {
        "name": instance.name,
        "sha256": instance.sha256,
        "gpus": sum(row.gpus * row.count for row in instance.inventory),
        "nodes": instance.topology.node_count,
        "projects": len(instance.projects),
    }
    gpus: dict[str, float | str] = {
        "available": instance.gpus_available,
        "requested": instance.gpus_requested,
        "allocated": exact.gpus,
    }
    for section, true in (("instance", nation), ("gpus", gpus)):
        for key, value in true.items():
            yield from _same(f"{section}.{key}", _get(summary, section, key), value)
    if summary.get("verified") is not True:
        yield Violation("score", f"verified is {summary.get('verified')!r}, though the plan is clean")


def _tiers(instance: Instance, exact: Score, summary: Mapping[str, Any]) -> Found:
    from kalloc.instance.objective import SENSES

    tiers = _rows(summary)
    names = [tier.get("name") for tier in tiers]
    if names != list(instance.objective.names):
        yield Violation("format", f"tiers are {names}, not {list(instance.objective.names)}")
        return
    for stated, tier in zip(instance.objective.tiers, tiers, strict=True):
        where, true = f"tiers.{stated.name}", float(exact.tiers[stated.name])
        yield from _same(f"{where}.value", tier.get("value"), true)
        yield from _bound(where, tier.get("bound"), true, upper=SENSES[stated.name] == "max")
        yield from _gap(where, tier.get("gap"), tier.get("bound"), true)
        if stated.name == "ranked" and tier.get("bound") not in (None, true):
            yield Violation("score", f"{where}.bound is {tier.get('bound')!r}, not null or the value {true!r}")
        if tier.get("given") not in (None, "allocation"):
            yield Violation("format", f"{where}.given is {tier.get('given')!r}, not null or 'allocation'")
        if tier.get("profile") is not None:
            yield from _profile(where, tier["profile"], exact if stated.rule == "maxmin" else None)


def _profile(where: str, claimed: object, exact: Score | None) -> Found:
    if exact is None:
        yield Violation("format", f"{where} has a profile, but only fairness with the rule maxmin has one")
        return
    true = [[float(share), count] for share, count in exact.profile]
    if not isinstance(claimed, list | tuple):
        yield Violation("format", f"{where}.profile is {claimed!r}, not a list")
        return
    for entry, (said, so) in enumerate(zip_longest(claimed, true), start=1):
        if not isinstance(said, list | tuple) or not all(map(_number, said)) or list(said) != so:
            yield Violation("score", f"{where}.profile: entry {entry} is {said!r}, not {so!r}")
            return


def _fragmentation(exact: Score, summary: Mapping[str, Any]) -> Found:
    yield from _same("fragmentation.score", _get(summary, "fragmentation", "score"), exact.fragmentation)
    yield from _bound("fragmentation", _get(summary, "fragmentation", "bound"), exact.fragmentation, upper=False)
    levels = _get(summary, "fragmentation", "levels")
    names = list(levels) if isinstance(levels, Mapping) else levels
    if names != list(exact.levels):
        yield Violation("format", f"fragmentation.levels are {names}, not {list(exact.levels)}")
        return
    for name, level in exact.levels.items():
        where = f"fragmentation.levels.{name}"
        yield from _same(f"{where}.spans", _get(levels, name, "spans"), level.spans)
        yield from _same(f"{where}.need", _get(levels, name, "need"), level.need)
        yield from _bound(where, _get(levels, name, "bound"), level.spans, upper=False)


def _free(instance: Instance, plan: Plan, summary: Mapping[str, Any]) -> Found:
    """Compare what is still free with what is counted anew."""
    for key, true in (("slots", slot_rows(instance, plan)), ("blocks", block_rows(instance, plan))):
        claimed = _get(summary, key)
        if not isinstance(claimed, list) or len(claimed) != len(true):
            yield Violation("format", f"{key} must have {len(true)} rows, one for every level and kind as counted")
            continue
        for row, (said, counted) in enumerate(zip(claimed, true, strict=True), 1):
            if said != counted:
                yield Violation("score", f"{key} row {row} is {said!r}, not {counted!r}")


def _proof(summary: Mapping[str, Any]) -> Found:
    if summary.get("termination") not in ENDS:
        yield Violation("format", f"termination is {summary.get('termination')!r}; with a plan it is one of {ENDS}")
    if summary.get("solution") not in ("proven", "feasible"):
        yield Violation("format", f"solution is {summary.get('solution')!r}; with a plan it is proven or feasible")
    if summary.get("solution") == "proven":
        for tier in _rows(summary):
            if tier.get("bound") != tier.get("value"):
                yield Violation("score", f"solution is proven, but value and bound of {tier.get('name')!r} do not meet")
            elif tier.get("given") is not None:
                yield Violation("score", f"solution is proven, but {tier.get('name')!r} takes the allocation as given")


def _certified(summary: Mapping[str, Any]) -> Found:
    """Yield where the summary counts other bounds than it has; the certificate's own program counts the proofs."""
    claimed = summary.get("certified")
    if claimed is None:
        return
    named = {tier.get("name"): tier.get("bound") for tier in _rows(summary)}
    bounds = {"fragmentation": _get(summary, "fragmentation", "bound"), **named}
    levels = _get(summary, "fragmentation", "levels")
    found = [*bounds.values(), *(_get(levels, name, "bound") for name in levels or ())]
    count = sum(bound is not None for bound in found)
    yield from _same("certified.bounds", _get(claimed, "bounds"), count)
    if not _number(_get(claimed, "certified")) or not 0 <= claimed["certified"] <= count:
        yield Violation("score", f"certified is {_get(claimed, 'certified')!r}, of {count} bounds")


def _same(where: str, claimed: object, true: float | str) -> Found:
    sound = isinstance(claimed, str) if isinstance(true, str) else _number(claimed)
    if not sound or claimed != true:
        yield Violation("score", f"{where} is {claimed!r}, not {true!r}")


def _bound(where: str, bound: object, value: float, *, upper: bool) -> Found:
    if bound is None:
        return
    if not _number(bound):
        yield Violation("format", f"{where}.bound is {bound!r}, not a number")
    elif bound < value if upper else bound > value:
        side = "below" if upper else "above"
        yield Violation("score", f"{where}.bound is {bound!r}, {side} the value {value!r} that was reached")


def _gap(where: str, gap: object, bound: object, value: float) -> Found:
    if bound is None and gap is None:
        return
    if not _number(bound):
        yield Violation("score", f"{where}.gap is {gap!r}, though there is no bound")
        return
    true = abs(value - bound) / max(1, abs(value))
    if not _number(gap) or not isclose(gap, true, rel_tol=1e-9, abs_tol=1e-15):
        yield Violation("score", f"{where}.gap is {gap!r}, not {true!r}")


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def _get(summary: Any, *keys: str) -> Any:
    for key in keys:
        summary = summary.get(key) if isinstance(summary, Mapping) else None
    return summary


def _rows(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tiers = summary.get("tiers")
    return [tier for tier in tiers if isinstance(tier, Mapping)] if isinstance(tiers, list) else []
