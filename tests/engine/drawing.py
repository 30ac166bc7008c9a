"""Random small instances for hypothesis: every feature of the format, or trees; simpler ones first when it shrinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st

from kalloc.errors import InstanceError
from kalloc.instance import Cap, Hierarchy, Instance, Kind, NodeGroup, Placed, Pool, Project, Quota, Request

DrawT = TypeVar("DrawT")


@dataclass(frozen=True)
class Size:
    """The largest instance to be drawn."""

    nodes: int = 6
    gpus: int = 4
    projects: int = 4
    levels: int = 2


@st.composite
def instances(draw: st.DrawFn, size: Size) -> Instance:
    """Draw a sound instance; what stays where it may not is made movable."""
    sower = Sower(draw, size)
    fields = sower.fields()
    try:
        return Instance(**fields)
    except InstanceError:
        fields["placed"] = tuple(row.model_copy(update={"movable": True}) for row in fields["placed"])
    try:
        return Instance(**fields)
    except InstanceError:
        reject()


@st.composite
def trees(draw: st.DrawFn, size: Size) -> Instance:
    """Draw an instance of one pool and one kind, of one level or more, in which everybody fits."""
    return Sower(draw, size).tree()


class Sower:
    """Draws the tables one by one: each knows the ones before it."""

    def __init__(self, draw: st.DrawFn, size: Size) -> None:
        self.draw, self.size = draw, size
        self.levels = [f"l{depth}" for depth in range(self.of([*range(size.levels + 1), size.levels]))]
        self.kinds = ["h", "b"][: self.number(1, 2)]
        above = self.of([("top",), ("top", "top"), ("top", "top", "top"), ("top", "top", "a")])
        self.parents: dict[str, str | None] = {"top": None, **dict(zip("abc", above, strict=False))}
        self.pools = list(self.parents)

    def of(self, values: list[DrawT]) -> DrawT:
        """Draw one of some values; the first is the simplest."""
        return self.draw(st.sampled_from(values))

    def number(self, least: int, most: int) -> int:
        """Draw an integer."""
        return self.draw(st.integers(least, most))

    def chance(self, one_in: int) -> bool:
        """Draw true one time in so many."""
        return self.number(0, one_in - 1) == one_in - 1

    def fields(self) -> dict[str, Any]:
        """Draw all fields of an instance."""
        inventory = tuple(self._group(row) for row in range(self.number(2, self.size.nodes)))
        caps = tuple(
            Cap(pool=self.of(self.pools), kind=kind, gpus=self.number(1, 2 * self.size.gpus))
            for kind in self.kinds
            if self.chance(6)
        )
        names = [f"p{number}" for number in range(self.number(2, self.size.projects))]
        projects = tuple(self._project(name) for name in names)
        most = self.size.gpus * self.size.nodes // 2
        requests = tuple(
            self._request(row, kind, caps, most) for row in projects for kind in self.kinds if not self.chance(6)
        )
        weights = {level: self.of([1, 0, 3, 10]) for level in [*self.levels, "node"]}
        return {
            "name": "drawn",
            "hierarchy": Hierarchy(levels=tuple(self.levels), weights=weights),
            "kinds": tuple(Kind(kind=kind, performance=self.of([1.0, 2.25])) for kind in self.kinds),
            "pools": tuple(Pool(pool=pool, parent=parent) for pool, parent in self.parents.items()),
            "quotas": self._quotas(most),
            "caps": caps,
            "inventory": inventory,
            "projects": projects,
            "requests": requests,
            "placed": tuple(row for group in inventory for row in self._placed(group, [*names, "other"])),
        }

    def _group(self, row: int) -> NodeGroup:
        return NodeGroup(
            path=tuple(self.of(["1", "2", "3", ""][: 3 + (depth > 0)]) for depth in range(len(self.levels))),
            node=f"n{row}",
            kind=self.of(self.kinds),
            gpus=self.number(1, self.size.gpus),
            owner=self.of(["top", "top", *self.pools]),
            state="down" if self.chance(10) else "up",
        )

    def _quotas(self, most: int) -> tuple[Quota, ...]:
        found = []
        for pool, parent in self.parents.items():
            for kind in ["*", *self.kinds]:
                if self.chance(4):
                    gpus = self.of([most, most // 2, most // 3, 2])
                    borrow = 0 if parent is None else self.of([0, 2, most])
                    lend = self.of([0, 2, most])
                    found.append(Quota(pool=pool, kind=kind, gpus=gpus, borrow=borrow, lend=lend))
        return tuple(found)

    def tree(self) -> Instance:
        """Draw a tree of any shape, weights included, nodes of which only a part is free, and projects that all fit.

        The path of a node leaves that of the one before at any depth, for places of its own or without a name.
        """
        self.levels = [f"l{depth}" for depth in range(self.number(1, self.size.levels))]
        path: tuple[str, ...] = ()
        inventory, placed, left = [], [], 0
        for row in range(self.number(2, self.size.nodes)):
            path = path[: self.number(0, len(self.levels))]
            own = [f"d{row}", f"d{row}", ""]
            path += tuple(self.of(own[: 2 + (at > 0)]) for at in range(len(path), len(self.levels)))
            node = NodeGroup(path=path, node=f"n{row}", kind="h", gpus=self.number(1, self.size.gpus), owner="top")
            taken = self.of([0, self.number(0, node.gpus)])
            inventory.append(node)
            placed += [Placed(project="other", node=f"n{row}", gpus=taken)] if taken else []
            left += node.gpus - taken
        sizes: list[int] = []
        while left and len(sizes) < self.size.projects:
            last = len(sizes) + 1 == self.size.projects and self.chance(2)
            sizes.append(left if last else self.number(1, min(left, 2 * self.size.gpus)))
            left -= sizes[-1]
        weights = {level: self.of([1, 0, 3, 10, 1000]) for level in [*self.levels, "node"]}
        return Instance(
            name="tree",
            hierarchy=Hierarchy(levels=tuple(self.levels), weights=weights),
            kinds=(Kind(kind="h"),),
            pools=(Pool(pool="top"),),
            inventory=tuple(inventory),
            projects=tuple(Project(project=f"p{number}", pool="top") for number in range(len(sizes))),
            requests=tuple(
                Request(project=f"p{number}", kind="h", min=size, max=size, step=1) for number, size in enumerate(sizes)
            ),
            placed=tuple(placed),
        )

    def _project(self, name: str) -> Project:
        return Project(
            project=name,
            pool=self.of(self.pools),
            merit=self.of([1.0, 2.0, 1.5, 1.0, 0.0]),
            mandatory=self.chance(8),
            mix=self.of(["one", "any"]),
            level=self.of([None, None, None, None, *self.levels, "node"]),
        )

    def _request(self, project: Project, kind: str, caps: tuple[Cap, ...], most: int) -> Request:
        limit = min([row.gpus for row in caps if row.kind == kind], default=most)
        least = self.of([number for number in (1, 2, 3, 4, 0, most // 2) if number <= limit])
        return Request(
            project=project.project,
            kind=kind,
            min=least,
            max=max(1, least) + self.of([1, 0, 2, most // 3]),
            step=self.of([1, 2, None]),
            value=self.of([None, 0.7]),
        )

    def _placed(self, group: NodeGroup, names: list[str]) -> tuple[Placed, ...]:
        if not self.chance(4) or group.node is None:
            return ()
        gpus = self.number(1, group.gpus)
        return (Placed(project=self.of(names), node=group.node, gpus=gpus, movable=self.chance(3)),)
