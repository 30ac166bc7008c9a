"""Tables as text or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Row = Sequence[str]


def markdown(head: Row, rows: Sequence[Row]) -> str:
    """Return a table whose columns are aligned in the source too: first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [_line(head, widths), _rule(widths), *(_line(row, widths) for row in rows)]
    return "\n".join(lines)


def _line(row: Row, widths: Sequence[int]) -> str:
    first, *others = row
    cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
    return f"| {' | '.join(cells)} |"


def _rule(widths: Sequence[int]) -> str:
    return f"| {' | '.join(['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])])} |"


def number(value: float | None) -> str:
    """Return a figure with its thousands marked, five digits or one decimal where it has some; a dash for none."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.5g}" if abs(value) < 10_000 else f"{value:,.1f}"


def spread(values: Sequence[float | None], digits: int | None = None, unit: str = "") -> str:
    """Return the median of the figures that there are, with the least and the largest where they differ."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    middle, least, most = (_short(value, digits) for value in (median(known), known[0], known[-1]))
    return f"{middle}{unit}" if least == most else f"{middle}{unit} ({least} to {most})"


def _short(value: float, digits: int | None) -> str:
    return number(round(value, 1)) if digits is None else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    """Return a share in per cent, rounded to what is worth reading; a dash for none."""
    return "–" if value is None else f"{100 * value:.3g} %"


def holds(tier: Mapping[str, Any]) -> str:
    """Return for which plans a tier's bound holds."""
    return "–" if tier["bound"] is None else "every plan" if tier["given"] is None else "this allocation"
