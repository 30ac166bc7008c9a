"""What kalloc raises. Every message says what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class KallocError(Exception):
    """Base of every error that kalloc raises on purpose."""


@dataclass(frozen=True, order=True)
class Defect:
    """One thing that is wrong with an input.

    ``row`` counts as a spreadsheet does: the header is row 1, so the first record is row 2.
    For a JSON document it is the position in the list, from 1. ``None`` means the whole file.
    ``line`` is given instead where a file that is no table was imported.
    """

    file: str
    row: int | None
    column: str | None
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return ``file, row or line, column: message``, leaving out what is not known."""
        place = [self.file]
        if self.line is not None:
            place.append(f"line {self.line}")
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column!r}")
        return f"{', '.join(place)}: {self.message}"


class InstanceError(KallocError):
    """The input is wrong. ``defects`` holds everything that can be told at once."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        self.defects = tuple(dict.fromkeys(defects))
        count = len(self.defects)
        head = f"{count} defect{'s' if count != 1 else ''} in the input; correct and run again:"
        super().__init__("\n".join([head, *(f"  {defect}" for defect in self.defects)]))


class OutputError(KallocError):
    """Files cannot be written where they were wanted; what was there before is as it was."""


@dataclass(frozen=True)
class Way:
    """The cheapest way to a plan where none can exist, by one measure: ``GPUs``, ``won`` or ``kW``."""

    unit: str
    amount: float
    """By so much rules are loosened, or requests let go, in all."""
    loosened: tuple[str, ...]
    """What gives way, each with its amount."""
    seen: str = ""
    """What was seen of the seats, where that matters and is not all."""


class InfeasibleError(KallocError):
    """No plan can exist.

    ``clash`` names a smallest set of requests and rules that exclude each other; ``ways`` the cheapest ways to a plan
    that are known: in GPUs that rules allow more or requests do without, in won where budgets alone can give way, and
    in kW where limits on power alone can.
    """

    def __init__(self, clash: Sequence[str], ways: Sequence[Way] = ()) -> None:
        self.clash, self.ways = tuple(clash), tuple(ways)
        lines = ["no plan can exist: these exclude each other, drop or loosen one of them:"]
        lines += [f"  {item}" for item in self.clash]
        for way in self.ways:
            seen = f" ({way.seen})" if way.seen else ""
            lines.append(f"the cheapest way to a plan loosens {way.amount:,.12g} {way.unit} in all{seen}:")
            lines += [f"  {item}" for item in way.loosened]
        super().__init__("\n".join(lines))

    @property
    def relaxation(self) -> tuple[str, ...]:
        """What gives way in the cheapest way by GPUs; empty where none is known."""
        return next((way.loosened for way in self.ways if way.unit == "GPUs"), ())

    @property
    def gpus(self) -> int:
        """GPUs of that way."""
        return next((int(way.amount) for way in self.ways if way.unit == "GPUs"), 0)


class NoPlanError(KallocError):
    """No plan was found within the limits; whether one exists is not known."""


class PlanRejectedError(KallocError):
    """A plan that kalloc made does not pass its own checker: a bug of kalloc, nothing was written."""

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = tuple(violations)
        head = "kalloc made a plan that breaks rules; this is a bug, please report it with the instance:"
        super().__init__("\n".join([head, *(f"  {violation}" for violation in self.violations[:20])]))
