"""What a solve came to, in lines of at most 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from numbers import Real
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kalloc.instance import Instance
    from kalloc.plan import Result

MOST_POOLS = 12
"""Pools listed; what the others get is summed up in one line."""
NAME = 30
"""Columns of a name."""
WIDTH = 80
"""Columns of a line, at most."""
CELL = 48
"""Columns of a text in a table of rows."""


def size(instance: Instance) -> str:
    """Return how large an instance is, in a line."""
    gpus = sum(row.gpus * row.count for row in instance.inventory)
    nodes = instance.topology.node_count
    return f"{cut(instance.name)}: {gpus:,} GPUs on {nodes:,} nodes, {len(instance.projects):,} projects"


def result_lines(instance: Instance, result: Result) -> Iterator[str]:
    """Return who gets what, what was proven of it and how the solve ended."""
    yield size(instance)
    yield ""
    yield from _pools(instance, result)
    yield ""
    yield from _tiers(result)
    yield ""
    yield from _levels(result)
    yield ""
    memory = f"peak memory {result.peak_memory_mib:,} MiB"
    yield f"termination {result.termination}, solution {result.solution}, verified, {memory}"
    if result.certified is not None:
        yield f"certified: {result.certified['certified']} of {result.certified['bounds']} bounds"
    spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.seconds.items() if name != "certify")
    yield from wrap(f"seconds: {spent}", WIDTH, subsequent_indent=" " * len("seconds: "))


def cut(name: str, width: int = NAME) -> str:
    """Return a name that is no wider than its column: characters of East Asian scripts take two cells."""
    from rich.cells import cell_len, set_cell_size

    return name if cell_len(name) <= width else f"{set_cell_size(name, width - 1).rstrip()}…"


def number(value: float | Fraction | None) -> str:
    """Return a figure with its thousands marked; a dash for none."""
    if value is None:
        return "–"
    return f"{int(value):,}" if value == int(value) else f"{float(value):,.2f}"


def table_lines(rows: Sequence[Mapping[str, Any]], most: int | None = None) -> Iterator[str]:
    """Return a table of rows with the same keys: texts to the left, figures to the right; the first ``most`` of them.

    Figures are numbers or None; what is cut off is counted in a last line.
    """
    if not rows:
        return
    shown = rows[:most]
    columns = {key: [row[key] for row in shown] for key in rows[0]}
    parts: list[list[str]] = []
    for key, values in columns.items():
        values = [("no", "yes")[value] if isinstance(value, bool) else value for value in values]
        figures = all(value is None or isinstance(value, Real) for value in values)
        cells = [key, *(_figure(value) if figures else cut(str(value), CELL) for value in values)]
        parts.append(_aligned(cells, right=figures))
    yield from ("  ".join(line).rstrip() for line in zip(*parts, strict=True))
    if len(rows) > len(shown):
        yield f"… and {len(rows) - len(shown):,} more"


def _figure(value: float | Fraction | None) -> str:
    """Return a figure; a small fraction with three digits."""
    return f"{float(value):.3g}" if value is not None and 0 < abs(float(value)) < 1 else number(value)


def _aligned(cells: Sequence[str], right: bool) -> list[str]:
    from rich.cells import cell_len

    width = max(map(cell_len, cells))
    blanks = [" " * (width - cell_len(cell)) for cell in cells]
    return [blank + cell if right else cell + blank for cell, blank in zip(cells, blanks, strict=True)]


def _pools(instance: Instance, result: Result) -> Iterator[str]:
    asked, given = Counter[str](), Counter[str]()
    served: dict[str, set[str]] = {}
    for row in instance.projects:
        asked[row.pool] += instance.most_requested(row.project)
    for grant in result.plan.grants:
        given[grant.pool] += grant.gpus
        served.setdefault(grant.pool, set()).update([grant.project] if grant.gpus else [])
    asking = Counter(row.pool for row in instance.projects)

    def line(name: str, pools: Sequence[str]) -> tuple[str, ...]:
        sums = (
            sum(len(served.get(pool, ())) for pool in pools),
            sum(asking[pool] for pool in pools),
            sum(given[pool] for pool in pools),
            sum(asked[pool] for pool in pools),
        )
        return (name, *(f"{value:,}" for value in sums))

    ranked = sorted(asked, key=lambda pool: (-asked[pool], pool))
    rows: list[tuple[str, ...]] = [("pool", "served", "of", "GPUs given", "GPUs asked")]
    rows += [line(cut(pool), [pool]) for pool in ranked[:MOST_POOLS]]
    if len(ranked) > MOST_POOLS:
        rows.append(line(f"{len(ranked) - MOST_POOLS} other pools", ranked[MOST_POOLS:]))
    rows.append(line("all", ranked))
    yield from _table(rows, (NAME, 9, 9, 13, 13))


def _tiers(result: Result) -> Iterator[str]:
    rows = [("tier", "value", "proven bound", "gap", "bound holds for")]
    for tier in result.tiers:
        gap = "–" if tier.gap is None else f"{100 * tier.gap:.3g} %"
        holds = "–" if tier.bound is None else "every plan" if tier.given is None else "this allocation"
        rows.append((cut(tier.name, 14), number(tier.value), number(tier.bound), gap, holds))
    yield from _table(rows, (14, 19, 19, 9, 16))


def _levels(result: Result) -> Iterator[str]:
    rows = [("level", "spans", "needed", "proven bound")]
    for name, level in result.levels.items():
        rows.append((cut(name), number(level.spans), number(level.need), number(level.bound)))
    yield from _table(rows, (NAME, 12, 12, 14))


def _table(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """Return a table: the first column to the left, figures to the right."""
    from rich.cells import set_cell_size

    for first, *others in rows:
        figures = "".join(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield set_cell_size(first, widths[0]) + figures
