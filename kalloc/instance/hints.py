"""What was probably meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_COMPARISONS = 40_000
"""Names compared per column in search of what was meant."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or what there is."""
    known = [str(item) for item in known]
    close = get_close_matches(name[:200], known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not known:
        return "there is none"
    return "known: " + ", ".join(sorted(known)[:8]) + (", …" if len(known) > 8 else "")


class Hints:
    """Hints for the unknown names of one column; no more than a planner would wait for."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = known
        self.left = max(1, MAX_COMPARISONS // max(1, len(self.known)))
        self.found: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return ``; did you mean …`` for an unknown name, or nothing after too many of them."""
        if name not in self.found and self.left > 0:
            self.left -= 1
            self.found[name] = f"; {nearest(name, self.known)}"
        return self.found.get(name, "")
