"""Names that other systems take: made from kalloc's own, each stable, none for two, and what was changed is told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Key = tuple[str, str]
"""What a name is of, such as ``pool``, and the name."""

DIGITS = 6
"""Hexadecimal digits of the fingerprint that tells names apart, at least."""
SHOWN = 8
"""Names told in one note."""


@dataclass(frozen=True)
class Alphabet:
    """What a system takes as a name."""

    system: str
    """The words for it."""
    fits: str
    """A pattern of the names that it takes as they are."""
    letters: str
    """The characters that may stand anywhere but at the ends, as in a pattern."""
    most: int
    """The most characters."""
    lower: bool = True
    slash: str = "-"
    """What stands for a slash, which parts the levels in the names of unnamed nodes."""
    mark: str = "-"
    """What stands for all else that the system does not take."""

    def take(self, name: str) -> bool:
        """Tell whether the system takes a name as it is."""
        return len(name) <= self.most and re.fullmatch(self.fits, name) is not None

    def slug(self, name: str) -> str:
        """Return the nearest name that the system takes, or nothing where there is none."""
        text = (name.lower() if self.lower else name).replace("/", self.slash)
        text = re.sub(f"[^{self.letters}]+", self.mark, text)
        text = re.sub(f"{self.mark}{{2,}}", self.mark, text)
        return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$|(?<=\.)[-.]+|-+(?=\.)", "", text)


LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = Alphabet("a DNS label", LABEL, "-a-z0-9", 63)
DNS_NAME = Alphabet("a DNS name", rf"{LABEL}(\.{LABEL})*", "-.a-z0-9", 253, slash=".")
LABEL_NAME = Alphabet("a label", r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?", "-_.A-Za-z0-9", 63, lower=False)
LABEL_VALUE = Alphabet("a label", r"([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?", "-_.A-Za-z0-9", 63, lower=False)


@dataclass(frozen=True)
class Names:
    """The names that a system takes, by what they were made from."""

    made: Mapping[Key, str]
    notes: tuple[str, ...]
    """What a reader must know: names that would have been the same."""

    def __call__(self, what: str, name: str) -> str:
        """Return the name for the other system."""
        return self.made[what, name]

    def changed(self) -> Iterator[tuple[str, str, str]]:
        """Yield what, name and the name made of it, where they differ."""
        return ((what, name, made) for (what, name), made in self.made.items() if made != name)


def fit(alphabet: Alphabet, keys: Iterable[Key], taken: Iterable[str] = ()) -> Names:
    """Return a name of the alphabet for each key.

    A name that fits stays. Another one is slugged; where that loses letters or is some other's name, digits of its
    fingerprint follow, so that what a name becomes depends on no other name but one that it clashes with.

    Args:
        alphabet: what the system takes.
        keys: what is named; of those that fit as they are and are equal, the first keeps the name.
        taken: names that must not be given.
    """
    made: dict[Key, str] = {}
    used = set(taken)
    alike: dict[str, list[Key]] = {}
    for key in dict.fromkeys(keys):
        if alphabet.take(key[1]) and key[1] not in used:
            made[key] = key[1]
            used.add(key[1])
        else:
            alike.setdefault(alphabet.slug(key[1]), []).append(key)
    notes = []
    for slug, group in alike.items():
        clash = len(group) > 1 or slug in used
        for key in group:
            plain = not clash and key[1].isascii() and alphabet.take(slug) and slug != ""
            made[key] = slug if plain else _marked(alphabet, slug, key, used)
            used.add(made[key])
        if clash and slug:
            notes.append(_note(alphabet, slug, [(*key, made[key]) for key in group]))
    return Names(made, tuple(notes))


def _marked(alphabet: Alphabet, slug: str, key: Key, used: set[str]) -> str:
    """Return a slug with digits of the fingerprint of what it is made from, as many as make it unique."""
    what, name = key
    digest = hashlib.sha256(f"{what} {name}".encode()).hexdigest()
    for digits in range(DIGITS, len(digest)):
        head = slug[: alphabet.most - digits - 1].rstrip("-._") or what[:1]
        if (made := f"{head}{alphabet.mark}{digest[:digits]}") not in used:
            break
    return made


def _note(alphabet: Alphabet, slug: str, group: list[tuple[str, str, str]]) -> str:
    shown = ", ".join(f"{what} {name!r} is {made}" for what, name, made in group[:SHOWN])
    more = f", and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
    return f"{slug!r} would be {alphabet.system} of several: {shown}{more}"
