"""The page: one HTML file that fetches nothing, with every picture's figures as a table behind it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from kalloc.report import figures
from kalloc.report.atlas import atlas
from kalloc.report.missing import needs
from kalloc.report.scatter import by_level, compare, today_and_then
from kalloc.report.sources import sources
from kalloc.report.tables import domains, flows, kinds, reasons, records, shares
from kalloc.report.words import Words, figure, percent
from kalloc.slots import blocks, slots

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Plan

SCRIPTS = ("tree.js", "map.js", "table.js", "page.js")
MOST_ROWS = 400
"""Rows of a table behind a picture; the rest is counted."""


def render(instance: Instance, plan: Plan, summary: Mapping[str, Any], *, lang: str = "en") -> str:
    """Return the report of a plan as one HTML page that fetches no address.

    Names are untrusted: they are escaped wherever they stand, and the page forbids scripts but its own.

    Args:
        instance: what there is and who asks.
        plan: a plan for it that is clean.
        summary: what is claimed of the plan, as ``Result.summary()`` and summary.json have it; it must be true.
        lang: the language of the words, ``en`` or ``ko``.

    Raises:
        KallocError: where plotly or Jinja2 is not installed.
        ValueError: for a language that there are no words of.
    """
    words = Words.of(lang)
    plotly = needs("plotly.offline").get_plotlyjs()
    script = "\n".join(_text(f"templates/{name}") for name in SCRIPTS)
    template = _environment(words).get_template("page.html.j2")
    return str(
        template.render(
            instance=instance,
            summary=summary,
            words=words,
            version=version("kalloc"),
            style=_text("templates/page.css"),
            plotly=plotly,
            script=script,
            hashes=[_hash(plotly), _hash(script)],
            data={**atlas(instance, plan, lang), **_dress(instance, words)},
            **_facts(instance, plan, summary, words),
        )
    )


def _environment(words: Words) -> Any:
    jinja2 = needs("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kalloc.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    environment.filters.update(figure=figure, share=percent, groupby_in_order=_groups)
    environment.globals.update(t=words, name=words.name)
    return environment


def _facts(instance: Instance, plan: Plan, summary: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Return what the sections of the page are made of."""
    compared = compare(instance, plan, summary["fragmentation"]["bound"])
    title = {row.pool: row.title or row.pool for row in instance.pools}
    flow, ledger = flows(instance, plan), slots(instance, plan)
    pictures = {
        "scatter": figures.fragmentation(compared, words),
        "slots": figures.plot_slots(instance, plan, lang=words.lang),
    }
    if len(flow):
        pictures["flow"] = figures.plot_flow(instance, plan, lang=words.lang)
    if compared.before is not None and compared.after is not None:
        pictures["running"] = figures.running(compared.before, compared.after, words)
    if summary.get("curve"):
        pictures["curve"] = figures.curve(summary["curve"], words)
    return {
        "shares": records(shares(instance, plan)),
        "kinds": records(kinds(instance, plan)),
        "flow": records(flow.assign(**{side: flow[side].map(title) for side in ("pool", "programme")})),
        "flow_sides": {side: flow[side].nunique() for side in ("pool", "programme", "place")},
        "compared": compared,
        "scatter_levels": records(by_level(instance, compared, summary)),
        "running_levels": records(today_and_then(compared)),
        "slots": records(ledger),
        "slots_level": figures.usual_level(instance),
        "blocks": records(blocks(instance, plan)),
        "reasons": records(reasons(plan)),
        "sources": records(sources(instance)),
        "tiles": _tiles(instance, plan),
        "figures": {name: picture.to_plotly_json() for name, picture in pictures.items()},
        "most_rows": MOST_ROWS,
    }


def _tiles(instance: Instance, plan: Plan) -> dict[str, Any]:
    """Return the tiles of the map's first view as a table: the second level, or the coarsest there is."""
    topology = instance.topology
    depth = min(1, max(0, len(topology.levels) - 2))
    return {"level": topology.levels[depth], "rows": records(domains(instance, plan, depth))}


def _dress(instance: Instance, words: Words) -> dict[str, Any]:
    """Return what the map and the table of reasons say and how they colour."""
    shades = figures.colours(instance)
    levels = (*instance.hierarchy.levels, "node")
    return {
        "lang": words.lang,
        "words": words.table["js"],
        "levelWords": {level: words.name("level", level) for level in levels},
        "reasonWords": words.table["reason"],
        "colours": [shades.get(row.pool, figures.MUTED) for row in instance.pools],
    }


def _groups(rows: list[dict[str, Any]], key: str) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Return rows that stand together because a column says the same, in the order in which they come."""
    return [(value, list(part)) for value, part in groupby(rows, itemgetter(key))]


def _text(name: str) -> str:
    return (files("kalloc.report") / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Return the name by which the page's policy lets a script run."""
    digest = hashlib.sha256(re.sub(r"\r\n?", "\n", script).encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
