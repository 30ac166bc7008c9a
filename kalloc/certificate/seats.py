"""Small instances seat by seat: the rules that look at single nodes and domains, as rows, and the tiers that do.

Parties are projects and zones are nodes. What the rows speak of besides: ``("span", project, level, domain)``, 1 where
a project has any in a domain; ``("segments", project, level, domain)``, how many it has there; ``("free", domain)``, 1
where nobody has any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from kalloc.certificate.case import Bundle, Case, refuse_unless
from kalloc.certificate.rows import Box, Name, Places, Row, Zone
from kalloc.certificate.tiers import Aim
from kalloc.instance import Tier

MOST_SEATS = 500
"""Projects times nodes up to which an instance is small."""


class Seats(Places):
    """Where projects may sit: what each has on every node at least and at most."""

    def __init__(self, case: Case) -> None:
        most = len(case.asks) * case.instance.topology.node_count
        refuse_unless(most <= MOST_SEATS, "the instance is too large to be looked at seat by seat")
        super().__init__(case, case.pool_of)
        self.policy, self.can = case.instance.policy, dict[str, dict[int, Box]]()
        for project in case.pool_of:
            names = {node: ("seat", project, *zone) for node, zone in sorted(self.zone.items())}
            self.can[project] = {node: self.boxes[name] for node, name in names.items() if name in self.boxes}
        for project, nodes in self.can.items():
            for level in range(len(case.levels)):
                for domain, some in self.inside(project, level).items():
                    self.boxes["span", project, level, domain] = (int(any(nodes[node][0] for node in some)), 1)
        for project, level, amount in self.shapes("segment"):
            for domain, some in self.inside(project, level).items():
                most = sum(self.can[project][node][1] for node in some)
                self.boxes["segments", project, level, domain] = (0, most // amount)

    def _can(self, party: str) -> Iterator[tuple[Zone, Box]]:
        most: Counter[str] = Counter()
        for bundle in self.case.bundles(party):
            most |= Counter(bundle)
        for zone, (kept, free) in super()._can(party):
            if most[zone.kind]:
                yield zone, (kept, min(free, most[zone.kind]))

    def inside(self, project: str, level: int) -> dict[int, list[int]]:
        """Return the nodes where a project may sit, by domain of a level."""
        found: dict[int, list[int]] = {}
        for node in self.can[project]:
            found.setdefault(self.case.domain[level][node], []).append(node)
        return found

    def at(self, project: str, nodes: Iterable[int]) -> dict[Name, int]:
        """Return the GPUs of a project on each of some nodes, as what rows speak of."""
        return self.seats([project], map(self.zone.__getitem__, nodes))

    def shapes(self, shape: str) -> Iterator[tuple[str, int, int]]:
        """Yield project, level and amount of every row of a shape."""
        rows = (row for row in self.case.instance.shapes if row.shape == shape)
        yield from ((row.project, self.policy.level(row), row.amount or 1) for row in rows)


def spans(seats: Seats) -> Iterator[Row]:
    """Where a project has GPUs it spans the domain, and every domain above."""
    for project, nodes in seats.can.items():
        most = max(sum(bundle.values()) for bundle in seats.case.bundles(project))
        for level in range(len(seats.case.levels)):
            for domain, some in seats.inside(project, level).items():
                span, bound = ("span", project, level, domain), min(most, sum(nodes[node][1] for node in some))
                yield Row((project, level, domain), {**seats.at(project, some), span: -bound}, 0)
                if level:
                    above = ("span", project, level - 1, seats.case.domain[level - 1][some[0]])
                    yield Row((project, level, domain, "above"), {span: 1, above: -1}, 0)


def level(seats: Seats) -> Iterator[Row]:
    """A project that wants a level spans one domain of it."""
    for project in seats.can:
        at = seats.case.level(project)
        if at >= 0:
            yield Row((project,), {("span", project, at, domain): 1 for domain in seats.inside(project, at)}, 1)


def segment(seats: Seats) -> Iterator[Row]:
    """In every domain a project has whole segments."""
    for project, at, amount in seats.shapes("segment"):
        for domain, some in seats.inside(project, at).items():
            terms = {**seats.at(project, some), ("segments", project, at, domain): -amount}
            yield Row((project, at, domain), terms, 0, equal=True)


def spread(seats: Seats) -> Iterator[Row]:
    """In no domain a project has more than the amount."""
    for project, at, amount in seats.shapes("spread"):
        for domain, some in seats.inside(project, at).items():
            yield Row((project, at, domain), {**seats.at(project, some), ("span", project, at, domain): -amount}, 0)


def whole(seats: Seats) -> Iterator[Row]:
    """A project has all GPUs of a node, or none."""
    row, finest = seats.case.instance.topology.row, seats.case.finest
    for project, *_ in seats.shapes("whole"):
        for node in seats.can[project]:
            terms = {**seats.at(project, [node]), ("span", project, finest, node): -row(node).gpus}
            yield Row((project, node), terms, 0, equal=True)


def exclusive(seats: Seats) -> Iterator[Row]:
    """Where a project is that must be alone, there is nobody else."""
    for project, at, _ in seats.shapes("exclusive"):
        held = {seats.case.domain[at][node] for node in seats.case.instance.background}
        for domain in seats.inside(project, at):
            alone = ("span", project, at, domain)
            if domain in held:
                yield Row((project, at, domain), {alone: 1}, 0)
            for other in seats.can:
                if other != project and domain in seats.inside(other, at):
                    yield Row((project, at, domain, other), {alone: 1, ("span", other, at, domain): 1}, 1)


SEAT_RULES: dict[str, Callable[[Seats], Iterator[Row]]] = {
    rule.__name__: rule for rule in (spans, level, segment, spread, whole, exclusive)
}
"""Every rule seat by seat, by its name."""


def fragmentation(seats: Seats) -> Aim:
    """Less Σ (weight + prefer) · (spans − need)."""
    case, prefer = seats.case, dict[tuple[str, int], int]()
    for project, at, amount in seats.shapes("prefer"):
        prefer[project, at] = prefer.get((project, at), 0) + amount

    def weight(project: str, at: int) -> int:
        return case.weights[at] + prefer.get((project, at), 0)

    def needed(project: str, bundle: Bundle) -> int:
        least = case.least(project, bundle) or ()
        return sum(weight(project, at) * need for at, (need, _) in enumerate(least))

    names = (name for name in seats.boxes if name[0] == "span")
    return Aim("fragmentation", needed, {name: -weight(name[1], name[2]) for name in names})


def spans_of(seats: Seats, at: int) -> Aim:
    """Less the domains of a level that projects span."""
    return Aim("spans", terms={name: -1 for name in seats.boxes if name[0] == "span" and name[2] == at})


def reserve(seats: Seats, tier: Tier) -> Aim:
    """The domains of a level that nobody holds anything of, up to a count."""
    at, rows = seats.case.levels.index(tier.level or ""), list[Row]()
    empty = seats.policy.empty_domains[tier.level or ""]
    boxes: dict[Name, Box] = {("kept",): (0, tier.count or 0), **{("free", domain): (0, 1) for domain in empty}}
    rows.append(Row(("kept",), {("kept",): 1, **{("free", domain): -1 for domain in empty}}, 0))
    for project in seats.can:
        for domain in seats.inside(project, at):
            if domain in empty:
                rows.append(Row((project, domain), {("free", domain): 1, ("span", project, at, domain): 1}, 1))
    return Aim(tier.name, terms={("kept",): 1}, rows=rows, boxes=boxes)
