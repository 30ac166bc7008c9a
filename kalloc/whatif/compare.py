"""Two plans or two instances beside each other: who gains, who loses, tier by tier, place by place, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kalloc.instance.sound import KEYS

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

Rows = list[dict[str, Any]]


def tiers(one: Mapping[str, Any], other: Mapping[str, Any]) -> Rows:
    """Return, from two summaries, what each tier comes to: name, first, second, change; None where one has it not."""
    values = [{tier["name"]: tier["value"] for tier in summary["tiers"]} for summary in (one, other)]
    rows = []
    for name in dict.fromkeys([*values[0], *values[1]]):
        first, second = (known.get(name) for known in values)
        change = None if first is None or second is None else second - first
        rows.append({"tier": name, "first": first, "second": second, "change": change})
    return rows


def projects(one: Plan, other: Plan) -> Rows:
    """Return what each project gets in either plan, and how much of it sits elsewhere, those that lose most first.

    Columns project, pool, first, second, change (GPUs of all kinds) and moved: GPUs that both plans grant it of a kind
    but that do not sit on the same nodes. Projects for which nothing changes are left out.
    """
    pools = {grant.project: grant.pool for plan in (other, one) for grant in plan.grants}
    granted = [_granted(plan) for plan in (one, other)]
    seats = [_seats(plan) for plan in (one, other)]
    kinds: dict[str, set[str]] = {}
    for project, kind in granted[0].keys() | granted[1].keys():
        kinds.setdefault(project, set()).add(kind)
    rows = []
    for project, pool in pools.items():
        first, second = (sum(grants[project, kind] for kind in kinds.get(project, ())) for grants in granted)
        both = sum(min(granted[0][project, kind], granted[1][project, kind]) for kind in kinds.get(project, ()))
        mine, theirs = (of.get(project, Counter[str]()) for of in seats)
        moved = both - (mine & theirs).total()
        if first != second or moved:
            figures = {"first": first, "second": second, "change": second - first, "moved": moved}
            rows.append({"project": project, "pool": pool, **figures})
    return sorted(rows, key=lambda row: (row["change"], -row["moved"], row["project"]))


def pools(one: Plan, other: Plan) -> Rows:
    """Return what the projects of each pool get together: pool, first, second, change."""
    sums = [Counter[str](), Counter[str]()]
    for plan, total in zip((one, other), sums, strict=True):
        for grant in plan.grants:
            total[grant.pool] += grant.gpus
    return _changes("pool", *sums)


def places(one: Plan, other: Plan) -> Rows:
    """Return the GPUs that projects hold in each domain of each level: level, domain, first, second, change.

    Domains where nothing changes are left out; nodes are not listed.
    """
    rows = []
    for depth, level in enumerate(one.levels if one.levels == other.levels else ()):
        sums = [Counter[str](), Counter[str]()]
        for plan, total in zip((one, other), sums, strict=True):
            for seat in plan.seats:
                total[" / ".join(seat.path[: depth + 1])] += seat.gpus
        rows += [{"level": level, **row} for row in _changes("domain", *sums) if row["change"]]
    return rows


def inputs(one: Instance, other: Instance) -> Rows:
    """Return the rows that differ between two instances: table, row (its key), column, first, second.

    Rows are known by their key columns, those of tables without any by all that they hold; a row that only one has is
    told with column empty and `there` or nothing.
    """
    rows: Rows = []
    for table in ("kinds", "pools", "quotas", "caps", "inventory", "projects", "requests", "placed"):
        keyed = [_keyed(instance, table) for instance in (one, other)]
        for key in dict.fromkeys([*keyed[0], *keyed[1]]):
            rows += _row(table, key, keyed[0].get(key), keyed[1].get(key))
    return rows


def _row(table: str, key: str, first: Any, second: Any) -> Iterator[dict[str, Any]]:
    if first is None or second is None:
        there = ["there" if row is not None else "" for row in (first, second)]
        yield {"table": table, "row": key, "column": "", "first": there[0], "second": there[1]}
        return
    for column in type(first).model_fields:
        values = getattr(first, column), getattr(second, column)
        if values[0] != values[1] and column not in ("source", "note"):
            yield {"table": table, "row": key, "column": column, "first": values[0], "second": values[1]}


def _keyed(instance: Instance, table: str) -> dict[str, Any]:
    """Return the rows of a table by their key in words; rows alike are numbered."""
    found: dict[str, Any] = {}
    seen = Counter[str]()
    for row in getattr(instance, table):
        if table == "inventory":
            name = row.node or "/".join((*row.path, row.kind, row.owner))
        else:
            name = " ".join(str(getattr(row, column)) for column in KEYS.get(table, ("pool", "kind")))
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = row
    return found


def _changes(name: str, first: Counter[str], second: Counter[str]) -> Rows:
    rows = [
        {name: key, "first": first[key], "second": second[key], "change": second[key] - first[key]}
        for key in dict.fromkeys([*first, *second])
    ]
    return sorted(rows, key=lambda row: (row["change"], str(row[name])))


def _granted(plan: Plan) -> Counter[tuple[str, str]]:
    return Counter({(grant.project, grant.kind): grant.gpus for grant in plan.grants})


def _seats(plan: Plan) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for seat in plan.seats:
        found.setdefault(seat.project, Counter())[seat.node] += seat.gpus
    return found
