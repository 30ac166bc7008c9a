"""Where defects are collected: every check adds what it finds, and nothing stops at the first one."""

from __future__ import annotations

from collections.abc import Callable

from kalloc.errors import Defect, InstanceError

FIRST_ROW = 2
"""Row of the first record in a table: the header is row 1."""

HEADER = -1
"""Stands for the header of a table, where the position of a record is asked."""

HEAD = "instance"
"""The part of an instance that is no table: instance.toml."""

ANY = "*"
"""Stands for every column of a row."""

Place = tuple[str, int | None, str | None]
Locate = Callable[[str, int | None, str | None], Place]


def in_files(table: str, index: int | None, column: str | None) -> Place:
    """Return file, row and column of a record (counted from 0) in a directory without blank lines."""
    if table in (HEAD, "caps"):
        return "instance.toml", None, in_head(table, index, column)
    return f"{table}.csv", None if index is None else index + FIRST_ROW, column


def in_head(table: str, index: int | None, column: str | None) -> str | None:
    """Return the key of something that stands before the tables."""
    if table == HEAD:
        return column
    place = "cap" if index is None else f"cap[{index + 1}]"
    return place if column is None else f"{place}.{column}"


class Report:
    """The defects found so far, and which cells must not be judged any further.

    ``locate`` turns a table, the position of a record in it and a column into what a reader can look up.
    """

    def __init__(self, locate: Locate = in_files) -> None:
        self.locate = locate
        self.defects: list[Defect] = []
        self.unread: set[str] = set()
        """Tables whose names are not all known, so that no reference to them can be judged."""
        self._broken: dict[tuple[str, int], set[str]] = {}

    def add(self, table: str, index: int | None, column: str | None, message: str) -> None:
        """Note a defect of a table, of a record or of one of its cells."""
        self.defects.append(Defect(*self.locate(table, index, column), message))
        if index is not None:
            self.distrust(table, index, column or ANY)

    def distrust(self, table: str, index: int, column: str) -> None:
        """Leave a cell out of further checks without a defect of its own."""
        self._broken.setdefault((table, index), set()).add(column)

    def row(self, table: str, index: int) -> str:
        """Return the words for where another record of the table stands."""
        _, row, column = self.locate(table, index, None)
        return f"row {row}" if row is not None else f"{column}"

    def whole(self, table: str, index: int) -> bool:
        """Tell whether nothing is wrong with a record so far."""
        return (table, index) not in self._broken

    def sound(self, table: str, index: int, *columns: str) -> bool:
        """Tell whether nothing is wrong with these cells so far."""
        broken = self._broken.get((table, index))
        return broken is None or (ANY not in broken and broken.isdisjoint(columns))

    @property
    def spotless(self) -> bool:
        """Tell whether every record is whole and every table was read."""
        return not self._broken and not self.unread

    def raise_if_any(self) -> None:
        """Raise all defects at once, if there are any."""
        if self.defects:
            raise InstanceError(self.defects)
