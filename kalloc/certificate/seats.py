"""Small instances seat by seat: the rules that look at single nodes and domains, as rows, and the tiers that do.

What the rows speak of besides: ``("at", project, node)``, GPUs of a project on a node; ``("span", project, level,
domain)``, 1 where it has any in a domain; ``("segments", project, level, domain)``, how many it has there; and
``("free", domain)``, 1 where nobody has any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from kalloc.certificate.case import Bundle, Case, covers, refuse_unless
from kalloc.certificate.rows import Box, Name, Row, whole_row
from kalloc.certificate.tiers import Aim
from kalloc.instance import Tier

MOST_SEATS = 500
"""Projects times nodes up to which an instance is small."""


class Seats:
    """Where projects may sit: what each has on every node at least and at most."""

    def __init__(self, case: Case) -> None:
        self.case, self.policy = case, case.instance.policy
        most = len(case.asks) * case.instance.topology.node_count
        refuse_unless(most <= MOST_SEATS, "the instance is too large to be looked at seat by seat")
        self.can = {project: self._can(project) for project in case.instance.project_of}

    def _can(self, project: str) -> dict[int, Box]:
        """Return what a project has on a node at least and at most (rules `eligible`, `stays` and `room`)."""
        case, pool = self.case, self.case.instance.project_of[project].pool
        kept, most = case.kept(project), dict[str, int]()
        for bundle in case.bundles(project):
            most |= {kind: max(gpus, most.get(kind, 0)) for kind, gpus in bundle.items()}
        hosts = (node for kind in most for owner in case.hosts(pool, kind) for node in case.owned[owner, kind])
        row = case.instance.topology.row
        found = {n: (kept.get(n, 0), min(kept.get(n, 0) + case.free[n], most[row(n).kind])) for n in {*hosts, *kept}}
        return {node: box for node, box in sorted(found.items()) if box[1]}

    def inside(self, project: str, level: int) -> dict[int, list[int]]:
        """Return the nodes where a project may sit, by domain of a level."""
        found: dict[int, list[int]] = {}
        for node in self.can[project]:
            found.setdefault(self.case.domain[level][node], []).append(node)
        return found

    def at(self, project: str, nodes: list[int], factor: int = 1) -> dict[Name, int]:
        """Return a factor for the GPUs of a project on each of some nodes."""
        return {("at", project, node): factor for node in nodes}

    def shapes(self, shape: str) -> Iterator[tuple[str, int, int]]:
        """Yield project, level and amount of every row of a shape."""
        rows = (row for row in self.case.instance.shapes if row.shape == shape)
        yield from ((row.project, self.policy.level(row), row.amount or 1) for row in rows)

    def boxes(self) -> dict[Name, Box]:
        """Return the least and the most that everything can be that the rows here speak of."""
        found: dict[Name, Box] = {}
        for project, nodes in self.can.items():
            found |= {("at", project, node): box for node, box in nodes.items()}
            for level in range(len(self.case.levels)):
                for domain, some in self.inside(project, level).items():
                    found["span", project, level, domain] = (int(any(nodes[node][0] for node in some)), 1)
        for project, level, amount in self.shapes("segment"):
            for domain, some in self.inside(project, level).items():
                most = sum(self.can[project][node][1] for node in some)
                found["segments", project, level, domain] = (0, most // amount)
        return found


def seated(seats: Seats) -> Iterator[Row]:
    """What a project gets of a kind is what it has on nodes of that kind."""
    for project, kinds in seats.case.asks.items():
        row = seats.case.instance.topology.row
        for kind in kinds:
            nodes = [node for node in seats.can[project] if row(node).kind == kind]
            yield Row((project, kind), {**seats.at(project, nodes), ("got", project, kind): -1}, 0, equal=True)


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


def room(seats: Seats) -> Iterator[Row]:
    """A node holds no more than is free, besides what stays there."""
    for node, free in enumerate(seats.case.free):
        here = {("at", project, node): nodes[node][0] for project, nodes in seats.can.items() if node in nodes}
        yield Row((node,), dict.fromkeys(here, 1), free + sum(here.values()))


def lend(seats: Seats) -> Iterator[Row]:
    """Outsiders have no more on a pool's nodes than it lends."""
    case = seats.case
    for row in case.instance.quotas:
        inside, terms = case.tree.below[row.pool], dict[Name, int]()
        for project, nodes in seats.can.items():
            if case.instance.project_of[project].pool not in inside:
                of = {node: case.instance.topology.row(node) for node in nodes}
                terms |= seats.at(project, [n for n in of if of[n].owner in inside and covers(row.kind, of[n].kind)])
        yield Row((row.pool, row.kind), terms, row.lend)


def power(seats: Seats) -> Iterator[Row]:
    """The GPUs in use in a domain draw no more than a limit on its power leaves."""
    watts, group = seats.policy.watts, seats.case.instance.topology.group
    for number, domain in enumerate(seats.policy.power_domains):
        each = {node: watts[int(group[node])][1] for node in domain.nodes}
        terms: dict[Name, Fraction] = {
            ("at", project, node): each[node] for project, nodes in seats.can.items() for node in nodes if node in each
        }
        yield whole_row((number,), terms, domain.left)


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
            terms = {("at", project, node): 1, ("span", project, finest, node): -row(node).gpus}
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
    f"seat {rule.__name__}": rule
    for rule in (seated, spans, room, lend, power, level, segment, spread, whole, exclusive)
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

    names = (name for name in seats.boxes() if name[0] == "span")
    return Aim("fragmentation", needed, {name: -weight(name[1], name[2]) for name in names})


def spans_of(seats: Seats, at: int) -> Aim:
    """Less the domains of a level that projects span."""
    return Aim("spans", terms={name: -1 for name in seats.boxes() if name[0] == "span" and name[2] == at})


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
