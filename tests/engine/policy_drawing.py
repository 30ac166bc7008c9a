"""Random small instances with policy for hypothesis: every rule and every tier, tiers in any order."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from kalloc.errors import InstanceError
from kalloc.instance import (
    Budget,
    Group,
    Guarantee,
    Instance,
    Limit,
    NodeGroup,
    Objective,
    Pool,
    Power,
    Project,
    Rate,
    Shape,
    Tier,
)
from tests.engine.drawing import Size, Sower

FIRST = datetime.date(2026, 1, 1)


@st.composite
def policies(draw: st.DrawFn, size: Size, seats: bool = True) -> Instance:
    """Draw a sound instance with some rules of policy; without ``seats`` none that looks at single domains."""
    sower = _PolicySower(draw, size)
    fields = sower.policy(seats)
    try:
        return Instance(**fields)
    except InstanceError:
        fields["placed"] = ()
    try:
        return Instance(**fields)
    except InstanceError:
        reject()


class _PolicySower(Sower):
    """Draws the tables of an instance, then those of its policy."""

    def policy(self, seats: bool) -> dict[str, Any]:
        """Draw all fields of an instance with policy."""
        fields = self.fields()
        fields["projects"] = tuple(self._applicant(row) for row in fields["projects"])
        fields["pools"] = tuple(self._called(row) for row in fields["pools"])
        fields["kinds"] = tuple(row.model_copy(update={"won": self.of([0, 3, 7])}) for row in fields["kinds"])
        fields["groups"] = self._groups()
        fields["limits"], fields["rates"] = self._limits(fields["projects"])
        if self.chance(4):
            fields["budgets"] = (Budget(budget="b1", pool=self.of(self.pools), won=self.number(0, 60)),)
        names = [row.project for row in fields["projects"]]
        fields["guarantees"] = tuple(self._guarantee(number, names) for number in range(self.number(1, 2)))
        if seats:
            fields["inventory"] = tuple(self._watts(row) for row in fields["inventory"])
            fields["power"] = self._power()
            fields["shapes"] = tuple(row for name in names for row in self._shapes(name))
        fields["objective"] = Objective(tiers=self._tiers(seats, fields["groups"]))
        return fields

    def _applicant(self, row: Project) -> Project:
        day = self.of([None, None, FIRST, FIRST + datetime.timedelta(days=9)])
        changes = {
            "applicant": self.of([None, "u", "v"]),
            "group": self.of([None, "industry", "academia"]),
            "region": self.of([None, "seoul", "busan"]),
            "applied": None if row.mandatory else day,
            "weight": self.of([1.0, 1.0, 2.0, 0.5]),
        }
        return row.model_copy(update=changes)

    def _called(self, row: Pool) -> Pool:
        closes = self.of([None, None, FIRST + datetime.timedelta(days=5)])
        return row.model_copy(update={"closes": closes, "weight": self.of([1.0, 2.0])})

    def _groups(self) -> tuple[Group, ...]:
        return (
            Group(group="industry", share=self.of([30.0, None, 50.0]), tolerance=self.of([0.0, 10.0]), discount=50.0),
            Group(group="academia", share=self.of([20.0, 50.0]), tolerance=self.of([5.0, 0.0])),
        )

    def _limits(self, projects: tuple[Project, ...]) -> tuple[tuple[Limit, ...], tuple[Rate, ...]]:
        limits, rates = [], []
        for number in range(self.number(0, 2)):
            per = self.of(["project", "applicant", "region", "group", "all"])
            rated = self.chance(2)
            limits.append(
                Limit(
                    limit=f"l{number}",
                    per=per,
                    pool=self.of([None, *self.pools]),
                    kind=None if rated else self.of(["*", *self.kinds]),
                    most=self.number(1, 10),
                    least=1 if per == "all" and self.chance(3) else None,
                )
            )
            if rated:
                rates += [Rate(limit=f"l{number}", kind=kind, rate=self.of([1.0, 2.0, 0.5])) for kind in self.kinds]
        return tuple(limits), tuple(rates)

    def _guarantee(self, number: int, names: list[str]) -> Guarantee:
        of_pool = self.chance(2)
        return Guarantee(
            guarantee=f"g{number}",
            project=None if of_pool else self.of(names),
            pool=self.of(self.pools) if of_pool else None,
            kind=self.of(["*", *self.kinds]),
            gpus=self.number(1, 6),
        )

    def _watts(self, row: NodeGroup) -> NodeGroup:
        return row.model_copy(update={"idle_watts": self.of([0, 100]), "loaded_watts": self.of([400, 1000])})

    def _power(self) -> tuple[Power, ...]:
        levels = [*self.levels, "node"]
        rows = range(self.of([0, 0, 1, 2]))
        return tuple(Power(power=f"w{row}", level=self.of(levels), kw=self.of([1.0, 0.8, 0.4, 2.0])) for row in rows)

    def _shapes(self, name: str) -> list[Shape]:
        if not self.chance(2):
            return []
        levels = [*self.levels, "node"]
        kind = self.of(["segment", "spread", "whole", "exclusive", "prefer"])
        level = None if kind == "whole" else self.of(levels)
        amount = self.number(1, 3) if kind in ("segment", "spread", "prefer") else None
        rows = [Shape(project=name, shape=kind, level=level, amount=amount)]
        if self.chance(4):
            rows.append(
                Shape(
                    project=name,
                    shape="exclusive" if kind != "exclusive" else "spread",
                    level="node",
                    amount=2 if kind == "exclusive" else None,
                )
            )
        return rows

    def _tiers(self, seats: bool, groups: tuple[Group, ...]) -> tuple[Tier, ...]:
        known = [
            Tier(name="merit"),
            Tier(name="ranked"),
            Tier.model_validate({"name": "fairness", "by": self.of(["project", "pool"])}),
            Tier(name="served"),
            Tier.model_validate({"name": "utilisation", "unit": self.of(["gpus", "performance"])}),
            Tier(name="guarantees"),
            Tier(name="balance"),
            Tier(name="fragmentation"),
        ]
        if known[2].by == "pool":
            known[2] = Tier.model_validate({"name": "fairness", "by": "pool", "of": self.of(["asked", "quota"])})
        if self.chance(4):
            known[2] = known[2].model_copy(update={"rule": "proportional"})
        if seats:
            level = self.of([*self.levels, "node"])
            known.append(Tier.model_validate({"name": "reserve", "level": level, "count": self.number(1, 3)}))
        mixed = self.draw(st.permutations(known))
        return tuple(mixed[: self.number(1, 4)])
