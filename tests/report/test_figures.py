"""Pictures for notebooks: their figures are those of the plan, and a result shows itself."""

from __future__ import annotations

import json
import re

import pytest

import kalloc
from kalloc import report
from kalloc.bestfit import best_fit
from kalloc.generate import generate
from kalloc.instance import Pool
from kalloc.io.tables import TABLES
from kalloc.report.atlas import atlas
from kalloc.report.figures import MOST_NODES
from kalloc.report.scatter import compare
from kalloc.report.sources import grades, sources
from kalloc.report.tables import kinds, records, shares
from tests.halls import granted, hall
from tests.report.plans import EVIL, hostile, solved


def test_flow() -> None:
    """What flows into the sites is what the plan seats, and every band begins where another one ends or at a pool."""
    instance, result = solved("korea-2026-call1")
    [sankey] = report.plot_flow(instance, result.plan).data
    into = {target for target in sankey.link.target if target not in sankey.link.source}
    ends = zip(sankey.link.target, sankey.link.value, strict=True)
    assert sum(value for target, value in ends if target in into) == result.gpus["allocated"]
    assert {sankey.node.label[target] for target in into} == {"gak-sejong", "ansan"}


def test_flow_of_many() -> None:
    """Of many pools the smallest are drawn as one, and nothing is lost."""
    names = [f"p{number}" for number in range(40)]
    pools = (Pool(pool="all"), *(Pool(pool=name, parent="all") for name in names))
    instance = hall({"a": 30, "b": 30}, {name: 8 * (1 + at % 2) for at, name in enumerate(names)})
    projects = tuple(row.model_copy(update={"pool": row.project}) for row in instance.projects)
    instance = instance.replace(pools=pools, projects=projects)
    result = kalloc.solve(instance, threads=1)
    [sankey] = report.plot_flow(instance, result.plan).data
    sides = [set(sankey.link.source), set(sankey.link.target)]
    assert (len(sides[0] - sides[1]), "17 others" in sankey.node.label) == (MOST_NODES, True)
    assert sum(sankey.link.value) == result.gpus["allocated"]


def test_map() -> None:
    """The whole of the treemap is every GPU that is up, and a parent is the sum of what is in it."""
    instance, result = solved("korea-2026-call1")
    [tile] = report.plot_map(instance, result.plan).data
    size = dict(zip(tile.ids, tile.values, strict=True))
    assert size["all"] == instance.topology.gpus.sum()
    for parent in set(tile.parents) - {""}:
        assert size[parent] == sum(v for v, p in zip(tile.values, tile.parents, strict=True) if p == parent)


def test_fragmentation() -> None:
    """Best fit, plan and bound are told apart, and what runs already is scored where it lies today."""
    instance, result = solved("tiny/staying-project")
    compared = compare(instance, result.plan, result.fragmentation_bound)
    [bar] = report.plot_fragmentation(instance, result.plan, result.fragmentation_bound).data
    assert list(bar.x) == [compared.best_fit.fragmentation, result.fragmentation, result.fragmentation_bound]
    assert (compared.running, compared.before is not None, compared.after is not None) == (2, True, True)
    assert (compared.broken, compared.unseated) == (0, 0)


def test_slots() -> None:
    """Bars are requests times size; a level that is not there is refused by name."""
    instance, result = solved("korea-2026-call1")
    before, after, *_ = report.plot_slots(instance, result.plan, level="su").data
    assert list(after.y) == [0] * len(after.y)
    assert before.y[0] == 2296
    with pytest.raises(ValueError, match="no level 'pod'; there are: site, fabric, su, rack, node"):
        report.plot_slots(instance, result.plan, level="pod")


def test_curve() -> None:
    """Score and bound are steps at the seconds of the curve."""
    _, result = solved("tiny/weights-decide")
    score, bound = report.plot_curve(result).data
    assert list(score.y) == [value for _, value, _ in result.curve]
    assert list(bound.y) == [value for _, _, value in result.curve if value is not None]


def test_shares_add_up() -> None:
    """A pool has what the pools below it have; kinds account for every GPU."""
    instance, result = solved("korea-2026-call1")
    whole, *below = records(shares(instance, result.plan))
    for column in ("projects", "served", "asked", "given"):
        assert whole[column] == sum(row[column] for row in below)
    assert (whole["pool"], whole["quota"], below[0]["quota"]) == ("call1", 4336, None)
    rows = records(kinds(instance, result.plan))
    assert all(row["gpus"] == row["down"] + row["background"] + row["given"] + row["free"] for row in rows)
    assert sum(row["given"] for row in rows) == 4336


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("H: press; A: merit", "HA"),
        ("M: one outlet; D: sum", "MD"),
        ("A", "A"),
        ("half of them assumed", "A"),
        ("담당자 가정", "A"),
        ("A. Kim, letter of 3 May", ""),
        ("", ""),
    ],
)
def test_grades(source: str, found: str) -> None:
    """Grades are read where a source, or a part of it after a semicolon, begins with one."""
    assert grades(source) == found


def test_sources() -> None:
    """Every row of every table is counted once, and what is assumed is marked."""
    instance, _ = solved("korea-2026-call1")
    rows = records(sources(instance))
    assert sum(row["rows"] for row in rows if row["table"] == "requests") == len(instance.requests)
    assert {row["table"] for row in rows if row["assumed"]} == {"inventory", "projects", "requests"}
    assert {row["table"] for row in rows} == {name for name in ("caps", *TABLES) if getattr(instance, name)}
    [applications] = [row for row in rows if row["table"] == "projects"]
    assert applications["notes"] == len({row.note for row in instance.projects})


def test_jupyter() -> None:
    """A result shows its end, its pools, tiers and levels; names that are markup stay text."""
    _, result = solved("korea-2026-call1")
    shown = result._repr_html_()
    assert "termination optimal, solution proven" in shown
    assert re.search(r"<td>academia</td>\s*<td>2664</td>", shown)
    assert shown.count("<table") == 3
    instance, other = hostile()
    assert EVIL not in other._repr_html_()
    drawn = json.loads(report.plot_flow(instance, other.plan).to_json())
    assert "<" not in "".join(drawn["data"][0]["node"]["label"])


def test_national_page_is_small_enough() -> None:
    """The data of 4,096 nodes take less than 80 bytes a node, so that 32,500 nodes stay far below 10 MB."""
    instance = generate("national", 0, family="partial", nodes=4096)
    plan = best_fit(instance, granted(instance))
    size = len(json.dumps(atlas(instance, plan, "en"), separators=(",", ":"), ensure_ascii=False).encode())
    assert size < 80 * 4096
