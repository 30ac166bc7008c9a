"""Facts about the levels of an allocation: which of them prove a level's spans, and which the score together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from kalloc.certificate.case import Bundle, Case, Member, RefusedError
from kalloc.certificate.facts import beyond, costs_of, proven
from kalloc.certify.facts import Fact, Site, left_for, market_of, priced, sites
from kalloc.solver import Limits
from kalloc.verify import Records

Run = tuple[str, ...]
"""A level, or a level and the next finer one that costs something."""


class Levels:
    """Facts about an allocation, sought where the plan spans more than projects would alone, and kept."""

    def __init__(self, case: Case, granted: Mapping[str, Bundle], records: Records, limits: Limits) -> None:
        self.case, self.limits, self.members = case, limits, case.members(granted)
        self.known: dict[tuple[Site, frozenset[str]], Fact | None] = {}
        self.reached: dict[Member, list[int]] = {}
        for project, spans in records.spans.items():
            member = case.member(project, granted[project])
            before = self.reached.get(member, [0] * len(case.levels))
            self.reached[member] = [count + of for count, of in zip(before, spans, strict=True)]

    def of_level(self, name: str, bound: int) -> list[Fact] | None:
        """Return facts that prove so many spans of a level, None where there are none."""
        case, at = self.case, self.case.levels.index(name)
        need = sum(count * (case.spans(*member) or ())[at][0] for member, count in self.members.items())
        found: list[Fact] = []
        if need >= bound:
            return found
        wanted = self.sought((name,), self._forced(lambda member: (case.spans(*member) or ())[at]))
        while need + beyond(case, self.members, found, case.units[at], score=False) < bound:
            fact = next(wanted, None)
            if fact is None:
                return None
            found.append(fact)
        return found

    def of_score(self, bound: float, seek: bool = True) -> tuple[list[Fact], int]:
        """Return the facts that prove most fragmentation, no more than are needed for a bound, and what they prove.

        They are about single levels, then about two, the finest first. None about two are sought where that is in
        vain; what projects pay alone is all that is proven without any.
        """
        case, found = self.case, list[Fact]()
        costly = [level for level, weight in zip(case.levels, case.weights, strict=True) if weight]
        alone = self._forced(self._lone)
        singles: list[Run] = [(level,) for level in costly]
        pairs: list[list[Run]] = [[run] for run in reversed([*pairwise(costly)])]
        best: tuple[list[Fact], int] = [], 0
        for runs in [[], singles, *pairs] if seek else [singles]:
            more = [fact for run in runs for fact in self.sought(run, alone)]
            found += more
            if more or not runs:
                facts = self._best(found) if seek else found
                best = facts, beyond(case, self.members, facts, case.weights)
            if best[1] >= bound:
                break
        return best

    def _forced(self, told: Callable[[Member], tuple[int, int]]) -> frozenset[str]:
        """Return the projects whose shapes make what they pay alone more than what they need."""
        found = (member for member in self.members if self.case.shapes(member[0]) and not self.case.kept(member[0]))
        return frozenset(member[0] for member in found if told(member)[1] > told(member)[0])

    def _lone(self, member: Member) -> tuple[int, int]:
        return 0, beyond(self.case, {member: 1}, [], self.case.weights)

    def sought(self, run: Run, without: frozenset[str]) -> Iterator[Fact]:
        """Yield facts about a run of levels that prove more than what projects span alone, one for every site."""
        every = [(project, dict(bundle)) for project, bundle in self.members]
        for site in sorted(sites(self.case, run, every), key=self._left_over):
            if (site, without) not in self.known:
                try:
                    self.known[site, without] = None if self.limits.over else self._fact(site, without)
                except RefusedError:
                    self.known[site, without] = None
            if (fact := self.known[site, without]) is not None:
                yield fact

    def _left_over(self, site: Site) -> int:
        """Return the room at a site that nobody gets who can sit nowhere else."""
        case, owners = self.case, set(site.owners)
        pools = {pool for pool in case.pools if case.hosts(pool, site.kind) <= owners}
        asked = sum(
            count * dict(bundle).get(site.kind, 0)
            for (project, bundle), count in self.members.items()
            if case.pool_of[project] in pools
        )
        return sum(case.room(owner, site.kind) for owner in site.owners) - asked

    def _fact(self, site: Site, without: Collection[str]) -> Fact | None:
        """Return a fact about a site, None where the plan spans no more than projects would alone."""
        case, costs = self.case, costs_of(self.case, site.entry(1, []))
        market = market_of(case, site, costs, 1, [])
        seen = dict(left_for(market, self.members, without))
        least = proven(market, seen, {})
        enough = sum(self.reached[m][level] * cost for m in seen for level, cost in zip(market.run, costs, strict=True))
        if enough <= least:
            return None
        fact = priced(case, site, self.members, enough, self.limits, without)
        more = proven(market_of(case, site, costs, fact["denominator"], fact["prices"]), seen, fact)
        return fact if more > least else None

    def _best(self, facts: Sequence[Fact]) -> list[Fact]:
        """Return the facts that prove most together, level by level, for those who compete with each other."""
        return [fact for part in _parts(facts) for fact in self._best_of(part)]

    def _best_of(self, facts: Sequence[Fact]) -> list[Fact]:
        case = self.case
        nodes = {(fact["kind"], owner) for fact in facts for owner in fact["owners"]}
        members = {
            member: count
            for member, count in self.members.items()
            if any((kind, owner) in nodes for kind, owner in self._nodes(member))
        }
        plain = beyond(case, members, [], case.weights)
        best: list[tuple[int, list[Fact]]] = [(0, [])]
        for name in case.levels:
            ways = [best[-1]]
            for run in {tuple(fact["levels"]) for fact in facts if fact["levels"][-1] == name}:
                some = [fact for fact in facts if tuple(fact["levels"]) == run]
                before, others = best[case.levels.index(run[0])]
                ways.append((before + beyond(case, members, some, case.weights) - plain, [*others, *some]))
            best.append(max(ways, key=lambda way: way[0]))
        return best[-1][1]

    def _nodes(self, member: Member) -> Iterator[tuple[str, str]]:
        """Yield the kinds and owners on whose nodes a project may sit."""
        pool = self.case.instance.project_of[member[0]].pool
        yield from ((kind, owner) for kind, _ in member[1] for owner in self.case.hosts(pool, kind))


def _parts(facts: Sequence[Fact]) -> list[list[Fact]]:
    """Return facts in groups that have no nodes in common."""
    parts: list[tuple[set[tuple[str, str]], list[Fact]]] = []
    for fact in facts:
        nodes, some = {(fact["kind"], owner) for owner in fact["owners"]}, [fact]
        for part in [part for part in parts if part[0] & nodes]:
            nodes, some = nodes | part[0], part[1] + some
            parts.remove(part)
        parts.append((nodes, some))
    return [some for _, some in parts]
