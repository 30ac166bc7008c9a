"""The map: every domain down to the node with what sits there, small enough for a page to carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kalloc.instance import Instance

if TYPE_CHECKING:
    from kalloc.plan import Plan

Ids = dict[str, int]


def atlas(instance: Instance, plan: Plan, lang: str) -> dict[str, Any]:
    """Return the topology and its occupancy in a form that ``json`` writes short.

    Keys: ``levels``; ``kinds``, ``pools`` (name, title), ``projects`` (name, title, pool or -1 for background) by
    position; ``sorts`` (kind, GPUs, owner, 1 when up) of nodes; ``tree``, a list of domains. A domain is its name and
    the list of what is in it; a node its name (or n, where it is called so after its place), its sort, and then a
    project and its GPUs for each seat. ``grants`` has a row for each request: project, kind, GPUs, least and most
    asked, reason and its sentence in the language (positions in ``reasons`` and ``sentences``), merit.
    """
    kinds = _numbered(row.kind for row in instance.kinds)
    pools = _numbered(row.pool for row in instance.pools)
    projects = _numbered([*instance.project_of, *(row.project for row in instance.placed)])
    sorts: dict[tuple[int, int, int, int], int] = {}
    return {
        "levels": list(instance.hierarchy.levels),
        "kinds": list(kinds),
        "pools": [[row.pool, row.title] for row in instance.pools],
        "projects": [
            [name, row.title, pools[row.pool]] if (row := instance.project_of.get(name)) else [name, "", -1]
            for name in projects
        ],
        "tree": _tree(instance, _seats(instance, plan, projects), kinds, pools, sorts),
        "sorts": [list(sort) for sort in sorts],
        **_grants(instance, plan, lang, projects, kinds),
    }


def _numbered(names: Any) -> Ids:
    ids: Ids = {}
    for name in names:
        ids.setdefault(name, len(ids))
    return ids


def _seats(instance: Instance, plan: Plan, projects: Ids) -> dict[int, list[int]]:
    """Return, by node, project and GPUs in turn: the plan's seats, then background."""
    found: dict[int, list[int]] = {}
    for seat in plan.seats:
        found.setdefault(instance.topology.node_ids[seat.node], []).extend((projects[seat.project], seat.gpus))
    for row in instance.placed:
        if row.project not in instance.project_of:
            found.setdefault(instance.topology.node_ids[row.node], []).extend((projects[row.project], row.gpus))
    return found


def _tree(
    instance: Instance, seats: dict[int, list[int]], kinds: Ids, pools: Ids, sorts: dict[tuple[int, int, int, int], int]
) -> list[Any]:
    topology = instance.topology
    root: list[Any] = []
    inside: dict[tuple[str, ...], list[Any]] = {(): root}
    for paths in topology.paths:
        for path in paths:
            inside[path] = []
            inside[path[:-1]].append([path[-1], inside[path]])
    for node, name in enumerate(topology.names):
        row = topology.row(node)
        place = inside[row.path]
        sort = (kinds[row.kind], row.gpus, pools[row.owner], int(row.state == "up"))
        given = name if row.node is not None else int(name.rpartition("n")[2])
        place.append([given, sorts.setdefault(sort, len(sorts)), *seats.get(node, ())])
    return root


def _grants(instance: Instance, plan: Plan, lang: str, projects: Ids, kinds: Ids) -> dict[str, Any]:
    told = [grant.sentence_ko if lang == "ko" else grant.sentence for grant in plan.grants]
    reasons, sentences = _numbered(grant.reason for grant in plan.grants), _numbered(told)
    rows = []
    for grant, sentence in zip(plan.grants, told, strict=True):
        asked = (grant.gpus, grant.requested_min, grant.requested_max)
        merit = instance.project_of[grant.project].merit
        why = (reasons[grant.reason], sentences[sentence])
        rows.append([projects[grant.project], kinds[grant.kind], *asked, *why, merit])
    return {"reasons": list(reasons), "sentences": list(sentences), "grants": rows}
