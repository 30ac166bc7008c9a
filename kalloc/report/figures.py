"""A plan as pictures: figures of plotly, for the report and for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from kalloc.report.missing import needs
from kalloc.report.scatter import Comparison, compare
from kalloc.report.tables import domains, flows, records
from kalloc.report.words import Words, figure
from kalloc.slots import slots

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from kalloc.instance import Instance
    from kalloc.plan import Plan, Result
    from kalloc.verify import Score

COLOURS = (
    *("#0b5cad", "#c2410c", "#0f766e", "#7c3aed", "#a16207", "#be185d"),
    *("#4d7c0f", "#0e7490", "#b91c1c", "#475569", "#86198f", "#92400e"),
)
"""One per programme, in the order of the pools; each has a contrast of at least 4.5 : 1 against white."""
INK, MUTED, GRID = "#1b2733", "#5b6b7b", "#d9e0e7"
FONT = '"Noto Sans KR", "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", system-ui, sans-serif'
WIDE = 8
"""A curve whose scores differ by more than this factor has a logarithmic axis, on which no bound is 0."""
MOST_NODES = 24
"""Bars drawn on one side of the flow; the smaller ones are drawn together."""


def plot_flow(instance: Instance, plan: Plan, *, lang: str = "en") -> Figure:
    """Return how GPUs flow from large pools through programmes to sites, as a Sankey diagram of plotly.

    It is empty where nothing is seated.

    Raises:
        KallocError: where plotly is not installed.
        ValueError: for a language that there are no words of.
    """
    graph, words = needs("plotly.graph_objects"), Words.of(lang)
    frame = _largest(flows(instance, plan), words)
    colour, title = colours(instance), {row.pool: row.title for row in instance.pools}
    steps: Counter[tuple[tuple[int, str], tuple[int, str], str]] = Counter()
    for row in records(frame):
        pool, programme, place = row["pool"], row["programme"], row["place"]
        shade = colour.get(programme, MUTED)
        if pool != programme:
            steps[(0, pool), (1, programme), shade] += row["gpus"]
        steps[(1, programme), (2, place), shade] += row["gpus"]
    ids = {end: number for number, end in enumerate(dict.fromkeys(end for a, b, _ in steps for end in (a, b)))}
    link = {
        "source": [ids[a] for a, _, _ in steps],
        "target": [ids[b] for _, b, _ in steps],
        "value": list(steps.values()),
        "color": [_faint(shade) for _, _, shade in steps],
    }
    node = {
        "label": [escape(title.get(name) or name) if column < 2 else escape(name) for column, name in ids],
        "color": [colour.get(name, INK) if column == 1 else INK for column, name in ids],
        "pad": 14,
        "thickness": 14,
        "line": {"width": 0},
    }
    sankey = graph.Sankey(node=node, link=link, valueformat=",d", valuesuffix=" GPU")
    found = graph.Figure(sankey if ids else ())
    return _styled(found, height=max(260, min(900, 30 * len(ids) + 60)))


def _largest(frame: pd.DataFrame, words: Words) -> pd.DataFrame:
    """Return flows in which no side has more than so many ends: the small ones are one."""
    for column in ("pool", "programme", "place"):
        sums = frame.groupby(column)["gpus"].sum().sort_values(ascending=False)
        if len(sums) > MOST_NODES:
            rest = set(sums.index[MOST_NODES - 1 :])
            name = words("flow.other", n=len(rest))
            frame = frame.assign(**{column: frame[column].where(~frame[column].isin(rest), name)})
    return frame


def plot_map(instance: Instance, plan: Plan, *, lang: str = "en") -> Figure:
    """Return how full the domains of the three coarsest levels are, as a treemap of plotly that a click opens.

    Raises:
        KallocError: where plotly is not installed.
        ValueError: for a language that there are no words of.
    """
    graph, words = needs("plotly.graph_objects"), Words.of(lang)
    ids, labels, parents, sizes, shares = [""], [escape(instance.name)], [""], [0], [0.0]
    for depth, paths in enumerate(instance.topology.paths[:3]):
        for path, row in zip(paths, records(domains(instance, plan, depth)), strict=True):
            ids.append(repr(path))
            parents.append(repr(path[:-1]) if depth else "all")
            labels.append(escape(path[-1]))
            sizes.append(row["gpus"])
            shares.append(1 - row["free"] / max(1, row["gpus"]))
    ids[0], free = "all", domains(instance, plan, len(instance.topology.paths))
    sizes[0], shares[0] = int(free["gpus"].sum()), 1 - float(free["free"].sum()) / max(1, int(free["gpus"].sum()))
    tile = graph.Treemap(
        ids=ids,
        labels=labels,
        parents=parents,
        values=sizes,
        branchvalues="total",
        marker={"colors": shares, "colorscale": "Blues", "cmin": 0, "cmax": 1, "colorbar": {"tickformat": ".0%"}},
        hovertemplate="%{label}<br>%{value:,d} GPU, %{color:.1%}<extra></extra>",
        maxdepth=3,
    )
    return _styled(graph.Figure(tile), top=50, height=560, title=words("map.title"))


def plot_fragmentation(instance: Instance, plan: Plan, bound: int | None = None, *, lang: str = "en") -> Figure:
    """Return the fragmentation of best fit and of the plan, and a proven bound where one is given, as bars of plotly.

    Raises:
        KallocError: where plotly is not installed.
        ValueError: for a language that there are no words of.
    """
    return fragmentation(compare(instance, plan, bound), Words.of(lang))


def fragmentation(compared: Comparison, words: Words) -> Figure:
    """Return the bars of :func:`plot_fragmentation` for what is compared already."""
    bars = [("best_fit", compared.best_fit.fragmentation, MUTED), ("plan", compared.plan.fragmentation, COLOURS[0])]
    if compared.bound is not None:
        bars.append(("bound", compared.bound, COLOURS[2]))
    return _bars([(words(f"scatter.{name}"), value, shade) for name, value, shade in bars])


def running(before: Score, after: Score, words: Words) -> Figure:
    """Return the fragmentation of the projects that run already, today and in the plan, as bars of plotly."""
    bars = (("today", before.fragmentation, MUTED), ("then", after.fragmentation, COLOURS[0]))
    return _bars([(words(f"scatter.{name}"), value, shade) for name, value, shade in bars])


def _bars(bars: Sequence[tuple[str, int, str]]) -> Figure:
    """Return bars that lie, each with its name, its figure and its colour."""
    graph = needs("plotly.graph_objects")
    bar = graph.Bar(
        x=[value for _, value, _ in bars],
        y=[name for name, _, _ in bars],
        text=[figure(value) for _, value, _ in bars],
        marker={"color": [shade for _, _, shade in bars]},
        orientation="h",
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    found = _styled(graph.Figure(bar), height=80 + 46 * len(bars))
    most = max(value for _, value, _ in bars)
    found.update_xaxes(tickformat=",d", range=[0, 1.12 * most or 1], showticklabels=most > 0, nticks=min(6, most + 1))
    found.update_yaxes(autorange="reversed", ticksuffix="  ")
    return found


def plot_slots(instance: Instance, plan: Plan, level: str | None = None, *, lang: str = "en") -> Figure:
    """Return, for every kind and size, the free GPUs that whole requests can use, before and after, as bars of plotly.

    Args:
        instance: what there is and who asks.
        plan: a plan for it that is clean.
        level: the level of which one domain must hold a request; the finest level above racks where it is not given.
        lang: the language of the words, ``en`` or ``ko``.

    Raises:
        KallocError: where plotly is not installed.
        ValueError: for a level that the instance has not, or a language that there are no words of.
    """
    graph, make = needs("plotly.graph_objects"), needs("plotly.subplots").make_subplots
    words, level = Words.of(lang), level or usual_level(instance)
    if level not in instance.topology.levels:
        raise ValueError(f"no level {level!r}; there are: {', '.join(instance.topology.levels)}")
    frame = slots(instance, plan)
    frame = frame[frame["level"] == level]
    kinds = list(dict.fromkeys(frame["kind"])) or [""]
    found = make(rows=1, cols=len(kinds), subplot_titles=[escape(kind) for kind in kinds], horizontal_spacing=0.07)
    for column, kind in enumerate(kinds, 1):
        part = frame[frame["kind"] == kind]
        for when, shade in (("before", "#b6c2ce"), ("after", COLOURS[0])):
            bar = graph.Bar(
                x=[figure(size) for size in part["gpus"]],
                y=(part[when] * part["gpus"]).tolist(),
                customdata=part[when].tolist(),
                name=words(f"column.{when}"),
                marker={"color": shade},
                showlegend=column == 1,
                hovertemplate="%{x} GPU × %{customdata:,d} = %{y:,d}<extra></extra>",
            )
            found.add_trace(bar, row=1, col=column)
    found.update_xaxes(title=words("column.size"), type="category").update_yaxes(tickformat="~s", rangemode="tozero")
    found.update_yaxes(title=words("slots.axis"), col=1).update_annotations(font={"size": 14})
    return _styled(found, height=340, top=64, legend={"orientation": "h", "y": 1.28, "x": 0})


def usual_level(instance: Instance) -> str:
    """Return the level at which requests are looked at first: the second finest that is listed, else the coarsest."""
    listed = instance.topology.levels
    return listed[max(0, len(listed) - 3)]


def plot_curve(result: Result, *, lang: str = "en") -> Figure:
    """Return score and bound of the fragmentation over the seconds of a solve, as steps of plotly.

    Raises:
        KallocError: where plotly is not installed.
        ValueError: for a language that there are no words of.
    """
    points = [{"seconds": at, "score": value, "bound": bound} for at, value, bound in result.curve]
    return curve(points, Words.of(lang))


def curve(points: list[dict[str, Any]], words: Words) -> Figure:
    """Return the steps of :func:`plot_curve` for the points of a summary."""
    graph = needs("plotly.graph_objects")
    found, scores = graph.Figure(), [point["score"] for point in points]
    wide = bool(scores) and max(scores) > WIDE * min(scores) > 0
    for name, shade, mark in (("score", COLOURS[0], "circle"), ("bound", COLOURS[1], "square")):
        known = [point for point in points if point[name] is not None and (point[name] or not wide)]
        line = graph.Scatter(
            x=[point["seconds"] for point in known],
            y=[point[name] for point in known],
            name=words(f"curve.{name}"),
            mode="lines+markers",
            line={"shape": "hv", "color": shade},
            marker={"symbol": mark},
            hovertemplate="%{x:.1f} s: %{y:,d}<extra></extra>",
        )
        found.add_trace(line)
    found.update_xaxes(title=words("curve.axis"), rangemode="tozero")
    found.update_yaxes(title=words("column.score"), tickformat=",d", rangemode="tozero")
    if wide:
        found.update_yaxes(type="log", dtick="D2")
    return _styled(found, height=330, top=40, legend={"orientation": "h", "y": 1.16, "x": 0})


def colours(instance: Instance) -> dict[str, str]:
    """Return a colour for each pool that has projects, in the order of the pools."""
    asking = {row.pool for row in instance.projects}
    pools = [row.pool for row in instance.pools if row.pool in asking]
    return {pool: COLOURS[number % len(COLOURS)] for number, pool in enumerate(pools)}


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.38)"


def _styled(found: Figure, top: int = 12, **layout: Any) -> Figure:
    """Return a figure in the calm look of the report."""
    found.update_layout(
        template="none",
        font={"family": FONT, "size": 13, "color": INK},
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        **layout,
    )
    found.update_xaxes(gridcolor=GRID, linecolor=GRID, zerolinecolor=GRID, automargin=True)
    found.update_yaxes(gridcolor=GRID, linecolor=GRID, zerolinecolor=GRID, automargin=True)
    return found
