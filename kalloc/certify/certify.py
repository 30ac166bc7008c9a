"""From a result to the certificate of its bounds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, gcd, inf
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError
from kalloc.certificate.facts import fact, score
from kalloc.certificate.plans import Plans
from kalloc.certify.facts import priced, sites
from kalloc.certify.plans import Tree
from kalloc.instance import Instance
from kalloc.plan import Result
from kalloc.solver import Limits

MOST_PARTITIONS = 3
"""Ways to take levels together that are tried for a bound of every plan."""
Fact = dict[str, Any]


def certify(instance: Instance, result: Result, seconds: float = 60.0) -> Result:
    """Return the result with the certificate of its bounds; where none was found in time, the solver's word stands.

    Args:
        instance: what was solved.
        result: what came out, with its bounds.
        seconds: of wall time that it may take.
    """
    work = _Work(instance, result, Limits(deadline=time.monotonic() + seconds))
    document = work.document()
    proofs = [entry["proof"] for part in ("tiers", "levels") for entry in document[part].values() if entry["bound"] is not None]
    return replace(result, certificate=document, certified=(sum(proof is not None for proof in proofs), len(proofs)))


class _Work:
    """One certificate in the making."""

    def __init__(self, instance: Instance, result: Result, limits: Limits) -> None:
        self.case, self.result, self.limits = Case(instance), result, limits
        self.granted: dict[str, Bundle] = {}
        for row in result.plan.grants:
            if row.gpus:
                self.granted[row.project] = {**self.granted.get(row.project, {}), row.kind: row.gpus}
        self.merit = sum(self.case.merit(project, bundle) for project, bundle in self.granted.items())
        self.facts: dict[tuple[str, ...], Fact] = {}
        self.proven: dict[tuple[str, ...], int] = {}

    def document(self) -> dict[str, Any]:
        """Return the certificate, but for the hash of the plan's file."""
        levels = {
            name: {"bound": level.bound, "proof": None if level.bound is None else self._level(name, level.bound)}
            for name, level in self.result.levels.items()
        }
        tiers = {tier.name: (tier.bound, tier.given) for tier in self.result.tiers}
        tiers.setdefault("fragmentation", (self.result.fragmentation_bound, "allocation"))
        proofs = {"merit": self._merit, "fragmentation": self._fragmentation}
        told = {
            name: {"bound": bound, "proof": None if bound is None else proofs[name](bound, given)}
            for name, (bound, given) in tiers.items()
        }
        numbers = {run: number for number, run in enumerate(self.facts)}
        for entry in (*told.values(), *levels.values()):
            if entry["proof"] is not None and "facts" in entry["proof"]:
                entry["proof"]["facts"] = [numbers[run] for run in entry["proof"]["facts"]]
        instance = self.case.instance
        return {
            "format": 1,
            "instance": {"name": instance.name, "sha256": instance.sha256},
            "tiers": told,
            "levels": levels,
            "facts": list(self.facts.values()),
        }

    def _level(self, name: str, bound: int) -> dict[str, Any] | None:
        """Return a proof of the spans of a level: what projects need, or prices of parts."""
        if fact(self.case, self.granted, {"levels": [name], "markets": []}) >= bound:
            return {"facts": []}
        return {"facts": [(name,)]} if self._fact((name,)) >= bound else None

    def _fact(self, run: tuple[str, ...]) -> int:
        """Return what prices of parts prove of some levels, and keep the fact."""
        if run not in self.proven:
            costs = [1] if len(run) == 1 else [self.case.weights[self.case.levels.index(level)] for level in run]
            markets = []
            for site in sites(self.case, run, {project: [bundle] for project, bundle in self.granted.items()}):
                try:
                    markets.append(priced(self.case, site, costs, self.granted, inf, self.limits)[0])
                except RefusedError:
                    continue
            self.facts[run] = {"levels": list(run), "markets": markets}
            self.proven[run] = fact(self.case, self.granted, self.facts[run])
        return self.proven[run]

    def _merit(self, bound: float, given: str | None) -> dict[str, Any] | None:
        """Return a proof of the most merit: prices of GPUs, in branches where they leave a gap."""
        case = self.case

        def enough(least: Fraction) -> bool:
            return float(Fraction(floor(-least / case.grain) * case.grain, case.unit)) <= bound

        return Tree(Plans(case), [], enough, self.limits).grow()

    def _fragmentation(self, bound: int, given: str | None) -> dict[str, Any] | None:
        """Return a proof of the least fragmentation: facts about levels, or prices of parts and GPUs together."""
        if bound <= 0:
            return {"facts": []}
        runs = self._best_runs(bound)
        proof: dict[str, Any] = {"facts": runs}
        if score(self.case, self.granted, (self.facts[run] for run in runs)) >= bound:
            if given is not None:
                return proof
            only = {"denominator": 1, "merit": 0, "rules": {}, "branches": [], "markets": []}
            try:
                Plans(self.case).only(only, self.granted)
                return {**proof, "only": only}
            except RefusedError:
                pass
        return self._everywhere(bound, runs)

    def _best_runs(self, bound: int) -> list[tuple[str, ...]]:
        """Return facts that prove the most together: of single levels, and of two where those do not prove enough."""
        weight = dict(zip(self.case.levels, self.case.weights, strict=True))
        costly = [level for level in self.case.levels if weight[level]]
        runs: list[tuple[str, ...]] = [(level,) for level in costly]
        best = self._sum(costly, runs)
        if best[0] < bound:
            best = self._sum(costly, [*runs, *zip(costly, costly[1:], strict=False)])
        return best[1]

    def _sum(self, costly: Sequence[str], runs: Iterable[tuple[str, ...]]) -> tuple[int, list[tuple[str, ...]]]:
        """Return the most that facts of different levels prove beyond what is needed, and the facts."""
        weight = dict(zip(self.case.levels, self.case.weights, strict=True))
        worth = {}
        for run in runs:
            without = fact(self.case, self.granted, {"levels": list(run), "markets": []})
            worth[run] = (self._fact(run) - without) * (weight[run[0]] if len(run) == 1 else 1)
        best: list[tuple[int, list[tuple[str, ...]]]] = [(0, [])]
        for at, level in enumerate(costly, 1):
            ways = [(best[at - len(run)][0] + gain, [*best[at - len(run)][1], run]) for run, gain in worth.items() if run[-1] == level and gain > 0]
            best.append(max([best[at - 1], *ways], key=lambda way: way[0]))
        return best[-1][0] + self._unavoidable(), best[-1][1]

    def _unavoidable(self) -> int:
        return score(self.case, self.granted, [])

    def _everywhere(self, bound: int, runs: list[tuple[str, ...]]) -> dict[str, Any] | None:
        """Return a proof for every plan of as much merit."""
        case, step = self.case, gcd(*self.case.weights) or 1

        def enough(least: Fraction) -> bool:
            return ceil(least / step) * step >= bound

        plans = Plans(case, self.merit)
        for partition in list(self._partitions(runs))[:MOST_PARTITIONS]:
            try:
                wanted = {project: list(case.bundles(project)) for project in case.instance.project_of}
                places = [site for run in partition for site in sites(case, run, wanted)]
                found = Tree(plans, places, enough, self.limits).grow()
            except RefusedError:
                continue
            if found is not None:
                return found
        return None

    def _partitions(self, first: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
        """Yield ways to take all levels that cost something alone or in twos, beginning with one that was good."""
        costly = [level for level, weight in zip(self.case.levels, self.case.weights, strict=True) if weight]
        found: list[list[tuple[str, ...]]] = [[]]
        open_ = [(0, list[tuple[str, ...]]())]
        found = []
        while open_:
            at, runs = open_.pop()
            if at == len(costly):
                found.append(runs)
                continue
            open_ += [(at + count, [*runs, tuple(costly[at : at + count])]) for count in (1, 2) if at + count <= len(costly)]
        yield from sorted(found, key=lambda runs: (-sum(run in first for run in runs if len(run) > 1), sum(len(run) > 1 for run in runs)))
