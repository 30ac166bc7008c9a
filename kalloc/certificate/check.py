"""Whether certificate.json proves the bounds of the plan beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError, refuse_unless
from kalloc.certificate.facts import beyond
from kalloc.certificate.plans import Plans
from kalloc.certificate.seats import Seats, fragmentation, spans_of
from kalloc.certificate.standing import Standing
from kalloc.instance import Instance, Tier
from kalloc.instance.objective import SENSES
from kalloc.plan import Plan
from kalloc.verify import claims
from kalloc.verify import score as score_of

UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)
"""What a proof of another shape than it should have leads to."""


@dataclass(frozen=True)
class Line:
    """A bound of a summary, and what became of its proof."""

    name: str
    bound: float
    certified: bool
    trouble: str = ""
    """Why a proof that was given does not prove the bound."""
    part: float | None = None
    """How much of a bound that is not certified is."""


class Certificate:
    """A certificate with the plan and the summary that it speaks of."""

    def __init__(self, instance: Instance, plan: Plan, summary: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        self.case, self.plan, self.summary, self.document = Case(instance), plan, summary, document
        self.granted: dict[str, Bundle] = {}
        for row in plan.grants:
            if row.gpus:
                self.granted[row.project] = {**self.granted.get(row.project, {}), row.kind: row.gpus}

    def defects(self, plan_file: bytes) -> Iterator[str]:
        """Yield where instance, plan, summary and certificate are not of one piece."""
        if self.document["format"] != 1:
            yield f"the certificate has format {self.document['format']!r}, not 1"
        for key, true in (("name", self.case.instance.name), ("sha256", self.case.instance.sha256)):
            if self.document["instance"][key] != true:
                yield f"the certificate is for an instance of {key} {self.document['instance'][key]!r}, not {true!r}"
        if self.document["plan"] != sha256(plan_file).hexdigest():
            yield "the certificate is for another plan.json than the one beside it"
        yield from map(str, claims(self.case.instance, self.plan, self.summary))

    def lines(self) -> Iterator[Line]:
        """Yield every bound of the summary with what becomes of its proof, tier after tier."""
        given = {tier["name"]: tier for tier in self.summary["tiers"]}
        given.setdefault("fragmentation", {**self.summary["fragmentation"], "given": "allocation"})
        for name, tier in given.items():
            if tier["bound"] is not None:
                yield self._line(name, tier["bound"], self.document["tiers"][name], SENSES[name], tier["given"])
        for name, level in self.summary["fragmentation"]["levels"].items():
            if level["bound"] is not None:
                yield self._line(f"spans of {name}", level["bound"], self.document["levels"][name], "min", "allocation")

    def _line(self, name: str, bound: float, entry: Mapping[str, Any], sense: str, given: str | None) -> Line:
        try:
            refuse_unless(entry["bound"] == bound, f"the certificate says {entry['bound']!r}, the summary {bound!r}")
            some = entry if entry["proof"] is not None else entry.get("part")
            if some is None:
                return Line(name, bound, False)
            proven = float(self.proven(name, some["proof"], given))
            too_good = some["bound"] < proven if sense == "max" else some["bound"] > proven
            refuse_unless(not too_good, f"{proven:.15g} is proven, not {some['bound']}")
            return Line(name, bound, some is entry, part=None if some is entry else some["bound"])
        except RefusedError as error:
            return Line(name, bound, False, str(error))
        except UNREADABLE as error:
            return Line(name, bound, False, f"the proof cannot be read: {error!r}")

    def proven(self, name: str, proof: Mapping[str, Any], given: str | None) -> Fraction | int:
        """Return the bound that a proof proves of a tier, or of the spans of a level, whatever it claims.

        Raises:
            RefusedError: when it proves nothing.
        """
        if name.startswith("spans of "):
            return self._level(name.removeprefix("spans of "), proof)
        if name == "fragmentation":
            return self._fragmentation(proof, given)
        tier = self.standing.tiers[name]
        if name == "ranked" or tier.rule == "maxmin":
            prove = self._ranked if name == "ranked" else partial(self._shares, tier)
            prove(proof["steps"])
            return self.standing.score.tiers[name]
        common = self._common(name, proof)
        aim = self.standing.aim(tier, common["seats"])
        assert aim is not None
        most = Fraction(Plans(self.case, aim, **common).most(proof), aim.unit)
        return most if SENSES[name] == "max" else -most

    def _level(self, name: str, proof: Mapping[str, Any]) -> int:
        """Return the least spans of a level that a fact, what projects need, or seats prove."""
        if "facts" not in proof:
            aim = spans_of(self.seats, self.case.levels.index(name))
            return -Plans(self.case, aim, seats=self.seats, only=self.granted).most(proof)
        facts = [self.document["facts"][number] for number in proof["facts"]]
        refuse_unless(all(fact["levels"] == [name] for fact in facts), f"facts about {name} alone are needed")
        level, members = self.case.levels.index(name), self.case.members(self.granted)
        need = sum(count * (self.case.spans(*member) or ())[level][0] for member, count in members.items())
        return need + beyond(self.case, members, facts, self.case.units[level], score=False)

    @cached_property
    def standing(self) -> Standing:
        """What the plan reaches."""
        return Standing(self.case, score_of(self.case.instance, self.plan), self.granted)

    @cached_property
    def seats(self) -> Seats:
        """All seats, one by one."""
        return Seats(self.case)

    def _common(self, name: str, proof: Mapping[str, Any]) -> dict[str, Any]:
        """Return what all plans have in common that are as good before a tier; refused where this plan is none."""
        for project in self.case.instance.project_of:
            foreseen = self.granted.get(project, {}) in self.case.bundles(project)
            refuse_unless(foreseen, f"project {project!r} gets what the proof does not foresee")
        return self.standing.common(name, self.seats if proof.get("seats") else None)

    def _ranked(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Refuse a ranking where a project may have more than the plan gives it, beside as much for those before."""
        for step in steps:
            aim = self.standing.ahead(step["projects"])
            most = Plans(self.case, aim, **self._common("ranked", step)).most(step)
            refuse_unless(most <= 0, f"project {self.standing.next()[0]!r} may get more")
            self.standing.proven["ranked"] += len(aim.parties)
        refuse_unless(not self.standing.next(), "not all projects are ranked")

    def _shares(self, tier: Tier, steps: Sequence[Mapping[str, Any]]) -> None:
        """Refuse shares that may be larger: the smallest, and as many of the next as there are steps."""
        profile = self.standing.score.profile
        refuse_unless(len(steps) > 0 or not profile, "nothing is said of the smallest share")
        for number, step in enumerate(steps[: len(profile)]):
            at_least, more = self.standing.share(tier.name, number)
            most = Plans(self.case, more, **self._common(tier.name, step)).most(step)
            refuse_unless(most < at_least.reached, f"share {number + 1} may be larger")
            if most > more.reached:
                refuse_unless(len(steps) == 1, f"{most} may have more than share {number + 1}")
                break
            self.standing.proven[tier.name] += 1

    def _fragmentation(self, proof: Mapping[str, Any], given: str | None) -> int:
        """Return the least fragmentation that is proven, for the plans that it is said to hold for."""
        if "facts" in proof:
            if given is None and "only" not in proof:
                return 0
            if given is None:
                worth = self._common("fragmentation", proof)["worth"]
                Plans(self.case, self.standing.first, worth=worth).only(proof["only"], self.granted)
            facts = [self.document["facts"][number] for number in proof["facts"]]
            return max(0, beyond(self.case, self.case.members(self.granted), facts, self.case.weights))
        common = self._common("fragmentation", proof)
        if given is not None:
            common = {"seats": common["seats"], "only": self.granted}
        goal = fragmentation(common["seats"]) if "seats" in proof else None
        return max(0, -Plans(self.case, goal, **common).most(proof))
