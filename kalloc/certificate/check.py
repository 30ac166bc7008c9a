"""Whether certificate.json proves the bounds of the plan beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import ceil, floor, gcd
from typing import Any

from kalloc.certificate.case import Bundle, Case, RefusedError, refuse_unless
from kalloc.certificate.facts import fact, score
from kalloc.certificate.plans import TIERS, Plans
from kalloc.instance import Instance
from kalloc.plan import Plan
from kalloc.verify import claims

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
        """Yield every bound of the summary with what becomes of its proof."""
        given = {tier["name"]: tier for tier in self.summary["tiers"]}
        given.setdefault("fragmentation", {**self.summary["fragmentation"], "given": "allocation"})
        for name, tier in given.items():
            if tier["bound"] is not None:
                yield self._line(name, tier["bound"], self.document["tiers"][name], tier["given"])
        for name, level in self.summary["fragmentation"]["levels"].items():
            if level["bound"] is not None:
                yield self._line(name, level["bound"], self.document["levels"][name], "allocation", level=True)

    def _line(self, name: str, bound: float, entry: Mapping[str, Any], given: str | None, level: bool = False) -> Line:
        shown = f"spans of {name}" if level else name
        try:
            refuse_unless(entry["bound"] == bound, f"the certificate says {entry['bound']!r}, the summary {bound!r}")
            if entry["proof"] is None:
                return Line(shown, bound, False)
            if level:
                self._level(name, bound, entry["proof"])
            else:
                prove = self._fragmentation if name == "fragmentation" else self._worth
                prove(name, bound, entry["proof"], given)
        except RefusedError as error:
            return Line(shown, bound, False, str(error))
        except UNREADABLE as error:
            return Line(shown, bound, False, f"the proof cannot be read: {error!r}")
        return Line(shown, bound, True)

    def _level(self, name: str, bound: float, proof: Mapping[str, Any]) -> None:
        """Refuse a bound of the spans of a level that a fact, or what projects need, does not prove."""
        facts = [self.document["facts"][number] for number in proof["facts"]] or [{"levels": [name], "markets": []}]
        refuse_unless([of["levels"] for of in facts] == [[name]], f"one fact about {name} is needed")
        proven = fact(self.case, self.granted, facts[0])
        refuse_unless(bound <= proven, f"{proven} is proven, not {bound}")

    def _plans(self, goal: str, floors: Mapping[str, int]) -> Plans:
        """Return all plans as proofs see them; refused where the plan at hand is none of them."""
        for project in self.case.instance.project_of:
            foreseen = self.granted.get(project, {}) in self.case.bundles(project)
            refuse_unless(foreseen, f"project {project!r} gets what the proof does not foresee")
        return Plans(self.case, goal, floors)

    def _floors(self, name: str) -> dict[str, int]:
        """Return what the plan reaches on the tiers before one, as far as projects add to them one by one."""
        tiers = [tier["name"] for tier in self.summary["tiers"]]
        before = [tier for tier in tiers[: tiers.index(name)] if tier in TIERS] if name in tiers else []
        return {tier: sum(TIERS[tier](self.case, *of) for of in self.granted.items()) for tier in before}

    def _worth(self, name: str, bound: float, proof: Mapping[str, Any], given: str | None) -> None:
        """Refuse a bound of a tier that is not proven of every plan as good on the tiers before."""
        refuse_unless(name in TIERS, f"this program knows no proof for the tier {name!r}")
        case = self.case
        step = gcd(*(TIERS[name](case, p, some) for p in case.instance.project_of for some in case.bundles(p))) or 1
        least = self._plans(name, self._floors(name)).least(proof)
        most = Fraction(floor(-least / step) * step, case.unit if name == "merit" else 1)
        refuse_unless(float(most) <= bound, f"{float(most)} is proven, not {bound}")

    def _fragmentation(self, name: str, bound: float, proof: Mapping[str, Any], given: str | None) -> None:
        """Refuse a bound of fragmentation that is not proven, for the plans that it is said to hold for."""
        floors = self._floors(name)
        if "facts" in proof:
            if given is None and bound > 0:
                self._plans("merit", {}).only(proof["only"], self.granted, floors["merit"])
            proven = score(self.case, self.granted, [self.document["facts"][number] for number in proof["facts"]])
        else:
            step = gcd(*self.case.weights) or 1
            proven = ceil(self._plans(name, floors).least(proof) / step) * step
        refuse_unless(bound <= max(0, proven), f"{proven} is proven, not {bound}")
