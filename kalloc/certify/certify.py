"""From a result to the certificate of its bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from math import floor
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError
from kalloc.certificate.plans import Plans
from kalloc.certificate.seats import Seats, fragmentation, spans_of
from kalloc.certificate.standing import Standing
from kalloc.certify.facts import Fact, Site, sites
from kalloc.certify.levels import Levels, Run
from kalloc.certify.plans import MAX_LEAVES, Tree
from kalloc.instance import Instance, Tier
from kalloc.instance.objective import SENSES
from kalloc.plan import Result
from kalloc.solver import Limits, Stop, abandonable
from kalloc.verify import Records
from kalloc.verify import score as score_of

SECONDS, SHARE = 2.0, 0.2
"""Wall time that a certificate may take: so many seconds, and such a share of what the solve took."""
MOST_NODES, MOST_BUNDLES = 3_000, 20_000
"""Nodes, and bundles of all projects together, up to which fragmentation is bounded for every plan."""
LEAVES_A_STEP = 12
"""Leaves of the largest tree that is sought for one of many steps: if one takes more, there is no hope for them all."""
FEW_RANKED = 8
"""Projects that are ranked together at first: as many again where that is proven, fewer where it is not."""
MOST_PARTITIONS = 3
"""Ways to take levels together that are tried for a bound of every plan."""

UNFIT = (RefusedError, ArithmeticError, ValueError, RecursionError)
"""What an instance too large or too odd for proofs leads to: its bounds stay a solver's word."""

Proof = dict[str, Any]


def certify(
    instance: Instance,
    result: Result,
    path: str | None = None,
    stop: Stop | None = None,
    seconds: float | None = None,
) -> Result:
    """Return the result with the certificate of its bounds; where none is found in time, a solver's word stands.

    Args:
        instance: what was solved.
        result: what came out, with its bounds.
        path: where the instance is, seen from the directory that the certificate will be in.
        stop: an object with ``is_set()``; once set, a solver's word stands for every bound.
        seconds: wall time that it may take; where it is not given, 2 and a fifth of what the solve took.
    """
    if seconds is None:
        seconds = SECONDS + SHARE * sum(result.seconds.get(step, 0.0) for step in ("allocate", "place"))
    limits = Limits(deadline=time.monotonic() + seconds, stop=stop)
    work = _Work(instance, result, limits)
    document = work.document(path) if limits.stopped else abandonable(lambda: work.document(path), limits)
    if document is None:
        document = _Work(instance, result, limits).document(path)
    return replace(result, certificate=document)


class _Work:
    """One certificate in the making."""

    def __init__(self, instance: Instance, result: Result, limits: Limits) -> None:
        self.case, self.result, self.limits = Case(instance), result, limits
        self.parts: dict[str, dict[str, Any]] = {}
        """What is proven of a tier, where that is less than its bound."""
        self.granted: dict[str, Bundle] = {}
        for row in result.plan.grants:
            if row.gpus:
                self.granted[row.project] = {**self.granted.get(row.project, {}), row.kind: row.gpus}

    @cached_property
    def records(self) -> Records:
        """What the plan says."""
        return Records.of(self.case.instance, self.result.plan)

    @cached_property
    def standing(self) -> Standing:
        """What the plan reaches of every tier."""
        return Standing(self.case, score_of(self.case.instance, self.result.plan, self.records), self.granted)

    @cached_property
    def levels(self) -> Levels:
        """Facts about what is granted."""
        return Levels(self.case, self.granted, self.records, self.limits)

    def document(self, path: str | None) -> dict[str, Any]:
        """Return the certificate, but for the hash of the plan's file."""
        told: dict[str, tuple[float | None, str | None]] = {}
        told |= {tier.name: (tier.bound, tier.given) for tier in self.result.tiers}
        told.setdefault("fragmentation", (self.result.fragmentation_bound, "allocation"))
        levels = {
            name: {"bound": level.bound, "proof": self._level(name, level.bound)}
            for name, level in self.result.levels.items()
        }
        proofs = {name: self._tier(name, *told[name]) for name in sorted(told, key=lambda of: told[of][1] is None)}
        tiers = {name: {"bound": bound, "proof": proofs[name]} for name, (bound, _) in told.items()}
        for name, part in self.parts.items():
            if proofs[name] is None:
                tiers[name]["part"] = part
        return {
            "format": 1,
            "instance": {"name": self.case.instance.name, "sha256": self.case.instance.sha256, "path": path},
            "tiers": tiers,
            "levels": levels,
            "facts": self._used([*tiers.values(), *levels.values()]),
        }

    def _used(self, entries: Sequence[dict[str, Any]]) -> list[Fact]:
        """Return the facts that proofs use, and have them use numbers."""
        facts: list[Fact] = []
        proofs = [of.get("part", of)["proof"] for of in entries]
        for proof in (of for of in proofs if of is not None and "facts" in of):
            facts += (fact for fact in proof["facts"] if fact not in facts)
            proof["facts"] = [facts.index(fact) for fact in proof["facts"]]
        return facts

    def _tier(self, name: str, bound: float | None, given: str | None) -> Proof | None:
        if bound is None:
            return None
        if name == "fragmentation":
            attempts = [lambda: self._fragmentation(bound, given), lambda: self._seated(bound, given)]
        else:
            attempts = [lambda: self._goal(name, bound, None), lambda: self._goal(name, bound, self.seats)]
        return self._first(attempts)

    def _first(self, attempts: Sequence[Callable[[], Proof | None]]) -> Proof | None:
        """Return the proof of the first attempt that has one."""
        for attempt in attempts:
            try:
                if self.limits.stopped:
                    return None
                if (found := attempt()) is not None:
                    return found
            except UNFIT:
                continue
        return None

    def _level(self, name: str, bound: int | None) -> Proof | None:
        """Return a proof of the spans of a level: what projects need, prices of parts, or seats one by one."""
        if bound is None:
            return None

        def by_facts() -> Proof | None:
            found = self.levels.of_level(name, bound)
            return None if found is None else {"facts": found}

        def by_seats() -> Proof | None:
            aim = spans_of(self.seats, self.case.levels.index(name))
            return self._tree(Plans(self.case, aim, seats=self.seats, only=self.granted), -bound)

        return self._first([by_facts, by_seats])

    @cached_property
    def seats(self) -> Seats:
        """All seats, one by one."""
        return Seats(self.case)

    def _tree(
        self, plans: Plans, most: Fraction | int, places: Sequence[Site] = (), leaves: int = MAX_LEAVES
    ) -> Proof | None:
        """Return a tree that proves a sum to be no more than something; seats are told of."""
        return None if self.limits.over else _told(plans, self._seek(plans, most, places, leaves).grow())

    def _seek(self, plans: Plans, most: Fraction | int, places: Sequence[Site] = (), leaves: int = MAX_LEAVES) -> Tree:
        def enough(least: Fraction) -> bool:
            return floor(-least / plans.step) * plans.step <= most

        return Tree(plans, places, enough, self.limits, leaves)

    def _goal(self, name: str, bound: float, seats: Seats | None) -> Proof | None:
        """Return a proof of the most of a tier: prices of GPUs, in branches where they leave a gap.

        What prices prove without a branch is a part of it, where that is not enough.
        """
        if self.limits.over:
            return None
        tier = self.standing.tiers[name]
        if name == "ranked":
            return self._ranked(seats)
        if tier.rule == "maxmin":
            return self._shares(tier, seats)
        aim, sign = self.standing.aim(tier, seats), 1 if SENSES[name] == "max" else -1
        assert aim is not None
        most = aim.reached if bound == float(self.standing.score.tiers[name]) else sign * Fraction(bound) * aim.unit
        plans = Plans(self.case, aim, **self.standing.common(name, seats))
        tree = self._seek(plans, most)
        found = tree.grow()
        if found is None and seats is None and (root := tree.root()) is not None:
            proven = float(sign * Fraction(plans.most(root), aim.unit))
            self.parts[name] = {"bound": proven, "proof": root}
        return _told(plans, found) or self._with_walls(plans, most)

    def _with_walls(self, plans: Plans, most: Fraction | int) -> Proof | None:
        """Return a tree where parts of levels have prices, too, of which one domain must hold some project whole."""
        case = self.case
        walls = sorted({case.level(row.project) for row in case.instance.projects} - {-1})
        if not walls or plans.seats is not None:
            return None
        runs: list[Run] = [(case.levels[level],) for level in walls]
        places = list(dict.fromkeys([*self._sites(runs), *self._sites(runs, linked=False)]))
        return self._tree(plans, most, places)

    def _ranked(self, seats: Seats | None) -> Proof | None:
        """Return a proof of a ranking: of as many of the next projects at once as can be, that none gets more."""
        standing, steps = self.standing, list[Proof]()
        standing.proven["ranked"] = 0
        count = FEW_RANKED
        while left := standing.next():
            count = min(count, len(left))
            aim = standing.ahead(count)
            plans = Plans(self.case, aim, **self.standing.common("ranked", seats))
            found = self._tree(plans, 0, leaves=1 if count > 1 else LEAVES_A_STEP)
            if found is not None:
                steps.append({"projects": count, **found})
                standing.proven["ranked"] += count
                count *= 2
            elif count == 1 or self.limits.over:
                return None
            else:
                count = max(1, count // 4)
        return {"steps": steps}

    def _shares(self, tier: Tier, seats: Seats | None) -> Proof | None:
        """Return a proof of the smallest share, and of the next as far as there is time."""
        steps = list[Proof]()
        self.standing.proven[tier.name] = 0
        for number in range(len(self.standing.score.profile)):
            at_least, more = self.standing.share(tier.name, number)
            plans = Plans(self.case, more, **self.standing.common(tier.name, seats))
            found = self._tree(plans, more.reached, leaves=LEAVES_A_STEP)
            if found is None and number == 0:
                found = self._tree(plans, at_least.reached - 1)
                return None if found is None else {"steps": [found]}
            if found is None:
                break
            self.standing.proven[tier.name] += 1
            steps.append(found)
        return {"steps": steps}

    def _fragmentation(self, bound: float, given: str | None) -> Proof | None:
        """Return a proof of the least fragmentation: facts about levels, or prices of parts and GPUs together."""
        if bound <= 0:
            return {"facts": []}
        only = {} if given is not None else self._only()
        if only is None:
            return self._everywhere(bound)
        facts, least = self.levels.of_score(bound, seek=not self.result.sees_three_levels)
        proof = {"facts": facts, **only}
        if 0 < least < bound:
            self.parts["fragmentation"] = {"bound": least, "proof": proof}
        return proof if least >= bound else None

    def _only(self) -> Proof | None:
        """Return prices at which no other allocation is as good; None where these are not none at all."""
        free = {"denominator": 1, "tiers": {}, "rules": {}, "branches": [], "markets": []}
        try:
            worth = self.standing.worth("fragmentation")
            Plans(self.case, self.standing.first, worth=worth).only(free, self.granted)
        except RefusedError:
            return None
        return {"only": free}

    def _everywhere(self, bound: float) -> Proof | None:
        """Return a proof for every plan as good before."""
        case = self.case
        bundles = sum(len(case.bundles(project)) for project in case.instance.project_of)
        unranked = any(tier.name == "ranked" for tier in self.standing.before("fragmentation")) and self.standing.next()
        if case.instance.topology.node_count > MOST_NODES or bundles > MOST_BUNDLES or unranked:
            return None
        plans = Plans(case, None, **self.standing.common("fragmentation", None))
        for partition in self._partitions()[:MOST_PARTITIONS]:
            try:
                found = self._tree(plans, -Fraction(bound), self._sites(partition))
            except RefusedError:
                continue
            if found is not None:
                return found
        return None

    def _seated(self, bound: float, given: str | None) -> Proof | None:
        """Return a proof of the least fragmentation that looks at seats one by one."""
        common = self.standing.common("fragmentation", self.seats)
        common = common if given is None else {"seats": self.seats, "only": self.granted}
        return self._tree(Plans(self.case, fragmentation(self.seats), **common), -Fraction(bound))

    def _sites(self, runs: Sequence[Run], linked: bool = True) -> list[Site]:
        """Return markets for all that projects may get."""
        wanted = [(project, bundle) for project in self.case.asks for bundle in self.case.bundles(project)]
        return [site for run in runs for site in sites(self.case, run, wanted, linked)]

    def _partitions(self) -> list[list[Run]]:
        """Return all ways to take the levels alone or in twos, beginning with those that have fewest twos."""

        costly = [level for level, of in zip(self.case.levels, self.case.weights, strict=True) if of]

        def ways(at: int) -> Iterator[list[Run]]:
            if at == len(costly):
                yield []
            for count in (1, 2):
                if at + count <= len(costly):
                    yield from ([tuple(costly[at : at + count]), *rest] for rest in ways(at + count))

        return sorted(ways(0), key=lambda runs: -len(runs))


def _told(plans: Plans, tree: Proof | None) -> Proof | None:
    """Return a tree that tells whether it looks at seats one by one."""
    return tree if tree is None or plans.seats is None else {"seats": True, **tree}
