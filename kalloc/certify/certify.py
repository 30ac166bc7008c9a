"""From a result to the certificate of its bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, gcd
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError
from kalloc.certificate.facts import fact, score
from kalloc.certificate.plans import TIERS, Plans
from kalloc.certify.facts import Site, markets, sites
from kalloc.certify.plans import Tree
from kalloc.instance import Instance
from kalloc.plan import Result
from kalloc.solver import Limits, Stop, abandonable

SECONDS, SHARE = 8.0, 0.25
"""Wall time that a certificate may take: so many seconds, or such a share of what the solve took."""
MOST_NODES, MOST_BUNDLES = 3_000, 20_000
"""Nodes, and bundles of all projects together, up to which fragmentation is bounded for every plan."""
MOST_PARTITIONS = 3
"""Ways to take levels together that are tried for a bound of every plan."""

UNFIT = (RefusedError, ArithmeticError, ValueError, RecursionError)
"""What an instance too large or too odd for proofs leads to: its bounds stay a solver's word."""

Run = tuple[str, ...]
"""A level, or a level and the next finer one that costs something."""
Proof = dict[str, Any]


def certify(instance: Instance, result: Result, path: str | None = None, stop: Stop | None = None) -> Result:
    """Return the result with the certificate of its bounds; where none is found in time, a solver's word stands.

    Args:
        instance: what was solved.
        result: what came out, with its bounds.
        path: where the instance is, seen from the directory that the certificate will be in.
        stop: an object with ``is_set()``; once set, a solver's word stands for every bound.
    """
    seconds = max(SECONDS, SHARE * sum(result.seconds.get(step, 0.0) for step in ("allocate", "place")))
    limits = Limits(deadline=time.monotonic() + seconds, stop=stop)
    work = _Work(instance, result, limits)
    document = abandonable(lambda: work.document(path), limits)
    if document is None:
        document = _Work(instance, result, limits).document(path)
    return replace(result, certificate=document)


class _Work:
    """One certificate in the making."""

    def __init__(self, instance: Instance, result: Result, limits: Limits) -> None:
        self.case, self.result, self.limits = Case(instance), result, limits
        self.granted: dict[str, Bundle] = {}
        for row in result.plan.grants:
            if row.gpus:
                self.granted[row.project] = {**self.granted.get(row.project, {}), row.kind: row.gpus}
        self.weight = dict(zip(self.case.levels, self.case.weights, strict=True))
        self.costly = [level for level in self.case.levels if self.weight[level]]
        self.facts: dict[Run, tuple[dict[str, Any], int]] = {}
        """What was sought, and what it proves."""

    def document(self, path: str | None) -> dict[str, Any]:
        """Return the certificate, but for the hash of the plan's file."""
        told: dict[str, tuple[float | None, str | None]] = {}
        told |= {tier.name: (tier.bound, tier.given) for tier in self.result.tiers}
        told.setdefault("fragmentation", (self.result.fragmentation_bound, "allocation"))
        tiers = {name: {"bound": tier[0], "proof": self._tier(name, *tier)} for name, tier in told.items()}
        levels = {
            name: {"bound": level.bound, "proof": self._level(name, level.bound)}
            for name, level in self.result.levels.items()
        }
        return {
            "format": 1,
            "instance": {"name": self.case.instance.name, "sha256": self.case.instance.sha256, "path": path},
            "tiers": tiers,
            "levels": levels,
            "facts": self._used([*tiers.values(), *levels.values()]),
        }

    def _used(self, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the facts that proofs use, and have them use numbers."""
        proofs = [entry["proof"] for entry in entries if entry["proof"] is not None and "facts" in entry["proof"]]
        runs = list(dict.fromkeys(run for proof in proofs for run in proof["facts"]))
        for proof in proofs:
            proof["facts"] = [runs.index(run) for run in proof["facts"]]
        return [self.facts[run][0] for run in runs]

    def _tier(self, name: str, bound: float | None, given: str | None) -> Proof | None:
        if bound is None or name not in (*TIERS, "fragmentation") or self.limits.stopped:
            return None
        try:
            return self._fragmentation(bound, given) if name == "fragmentation" else self._worth(name, bound)
        except UNFIT:
            return None

    def _level(self, name: str, bound: int | None) -> Proof | None:
        """Return a proof of the spans of a level: what projects need, or prices of parts."""
        if bound is None or self.limits.stopped:
            return None
        try:
            if self._without((name,)) >= bound:
                return {"facts": []}
            return {"facts": [(name,)]} if self._with((name,)) >= bound else None
        except UNFIT:
            return None

    def _without(self, run: Run) -> int:
        """Return what projects span at least, whatever others do."""
        return fact(self.case, self.granted, {"levels": list(run), "markets": []})

    def _with(self, run: Run) -> int:
        """Return what prices of parts prove of some levels."""
        if run not in self.facts:
            costs = [1] if len(run) == 1 else [self.weight[level] for level in run]
            entry = {"levels": list(run), "markets": markets(self.case, run, costs, self.granted, self.limits)}
            self.facts[run] = entry, fact(self.case, self.granted, entry)
        return self.facts[run][1]

    def _floors(self, name: str) -> dict[str, int]:
        """Return what the plan reaches on the tiers before one, as far as projects add to them one by one."""
        names = [tier.name for tier in self.result.tiers]
        before = [tier for tier in names[: names.index(name)] if tier in TIERS] if name in names else []
        return {tier: sum(TIERS[tier](self.case, *of) for of in self.granted.items()) for tier in before}

    def _worth(self, name: str, bound: float) -> Proof | None:
        """Return a proof of the most of a tier: prices of GPUs, in branches where they leave a gap.

        Where projects must sit whole in one domain, parts of their levels get prices, too.
        """
        case, unit = self.case, self.case.unit if name == "merit" else 1
        step = gcd(*(TIERS[name](case, p, some) for p in case.instance.project_of for some in case.bundles(p))) or 1

        def enough(least: Fraction) -> bool:
            return float(Fraction(floor(-least / step) * step, unit)) <= bound

        walls = sorted({case.level(row.project) for row in case.instance.projects} - {-1})
        plans = Plans(case, name, self._floors(name))
        found = Tree(plans, [], enough, self.limits).grow()
        if found is None and walls:
            runs: list[Run] = [(case.levels[level],) for level in walls]
            places = list(dict.fromkeys([*self._sites(runs), *self._sites(runs, linked=False)]))
            found = Tree(plans, places, enough, self.limits).grow()
        return found

    def _fragmentation(self, bound: float, given: str | None) -> Proof | None:
        """Return a proof of the least fragmentation: facts about levels, or prices of parts and GPUs together."""
        if bound <= 0:
            return {"facts": []}
        runs = self._best_runs(bound)
        reached = score(self.case, self.granted, (self.facts[run][0] for run in runs)) >= bound
        only = {} if given is not None else self._only()
        if only is None:
            return self._everywhere(bound, runs)
        return {"facts": runs, **only} if reached else None

    def _only(self) -> Proof | None:
        """Return prices at which no other allocation has as much merit; None where these are not none at all."""
        free = {"denominator": 1, "tiers": {}, "rules": {}, "branches": [], "markets": []}
        try:
            Plans(self.case, "merit", {}).only(free, self.granted, self._floors("fragmentation").get("merit", 0))
        except RefusedError:
            return None
        return {"only": free}

    def _best_runs(self, bound: float) -> list[Run]:
        """Return facts that prove the most together: of single levels, and of two where that is not enough."""
        alone: list[Run] = [(level,) for level in self.costly]
        total, runs = self._together(alone)
        if total < bound:
            total, runs = self._together([*alone, *pairwise(self.costly)])
        return runs

    def _together(self, runs: Sequence[Run]) -> tuple[int, list[Run]]:
        """Return the most that facts of different levels prove, and the facts."""
        gain = {run: self._gain(run) for run in runs}
        best: list[tuple[int, list[Run]]] = [(score(self.case, self.granted, []), [])]
        for at, level in enumerate(self.costly, 1):
            ways = [best[-1]]
            for run in (run for run in runs if run[-1] == level and gain[run] > 0):
                before, others = best[at - len(run)]
                ways.append((before + gain[run], [*others, run]))
            best.append(max(ways, key=lambda way: way[0]))
        return best[-1]

    def _gain(self, run: Run) -> int:
        """Return the weight that prices of parts prove beyond what projects span at least."""
        if len(run) > 1:
            return self._with(run) - self._without(run)
        bound, without = self.result.levels[run[0]].bound, self._without(run)
        return (self._with(run) - without) * self.weight[run[0]] if bound is not None and bound > without else 0

    def _everywhere(self, bound: float, runs: Sequence[Run]) -> Proof | None:
        """Return a proof for every plan of as much merit."""
        case, step = self.case, gcd(*self.case.weights) or 1

        def enough(least: Fraction) -> bool:
            return ceil(least / step) * step >= bound

        bundles = sum(len(case.bundles(project)) for project in case.instance.project_of)
        if case.instance.topology.node_count > MOST_NODES or bundles > MOST_BUNDLES:
            return None
        plans = Plans(case, "fragmentation", self._floors("fragmentation"))
        for partition in self._partitions(runs)[:MOST_PARTITIONS]:
            try:
                found = Tree(plans, self._sites(partition), enough, self.limits).grow()
            except RefusedError:
                continue
            if found is not None:
                return found
        return None

    def _sites(self, runs: Sequence[Run], linked: bool = True) -> list[Site]:
        """Return markets for all that projects may get."""
        wanted = {project: self.case.bundles(project) for project in self.case.instance.project_of}
        return [site for run in runs for site in sites(self.case, run, wanted, linked)]

    def _partitions(self, first: Sequence[Run]) -> list[list[Run]]:
        """Return all ways to take the levels alone or in twos, beginning with those that have most twos in common."""

        def ways(at: int) -> Iterator[list[Run]]:
            if at == len(self.costly):
                yield []
            for count in (1, 2):
                if at + count <= len(self.costly):
                    yield from ([tuple(self.costly[at : at + count]), *rest] for rest in ways(at + count))

        def strange(runs: list[Run]) -> tuple[int, int]:
            twos = [run for run in runs if len(run) == 2]
            return -sum(run in first for run in twos), len(twos)

        return sorted(ways(0), key=strange)
