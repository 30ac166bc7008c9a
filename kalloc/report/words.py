"""What the report says, in English and in Korean: one file of words per language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Real
from typing import Any

LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class Words:
    """The words of one language: sentences by a dotted key, with places for figures in braces."""

    lang: str
    table: Mapping[str, Any]

    @classmethod
    def of(cls, lang: str) -> Words:
        """Return the words of a language.

        Raises:
            ValueError: for a language that there are no words of.
        """
        if lang not in LANGUAGES:
            raise ValueError(f"no words in {lang!r}; there are: {', '.join(LANGUAGES)}")
        return cls(lang, _read(lang))

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence with its figures filled in."""
        at: Any = self.table
        for part in key.split("."):
            at = at[part]
        return str(at).format(**{name: figure(value) for name, value in values.items()})

    def name(self, group: str, key: str) -> str:
        """Return the word for a level, a reason or a table; the key itself where there is none."""
        return str(self.table[group].get(key, key))


@cache
def _read(lang: str) -> Mapping[str, Any]:
    return tomllib.loads((files("kalloc.report") / "words" / f"{lang}.toml").read_text(encoding="utf-8"))


def figure(value: object) -> str:
    """Return a number with its thousands marked, at most two decimals; a dash for none; any other thing as it is."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.2f}"


def percent(part: float, whole: float = 1.0) -> str:
    """Return a share in percent with one decimal; never 100 % or 0 % for what is not."""
    if not whole:
        return "–"
    share = 100 * part / whole
    shown = f"{share:.1f}"
    if shown == "100.0" and share < 100:
        shown = "99.9"
    if shown == "0.0" and share > 0:
        shown = "<0.1"
    return f"{shown.removesuffix('.0')} %"
