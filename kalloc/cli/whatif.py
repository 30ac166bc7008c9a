"""``kalloc compare``, ``frontier``, ``stress`` and ``worth``: what would be if."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from kalloc.cli.app import InstancePath, PlanPath, app, finite
from kalloc.cli.explaining import sound
from kalloc.cli.running import Run
from kalloc.errors import Defect, InstanceError

BEYOND = {"fragmentation": "at_most", "reserve": "at_least"}
"""What a figure of a tier that is reached says of the best."""
Rows = Sequence[Mapping[str, Any]]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Top = Annotated[int, typer.Option(min=1, help="Rows of a table to print at most.")]
Out = Annotated[Path | None, typer.Option("--out", help="CSV file to write the whole table to.")]
Side = Annotated[Path, typer.Argument(help="The directory of a plan, or an instance.")]


@app.command()
def compare(one: Side, other: Side, top: Top = 20, as_json: Json = False) -> None:
    """Compare two plans or two instances: who gains, who loses, tier by tier, place by place."""
    import kalloc.io
    from kalloc.whatif import compare as sides

    with Run(as_json).told():
        plans = [(path / "plan.json").exists() or path.name == "plan.json" for path in (one, other)]
        if plans[0] != plans[1]:
            message = "is a plan and the other one is not; compare two plans or two instances"
            raise InstanceError([Defect(str(one if plans[0] else other), None, None, message)])
        if plans[0]:
            first, second = kalloc.io.read_plan(one), kalloc.io.read_plan(other)
            summaries = (kalloc.io.read_summary(one.parent if one.is_file() else one) for one in (one, other))
            tables: dict[str, Rows] = {"tiers": sides.tiers(*summaries)}
            for name, table in (("pools", sides.pools), ("projects", sides.projects), ("places", sides.places)):
                tables[name] = table(first, second)
        else:
            tables = {"inputs": sides.inputs(kalloc.io.load(one), kalloc.io.load(other))}
        _show(tables, top, as_json)


@app.command()
def frontier(
    instance: InstancePath,
    between: Annotated[tuple[str, str], typer.Option(help="The two tiers.")] = ("merit", "fragmentation"),
    points: Annotated[int, typer.Option(min=2, help="Points at most.")] = 9,
    time_limit: Annotated[float, typer.Option(callback=finite, help="Seconds to solve at most.")] = 60.0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show what two tiers cost each other: plans of which none is better on both, each proven or with its gap."""
    import kalloc.io
    from kalloc.whatif.frontier import frontier

    with Run(as_json).told():
        found = frontier(kalloc.io.load(instance), between, points, time_limit)
        rows = [
            {
                between[1]: point.second,
                between[0]: point.first,
                f"{between[0]}_bound": point.bound,
                "gap": point.gap,
                "proven": point.proven,
            }
            for point in found
        ]
        _written(rows, out)
        _show({"points": rows}, points, as_json)


@app.command()
def stress(instance: InstancePath, plan: PlanPath, top: Top = 3, out: Out = None, as_json: Json = False) -> None:
    """Show the loss of any one domain, down to the node: who is hit, and who could be seated again in what is free."""
    from kalloc.whatif.stress import losses

    with Run(as_json).told():
        whole, made = sound(instance, plan)
        found = list(losses(whole, made))
        rows: list[dict[str, Any]] = [
            {
                "level": loss.level,
                "domain": loss.domain,
                "gpus": loss.gpus,
                "hit": len(loss.hits),
                "hit_gpus": loss.hit_gpus,
                "again": sum(hit.again for hit in loss.hits),
                "left_gpus": loss.left_gpus,
                "left": " ".join(hit.project for hit in loss.hits if not hit.again),
            }
            for loss in found
        ]
        _written(rows, out)
        worst = []
        for level in whole.topology.levels:
            of = [row for row in rows if row["level"] == level]
            worst += sorted(of, key=lambda row: (-row["left_gpus"], -row["hit_gpus"]))[:top]
        _show({"losses": worst}, len(worst), as_json)


@app.command()
def worth(
    instance: InstancePath,
    plan: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A plan, to check that it is the best.")] = None,
    time_limit: Annotated[float, typer.Option(callback=finite, help="Seconds to solve at most.")] = 300.0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show what one step more of each quota, cap and kind is worth: the change of every tier, by solving anew."""
    import kalloc.io
    from kalloc.whatif.worth import worth

    with Run(as_json).told():
        whole, made = (kalloc.io.load(instance), None) if plan is None else sound(instance, plan)
        rows = [
            {
                **{"rule": row.rule, "pool": row.pool, "kind": row.kind, "gpus": row.gpus, **row.tiers},
                **{f"{name}_at_least": value for name, value in row.proven.items()},
                **{f"{name}_{BEYOND[name]}": value for name, value in row.reached.items()},
                "not_sought": " ".join(row.not_sought),
            }
            for row in worth(whole, time_limit, made)
        ]
        _written(rows, out)
        _show({"steps": rows}, len(rows), as_json)


def _show(tables: Mapping[str, Rows], top: int, as_json: bool) -> None:
    """Print tables for people, or all that they hold for programs."""
    if as_json:
        print(json.dumps(tables, default=_plain))
        return
    from kalloc.screen import table_lines

    for number, (name, rows) in enumerate(tables.items()):
        print("\n" * (number > 0) + f"{name}: {'' if rows else 'no difference'}".rstrip(": " if rows else ""))
        for line in table_lines(rows, top):
            print(line)


def _plain(value: object) -> object:
    """Return what JSON knows for a value of a row: exact fractions as numbers, rows' tuples as lists."""
    return float(value) if isinstance(value, Fraction) else str(value)


def _written(rows: Rows, out: Path | None) -> None:
    """Write a table, whole or not at all, where it is wanted."""
    if out is None or not rows:
        return
    from kalloc.io.atomic import publish_file
    from kalloc.io.dump import csv_text

    cells = ([_cell(value) for value in row.values()] for row in rows)
    publish_file(out, csv_text(tuple(rows[0]), cells).encode())


def _cell(value: object) -> object:
    return (int(value) if value == int(value) else float(value)) if isinstance(value, Fraction) else value
