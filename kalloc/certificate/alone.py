"""What a project costs at least if nobody else is there: the best place for it, found from the nodes up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kalloc.certificate.case import Case

Front = tuple[tuple[int, int], ...]
"""What a project can have alone, and its least cost: pairs of a cost and GPUs, both rising."""
Shapes = tuple[tuple[str, int, int], ...]
"""Shape, level and amount of each."""


class Alone:
    """The best places for projects, each as if it were alone, with what they have in common kept."""

    def __init__(self, case: Case) -> None:
        self.case, self.different, self.fronts = case, cache(self._different), dict[object, tuple[int, Front]]()

    def costs(self, project: str, kind: str, gpus: int, costs: tuple[int, ...]) -> int | None:
        """Return the least Σ cost · spans at which one kind's GPUs can sit, if nobody else is there; None if nowhere.

        The project keeps nothing. Several kinds may share a segment, so that it says nothing of any of them.
        """
        row, level = self.case.instance.project_of[project], self.case.instance.policy.level
        one_kind = len(self.case.asks[project]) == 1 or row.mix == "one"
        seen = {"spread", "whole", "exclusive", *(["segment"] if one_kind else [])}
        shapes = tuple((of.shape, level(of), of.amount or 0) for of in self.case.shapes(project) if of.shape in seen)
        wish = self.case.hosts(row.pool, kind), kind, shapes, self.case.level(project), costs
        most, front = self.fronts.get(wish, (0, ()))
        if most < gpus:
            most = 2 ** (gpus - 1).bit_length()
            front = self._front(*wish, most)
            self.fronts[wish] = most, front
        return next((cost for cost, of in front if of >= gpus), None)

    def _front(
        self, hosts: frozenset[str], kind: str, shapes: Shapes, whole: int, costs: tuple[int, ...], most: int
    ) -> Front:
        """Return what a project can have alone at what cost, from the nodes up; a level ``whole`` allows one domain."""
        fronts: list[Front] = [((0, gpus),) for gpus in range(max(self.case.free) + 1)]
        for level, domains in enumerate(self.different(hosts, kind, shapes)):
            level = self.case.finest - level
            found = []
            for inside in domains:
                front = together([fronts[child] for child in inside], level < whole, most)
                for shape, _, amount in (of for of in shapes if of[1] == level):
                    if shape == "spread":
                        front = tuple((cost, min(gpus, amount)) for cost, gpus in front)
                    elif shape == "segment":
                        front = tuple((cost, gpus // amount * amount) for cost, gpus in front)
                cost = costs[level] if level >= 0 else 0
                found.append(pareto(((cost + of, gpus) for of, gpus in front), most))
            fronts = found
        return fronts[0] if fronts else ()

    def _different(self, hosts: frozenset[str], kind: str, shapes: Shapes) -> list[list[tuple[int, ...]]]:
        """Return the different domains of all levels, from the nodes up to the nation: each by what is in it.

        In nodes are GPUs, in other domains those before them by their numbers.
        """
        rooms = {node: self.case.free[node] for owner in hosts for node in self.case.owned[owner, kind]}
        held = {node for of in (self.case.instance.background, *self.case.instance.stays.values()) for node in of}
        for shape, level, _ in shapes:
            shut = {self.case.domain[level][node] for node in held} if shape == "exclusive" else ()
            rooms = {node: gpus for node, gpus in rooms.items() if self.case.domain[level][node] not in shut}
            if shape == "whole":
                every = self.case.instance.topology.row
                rooms = {node: gpus for node, gpus in rooms.items() if gpus == every(node).gpus}
        numbers, found = {node: gpus for node, gpus in rooms.items() if gpus}, list[list[tuple[int, ...]]]()
        for level in range(self.case.finest, -2, -1):
            inside: dict[int, list[int]] = {}
            for node in numbers:
                inside.setdefault(self.case.domain[level][node] if level >= 0 else 0, []).append(node)
            names = {nodes[0]: tuple(sorted(numbers[node] for node in nodes)) for nodes in inside.values()}
            found.append(sorted(set(names.values())))
            at = {name: number for number, name in enumerate(found[-1])}
            numbers = {node: at[name] for node, name in names.items()}
        return found


def together(fronts: Sequence[Front], one: bool, most: int) -> Front:
    """Return what some domains hold at what cost: all of them, or one alone."""
    best: Front = ()
    for front in fronts:
        found = dict(best)
        known = found.get
        for cost, gpus in ((0, 0), *(() if one else best)):
            for more, beside in front:
                held, paid = gpus + beside, cost + more
                if held > known(paid, 0):
                    found[paid] = held
                if held >= most:
                    break
        best = pareto(found.items(), most)
    return best


def pareto(points: Iterable[tuple[int, int]], most: int) -> Front:
    """Return the points that are better than all cheaper ones, up to the first that is enough."""
    found: list[tuple[int, int]] = []
    for cost, gpus in sorted(points):
        if gpus > (found[-1][1] if found else 0):
            found.append((cost, min(gpus, most)))
        if found and found[-1][1] == most:
            break
    return tuple(found)
